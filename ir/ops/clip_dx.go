package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[ClipDx]("clip_dx", "Gradient of clip.",
	ir.Example{Op: ClipDx{Min: 0, Max: 6}, In: shapes("Nx3x4x2", "Nx3x4x2")},
	ir.Example{Op: ClipDx{Min: -0.5, Max: 0.25}, In: shapes("Nx5", "Nx5")},
	ir.Example{Op: ClipDx{Min: 0, Max: 6}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: ClipDx{Min: 0, Max: 6}, In: shapes("Nx3x4x2", "Nx3x2x4"), Violates: 2},
).ForGradients()

// ClipDx is dy where min < y < max or y is NaN, otherwise 0.
//
// Constraints:
//
//	(1) operands dy and y, the output of clip
//	(2) both have the same shape
type ClipDx struct {
	Min float64 `dsl:"min"`
	Max float64 `dsl:"max"`
}

// Operands are dy and y.
func (ClipDx) Operands() []string { return gradYSig.names() }

// Infer returns the shape of dy.
func (ClipDx) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferGrad("clip_dx", gradYSig, in)
}

// Eval multiplies dy by the derivative, computed from the output.
func (c ClipDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return eachGrad(in, func(y float64) float64 {
		if y <= c.Min || y >= c.Max {
			return 0
		}
		return 1
	}), nil
}

// Cost is an estimate.
func (ClipDx) Cost(_, out []ir.Type) ir.Cost { return ops1(3, out[0]) }
