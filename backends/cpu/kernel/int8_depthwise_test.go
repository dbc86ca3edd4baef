package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// eachInt8Depthwise calls run for each set of microkernels that a tier may have on this machine, while
// it has them, and for none.
var eachInt8Depthwise = func(isa ISA, run func(name string)) { run("plain Go") }

// withInt8Depthwise calls run while a tier has other microkernels.
func withInt8Depthwise(isa ISA, t int8DepthwiseTier, run func()) {
	old := int8DepthwiseTiers[isa]
	defer func() { int8DepthwiseTiers[isa] = old }()
	int8DepthwiseTiers[isa] = t
	run()
}

// depthwiseInt8Case is a depthwise convolution of bytes with its operands.
type depthwiseInt8Case struct {
	k                   DepthwiseInt8
	n, ih, iw           int
	x, y                *byteBox
	whole               []int
	weight, scale, bias []float32
}

func newDepthwiseInt8Case(r *rand.Rand, c ConvInt8, n int, x func() byte, w func() int) *depthwiseInt8Case {
	d := &depthwiseInt8Case{n: n, ih: (c.H-1)*one(c.SH) + (c.KH-1)*one(c.DH) + 1 - 2*c.PH, iw: (c.W-1)*one(c.SW) + c.KW - 2*c.PW}
	d.x = newByteBox(r, n, c.C, d.ih, d.iw, max(c.PH, c.PW)).fill(x)
	d.y = newByteBox(r, n, c.C, c.H, c.W, r.IntN(2))
	c.In, c.Out, c.IC = d.x.view, d.y.view, 1
	for range c.C {
		d.scale = append(d.scale, 0.001+0.01*r.Float32())
		d.bias = append(d.bias, 200*d.scale[len(d.scale)-1]*c.InScale*float32(r.NormFloat64()))
		for range c.KH * c.KW {
			d.whole = append(d.whole, w())
			d.weight = append(d.weight, float32(d.whole[len(d.whole)-1])*d.scale[len(d.scale)-1])
		}
	}
	d.k = DepthwiseInt8{c}.Split()
	return d
}

// want is the definition of an output, with a sum in 64 bits.
func (d *depthwiseInt8Case) want(n, o, y, x int) byte {
	k := d.k.Conv
	s := int(math.RoundToEven(float64(d.bias[o]) / float64(k.InScale*d.scale[o])))
	for kh := range k.KH {
		for kw := range k.KW {
			v, u := y*one(k.SH)-k.PH+kh*one(k.DH), x*one(k.SW)-k.PW+kw
			if v >= 0 && v < d.ih && u >= 0 && u < d.iw {
				s += (int(*d.x.at(n, o, v, u)) - k.InZero) * d.whole[(o*k.KH+kh)*k.KW+kw]
			}
		}
	}
	m := float32(float64(k.InScale) * float64(d.scale[o]) / float64(k.OutScale))
	return roundedByte(float32(float32(s)*m), k.Zero, k.Low, k.High)
}

func (d *depthwiseInt8Case) run(t *testing.T, r *rand.Rand) {
	t.Helper()
	w, b, mul := make([]float32, d.k.PackedLen()), make([]float32, d.k.BiasLen()), make([]float32, d.k.BiasLen())
	fill(w, poison)
	d.k.packInt8(w, d.weight, d.scale)
	d.k.packInt8Bias(b, d.bias, d.weight, d.scale)
	d.k.packInt8Scale(mul, d.scale)
	before := d.y.snapshot()
	for isa, r := range tiers(r) {
		eachInt8Depthwise(isa, func(name string) {
			copy(bytesOf(d.y.buf.Mem), before)
			a := &Args{Images: d.n, In: [4]Buf{d.x.buf}, Out: [4]Buf{d.y.buf}, W: [4][]float32{w, b, mul}, Table: d.k.Table(isa)}
			execute(r, isa, d.k, a)
			if err := d.y.check(before, d.want); err != nil {
				t.Fatalf("%v %s: %#v\n%v", isa, name, d.k, err)
			}
			if n := allocations(isa, d.k, a); n != 0 {
				t.Fatalf("%v %s: %g allocations", isa, name, n)
			}
		})
	}
}

// TestDepthwiseInt8: on every tier, at widths from 1 to 67 and every geometry, the bytes are those of
// the definition.
func TestDepthwiseInt8(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 12))
	for i := range 150 {
		k := ConvInt8{C: 1 + r.IntN(67), H: 1 + r.IntN(7), W: 1 + i%67, KH: 1 + r.IntN(9), KW: 3 + 2*(i%2), SH: 1 + r.IntN(2), SW: r.IntN(3), DH: r.IntN(3),
			InScale: 0.01 + 0.05*r.Float32(), OutScale: 0.001 + 0.01*r.Float32(), Zero: r.IntN(256), High: 255}
		if i%3 > 0 {
			k.KH = k.KW
		}
		if i%4 == 0 {
			k.InZero = r.IntN(256)
		} else {
			k.PH, k.PW = r.IntN(k.KH), r.IntN(k.KW)
			k.H, k.W = k.H+2*k.PH, k.W+2*k.PW
		}
		if r.IntN(2) == 0 {
			k.Low, k.High = k.Zero, min(255, k.Zero+100)
		}
		newDepthwiseInt8Case(r, k, 1+r.IntN(2), anyByte(r), anyWeight(r, 0)).run(t, r)
	}
	for _, w := range []int{-128, 127} { // the largest sums of one sign, of all sizes of filters
		for _, size := range []int{3, 5} {
			k := ConvInt8{C: 33, H: 3, W: 21, KH: size, KW: size, PH: 1, PW: 1, InScale: 1, OutScale: 30, Zero: 128, High: 255}
			newDepthwiseInt8Case(r, k, 1, func() byte { return 255 }, func() int { return w }).run(t, r)
			newDepthwiseInt8Case(r, k, 1, extremeByte(r), func() int { return []int{-128, w}[r.IntN(2)] }).run(t, r)
		}
	}
}
