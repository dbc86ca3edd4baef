package kernel

import (
	"math"
	"testing"
)

func TestLRN(t *testing.T) {
	r := newRand(6)
	for size := 1; size <= 67; size++ {
		k := LRN{C: size, H: 1 + r.IntN(4), W: 1 + r.IntN(40), Size: []int{5, 3, 1, 4, 2, 9, 35}[size%7], Alpha: 0.7, Beta: 0.75, K: float32(1 + r.IntN(2))}
		if size%5 == 0 {
			k.Beta = 0.5 + r.Float32()
		}
		in, out := newBox(r, 2, k.C, k.H, k.W).fill(normal(r)), newBox(r, 2, k.C, k.H, k.W)
		k.In, k.Out = in.view, out.view
		ref := func(n, c, y, x int) float64 {
			sum := 0.0
			for j := max(0, c-(k.Size-1)/2); j <= min(k.C-1, c+k.Size/2); j++ {
				sum += in.at(n, j, y, x) * in.at(n, j, y, x)
			}
			return in.at(n, c, y, x) / math.Pow(float64(k.K)+float64(k.Alpha)/float64(k.Size)*sum, float64(k.Beta))
		}
		onAllTiers(t, r, k, func() (*Args, *box) {
			o := out.clone()
			return &Args{Images: 2, In: [4]Buf{in.clone().buf}, Out: [4]Buf{o.buf}}, o
		}, ref, 2e-6)
		k.Out = k.In
		onAllTiers(t, r, k, func() (*Args, *box) { // in place
			o := in.clone()
			return &Args{Images: 2, In: [4]Buf{o.buf}, Out: [4]Buf{o.buf}}, o
		}, ref, 2e-6)
	}
}
