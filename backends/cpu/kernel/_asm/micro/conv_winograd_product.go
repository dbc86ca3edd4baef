package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

func winoProducts(f *vasm.File, t *vasm.Tier) {
	s := tileShapes[t]
	for ob := 1; ob <= s.blocks; ob++ {
		for p := 1; p <= s.pixels; p++ {
			f.Func(t, fmt.Sprintf("winoProduct%sp%do%d", t.Suffix, p, ob), "t *byte", func(k *vasm.Func) { winoProduct(k, p, ob) })
		}
	}
}

// winoProduct multiplies p tiles by ob blocks of 16 output channels at one position after
// another: the sums are those of a tile of p pixels without a bias, the loop over the positions
// is in here.
func winoProduct(k *vasm.Func, p, ob int) {
	t := k.Arg("t")
	field := func(name string) vasm.Addr { return vasm.Field(t, "winoProduct_"+name) }
	v, w, out, positions := k.NewInt(field("v")), k.NewInt(field("w")), k.NewInt(field("out")), k.NewInt(field("positions"))
	block, at, n, blocks := k.Reg(), k.Reg(), k.Reg(), k.Reg()
	per := k.Tier.Per
	acc := make([][]vasm.V, p)
	for q := range acc {
		acc[q] = k.Vs(ob * per)
	}
	in := k.FixedLines(p, at, 64)
	x := k.Scalars(in, 4)
	rows := k.RowsAt(field("ws"))
	weights := k.Vs(weightRegs(k, ob))
	held := len(weights)
	k.Temps(4)
	k.Label("position")
	for _, a := range acc {
		k.Zero(a...)
	}
	k.Move(block, v)
	rows.Seek(w)
	k.LoadInt(blocks, field("blocks"))
	k.Label("block")
	k.Move(at, block)
	k.LoadInt(n, field("kc"))
	k.Align(64)
	k.Label("channels")
	x.Load()
	for u := range 4 {
		for c := 0; c < ob*per; c += held {
			k.Load(weights, rows.At(u, 64/per*c))
			for q := range p {
				k.MultiplyAdd(acc[q][c:c+held], weights, x, q, u)
			}
		}
	}
	rows.Advance(4)
	x.Done()
	k.Repeat(n, 4, "channels")
	k.AddMem(block, field("block"))
	k.Repeat(blocks, 1, "block")
	k.Move(at, out)
	for o := range ob {
		if o > 0 {
			k.AddMem(at, field("obs"))
		}
		for q := range p {
			k.Store(acc[q][o*per:(o+1)*per], vasm.At(at, 64*q))
		}
	}
	k.AddMem(v, field("vpos"))
	k.AddMem(w, field("wpos"))
	k.AddMem(out, field("outPos"))
	k.Repeat(positions, 1, "position")
	k.Return()
}
