package ops_test

import (
	"math"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// TestQuantize: rounding goes to the nearest whole number, ties to even, and ends at the limits. The
// numbers are those of ONNX's QuantizeLinear and DequantizeLinear in its reference implementation:
//
//	python -c "import numpy as np; x=np.float32([...]); print((np.clip(np.rint(x/np.float32(s))+z,lo,hi)-z).astype(np.float32)*np.float32(s))"
func TestQuantize(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		op       ops.Quantize
		in, want []float64
	}{
		{ops.Quantize{Scale: 1}, []float64{0.5, 1.5, 2.5, -0.5, -1, 254.5, 255.5, 1e30, inf, -inf, nan}, []float64{0, 2, 2, 0, 0, 254, 255, 255, 255, 0, 0}},
		{ops.Quantize{Scale: 0.5, Zero: 128}, []float64{-64, -64.5, 63.5, 63.75, 0.25, 0.75}, []float64{-64, -64, 63.5, 63.5, 0, 1}},
		{ops.Quantize{Scale: 2, Signed: true}, []float64{-257, -256, 253, 255, 3, 5}, []float64{-256, -256, 252, 254, 4, 4}},
		// 0.1 as a float32: 0.35 / 0.1 is 3.5 when rounded to float32, and goes to 4.
		{ops.Quantize{Scale: 0.1}, []float64{0.35, 0.25, 0.15}, []float64{float64(float32(4) * float32(0.1)), float64(float32(2) * float32(0.1)), float64(float32(2) * float32(0.1))}},
	} {
		out, err := c.op.Eval([]*tensor.Tensor{tensor.Of(c.in, len(c.in))})
		if err != nil {
			t.Fatal(err)
		}
		for i, y := range out[0].Data {
			if y != c.want[i] {
				t.Errorf("%s of %v is %v, want %v", ir.FormatOp(c.op), c.in[i], y, c.want[i])
			}
		}
		// What has been quantized stays as it is.
		again, err := c.op.Eval(out)
		if d, _ := tensor.MaxDiff(again[0], out[0]); err != nil || d != 0 {
			t.Errorf("%s changes what it returned by %v, %v", ir.FormatOp(c.op), d, err)
		}
	}
	out, err := ops.Quantize{Scale: 1, Signed: true}.Eval([]*tensor.Tensor{tensor.Of([]float64{1, 2, 3, 1, 2, 3}, 2, 3), tensor.Of([]float64{2, 0.75}, 2)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0, 2, 4, 0.75, 2.25, 3} {
		if out[0].Data[i] != want {
			t.Errorf("by rows: element %d is %v, want %v", i, out[0].Data[i], want)
		}
	}
}

// TestStraightThrough: the gradient of quantize is dy where the input is within the limits, else 0.
func TestStraightThrough(t *testing.T) {
	b := ir.NewBuilder("t")
	x, dy := b.Input("x", float(batch, 6)), b.Input("dy", float(batch, 6))
	n, err := b.Add("y", ops.Quantize{Scale: 0.5, Zero: 10}, x)
	if err != nil {
		t.Fatal(err)
	}
	g := b.Graph()
	g.Outputs = n.Op.(ir.Differ).Grad(b, n, []*ir.Value{dy})
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	xs := tensor.Of([]float64{-6, -5, 0.1, 122.5, 122.7, 123}, 1, 6)
	res, err := ref.Run(g, []*tensor.Tensor{xs, tensor.Of([]float64{1, 2, 3, 4, 5, 6}, 1, 6)}, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0, 2, 3, 4, 5, 0} {
		if got := res[g.Outputs[0]].Data[i]; got != want {
			t.Errorf("the gradient at %v is %v, want %v", xs.Data[i], got, want)
		}
	}
}
