package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// int8Variant is a tile of ConvInt8: its name, its shape, and how it multiplies.
type int8Variant struct {
	name  string
	shape tileShape
	how   vasm.ByteProduct
}

// int8Variants are the tiles of a tier. That of AVX-512 needs VNNI. Of those of AVX2 int8Pairs is for
// weights that Pairs takes, int8Dots for AVX-VNNI, the first for all others. Of those of NEON int8Dots
// needs dotprod and int8Mixed i8mm.
var int8Variants = map[*vasm.Tier][]int8Variant{
	vasm.AVX512: {{"int8Tile", tileShape{14, 2}, vasm.Dots}},
	vasm.AVX2: {
		{"int8Tile", tileShape{4, 1}, vasm.Exact},
		{"int8Pairs", tileShape{6, 1}, vasm.Pairs},
		{"int8Dots", tileShape{6, 1}, vasm.Dots},
	},
	vasm.NEON: {
		{"int8Tile", tileShape{2, 1}, vasm.Exact},
		{"int8Dots", tileShape{6, 1}, vasm.Dots},
		{"int8Mixed", tileShape{6, 1}, vasm.MixedDots},
	},
}

// int8Kernels are the microkernels for activations of bytes.
func int8Kernels(f *vasm.File, t *vasm.Tier) {
	for _, v := range int8Variants[t] {
		for ob := 1; ob <= v.shape.blocks; ob++ {
			for p := 1; p <= v.shape.pixels; p++ {
				f.Func(t, fmt.Sprintf("%s%sp%do%d", v.name, t.Suffix, p, ob), "t *byte", func(k *vasm.Func) { int8Tile(k, p, ob, v.how) })
			}
		}
	}
	f.Func(t, "quantize"+t.Suffix, "dst *byte, src *float32, n int, scale float32, low float32, high float32, zero float32", quantizeRow)
	f.Func(t, "dequantize"+t.Suffix, "dst *float32, src *byte, n int, scale float32, zero float32", dequantizeRow)
	if suffix := map[*vasm.Tier]string{vasm.AVX2: "AVX", vasm.NEON: "NEON"}[t]; suffix != "" { // those of AVX2 serve AVX-512, too
		f.Func(t, "maxBytes"+suffix, "dst *byte, a *byte, b *byte, c *byte, n int, step int", maxBytes)
		f.Func(t, "maxRows"+suffix, "dst *byte, a *byte, b *byte, c *byte, n int", maxRows)
	}
	f.Func(t, "addBytes"+t.Suffix, "t *byte", addBytes)
}

// int8Tile is some tiles of p pixels x ob blocks of 16 output channels, the same distance apart. A tap
// is 16 input channels: four times four bytes of each pixel, which are multiplied with four weights of
// each output channel and added to its sum of 32 bits.
func int8Tile(k *vasm.Func, p, ob int, how vasm.ByteProduct) {
	t := int8Run{k: k, t: k.Arg("t"), p: p, ob: ob, how: how}
	t.in = k.Lines(p)
	t.taps, t.ntaps, t.n = k.Reg(), k.Reg(), k.Reg()
	k.Label("tile")
	k.LoadInt(t.taps, t.field("taps"))
	k.LoadInt(t.ntaps, t.field("ntaps"))
	k.LoadInt(t.n, t.field("bias"))
	k.Scope(t.tile)
	k.LoadInt(t.n, t.field("tiles"))
	k.AddInt(t.n, -1)
	k.IfZero(t.n, "done")
	k.StoreInt(t.n, t.field("tiles"))
	for _, l := range [][]string{{"inStep", "a", "b"}, {"outStep", "outA", "outB"}} {
		k.LoadInt(t.n, t.field(l[0]))
		for _, place := range l[1:] {
			k.AddToMem(t.field(place), t.n)
		}
	}
	k.Jump("tile")
	k.Label("done")
	k.Return()
}

// tile computes a tile.
func (t *int8Run) tile() {
	if t.k.Tier == vasm.NEON {
		t.sumsNEON()
	} else {
		t.sums()
	}
	t.outputs()
}

// int8Run is a tile under construction.
type int8Run struct {
	k              *vasm.Func
	t              vasm.Reg // the argument block
	p, ob          int
	how            vasm.ByteProduct
	in             *vasm.Lines
	taps, ntaps, n vasm.Reg
	acc            [][]vasm.V // the sums of each pixel
}

func (t *int8Run) field(name string) vasm.Addr { return vasm.Field(t.t, "int8Tile_"+name) }

// sums adds up the products on amd64, whose bytes come from memory four by four.
func (t *int8Run) sums() {
	k := t.k
	t.acc = make([][]vasm.V, t.p)
	for q := range t.acc {
		t.acc[q] = k.Vs(t.ob * k.Tier.Per)
	}
	k.Load(t.acc[0], vasm.At(t.n, 0))
	for _, a := range t.acc[1:] {
		k.Copy(a, t.acc[0])
	}
	t.in.Steps(t.field("ps"))
	t.in.Bases(t.field("a"), t.field("b"))
	fixed := 0
	if k.Tier == vasm.AVX512 {
		fixed = 64 * t.ob
	}
	rows := k.Rows(t.field("w"), fixed, t.field("ws"))
	weights := k.ByteWeights(t.ob, t.how)
	t.eachTap(rows, func(u int) {
		weights.Load(rows.At(u, 0))
		k.Prefetch(1, rows.At(u, prefetch))
		for q := range t.p {
			weights.MultiplyAdd(t.acc[q], t.in.At(q, 4*u))
		}
	})
	weights.Release()
}

// sumsNEON adds up the products on NEON, which holds the 16 bytes of a tap's pixels.
func (t *int8Run) sumsNEON() {
	k := t.k
	tile := k.ByteTile(t.p, t.how)
	tile.Start(vasm.At(t.n, 0))
	t.in.Steps(t.field("ps"))
	t.in.Bases(t.field("a"), t.field("b"))
	rows := k.Rows(t.field("w"), 0, t.field("ws"))
	t.eachTap(rows, func(u int) {
		if u == 0 {
			tile.Pixels(t.in)
		}
		k.Prefetch(1, rows.At(u, prefetch))
		tile.MultiplyAdd(u, rows.At(u, 0))
	})
	t.acc = tile.Sums()
}

// eachTap loops over the taps: it calls body for each of the four times four input channels.
func (t *int8Run) eachTap(rows *vasm.Rows, body func(u int)) {
	k := t.k
	k.Align(64)
	k.Label("tap")
	t.in.Seek(vasm.At(t.taps, 0))
	k.AddInt(t.taps, 8)
	for u := range 4 {
		body(u)
	}
	rows.Advance(4)
	k.Repeat(t.ntaps, 1, "tap")
}

// outputs scales, rounds and stores the sums.
func (t *int8Run) outputs() {
	k, per := t.k, t.k.Tier.Per
	k.LoadInt(t.n, t.field("scale"))
	scale := k.Vs(t.ob * per)
	k.Load(scale, vasm.At(t.n, 0))
	low, high := k.V(), k.V()
	k.Broadcast(low, t.field("low"))
	k.Broadcast(high, t.field("high"))
	for _, a := range t.acc {
		k.IntsToFloats(a)
		for i := range a {
			k.MulV(a[i], a[i], scale[i])
		}
		k.Clamp(a, low, high)
	}
	t.in.Steps(t.field("ops"))
	walk := func(visit func(at vasm.Addr, acc []vasm.V)) {
		t.in.Point(t.field("outA"), t.field("outB"))
		for o := range t.ob {
			if o > 0 {
				t.in.Add(t.field("obs"))
			}
			for q := range t.p {
				visit(t.in.At(q, 0), t.acc[q][o*per:(o+1)*per])
			}
		}
	}
	k.LoadInt(t.n, t.field("real"))
	k.IfNotZero(t.n, "real")
	zero := low
	k.Broadcast(zero, t.field("zero"))
	for _, a := range t.acc {
		k.FloatsToInts(a)
		k.AddInts(a, zero)
	}
	walk(func(at vasm.Addr, acc []vasm.V) { k.StoreBytes(acc, at) })
	k.Jump("next")
	k.Label("real")
	walk(func(at vasm.Addr, acc []vasm.V) { k.Store(acc, at) })
	k.Label("next")
}

// quantizeRow makes bytes of n blocks of float32s.
func quantizeRow(k *vasm.Func) {
	dst, src, n := k.Arg("dst"), k.Arg("src"), k.Arg("n")
	x := k.Vs(k.Tier.Per)
	scale, low, high, zero := k.V(), k.V(), k.V(), k.V()
	k.BroadcastArg(scale, "scale")
	k.BroadcastArg(low, "low")
	k.BroadcastArg(high, "high")
	k.BroadcastArg(zero, "zero")
	k.FloatsToInts([]vasm.V{zero})
	k.Label("pixel")
	k.Load(x, vasm.At(src, 0))
	for _, v := range x {
		k.DivV(v, v, scale)
	}
	k.Clamp(x, low, high)
	k.FloatsToInts(x)
	k.AddInts(x, zero)
	k.StoreBytes(x, vasm.At(dst, 0))
	k.AddInt(src, 64)
	k.AddInt(dst, 16)
	k.Repeat(n, 1, "pixel")
	k.Return()
}

// dequantizeRow makes float32s of n blocks of bytes.
func dequantizeRow(k *vasm.Func) {
	dst, src, n := k.Arg("dst"), k.Arg("src"), k.Arg("n")
	x := k.Vs(k.Tier.Per)
	scale, zero := k.V(), k.V()
	k.BroadcastArg(scale, "scale")
	k.BroadcastArg(zero, "zero")
	k.FloatsToInts([]vasm.V{zero})
	k.Label("pixel")
	k.LoadBytes(x, vasm.At(src, 0))
	k.SubInts(x, zero)
	k.IntsToFloats(x)
	for _, v := range x {
		k.MulV(v, v, scale)
	}
	k.Store(x, vasm.At(dst, 0))
	k.AddInt(src, 16)
	k.AddInt(dst, 64)
	k.Repeat(n, 1, "pixel")
	k.Return()
}

// addBytes adds blocks of bytes with scales of their own.
func addBytes(k *vasm.Func) {
	t := k.Arg("t")
	field := func(name string) vasm.Addr { return vasm.Field(t, "addStrip_"+name) }
	a, b, dst, n := k.NewInt(field("a")), k.NewInt(field("b")), k.NewInt(field("dst")), k.NewInt(field("n"))
	broadcast := func(name string) vasm.V {
		v := k.V()
		k.Broadcast(v, field(name))
		return v
	}
	x, y := k.Vs(k.Tier.Per), k.Vs(k.Tier.Per)
	scaleA, scaleB, zeroA, zeroB := broadcast("scaleA"), broadcast("scaleB"), broadcast("zeroA"), broadcast("zeroB")
	low, high, zero := broadcast("low"), broadcast("high"), broadcast("zero")
	side := func(x []vasm.V, at vasm.Addr, zero, scale vasm.V) {
		k.LoadBytes(x, at)
		k.SubInts(x, zero)
		k.IntsToFloats(x)
		for _, v := range x {
			k.MulV(v, v, scale)
		}
	}
	k.Label("pixel")
	side(x, vasm.At(a, 0), zeroA, scaleA)
	side(y, vasm.At(b, 0), zeroB, scaleB)
	for i := range x {
		k.AddV(x[i], x[i], y[i])
	}
	k.Clamp(x, low, high)
	k.FloatsToInts(x)
	k.AddInts(x, zero)
	k.StoreBytes(x, vasm.At(dst, 0))
	for _, p := range []vasm.Reg{a, b, dst} {
		k.AddInt(p, 16)
	}
	k.Repeat(n, 1, "pixel")
	k.Return()
}

// maxRows stores the largest bytes of three arrays of n blocks that lie side by side: eight blocks a
// turn, then one.
func maxRows(k *vasm.Func) {
	dst, a, b, c, n := k.Arg("dst"), k.Arg("a"), k.Arg("b"), k.Arg("c"), k.Arg("n")
	step := func(blocks int) {
		for _, p := range []vasm.Reg{dst, a, b, c} {
			k.AddInt(p, 16*blocks)
		}
	}
	k.Jump("check")
	k.Label("wide")
	for i := range 4 {
		k.MaxBytesWide(vasm.At(dst, 32*i), vasm.At(a, 32*i), vasm.At(b, 32*i), vasm.At(c, 32*i))
	}
	step(8)
	k.Label("check")
	k.SubIfAtLeast(n, 8, "wide")
	k.AddInt(n, 8)
	k.IfZero(n, "done")
	k.Label("pixel")
	k.MaxBytes(vasm.At(dst, 0), vasm.At(a, 0), vasm.At(b, 0), vasm.At(c, 0))
	step(1)
	k.Repeat(n, 1, "pixel")
	k.Label("done")
	k.Return()
}

// maxBytes stores the largest bytes of three arrays of n blocks, whose blocks are step bytes apart.
func maxBytes(k *vasm.Func) {
	dst, a, b, c, n, step := k.Arg("dst"), k.Arg("a"), k.Arg("b"), k.Arg("c"), k.Arg("n"), k.Arg("step")
	k.Label("pixel")
	k.MaxBytes(vasm.At(dst, 0), vasm.At(a, 0), vasm.At(b, 0), vasm.At(c, 0))
	k.AddInt(dst, 16)
	for _, p := range []vasm.Reg{a, b, c} {
		k.Add(p, step)
	}
	k.Repeat(n, 1, "pixel")
	k.Return()
}
