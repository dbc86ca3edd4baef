package kernel

import (
	"math"
	"reflect"
	"testing"
)

// The gradient of every width is that of the definition, in the packed order, on all
// tiers, and AVX2 and AVX-512 give the same bits.
func TestRowBackwardWeights(t *testing.T) {
	r := newRand(6, 9)
	for size := 2; size <= 67; size++ {
		c := Conv{IC: 9 + r.IntN(40), H: 1 + r.IntN(9), W: size, KH: 1 + r.IntN(4), KW: 3, SH: 1 + r.IntN(2), SW: 1, DH: r.IntN(3), PH: r.IntN(4), PW: r.IntN(3),
			Outputs: [4]Output{{C: 1 + r.IntN(Block)}}}
		if size%2 == 0 {
			c.Planar, c.IC, c.KH = true, 1+r.IntN(5), 3
		}
		images := 1 + r.IntN(5)
		k := newConvCase(r, images, c, size%2)
		c = k.c
		dy := k.out[0]
		dy.fill(r, false)
		scale := 1 / math.Sqrt(float64(images*c.H*c.W))
		dw, _ := k.weightGradient()
		for j := range k.w {
			k.w[j] = float32(j + 1) // so that the packed order is known
		}
		number := make([]float32, c.PackedLen())
		c.Pack(number, k.w)
		b := ConvBackwardWeightsRows{Conv: c}.Split(images)
		if size%3 == 0 {
			b.Images = 1 + r.IntN(images)
		}
		if !b.Fits() {
			t.Fatalf("%#v does not fit", b)
		}
		n := b.Count(images)
		var simd []float32
		for isa := range tiers(r) {
			parts := alignedFloats(n*b.Conv.PackedLen() + 2*guardLen)
			for j := range parts {
				parts[j] = canary
			}
			a := &Args{Images: images}
			a.In[0], a.In[1], a.Out[0] = k.in.Buf, dy.Buf, Buf{parts, guardLen}
			runAll(isa, b, a)
			for j := range guardLen {
				if math.Float32bits(parts[j]) != math.Float32bits(canary) || math.Float32bits(parts[len(parts)-1-j]) != math.Float32bits(canary) {
					t.Fatalf("%v: guard zone written\n%#v", isa, b)
				}
			}
			got := make([]float32, b.Conv.PackedLen())
			runAll(isa, SumPartials{N: b.Conv.PackedLen(), Images: b.Images}, &Args{Images: images, In: [4]Buf{a.Out[0]}, Out: [4]Buf{{Mem: got}}})
			checkGradient(t, isa, b, got, number, dw, scale)
			if isa == Portable {
				continue
			}
			if simd != nil && !reflect.DeepEqual(bits(simd), bits(parts)) {
				t.Fatalf("AVX2 and AVX-512 differ\n%#v", b)
			}
			simd = parts
		}
	}
}

// TestRowBackwardWeightsFits: what the kernel cannot do it does not take.
func TestRowBackwardWeightsFits(t *testing.T) {
	fits := Conv{IC: 16, H: 9, W: 9, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 16}}}
	for i, change := range []func(c *Conv){
		func(c *Conv) { c.KW = 5 }, func(c *Conv) { c.SW = 2 }, func(c *Conv) { c.DW = 2 }, func(c *Conv) { c.IC = 8 }, func(c *Conv) { c.Groups = 2 },
		func(c *Conv) { c.Outputs[0].C = 17 }, func(c *Conv) { c.W = 1 }, func(c *Conv) { c.Planar, c.KH = true, 2 }, func(c *Conv) { c.Outputs[1].C = 1 },
	} {
		c := fits
		if change(&c); !(ConvBackwardWeightsRows{Conv: fits}).Fits() || (ConvBackwardWeightsRows{Conv: c}).Fits() {
			t.Errorf("change %d: %#v", i, c)
		}
	}
}
