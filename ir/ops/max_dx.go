package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[MaxDx]("max_dx", "Gradients of max, one for each operand.",
	ir.Example{Op: MaxDx{}, In: shapes("Nx3x4x2", "Nx3x1x2", "3x4x1")},
	ir.Example{Op: MaxDx{}, In: shapes("Nx3x4x2", "Nx3x1x2"), Violates: 1},
	ir.Example{Op: MaxDx{}, In: shapes("Nx3x4x2", "Nx3x4x2", "3x4x3"), Violates: 2},
	ir.Example{Op: MaxDx{}, In: shapes("Nx3x4x3", "Nx3x4x2", "3x4x2"), Violates: 3},
).ForGradients()

// MaxDx passes each dy to the operand that was the maximum; if several were, to the
// first of them. The gradients of an operand that was stretched add up.
//
// Constraints:
//
//	(1) operands dy and the two or more operands of max
//	(2) max accepts these operands
//	(3) dy has the shape of max's output
type MaxDx struct{}

var maxDxSig = sig("dy a b...")

// Operands are dy, a, b and so on.
func (MaxDx) Operands() []string { return maxDxSig.names() }

// Infer returns the shapes of the operands after dy.
func (MaxDx) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := maxDxSig.check("max_dx", in); err != nil {
		return nil, err
	}
	y, err := Max{}.Infer(in[1:])
	if err != nil {
		return nil, ir.Violation("max_dx", 2, -1, "%v", err)
	}
	if !y[0].Shape.Equal(in[0].Shape) {
		return nil, ir.Violation("max_dx", 3, 0, "dy has shape %v, but the output of max has shape %v", in[0].Shape, y[0].Shape)
	}
	out := make([]ir.Type, len(in)-1)
	for i, t := range in[1:] {
		out[i] = like(t)[0]
	}
	return out, nil
}

// Eval finds the maximum again.
func (MaxDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dy, xs := in[0], in[1:]
	out := make([]*tensor.Tensor, len(xs))
	at := make([]places, len(xs))
	for i, x := range xs {
		out[i] = tensor.New(x.Shape...)
		at[i] = stretched(x.Shape, dy.Shape)
	}
	for p, d := range dy.Data {
		best := 0
		for i, x := range xs {
			if above(x.Data[at[i].of(p)], xs[best].Data[at[best].of(p)]) {
				best = i
			}
		}
		out[best].Data[at[best].of(p)] += d
	}
	return out, nil
}

// Cost is one comparison for each element and operand.
func (MaxDx) Cost(in, _ []ir.Type) ir.Cost { return ops1(len(in)-1, in[0]) }
