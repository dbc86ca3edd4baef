package main

import "github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"

// peakChains is how many chains of fused multiply-adds go side by side: on amd64 enough for a
// latency of 4 on two ports, on arm64 for one of 4 on four.
var peakChains = map[string]int{"amd64": 12, "arm64": 16}

// peaks are loops of fused multiply-adds, and of products of bytes, that load nothing: what a tier can
// reach.
func peaks(f *vasm.File, t *vasm.Tier) {
	for _, v := range int8Variants[t] {
		if t == vasm.NEON { // of which none is measured
			break
		}
		f.Func(t, v.name+"Peak"+t.Suffix, "n int", func(k *vasm.Func) { peakInt8(k, v) })
	}
	f.Func(t, "peak"+t.Suffix, "n int", func(k *vasm.Func) {
		n := k.Arg("n")
		v := k.Vs(peakChains[t.Arch] + 2)
		k.Zero(v...)
		k.Label("loop")
		for _, acc := range v[2:] {
			k.FMA(acc, v[0], v[1])
		}
		k.Repeat(n, 1, "loop")
		k.Return()
	})
}

// peakInt8 multiplies the bytes of a register for the sums of the largest tile.
func peakInt8(k *vasm.Func, v int8Variant) {
	n := k.Arg("n")
	acc := make([][]vasm.V, v.shape.pixels)
	for q := range acc {
		acc[q] = k.Vs(v.shape.blocks * k.Tier.Per)
		k.Zero(acc[q]...)
	}
	w := k.ByteWeights(v.shape.blocks, v.how)
	x := k.V()
	k.Temps(2)
	k.Label("loop")
	for _, a := range acc {
		w.Accumulate(a, x)
	}
	k.Repeat(n, 1, "loop")
	k.Return()
}
