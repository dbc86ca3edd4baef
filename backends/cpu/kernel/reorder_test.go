package kernel

import (
	"testing"
)

// planarBox is an NCHW activation in guarded memory.
type planarBox struct {
	box
}

func newPlanarBox(n, c, h, w, gap int) *planarBox {
	p := &planarBox{box{n: n, c: c, h: h, w: w}}
	p.view.H = w + gap
	p.view.C = h*p.view.H + gap
	p.view.N = c*p.view.C + gap
	const guard = 37
	p.buf = Buf{Mem: make([]float32, n*p.view.N+2*guard), Off: guard}
	fill(p.buf.Mem, poison)
	return p
}

func (p *planarBox) elem(n, c, y, x int) *float32 {
	return &p.buf.Mem[p.buf.Off+n*p.view.N+c*p.view.C+y*p.view.H+x]
}

func (p *planarBox) each(f func(n, c, y, x int, e *float32)) {
	for n := range p.n {
		for c := range p.c {
			for y := range p.h {
				for x := range p.w {
					f(n, c, y, x, p.elem(n, c, y, x))
				}
			}
		}
	}
}

func (p *planarBox) poisoned() (n int) {
	for _, v := range p.buf.Mem {
		if isPoison(v) {
			n++
		}
	}
	return n
}

func TestReorders(t *testing.T) {
	r := newRand(10)
	for size := 1; size <= 67; size++ {
		c, h, w := 1+r.IntN(40), 1+r.IntN(5), size
		blocked := newBox(r, 2, c, h, w).fill(normal(r))
		planar := newPlanarBox(2, c, h, w, r.IntN(4))
		planar.each(func(n, ch, y, x int, e *float32) { *e = float32(blocked.at(n, ch, y, x)) })
		ref := func(n, ch, y, x int) float64 { return blocked.at(n, ch, y, x) }

		out := newBox(r, 2, c, h, w)
		onAllTiers(t, r, FromNCHW{C: c, H: h, W: w, In: planar.view, Out: out.view}, func() (*Args, *box) {
			o := out.clone()
			return &Args{Images: 2, In: [4]Buf{planar.buf}, Out: [4]Buf{o.buf}}, o
		}, ref, 0)
		onAllTiers(t, r, Copy{C: c, H: h, W: w, In: blocked.view, Out: out.view}, func() (*Args, *box) {
			o := out.clone()
			return &Args{Images: 2, In: [4]Buf{blocked.buf}, Out: [4]Buf{o.buf}}, o
		}, ref, 0)

		ph, pw := r.IntN(4), r.IntN(4)
		big := newBox(r, 2, c, h+ph+r.IntN(4), w+pw+r.IntN(4))
		onAllTiers(t, r, Pad{C: c, H: big.h, W: big.w, IH: h, IW: w, PH: ph, PW: pw, Value: 0.5, In: blocked.view, Out: big.view}, func() (*Args, *box) {
			o := big.clone()
			return &Args{Images: 2, In: [4]Buf{blocked.buf}, Out: [4]Buf{o.buf}}, o
		}, func(n, ch, y, x int) float64 {
			if y -= ph; y < 0 || y >= h {
				return 0.5
			}
			if x -= pw; x < 0 || x >= w {
				return 0.5
			}
			return blocked.at(n, ch, y, x)
		}, 0)

		for isa, r := range tiers(r) {
			for _, from := range []int{0, 1} { // of NCHW16c, of planar
				tail := r.IntN(4)
				q := newPlanarBox(2, c, h, w, tail)
				var k Kernel = ToNCHW{C: c, H: h, W: w, Tail: tail, In: blocked.view, Out: q.view}
				in := blocked.buf
				if from == 1 {
					tail = 0
					k, in = CopyNCHW{C: c, H: h, W: w, In: planar.view, Out: q.view}, planar.buf
				}
				execute(r, isa, k, &Args{Images: 2, In: [4]Buf{in}, Out: [4]Buf{q.buf}})
				q.each(func(n, ch, y, x int, e *float32) {
					if float64(*e) != blocked.at(n, ch, y, x) {
						t.Fatalf("%#v: (%d, %d, %d, %d) is %g", k, n, ch, y, x, *e)
					}
				})
				if got, want := q.poisoned(), len(q.buf.Mem)-2*(c*h*w+tail); got != want {
					t.Fatalf("%#v: %d canaries left of %d", k, got, want)
				}
			}
		}
	}
}

// TestCopyChannels splits an activation at odd widths and puts the parts
// together in another order.
func TestCopyChannels(t *testing.T) {
	r := newRand(11)
	for size := 1; size <= 67; size++ {
		c, h, w := size, 1+r.IntN(3), 1+r.IntN(9)
		in, out := newBox(r, 2, c, h, w).fill(normal(r)), newBox(r, 2, c, h, w)
		at := []int{0}
		for at[len(at)-1] < c {
			at = append(at, min(c, at[len(at)-1]+1+r.IntN(24)))
		}
		from := make([]int, c)
		var parts []CopyChannels
		to := 0
		for _, i := range r.Perm(len(at) - 1) {
			n := at[i+1] - at[i]
			parts = append(parts, CopyChannels{C: n, H: h, W: w, From: at[i], To: to, Last: to+n == c, In: in.view, Out: out.view})
			for j := range n {
				from[to+j] = at[i] + j
			}
			to += n
		}
		for isa, r := range tiers(r) {
			o := out.clone()
			for _, i := range r.Perm(len(parts)) {
				execute(r, isa, parts[i], &Args{Images: 2, In: [4]Buf{in.buf}, Out: [4]Buf{o.buf}})
			}
			if err := o.check(func(n, ch, y, x int) float64 { return in.at(n, from[ch], y, x) }, 0); err != nil {
				t.Fatalf("%#v: %v", parts, err)
			}
		}
	}
}

func TestPermuteAndReduce(t *testing.T) {
	r := newRand(12)
	for range 300 {
		axes := 1 + r.IntN(MaxAxes)
		p := Permute{Axes: axes}
		total, most := 1, 4
		if axes <= 3 && r.IntN(3) == 0 {
			most = 37 // more than a square, and than the results of a task
		}
		for i := range axes {
			p.Dims[i] = 1 + r.IntN(most)
			total *= p.Dims[i]
		}
		copy(p.Perm[:], r.Perm(axes))
		p.InN, p.OutN = total+r.IntN(5), total+r.IntN(5)
		in := make([]float32, 2*p.InN)
		for i := range in {
			in[i] = float32(r.IntN(1000)) / 8
		}
		index := func(at int) (ix [MaxAxes]int) { // of a place in the input
			for i := axes - 1; i >= 0; i-- {
				ix[i] = at % p.Dims[i]
				at /= p.Dims[i]
			}
			return ix
		}
		out := make([]float32, 2*p.OutN)
		fill(out, poison)
		execute(r, Portable, p, &Args{Images: 2, In: [4]Buf{{Mem: in}}, Out: [4]Buf{{Mem: out}}})
		for n := range 2 {
			for at := range total {
				ix, to := index(at), 0
				for i := range axes {
					to = to*p.Dims[p.Perm[i]] + ix[p.Perm[i]]
				}
				if out[n*p.OutN+to] != in[n*p.InN+at] {
					t.Fatalf("%#v: element %v", p, ix)
				}
			}
			for _, v := range out[n*p.OutN+total : (n+1)*p.OutN] {
				if !isPoison(v) {
					t.Fatalf("%#v wrote past its end", p)
				}
			}
		}

		k := Reduce{Op: ReduceOp(r.IntN(3)), Axes: axes, Dims: p.Dims, InN: p.InN}
		results := 1
		for i := range axes {
			if k.Over[i] = r.IntN(2) == 0; !k.Over[i] {
				results *= k.Dims[i]
			}
		}
		k.OutN = results + r.IntN(3)
		out = make([]float32, 2*k.OutN)
		execute(r, Portable, k, &Args{Images: 2, In: [4]Buf{{Mem: in}}, Out: [4]Buf{{Mem: out}}})
		for n := range 2 {
			sum, most := make([]float64, results), make([]float64, results)
			for at := range total {
				ix, to := index(at), 0
				for i := range axes {
					if !k.Over[i] {
						to = to*k.Dims[i] + ix[i]
					}
				}
				sum[to] += float64(in[n*p.InN+at])
				most[to] = max(most[to], float64(in[n*p.InN+at]))
			}
			for i := range results {
				want := [...]float64{sum[i], sum[i] / float64(total/results), most[i]}[k.Op]
				if got := out[n*k.OutN+i]; got != float32(want) {
					t.Fatalf("%#v: result %d is %g, want %g", k, i, got, want)
				}
			}
		}
	}
}

// TestPixelsToVector: blocks of vectors are pixels of maps, and back.
func TestPixelsToVector(t *testing.T) {
	r := newRand(39)
	for size := 1; size <= 67; size++ {
		k := PixelsToVector{C: Block * (1 + r.IntN(3)), H: 1 + r.IntN(7), W: 1 + r.IntN(7)}
		n := k.C * k.H * k.W
		maps, vectors := newBox(r, size, k.C, k.H, k.W), newBox(r, size, n, 1, 1)
		k.Map, k.Vector = maps.view, vectors.view
		place := func(c, y, x int) int { return ((c/Block*k.H+y)*k.W+x)*Block + c%Block }
		m, v := maps.clone().fill(normal(r)), vectors.clone().fill(normal(r))
		onAllTiers(t, r, k, func() (*Args, *box) {
			o := vectors.clone()
			return &Args{Images: size, In: [4]Buf{m.buf}, Out: [4]Buf{o.buf}}, o
		}, func(n, c, _, _ int) float64 {
			pixel := c / Block
			return m.at(n, pixel/(k.H*k.W)*Block+c%Block, pixel/k.W%k.H, pixel%k.W)
		}, 0)
		k.Back = true
		onAllTiers(t, r, k, func() (*Args, *box) {
			o := maps.clone()
			return &Args{Images: size, In: [4]Buf{v.buf}, Out: [4]Buf{o.buf}}, o
		}, func(n, c, y, x int) float64 { return v.at(n, place(c, y, x), 0, 0) }, 0)
	}
}
