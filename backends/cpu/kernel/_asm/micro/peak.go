package main

import "github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"

// peakChains is how many chains of fused multiply-adds go side by side: on amd64 enough for a
// latency of 4 on two ports, on arm64 for one of 4 on four.
var peakChains = map[string]int{"amd64": 12, "arm64": 16}

// peaks is a loop of fused multiply-adds that load nothing: what a tier can reach.
func peaks(f *vasm.File, t *vasm.Tier) {
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
