package kernel

import (
	"fmt"
	"math"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// packedNaively is what Pack writes, element by element from the definition of the
// order.
func packedNaively(k Kernel, weight []float32) []float32 {
	out := make([]float32, k.(Packer).PackedLen())
	switch k := k.(type) {
	case Conv:
		gs := one(k.Groups)
		icg, ocg, kk := k.IC/gs, k.OC()/gs, k.KH*k.KW
		for g := range k.blockPairs {
			d := out[g.w:]
			for b := g.lo; b < g.hi; b++ {
				for t := range kk {
					for l := range k.depth() {
						for j := range g.blocks * Block {
							ic, o := b*k.tapChannels()+l, g.oc+j
							if j < g.n && ic < k.IC && o/ocg == ic/icg {
								d[0] = weight[(o*icg+ic%icg)*kk+t]
							}
							d = d[1:]
						}
					}
				}
			}
		}
	case MatVec:
		d, kk := out, k.H*k.W
		for o := 0; o < k.Out.C; o += Block {
			width := Block
			if n := k.Out.C - o; n <= 4 {
				width = 4
			} else if n <= 8 {
				width = 8
			}
			for b := range Blocks(k.C) {
				for t := range kk {
					for l := range k.conv().depth() {
						for j := range width {
							if ic := b*Block + l; ic < k.C && o+j < k.Out.C {
								d[0] = weight[((o+j)*k.C+ic)*kk+t]
							}
							d = d[1:]
						}
					}
				}
			}
		}
		if len(d) > 0 {
			panic("a strip too many")
		}
	case Winograd:
		r := k.Conv.KH
		naivelyTransformed(k.Conv, out, k.depths(), winoArea, func(j, ic int) []float32 {
			w := weight[(j*k.Conv.IC+ic)*r*r:][:r*r]
			var t [winoIn][5]float64
			for i := range t {
				for x := range r {
					for y := range r {
						t[i][x] += float64(winoG(i, r)[y] * float64(w[y*r+x]))
					}
				}
			}
			var at []float32
			for y := range winoIn {
				for x := range winoIn {
					s := 0.0
					for i := range r {
						s += float64(t[y][i] * winoG(x, r)[i])
					}
					at = append(at, float32(s))
				}
			}
			return at
		})
	case Winograd1D:
		naivelyTransformed(k.Conv, out, Blocks(k.Conv.IC)*k.Conv.depth(), wino1dIn, func(j, ic int) []float32 {
			w := weight[(j*k.Conv.IC+ic)*wino1dTaps:][:wino1dTaps]
			var at []float32
			for p := range wino1dIn {
				s := 0.0
				for i, v := range w {
					s += float64(wino1dMatrix[p*wino1dTaps+i] * float64(v))
				}
				at = append(at, float32(s))
			}
			return at
		})
	}
	return out
}

func naivelyTransformed(c Conv, out []float32, depths, positions int, filter func(o, ic int) []float32) {
	for g := range c.blockPairs {
		width := g.blocks * Block
		for j := range g.n {
			for ic := range c.IC {
				for p, v := range filter(g.oc+j, ic) {
					out[(p*depths+ic)*width+j] = v
				}
			}
		}
		out = out[positions*depths*width:]
	}
}

// TestPack packs weights of random shapes on every tier, into memory full of
// rubbish and by pieces in any order: the same bits as by the definition.
func TestPack(t *testing.T) {
	r := newRand(8, 1)
	count := longtest.Count(200, 800, 5000)
	kinds := map[string]int{}
	for range count {
		c := Conv{IC: 1 + r.IntN(67), KH: 1 + r.IntN(5), KW: 1 + r.IntN(5), H: 1, W: 1, Outputs: [4]Output{{C: 1 + r.IntN(67)}}}
		var k Kernel
		switch r.IntN(7) {
		case 0:
			c.Planar = true
			k = c
		case 1: // 1x1
			c.KH, c.KW = 1, 1
			k = c
		case 2:
			c.Groups = 1 + r.IntN(4)
			c.IC *= c.Groups
			c.Outputs[0].C *= c.Groups
			k = c
		case 3:
			c.KH = 3 + 2*r.IntN(2)
			c.KW = c.KH
			c.Outputs[1].C = r.IntN(40)
			k = Winograd{Conv: c}
		case 4:
			c.KH, c.KW = 1, wino1dTaps
			if r.IntN(2) == 0 {
				c.KH, c.KW = c.KW, c.KH
			}
			k = Winograd1D{Conv: c}
		case 5:
			k = MatVec{C: c.IC, H: c.KH, W: c.KW, Out: c.Outputs[0]}
		default:
			c.Outputs[1].C = r.IntN(40)
			k = c
		}
		kinds[fmt.Sprintf("%T", k)]++
		weight := make([]float32, c.OC()*c.IC/one(c.Groups)*c.KH*c.KW)
		for i := range weight {
			switch weight[i] = r.Float32() - 0.5; r.IntN(8) {
			case 0:
				weight[i] = 0
			case 1:
				weight[i] = float32(math.Copysign(0, -1))
			case 2:
				weight[i] *= 1e-38 // rounds to denormal numbers
			}
		}
		want := packedNaively(k, weight)
		for isa, r := range tiers(r) {
			s := &packScratch{isa: isa, panel: make([]float32, 1<<15)}
			fill(s.panel, poison)
			got := make([]float32, len(want)+Block)
			fill(got, poison)
			parts := packParts(k)
			r.Shuffle(len(parts), func(a, b int) { parts[a], parts[b] = parts[b], parts[a] })
			for _, p := range parts {
				p.pack(got[p.dst:p.dst+p.packed:p.dst+p.packed], weight[p.src:p.src+p.filters:p.src+p.filters], s)
			}
			for i, x := range want {
				if math.Float32bits(got[i]) != math.Float32bits(x) {
					t.Fatalf("%v: %#v: element %d is %v (%#x), want %v (%#x)", isa, k, i, got[i], math.Float32bits(got[i]), x, math.Float32bits(x))
				}
			}
			for i := range Block {
				if !isPoison(got[len(want)+i]) {
					t.Fatalf("%v: %#v: wrote past the end", isa, k)
				}
			}
		}
	}
	t.Log(kinds)
}
