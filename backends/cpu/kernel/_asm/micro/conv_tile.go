package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// prefetch is how far ahead of its use a line of weights is asked for: the
// stream of weights is the one that comes from L2 or beyond, in an order that
// crosses pages faster than the hardware prefetchers follow.
const prefetch = 2048

// prefetchFar is how far ahead tiles over weights that come from the
// third-level cache or memory ask for a line in the second, which has more
// requests under way at once than the first. Where weights are in L2 already
// these requests only take the place of others.
const prefetchFar = 16384

// tileShape is what of a tile depends on the tier.
type tileShape struct {
	pixels int // at most
	blocks int // of 16 output channels at once, at most
}

var tileShapes = map[*vasm.Tier]tileShape{
	vasm.AVX512: {14, 2},
	vasm.AVX2:   {6, 1},
	vasm.NEON:   {6, 1},
}

func convTiles(f *vasm.File, t *vasm.Tier) {
	s := tileShapes[t]
	for ob := 1; ob <= s.blocks; ob++ {
		for p := 1; p <= s.pixels; p++ {
			f.Func(t, fmt.Sprintf("tile%sp%do%d", t.Suffix, p, ob), "t *byte", func(k *vasm.Func) {
				convTile(k, p, ob, ob == s.blocks)
			})
		}
	}
}

// weightRegs is how many registers of the weights of ob blocks a kernel holds at a time: all of
// them, or on NEON as many as are free, in pairs.
func weightRegs(k *vasm.Func, ob int) int {
	n := ob * k.Tier.Per
	if k.Tier == vasm.NEON {
		return min(n, k.Free()&^1)
	}
	return n
}

// convTile is a tile of p pixels x ob blocks of 16 output channels: its accumulators, some
// registers of weights, the rest for the pixels. A tap is 4, 8 or 16 consecutive input channels, or
// one with tilePlanar. Every output element is one chain of fused multiply-adds, the same on
// all tiers. With asks the tile knows tileFar and tileAhead.
func convTile(k *vasm.Func, p, ob int, asks bool) {
	t := k.Arg("t")
	field := func(name string) vasm.Addr { return vasm.Field(t, "tile_"+name) }
	in := k.Lines(p)
	taps, ntaps := k.NewInt(field("taps")), k.NewInt(field("ntaps"))
	n, flags := k.Reg(), k.NewInt(field("flags"))

	per := k.Tier.Per
	acc := make([][]vasm.V, p) // of a pixel, block by block
	for q := range acc {
		acc[q] = k.Vs(ob * per)
	}
	// walk visits the pixels of the output or the residual.
	walk := func(a, b, block string, visit func(at vasm.Addr, acc []vasm.V)) {
		in.Point(field(a), field(b))
		for o := range ob {
			if o > 0 {
				in.Add(field(block))
			}
			for q := range p {
				visit(in.At(q, 0), acc[q][o*per:(o+1)*per])
			}
		}
	}
	k.IfAny(flags, "const_tileAcc", "resume")
	k.LoadInt(n, field("bias"))
	k.Load(acc[0], vasm.At(n, 0))
	for _, a := range acc[1:] {
		k.Copy(a, acc[0])
	}
	k.Jump("start")
	k.Label("resume")
	in.Steps(field("ops"))
	walk("outA", "outB", "obs", func(at vasm.Addr, acc []vasm.V) { k.Load(acc, at) })
	k.Label("start")
	k.IfZero(ntaps, "end")
	in.Steps(field("ps"))
	in.Bases(field("a"), field("b"))
	fixed := 0                 // bytes from the weights of a channel to the next one's
	if k.Tier == vasm.AVX512 { // the others compute one block of two, too
		fixed = 64 * ob
	}
	rows := k.Rows(field("w"), fixed, field("ws"))
	x := k.Scalars(in, 4)
	weights := k.Vs(weightRegs(k, ob))
	held := len(weights)
	k.Temps(4)
	mac := func(x *vasm.Scalars, u int) {
		for c := 0; c < ob*per; c += held {
			for i := 0; i < held; i += min(per, held) {
				k.Load(weights[i:i+min(per, held)], rows.At(u, 64/per*(c+i)))
				if (c+i)%per == 0 {
					k.Prefetch(1, rows.At(u, prefetch+64/per*(c+i)))
				}
			}
			for q := range p {
				k.MultiplyAdd(acc[q][c:c+held], weights, x, q, u)
			}
		}
	}
	k.IfAny(flags, "const_tilePlanar", "planar")
	var next vasm.Reg
	if asks {
		next = k.NewInt(field("ahead"))
		k.AndMask(flags, "(const_tileFar|const_tileAhead)")
	}
	k.Label("tap")
	in.Seek(vasm.At(taps, 0))
	k.AddInt(taps, 8)
	k.LoadInt(n, field("kc"))
	k.Align(64)
	k.Label("channels")
	if asks {
		k.IfNotZero(flags, "ask")
		k.Label("asked")
	}
	x.Load()
	for u := range 4 {
		mac(x, u)
	}
	rows.Advance(4)
	x.Done()
	k.Repeat(n, 4, "channels")
	k.Repeat(ntaps, 1, "tap")
	if asks {
		k.StoreInt(next, field("ahead"))
	}
	k.Jump("end")
	k.Align(64) // without it, the time of small tiles depends on where they lie
	k.Label("planar")
	one := x.Of(1)
	in.Seek(vasm.At(taps, 0))
	k.AddInt(taps, 8)
	one.Load()
	mac(one, 0)
	rows.Advance(1)
	k.Repeat(ntaps, 1, "planar")

	k.Label("end")
	k.Release(weights...)
	x.Release()
	in.Steps(field("ops"))
	k.LoadInt(flags, field("flags"))
	c := k.V() // a scale, then zeros
	k.Temps(4)
	k.IfNone(flags, "const_tileRes", "act")
	k.Broadcast(c, field("scale"))
	walk("resA", "resB", "rbs", func(at vasm.Addr, acc []vasm.V) { k.ScaleAdd(acc, c, at) })
	k.Label("act")
	k.IfNone(flags, "(const_tileReLU|const_tileMask)", "store")
	k.Zero(c)
	k.IfAny(flags, "const_tileMask", "mask")
	for _, a := range acc {
		k.MaxZero(a, c)
	}
	k.IfNone(flags, "const_tileReLU6", "store")
	k.Fill(c, 6)
	for _, a := range acc {
		k.Limit(a, c)
	}
	k.Label("store")
	walk("outA", "outB", "obs", func(at vasm.Addr, acc []vasm.V) { k.Store(acc, at) })
	k.Return()

	k.Label("mask")
	masked := 0
	walk("resA", "resB", "rbs", func(at vasm.Addr, acc []vasm.V) {
		k.KeepPositive(acc, at, c, masked, 64*p)
		masked++
	})
	k.Jump("store")

	if !asks {
		return
	}

	k.Label("ask")
	k.IfAny(flags, "const_tileFar", "far")
	for o := range ob { // a quarter of the tile's own weights
		k.Prefetch(2, vasm.At(next, 64*o))
	}
	k.AddInt(next, 64*ob)
	k.Jump("asked")
	k.Label("far")
	for u := range 4 {
		for o := range ob {
			k.Prefetch(2, rows.Peek(u, prefetchFar+64*o))
		}
	}
	k.Jump("asked")
}
