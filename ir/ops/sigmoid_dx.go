package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[SigmoidDx]("sigmoid_dx", "Gradient of sigmoid.",
	ir.Example{Op: SigmoidDx{}, In: shapes("Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: SigmoidDx{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: SigmoidDx{}, In: shapes("Nx3x4x2", "Nx3x2x4"), Violates: 2},
).ForGradients()

// SigmoidDx is dy * y * (1 - y).
//
// Constraints:
//
//	(1) operands dy and y, the output of sigmoid
//	(2) both have the same shape
type SigmoidDx struct{}

// Operands are dy and y.
func (SigmoidDx) Operands() []string { return gradYSig.names() }

// Infer returns the shape of dy.
func (SigmoidDx) Infer(in []ir.Type) ([]ir.Type, error) { return inferGrad("sigmoid_dx", gradYSig, in) }

// Eval multiplies dy by the derivative, computed from the output.
func (SigmoidDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dx := in[0].Clone()
	for i, y := range in[1].Data {
		dx.Data[i] *= y * (1 - y)
	}
	return []*tensor.Tensor{dx}, nil
}

// Cost is an estimate.
func (SigmoidDx) Cost(_, out []ir.Type) ir.Cost { return ops1(2, out[0]) }
