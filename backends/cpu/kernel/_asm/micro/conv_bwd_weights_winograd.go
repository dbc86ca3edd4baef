package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// winoBackwards are what the gradient with respect to the weights takes: the transforms of
// the input and of dY to two rows of positions at a time (0 and 5, 1 and 2, 3 and 4, a pair of
// whose results have most of their operations in common), so that what comes of several tiles
// stays in the first cache; the products summed over tiles; and the adjoint of the weight
// transform for their sums.
func winoBackwards(f *vasm.File, t *vasm.Tier) {
	for pair := range 3 {
		f.Func(t, fmt.Sprintf("winoBwdX%sp%d", t.Suffix, pair), "src *float32, row int, dst *float32, pos int, n int, step int",
			func(k *vasm.Func) { winoBwdX(k, pair) })
	}
	for _, m := range []int{4, 2} {
		for pair := range 3 {
			f.Func(t, fmt.Sprintf("winoBwdDY%sm%dp%d", t.Suffix, m, pair), "src *float32, row int, dst *float32, pos int, n int",
				func(k *vasm.Func) { winoBwdDY(k, m, pair) })
		}
	}
	for _, r := range []int{3, 5} {
		f.Func(t, fmt.Sprintf("winoBwdOut%sr%d", t.Suffix, r), "src *float32, pos int, dst *float32, tap int, n int, tmp *float32",
			func(k *vasm.Func) { winoBwdOut(k, r) })
	}
	for blocks := 1; blocks <= winoBwdBlocks[t]; blocks++ {
		f.Func(t, fmt.Sprintf("winoBwdSum%so%d", t.Suffix, blocks), "t *byte", func(k *vasm.Func) { winoBwdSum(k, blocks) })
	}
}

// winoBwdBlocks are the output blocks whose products a call sums at once, at most.
var winoBwdBlocks = map[*vasm.Tier]int{vasm.AVX512: 2, vasm.AVX2: 1, vasm.NEON: 1}

// winoBwdX transforms n tiles of 6x6 pixels x 16 channels to a pair of rows of positions, as
// winoIn does, but first the columns and then the rows. row, pos and step are bytes: from a row
// to the next, from a position of the result to the next, from a tile to the next.
func winoBwdX(k *vasm.Func, pair int) {
	src, row, dst, pos := k.Arg("src"), k.Arg("row"), k.Arg("dst"), k.Arg("pos")
	n, step, d, part := k.Arg("n"), k.Arg("step"), k.Reg(), k.Reg()
	rows, positions := k.Multiples(row, 5), k.Multiples(pos, 5)
	k.AddInt(step, -64)
	four := k.Constant(4)
	a, b, f, g, t := k.Vs(6), k.Vs(6), k.V(), k.V(), k.V()
	k.Label("tile")
	k.Parts(part, "part", []vasm.Reg{src, dst}, func() {
		for x := range 6 {
			in := func(v vasm.V, y int) { k.Load(one(v), rows.At(src, y, 64*x)) }
			switch pair {
			case 0: // 4(x0-x2) + (x4-x2) and (x5-x3) - 4(x3-x1)
				in(t, 2)
				in(a[x], 4)
				k.SubV(a[x], a[x], t)
				in(f, 0)
				k.SubV(f, f, t)
				k.FMA(a[x], f, four)
				in(t, 3)
				in(g, 1)
				k.SubV(g, t, g)
				in(b[x], 5)
				k.SubV(b[x], b[x], t)
				k.FNMA(b[x], g, four)
				continue
			case 1: // (x4-4x2) and (x3-4x1), their sum and difference
				in(f, 4)
				in(t, 2)
				k.FNMA(f, t, four)
				in(g, 3)
				in(t, 1)
				k.FNMA(g, t, four)
			case 2: // (x4-x2) and 2(x3-x1)
				in(f, 4)
				in(t, 2)
				k.SubV(f, f, t)
				in(g, 3)
				in(t, 1)
				k.SubV(g, g, t)
				k.AddV(g, g, g)
			}
			k.AddV(a[x], f, g)
			k.SubV(b[x], f, g)
		}
		k.Move(d, dst)
		for i, set := range [][]vasm.V{a, b} {
			for x, v := range winoIn1(k, set, f, g, four) {
				k.Store(one(v), positions.At(d, x, 0))
			}
			if i == 0 {
				positions.Add6(d)
			}
		}
	})
	k.Add(src, step)
	k.Repeat(n, 1, "tile")
	k.Return()
}

// winoBwdDY transforms n tiles of m x m pixels x 16 channels of dY, which lie side by side, to a
// pair of rows of positions: first the columns, then the rows. row and pos are bytes: from a row
// to the next, from a position of the result to the next.
//
//	m = 4:  e = y0+y2  o = y1+y3  f = y0+4y2  p = y1+4y3
//	m = 2:  e = f = y0  o = p = y1
//	u0 = y0  u1 = e+o  u2 = e-o  u3 = f+2p  u4 = f-2p  u5 = the last y
func winoBwdDY(k *vasm.Func, m, pair int) {
	src, row, dst, pos, n := k.Arg("src"), k.Arg("row"), k.Arg("dst"), k.Arg("pos"), k.Arg("n")
	d, part := k.Reg(), k.Reg()
	rows, positions := k.Multiples(row, m-1), k.Multiples(pos, 5)
	two, four := k.Constant(2), k.Constant(4)
	sets, e, o, plus, minus := [2][]vasm.V{k.Vs(m), k.Vs(m)}, k.V(), k.V(), k.V(), k.V()
	k.Temps(1)
	// both leaves the sum of e and o, or of e and 2o, and their difference.
	both := func(plus, minus, e, o vasm.V, times bool) {
		if !times {
			k.SubV(minus, e, o)
			k.AddV(plus, e, o)
			return
		}
		k.Copy(one(minus), one(e))
		k.FNMA(minus, o, two)
		k.Copy(one(plus), one(e))
		k.FMA(plus, o, two)
	}
	k.Label("tile")
	k.Parts(part, "part", []vasm.Reg{src, dst}, func() {
		for x := range m {
			at := func(y int) vasm.Addr { return rows.At(src, y, 64*x) }
			if pair == 0 {
				k.Load(one(sets[0][x]), at(0))
				k.Load(one(sets[1][x]), at(m-1))
				continue
			}
			k.Load(one(e), at(0))
			k.Load(one(o), at(1))
			switch {
			case m == 2:
			case pair == 2:
				k.FMAMem(e, four, at(2))
				k.FMAMem(o, four, at(3))
			default:
				k.Do(vasm.Add, one(e), one(e), at(2))
				k.Do(vasm.Add, one(o), one(o), at(3))
			}
			both(sets[0][x], sets[1][x], e, o, pair == 2)
		}
		k.Move(d, dst)
		for i, y := range sets {
			store := func(i int, v vasm.V) { k.Store(one(v), positions.At(d, i, 0)) }
			store(0, y[0])
			store(5, y[m-1])
			for _, times := range []bool{false, true} {
				p, q, at := y[0], y[1], 1
				if times {
					at = 3
				}
				if m == 4 {
					p, q = e, o
					if times {
						k.Copy(one(e), one(y[0]))
						k.Copy(one(o), one(y[1]))
						k.FMA(e, y[2], four)
						k.FMA(o, y[3], four)
					} else {
						k.AddV(e, y[0], y[2])
						k.AddV(o, y[1], y[3])
					}
				}
				both(plus, minus, p, q, times)
				store(at, plus)
				store(at+1, minus)
			}
			if i == 0 {
				positions.Add6(d)
			}
		}
	})
	k.AddInt(src, 64*(m-1))
	k.Repeat(n, 1, "tile")
	k.Return()
}

// winoBwdOut transforms n registers of sums at 36 positions, whose rows lie in the order of pairs,
// to r x r taps: first the rows, by way of tmp (6r blocks), then the columns. pos and tap are bytes:
// from a position of the sums to the next, from a tap of the result to the next.
//
//	s = m1+m2  d = m1-m2  u = m3+m4  v = m3-m4
//	a = -s/6   b = -d/6
//	g0 = (m0/4+a) + u/24  g1 = b + v/12  g2 = a + u/6
//	r = 3: g2 += m5        r = 5: g3 = b + v/3  g4 = (m5+a) + 2u/3
func winoBwdOut(k *vasm.Func, r int) {
	src, pos, dst, tap, n, tmp := k.Arg("src"), k.Arg("pos"), k.Arg("dst"), k.Arg("tap"), k.Arg("n"), k.Arg("tmp")
	s, row := k.Reg(), k.Reg()
	positions := k.Multiples(pos, 5)
	k.AddScaled(row, tap, tap, r-1) // from a row of taps to the next
	taps := k.Multiples(row, r-1)
	m, a, b, t := k.Vs(6), k.V(), k.V(), k.V()
	c := map[string]vasm.V{}
	for _, x := range []struct {
		name string
		c    float32
	}{{"1/4", 1.0 / 4}, {"1/6", 1.0 / 6}, {"-1/6", -1.0 / 6}, {"1/24", 1.0 / 24}, {"1/12", 1.0 / 12}, {"1/3", 1.0 / 3}, {"2/3", 2.0 / 3}} {
		if r == 5 || x.c <= 1.0/4 {
			c[x.name] = k.Constant(x.c)
		}
	}
	// transform consumes m; store takes the results.
	transform := func(store func(i int, v vasm.V)) {
		k.AddV(a, m[1], m[2])
		k.SubV(b, m[1], m[2])
		k.AddV(m[1], m[3], m[4]) // u
		k.SubV(m[2], m[3], m[4]) // v
		k.MulV(a, a, c["-1/6"])
		k.MulV(b, b, c["-1/6"])
		k.Copy(one(t), one(a))
		k.FMA(t, m[0], c["1/4"])
		k.FMA(t, m[1], c["1/24"])
		store(0, t)
		if r == 5 {
			k.AddV(m[5], m[5], a)
			k.FMA(m[5], m[1], c["2/3"])
			store(4, m[5])
			k.Copy(one(t), one(b))
			k.FMA(t, m[2], c["1/3"])
			store(3, t)
		}
		k.FMA(b, m[2], c["1/12"])
		store(1, b)
		k.FMA(a, m[1], c["1/6"])
		if r == 3 {
			k.AddV(a, a, m[5])
		}
		store(2, a)
	}
	k.Label("vector")
	k.Move(s, src)
	for i, y := range []int{0, 5, 1, 2, 3, 4} {
		if i > 0 {
			positions.Add6(s)
		}
		for i, v := range m {
			k.Load(one(v), positions.At(s, i, 0))
		}
		transform(func(i int, v vasm.V) { k.Store(one(v), vasm.At(tmp, 64*(y*r+i))) })
	}
	k.Move(s, dst)
	for i := range r {
		for y, v := range m {
			k.Load(one(v), vasm.At(tmp, 64*(y*r+i)))
		}
		transform(func(y int, v vasm.V) { k.Store(one(v), taps.At(s, y, 0)) })
		if i < r-1 {
			k.Add(s, tap)
		}
	}
	k.AddInt(src, 64/k.Tier.Per)
	k.AddInt(dst, 64/k.Tier.Per)
	k.Repeat(n, 1, "vector")
	k.Return()
}

// winoBwdSum adds the products of tiles of 16 channels of the input and blocks of dY, one sum of n
// after another:
//
//	sum[i][o] += sum over tiles of x[tile][i] * dy[tile][o]
//
// It keeps as many rows i of the sum at once as make 16 registers (AVX2: 8), and begins with zeros
// if begin is set. It asks for a cache line from ask on for each tile of each sum: what comes from
// farther than the second cache comes in time only if it is asked for evenly while something is
// computed.
func winoBwdSum(k *vasm.Func, blocks int) {
	t := k.Arg("t")
	field := func(name string) vasm.Addr { return vasm.Field(t, "winoSums_"+name) }
	x, dy, sum := k.NewInt(field("x")), k.NewInt(field("dy")), k.NewInt(field("sum"))
	n, row, ask := k.NewInt(field("n")), k.NewInt(field("row")), k.NewInt(field("ask"))
	tiles, xs, ds, at, next := k.Reg(), k.Reg(), k.Reg(), k.Reg(), k.Reg()
	var ds2 vasm.Reg
	if blocks == 2 {
		ds2 = k.Reg()
	}
	registers, vectors := 16, blocks*k.Tier.Per // vectors of a row
	if k.Tier == vasm.AVX2 {
		registers = 8
	}
	rows := registers / vectors
	acc, d := k.Vs(registers), k.Vs(vectors)
	k.Temps(4)
	// place visits the rows in memory, and leaves at at the last.
	place := func(visit func(v []vasm.V, a vasm.Addr)) {
		for i := range rows {
			visit(acc[i*vectors:(i+1)*vectors], vasm.At(at, 0))
			if i < rows-1 {
				k.Add(at, row)
			}
		}
	}
	k.Label("sum")
	k.Move(next, sum)
	for g := 0; g < 16; g += rows {
		label := func(s string) string { return fmt.Sprintf("%s%d", s, g) }
		k.LoadInt(at, field("begin"))
		k.IfZero(at, label("load"))
		k.Zero(acc...)
		k.Jump(label("tiles"))
		k.Label(label("load"))
		k.Move(at, next)
		place(k.Load)
		k.Label(label("tiles"))
		k.Lea(xs, x, 4*g)
		k.Move(ds, dy)
		if blocks == 2 {
			k.LoadInt(ds2, field("block"))
			k.Add(ds2, dy)
		}
		k.LoadInt(tiles, field("tiles"))
		k.Label(label("tile"))
		k.Load(d[:k.Tier.Per], vasm.At(ds, 0))
		if blocks == 2 {
			k.Load(d[k.Tier.Per:], vasm.At(ds2, 0))
		}
		for i := range rows {
			k.MultiplyAddBroadcast(acc[i*vectors:(i+1)*vectors], d, vasm.At(xs, 4*i))
		}
		if g == 0 {
			k.Prefetch(2, vasm.At(ask, 0))
			k.AddInt(ask, 64)
		}
		k.Skip(1, xs, ds)
		if blocks == 2 {
			k.Skip(1, ds2)
		}
		k.Repeat(tiles, 1, label("tile"))
		k.Move(at, next)
		place(k.Store)
		k.AddScaled(next, at, row, 1)
	}
	k.AddMem(x, field("xnext"))
	k.AddMem(dy, field("dynext"))
	k.AddMem(sum, field("next"))
	k.Repeat(n, 1, "sum")
	k.Return()
}
