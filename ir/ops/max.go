package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Max]("max", "Elementwise maximum of two or more values.",
	ir.Example{Op: Max{}, In: shapes("Nx3x4x2", "Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: Max{}, In: shapes("Nx3x1x2", "3x4x1")},
	ir.Example{Op: Max{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: Max{}, In: shapes("Nx3x4x2", "Nx3x4x3"), Violates: 2},
)

// Max is the elementwise maximum of its operands. Shapes broadcast as in numpy. If
// several operands are the maximum, the first of them gets the gradient. NaN propagates.
//
// Constraints:
//
//	(1) two or more operands
//	(2) their shapes broadcast
type Max struct{}

// Operands are a, b and so on.
func (Max) Operands() []string { return manySig.names() }

// Infer returns the broadcast shape.
func (Max) Infer(in []ir.Type) ([]ir.Type, error) { return inferBroadcast("max", manySig, in) }

// Eval compares the operands, from the first to the last.
func (Max) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return zip(in, func(a, b float64) float64 {
		if above(b, a) {
			return b
		}
		return a
	}), nil
}

// Cost is one comparison for each element and each operand after the first.
func (Max) Cost(in, out []ir.Type) ir.Cost { return ops1(len(in)-1, out[0]) }

// Grad is max_dx.
func (Max) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return b.DoN(MaxDx{}, append([]*ir.Value{dy[0]}, n.In...)...)[:len(n.In)]
}
