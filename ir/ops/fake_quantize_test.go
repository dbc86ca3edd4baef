package ops_test

import (
	_ "embed"
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// fakeQuantizeGolden is what PyTorch computes: testdata/fake_quantize.py.
//
//go:embed testdata/fake_quantize.json
var fakeQuantizeGolden []byte

// TestFakeQuantizeTorch: results and gradients are those of PyTorch's
// _fake_quantize_learnable_per_tensor_affine.
func TestFakeQuantizeTorch(t *testing.T) {
	var cases []struct {
		Signed                    bool
		Factor                    float64
		Step, X, Dy, Y, Dx, Dstep []float64
	}
	if err := json.Unmarshal(fakeQuantizeGolden, &cases); err != nil {
		t.Fatal(err)
	}
	vector := func(x []float64) *tensor.Tensor {
		v := tensor.New(len(x))
		for i, x := range x {
			v.Data[i] = float64(float32(x))
		}
		return v
	}
	near := func(what string, got *tensor.Tensor, want []float64, tolerance float64) {
		t.Helper()
		for i, w := range want {
			if math.Abs(got.Data[i]-w) > tolerance*math.Max(1, math.Abs(w)) {
				t.Errorf("%s %d is %g, PyTorch has %g", what, i, got.Data[i], w)
			}
		}
	}
	zeros := 0
	for _, c := range cases {
		op := ops.FakeQuantize{Signed: c.Signed, Factor: c.Factor}
		x, step := vector(c.X), vector(c.Step)
		y, err := op.Eval([]*tensor.Tensor{x, step})
		if err != nil {
			t.Fatal(err)
		}
		near("y", y[0], c.Y, 1e-6)
		d, err := ops.FakeQuantizeDx(op).Eval([]*tensor.Tensor{vector(c.Dy), x, step})
		if err != nil {
			t.Fatal(err)
		}
		near("dx", d[0], c.Dx, 1e-6)
		near("dstep", d[1], c.Dstep, 1e-5)
		for _, v := range c.Dx {
			if v == 0 {
				zeros++
			}
		}
	}
	if len(cases) < 3 || zeros < 10 {
		t.Errorf("%d cases with %d elements beyond the limits", len(cases), zeros)
	}
}

// TestFakeQuantizeStraightThrough: the gradients are the central differences of what the op computes if
// rounding adds the same to x/step as where the gradient is taken.
func TestFakeQuantizeStraightThrough(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		op := ops.FakeQuantize{Signed: r.IntN(2) == 0}
		low, high := op.Limits()
		step := float64(float32(0.01 + 0.1*r.Float64()))
		x, dy := tensor.New(5), tensor.New(5)
		added := make([]float64, 5)
		for i := range x.Data {
			x.Data[i] = float64(float32((r.Float64()*1.4 - 0.2) * float64(high) * step))
			if v := x.Data[i] / step; math.Abs(v-float64(low)) < 0.6 || math.Abs(v-float64(high)) < 0.6 {
				x.Data[i] = 10 * step // not at a limit, where there is no derivative
			}
			dy.Data[i] = r.NormFloat64()
			v := float64(float32(x.Data[i]) / float32(step))
			added[i] = math.RoundToEven(v) - v
		}
		f := func(step float64, at int, more float64) float64 {
			sum := 0.0
			for i, v := range x.Data {
				if i == at {
					v += more
				}
				sum += dy.Data[i] * step * math.Min(math.Max(v/step+added[i], float64(low)), float64(high))
			}
			return sum
		}
		d, err := ops.FakeQuantizeDx(op).Eval([]*tensor.Tensor{dy, x, tensor.Widen(tensor.Of([]float32{float32(step)}, 1))})
		if err != nil {
			t.Fatal(err)
		}
		const h = 1e-7
		if want := (f(step+h, -1, 0) - f(step-h, -1, 0)) / (2 * h); math.Abs(d[1].Data[0]-want) > 1e-3*math.Max(1, math.Abs(want)) {
			t.Errorf("dstep is %g, want %g", d[1].Data[0], want)
		}
		for i := range x.Data {
			if want := (f(step, i, h) - f(step, i, -h)) / (2 * h); math.Abs(d[0].Data[i]-want) > 1e-4 {
				t.Errorf("dx of %g (step %g) is %g, want %g", x.Data[i], step, d[0].Data[i], want)
			}
		}
	}
}

// TestFakeQuantizeIsQuantize: it computes the bits of quantize with the same scale, for all that is a
// number, and a step that a training has made too small counts as the least one.
func TestFakeQuantizeIsQuantize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 8))
	x := tensor.New(1000)
	for i := range x.Data {
		x.Data[i] = float64(float32(20 * r.NormFloat64()))
	}
	for _, signed := range []bool{false, true} {
		const step = float32(0.07)
		want, err := ops.Quantize{Scale: float64(step), Signed: signed}.Eval([]*tensor.Tensor{x})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ops.FakeQuantize{Signed: signed}.Eval([]*tensor.Tensor{x, tensor.Widen(tensor.Of([]float32{step}, 1))})
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range want[0].Data {
			if got[0].Data[i] != w {
				t.Fatalf("%g becomes %g, want %g", x.Data[i], got[0].Data[i], w)
			}
		}
	}
	x = tensor.New(3)
	x.Data = []float64{math.NaN(), 1, -1}
	y, err := ops.FakeQuantize{}.Eval([]*tensor.Tensor{x, tensor.New(1)})
	if err != nil || !math.IsNaN(y[0].Data[0]) || y[0].Data[2] != 0 || math.Abs(y[0].Data[1]-255*ops.MinStep) > 1e-12 {
		t.Errorf("NaN, 1 and -1 become %v, %v", y, err)
	}
	b := ir.NewBuilder("t")
	v := b.Do(ops.FakeQuantize{}, b.Input("x", ir.Float(ir.Batch, 4)), b.Param("s", []int{2}, ir.Param{LR: 1}))
	if b.Err() == nil {
		t.Errorf("a step of two elements gives %v", v)
	}
}
