package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[SiLUDx]("silu_dx", "Gradient of silu.",
	ir.Example{Op: SiLUDx{}, In: shapes("Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: SiLUDx{}, In: shapes("Nx5", "Nx5")},
	ir.Example{Op: SiLUDx{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: SiLUDx{}, In: shapes("Nx3x4x2", "Nx3x2x4"), Violates: 2},
).ForGradients()

// SiLUDx is dy * (s + x*s*(1-s)) with s = sigmoid(x).
//
// Constraints:
//
//	(1) operands dy and x, the input of silu
//	(2) both have the same shape
type SiLUDx struct{}

// Operands are dy and x.
func (SiLUDx) Operands() []string { return gradXSig.names() }

// Infer returns the shape of dy.
func (SiLUDx) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferGrad("silu_dx", gradXSig, in)
}

// Eval multiplies dy by the derivative, computed from the input.
func (SiLUDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return eachGrad(in, func(x float64) float64 {
		s := sigmoid(x)
		return s + x*s*(1-s)
	}), nil
}

// Cost is an estimate.
func (SiLUDx) Cost(_, out []ir.Type) ir.Cost { return ops1(6, out[0]) }
