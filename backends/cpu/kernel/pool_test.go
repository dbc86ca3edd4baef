package kernel

import (
	"math"
	"testing"
)

func poolShape(in, k, s, d, p0, p1 int) int { return max(1, (in+p0+p1-(k-1)*d-1)/s+1) }

func TestPools(t *testing.T) {
	r := newRand(1)
	for size := 1; size <= 67; size++ {
		for range 3 {
			p := AvgPool{C: 1 + r.IntN(40), IH: 1 + r.IntN(12), IW: size, KH: 1 + r.IntN(5), KW: 1 + r.IntN(5), SH: r.IntN(4), SW: r.IntN(4),
				DH: r.IntN(3), DW: r.IntN(3), PH: r.IntN(7), PW: r.IntN(7), PB: r.IntN(7), PR: r.IntN(7), IncludePad: r.IntN(2) == 0}
			if r.IntN(2) == 0 { // windows that have a primitive of their own
				p.KH, p.KW, p.DW, p.PW, p.PR, p.SW = 1+r.IntN(3), 3, 1, r.IntN(2), r.IntN(2), 1+r.IntN(2)
			}
			sh, sw, dh, dw := one(p.SH), one(p.SW), one(p.DH), one(p.DW)
			p.H = poolShape(p.IH, p.KH, sh, dh, p.PH, p.PB) + r.IntN(2) // one more, as ceil may have it
			p.W = poolShape(p.IW, p.KW, sw, dw, p.PW, p.PR) + r.IntN(2)
			if r.IntN(8) == 0 { // global
				p = AvgPool{C: p.C, IH: p.IH, IW: p.IW, KH: p.IH, KW: p.IW, H: 1, W: 1}
				sh, sw, dh, dw = 1, 1, 1, 1
			}
			values := normal(r)
			if r.IntN(2) == 0 {
				values = special(r)
			}
			in, out := newBox(r, 2, p.C, p.IH, p.IW).fill(values), newBox(r, 2, p.C, p.H, p.W)
			p.In, p.Out = in.view, out.view
			args := func() (*Args, *box) {
				o := out.clone()
				return &Args{Images: 2, In: [4]Buf{in.clone().buf}, Out: [4]Buf{o.buf}}, o
			}
			window := func(y, x int, f func(y, x int, inside bool)) {
				for i := range p.KH {
					for j := range p.KW {
						iy, ix := y*sh-p.PH+i*dh, x*sw-p.PW+j*dw
						f(iy, ix, iy >= 0 && iy < p.IH && ix >= 0 && ix < p.IW)
					}
				}
			}
			m := MaxPool{C: p.C, H: p.H, W: p.W, IH: p.IH, IW: p.IW, KH: p.KH, KW: p.KW, SH: p.SH, SW: p.SW, DH: p.DH, DW: p.DW, PH: p.PH, PW: p.PW, In: p.In, Out: p.Out}
			onAllTiers(t, r, m, args, func(n, c, y, x int) float64 {
				best := math.Inf(-1)
				window(y, x, func(iy, ix int, inside bool) {
					if inside {
						best = maxNaN(best, in.at(n, c, iy, ix))
					}
				})
				return best
			}, 0)
			onAllTiers(t, r, p, args, func(n, c, y, x int) float64 {
				sum, count := 0.0, 0
				window(y, x, func(iy, ix int, inside bool) {
					if inside {
						sum += in.at(n, c, iy, ix)
					}
					if inside || p.IncludePad && iy < p.IH+p.PB && ix < p.IW+p.PR {
						count++
					}
				})
				if sum == 0 {
					return 0
				}
				return sum / float64(count)
			}, 1e-5)
		}
	}
}

// maxNaN is NaN where either is; math.Max prefers +Inf.
func maxNaN(a, b float64) float64 {
	if a != a || b != b {
		return math.NaN()
	}
	return max(a, b)
}
