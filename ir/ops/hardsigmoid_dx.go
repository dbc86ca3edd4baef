package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[HardSigmoidDx]("hardsigmoid_dx", "Gradient of hardsigmoid.",
	ir.Example{Op: HardSigmoidDx{Alpha: hardSlope, Beta: hardShift}, In: shapes("Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: HardSigmoidDx{Alpha: 0.2, Beta: 0.4}, In: shapes("Nx5", "Nx5")},
	ir.Example{Op: HardSigmoidDx{Alpha: hardSlope, Beta: hardShift}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: HardSigmoidDx{Alpha: hardSlope, Beta: hardShift}, In: shapes("Nx3x4x2", "Nx3x2x4"), Violates: 2},
).ForGradients()

// HardSigmoidDx is alpha * dy where 0 < y < 1 or y is NaN, otherwise 0.
//
// Constraints:
//
//	(1) operands dy and y, the output of hardsigmoid
//	(2) both have the same shape
type HardSigmoidDx struct {
	Alpha float64 `dsl:"alpha,default=0.16666666666666666"`
	Beta  float64 `dsl:"beta,default=0.5"`
}

// Operands are dy and y.
func (HardSigmoidDx) Operands() []string { return gradYSig.names() }

// Infer returns the shape of dy.
func (HardSigmoidDx) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferGrad("hardsigmoid_dx", gradYSig, in)
}

// Eval multiplies dy by the derivative, computed from the output.
func (h HardSigmoidDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return eachGrad(in, func(y float64) float64 {
		if y <= 0 || y >= 1 {
			return 0
		}
		return h.Alpha
	}), nil
}

// Cost is an estimate.
func (HardSigmoidDx) Cost(_, out []ir.Type) ir.Cost { return ops1(5, out[0]) }
