package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[HardSwishDx]("hardswish_dx", "Gradient of hardswish.",
	ir.Example{Op: HardSwishDx{}, In: shapes("Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: HardSwishDx{}, In: shapes("Nx5", "Nx5")},
	ir.Example{Op: HardSwishDx{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: HardSwishDx{}, In: shapes("Nx3x4x2", "Nx3x2x4"), Violates: 2},
).ForGradients()

// HardSwishDx is dy * (h + x/6) where 0 < h < 1, otherwise dy * h, with
// h = min(max(x/6 + 1/2, 0), 1).
//
// Constraints:
//
//	(1) operands dy and x, the input of hardswish
//	(2) both have the same shape
type HardSwishDx struct{}

// Operands are dy and x.
func (HardSwishDx) Operands() []string { return gradXSig.names() }

// Infer returns the shape of dy.
func (HardSwishDx) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferGrad("hardswish_dx", gradXSig, in)
}

// Eval multiplies dy by the derivative, computed from the input.
func (HardSwishDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return eachGrad(in, func(x float64) float64 {
		h := hardSigmoid(x, hardSlope, hardShift)
		if h <= 0 || h >= 1 {
			return h
		}
		return h + x*hardSlope
	}), nil
}

// Cost is an estimate.
func (HardSwishDx) Cost(_, out []ir.Type) ir.Cost { return ops1(6, out[0]) }
