package main

import "github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"

// int8Quads is the microkernel of QuantizeQuads.
func int8Quads(f *vasm.File, t *vasm.Tier) {
	f.Func(t, "quantizeQuads"+t.Suffix, "dst *byte, a *float32, b *float32, c *float32, n int, scale float32, low float32, high float32, zero float32", quantizeQuads)
}

// quantizeQuads makes bytes of 16 elements of three planes n times. The three bytes of a pixel are one
// integer, which is the float32 a + 256*b + 65536*c: it is below 1<<24, so all is exact.
func quantizeQuads(k *vasm.Func) {
	dst, n := k.Arg("dst"), k.Arg("n")
	planes := []vasm.Reg{k.Arg("c"), k.Arg("b"), k.Arg("a")}
	x, sum := k.Vs(k.Tier.Per), k.Vs(k.Tier.Per)
	scale, low, high, zero := k.V(), k.V(), k.V(), k.V()
	k.BroadcastArg(scale, "scale")
	k.BroadcastArg(low, "low")
	k.BroadcastArg(high, "high")
	k.BroadcastArg(zero, "zero")
	wide := k.Uniform()
	k.FillBits(wide, vasm.Float(256))
	k.Label("pixels")
	for i, p := range planes {
		to := x
		if i == 0 {
			to = sum
		}
		k.Load(to, vasm.At(p, 0))
		for _, v := range to {
			k.DivV(v, v, scale)
		}
		k.Clamp(to, low, high)
		k.FloatsToInts(to)
		k.IntsToFloats(to)
		for j, v := range to {
			k.AddV(v, v, zero)
			if i > 0 {
				k.MulV(sum[j], sum[j], wide[0])
				k.AddV(sum[j], sum[j], v)
			}
		}
		k.AddInt(p, 64)
	}
	k.FloatsToInts(sum)
	k.Store(sum, vasm.At(dst, 0))
	k.AddInt(dst, 64)
	k.Repeat(n, 1, "pixels")
	k.Return()
}
