package kernel

import (
	"math"
	"testing"
)

func TestSoftmax(t *testing.T) {
	r := newRand(7)
	for size := 1; size <= 67; size++ {
		for _, log := range []bool{false, true} {
			k := Softmax{C: size, H: 1 + r.IntN(4), W: 1 + r.IntN(4), Log: log}
			if size%3 == 0 {
				k.C, k.H, k.W = 4*size, 1, 1
			}
			scale := []float32{1, 30, 200}[size%3]
			in, out := newBox(r, 2, k.C, k.H, k.W).fill(func() float32 { return scale * float32(r.NormFloat64()) }), newBox(r, 2, k.C, k.H, k.W)
			k.In, k.Out = in.view, out.view
			onAllTiers(t, r, k, func() (*Args, *box) {
				o := out.clone()
				return &Args{Images: 2, In: [4]Buf{in.clone().buf}, Out: [4]Buf{o.buf}}, o
			}, func(n, c, y, x int) float64 {
				m, sum := math.Inf(-1), 0.0
				for j := range k.C {
					m = math.Max(m, in.at(n, j, y, x))
				}
				for j := range k.C {
					sum += math.Exp(in.at(n, j, y, x) - m)
				}
				if log {
					return in.at(n, c, y, x) - m - math.Log(sum)
				}
				return math.Exp(in.at(n, c, y, x)-m) / sum
			}, 3e-6)
		}
	}
}

// TestSoftmaxNaN: one NaN makes its pixel NaN, padded lanes stay zero.
func TestSoftmaxNaN(t *testing.T) {
	r := newRand(8)
	for at := range 21 {
		k := Softmax{C: 21, H: 1, W: 2}
		in, out := newBox(r, 1, k.C, k.H, k.W).fill(normal(r)), newBox(r, 1, k.C, k.H, k.W)
		in.each(func(n, c, y, x int, p *float32) {
			if c == at && x == 0 {
				*p = float32(math.NaN())
			}
		})
		k.In, k.Out = in.view, out.view
		for isa, r := range tiers(r) {
			o := out.clone()
			execute(r, isa, k, &Args{Images: 1, In: [4]Buf{in.buf}, Out: [4]Buf{o.buf}})
			o.each(func(n, c, y, x int, p *float32) {
				if isNaN := *p != *p; isNaN != (x == 0 && c < k.C) {
					t.Errorf("%v, NaN in channel %d: channel %d of pixel %d is %g", isa, at, c, x, *p)
				}
			})
		}
	}
}
