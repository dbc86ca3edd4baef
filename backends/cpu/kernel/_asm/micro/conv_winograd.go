package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// winograds are the transforms of F(4x4, 3x3) and F(2x2, 5x5) with the points
// 0, 1, -1, 2, -2 and infinity. Both have 6x6 input tiles and share the input
// transform.
func winograds(f *vasm.File, t *vasm.Tier) {
	f.Func(t, "winoIn"+t.Suffix, "src *float32, row int, dst *float32, pos int, n int, step int, tmp *float32", winoIn)
	for _, m := range []int{4, 2} {
		f.Func(t, fmt.Sprintf("winoOut%sm%d", t.Suffix, m), "src *float32, pos int, dst *float32, row int, bias *float32, res *float32, resRow int, scale float32, flags int, n int, tmp *float32",
			func(k *vasm.Func) { winoOut(k, m) })
	}
	for _, r := range []int{3, 5} {
		f.Func(t, fmt.Sprintf("winoWeights%sr%d", t.Suffix, r), "src *float32, tap int, dst *float32, pos int, n int, tmp *float32", func(k *vasm.Func) { winoWeights(k, r) })
	}
}

// one is a register as a list.
func one(v vasm.V) vasm.Block { return vasm.Block{v} }

// winoIn transforms n tiles of 6x6 pixels x 16 channels: first the rows, by way
// of tmp (36 blocks), then the columns. row, pos and step are bytes: from a row to the next, from
// a position of the result to the next, from a tile to the next.
//
// One dimension, 9 additions and 4 fused multiply-adds:
//
//	t0 = 4(x0-x2) + (x4-x2)             t5 = (x5-x3) - 4(x3-x1)
//	t1 = (x4-4x2) + (x3-4x1)            t2 = (x4-4x2) - (x3-4x1)
//	t3 = (x4-x2) + 2(x3-x1)             t4 = (x4-x2) - 2(x3-x1)
func winoIn(k *vasm.Func) {
	src, row, dst, pos := k.Arg("src"), k.Arg("row"), k.Arg("dst"), k.Arg("pos")
	n, step, tmp := k.Arg("n"), k.Arg("step"), k.Arg("tmp")
	s, d, pos6, part := k.Reg(), k.Reg(), k.Reg(), k.Reg()
	k.AddScaled(pos6, pos, pos, 2)
	k.Add(pos6, pos6)
	k.AddInt(step, -64)
	four := k.Constant(4)
	sets, f, g := [2][]vasm.V{k.Vs(6), k.Vs(6)}, k.V(), k.V()
	k.Label("tile")
	k.Parts(part, "part", []vasm.Reg{src, dst}, func() {
		k.Move(s, src)
		for y := range 6 {
			x := sets[y%2]
			for i, v := range x {
				k.Load(one(v), vasm.At(s, 64*i))
			}
			for i, v := range winoIn1(k, x, f, g, four) {
				k.Store(one(v), vasm.At(tmp, 64*(6*y+i)))
			}
			if y < 5 {
				k.Add(s, row)
			}
		}
		k.Move(d, dst)
		for i := range 6 {
			x := sets[i%2]
			for y, v := range x {
				k.Load(one(v), vasm.At(tmp, 64*(6*y+i)))
			}
			k.Move(s, d)
			for y, v := range winoIn1(k, x, f, g, four) {
				k.Store(one(v), vasm.At(s, 0))
				if y < 5 {
					k.Add(s, pos6)
				}
			}
			k.Add(d, pos)
		}
	})
	k.Add(src, step)
	k.Repeat(n, 1, "tile")
	k.Return()
}

// winoIn1 is one dimension of it, given a register that holds fours. x is consumed, f and
// g too; the results are in the registers returned.
func winoIn1(k *vasm.Func, x []vasm.V, f, g, four vasm.V) []vasm.V {
	k.SubV(f, x[4], x[2])
	k.SubV(x[0], x[0], x[2])
	k.SubV(g, x[3], x[1])
	k.SubV(x[5], x[5], x[3])
	k.FNMA(x[5], g, four)    // t5
	k.FNMA(x[4], x[2], four) // x4-4x2
	k.FNMA(x[3], x[1], four) // x3-4x1
	k.AddV(x[1], x[4], x[3]) // t1
	k.SubV(x[2], x[4], x[3]) // t2
	k.AddV(g, g, g)          // 2(x3-x1)
	k.AddV(x[3], f, g)       // t3
	k.SubV(x[4], f, g)       // t4
	k.FMA(f, x[0], four)     // t0
	return []vasm.V{f, x[1], x[2], x[3], x[4], x[5]}
}

// winoOut transforms n results of 36 positions to m x m pixels, with the
// epilogue: the columns first, by way of tmp, then the rows.
//
//	s = m1+m2  d = m1-m2  u = m3+m4  v = m3-m4
//	m = 4:  y0 = (m0+s)+u  y1 = d+2v  y2 = s+4u  y3 = (d+m5)+8v
//	m = 2:  y0 = (m0+s)+u  y1 = (d+m5)+2v
func winoOut(k *vasm.Func, m int) {
	src, pos, dst, row, bias := k.Arg("src"), k.Arg("pos"), k.Arg("dst"), k.Arg("row"), k.Arg("bias")
	res, resRow, flags, n, tmp := k.Arg("res"), k.Arg("resRow"), k.Arg("flags"), k.Arg("n"), k.Arg("tmp")
	s, d, part := k.Reg(), k.Reg(), k.Reg()
	x, ts, c := k.Vs(6), k.Vs(2), k.V()
	two := k.Constant(2)
	var four, eight vasm.V
	if m == 4 {
		four, eight = k.Constant(4), k.Constant(8)
	}
	k.Temps(4)
	transform := func(t vasm.V) []vasm.V {
		k.AddV(t, x[1], x[2])    // s
		k.SubV(x[1], x[1], x[2]) // d
		k.AddV(x[2], x[3], x[4]) // u
		k.SubV(x[3], x[3], x[4]) // v
		k.AddV(x[0], x[0], t)
		k.AddV(x[0], x[0], x[2]) // y0
		k.AddV(x[5], x[5], x[1]) // d+m5
		if m == 2 {
			k.FMA(x[5], x[3], two) // y1
			return []vasm.V{x[0], x[5]}
		}
		k.FMA(x[5], x[3], eight) // y3
		k.FMA(x[1], x[3], two)   // y1
		k.FMA(t, x[2], four)     // y2
		return []vasm.V{x[0], x[1], t, x[5]}
	}
	k.Label("tile")
	k.Parts(part, "part", []vasm.Reg{src, dst, res, bias}, func() {
		k.Move(s, src)
		for y := range 6 {
			for _, v := range x {
				k.Load(one(v), vasm.At(s, 0))
				k.Add(s, pos)
			}
			for i, v := range transform(ts[y%2]) {
				k.Store(one(v), vasm.At(tmp, 64*(m*y+i)))
			}
		}
		for i := range m {
			for y, v := range x {
				k.Load(one(v), vasm.At(tmp, 64*(m*y+i)))
			}
			t := transform(ts[0])
			label := fmt.Sprint(i)
			k.Load(one(c), vasm.At(bias, 0))
			for _, v := range t {
				k.AddV(v, v, c)
			}
			k.IfNone(flags, "const_tileRes", "act"+label)
			k.BroadcastArg(c, "scale")
			k.Lea(s, res, 64*i)
			for y, v := range t {
				k.ScaleAdd(one(v), c, vasm.At(s, 0))
				if y < m-1 {
					k.Add(s, resRow)
				}
			}
			k.Label("act" + label)
			k.IfNone(flags, "(const_tileReLU|const_tileMask)", "store"+label)
			k.Zero(c)
			k.IfNone(flags, "const_tileMask", "relu"+label)
			k.Lea(s, res, 64*i)
			for y, v := range t {
				k.KeepPositive(one(v), vasm.At(s, 0), c, y, 0)
				k.Add(s, resRow)
			}
			for y := range t { // the tile below, of the next run probably
				k.Prefetch(1, vasm.At(s, 0))
				if y < m-1 {
					k.Add(s, resRow)
				}
			}
			k.Jump("store" + label)
			k.Label("relu" + label)
			k.MaxZero(t, c)
			k.Label("store" + label)
			k.Lea(d, dst, 64*i)
			for _, v := range t {
				k.Store(one(v), vasm.At(d, 0))
				k.Add(d, row)
			}
			k.IfAny(flags, "const_tileNear", "near"+label)
			if k.Tier.Per > 1 {
				k.IfLess(part, k.Tier.Per, "near"+label)
			}
			// Those of the tile below, of the next run probably: a store to what is far
			// away waits for it, and many such stores hold up what follows.
			for y := range t {
				k.Prefetch(1, vasm.At(d, 0))
				if y < m-1 {
					k.Add(d, row)
				}
			}
			k.Label("near" + label)
		}
	})
	k.AddInt(bias, -64)
	k.AddInt(dst, 64*(m-1))
	k.AddInt(res, 64*(m-1))
	k.Repeat(n, 1, "tile")
	k.Return()
}

// winoWeights transforms the weights of n vectors of output channels: r x r taps to
// 36 positions, the columns first, by way of tmp (6r blocks), then the rows. tap and pos are bytes:
// from a tap to the next, from a position of the result to the next.
//
//	r = 3:  e = g0+g2        o = g1           f = g0+4g2         p = g1+g1
//	r = 5:  e = (g0+g2)+g4   o = g1+g3        f = (g0+4g2)+16g4  p = 2g1+8g3
//	t0 = g0/4  t1 = (e+o)*(-1/6)  t2 = (e-o)*(-1/6)  t3 = (f+p)/24  t4 = (f-p)/24  t5 = the last g
func winoWeights(k *vasm.Func, r int) {
	src, tap, dst, pos := k.Arg("src"), k.Arg("tap"), k.Arg("dst"), k.Arg("pos")
	n, tmp := k.Arg("n"), k.Arg("tmp")
	s, pos6 := k.Reg(), k.Reg()
	to := k.Multiples(pos, 5)
	k.AddScaled(pos6, pos, pos, 2)
	k.Add(pos6, pos6)
	quarter, sixth, small, four := k.Constant(0.25), k.Constant(-1.0/6), k.Constant(1.0/24), k.Constant(4)
	var eight, sixteen vasm.V
	if r == 5 {
		eight, sixteen = k.Constant(8), k.Constant(16)
	}
	g, t := k.Vs(r), k.Vs(4)
	// g is consumed; store(i, x) takes the six results.
	transform := func(store func(i int, x vasm.V)) {
		e, o, f, p := t[0], t[1], t[2], t[3]
		store(5, g[r-1])
		k.AddV(e, g[0], g[2])
		k.Copy(one(f), one(g[0]))
		k.FMA(f, g[2], four)
		if r == 3 {
			k.AddV(p, g[1], g[1])
			o = g[1]
		} else {
			k.AddV(e, e, g[4])
			k.AddV(o, g[1], g[3])
			k.FMA(f, g[4], sixteen)
			k.AddV(p, g[1], g[1])
			k.FMA(p, g[3], eight)
		}
		k.MulV(g[0], g[0], quarter)
		store(0, g[0])
		for i, pair := range [2][3]vasm.V{{e, o, sixth}, {f, p, small}} {
			k.AddV(g[2], pair[0], pair[1])
			k.MulV(g[2], g[2], pair[2])
			store(1+2*i, g[2])
			k.SubV(g[2], pair[0], pair[1])
			k.MulV(g[2], g[2], pair[2])
			store(2+2*i, g[2])
		}
	}
	k.Label("vector")
	for x := range r { // column x: taps y*r+x to tmp[y'*r+x]
		if x > 0 {
			k.Add(src, tap)
		}
		k.Move(s, src)
		for y := range r {
			k.Load(one(g[y]), vasm.At(s, 0))
			if y < r-1 {
				for range r {
					k.Add(s, tap)
				}
			}
		}
		transform(func(i int, v vasm.V) { k.Store(one(v), vasm.At(tmp, 64*(i*r+x))) })
	}
	for range r - 1 {
		k.Sub(src, tap)
	}
	k.Move(s, dst)
	for y := range 6 {
		for x := range r {
			k.Load(one(g[x]), vasm.At(tmp, 64*(y*r+x)))
		}
		transform(func(i int, v vasm.V) { k.Store(one(v), to.At(s, i, 0)) })
		if y < 5 {
			k.Add(s, pos6)
		}
	}
	k.AddInt(src, 64/k.Tier.Per)
	k.AddInt(dst, 64/k.Tier.Per)
	k.Repeat(n, 1, "vector")
	k.Return()
}
