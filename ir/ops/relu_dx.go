package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[ReLUDx]("relu_dx", "Gradient of relu.",
	ir.Example{Op: ReLUDx{}, In: shapes("Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: ReLUDx{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: ReLUDx{}, In: shapes("Nx3x4x2", "Nx3x2x4"), Violates: 2},
).ForGradients()

// ReLUDx is dy where y is above 0 or NaN, otherwise 0.
//
// Constraints:
//
//	(1) operands dy and y, the output of relu
//	(2) both have the same shape
type ReLUDx struct{}

// Operands are dy and y.
func (ReLUDx) Operands() []string { return gradYSig.names() }

// Infer returns the shape of dy.
func (ReLUDx) Infer(in []ir.Type) ([]ir.Type, error) { return inferGrad("relu_dx", gradYSig, in) }

// Eval multiplies dy by the derivative, computed from the output.
func (ReLUDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dx := in[0].Clone()
	for i, y := range in[1].Data {
		if y <= 0 {
			dx.Data[i] = 0
		}
	}
	return []*tensor.Tensor{dx}, nil
}

// Cost is an estimate.
func (ReLUDx) Cost(_, out []ir.Type) ir.Cost { return ops1(2, out[0]) }
