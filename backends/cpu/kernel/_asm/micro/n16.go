package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// n16Pixels and n16Taps are how many pixels and taps the kernels over images have at most. A vector
// is a register: 16 images, 8 with AVX2, 4 with NEON. The caller comes again for the others.
var (
	n16Pixels = map[*vasm.Tier]int{vasm.AVX512: 6, vasm.AVX2: 3, vasm.NEON: 4}
	n16Taps   = map[*vasm.Tier]int{vasm.AVX512: 6, vasm.AVX2: 3, vasm.NEON: 3}
)

// n16Kernels are the convolutions whose vectors are images: tiles of p pixels by o output
// channels, a broadcast weight times a load of images; and their gradients with respect to the
// weights.
func n16Kernels(f *vasm.File, t *vasm.Tier) {
	for o := 1; o <= 4; o++ {
		for p := 1; p <= n16Pixels[t]; p++ {
			f.Func(t, fmt.Sprintf("n16Conv%sp%do%d", t.Suffix, p, o), "t *byte", func(k *vasm.Func) { n16Conv(k, p, o) })
		}
	}
	for o := 1; o <= 4; o++ {
		for p := 1; p <= n16Taps[t]; p++ {
			f.Func(t, fmt.Sprintf("n16Bwd%sp%do%d", t.Suffix, p, o), "t *byte", func(k *vasm.Func) { n16Bwd(k, p, o) })
		}
	}
}

// n16Conv is rows x tiles tiles, one beside the other, and of each all output channels,
// o at a time, while what they read of the input lies in the first cache.
func n16Conv(k *vasm.Func, p, o int) {
	t := k.Arg("t")
	field := func(name string) vasm.Addr { return vasm.Field(t, "n16Tile_"+name) }
	in, out, taps, ntaps, w := k.Reg(), k.Reg(), k.Reg(), k.Reg(), k.Reg()
	a, tiles, n, step := k.Reg(), k.Reg(), k.Reg(), k.Reg()
	at := k.MultiplesOf(step, p-1)
	steps := func(name string) {
		k.LoadInt(step, field(name))
		at.Update()
	}
	acc := k.Vs(p * o)
	xs := k.Vs(p)
	k.Temps(2)
	// walk visits the pixels of the output (or the residual) from a on, channel by
	// channel, and leaves a at the next channel.
	walk := func(channel string, visit func(m vasm.Addr, acc []vasm.V)) {
		for i := range o {
			for q := range p {
				visit(at.At(a, q, 0), acc[i*p+q:i*p+q+1])
			}
			k.AddMem(a, field(channel))
		}
	}
	set := func(from, to string) {
		k.LoadInt(n, field(from))
		k.StoreInt(n, field(to))
	}
	move := func(by, at string) {
		k.LoadInt(n, field(by))
		k.AddToMem(field(at), n)
	}
	pixels := func(name string) {
		k.LoadInt(n, field(name))
		k.MulInt(n, n, p)
	}
	set("in", "rowIn")
	set("out", "rowOut")
	set("res", "rowRes")
	set("rows", "rowsLeft")
	k.Label("row")
	k.LoadInt(in, field("rowIn"))
	set("rowOut", "tileOut")
	set("rowRes", "tileRes")
	k.LoadInt(tiles, field("tiles"))
	k.Label("tile")
	k.LoadInt(out, field("tileOut"))
	set("tileRes", "quadRes")
	set("w", "quadW")
	set("bias", "quadBias")
	set("quads", "quadsLeft")
	k.Label("quad")
	k.LoadInt(taps, field("taps"))
	k.LoadInt(ntaps, field("ntaps"))
	k.LoadInt(w, field("quadW"))
	k.LoadInt(n, field("flags"))
	k.IfAny(n, "const_tileAcc", "resume")
	k.LoadInt(n, field("quadBias"))
	for i := range o {
		k.Broadcast(acc[i*p], vasm.At(n, 4*i))
		for q := 1; q < p; q++ {
			k.Copy(acc[i*p+q:i*p+q+1], acc[i*p:i*p+1])
		}
	}
	k.AddInt(n, 4*o)
	k.StoreInt(n, field("quadBias"))
	k.Jump("start")
	k.Label("resume")
	steps("ops")
	k.Move(a, out)
	walk("outC", func(m vasm.Addr, acc []vasm.V) { k.Load(acc, m) })
	k.Label("start")
	steps("ps")
	k.Align(64)
	k.Label("tap")
	k.LoadInt(a, vasm.At(taps, 0))
	k.Add(a, in)
	k.AddInt(taps, 8)
	for q := range p {
		k.Load(xs[q:q+1], at.At(a, q, 0))
	}
	for i := range o {
		k.MultiplyAddMem(acc[i*p:(i+1)*p], xs, vasm.At(w, 4*i))
	}
	k.AddInt(w, 4*o)
	k.Repeat(ntaps, 1, "tap")
	c := k.V() // a scale, then zeros
	k.Release(xs...)
	k.Temps(4)
	k.LoadInt(n, field("flags"))
	k.IfNone(n, "const_tileRes", "act")
	k.Broadcast(c, field("scale"))
	steps("rps")
	k.LoadInt(a, field("quadRes"))
	walk("resC", func(m vasm.Addr, acc []vasm.V) { k.ScaleAdd(acc, c, m) })
	k.StoreInt(a, field("quadRes"))
	k.Label("act")
	steps("ops")
	k.LoadInt(n, field("flags"))
	k.IfNone(n, "(const_tileReLU|const_tileMask)", "store")
	k.Zero(c)
	k.IfAny(n, "const_tileMask", "mask")
	k.MaxZero(acc, c)
	k.Label("store")
	k.Move(a, out)
	walk("outC", func(m vasm.Addr, acc []vasm.V) { k.Store(acc, m) })
	k.Move(out, a)
	move("wQuad", "quadW")
	k.RepeatMem(field("quadsLeft"), "quad")
	pixels("ps")
	k.Add(in, n)
	pixels("ops")
	k.AddToMem(field("tileOut"), n)
	pixels("rps")
	k.AddToMem(field("tileRes"), n)
	k.Repeat(tiles, 1, "tile")
	move("inRow", "rowIn")
	move("outRow", "rowOut")
	move("resRow", "rowRes")
	k.RepeatMem(field("rowsLeft"), "row")
	k.Return()

	k.Label("mask")
	steps("rps")
	k.LoadInt(a, field("quadRes"))
	masked := 0
	walk("resC", func(m vasm.Addr, acc []vasm.V) {
		k.KeepPositive(acc, m, c, masked, 2*64*p) // what was read of the input has done its work
		masked++
	})
	k.StoreInt(a, field("quadRes"))
	steps("ops")
	k.Jump("store")
}

// n16Bwd are the gradients with respect to the weights: o output channels by p taps,
// summed over rows x cols pixels, an image a lane.
//
//	acc[i][q] += sum over pixels of dy[i][pixel] * x[pixel + off[q]]
func n16Bwd(k *vasm.Func, p, o int) {
	t := k.Arg("t")
	field := func(name string) vasm.Addr { return vasm.Field(t, "n16BackwardTile_"+name) }
	var bases []vasm.Reg
	for range p {
		bases = append(bases, k.Reg())
	}
	i, d, n, channel := k.Reg(), k.Reg(), k.Reg(), k.Reg()
	acc, xs := k.Vs(p*o), k.Vs(p)
	ds := k.Vs(min(2, k.Free()))
	k.LoadInt(n, field("acc"))
	for j := range acc {
		k.Load(acc[j:j+1], vasm.At(n, 64*j))
	}
	k.LoadInt(n, field("off"))
	for q, b := range bases {
		k.LoadInt(b, vasm.At(n, 8*q))
		k.AddMem(b, field("x"))
	}
	k.LoadInt(channel, field("dyC"))
	dy := k.Multiples(channel, o-1)
	k.LoadInt(n, field("dy"))
	k.StoreInt(n, field("dyAt"))
	k.LoadInt(n, field("rows"))
	k.StoreInt(n, field("rowsLeft"))
	k.Set(i, 0)
	k.StoreInt(i, field("xAt"))
	k.Label("row")
	k.LoadInt(i, field("xAt"))
	k.LoadInt(d, field("dyAt"))
	k.LoadInt(n, field("cols"))
	k.Align(64)
	k.Label("col")
	for q, b := range bases {
		k.Load(xs[q:q+1], vasm.Indexed(b, i))
	}
	for j := range o {
		w := ds[j%len(ds)]
		k.Load(one(w), dy.At(d, j, 0))
		for q := range p {
			k.FMA(acc[j*p+q], w, xs[q])
		}
	}
	k.AddMem(i, field("xstep"))
	k.AddInt(d, 64)
	k.Repeat(n, 1, "col")
	for _, x := range [2][2]string{{"xrow", "xAt"}, {"dyRow", "dyAt"}} {
		k.LoadInt(n, field(x[0]))
		k.AddToMem(field(x[1]), n)
	}
	k.RepeatMem(field("rowsLeft"), "row")
	k.LoadInt(n, field("acc"))
	for j := range acc {
		k.Store(acc[j:j+1], vasm.At(n, 64*j))
	}
	k.Return()
}
