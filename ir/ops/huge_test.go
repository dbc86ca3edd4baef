package ops

import (
	"math"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// TestHugeValues evaluates ops on values at the limits of float32: the reference does not
// overflow, and a huge value does not hide small ones.
func TestHugeValues(t *testing.T) {
	const big = 3e38
	ln2 := math.Log(2)
	of := func(shape []int, x ...float64) *tensor.Tensor { return &tensor.Tensor{Shape: shape, Data: x} }
	row := func(x ...float64) *tensor.Tensor { return of([]int{1, len(x)}, x...) }
	square := func(x ...float64) *tensor.Tensor { return of([]int{1, 1, 2, 2}, x...) }
	for _, c := range []struct {
		name string
		op   ir.Op
		in   []*tensor.Tensor
		want []float64
	}{
		{"softmax", Softmax{Axis: 1}, []*tensor.Tensor{row(big, big, -big, 0)}, []float64{.5, .5, 0, 0}},
		{"softmax of small ones", Softmax{Axis: 1}, []*tensor.Tensor{row(-big, -big)}, []float64{.5, .5}},
		{"log_softmax", LogSoftmax{Axis: 1}, []*tensor.Tensor{row(big, big, 0)}, []float64{-ln2, -ln2, -big}},
		{"cross_entropy", CrossEntropy{}, []*tensor.Tensor{row(big, big, -big), of([]int{1}, 1)}, []float64{ln2}},
		{"cross_entropy_dx", CrossEntropyDx{}, []*tensor.Tensor{tensor.Scalar(1), row(big, big, -big), of([]int{1}, 1)}, []float64{.5, -.5, 0}},
		{"sigmoid", Sigmoid{}, []*tensor.Tensor{row(big, -big, 0)}, []float64{1, 0, .5}},
		{"tanh", Tanh{}, []*tensor.Tensor{row(big, -big, 0)}, []float64{1, -1, 0}},
		{"gap", GlobalAvgPool{}, []*tensor.Tensor{square(big, big, big, big)}, []float64{big}},
		{"avgpool", AvgPool{Kernel: ir.HW{2, 2}, Stride: ir.HW{1, 1}}, []*tensor.Tensor{square(big, big, -big, big)}, []float64{big / 2}},
		{"lrn", LRN{Size: 1, Alpha: 1, Beta: .5, K: 1}, []*tensor.Tensor{square(big, -big, 0, big)}, []float64{1, -1, 0, 1}},
		{"batchnorm", BatchNorm{Eps: 1e-5, Momentum: .9}, []*tensor.Tensor{row(big), row1(1), row1(0), row1(0), row1(big * big)}, []float64{1}},
	} {
		y, err := c.op.Eval(c.in)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for i, want := range c.want {
			if got := y[0].Data[i]; !(math.Abs(got-want) <= 1e-12*math.Max(1, math.Abs(want))) {
				t.Errorf("%s: element %d of %v is %g, want %g", c.name, i, y[0].Data, got, want)
			}
		}
	}
}

func row1(x float64) *tensor.Tensor { return &tensor.Tensor{Shape: []int{1}, Data: []float64{x}} }
