package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Sub]("sub", "Elementwise difference.",
	ir.Example{Op: Sub{}, In: shapes("Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: Sub{}, In: shapes("Nx3x1x2", "3x4x1")},
	ir.Example{Op: Sub{}, In: shapes("Nx3", "1x3")},
	ir.Example{Op: Sub{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: Sub{}, In: shapes("Nx3x4x2", "Nx3x4x3"), Violates: 2},
)

// Sub is a - b, elementwise. Shapes broadcast as in numpy: they are aligned at the last
// axis, and axes of extent 1 stretch.
//
// Constraints:
//
//	(1) two operands a and b
//	(2) their shapes broadcast
type Sub struct{}

// Operands are a and b.
func (Sub) Operands() []string { return binarySig.names() }

// Infer returns the broadcast shape.
func (Sub) Infer(in []ir.Type) ([]ir.Type, error) { return inferBroadcast("sub", binarySig, in) }

// Eval is a - b.
func (Sub) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return zip(in, func(a, b float64) float64 { return a - b }), nil
}

// Cost is one operation for each element.
func (Sub) Cost(_, out []ir.Type) ir.Cost { return ops1(1, out[0]) }

// Grad is dy and -dy, summed over the axes along which an operand was stretched.
func (Sub) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{
		sumTo(b, dy[0], n.In[0].Type.Shape),
		b.Do(Scale{By: -1}, sumTo(b, dy[0], n.In[1].Type.Shape)),
	}
}
