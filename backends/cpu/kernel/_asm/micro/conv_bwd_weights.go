package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// bwdWeightsShape is what of these kernels depends on the tier: the most rows and blocks, and from
// how many rows on there is a function that asks for pixels far away.
type bwdWeightsShape struct{ rows, blocks, far int }

var bwdWeightsShapes = map[*vasm.Tier]bwdWeightsShape{
	vasm.AVX512: {8, 2, 8},
	vasm.AVX2:   {6, 1, 4},
	vasm.NEON:   {6, 1, 4},
}

func bwdWeightsAll(f *vasm.File, t *vasm.Tier) {
	s := bwdWeightsShapes[t]
	for ob := 1; ob <= s.blocks; ob++ {
		for p := 1; p <= s.rows; p++ {
			for _, far := range []bool{false, true} {
				name := fmt.Sprintf("bwdWeights%sp%do%d", t.Suffix, p, ob)
				if far {
					if p < s.far {
						continue
					}
					name += "far"
				}
				f.Func(t, name, "x *float32, off *int, dy *float32, dyblock int, pixels *int, n int, dw *float32, dwrow int, dwahead int, begin int, xahead int, dyahead int",
					func(k *vasm.Func) { bwdWeights(k, p, ob, far) })
			}
		}
	}
}

// bwdWeights is the kernel of the gradient with respect to the weights: p rows of
// it (input channels or taps, each with an offset of its own into the input) by
// one or two blocks of output channels, summed over n pixels. A table holds where
// each pixel is in the input and in dy, so that rows of pixels, and images, may end
// anywhere at no cost.
//
//	dw[i][o] += sum over pixels of x[pixel + off[i]] * dy[pixel][o]
//
// or = where begin is set. They prefetch the rows that are written next, dwahead bytes
// further, as those may come from memory. The functions called far also prefetch the
// pixels of the next call for the same rows and blocks, which come from memory.
func bwdWeights(k *vasm.Func, p, ob int, far bool) {
	var bases []vasm.Reg
	for range p {
		bases = append(bases, k.Reg())
	}
	i, d, at, n := k.Reg(), k.Reg(), k.Reg(), k.Reg()
	var dys []vasm.Reg
	for range ob {
		dys = append(dys, k.Reg())
	}
	k.LoadInt(i, k.ArgAddr("off"))
	for q, b := range bases {
		k.LoadInt(b, vasm.At(i, 8*q))
		k.AddMem(b, k.ArgAddr("x"))
	}
	width := ob * k.Tier.Per
	acc, weights := k.Vs(p*width), k.Vs(width)
	k.Temps(4)
	rows := func(visit func(m vasm.Addr, acc []vasm.V)) {
		k.LoadInt(i, k.ArgAddr("dw"))
		for q := range p {
			visit(vasm.At(i, 0), acc[q*width:(q+1)*width])
			if q < p-1 {
				k.AddMem(i, k.ArgAddr("dwrow"))
			}
		}
	}
	k.LoadInt(n, k.ArgAddr("begin"))
	k.IfNotZero(n, "zero")
	rows(func(m vasm.Addr, r []vasm.V) { k.Load(r, m) })
	k.Jump("begun")
	k.Label("zero")
	k.Zero(acc...)
	k.Label("begun")
	k.LoadInt(d, k.ArgAddr("dw"))
	k.AddMem(d, k.ArgAddr("dwahead"))
	for q := range p {
		for o := range ob {
			k.Prefetch(1, vasm.At(d, 64*o))
		}
		if q < p-1 {
			k.AddMem(d, k.ArgAddr("dwrow"))
		}
	}
	k.LoadInt(dys[0], k.ArgAddr("dy"))
	if ob == 2 {
		k.LoadInt(dys[1], k.ArgAddr("dyblock"))
		k.Add(dys[1], dys[0])
	}
	k.LoadInt(at, k.ArgAddr("pixels"))
	k.LoadInt(n, k.ArgAddr("n"))
	pixel := func(u int) {
		k.LoadInt(i, vasm.At(at, 16*u))
		k.LoadInt(d, vasm.At(at, 16*u+8))
		for o, b := range dys {
			k.Load(weights[o*k.Tier.Per:(o+1)*k.Tier.Per], vasm.Indexed(b, d))
		}
		if far {
			k.AddMem(d, k.ArgAddr("dyahead"))
			for _, b := range dys {
				k.Prefetch(2, vasm.Indexed(b, d))
			}
			k.LoadInt(d, k.ArgAddr("xahead"))
			k.Add(d, i)
			k.Prefetch(2, vasm.Indexed(bases[0], d))
		}
		for q, b := range bases {
			k.MultiplyAddMem(acc[q*width:(q+1)*width], weights, vasm.Indexed(b, i))
		}
	}
	// Four at a time: what is no multiplication competes with them for ports.
	k.SubIfLess(n, 4, "rest")
	k.Align(64)
	k.Label("pixels")
	for u := range 4 {
		pixel(u)
	}
	k.AddInt(at, 64)
	k.SubIfAtLeast(n, 4, "pixels")
	k.Label("rest")
	k.AddInt(n, 4)
	k.IfZero(n, "done")
	k.Label("pixel")
	pixel(0)
	k.AddInt(at, 16)
	k.Repeat(n, 1, "pixel")
	k.Label("done")
	rows(func(m vasm.Addr, r []vasm.V) { k.Store(r, m) })
	k.Return()
}
