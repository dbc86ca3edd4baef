package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[GELUDx]("gelu_dx", "Gradient of gelu.",
	ir.Example{Op: GELUDx{}, In: shapes("Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: GELUDx{Tanh: true}, In: shapes("Nx5", "Nx5")},
	ir.Example{Op: GELUDx{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: GELUDx{}, In: shapes("Nx3x4x2", "Nx3x2x4"), Violates: 2},
).ForGradients()

// GELUDx is dy * (P(x) + x*p(x)), where P is the normal distribution and p its density, or
// with tanh dy times the derivative of the approximation.
//
// Constraints:
//
//	(1) operands dy and x, the input of gelu
//	(2) both have the same shape
type GELUDx struct {
	Tanh bool `dsl:"tanh"`
}

// Operands are dy and x.
func (GELUDx) Operands() []string { return gradXSig.names() }

// Infer returns the shape of dy.
func (GELUDx) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferGrad("gelu_dx", gradXSig, in)
}

// Eval multiplies dy by the derivative, computed from the input.
func (g GELUDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return eachGrad(in, func(x float64) float64 { return geluDerivative(x, g.Tanh) }), nil
}

// Cost is an estimate.
func (GELUDx) Cost(_, out []ir.Type) ir.Cost { return ops1(13, out[0]) }
