package kernel

import (
	"math"
	"reflect"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// weightGradient is the gradient of weights (in OIHW) and bias by its definition, from
// that in out[0].
func (k *convCase) weightGradient() (dw, db []float64) {
	c, dy := k.c, k.out[0]
	icg, ocg := c.IC/one(c.Groups), c.OC()/one(c.Groups)
	kk := c.KH * c.KW
	dw, db = make([]float64, len(k.w)), make([]float64, c.OC())
	for o := range c.OC() {
		for n := range k.images {
			for y := range c.H {
				for x := range c.W {
					g := float64(*dy.at(n, o, y, x, false))
					db[o] += g
					for ic := range icg {
						for t := range kk {
							iy, ix := y*c.SH-c.PH+t/c.KW*one(c.DH), x*c.SW-c.PW+t%c.KW*one(c.DW)
							if iy >= 0 && iy < k.in.h && ix >= 0 && ix < k.in.w {
								dw[(o*icg+ic)*kk+t] += g * float64(*k.in.at(n, o/ocg*icg+ic, iy, ix, c.Planar))
							}
						}
					}
				}
			}
		}
	}
	return dw, db
}

func TestBackwardWeights(t *testing.T) {
	r := newRand(3, 9)
	count := longtest.Count(80, 320, 3000)
	for i := range count {
		c := Conv{
			IC: 1 + r.IntN(40), H: 1 + r.IntN(9), W: 1 + r.IntN(20), KH: 1 + r.IntN(4), KW: 1 + r.IntN(4),
			SH: 1 + r.IntN(3), SW: 1 + r.IntN(3), DH: r.IntN(3), DW: r.IntN(3), PH: r.IntN(5), PW: r.IntN(5),
			Outputs: [4]Output{{C: 1 + r.IntN(70)}},
		}
		switch i % 5 {
		case 0:
			c.Groups = 1 + r.IntN(4)
			c.IC, c.Outputs[0].C = c.Groups*(1+r.IntN(20)), c.Groups*(1+r.IntN(20))
		case 1:
			c.Planar, c.IC = true, 1+r.IntN(4)
			if c.IC%2 == 0 {
				c.Groups, c.Outputs[0].C = 2, 2*(1+r.IntN(30))
			}
		}
		k := newConvCase(r, 1+r.IntN(3), c, i%2)
		c = k.c
		dy := k.out[0]
		dy.fill(r, false)
		scale := 1 / math.Sqrt(float64(k.images*c.H*c.W))
		dw, db := k.weightGradient()
		// Packing numbers the weights, so that the packed order is known without
		// rounding.
		for j := range k.w {
			k.w[j] = float32(j + 1)
		}
		number := make([]float32, c.PackedLen())
		c.Pack(number, k.w)
		var simd []float32
		for isa := range tiers(r) {
			var first, squares []float32
			for _, cut := range [][2]int{{0, 0}, {1, 1}, {2, 0}, {1, 2}, {0, -1}} {
				b := ConvBackwardWeights{Conv: c, Units: cut[0]}
				b.Conv.Pairs = cut[1]
				if cut[1] < 0 {
					b = b.Split(k.images).Whole
				}
				a := &Args{Images: k.images, Table: b.Table(isa)}
				a.In[0], a.In[1] = k.in.Buf, dy.Buf
				gw, gb := alignedFloats(b.PackedLen()+2*guardLen), alignedFloats(b.Conv.BiasLen()+2*guardLen)
				for _, m := range [][]float32{gw, gb} {
					for i := range m {
						m[i] = canary
					}
				}
				sums := squaresOf(b, k.images)
				a.Out[0], a.Out[1], a.Out[2] = Buf{gw, guardLen}, Buf{gb, guardLen}, Buf{Mem: sums}
				runAll(isa, b, a)
				for _, m := range [][]float32{gw, gb} {
					for i := range guardLen {
						if math.Float32bits(m[i]) != math.Float32bits(canary) || math.Float32bits(m[len(m)-1-i]) != math.Float32bits(canary) {
							t.Fatalf("%v: guard zone written\n%#v", isa, b)
						}
					}
				}
				gw, gb = gw[guardLen:len(gw)-guardLen], gb[guardLen:len(gb)-guardLen]
				checkGradient(t, isa, b, gw, number, dw, scale)
				for o, want := range db {
					if d := math.Abs(float64(gb[o])-want) * scale; !(d < 3e-6) {
						t.Fatalf("%v: bias gradient %d is %g, want %g\n%#v", isa, o, gb[o], want, b)
					}
				}
				squares = append(squares, checkSquares(t, isa, b, sums, gw)...)
				all := append(append([]float32(nil), gw...), gb...)
				if first != nil && !reflect.DeepEqual(bits(first), bits(all)) {
					t.Fatalf("%v: other bits with other units and pairs\n%#v", isa, b)
				}
				first = all
			}
			if isa == Portable {
				continue
			}
			first = append(first, squares...)
			if simd != nil && !reflect.DeepEqual(bits(simd), bits(first)) {
				t.Fatalf("AVX2 and AVX-512 differ\n%#v", c)
			}
			simd = first
		}
	}
}

// A gradient cut into parts of images is that of all images, up to the order of
// the sum, and its bits do not depend on the tier.
func TestBackwardWeightsParts(t *testing.T) {
	r := newRand(4, 9)
	for i := range 40 {
		c := Conv{IC: 1 + r.IntN(20), H: 1 + r.IntN(9), W: 1 + r.IntN(9), KH: 1 + r.IntN(3), KW: 1 + r.IntN(3), SH: 1, SW: 1, PH: r.IntN(2), PW: r.IntN(2),
			Planar: i%3 == 0, Outputs: [4]Output{{C: 1 + r.IntN(40)}}}
		if c.Planar {
			c.IC = 1 + r.IntN(4)
		}
		planned := 2 + r.IntN(20)
		k := newConvCase(r, 1+r.IntN(planned), c, 0)
		dy := k.out[0]
		dy.fill(r, false)
		p := ConvBackwardWeights{Conv: k.c}.Split(planned)
		if i%2 == 0 {
			p.Images = 1 + r.IntN(planned)
		}
		b := p.Whole
		var simd []float32
		for isa := range tiers(r) {
			a := &Args{Images: k.images, Table: b.Table(isa)}
			a.In[0], a.In[1] = k.in.Buf, dy.Buf
			want := make([]float32, b.PackedLen())
			a.Out[0].Mem = want
			runAll(isa, b, a)
			parts, got := make([]float32, p.Count(planned)*b.PackedLen()), make([]float32, b.PackedLen())
			for j := range parts {
				parts[j] = canary
			}
			a.Out[0].Mem = parts
			runAll(isa, p, a)
			sum := &Args{Images: k.images}
			sum.In[0].Mem, sum.Out[0].Mem = parts, got
			add := SumPartials{N: b.PackedLen(), Images: p.Images}
			sum.Out[1].Mem = squaresOf(add, k.images)
			runAll(isa, add, sum)
			squares := checkSquares(t, isa, add, sum.Out[1].Mem, got)
			scale := 1 / math.Sqrt(float64(k.images*c.H*c.W))
			for j, g := range got {
				if d := math.Abs(float64(g-want[j])) * scale; !(d < 3e-6) {
					t.Fatalf("%v: %g at %d, want %g\n%#v", isa, g, j, want[j], p)
				}
			}
			if isa == Portable {
				continue
			}
			got = append(got, squares...)
			if simd != nil && !reflect.DeepEqual(bits(simd), bits(got)) {
				t.Fatalf("AVX2 and AVX-512 differ\n%#v", p)
			}
			simd = got
		}
	}
}
