package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Div]("div", "Elementwise quotient.",
	ir.Example{Op: Div{}, In: shapes("Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: Div{}, In: shapes("Nx3x1x2", "3x4x1")},
	ir.Example{Op: Div{}, In: shapes("Nx3", "1x3")},
	ir.Example{Op: Div{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: Div{}, In: shapes("Nx3x4x2", "Nx3x4x3"), Violates: 2},
)

// Div is a / b, elementwise. Shapes broadcast as in numpy: they are aligned at the last
// axis, and axes of extent 1 stretch.
//
// Constraints:
//
//	(1) two operands a and b
//	(2) their shapes broadcast
type Div struct{}

// Operands are a and b.
func (Div) Operands() []string { return binarySig.names() }

// Infer returns the broadcast shape.
func (Div) Infer(in []ir.Type) ([]ir.Type, error) { return inferBroadcast("div", binarySig, in) }

// Eval is a / b.
func (Div) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return zip(in, func(a, b float64) float64 { return a / b }), nil
}

// Cost is one operation for each element.
func (Div) Cost(_, out []ir.Type) ir.Cost { return ops1(1, out[0]) }

// Grad is dy/b and -dy/b * y, summed over the axes along which an operand was stretched.
func (Div) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	da := b.Do(Div{}, dy[0], n.In[1])
	db := b.Do(Scale{By: -1}, b.Do(Mul{}, da, n.Out[0]))
	return []*ir.Value{sumTo(b, da, n.In[0].Type.Shape), sumTo(b, db, n.In[1].Type.Shape)}
}
