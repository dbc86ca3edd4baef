package main

import "github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"

// bwdRowChannels is how many input channels bwdRow takes at once.
var bwdRowChannels = map[*vasm.Tier]int{vasm.AVX512: 8, vasm.AVX2: 4, vasm.NEON: 8}

// bwdRows are the gradients of the weights of three columns side by side, of one
// register of output channels (with AVX2 half a block, with NEON a quarter: the caller comes again
// for the others): a number of the input is loaded once for all three.
func bwdRows(f *vasm.File, t *vasm.Tier) {
	f.Func(t, "bwdRow"+t.Suffix, "x *float32, xrow int, dy *float32, dyrow int, rows int, cols int, acc *float32", bwdRow)
	f.Func(t, "bwdPlane"+t.Suffix, "x *float32, tap int, xrow int, dy *float32, dyrow int, rows int, cols int, acc *float32", bwdPlane)
}

// dyAhead is how far ahead of its use bwdPlane asks for a line of dy.
const dyAhead = 1024

// bwdPlane is acc[kh][t] += x[row*s+kh][col+t] * dy[row][col] over rows and columns
// (2 at least), for the 3 x 3 taps (kh, t) of a channel whose pixels lie side by side. All
// of dy is read once, and comes from far away. Steps are in bytes: from a row of taps, of the input
// and of dy to the next.
func bwdPlane(k *vasm.Func) {
	x, tap, xrow, dy, dyrow, rows, cols := k.Arg("x"), k.Arg("tap"), k.Arg("xrow"), k.Arg("dy"), k.Arg("dyrow"), k.Arg("rows"), k.Arg("cols")
	sums, px, pd, n := k.Arg("acc"), k.Reg(), k.Reg(), k.Reg()
	k.AddInt(cols, -2)
	below := k.Multiples(tap, 2)
	acc, d := k.Vs(9), k.Vs(3)
	k.Temps(3)
	for i := range acc {
		k.Load(acc[i:i+1], vasm.At(sums, 64*i))
	}
	// column is one of x, u columns further, with the dy for whose taps it is: d[t] is that
	// of tap t.
	column := func(u int, d []vasm.V, taps ...int) {
		for kh := range 3 {
			var to, from []vasm.V
			for _, t := range taps {
				to, from = append(to, acc[3*kh+t]), append(from, d[t])
			}
			k.MultiplyAddMem(to, from, below.At(px, kh, 4*u))
		}
	}
	next := func(u int, v vasm.V) {
		k.Load(one(v), vasm.At(pd, 64*u))
		k.Prefetch(1, vasm.At(pd, 64*u+dyAhead))
	}
	move := func(n int) {
		k.AddInt(px, 4*n)
		k.AddInt(pd, 64*n)
	}
	shift := func() {
		k.Copy(d[2:], d[1:2])
		k.Copy(d[1:2], d[:1])
	}
	k.Label("row")
	k.Move(px, x)
	k.Move(pd, dy)
	next(0, d[1])
	column(0, d[1:2], 0)
	next(1, d[0])
	column(1, d, 0, 1)
	move(2)
	k.Move(n, cols)
	k.SubIfLess(n, 3, "rest")
	k.Label("three") // after three columns every one is in its register again
	for u := range 3 {
		now := []vasm.V{d[(5-u)%3], d[(3-u)%3], d[(4-u)%3]}
		next(u, now[0])
		column(u, now, 0, 1, 2)
	}
	move(3)
	k.SubIfAtLeast(n, 3, "three")
	k.Label("rest")
	k.AddInt(n, 3)
	k.IfZero(n, "end")
	k.Label("col")
	shift()
	next(0, d[0])
	column(0, d, 0, 1, 2)
	move(1)
	k.Repeat(n, 1, "col")
	k.Label("end")
	shift()
	column(0, d, 1, 2)
	k.Copy(d[2:], d[1:2])
	column(1, d, 2)
	k.Add(x, xrow)
	k.Add(dy, dyrow)
	k.Repeat(rows, 1, "row")
	for i := range acc {
		k.Store(acc[i:i+1], vasm.At(sums, 64*i))
	}
	k.Return()
}

// bwdRow is acc[i][t] += x[row][col+t][i] * dy[row][col] over rows and columns (2
// at least), for some channels i of the input and the taps t = 0..2.
func bwdRow(k *vasm.Func) {
	ics := bwdRowChannels[k.Tier]
	x, xrow, dy, dyrow, rows, cols := k.Arg("x"), k.Arg("xrow"), k.Arg("dy"), k.Arg("dyrow"), k.Arg("rows"), k.Arg("cols")
	sums, px, pd, n := k.Arg("acc"), k.Reg(), k.Reg(), k.Reg()
	k.AddInt(cols, -2)
	acc, d := k.Vs(3*ics), k.Vs(3)
	k.Temps(4)
	// Sums lie as packed weights do: taps of 16 input channels of 16 output channels.
	place := func(i, t int) vasm.Addr { return vasm.At(sums, 64*(16*t+i)) }
	for i := range acc {
		k.Load(acc[i:i+1], place(i/3, i%3))
	}
	// column is one of x, with the dy for whose taps it is; d[t] is that of tap t.
	column := func(taps ...int) {
		for i := range ics {
			var to, from []vasm.V
			for _, t := range taps {
				to, from = append(to, acc[3*i+t]), append(from, d[t])
			}
			k.MultiplyAddMem(to, from, vasm.At(px, 4*i))
		}
		k.AddInt(px, 64)
	}
	next := func() {
		k.Load(d[:1], vasm.At(pd, 0))
		k.AddInt(pd, 64)
	}
	shift := func(from int) {
		for t := 2; t > from; t-- {
			k.Copy(d[t:t+1], d[t-1:t])
		}
	}
	k.Label("row")
	k.Move(px, x)
	k.Move(pd, dy)
	next()
	column(0)
	k.Copy(d[1:2], d[:1])
	next()
	column(0, 1)
	k.Move(n, cols)
	k.IfZero(n, "end")
	k.Label("col")
	shift(0)
	next()
	column(0, 1, 2)
	k.Repeat(n, 1, "col")
	k.Label("end")
	shift(0)
	column(1, 2)
	shift(1)
	column(2)
	k.Add(x, xrow)
	k.Add(dy, dyrow)
	k.Repeat(rows, 1, "row")
	for i := range acc {
		k.Store(acc[i:i+1], place(i/3, i%3))
	}
	k.Return()
}
