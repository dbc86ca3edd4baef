package kernel

import (
	"math"
	"testing"
)

func TestChannelNorm(t *testing.T) {
	r := newRand(78)
	for i := range 30 {
		in := newBox(r, 2, 1+r.IntN(70), 1+r.IntN(4), 1+r.IntN(70)).fill(normal(r))
		if i%3 == 0 { // a mean far from 0
			in.each(func(n, c, y, x int, p *float32) {
				if c < in.c {
					*p += 30
				}
			})
		}
		k := ChannelNorm{C: in.c, H: in.h, W: in.w, Eps: 1e-5, In: in.view}
		args := Args{Images: 2, In: [4]Buf{in.buf}}
		scale, shift := make([]float32, Blocks(in.c)*Block), make([]float32, Blocks(in.c)*Block)
		for c := range in.c {
			scale[c], shift[c] = 1, 0
			if i%2 == 0 {
				scale[c], shift[c] = float32(r.NormFloat64()), float32(r.NormFloat64())
			}
		}
		if i%2 == 0 {
			args.W = [4][]float32{scale, shift}
		}
		ref := func(n, c, y, x int) float64 {
			var sum, squares float64
			for j := range in.c {
				sum += in.at(n, j, y, x)
			}
			mean := sum / float64(in.c)
			for j := range in.c {
				d := in.at(n, j, y, x) - mean
				squares += d * d
			}
			return (in.at(n, c, y, x)-mean)/math.Sqrt(squares/float64(in.c)+1e-5)*float64(scale[c]) + float64(shift[c])
		}
		tol := 1e-5
		if in.c < 8 || i%3 == 0 { // few channels may be near each other, or far from 0
			tol = 2e-2
		}
		out := newBox(r, 2, in.c, in.h, in.w)
		k.Out = out.view
		onAllTiers(t, r, k, func() (*Args, *box) {
			o, a := out.clone(), args
			a.Out[0] = o.buf
			return &a, o
		}, ref, tol)
		k.Out = in.view
		onAllTiers(t, r, k, func() (*Args, *box) {
			o, a := in.clone(), args
			a.In[0], a.Out[0] = o.buf, o.buf
			return &a, o
		}, ref, tol)
	}
}
