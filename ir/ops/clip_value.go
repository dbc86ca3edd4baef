package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[ClipValue]("clip_value", "Elements limited to -bound..bound.",
	ir.Example{Op: ClipValue{Bound: 0.5}, In: shapes("4x3")},
	ir.Example{Op: ClipValue{Bound: 1}, In: nil, Violates: 1},
	ir.Example{Op: ClipValue{}, In: shapes("4x3"), Violates: 2},
).ForGradients()

// ClipValue is x with each element limited to -bound..bound. NaN remains NaN.
//
// Constraints:
//
//	(1) one operand x
//	(2) bound is above 0 and finite
type ClipValue struct {
	Bound float64 `dsl:"bound"`
}

// Operands is x.
func (ClipValue) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (c ClipValue) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("clip_value", in); err != nil {
		return nil, err
	}
	if !(c.Bound > 0) || math.IsInf(c.Bound, 0) {
		return nil, ir.Violation("clip_value", 2, -1, "bound=%g (want a finite number above 0)", c.Bound)
	}
	return like(in[0]), nil
}

// Eval compares.
func (c ClipValue) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	x := in[0].Clone()
	for i, v := range x.Data {
		if v > c.Bound {
			x.Data[i] = c.Bound
		} else if v < -c.Bound {
			x.Data[i] = -c.Bound
		}
	}
	return []*tensor.Tensor{x}, nil
}

// Cost is a comparison for each element.
func (ClipValue) Cost(_, out []ir.Type) ir.Cost { return ops1(1, out[0]) }
