package kernel

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"
)

// fma32 is a*b + c with one rounding. The product of two float32s is exact in float64. The
// sum is rounded there to odd: where it is not exact, the last bit says so, and the rounding to
// float32 that follows is right (Boldo and Melquiond, "Emulation of FMA and correctly
// rounded sums", 2008).
func fma32(a, b, c float32) float32 {
	p, d := float64(a)*float64(b), float64(c)
	s := p + d
	if math.IsNaN(s) || math.IsInf(s, 0) {
		return float32(s)
	}
	t := s - p
	if e := (p - (s - t)) + (d - t); e != 0 && math.Float64bits(s)&1 == 0 {
		if (e > 0) == (s > 0) {
			s = math.Float64frombits(math.Float64bits(s) + 1)
		} else {
			s = math.Float64frombits(math.Float64bits(s) - 1)
		}
	}
	return float32(s)
}

func TestFMA32(t *testing.T) {
	const one = 1 << 24
	for _, c := range []struct{ a, b, c, want float32 }{
		{1, 1, 1, 2}, {one + 2, 1, 1, one + 4}, {one, 1, 1, one}, // ties go to even
		{1 + 0x1p-12, 1 + 0x1p-12, 0x1p-60, 1 + 0x1p-11 + 0x1p-23}, // a tie but for the 2**-60: rounded twice, it is lost
		{1 + 0x1p-12, 1 + 0x1p-12, -0x1p-60, 1 + 0x1p-11},
		{float32(math.Inf(1)), 1, 1, float32(math.Inf(1))},
	} {
		if got := fma32(c.a, c.b, c.c); got != c.want {
			t.Errorf("%g*%g + %g = %g, want %g", c.a, c.b, c.c, got, c.want)
		}
	}
}

// TestTileBits runs every microkernel of every tier on random operands, odd ones among them, and
// compares bit by bit with the chain of fused multiply-adds that it promises.
func TestTileBits(t *testing.T) {
	r := newRand(7, 11)
	odd := []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), 1e-40, -1e-40, 3e38, float32(math.NaN())}
	for _, isa := range Available() {
		tier := &tileTiers[isa]
		if tier.portable() {
			continue
		}
		for blocks := 1; blocks <= tier.blocks; blocks++ {
			for p := 1; p <= tier.pixels; p++ {
				for i := range 24 {
					if !randomTile(t, r, isa, blocks, p, i, odd) {
						return
					}
				}
			}
		}
	}
}

// randomTile runs one tile; kind chooses what is strange about it.
func randomTile(t *testing.T, r *rand.Rand, isa ISA, blocks, p, kind int, odd []float32) bool {
	t.Helper()
	strange := kind%4 == 3
	random := func(n int, scale float64) []float32 {
		s := alignedFloats(n)
		for i := range s {
			s[i] = float32(r.NormFloat64() * scale * math.Ldexp(1, r.IntN(20)-10))
			if strange && r.IntN(60) == 0 {
				s[i] = odd[r.IntN(len(odd))]
			}
		}
		return s
	}
	kc := []int{4, 8, 16, 1}[r.IntN(4)]
	flags := r.IntN(2)*tileAcc | []int{0, tileReLU, tileReLU | tileReLU6}[r.IntN(3)] | r.IntN(2)*tileRes
	if r.IntN(4) == 0 {
		flags = r.IntN(2)*tileAcc | tileMask
	}
	flags |= [...]int{0, tileFar, tileAhead}[r.IntN(3)]
	lanes := Block
	if kc == 1 {
		flags |= tilePlanar
		lanes = 1
	}
	scale := 1.0
	if kind == 0 {
		scale = 1e-38 // products are subnormal
	}
	ntaps, width := r.IntN(9), blocks*Block
	if blocks == 1 && tileTiers[isa].blocks == 1 {
		width = []int{Block, 2 * Block}[r.IntN(2)] // one block of two
	}
	ps, ops := lanes*(1+r.IntN(2)), Block*(1+r.IntN(2))
	half := (p + 1) / 2
	second := half + r.IntN(3) // the second half begins here, in pixels
	in, w, bias := random(8192, scale), random(max(1, ntaps*kc)*width, 1), random(width, scale)
	block := (p + 4) * 2 * Block // from an output block to the next
	out, res := random(blocks*block, 1), random(blocks*block, 1)
	taps := make([]int, ntaps+1)
	for i := range taps {
		taps[i] = 4 * lanes * r.IntN(100)
	}
	at := func(q int) int { // of a pixel, in pixels
		if q < half {
			return q
		}
		return second + q - half
	}
	factor := float32(r.NormFloat64())
	want := append([]float32(nil), out...)
	for o := range blocks {
		for q := range p {
			for c := range Block {
				d := &want[o*block+at(q)*ops+c]
				acc := bias[o*Block+c]
				if flags&tileAcc != 0 {
					acc = *d
				}
				for i, tap := range taps[:ntaps] {
					for k := range kc {
						acc = fma32(in[tap/4+at(q)*ps+k], w[(i*kc+k)*width+o*Block+c], acc)
					}
				}
				y := res[o*block+at(q)*ops+c]
				if flags&tileRes != 0 {
					acc = fma32(factor, acc, y)
				}
				if flags&tileMask != 0 && y <= 0 {
					acc = 0
				}
				*d = rectified(flags, acc)
			}
		}
	}
	tl := &tile{a: float(in, 0), b: float(in, at(min(half, p-1))*ps), w: float(w, 0), taps: unsafe.Pointer(&taps[0]), ntaps: ntaps, ps: 4 * ps, bias: float(bias, 0),
		outA: float(out, 0), outB: float(out, at(min(half, p-1))*ops), obs: 4 * block, resA: float(res, 0), resB: float(res, at(min(half, p-1))*ops), rbs: 4 * block,
		ws: 4 * width, flags: flags, scale: factor, ops: 4 * ops, kc: kc, ahead: uintptr(unsafe.Pointer(&w[0]))}
	tl.run(&tileTiers[isa], blocks, p)
	runtime.KeepAlive(taps)
	if err := sameBits(out, want); err != nil {
		t.Errorf("%v: %d blocks, %d pixels, %d taps of %d channels, flags %#x: %v", isa, blocks, p, ntaps, kc, flags, err)
		return false
	}
	return true
}
