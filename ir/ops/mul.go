package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Mul]("mul", "Elementwise product.",
	ir.Example{Op: Mul{}, In: shapes("Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: Mul{}, In: shapes("Nx3x1x2", "3x4x1")},
	ir.Example{Op: Mul{}, In: shapes("Nx3", "1x3")},
	ir.Example{Op: Mul{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: Mul{}, In: shapes("Nx3x4x2", "Nx3x4x3"), Violates: 2},
)

// Mul is a * b, elementwise. Shapes broadcast as in numpy: they are aligned at the last
// axis, and axes of extent 1 stretch.
//
// Constraints:
//
//	(1) two operands a and b
//	(2) their shapes broadcast
type Mul struct{}

// Operands are a and b.
func (Mul) Operands() []string { return binarySig.names() }

// Infer returns the broadcast shape.
func (Mul) Infer(in []ir.Type) ([]ir.Type, error) { return inferBroadcast("mul", binarySig, in) }

// Eval is a * b.
func (Mul) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return zip(in, func(a, b float64) float64 { return a * b }), nil
}

// Cost is one operation for each element.
func (Mul) Cost(_, out []ir.Type) ir.Cost { return ops1(1, out[0]) }

// Grad is dy times the other operand, summed over the axes along which an operand was
// stretched.
func (Mul) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{
		sumTo(b, b.Do(Mul{}, dy[0], n.In[1]), n.In[0].Type.Shape),
		sumTo(b, b.Do(Mul{}, dy[0], n.In[0]), n.In[1].Type.Shape),
	}
}
