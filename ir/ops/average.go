package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Average]("average", "Step of a running average of weights (Polyak 1992; exponential: Szegedy 2016, section 8).",
	ir.Example{Op: Average{Decay: 0.999}, In: shapes("4x3", "4x3", "i64:scalar")},
	ir.Example{Op: Average{Decay: 1}, In: shapes("5", "5", "i64:scalar")},
	ir.Example{Op: Average{Decay: 1}, In: shapes("5", "5", "scalar"), Violates: 1},
	ir.Example{Op: Average{Decay: 1}, In: shapes("5", "6", "i64:scalar"), Violates: 2},
	ir.Example{Op: Average{Decay: 1.5}, In: shapes("5", "5", "i64:scalar"), Violates: 3},
).ForGradients()

// Average is average + f * (value - average) with f = max(1-decay, 1/(step+1)). During
// the first 1/(1-decay) steps it is the mean of all values, then an exponential
// average. So it needs no initial value, and no correction of the bias that an initial
// value would cause. With decay 1 it remains the mean (Polyak 1992, equation 2).
//
// Constraints:
//
//	(1) operands average, value and step (a scalar i64 that counts from 0)
//	(2) average and value have the same shape
//	(3) 0 <= decay <= 1
type Average struct {
	Decay float64 `dsl:"decay,default=1"`
}

var averageSig = sig("average value step:scalar/i64")

// Operands are average, value and step.
func (Average) Operands() []string { return averageSig.names() }

// Infer returns the shape of average.
func (a Average) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := inferStep("average", averageSig, in, 3); err != nil {
		return nil, err
	}
	if !(a.Decay >= 0 && a.Decay <= 1) {
		return nil, ir.Violation("average", 3, -1, "decay %g is not within 0..1", a.Decay)
	}
	return like(in[0]), nil
}

// Eval computes the formula.
func (a Average) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	f := math.Max(1-a.Decay, 1/(in[2].Data[0]+1))
	r := in[0].Clone()
	for i, v := range in[1].Data {
		r.Data[i] += f * (v - r.Data[i])
	}
	return []*tensor.Tensor{r}, nil
}

// Cost is a difference, a product and a sum for each element.
func (Average) Cost(in, _ []ir.Type) ir.Cost { return ops1(3, in[0]) }
