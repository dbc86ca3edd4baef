package kernel

import (
	"math"
	"testing"
)

func TestBatchNormFold(t *testing.T) {
	r := newRand(36)
	for c := 1; c <= 40; c++ {
		vec := func(positive bool) []float32 {
			x := make([]float32, c+2)
			for i := range x {
				x[i] = float32(r.NormFloat64())
				if positive {
					x[i] = r.Float32()
				}
			}
			return x
		}
		gamma, beta, mean, variance := vec(false), vec(false), vec(false), vec(true)
		for _, repeat := range []int{1, Block} {
			k := BatchNormFold{C: c, Repeat: repeat, Eps: 1e-3}
			scale, shift := make([]float32, k.PackedLen()), make([]float32, k.PackedLen())
			for i := range scale {
				scale[i], shift[i] = float32(math.NaN()), float32(math.NaN())
			}
			execute(r, Portable, k, &Args{In: [4]Buf{{gamma, 2}, {beta, 2}, {mean, 2}, {variance, 2}}, Out: [4]Buf{{scale, 0}, {shift, 0}}})
			for i := range scale {
				s, b := 0.0, 0.0
				if ch := i / repeat; ch < c {
					s = float64(gamma[ch+2]) / math.Sqrt(float64(variance[ch+2])+1e-3)
					b = float64(beta[ch+2]) - float64(mean[ch+2])*s
				}
				if scale[i] != float32(s) || math.Abs(float64(shift[i])-b) > 1e-7*(1+math.Abs(b)) {
					t.Fatalf("%d channels, element %d: %g and %g, want %g and %g", c, i, scale[i], shift[i], s, b)
				}
			}
		}
	}
}
