package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// matVecs are strips of 4, 8 and 16 output channels of a matrix times a vector. Those of amd64
// are another program's (_asm/dense_matvec.go): a register of them holds several sums.
func matVecs(f *vasm.File, t *vasm.Tier) {
	if t != vasm.NEON {
		return
	}
	for _, width := range []int{4, 8, 16} {
		f.Func(t, fmt.Sprintf("matVec%sw%d", t.Suffix, width), "t *byte", func(k *vasm.Func) { matVec(k, width) })
	}
}

// matVec multiplies a strip of width output channels by a vector. The channels of a tap go
// round four sums for each output, which are added in the end: (p0+p1) + (p2+p3).
func matVec(k *vasm.Func, width int) {
	t := k.Arg("t")
	field := func(name string) vasm.Addr { return vasm.Field(t, "matVecStrip_"+name) }
	x, taps, ntaps, w := k.NewInt(field("x")), k.NewInt(field("taps")), k.NewInt(field("ntaps")), k.NewInt(field("w"))
	a, n, flags := k.Reg(), k.Reg(), k.Reg()
	per := width / (16 / k.Tier.Per) // registers of a sum
	var sums [4][]vasm.V
	for i := range sums {
		sums[i] = k.Vs(per)
		k.Zero(sums[i]...)
	}
	weights := k.Vs(per)
	in := k.FixedLines(1, a, 64)
	channels := k.Scalars(in, 4)
	k.Label("tap")
	k.LoadInt(a, vasm.At(taps, 0))
	k.Add(a, x)
	k.AddInt(taps, 8)
	k.LoadInt(n, field("kc"))
	k.Label("channels")
	channels.Load()
	for i := range sums {
		k.Load(weights, vasm.At(w, 4*width*i))
		k.MultiplyAdd(sums[i], weights, channels, 0, i)
	}
	k.AddInt(w, 16*width)
	channels.Done()
	k.Repeat(n, 4, "channels")
	k.Repeat(ntaps, 1, "tap")
	add := func(d, s []vasm.V) {
		for i := range d {
			k.AddV(d[i], d[i], s[i])
		}
	}
	add(sums[0], sums[1])
	add(sums[2], sums[3])
	add(sums[0], sums[2])
	out := append(sums[0], sums[1]...)
	out = append(append(out, sums[2]...), sums[3]...)
	out = append(out, weights...)[:k.Tier.Per]
	k.Zero(out[per:]...)
	bias := k.Vs(k.Tier.Per)
	k.LoadInt(a, field("bias"))
	k.Load(bias, vasm.At(a, 0))
	add(out, bias)
	k.LoadInt(flags, field("flags"))
	k.IfNone(flags, "const_tileReLU", "store")
	c := bias[0]
	k.Temps(4)
	k.Zero(c)
	k.MaxZero(out, c)
	k.Label("store")
	k.LoadInt(a, field("out"))
	k.Store(out, vasm.At(a, 0))
	k.Return()
}
