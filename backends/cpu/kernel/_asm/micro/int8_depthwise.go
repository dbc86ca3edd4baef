package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// int8Depthwises are the microkernels of DepthwiseInt8: filters of three and of five columns, with
// strides of 1 and 2. Those named Dots need VNNI. NEON has none yet.
func int8Depthwises(f *vasm.File, t *vasm.Tier) {
	variants := map[*vasm.Tier]map[string]vasm.ByteProduct{
		vasm.AVX512: {"Dots": vasm.Dots},
		vasm.AVX2:   {"Dots": vasm.Dots, "Words": vasm.Exact},
	}[t]
	for _, name := range []string{"Dots", "Words"} {
		how, ok := variants[name]
		if !ok {
			continue
		}
		for _, width := range []int{3, 5} {
			for stride := 1; stride <= 2; stride++ {
				f.Func(t, fmt.Sprintf("int8Depthwise%s%sk%ds%d", name, t.Suffix, width, stride), "t *byte", func(k *vasm.Func) { int8Depthwise(k, how, width, stride) })
			}
		}
	}
}

// int8Depthwise computes a row of pixels of a block of 16 channels: eight at a time (AVX-512), then four,
// then one. A column
// of the input is loaded once for all outputs that it counts for.
func int8Depthwise(k *vasm.Func, how vasm.ByteProduct, width, stride int) {
	t := k.Arg("t")
	field := func(name string) vasm.Addr { return vasm.Field(t, "int8DepthwiseRow_"+name) }
	per := k.Tier.Per
	many := 8 / per
	src, dst, n := k.NewInt(field("src")), k.NewInt(field("dst")), k.NewInt(field("n"))
	w, taps, groups := k.Reg(), k.Reg(), k.Reg()
	all, column := k.Vs(many*per), k.Column(how)
	low, high := k.V(), k.V()
	rows := make([]vasm.Reg, column.Rows())
	for i := range rows {
		rows[i] = k.Reg()
	}
	at := make([]vasm.Addr, len(rows))
	body := func(p int, label string) {
		acc := func(q int) []vasm.V { return all[q*per : (q+1)*per] }
		k.Label(label)
		k.IfLess(n, p, "end"+label)
		k.LoadInt(w, field("bias"))
		for q := range p {
			k.Load(acc(q), vasm.At(w, 0))
		}
		k.LoadInt(w, field("w"))
		k.LoadInt(taps, field("taps"))
		k.LoadInt(groups, field("groups"))
		k.Label("rows" + label)
		for i, r := range rows {
			k.LoadInt(r, vasm.At(taps, 8*i))
			k.Add(r, src)
		}
		for c := range (p-1)*stride + width {
			for h := range per {
				for i, r := range rows {
					at[i] = vasm.At(r, 16*c)
				}
				column.Load(h, at)
				for q := range p {
					if tap := c - q*stride; tap >= 0 && tap < width {
						column.MultiplyAdd(acc(q)[h], vasm.At(w, 64*tap+64/per*h))
					}
				}
			}
		}
		k.AddInt(taps, 8*len(rows))
		k.AddInt(w, 64*width)
		k.Repeat(groups, 1, "rows"+label)
		k.LoadInt(w, field("scale"))
		k.IntsToFloats(all[:p*per])
		for h := range per {
			k.Load([]vasm.V{low}, vasm.At(w, 64/per*h))
			for q := range p {
				k.MulV(acc(q)[h], acc(q)[h], low)
			}
		}
		k.Broadcast(low, field("low"))
		k.Broadcast(high, field("high"))
		k.Clamp(all[:p*per], low, high)
		k.FloatsToInts(all[:p*per])
		k.Broadcast(low, field("zero"))
		k.AddInts(all[:p*per], low)
		for q := range p {
			k.StoreBytes(acc(q), vasm.At(dst, 16*q))
		}
		k.AddInt(src, 16*stride*p)
		k.AddInt(dst, 16*p)
		k.AddInt(n, -p)
		k.Jump(label)
		k.Label("end" + label)
	}
	body(many, "many")
	if many > 4 {
		body(4, "four")
	}
	body(1, "single")
	k.Return()
}
