package kernel

import (
	"math"
	"reflect"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// inputGradient is the gradient of a convolution with respect to its input of h x w
// pixels by its definition, added to before where that is not nil.
func inputGradient(c Conv, images, h, w int, weight []float32, dy, before *actBuf) []float64 {
	var ref []float64
	icg, ocg := c.IC/one(c.Groups), c.OC()/one(c.Groups)
	for n := range images {
		for ic := range c.IC {
			for y := range h {
				for x := range w {
					s := 0.0
					if before != nil {
						s = float64(*before.at(n, ic, y, x, false))
					}
					for o := ic / icg * ocg; o < (ic/icg+1)*ocg; o++ {
						for kh := range c.KH {
							for kw := range c.KW {
								py, px := y+c.PH-kh*one(c.DH), x+c.PW-kw*one(c.DW)
								if py%c.SH == 0 && px%c.SW == 0 && py >= 0 && px >= 0 && py/c.SH < c.H && px/c.SW < c.W {
									s += float64(weight[((o*icg+ic%icg)*c.KH+kh)*c.KW+kw]) * float64(*dy.at(n, o, py/c.SH, px/c.SW, false))
								}
							}
						}
					}
					ref = append(ref, s)
				}
			}
		}
	}
	return ref
}

func TestBackwardData(t *testing.T) {
	r := newRand(8, 8)
	count := longtest.Count(80, 320, 3000)
	for i := range count {
		c := Conv{
			IC: 1 + r.IntN(40), KH: 1 + r.IntN(5), KW: 1 + r.IntN(5), SH: 1 + r.IntN(3), SW: 1 + r.IntN(3), DH: r.IntN(3), DW: r.IntN(3),
			PH: r.IntN(4), PW: r.IntN(4), Outputs: [4]Output{{C: 1 + r.IntN(70)}},
		}
		if i%5 == 0 {
			c.Groups = 1 + r.IntN(4)
			c.IC, c.Outputs[0].C = c.Groups*(1+r.IntN(20)), c.Groups*(1+r.IntN(20))
		}
		h, w := max(1, (c.KH-1)*one(c.DH)+1-2*c.PH+r.IntN(12)), max(1, (c.KW-1)*one(c.DW)+1-2*c.PW+r.IntN(20))
		c.H, c.W = (h+2*c.PH-(c.KH-1)*one(c.DH)-1)/c.SH+1, (w+2*c.PW-(c.KW-1)*one(c.DW)-1)/c.SW+1
		images := 1 + r.IntN(2)
		weight := make([]float32, c.OC()*c.IC/one(c.Groups)*c.KH*c.KW)
		for i := range weight {
			weight[i] = (r.Float32()*2 - 1) / float32(math.Sqrt(float64(len(weight)/c.IC)))
		}
		packed := alignedFloats(c.PackedLen())
		c.Pack(packed, weight)

		const border = 8 // more than any of these needs
		dy := newAct(images, c.OC(), c.H, c.W, border, border, border+3*4, border+3*4, 1, false)
		dy.fill(r, false)
		dx := newAct(images, c.IC, h, w, 1, 0, 0, 1, 0, false)
		accumulate := i%3 == 0
		before := newAct(images, c.IC, h, w, 1, 0, 0, 1, 0, false)
		before.fill(r, false)

		var into *actBuf
		if accumulate {
			into = before
		}
		ref := inputGradient(c, images, h, w, weight, dy, into)
		var mask *actBuf // what a ReLU in front of the convolution made
		maskedSum := accumulate && i%2 == 0 && c.SH == 1 && c.SW == 1
		if i%3 == 1 || maskedSum {
			mask = newAct(images, c.IC, h, w, 0, 1, 1, 0, 1, false)
			mask.fill(r, false)
			at := 0
			for n := range images {
				for ic := range c.IC {
					for y := range h {
						for x := range w {
							if *mask.at(n, ic, y, x, false) <= 0 {
								ref[at] = 0
							}
							at++
						}
					}
				}
			}
		}
		var simd []float32
		for isa := range tiers(r) {
			copy(dx.Mem, before.Mem)
			for _, p := range ConvBackwardDataOf(c, h, w, dy.v, dx.v) {
				ra := &Args{Images: images}
				ra.In[0].Mem = packed
				ra.Out[0].Mem = alignedFloats(p.Conv.PackedLen())
				for i := range ra.Out[0].Mem {
					ra.Out[0].Mem[i] = canary
				}
				if p.Conv.IC > 0 {
					runAll(isa, p.Repack, ra)
				}
				if accumulate {
					p.Conv.Residual, p.Conv.Scale, p.Conv.Res = true, 1, p.Conv.Outputs[0].View
				}
				if maskedSum {
					p = p.MaskedSum(p.Conv.Outputs[0].View, mask.v)
				} else if mask != nil {
					p = p.Masked(mask.v)
				}
				p.Conv = p.Conv.Split(images)
				a := &Args{Images: images, Table: p.Conv.Table(isa)}
				a.In[0], a.W[0] = dy.Buf, ra.Out[0].Mem
				a.Out[0] = Buf{dx.Mem, dx.Off + p.Y*dx.v.H + p.X*Block}
				a.In[1] = a.Out[0]
				if maskedSum {
					a.In[2] = mask.Buf
				} else if mask != nil {
					a.In[1] = Buf{mask.Mem, mask.Off + p.Y*mask.v.H + p.X*Block}
				}
				runAll(isa, p.Conv, a)
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

// TestPair compares pair and pairOf with the walk over all pairs.
func TestPair(t *testing.T) {
	r := newRand(13, 1)
	for i := range 300 {
		c := Conv{IC: 1 + r.IntN(70), KH: 1 + r.IntN(3), KW: 1 + r.IntN(3), H: 1, W: 1, Planar: i%7 == 0}
		c.Outputs[0].C = 1 + r.IntN(100)
		switch i % 3 {
		case 0:
			c.Groups = 1 + r.IntN(5)
			c.IC *= c.Groups
			c.Outputs[0].C *= c.Groups
		case 1:
			c.Outputs[1].C, c.Outputs[2].C = 1+r.IntN(50), r.IntN(50)
		}
		n := 0
		for g := range c.blockPairs {
			if got := c.pair(n); got != g {
				t.Fatalf("%#v: pair %d is %+v, want %+v", c, n, got, g)
			}
			for b := range g.blocks {
				if got := c.pairOf(g.block + b); g.part == 0 && got != g {
					t.Fatalf("%#v: block %d is of pair %+v, want %+v", c, g.block+b, got, g)
				}
			}
			n++
		}
	}
}
