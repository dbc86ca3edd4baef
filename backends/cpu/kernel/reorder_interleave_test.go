package kernel

import "testing"

// TestInterleave brings parts of any width to any place, on every tier, and compares
// with the definition.
func TestInterleave(t *testing.T) {
	for n := 1; n <= 67; n++ {
		r := newRand(uint64(n))
		images, h, w := 1+r.IntN(2), 1+r.IntN(4), 1+r.IntN(9)
		count := 1 + r.IntN(4)
		k := Interleave{H: h, W: w}
		at := r.IntN(20)
		first := at / Block * Block
		var in []*box
		for i := range count {
			c := 1 + r.IntN(n)
			if r.IntN(2) == 0 {
				c = 4 * (1 + c/4)
			}
			from := r.IntN(20)
			b := newBox(r, images, from+c+r.IntN(5), h, w).fill(normal(r))
			in = append(in, b)
			k.Inputs[i] = InterleaveInput{C: c, From: from % Block, To: at - first, In: b.view}
			at += c
		}
		k.Last = r.IntN(2) == 0
		end := at
		if !k.Last {
			end += r.IntN(30)
		}
		before := newBox(r, images, end, h, w).fill(normal(r))
		k.Out = before.view
		lo := first + k.Inputs[0].To
		onAllTiers(t, r, k, func() (*Args, *box) {
			a := &Args{Images: images}
			for i, b := range in {
				a.In[i] = b.buf
			}
			out := before.clone()
			a.Out[0] = out.buf
			a.Out[0].Off += first / Block * before.view.C
			return a, out
		}, func(n, c, y, x int) float64 {
			for i, p := range k.Inputs[:count] {
				if g := c - first - p.To; g >= 0 && g < p.C {
					return in[i].at(n, p.From+g, y, x)
				}
			}
			if c >= lo && k.Last && c >= at {
				return 0
			}
			return before.at(n, c, y, x)
		}, 0)
	}
}
