package kernel

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

func narrowConv(r *rand.Rand, groups bool) Conv {
	c := Conv{
		IC: 1 + r.IntN(9), H: 1 + r.IntN(6), W: 1 + r.IntN(12), KH: 1 + r.IntN(4), KW: 1 + r.IntN(4),
		SH: 1 + r.IntN(3), SW: 1 + r.IntN(3), DH: r.IntN(3), DW: r.IntN(3), PH: r.IntN(4), PW: r.IntN(4),
		Outputs: [4]Output{{C: 1 + r.IntN(20)}},
	}
	if groups {
		c.Groups = 1 + r.IntN(4)
		c.IC, c.Outputs[0].C = c.Groups*(1+r.IntN(4)), c.Groups*(1+r.IntN(6))
	}
	return c
}

func TestN16BackwardWeights(t *testing.T) {
	r := newRand(4, 9)
	count := longtest.Count(60, 240, 3000)
	for i := range count {
		images := 1 + r.IntN(40)
		k := newN16Case(r, images, narrowConv(r, i%5 == 0), i%2)
		c, dy := N16Conv{k.c}, k.out[0]
		dy.fill(r, false)
		for n := images; n < imageBlocks(images)*Block; n++ { // no images
			for o := range c.Conv.OC() {
				for y := range c.Conv.H {
					for x := range c.Conv.W {
						*dy.at(n, o, y, x, false) = 0
					}
				}
			}
		}
		scale := 1 / math.Sqrt(float64(images*c.Conv.H*c.Conv.W))
		dw, db := k.weightGradient()
		for j := range k.w {
			k.w[j] = float32(j + 1) // so that the packed order is known
		}
		number := make([]float32, c.PackedLen())
		c.Pack(number, k.w)
		var simd []float32
		for isa := range tiers(r) {
			var first []float32
			for _, pairs := range []int{0, 1, 2, -1} {
				b := N16ConvBackwardWeights{Conv: c, ImageBlocks: 1 + i%3}
				b.Conv.Conv.Pairs = max(0, pairs)
				if pairs < 0 {
					groups := b.ImageBlocks
					b = b.Split(images)
					b.ImageBlocks = groups
				}
				a := &Args{Images: images, Table: b.Conv.Table(isa)}
				a.In[0], a.In[1] = k.in.Buf, dy.Buf
				parts := alignedFloats(b.Count(images)*b.Conv.PackedLen() + 2*guardLen)
				for j := range parts {
					parts[j] = canary
				}
				a.Out[0] = Buf{parts, guardLen}
				runAll(isa, b, a)
				for j := range guardLen {
					if math.Float32bits(parts[j]) != math.Float32bits(canary) || math.Float32bits(parts[len(parts)-1-j]) != math.Float32bits(canary) {
						t.Fatalf("%v: guard zone written\n%#v", isa, b)
					}
				}
				sum := &Args{Images: images}
				got := alignedFloats(b.Conv.PackedLen())
				sum.In[0], sum.Out[0] = a.Out[0], Buf{Mem: got}
				runAll(isa, SumPartials{N: b.Conv.PackedLen(), Images: b.ImageBlocks * Block}, sum)
				checkGradient(t, isa, b, got, number, dw, scale)
				if first != nil && !reflect.DeepEqual(bits(first), bits(got)) {
					t.Fatalf("%v: other bits with %d pairs\n%#v", isa, pairs, b)
				}
				first = got
			}
			a := &Args{Images: images}
			bias := N16SumPixels{C: c.Conv.OC(), H: c.Conv.H, W: c.Conv.W, In: dy.v}
			a.In[0], a.Out[0].Mem = dy.Buf, alignedFloats(Blocks(c.Conv.OC())*Block)
			runAll(isa, bias, a)
			for o, g := range a.Out[0].Mem {
				want := 0.0
				if o < len(db) {
					want = db[o]
				}
				if d := math.Abs(float64(g)-want) * scale; !(d < 3e-6) {
					t.Fatalf("%v: bias gradient %d is %g, want %g\n%#v", isa, o, g, want, bias)
				}
			}
			if isa == Portable {
				continue
			}
			first = append(first, a.Out[0].Mem...)
			if simd != nil && !reflect.DeepEqual(bits(simd), bits(first)) {
				t.Fatalf("AVX2 and AVX-512 differ\n%#v", c)
			}
			simd = first
		}
	}
}

func TestN16BackwardData(t *testing.T) {
	r := newRand(9, 8)
	count := longtest.Count(60, 240, 3000)
	for i := range count {
		c := narrowConv(r, i%4 == 0)
		h, w := max(1, (c.KH-1)*one(c.DH)+1-2*c.PH+r.IntN(8)), max(1, (c.KW-1)*one(c.DW)+1-2*c.PW+r.IntN(12))
		c.H, c.W = (h+2*c.PH-(c.KH-1)*one(c.DH)-1)/c.SH+1, (w+2*c.PW-(c.KW-1)*one(c.DW)-1)/c.SW+1
		images := 1 + r.IntN(20)
		weight := make([]float32, c.OC()*c.IC/one(c.Groups)*c.KH*c.KW)
		for i := range weight {
			weight[i] = (r.Float32()*2 - 1) / float32(math.Sqrt(float64(len(weight)/c.IC)))
		}
		packed := alignedFloats(N16Conv{c}.PackedLen())
		N16Conv{c}.Pack(packed, weight)
		const border = 8 // more than any of these needs
		dy := newN16Act(images, c.OC(), c.H, c.W, border, border, border+3*4, border+3*4, 1)
		dy.fill(r, false)
		dx := newN16Act(images, c.IC, h, w, 1, 0, 0, 1, 0)
		ref := inputGradient(c, images, h, w, weight, dy, nil)
		var simd []float32
		for isa, r := range tiers(r) {
			dx.fill(r, false)
			for _, p := range ConvBackwardDataOf(c, h, w, dy.v, dx.v) {
				do := N16Conv{p.Conv}.Split(images)
				ra := &Args{Images: images}
				ra.In[0].Mem, ra.Out[0].Mem = packed, alignedFloats(do.PackedLen()+guardLen)
				for i := range ra.Out[0].Mem {
					ra.Out[0].Mem[i] = canary
				}
				if p.Conv.IC > 0 {
					runAll(isa, N16RepackOf(p.Repack), ra)
				}
				for j, v := range ra.Out[0].Mem {
					if (math.Float32bits(v) == math.Float32bits(canary)) != (j >= do.PackedLen() || p.Conv.IC == 0) {
						t.Fatalf("%v: repacked weight %d is %g\n%#v", isa, j, v, p)
					}
				}
				a := &Args{Images: images, Table: do.Table(isa)}
				a.In[0], a.W[0] = dy.Buf, ra.Out[0].Mem
				a.Out[0] = Buf{dx.Mem, dx.Off + p.Y*dx.v.H + p.X*Block}
				runAll(isa, do, a)
			}
			var got []float32
			for n := range images {
				for ic := range c.IC {
					for y := range h {
						for x := range w {
							got = append(got, *dx.at(n, ic, y, x, false))
						}
					}
				}
			}
			if e := maxErr(got, ref); e > 1e-5 {
				t.Fatalf("%v: error %.2g, input %dx%d\n%#v", isa, e, h, w, c)
			}
			if err := dx.check(); err != nil {
				t.Fatalf("%v: %v\n%#v", isa, err, c)
			}
			if isa == Portable {
				continue
			}
			if simd != nil && !reflect.DeepEqual(bits(simd), bits(got)) {
				t.Fatalf("AVX2 and AVX-512 differ\n%#v", c)
			}
			simd = got
		}
	}
}
