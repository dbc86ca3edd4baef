package kernel

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// byteBox is an activation of bytes with a border of zeros, in memory full of canaries.
type byteBox struct {
	n, c, h, w, border int
	view               View
	buf                Buf
}

const byteCanary = 0xa5

func newByteBox(r *rand.Rand, n, c, h, w, border int) *byteBox {
	b := &byteBox{n: n, c: c, h: h, w: w, border: border}
	gap := func() int { return r.IntN(3) * byteWords }
	if r.IntN(2) == 0 {
		gap = func() int { return 0 }
	}
	b.view.H = (w+2*border)*byteWords + gap()
	b.view.C = (h+2*border)*b.view.H + gap()
	b.view.N = Blocks(c)*b.view.C + gap()
	const guard = 21
	b.buf = Buf{Mem: make([]float32, n*b.view.N+2*guard), Off: guard + border*(b.view.H+byteWords)}
	raw := bytesOf(b.buf.Mem)
	for i := range raw {
		raw[i] = byteCanary
	}
	for i := range n {
		for blk := range Blocks(c) {
			for y := -border; y < h+border; y++ {
				at := 4 * b.view.bytesAt(&b.buf, i, blk, y, -border)
				clear(raw[at : at+(w+2*border)*Block])
			}
		}
	}
	return b
}

func (b *byteBox) at(n, c, y, x int) *byte {
	return &bytesOf(b.buf.Mem)[4*b.view.bytesAt(&b.buf, n, c/Block, y, x)+c%Block]
}

// fill sets all lanes, those past the last channel too: they may hold anything.
func (b *byteBox) fill(f func() byte) *byteBox {
	for n := range b.n {
		for c := range Blocks(b.c) * Block {
			for y := range b.h {
				for x := range b.w {
					*b.at(n, c, y, x) = f()
				}
			}
		}
	}
	return b
}

// check compares with the reference, and looks at the canaries and borders.
func (b *byteBox) check(before []byte, ref func(n, c, y, x int) byte) error {
	after := bytes.Clone(bytesOf(b.buf.Mem))
	for n := range b.n {
		for c := range Blocks(b.c) * Block {
			for y := range b.h {
				for x := range b.w {
					at := 4*b.view.bytesAt(&b.buf, n, c/Block, y, x) + c%Block
					if c < b.c && after[at] != ref(n, c, y, x) {
						return fmt.Errorf("element (%d, %d, %d, %d) is %d, want %d", n, c, y, x, after[at], ref(n, c, y, x))
					}
					after[at] = before[at]
				}
			}
		}
	}
	if !bytes.Equal(after, before) {
		return fmt.Errorf("it writes beside the output")
	}
	return nil
}

func (b *byteBox) snapshot() []byte { return bytes.Clone(bytesOf(b.buf.Mem)) }

func anyByte(r *rand.Rand) func() byte { return func() byte { return byte(r.IntN(256)) } }

// extremeByte mixes in the bytes with the largest products.
func extremeByte(r *rand.Rand) func() byte {
	return func() byte { return []byte{0, 1, 127, 128, 255, 255}[r.IntN(6)] }
}

// roundedByte is the definition of rounding to a byte, from a float32.
func roundedByte(x float32, zero, low, high int) byte {
	v := math.RoundToEven(float64(x)) + float64(zero)
	if math.IsNaN(v) {
		return byte(low)
	}
	return byte(min(max(v, float64(low)), float64(high)))
}

// int8Case is a convolution of bytes with its operands.
type int8Case struct {
	k              ConvInt8
	n, ih, iw      int
	weight, scale  []float32
	bias           []float32
	whole          []int // the weights in steps of their scales
	border         int
	real           *box
	x, y           *byteBox
	before         []byte
	packed, b, mul []float32

	does  ConvInt8 // what runs, if not k
	reads *Buf     // what it reads, if not x
}

func newInt8Case(r *rand.Rand, k ConvInt8, n int, x func() byte, w func() int) *int8Case {
	c := &int8Case{k: k, n: n}
	c.ih = (k.H-1)*one(k.SH) + (k.KH-1)*one(k.DH) + 1 - 2*k.PH
	c.iw = (k.W-1)*one(k.SW) + (k.KW-1)*one(k.DW) + 1 - 2*k.PW
	depth := k.IC * k.KH * k.KW
	c.border = max(k.PH, k.PW)
	for range k.C {
		c.scale = append(c.scale, 0.001+0.01*r.Float32())
		c.bias = append(c.bias, 200*c.scale[len(c.scale)-1]*k.InScale*float32(r.NormFloat64()))
	}
	c.weight = make([]float32, k.C*depth)
	for range c.weight {
		c.whole = append(c.whole, w())
	}
	c.x = newByteBox(r, n, k.IC, c.ih, c.iw, c.border).fill(x)
	c.k.In = c.x.view
	if k.Real {
		c.real = newBox(r, n, k.C, k.H, k.W)
		c.k.Out = c.real.view
	} else {
		c.y = newByteBox(r, n, k.C, k.H, k.W, r.IntN(2))
		c.k.Out, c.before = c.y.view, c.y.snapshot()
	}
	c.pack()
	return c
}

// pack packs the whole weights.
func (c *int8Case) pack() {
	for i, q := range c.whole {
		c.weight[i] = float32(q) * c.scale[i/(len(c.whole)/c.k.C)]
	}
	c.b, c.mul = make([]float32, c.k.BiasLen()), make([]float32, c.k.BiasLen())
	c.packAs(c.k)
}

// packAs packs them for a kernel.
func (c *int8Case) packAs(k ConvInt8) {
	c.packed = make([]float32, k.PackedLen())
	fill(c.packed, poison)
	k.packInt8(c.packed, c.weight, c.scale)
	k.packInt8Bias(c.b, c.bias, c.weight, c.scale)
	k.packInt8Scale(c.mul, c.scale)
}

// sum is the definition of a sum, in 64 bits.
func (c *int8Case) sum(n, o, y, x int) int {
	k := c.k
	s := int(math.RoundToEven(float64(c.bias[o]) / float64(k.InScale*c.scale[o])))
	for i := range k.IC {
		for kh := range k.KH {
			for kw := range k.KW {
				v, u := y*one(k.SH)-k.PH+kh*one(k.DH), x*one(k.SW)-k.PW+kw*one(k.DW)
				if v >= 0 && v < c.ih && u >= 0 && u < c.iw {
					s += (int(*c.x.at(n, i, v, u)) - k.InZero) * c.whole[((o*k.IC+i)*k.KH+kh)*k.KW+kw]
				}
			}
		}
	}
	return s
}

func (c *int8Case) run(t *testing.T, r *rand.Rand) {
	t.Helper()
	var sums []int
	for n := range c.n {
		for o := range c.k.C {
			for y := range c.k.H {
				for x := range c.k.W {
					s := c.sum(n, o, y, x)
					if int(int32(s)) != s {
						t.Fatalf("a sum is %d, which 32 bits do not hold", s)
					}
					sums = append(sums, s)
				}
			}
		}
	}
	product := func(n, o, y, x int) float32 {
		out := 1.0
		if !c.k.Real {
			out = float64(c.k.OutScale)
		}
		m := float32(float64(c.k.InScale) * float64(c.scale[o]) / out)
		return float32(float32(sums[((n*c.k.C+o)*c.k.H+y)*c.k.W+x]) * m)
	}
	for isa, r := range tiers(r) {
		eachInt8Variant(isa, func(name string) {
			t.Helper()
			c.runTier(t, r, isa, name, product)
		})
	}
}

// eachInt8Variant calls run for each way in which a tier can multiply bytes on this machine, while the
// tier computes so. A tier without microkernels has one.
var eachInt8Variant = func(isa ISA, run func(name string)) { run("") }

// runTier compares what a tier computes with what product says, in float32.
func (c *int8Case) runTier(t *testing.T, r *rand.Rand, isa ISA, name string, product func(n, o, y, x int) float32) {
	t.Helper()
	do, in := c.k, c.x.buf
	if c.reads != nil {
		do, in = c.does, *c.reads
	}
	a := &Args{Images: c.n, In: [4]Buf{in}, W: [4][]float32{c.packed, c.b, c.mul}, Table: do.Table(isa)}
	var err error
	if c.k.Real {
		fill(c.real.buf.Mem, poison)
		a.Out[0] = c.real.buf
		execute(r, isa, do, a)
		err = c.real.check(func(n, o, y, x int) float64 {
			v := product(n, o, y, x)
			if c.k.ReLU {
				v = max(v, 0)
			}
			return float64(v)
		}, 0)
	} else {
		copy(bytesOf(c.y.buf.Mem), c.before)
		a.Out[0] = c.y.buf
		execute(r, isa, do, a)
		err = c.y.check(c.before, func(n, o, y, x int) byte { return roundedByte(product(n, o, y, x), c.k.Zero, c.k.Low, c.k.High) })
	}
	if err != nil {
		t.Fatalf("%v %s: %#v\n%v", isa, name, do, err)
	}
	if n := allocations(isa, do, a); n != 0 {
		t.Fatalf("%v %s: %g allocations", isa, name, n)
	}
}

// TestConvInt8: on every tier, at sizes from 1 to 67 and every geometry, the bytes are those of the
// definition.
func TestConvInt8(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 1))
	channels := []int{1, 3, 15, 16, 17, 31, 32, 33, 48, 64, 67}
	for i := range 150 {
		k := ConvInt8{IC: channels[r.IntN(len(channels))], C: channels[r.IntN(len(channels))], H: 1 + r.IntN(7), W: 1 + r.IntN(20),
			KH: 1 + r.IntN(3), KW: 1 + r.IntN(3), SH: 1 + r.IntN(2), SW: 1 + r.IntN(2), DH: 1 + r.IntN(2), DW: r.IntN(2),
			InScale: 0.01 + 0.05*r.Float32(), OutScale: 0.01 + 0.1*r.Float32(), Zero: r.IntN(256), High: 255, Real: i%4 == 0, ReLU: i%8 == 0}
		if i%3 == 0 {
			k.KH, k.KW, k.SH, k.SW = 1, 1, 1, 1
		}
		if i%5 == 0 {
			k.W = 1 + r.IntN(67)
		}
		if i%2 == 0 {
			k.InZero = r.IntN(256)
		} else if k.KH > 1 && k.KW > 1 {
			k.PH, k.PW = r.IntN(k.KH), r.IntN(k.KW)
			k.H, k.W = k.H+2*k.PH, k.W+2*k.PW
		}
		if r.IntN(2) == 0 {
			k.Low, k.High = k.Zero, min(255, k.Zero+100)
		}
		k = k.Split()
		if r.IntN(2) == 0 {
			k.Rows, k.Pairs = 1+r.IntN(k.H), 1+r.IntN(3)
		}
		newInt8Case(r, k, 1+r.IntN(2), anyByte(r), anyWeight(r, i%3)).run(t, r)
	}
}

// anyWeight draws weights of any size, weights whose pairs fit, or both kinds, mostly of the second.
func anyWeight(r *rand.Rand, kind int) func() int {
	return func() int {
		if kind == 0 || kind == 1 && r.IntN(500) == 0 {
			return r.IntN(256) - 128
		}
		return r.IntN(maxPair+1) - maxPair/2
	}
}

// TestConvInt8Depth: no sum overflows at the largest depths of the specs, where all products have
// the largest size and one sign.
func TestConvInt8Depth(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 2))
	for _, k := range []ConvInt8{{IC: 2048, KH: 3, KW: 3}, {IC: 832, KH: 5, KW: 5}, {IC: MaxInt8Depth, KH: 1, KW: 1}} {
		for _, w := range []int{-128, -64, 64, 127} { // 64: the largest pairs that fit
			k.C, k.H, k.W, k.InScale, k.OutScale, k.High = 17, 1, 3, 0.01, 0.5, 255
			newInt8Case(r, k.Split(), 1, func() byte { return 255 }, func() int { return w }).run(t, r)
		}
	}
	// Every pair of products that a tier may add in 16 bits, and the largest sums of those that fit.
	k := ConvInt8{IC: 64, C: 33, H: 4, W: 9, KH: 3, KW: 3, InScale: 0.01, OutScale: 3, Zero: 128, High: 255}
	newInt8Case(r, k, 1, extremeByte(r), func() int { return []int{-128, -127, 127, 0, 1}[r.IntN(5)] }).run(t, r)
	for i := range 4 {
		k.IC, k.KH, k.KW = 48+i, 1, 1 // the last channel has no neighbour, or one
		c := newInt8Case(r, k, 1, extremeByte(r), func() int { return 0 })
		for at := 0; at < len(c.whole); at += k.IC {
			for j := 0; j < k.IC; j += 2 {
				a := r.IntN(maxPair)
				sign := 1 - 2*r.IntN(2)
				c.whole[at+j] = sign * a
				if j+1 < k.IC {
					c.whole[at+j+1] = sign * min(maxPair-a, 127)
				}
			}
		}
		c.pack()
		c.run(t, r)
		if fit := int32sOf(c.packed[Blocks(k.C)*k.weightLen():]); fit[0]&fitsPairs == 0 || fit[2]&fitsPairs == 0 {
			t.Errorf("the pairs of %d channels fit, the packer says %v", k.IC, fit[:3])
		}
	}
}

// TestPairsFit: the packer's answer for each output block is what all bytes say about its weights.
func TestPairsFit(t *testing.T) {
	for a := -128; a < 128; a++ {
		for b := -128; b < 128; b++ {
			want := true
			for _, x := range [][2]int{{255, 255}, {0, 255}, {255, 0}} { // a sum is largest at an end of each byte's range
				s := a*x[0] + b*x[1]
				want = want && int(int16(s)) == s
			}
			if got := pairsFit([]byte{0, 0, byte(a), byte(b)}); got != want {
				t.Fatalf("pairsFit(%d, %d) is %v, the sums of products say %v", a, b, got, want)
			}
		}
	}
	// One pair that does not fit, in any of the blocks.
	r := rand.New(rand.NewPCG(41, 4))
	for range 40 {
		k := ConvInt8{IC: 1 + r.IntN(40), C: 1 + r.IntN(67), H: 1, W: 9, KH: 1 + r.IntN(3), KW: 1, InScale: 1, OutScale: 100, High: 255}
		c := newInt8Case(r, k, 1, anyByte(r), anyWeight(r, 2))
		o := r.IntN(k.C)
		if k.IC > 1 {
			at := (o*k.IC+r.IntN(k.IC/2)*2)*k.KH + r.IntN(k.KH)
			c.whole[at], c.whole[at+k.KH] = -70, -59
			c.pack()
		}
		for b, fit := range int32sOf(c.packed[Blocks(k.C)*k.weightLen():])[:Blocks(k.C)] {
			if want := k.IC == 1 || b != o/Block; (fit&fitsPairs != 0) != want {
				t.Errorf("%#v: block %d fits: %d, want %v", k, b, fit, want)
			}
		}
		c.run(t, r)
	}
}

// TestBytes: the conversions, sums, pools and copies of bytes agree with their definitions on every
// tier.
func TestBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 3))
	for range 60 {
		n, c, h, w := 1+r.IntN(2), 1+r.IntN(67), 1+r.IntN(6), 1+r.IntN(67)
		zero, scale := r.IntN(256), 0.01+r.Float32()
		x, y := newByteBox(r, n, c, h, w, r.IntN(2)).fill(anyByte(r)), newByteBox(r, n, c, h, w, r.IntN(2)).fill(anyByte(r))
		z := newByteBox(r, n, c, h, w, r.IntN(2))
		before := z.snapshot()
		odd := special(r)
		f := newBox(r, n, c, h, w).fill(func() float32 {
			if v := odd(); r.IntN(4) == 0 {
				return v
			}
			return scale * (float32(r.IntN(1200)) - 600) / 2 // ties
		})
		try := func(k Kernel, a *Args, ref func(n, c, y, x int) byte) {
			t.Helper()
			for isa, r := range tiers(r) {
				copy(bytesOf(z.buf.Mem), before)
				a.Images, a.Out[0] = n, z.buf
				execute(r, isa, k, a)
				if err := z.check(before, ref); err != nil {
					t.Fatalf("%v: %#v\n%v", isa, k, err)
				}
				if n := allocations(isa, k, a); n != 0 {
					t.Fatalf("%v: %#v: %g allocations", isa, k, n)
				}
			}
		}
		try(Quantize{C: c, H: h, W: w, Scale: scale, Zero: zero, In: f.view, Out: z.view}, &Args{In: [4]Buf{f.buf}}, func(n, c, y, x int) byte {
			return roundedByte(float32(f.at(n, c, y, x))/scale, zero, 0, 255)
		})
		add := AddInt8{C: c, H: h, W: w, ScaleA: scale, ScaleB: 0.3, ZeroA: 128, ZeroB: zero, Zero: 10, Low: 10, High: 240, A: x.view, B: y.view, Out: z.view}
		try(add, &Args{In: [4]Buf{x.buf, y.buf}}, func(n, c, h, w int) byte {
			v := float32(float32(int(*x.at(n, c, h, w))-128)*scale) + float32(float32(int(*y.at(n, c, h, w))-zero)*0.3)
			return roundedByte(v, 10, 10, 240)
		})
		for isa, r := range tiers(r) {
			out := newBox(r, n, c, h, w)
			execute(r, isa, Dequantize{C: c, H: h, W: w, Scale: scale, Zero: zero, In: x.view, Out: out.view}, &Args{Images: n, In: [4]Buf{x.buf}, Out: [4]Buf{out.buf}})
			if err := out.check(func(n, c, h, w int) float64 { return float64(float32(int(*x.at(n, c, h, w))-zero) * scale) }, 0); err != nil {
				t.Fatalf("%v: %v", isa, err)
			}
		}
		pool := MaxPoolInt8{C: c, H: h, W: w, IH: 2*h + 1, IW: 2*w + 1, KH: 3, KW: 3, SH: 2, SW: 2, Out: z.view}
		if r.IntN(2) == 0 {
			pool.IH, pool.IW, pool.SH, pool.SW, pool.PH, pool.PW = h, w, 1, 1, 1, 1
		}
		if r.IntN(3) == 0 {
			pool.KH, pool.KW = 1+r.IntN(5), 1+r.IntN(5)
			pool.SH, pool.SW = 1+r.IntN(3), 1+r.IntN(3)
			pool.PH, pool.PW = r.IntN(pool.KH), r.IntN(pool.KW)
			pool.IH, pool.IW = max(1, (h-1)*pool.SH+pool.KH-2*pool.PH), max(1, (w-1)*pool.SW+pool.KW-2*pool.PW)
		}
		p := newByteBox(r, n, c, pool.IH, pool.IW, 0).fill(anyByte(r))
		pool.In = p.view
		try(pool, &Args{In: [4]Buf{p.buf}}, func(n, c, y, x int) byte {
			m := byte(0)
			for i := range pool.KH {
				for j := range pool.KW {
					if v, u := y*pool.SH-pool.PH+i, x*pool.SW-pool.PW+j; v >= 0 && v < pool.IH && u >= 0 && u < pool.IW {
						m = max(m, *p.at(n, c, v, u))
					}
				}
			}
			return m
		})
		copyBytes(t, r, x)
	}
}

// TestMaxPoolInt8Flat: pools of 3x3 over maps whose rows lie without gaps, in tasks of several rows.
func TestMaxPoolInt8Flat(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 8))
	whole := func(n, c, h, w int) *byteBox {
		for {
			if b := newByteBox(r, n, c, h, w, 0); b.view.H == w*byteWords {
				return b
			}
		}
	}
	for range 25 {
		n, c, h, w := 1+r.IntN(2), 1+r.IntN(40), 2+r.IntN(30), 2+r.IntN(66)
		x, y := whole(n, c, h, w).fill(anyByte(r)), whole(n, c, h, w)
		before := y.snapshot()
		k := MaxPoolInt8{C: c, H: h, W: w, IH: h, IW: w, KH: 3, KW: 3, SH: 1, SW: 1, PH: 1, PW: 1, In: x.view, Out: y.view}
		if !k.flat() {
			t.Fatalf("%#v is not flat", k)
		}
		for isa, r := range tiers(r) {
			copy(bytesOf(y.buf.Mem), before)
			execute(r, isa, k, &Args{Images: n, In: [4]Buf{x.buf}, Out: [4]Buf{y.buf}})
			if err := y.check(before, func(n, c, i, j int) byte {
				m := byte(0)
				for v := max(i-1, 0); v < min(i+2, h); v++ {
					for u := max(j-1, 0); u < min(j+2, w); u++ {
						m = max(m, *x.at(n, c, v, u))
					}
				}
				return m
			}); err != nil {
				t.Fatalf("%v: %#v\n%v", isa, k, err)
			}
		}
	}
}

// copyBytes copies some channels to others and looks at all of the output.
func copyBytes(t *testing.T, r *rand.Rand, x *byteBox) {
	t.Helper()
	from := r.IntN(x.c)
	k := CopyInt8{C: 1 + r.IntN(x.c-from), H: x.h, W: x.w, From: from, To: r.IntN(40), In: x.view}
	y := newByteBox(r, x.n, k.To+k.C+r.IntN(20), x.h, x.w, 1).fill(anyByte(r))
	k.Out = y.view
	before := y.snapshot()
	execute(r, Portable, k, &Args{Images: x.n, In: [4]Buf{x.buf}, Out: [4]Buf{y.buf}})
	old := newByteBox(r, 1, 1, 1, 1, 0)
	old.view, old.buf = y.view, Buf{Mem: make([]float32, len(y.buf.Mem)), Off: y.buf.Off}
	copy(bytesOf(old.buf.Mem), before)
	if err := y.check(before, func(n, c, h, w int) byte {
		if c >= k.To && c < k.To+k.C {
			return *x.at(n, c-k.To+k.From, h, w)
		}
		return *old.at(n, c, h, w)
	}); err != nil {
		t.Fatalf("%#v\n%v", k, err)
	}
}
