package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[FakeQuantizeDx]("fake_quantize_dx", "Gradients of fake_quantize.",
	ir.Example{Op: FakeQuantizeDx{}, In: shapes("Nx3x4x2", "Nx3x4x2", "1")},
	ir.Example{Op: FakeQuantizeDx{Signed: true, Factor: 0.25}, In: shapes("Nx5", "Nx5", "1")},
	ir.Example{Op: FakeQuantizeDx{}, In: shapes("Nx3x4x2", "Nx3x4x2"), Violates: 1},
	ir.Example{Op: FakeQuantizeDx{}, In: shapes("Nx3x4x2", "Nx3x2x4", "1"), Violates: 1},
	ir.Example{Op: FakeQuantizeDx{}, In: shapes("Nx3x4x2", "Nx3x4x2", "2"), Violates: 2},
	ir.Example{Op: FakeQuantizeDx{Factor: -1}, In: shapes("Nx3", "Nx3", "1"), Violates: 3},
).ForGradients()

// FakeQuantizeDx returns the gradients of x and step for fake_quantize, as if rounding were the
// identity (the straight-through estimator, Bengio 2013; for the step Esser 2020, equation 3). With v =
// x/s and q = round(v):
//
//	dx    = dy where q is within the limits, otherwise 0
//	dstep = factor * sum of dy * (q - v where q is within the limits, otherwise the limit)
//
// These are those of PyTorch's _fake_quantize_learnable_per_tensor_affine.
//
// Constraints:
//
//	(1) operands dy and x, of one shape, and step
//	(2) step has one element
//	(3) factor is finite and not negative
type FakeQuantizeDx struct {
	Signed bool    `dsl:"signed"`
	Factor float64 `dsl:"factor"`
}

var fakeQuantizeDxSig = sig("dy x step:S")

// Operands are dy, x and step.
func (FakeQuantizeDx) Operands() []string { return fakeQuantizeDxSig.names() }

// Infer returns the shapes of x and step.
func (q FakeQuantizeDx) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := fakeQuantizeDxSig.check("fake_quantize_dx", in); err != nil {
		return nil, err
	}
	if !in[0].Equal(in[1]) {
		return nil, ir.Violation("fake_quantize_dx", 1, -1, "dy is %v and x is %v", in[0], in[1])
	}
	if err := FakeQuantize(q).check("fake_quantize_dx", in[2]); err != nil {
		return nil, err
	}
	return []ir.Type{like(in[1])[0], like(in[2])[0]}, nil
}

// Eval computes the formulas.
func (q FakeQuantizeDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	f := FakeQuantize(q)
	dx, ds, s := in[0].Clone(), tensor.New(1), stepOf(in[2])
	low, high := f.Limits()
	for i, dy := range in[0].Data {
		v, r := f.whole(float32(in[1].Data[i]), s)
		d := r - float64(float32(v))
		if limit := math.Min(math.Max(r, float64(low)), float64(high)); limit != r {
			dx.Data[i] = 0
			d = limit
		}
		ds.Data[0] += dy * d
	}
	if q.Factor != 0 {
		ds.Data[0] *= q.Factor
	}
	return []*tensor.Tensor{dx, ds}, nil
}

// Cost is an estimate.
func (FakeQuantizeDx) Cost(in, _ []ir.Type) ir.Cost { return ops1(6, in[0]) }
