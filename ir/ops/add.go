package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Add]("add", "Elementwise sum of two or more values.",
	ir.Example{Op: Add{}, In: shapes("Nx3x4x2", "Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: Add{}, In: shapes("Nx3x1x2", "3x4x1")},
	ir.Example{Op: Add{}, In: shapes("3", "Nx3")},
	ir.Example{Op: Add{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: Add{}, In: shapes("Nx3x4x2", "Nx3x4x3"), Violates: 2},
)

// Add is the elementwise sum of its operands, added from the first to the last. Shapes
// broadcast as in numpy: they are aligned at the last axis, and axes of extent 1
// stretch. The sum of two operands of the same shape is the shortcut of a residual
// network (He 2016, equation 1).
//
// Constraints:
//
//	(1) two or more operands
//	(2) their shapes broadcast
type Add struct{}

var binarySig, manySig = sig("a b"), sig("a b...")

// Operands are a, b and so on.
func (Add) Operands() []string { return manySig.names() }

// Infer returns the broadcast shape.
func (Add) Infer(in []ir.Type) ([]ir.Type, error) { return inferBroadcast("add", manySig, in) }

// Eval adds.
func (Add) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return zip(in, func(a, b float64) float64 { return a + b }), nil
}

// Cost is one addition for each element and each operand after the first.
func (Add) Cost(in, out []ir.Type) ir.Cost { return ops1(len(in)-1, out[0]) }

// Grad is dy for each operand, summed over the axes along which it was stretched.
func (Add) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	r := make([]*ir.Value, len(n.In))
	for i, v := range n.In {
		r[i] = sumTo(b, dy[0], v.Type.Shape)
	}
	return r
}
