package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Max]("max", "Maximum, elementwise, of two or more.",
	ir.Example{Op: Max{}, In: shapes("Nx3x4x2", "Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: Max{}, In: shapes("Nx3x1x2", "3x4x1")},
	ir.Example{Op: Max{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: Max{}, In: shapes("Nx3x4x2", "Nx3x4x3"), Violates: 2},
)

// Max is the largest of its operands; shapes broadcast as in numpy. Ties go to
// the first operand, NaN propagates.
//
// Constraints:
//
//	(1) two or more operands
//	(2) their shapes broadcast
type Max struct{}

// Operands are a, b and so on.
func (Max) Operands() []string { return manySig.names() }

// Infer returns the shape that they have in common.
func (Max) Infer(in []ir.Type) ([]ir.Type, error) { return inferBroadcast("max", manySig, in) }

// Eval compares.
func (Max) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return zip(in, func(a, b float64) float64 {
		if above(b, a) {
			return b
		}
		return a
	}), nil
}

// Cost is one comparison for each element and further operand.
func (Max) Cost(in, out []ir.Type) ir.Cost { return ops1(len(in)-1, out[0]) }

// Grad is max_dx.
func (Max) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return b.DoN(MaxDx{}, append([]*ir.Value{dy[0]}, n.In...)...)[:len(n.In)]
}
