package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[FakeQuantize]("fake_quantize", "Rounds to whole multiples of a step that is trained (Esser 2020).",
	ir.Example{Op: FakeQuantize{}, In: shapes("Nx3x4x2", "1")},
	ir.Example{Op: FakeQuantize{Signed: true, Factor: 0.5}, In: shapes("Nx5", "1")},
	ir.Example{Op: FakeQuantize{}, In: shapes("Nx3x4x2"), Violates: 1},
	ir.Example{Op: FakeQuantize{}, In: shapes("Nx3x4x2", "3"), Violates: 2},
	ir.Example{Op: FakeQuantize{Factor: -1}, In: shapes("Nx3", "1"), Violates: 3},
	ir.Example{Op: FakeQuantize{Factor: math.Inf(1)}, In: shapes("Nx3", "1"), Violates: 3},
).ForGradients()

// MinStep is the least step of a fake_quantize: a training can make the operand less, but then it
// counts as this.
const MinStep = 1e-10

// FakeQuantize is q * s for the whole number q = round(x / s), limited to 0..255, or if signed to
// -128..127, with s = max(step, MinStep): what Quantize with the scale s and zero point 0 computes, in a
// training that changes the step as well (LSQ, Esser 2020, section 2).
//
// x and s are float32s and so are x/s and the result, rounded to the nearest, ties to even; round is
// to the nearest whole number, ties to even. NaN propagates, so that a training notices it.
//
// Constraints:
//
//	(1) operands x, of any shape, and step
//	(2) step has one element
//	(3) factor is finite and not negative
type FakeQuantize struct {
	Signed bool `dsl:"signed"`
	// Factor is a factor on the gradient of the step: 1/sqrt(x.Size() * 255) in the paper (section
	// 2.2), where x.Size() is the number of elements of an image. 0 means 1.
	Factor float64 `dsl:"factor"`
}

var fakeQuantizeSig = sig("x step:S")

// Operands are x and step.
func (FakeQuantize) Operands() []string { return fakeQuantizeSig.names() }

// Infer returns the shape of x.
func (q FakeQuantize) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := fakeQuantizeSig.check("fake_quantize", in); err != nil {
		return nil, err
	}
	if err := q.check("fake_quantize", in[1]); err != nil {
		return nil, err
	}
	return like(in[0]), nil
}

// check checks what the op and its gradient have in common.
func (q FakeQuantize) check(name string, step ir.Type) error {
	if s := step.Shape; len(s) != 1 || s[0] != 1 {
		return ir.Violation(name, 2, -1, "a step of shape %v (want 1)", s)
	}
	if !(q.Factor >= 0) || math.IsInf(q.Factor, 0) {
		return ir.Violation(name, 3, -1, "factor=%g (want a finite number that is not negative)", q.Factor)
	}
	return nil
}

// Limits returns the least and the greatest q.
func (q FakeQuantize) Limits() (low, high int) { return Quantize{Signed: q.Signed}.Limits() }

// whole returns x/s, rounded as far as one more than the limits.
func (q FakeQuantize) whole(x, s float32) (v, rounded float64) {
	low, high := q.Limits()
	v = float64(x / s)
	return v, min(max(math.RoundToEven(v), float64(low-1)), float64(high+1))
}

// stepOf is the step that an operand stands for.
func stepOf(t *tensor.Tensor) float32 { return max(float32(t.Data[0]), MinStep) }

// Eval rounds each element.
func (q FakeQuantize) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	y, s := in[0].Clone(), stepOf(in[1])
	low, high := q.Limits()
	for i, x := range y.Data {
		_, r := q.whole(float32(x), s)
		y.Data[i] = float64(float32(min(max(r, float64(low)), float64(high))) * s)
	}
	return []*tensor.Tensor{y}, nil
}

// Cost is an estimate.
func (FakeQuantize) Cost(_, out []ir.Type) ir.Cost { return ops1(4, out[0]) }

// Grad is fake_quantize_dx, which reads the input.
func (q FakeQuantize) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return b.DoN(FakeQuantizeDx(q), dy[0], n.In[0], n.In[1])
}
