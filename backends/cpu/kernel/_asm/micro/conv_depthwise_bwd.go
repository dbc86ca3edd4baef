package main

import "github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"

// depthwiseBwds add up, over rows of cols pixels of one block of 16 channels, the products of dy with
// three pixels of x beside each other: of the first pixel step bytes from those of the pixel
// before. The sums of every second pixel of a row are apart until the end, so that chains of sums are
// short enough.
func depthwiseBwds(f *vasm.File, t *vasm.Tier) {
	f.Func(t, "depthwiseBwd"+t.Suffix, "x *float32, xrow int, step int, dy *float32, dyrow int, rows int, cols int, acc *float32", func(k *vasm.Func) {
		const taps = 3
		x, xrow, step, dy, dyrow := k.Arg("x"), k.Arg("xrow"), k.Arg("step"), k.Arg("dy"), k.Arg("dyrow")
		rows, cols, to := k.Arg("rows"), k.Arg("cols"), k.Arg("acc")
		px, pdy, left := k.Reg(), k.Reg(), k.Reg()
		var sums [2][taps][]vasm.V // of even and of odd pixels
		for i := range sums {
			for j := range sums[i] {
				sums[i][j] = k.Vs(t.Per)
				k.Zero(sums[i][j]...)
			}
		}
		grad := k.Vs(t.Per)
		k.Temps(4)
		pixel := func(sums [taps][]vasm.V) {
			k.Load(grad, vasm.At(pdy, 0))
			k.AddInt(pdy, 64)
			for j, s := range sums {
				for h, d := range s {
					k.FMAMem(d, grad[h], vasm.At(px, 64*j+h*64/t.Per))
				}
			}
			k.Add(px, step)
		}
		k.Label("row")
		k.Move(px, x)
		k.Move(pdy, dy)
		k.Move(left, cols)
		k.Label("pair")
		k.IfLess(left, 2, "last")
		pixel(sums[0])
		pixel(sums[1])
		k.AddInt(left, -2)
		k.Jump("pair")
		k.Label("last")
		k.IfZero(left, "next")
		pixel(sums[0])
		k.Label("next")
		k.Add(x, xrow)
		k.Add(dy, dyrow)
		k.Repeat(rows, 1, "row")
		for j, s := range sums[0] {
			k.Load(grad, vasm.At(to, 64*j))
			for h, d := range s {
				k.AddV(d, d, sums[1][j][h])
				k.AddV(d, d, grad[h])
			}
			k.Store(s, vasm.At(to, 64*j))
		}
		k.Return()
	})
}
