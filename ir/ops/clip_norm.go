package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[ClipNorm]("clip_norm", "Gradient, scaled down if the norm of all gradients is above a bound (Pascanu 2013, algorithm 1).",
	ir.Example{Op: ClipNorm{Bound: 0.5}, In: shapes("4x3", "scalar")},
	ir.Example{Op: ClipNorm{Bound: 1}, In: shapes("4x3", "1"), Violates: 1},
	ir.Example{Op: ClipNorm{}, In: shapes("4x3", "scalar"), Violates: 2},
).ForGradients()

// ClipNorm is x * min(1, bound/norm), where norm is the norm of all gradients together
// (Pascanu 2013, algorithm 1).
//
// Constraints:
//
//	(1) operands x and norm (a scalar)
//	(2) bound is above 0 and finite
type ClipNorm struct {
	Bound float64 `dsl:"bound"`
}

var clipNormSig = sig("x norm:scalar")

// Operands are x and norm.
func (ClipNorm) Operands() []string { return clipNormSig.names() }

// Infer returns the shape of x.
func (c ClipNorm) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := clipNormSig.check("clip_norm", in); err != nil {
		return nil, err
	}
	if !(c.Bound > 0) || math.IsInf(c.Bound, 0) {
		return nil, ir.Violation("clip_norm", 2, -1, "bound=%g (want a finite number above 0)", c.Bound)
	}
	return like(in[0]), nil
}

// Eval multiplies.
func (c ClipNorm) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	f := 1.0
	if n := in[1].Data[0]; !(n <= c.Bound) { // also if n is NaN
		f = c.Bound / n
	}
	x := in[0].Clone()
	for i := range x.Data {
		x.Data[i] *= f
	}
	return []*tensor.Tensor{x}, nil
}

// Cost is a product for each element.
func (ClipNorm) Cost(_, out []ir.Type) ir.Cost { return ops1(1, out[0]) }
