package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// newIndices is a place for the indices of h x w windows, with gaps and guard zones.
func newIndices(r *rand.Rand, images, c, h, w int) (View, Buf) {
	var v View
	v.H = w*indicesLen + r.IntN(2)
	v.C = h*v.H + r.IntN(3)
	v.N = Blocks(c)*v.C + r.IntN(3)
	b := Buf{Mem: make([]float32, images*v.N+20), Off: 7}
	fill(b.Mem, poison)
	return v, b
}

// indexed reads which element window (y, x) has, -1 for none; ok is false if it has
// several.
func indexed(v View, b *Buf, n, c, y, x int) (at int, ok bool) {
	at, ok = -1, true
	p := v.indices(b, n, c/Block, y, x, 1)
	for i := range 4 {
		if math.Float32bits(p[i/2])>>(i%2*16+c%Block)&1 != 0 {
			at, ok = i, at < 0
		}
	}
	return at, ok
}

// sameWords compares memory bit by bit, NaNs too.
func sameWords(t *testing.T, what string, a, b []float32) {
	t.Helper()
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			t.Fatalf("%s: bits differ at %d of %d: %x (%g) and %x (%g)", what, i, len(a), math.Float32bits(a[i]), a[i], math.Float32bits(b[i]), b[i])
		}
	}
}

// TestPoolIndices: a pool of windows of 2 x 2 that indices has the output of the loop over
// taps of any window, the indices that above says, and its gradient from indices the bits,
// and the sums, of the one that looks for the maxima itself.
func TestPoolIndices(t *testing.T) {
	r := newRand(71)
	for size := 2; size <= 67; size++ {
		p := MaxPool{C: 1 + r.IntN(40), IH: 2 + r.IntN(9), IW: size, KH: 2, KW: 2, SH: 2, SW: 2, IndexReLU: r.IntN(2) == 0}
		p.H, p.W = p.IH/2, p.IW/2
		numbers := []float32{0, float32(math.Copysign(0, -1)), -1, 1, -1e-40, 1e-40, float32(math.Inf(-1)), float32(math.Inf(1))}
		kinds := 2 + r.IntN(7) // with few there are many ties, of zeros of either sign too
		values := []func() float32{special(r), normal(r), func() float32 { return numbers[r.IntN(kinds)%len(numbers)] }}[size%3]
		in, out, dx := newBox(r, 2, p.C, p.IH, p.IW).fill(values), newBox(r, 2, p.C, p.H, p.W), newBox(r, 2, p.C, p.IH, p.IW)
		dy := newBox(r, 2, p.C, p.H, p.W).fill([]func() float32{special(r), normal(r)}[r.IntN(2)])
		var indices Buf
		p.In, p.Out = in.view, out.view
		p.Indices, indices = newIndices(r, 2, p.C, p.H, p.W)
		value := func(n, c, y, x, i int) float32 { return float32(in.at(n, c, 2*y+i/2, 2*x+i%2)) }
		var first, firstDX []float32
		for isa, r := range tiers(r) {
			v := vecFor(isa)
			o, plain, own := out.clone(), out.clone(), Buf{append([]float32(nil), indices.Mem...), indices.Off}
			a := &Args{Images: 2, In: [4]Buf{in.buf}, Out: [4]Buf{o.buf, own}}
			if n := allocations(isa, p, a); n != 0 {
				t.Fatalf("%v: %g allocations", isa, n)
			}
			execute(r, isa, p, a)
			execute(r, isa, p, &Args{Images: 2, In: [4]Buf{in.buf}, Out: [4]Buf{plain.buf}})
			want := out.clone()
			for n := range 2 {
				for b := range Blocks(p.C) {
					for y := range p.H {
						v.maxPool(p.Out.row(&want.buf, n, b, y, p.W), p.In.pairRows(&in.buf, n, b, y, p.W), 2, 2, p.In.H, Block, 2*Block)
					}
				}
			}
			sameWords(t, "with indices", want.buf.Mem, o.buf.Mem)
			sameWords(t, "without", want.buf.Mem, plain.buf.Mem)
			dy.each(func(n, c, y, x int, _ *float32) {
				best := 0
				for i := range 4 {
					if above(value(n, c, y, x, i), value(n, c, y, x, best)) {
						best = i
					}
				}
				if p.IndexReLU && value(n, c, y, x, best) <= 0 {
					best = -1
				}
				if got, ok := indexed(p.Indices, &own, n, c, y, x); !ok || got != best {
					t.Fatalf("%v: %#v: window (%d, %d, %d, %d) indices %d (alone %v), want %d", isa, p, n, c, y, x, got, ok, best)
				}
			})
			if first == nil {
				first = own.Mem
			}
			sameWords(t, "indices of two tiers", first, own.Mem)

			g := MaxPoolBackward{ReLU: p.IndexReLU, Sums: p.IndexReLU, C: p.C, H: p.H, W: p.W, IH: p.IH, IW: p.IW, KH: 2, KW: 2, SH: 2, SW: 2, DY: dy.view, X: in.view, DX: dx.view}
			of := func(g MaxPoolBackward, x Buf) (*box, Buf) {
				d, sums := dx.clone(), newSums(2, g.C, g.Partials())
				execute(r, isa, g, &Args{Images: 2, In: [4]Buf{dy.buf, x}, Out: [4]Buf{d.buf, sums}})
				return d, sums
			}
			wantDX, wantSums := of(g, in.buf)
			g.Indexed, g.X = true, p.Indices
			gotDX, gotSums := of(g, own)
			if err := sameBits(wantDX.buf.Mem, gotDX.buf.Mem); err != nil {
				t.Fatalf("%v: %#v: gradient: %v", isa, g, err)
			}
			if err := sameBits(wantSums.Mem, gotSums.Mem); err != nil {
				t.Fatalf("%v: %#v: sums: %v", isa, g, err)
			}
			if firstDX == nil {
				firstDX = gotDX.buf.Mem
			}
			if err := sameBits(firstDX, gotDX.buf.Mem); err != nil {
				t.Fatalf("%v: %#v: gradient of two tiers: %v", isa, g, err)
			}
		}
	}
}

// TestWinogradPool: Winograd with a pool behind it has the bits, and the indices, of
// Winograd and then MaxPool, whatever the tasks are, on maps of any size.
func TestWinogradPool(t *testing.T) {
	r := newRand(72)
	count := longtest.Count(50, 400, 5000)
	for i := range count {
		taps := 3 + 2*r.IntN(2)
		c := Conv{IC: 1 + r.IntN(40), H: 2 + r.IntN(17), W: 2 + r.IntN(40), KH: taps, KW: taps, PH: r.IntN(taps + 2), PW: r.IntN(taps + 2)}
		c.Outputs[0] = Output{C: 1 + r.IntN(70), Act: Act(r.IntN(2))}
		k := newConvCase(r, 1+r.IntN(3), c, r.IntN(2))
		if i%3 == 0 { // and of infinities NaNs
			*k.in.at(0, r.IntN(c.IC), k.in.h-1, k.in.w/2, false) = float32(math.Inf(1))
		}
		if i%5 == 0 { // nothing but zeros, and ties
			clear(k.w)
			for i := range k.b {
				k.b[i] = float32(r.IntN(3) - 1)
			}
		}
		oc, h, w := c.Outputs[0].C, c.H/2, c.W/2
		out := newBox(r, k.images, oc, h, w)
		plain := Winograd{Conv: k.c, Tiles: 1 + r.IntN(67)}
		p := MaxPool{C: oc, H: h, W: w, IH: c.H, IW: c.W, KH: 2, KW: 2, SH: 2, SW: 2, In: k.c.Outputs[0].View, Out: out.view, IndexReLU: c.Outputs[0].Act == ActReLU}
		var indices Buf
		p.Indices, indices = newIndices(r, k.images, oc, h, w)
		fused := Winograd{Conv: k.c, Tiles: 1 + r.IntN(67), Pool: true, Indices: p.Indices}
		fused.Conv.Outputs[0].View, fused.Conv.Pairs = out.view, r.IntN(3)
		k.pack(plain)
		for isa, r := range tiers(r) {
			k.clearOut()
			runAll(isa, plain, k.args(plain.Table(isa)))
			want, wantIndices := out.clone(), Buf{append([]float32(nil), indices.Mem...), indices.Off}
			execute(r, isa, p, &Args{Images: k.images, In: [4]Buf{k.out[0].Buf}, Out: [4]Buf{want.buf, wantIndices}})
			for _, training := range []bool{true, false} {
				a := k.args(fused.Table(isa))
				got, gotIndices := out.clone(), Buf{append([]float32(nil), indices.Mem...), indices.Off}
				a.Out = [4]Buf{got.buf}
				if training {
					a.Out[1] = gotIndices
				}
				runAll(isa, fused, a)
				sameWords(t, "output", want.buf.Mem, got.buf.Mem)
				if training {
					sameWords(t, "indices", wantIndices.Mem, gotIndices.Mem)
				}
				if n := allocations(isa, fused, a); n != 0 {
					t.Fatalf("%v: %g allocations", isa, n)
				}
			}
		}
	}
}
