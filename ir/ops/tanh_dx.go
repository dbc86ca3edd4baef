package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[TanhDx]("tanh_dx", "Gradient of tanh.",
	ir.Example{Op: TanhDx{}, In: shapes("Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: TanhDx{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: TanhDx{}, In: shapes("Nx3x4x2", "Nx3x2x4"), Violates: 2},
).ForGradients()

// TanhDx is dy * (1 - y*y).
//
// Constraints:
//
//	(1) operands dy and y, the output of tanh
//	(2) both have the same shape
type TanhDx struct{}

// Operands are dy and y.
func (TanhDx) Operands() []string { return gradYSig.names() }

// Infer returns the shape of dy.
func (TanhDx) Infer(in []ir.Type) ([]ir.Type, error) { return inferGrad("tanh_dx", gradYSig, in) }

// Eval multiplies dy by the derivative, computed from the output.
func (TanhDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dx := in[0].Clone()
	for i, y := range in[1].Data {
		dx.Data[i] *= 1 - y*y
	}
	return []*tensor.Tensor{dx}, nil
}

// Cost is an estimate.
func (TanhDx) Cost(_, out []ir.Type) ir.Cost { return ops1(2, out[0]) }
