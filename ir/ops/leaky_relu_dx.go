package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[LeakyReLUDx]("leaky_relu_dx", "Gradient of leaky_relu.",
	ir.Example{Op: LeakyReLUDx{Alpha: 0.01}, In: shapes("Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: LeakyReLUDx{Alpha: 0.25}, In: shapes("Nx5", "Nx5")},
	ir.Example{Op: LeakyReLUDx{Alpha: 0.01}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: LeakyReLUDx{Alpha: 0.01}, In: shapes("Nx3x4x2", "Nx3x2x4"), Violates: 2},
).ForGradients()

// LeakyReLUDx is dy where y > 0 or y is NaN, otherwise alpha * dy.
//
// Constraints:
//
//	(1) operands dy and y, the output of leaky_relu
//	(2) both have the same shape
type LeakyReLUDx struct {
	Alpha float64 `dsl:"alpha,default=0.01"`
}

// Operands are dy and y.
func (LeakyReLUDx) Operands() []string { return gradYSig.names() }

// Infer returns the shape of dy.
func (LeakyReLUDx) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferGrad("leaky_relu_dx", gradYSig, in)
}

// Eval multiplies dy by the derivative, computed from the output.
func (l LeakyReLUDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return eachGrad(in, func(y float64) float64 {
		if y <= 0 {
			return l.Alpha
		}
		return 1
	}), nil
}

// Cost is an estimate.
func (LeakyReLUDx) Cost(_, out []ir.Type) ir.Cost { return ops1(3, out[0]) }
