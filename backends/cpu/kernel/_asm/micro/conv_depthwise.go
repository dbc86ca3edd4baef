package main

import "github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"

// depthwises are rows of pixels of one block of 16 channels, each its own sum over the
// taps: eight (AVX2, NEON: four) pixels at a time, then one. Pixels are step bytes apart in the
// input.
func depthwises(f *vasm.File, t *vasm.Tier) {
	f.Func(t, "depthwise"+t.Suffix, "src *float32, step int, taps *int, ntaps int, w *float32, bias *float32, dst *float32, res *float32, scale float32, flags int, n int", func(k *vasm.Func) {
		src, step, taps, ntaps := k.Arg("src"), k.Arg("step"), k.Arg("taps"), k.Arg("ntaps")
		w, bias, dst, res := k.Arg("w"), k.Arg("bias"), k.Arg("dst"), k.Arg("res")
		flags, n := k.Arg("flags"), k.Arg("n")
		a, tap, left := k.Reg(), k.Reg(), k.Reg()
		per := t.Per
		many := 8
		if per > 1 {
			many = 4
		}
		all := k.Vs(many * per)
		weights, c := k.Vs(per), k.V() // c is the scale, then zeros
		k.Temps(4)
		body := func(p int, label string) {
			acc := func(q int) []vasm.V { return all[q*per : (q+1)*per] }
			k.Label(label)
			k.IfLess(n, p, "end"+label)
			for q := range p {
				k.Load(acc(q), vasm.At(bias, 0))
			}
			k.Move(tap, taps)
			k.Move(left, ntaps)
			k.Label("tap" + label)
			k.LoadInt(a, vasm.At(tap, 0))
			k.Add(a, src)
			k.AddInt(tap, 8)
			k.Load(weights, vasm.At(w, 0))
			k.AddInt(w, 64)
			for q := range p {
				for h, d := range acc(q) {
					k.FMAMem(d, weights[h], vasm.At(a, h*64/per))
				}
				if q < p-1 {
					k.Add(a, step)
				}
			}
			k.Repeat(left, 1, "tap"+label)
			k.Move(left, ntaps)
			k.ShiftLeft(left, 6)
			k.Sub(w, left)
			k.IfNone(flags, "const_tileRes", "act"+label)
			k.BroadcastArg(c, "scale")
			for q := range p {
				k.ScaleAdd(acc(q), c, vasm.At(res, 64*q))
			}
			k.Label("act" + label)
			k.IfNone(flags, "const_tileReLU", "store"+label)
			k.Zero(c)
			for q := range p {
				k.MaxZero(acc(q), c)
			}
			k.IfNone(flags, "const_tileReLU6", "store"+label)
			k.Fill(c, 6)
			for q := range p {
				k.Limit(acc(q), c)
			}
			k.Label("store" + label)
			for q := range p {
				k.Store(acc(q), vasm.At(dst, 64*q))
			}
			k.AddInt(dst, 64*p)
			k.AddInt(res, 64*p)
			k.MulInt(a, step, p)
			k.Add(src, a)
			k.AddInt(n, -p)
			k.Jump(label)
			k.Label("end" + label)
		}
		body(many, "many")
		body(1, "single")
		k.Return()
	})
}
