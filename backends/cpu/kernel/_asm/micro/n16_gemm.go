package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// n16GemmBlocks is how many blocks of 16 images a tile of a product has at most.
var n16GemmBlocks = map[*vasm.Tier]int{vasm.AVX512: 4, vasm.AVX2: 1, vasm.NEON: 1}

func n16Gemms(f *vasm.File, t *vasm.Tier) {
	for o := 1; o <= 6; o++ {
		for p := 1; p <= n16GemmBlocks[t]; p++ {
			f.Func(t, fmt.Sprintf("n16Gemm%sp%do%d", t.Suffix, p, o), "t *byte", func(k *vasm.Func) { n16Gemm(k, p, o) })
		}
	}
}

// n16Gemm are products of dense layers whose vectors are images: tiles of p blocks of 16 images
// by o rows of the result.
//
//	out[row][group] += sum over taps of x[tap][group] * w[row][tap]
//
// Weights lie as far apart as said, from row to row and from tap to tap, so they may be
// read in any order and nothing is turned. Taps come in parts of as many each, whose
// weights are further apart, and a rest with weights of its own.
func n16Gemm(k *vasm.Func, p, o int) {
	t := k.Arg("t")
	field := func(name string) vasm.Addr { return vasm.Field(t, "n16GemmTile_"+name) }
	x, w, n, xTap, wTap := k.Reg(), k.Reg(), k.Reg(), k.Reg(), k.Reg()
	part, parts, ahead, step, row := k.Reg(), k.Reg(), k.Reg(), k.Reg(), k.Reg()
	groups, rows := k.MultiplesOf(step, p-1), k.MultiplesOf(row, o-1)
	per := k.Tier.Per
	acc, in := k.Vs(p*per*o), k.Vs(p*per)
	k.Temps(4)
	steps := func(m vasm.Multiples, r vasm.Reg, name string) {
		k.LoadInt(r, field(name))
		m.Update()
	}
	// walk visits the blocks of the output or the mask, and leaves where the next tile begins.
	walk := func(from, channel, group string, visit func(m vasm.Addr, q int, acc []vasm.V)) {
		steps(groups, step, group)
		k.LoadInt(x, field(from))
		for i := range o {
			for q := range p {
				visit(groups.At(x, q, 0), q, acc[(i*p+q)*per:(i*p+q+1)*per])
			}
			k.AddMem(x, field(channel))
		}
	}
	for _, f := range [5][2]string{{"w", "wAt"}, {"restW", "restAt"}, {"out", "outAt"}, {"y", "yAt"}, {"ahead", "aheadAt"}} {
		k.LoadInt(n, field(f[0]))
		k.StoreInt(n, field(f[1]))
	}
	k.LoadInt(xTap, field("xTap"))
	k.LoadInt(wTap, field("wTap"))
	k.Label("tile")
	k.LoadInt(n, field("flags"))
	k.IfAny(n, "const_tileAcc", "resume")
	k.Zero(acc...)
	k.Jump("start")
	k.Label("resume")
	walk("outAt", "outRow", "outGroup", func(m vasm.Addr, _ int, acc []vasm.V) { k.Load(acc, m) })
	k.Label("start")
	steps(groups, step, "xGroup")
	steps(rows, row, "wRow")
	k.LoadInt(x, field("x"))
	k.LoadInt(part, field("wAt"))
	k.LoadInt(parts, field("parts"))
	mac := func() {
		for q := range p {
			k.Load(in[q*per:(q+1)*per], groups.At(x, q, 0))
		}
		k.Add(x, xTap)
		for i := range o {
			k.MultiplyAddMem(acc[i*p*per:(i+1)*p*per], in, rows.At(w, i, 0))
		}
		k.Add(w, wTap)
	}
	k.IfZero(parts, "rest")
	k.Label("part")
	k.LoadInt(n, field("taps"))
	k.Label("some")
	k.Move(w, part)
	k.LoadInt(ahead, field("aheadAt"))
	k.Add(ahead, part)
	k.SubIfLess(n, 4, "few")
	k.Align(64)
	k.Label("taps")
	for u := range 4 {
		if u%2 == 0 {
			k.Prefetch(2, vasm.At(ahead, 32*u))
		}
		mac()
	}
	k.AddInt(ahead, 128)
	k.SubIfAtLeast(n, 4, "taps")
	k.Label("few")
	k.AddInt(n, 4)
	k.IfZero(n, "next")
	k.Label("tap")
	mac()
	k.Repeat(n, 1, "tap")
	k.Label("next")
	k.AddMem(part, field("wPart"))
	k.AddInt(parts, -1)
	k.IfAtLeast(parts, 1, "part")
	k.IfLess(parts, 0, "done") // that was the rest
	k.Label("rest")
	k.LoadInt(n, field("rest"))
	k.IfZero(n, "done")
	k.LoadInt(part, field("restAt"))
	k.Set(parts, 0)
	steps(rows, row, "restRow")
	k.Jump("some")
	k.Label("done")
	for _, f := range [2][2]string{{"wRow", "wAt"}, {"restRow", "restAt"}} {
		k.LoadInt(n, field(f[0]))
		k.MulInt(n, n, o)
		k.AddToMem(field(f[1]), n)
	}
	k.LoadInt(n, field("aheadTile"))
	k.AddToMem(field("aheadAt"), n)
	k.LoadInt(n, field("flags"))
	k.IfNone(n, "const_tileMask", "store")
	zero := k.V()
	k.Temps(4)
	k.Zero(zero)
	sums := func(visit func(m vasm.Addr, r []vasm.V)) { // what was read of y has done its work
		steps(groups, step, "sumsGroup")
		k.LoadInt(x, field("sums"))
		for q := range p {
			visit(groups.At(x, q, 0), in[q*per:(q+1)*per])
		}
	}
	sums(func(m vasm.Addr, r []vasm.V) { k.Load(r, m) })
	masked := 0
	walk("yAt", "yRow", "yGroup", func(m vasm.Addr, q int, acc []vasm.V) {
		k.KeepPositive(acc, m, zero, masked, 64*o)
		for i, v := range acc {
			k.AddV(in[q*per+i], in[q*per+i], v)
		}
		masked++
	})
	k.StoreInt(x, field("yAt"))
	sums(func(m vasm.Addr, r []vasm.V) { k.Store(r, m) })
	k.Label("store")
	walk("outAt", "outRow", "outGroup", func(m vasm.Addr, _ int, acc []vasm.V) { k.Store(acc, m) })
	k.StoreInt(x, field("outAt"))
	k.RepeatMem(field("tiles"), "tile")
	k.Return()
}
