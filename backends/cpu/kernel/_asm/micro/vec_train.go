package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// gradients are those of activations.
func (v *vecFile) gradients() {
	gradient := func(name string, f func(k *vecFunc, dy, y vasm.Block)) {
		v.function(name, "dx []float32, dy []float32, y []float32", "", func(k *vecFunc) {
			d, a, b, n := k.Slice("dx"), k.Slice("dy"), k.Slice("y"), k.Blocks("dx")
			k.each(n, func() {
				dy, y := k.load(a, 0), k.load(b, 0)
				f(k, dy, y)
				k.store(dy, d, 0)
				k.Skip(1, a, b, d)
			})
		})
	}
	// dx = dy where y > 0 or NaN, else 0.
	gradient("ReluBackward", func(k *vecFunc, dy, y vasm.Block) {
		k.Keep(dy, dy, k.Compare(vasm.NotAtMost, y, k.ZeroBlock()))
	})
	v.function("ReluBackwardSum", "dx []float32, dy []float32, y []float32, acc []float32", "", func(k *vecFunc) {
		d, a, b, n := k.Slice("dx"), k.Slice("dy"), k.Slice("y"), k.Blocks("dx")
		acc, z := k.load(k.Slice("acc"), 0), k.ZeroBlock()
		k.each(n, func() {
			x, y := k.load(a, 0), k.load(b, 0)
			k.Keep(x, x, k.Compare(vasm.NotAtMost, y, z))
			k.store(x, d, 0)
			k.Do(vasm.Add, acc, acc, x)
			k.Skip(1, a, b, d)
		})
		k.store(acc, k.Slice("acc"), 0)
	})
	gradient("SigmoidBackward", func(k *vecFunc, dy, y vasm.Block) { // dy * (y * (1-y))
		t := k.Block()
		k.Do(vasm.Sub, t, k.uniform(unit), y)
		k.Do(vasm.Mul, y, y, t)
		k.Do(vasm.Mul, dy, dy, y)
	})
	gradient("TanhBackward", func(k *vecFunc, dy, y vasm.Block) { // dy * (1 - y*y)
		k.Do(vasm.Mul, y, y, y)
		k.Do(vasm.Sub, y, k.uniform(unit), y)
		k.Do(vasm.Mul, dy, dy, y)
	})
}

// overTaps runs body over kh x kw taps in reading order. Body gets pointers that begin at the given
// ones and move with the taps: along rows by rowSteps, along columns by colStep.
func (k *vecFunc) overTaps(colStep vasm.Reg, begins, rowSteps []vasm.Reg, body func(at []vasm.Reg)) {
	id := k.NewLabel()
	rows, cols := fmt.Sprintf("rows%d", id), fmt.Sprintf("cols%d", id)
	k.Scope(func() {
		y, x := k.Reg(), k.Reg()
		var rowAt, at []vasm.Reg
		for _, b := range begins {
			p, q := k.Reg(), k.Reg()
			k.Move(p, b)
			rowAt, at = append(rowAt, p), append(at, q)
		}
		k.LoadInt(y, k.ArgAddr("kh"))
		k.Label(rows)
		k.LoadInt(x, k.ArgAddr("kw"))
		for i := range at {
			k.Move(at[i], rowAt[i])
		}
		k.Label(cols)
		k.Scope(func() { body(at) })
		for _, p := range at {
			k.Add(p, colStep)
		}
		k.Repeat(x, 1, cols)
		for i, p := range rowAt {
			k.Add(p, rowSteps[i])
		}
		k.Repeat(y, 1, rows)
	})
}

// poolGradients give a window's gradient to its maximum, the first in reading order, or to all.
func (v *vecFile) poolGradients() {
	v.function("MaxPoolBackward", "dx []float32, x []float32, dy []float32, kh int, kw int, rowStep int, dxRowStep int, colStep int, pixStep int", "", (*vecFunc).poolBackward)
	v.function("MaxPoolBackward2", "dx []float32, x []float32, dy []float32, rowStep int, dxRowStep int", "", func(k *vecFunc) { k.poolBackward2(false) })
	v.function("MaxPoolReluBackward2", "dx []float32, x []float32, dy []float32, acc []float32, rowStep int, dxRowStep int", "", func(k *vecFunc) { k.poolBackward2(true) })

	v.function("MaxPoolSpread", "dx []float32, x []float32, most []float32, dy []float32, kh int, kw int, rowStep int, dxRowStep int, colStep int, pixStep int", "", (*vecFunc).poolSpread)
	v.function("MaxPoolSpread3", "dx []float32, x []float32, most []float32, dy []float32, rowStep int, dxRowStep int, pixStep int", "", (*vecFunc).poolSpread3)

	v.function("SpreadAdd", "dx []float32, dy []float32, kh int, kw int, rowStep int, colStep int, pixStep int, scale float32", "", (*vecFunc).spreadAdd)
}

// poolBackward gives the gradient to the maximum, which it finds anew.
func (k *vecFunc) poolBackward() {
	dx, x, dy, n := k.Slice("dx"), k.Slice("x"), k.Slice("dy"), k.Blocks("dy")
	row, dxRow, col := k.Bytes("rowStep"), k.Bytes("dxRowStep"), k.Bytes("colStep")
	k.each(n, func() {
		at, cur := k.zeros(), k.zeros() // the number of the maximum, and of the element
		k.Scope(func() {
			best := k.load(x, 0)
			k.overTaps(col, []vasm.Reg{x}, []vasm.Reg{row}, func(p []vasm.Reg) {
				k.aboveInto(best, k.load(p[0], 0), func(above vasm.Mask) { k.Merge(at, cur, above) })
				k.Do(vasm.Add, cur, cur, unit)
			})
		})
		d := k.load(dy, 0)
		k.Zero(cur...)
		k.overTaps(col, []vasm.Reg{dx}, []vasm.Reg{dxRow}, func(p []vasm.Reg) {
			old, sum := k.load(p[0], 0), k.Block()
			k.Do(vasm.Add, sum, old, d)
			k.Merge(old, sum, k.Compare(vasm.Equal, at, cur))
			k.store(old, p[0], 0)
			k.Do(vasm.Add, cur, cur, unit)
		})
		k.Scope(func() {
			pix := k.Bytes("pixStep")
			k.Add(x, pix)
			k.Add(dx, pix)
		})
		k.Skip(1, dy)
	})
}

// poolSpread and poolSpread3 know the maxima.
func (k *vecFunc) poolSpread() {
	dx, x, most, dy, n := k.Slice("dx"), k.Slice("x"), k.Slice("most"), k.Slice("dy"), k.Blocks("dy")
	row, dxRow, col := k.Bytes("rowStep"), k.Bytes("dxRowStep"), k.Bytes("colStep")
	k.each(n, func() {
		m, d := k.load(most, 0), k.load(dy, 0)
		left := k.Compare(vasm.Equal, m, m) // lanes whose maximum is still to come
		k.overTaps(col, []vasm.Reg{x, dx}, []vasm.Reg{row, dxRow}, func(at []vasm.Reg) {
			k.spread(m, d, left, at[0], at[1], 0, false)
		})
		k.Scope(func() {
			pix := k.Bytes("pixStep")
			k.Add(x, pix)
			k.Add(dx, pix)
		})
		k.Skip(1, most, dy)
	})
}

func (k *vecFunc) poolSpread3() {
	dx, x, most, dy, n := k.Slice("dx"), k.Slice("x"), k.Slice("most"), k.Slice("dy"), k.Blocks("dy")
	pix := k.Bytes("pixStep")
	xs, dxs := [3]vasm.Reg{x, k.Reg(), k.Reg()}, [3]vasm.Reg{dx, k.Reg(), k.Reg()}
	k.Scope(func() {
		row, dxRow := k.Bytes("rowStep"), k.Bytes("dxRowStep")
		for i := 1; i < 3; i++ {
			k.AddScaled(xs[i], xs[i-1], row, 1)
			k.AddScaled(dxs[i], dxs[i-1], dxRow, 1)
		}
	})
	k.each(n, func() {
		m, d := k.load(most, 0), k.load(dy, 0)
		left := k.Compare(vasm.Equal, m, m)
		for i := range 3 {
			for j := range 3 {
				k.spread(m, d, left, xs[i], dxs[i], j, i == 2 && j == 2)
			}
		}
		for i := range 3 {
			k.Add(xs[i], pix)
			k.Add(dxs[i], pix)
		}
		k.Skip(1, most, dy)
	})
}

// spreadAdd gives the gradient to all places of the window.
func (k *vecFunc) spreadAdd() {
	dx, dy, n := k.Slice("dx"), k.Slice("dy"), k.Blocks("dy")
	row, col, pix := k.Bytes("rowStep"), k.Bytes("colStep"), k.Bytes("pixStep")
	scale := k.FloatArg("scale")
	k.each(n, func() {
		d := k.load(dy, 0)
		k.Do(vasm.Mul, d, d, scale)
		k.overTaps(col, []vasm.Reg{dx}, []vasm.Reg{row}, func(at []vasm.Reg) {
			sum := k.Block()
			k.Load(sum, vasm.At(at[0], 0))
			k.Do(vasm.Add, sum, sum, d)
			k.store(sum, at[0], 0)
		})
		k.Add(dx, pix)
		k.Skip(1, dy)
	})
}

// spread adds d to block i from dx on, in the lanes of left where x is the maximum m, and takes these out of
// left unless it is the last element.
func (k *vecFunc) spread(m, d vasm.Block, left vasm.Mask, x, dx vasm.Reg, i int, last bool) {
	k.Scope(func() {
		v := k.load(x, i)
		is := k.CompareIn(left, vasm.Equal, v, m)
		if !last {
			k.Without(left, is)
		}
		k.Load(v, vasm.At(dx, 64*i))
		k.AddWhere(v, d, is)
		k.store(v, dx, i)
	})
}

// poolBackward2 is for windows of 2 x 2, one beside the other: it writes every place of dx.
func (k *vecFunc) poolBackward2(relu bool) {
	dx, x, dy, n, x1, dx1 := k.Slice("dx"), k.Slice("x"), k.Slice("dy"), k.Blocks("dy"), k.Bytes("rowStep"), k.Bytes("dxRowStep")
	k.Add(x1, x)
	k.Add(dx1, dx)
	var acc vasm.Block
	if relu {
		acc = k.load(k.Slice("acc"), 0)
	}
	z := k.ZeroBlock()
	k.each(n, func() {
		d := k.Block()
		above := [3]vasm.Mask{k.Mask(), k.Mask(), k.Mask()} // of the second, third and fourth element
		k.Scope(func() {
			best := k.load(x, 0)
			for i, at := range []vasm.Addr{vasm.At(x, 64), vasm.At(x1, 0), vasm.At(x1, 64)} {
				k.Scope(func() {
					v := k.Block()
					k.Load(v, at)
					k.NewMaximum(above[i], v, best)
					k.Merge(best, v, above[i])
				})
			}
			k.Load(d, vasm.At(dy, 0))
			if relu {
				k.Keep(d, d, k.Compare(vasm.NotAtMost, best, z))
				k.Do(vasm.Add, acc, acc, d)
			}
		})
		k.Do(vasm.Add, d, d, z) // no -0, as where gradients are added up
		out := k.Block()
		put := func(m vasm.Mask, to vasm.Addr) {
			k.Keep(out, d, m)
			k.Store(out, to)
		}
		// From the last to the first: above[i] are then the lanes of what lies behind.
		put(above[2], vasm.At(dx1, 64))
		k.Without(above[1], above[2])
		put(above[1], vasm.At(dx1, 0))
		k.OrMasks(above[2], above[1])
		k.Without(above[0], above[2])
		put(above[0], vasm.At(dx, 64))
		k.OrMasks(above[2], above[0])
		k.Copy(out, d)
		k.Drop(out, above[2])
		k.Store(out, vasm.At(dx, 0))
		k.Skip(2, x, x1, dx, dx1)
		k.Skip(1, dy)
	})
	if relu {
		k.store(acc, k.Slice("acc"), 0)
	}
}

// sums are those of batch normalization and of norms.
func (v *vecFile) sums() {
	v.function("SumRow", "acc []float32, src []float32", "", func(k *vecFunc) {
		s, n, acc := k.Slice("src"), k.Blocks("src"), k.zeros()
		k.Loop(n, []int{4, 1}, func(u int) {
			for i := range u {
				k.Do(vasm.Add, acc, acc, vasm.At(s, 64*i))
			}
			k.Skip(u, s)
		})
		k.store(acc, k.Slice("acc"), 0)
	})
	v.function("DevRow", "acc []float32, src []float32, mean []float32", "", func(k *vecFunc) {
		s, n, mean, acc := k.Slice("src"), k.Blocks("src"), k.load(k.Slice("mean"), 0), k.zeros()
		k.Loop(n, []int{2, 1}, func(u int) {
			for i := range u {
				k.Scope(func() {
					d := k.load(s, i)
					k.Do(vasm.Sub, d, d, mean)
					k.Do(vasm.Mul, d, d, d)
					k.Do(vasm.Add, acc, acc, d)
				})
			}
			k.Skip(u, s)
		})
		k.store(acc, k.Slice("acc"), 0)
	})
	v.function("DotRow", "acc []float32, dy []float32, x []float32, mean []float32", "", func(k *vecFunc) {
		p, q, n, mean := k.Slice("dy"), k.Slice("x"), k.Blocks("dy"), k.load(k.Slice("mean"), 0)
		k.dots(p, q, n, k.zeros(), k.zeros(), mean, func(d, x vasm.Block) {})
	})
	// (x-coef0)*coef2 + (dy*coef1 + coef3); coef is four blocks.
	v.function("BatchNormBackward", "dst []float32, dy []float32, x []float32, coef []float32", "", func(k *vecFunc) {
		d, p, q, n, c := k.Slice("dst"), k.Slice("dy"), k.Slice("x"), k.Blocks("dst"), k.Slice("coef")
		var coef [4]vasm.Block
		for i := range coef {
			coef[i] = k.load(c, i)
		}
		k.each(n, func() {
			x, y := k.load(q, 0), k.load(p, 0)
			k.Do(vasm.Sub, x, x, coef[0])
			k.Do(vasm.Mul, x, x, coef[2])
			k.Do(vasm.Mul, y, y, coef[1])
			k.Do(vasm.Add, y, y, coef[3])
			k.Do(vasm.Add, x, x, y)
			k.store(x, d, 0)
			k.Skip(1, p, q, d)
		})
	})
	v.maskedNorm()
	// 64 partial sums, then blocks 2 and 1 apart, then lanes.
	v.function("SumSquares", "src []float32", "float32", func(k *vecFunc) {
		s, n := k.Slice("src"), k.Blocks("src")
		acc := []vasm.Block{k.zeros(), k.zeros(), k.zeros(), k.zeros()}
		k.Loop(n, []int{4, 1}, func(u int) {
			for i := range u {
				k.Scope(func() {
					x := k.load(s, i)
					k.Do(vasm.Mul, x, x, x)
					k.Do(vasm.Add, acc[i], acc[i], x)
				})
			}
			k.Skip(u, s)
		})
		k.Do(vasm.Add, acc[0], acc[0], acc[2])
		k.Do(vasm.Add, acc[1], acc[1], acc[3])
		k.Do(vasm.Add, acc[0], acc[0], acc[1])
		k.ReduceTo(vasm.Add, acc[0])
	})
}

// dots adds dy to sum and dy*(x - mean) to dot, for n blocks of dy at p and of x at q, and stores both in
// acc. mask changes a block of dy before.
func (k *vecFunc) dots(p, q, n vasm.Reg, sum, dot vasm.Block, mean any, mask func(d, x vasm.Block)) {
	k.each(n, func() {
		d, x := k.load(p, 0), k.load(q, 0)
		mask(d, x)
		k.Do(vasm.Add, sum, sum, d)
		k.Do(vasm.Sub, x, x, mean)
		k.Do(vasm.Mul, d, d, x)
		k.Do(vasm.Add, dot, dot, d)
		k.Skip(1, p, q)
	})
	acc := k.Slice("acc")
	k.store(sum, acc, 0)
	k.store(dot, acc, 1)
}

// maskedNorm are DotRow and BatchNormBackward where dy counts only where x*coef4 + coef5 is above
// coef6 and below coef7, or NaN. The coefficients stay in memory: AVX2 has no registers for eight
// blocks.
func (v *vecFile) maskedNorm() {
	masked := func(k *vecFunc, dy, x, zero vasm.Block, c vasm.Reg) {
		k.Scope(func() {
			z, t := k.Block(), k.Block()
			k.Do(vasm.Mul, z, x, vasm.At(c, 4*64))
			k.Do(vasm.Add, z, z, vasm.At(c, 5*64))
			k.Do(vasm.Sub, t, z, vasm.At(c, 6*64))
			m := k.Compare(vasm.NotAtMost, t, zero)
			k.Keep(dy, dy, m)
			k.Load(t, vasm.At(c, 7*64))
			k.Do(vasm.Sub, t, t, z)
			k.CompareTo(m, vasm.NotAtMost, t, zero)
			k.Keep(dy, dy, m)
		})
	}
	v.function("MaskedDotRow", "acc []float32, dy []float32, x []float32, coef []float32", "", func(k *vecFunc) {
		p, q, n, c := k.Slice("dy"), k.Slice("x"), k.Blocks("dy"), k.Slice("coef")
		sum, dot, zero := k.zeros(), k.zeros(), k.ZeroBlock()
		k.dots(p, q, n, sum, dot, vasm.At(c, 0), func(d, x vasm.Block) { masked(k, d, x, zero, c) })
	})
	v.function("MaskedNormBackward", "dst []float32, dy []float32, x []float32, coef []float32", "", func(k *vecFunc) {
		d, p, q, n, c := k.Slice("dst"), k.Slice("dy"), k.Slice("x"), k.Blocks("dst"), k.Slice("coef")
		zero := k.ZeroBlock()
		k.each(n, func() {
			x, y := k.load(q, 0), k.load(p, 0)
			masked(k, y, x, zero, c)
			k.Do(vasm.Sub, x, x, vasm.At(c, 0))
			k.Do(vasm.Mul, x, x, vasm.At(c, 2*64))
			k.Do(vasm.Mul, y, y, vasm.At(c, 64))
			k.Do(vasm.Add, y, y, vasm.At(c, 3*64))
			k.Do(vasm.Add, x, x, y)
			k.store(x, d, 0)
			k.Skip(1, p, q, d)
		})
	})
}

func (v *vecFile) lrnGradient() {
	// g = dy / s**0.75 and t = g*x/s.
	v.function("LrnTerms34", "g []float32, t []float32, dy []float32, x []float32, s []float32, step int", "", func(k *vecFunc) {
		g, tp, dy, x, s, n, step := k.Slice("g"), k.Slice("t"), k.Slice("dy"), k.Slice("x"), k.Slice("s"), k.Blocks("g"), k.Bytes("step")
		k.each(n, func() {
			sv, y := k.load(s, 0), k.Block()
			k.invPow34(y, sv)
			k.Do(vasm.Mul, sv, sv, y)
			k.Do(vasm.Mul, sv, sv, y) // the inverse of the square root
			k.Do(vasm.Mul, sv, sv, sv)
			k.Do(vasm.Mul, y, y, vasm.At(dy, 0))
			k.store(y, g, 0)
			k.Do(vasm.Mul, y, y, vasm.At(x, 0))
			k.Do(vasm.Mul, y, y, sv)
			k.store(y, tp, 0)
			k.Skip(1, g, dy, x, s)
			k.Add(tp, step)
		})
	})
	// g - x*factor * the sum of size numbers from t on.
	v.function("LrnBackward", "dst []float32, g []float32, x []float32, t []float32, step int, size int, factor float32", "", func(k *vecFunc) {
		d, g, x, tp, n, step, size := k.Slice("dst"), k.Slice("g"), k.Slice("x"), k.Slice("t"), k.Blocks("dst"), k.Bytes("step"), k.Arg("size")
		factor := k.FloatArg("factor")
		k.each(n, func() {
			sum := k.Block()
			k.windowSum(sum, tp, size)
			v, y := k.load(x, 0), k.load(g, 0)
			k.Do(vasm.Mul, v, v, factor)
			k.Do(vasm.Mul, v, v, sum)
			k.Do(vasm.Sub, y, y, v)
			k.store(y, d, 0)
			k.Skip(1, d, g, x)
			k.Add(tp, step)
		})
	})
}

// dropout draws four pixels at a time: lane 4*q+p of the generator's four words belongs to pixel p
// and its channels 4*q to 4*q+3, so that a transpose within four lanes makes blocks of them. dst is
// src*scale, 0 where the element's word of Philox4x32-10 is below the bound.
func (v *vecFile) dropout() {
	v.function("Dropout", "dst []float32, src []float32, key0 uint32, key1 uint32, place uint32, quad uint32, image uint32, step uint32, below uint32, scale float32", "", func(k *vecFunc) {
		d, s, n := k.Slice("dst"), k.Slice("src"), k.Blocks("dst")
		var pixels, quads vasm.Lanes
		for i := range pixels {
			pixels[i], quads[i] = uint32(i%4), uint32(i/4)
		}
		// place+pixels is the same in each group of four lanes.
		place := k.FloatArg("place")
		k.Do(vasm.AddInts, place[:1], place[:1], pixels)
		philox := k.WideMuls(0xd2511f53, 0xcd9e8d57)
		k.Label("group")
		k.IfLess(n, 1, "done")
		out := make([]vasm.Block, 4) // by pixels
		for p := range out {
			out[p] = make(vasm.Block, v.t.Per)
		}
		for h := range v.t.Per {
			words := [4]vasm.V{k.V(), k.V(), k.V(), k.V()}
			k.Scope(func() { k.philox(words, place[0], quads.From(h*16/v.t.Per), philox) })
			for p := range out {
				out[p][h] = words[p]
			}
		}
		below, scale := k.FloatArg("below"), k.FloatArg("scale")
		k.Do(vasm.Xor, below[:1], below[:1], signBit) // the comparison is signed
		for p, u := range out {
			if p > 0 {
				k.IfLess(n, p+1, "done")
			}
			k.Scope(func() {
				k.Do(vasm.Xor, u, u, signBit)
				m := k.Compare(vasm.IntsAbove, below, u)
				k.Load(u, vasm.At(s, 64*p))
				k.Do(vasm.Mul, u, u, scale)
				k.Drop(u, m)
				k.store(u, d, p)
			})
		}
		k.Skip(4, s, d)
		k.Do(vasm.AddInts, place[:1], place[:1], vasm.Bits(4))
		k.AddInt(n, -4)
		k.Jump("group")
		k.Label("done")
	})
}

// philox makes x, a register of each of the generator's four words, and transposes it. quads says
// which channels the lanes of the register are.
func (k *vecFunc) philox(x [4]vasm.V, place vasm.V, quads vasm.Lanes, factors []*vasm.WideMul) {
	y, keys := [4]vasm.V{k.V(), k.V(), k.V(), k.V()}, [2]vasm.V{k.V(), k.V()}
	do := func(op vasm.Op, d vasm.V, by any) { k.Do(op, one(d), one(d), by) }
	k.Copy(one(x[0]), one(place))
	for i, name := range []string{"quad", "image", "step"} {
		k.BroadcastArg(x[i+1], name)
	}
	do(vasm.AddInts, x[1], quads)
	for i, name := range []string{"key0", "key1"} {
		k.BroadcastArg(keys[i], name)
	}
	for round := range 10 {
		if round > 0 {
			for i, weyl := range []vasm.Bits{0x9e3779b9, 0xbb67ae85} {
				do(vasm.AddInts, keys[i], weyl)
			}
		}
		// y = hi(x2)^x1^key0, lo(x2), hi(x0)^x3^key1, lo(x0).
		factors[0].Mul(y[3], y[2], x[0])
		factors[1].Mul(y[1], y[0], x[2])
		for i, from := range []vasm.V{x[1], x[3]} {
			do(vasm.Xor, y[2*i], vasm.Block{from})
			do(vasm.Xor, y[2*i], vasm.Block{keys[i]})
		}
		x, y = y, x
	}
	k.Transpose4(x, y) // ten rounds: x is what it was
}
