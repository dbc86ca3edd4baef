package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[PenaltyDx]("penalty_dx", "Gradient, plus the gradient of an L1 and L2 penalty on the weights.",
	ir.Example{Op: PenaltyDx{L1: 0.5, L2: 0.1}, In: shapes("4x3", "4x3")},
	ir.Example{Op: PenaltyDx{L1: 1}, In: shapes("4x3"), Violates: 1},
	ir.Example{Op: PenaltyDx{L1: 1}, In: shapes("4x3", "3x4"), Violates: 2},
	ir.Example{Op: PenaltyDx{L1: -1}, In: shapes("4x3", "4x3"), Violates: 3},
).ForGradients()

// PenaltyDx is grad + l1 * sign(weight) + l2 * weight, where sign(0) = 0. It adds the
// gradient of the penalty l1 * sum |weight| + l2/2 * sum weight^2.
//
// Constraints:
//
//	(1) operands weight and grad
//	(2) both have the same shape
//	(3) l1 and l2 are finite and not negative
type PenaltyDx struct {
	L1 float64 `dsl:"l1"`
	L2 float64 `dsl:"l2"`
}

var penaltySig = sig("weight grad")

// Operands are weight and grad.
func (PenaltyDx) Operands() []string { return penaltySig.names() }

// Infer returns the shape of weight.
func (p PenaltyDx) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := inferStep("penalty_dx", penaltySig, in, 2); err != nil {
		return nil, err
	}
	if err := checkRates("penalty_dx", nil, []float64{p.L1, p.L2}); err != nil {
		return nil, err
	}
	return like(in[0]), nil
}

// Eval computes the formula.
func (p PenaltyDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	g := in[1].Clone()
	for i, w := range in[0].Data {
		g.Data[i] += p.L2 * w
		switch {
		case w > 0:
			g.Data[i] += p.L1
		case w < 0:
			g.Data[i] -= p.L1
		}
	}
	return []*tensor.Tensor{g}, nil
}

// Cost is an estimate.
func (PenaltyDx) Cost(in, _ []ir.Type) ir.Cost { return ops1(3, in[0]) }
