package main

import "github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"

// The transforms of F(4x4, 3x3) on bytes. Frequency (i, j), i down and j to the right, has the number
// 6j + i. Each transform works along one direction, keeps what it has in the memory at temp, and
// works along the other.

// wino4In are the sums BT x of six numbers of 16 bits, with
//
//	BT = (4 0 -5 0 1 0; 0 -4 -4 1 1 0; 0 4 -4 -1 1 0; 0 -2 -1 2 1 0; 0 2 -1 -2 1 0; 0 4 0 -5 0 1)
//
// It overwrites x, and takes four registers more. store gets them one by one.
func wino4In(k *vasm.Func, x []vasm.V, store func(i int, v vasm.V)) {
	k.Scope(func() {
		a, b, c, d := k.V(), k.V(), k.V(), k.V()
		k.SubWords(a, x[4], x[2])
		k.SubWords(b, x[3], x[1])
		k.SubWords(x[0], x[0], x[2])
		k.ShiftWords(x[0], x[0], 2)
		k.AddWords(x[0], x[0], a)
		store(0, x[0]) // 4(x0-x2) + x4-x2
		k.ShiftWords(c, x[2], 2)
		k.SubWords(c, x[4], c)
		k.ShiftWords(d, x[1], 2)
		k.SubWords(d, x[3], d)
		k.AddWords(x[0], c, d)
		store(1, x[0])
		k.SubWords(c, c, d)
		store(2, c)
		k.AddWords(b, b, b)
		k.AddWords(c, a, b)
		store(3, c)
		k.SubWords(a, a, b)
		store(4, a)
		k.AddWords(b, b, b)
		k.SubWords(x[5], x[5], x[3])
		k.SubWords(x[5], x[5], b)
		store(5, x[5]) // x5-x3 - 4(x3-x1)
	})
}

// int8Wino4In transforms n tiles of a block of 16 channels, four pixels apart: of each the pixels d of
// 6x6, V = BT d B.
func int8Wino4In(k *vasm.Func) {
	t := k.Arg("t")
	temp, step := k.NewInt(winoField(t, "temp")), k.NewInt(winoField(t, "vf"))
	right, row, tile, out := k.Reg(), k.Reg(), k.NewInt(winoField(t, "v")), k.Reg()
	k.Set(right, 0)
	x := k.Vs(6)
	k.Label("tile")
	for r := range 6 {
		k.LoadInt(row, winoField(t, "rows").Plus(8*r))
		k.Add(row, right)
		for i, v := range x {
			k.BytesToWords(v, vasm.At(row, 16*i), false)
		}
		wino4In(k, x, func(j int, v vasm.V) { k.Store([]vasm.V{v}, vasm.At(temp, 32*(6*j+r))) })
	}
	k.Move(out, tile)
	for j := range 6 {
		k.Load(x, vasm.At(temp, 32*6*j))
		wino4In(k, x, func(i int, v vasm.V) {
			k.Store([]vasm.V{v}, vasm.At(out, 0))
			k.Add(out, step)
		})
	}
	k.AddInt(right, 64)
	k.AddMem(tile, winoField(t, "vt"))
	k.RepeatMem(winoField(t, "n"), "tile")
	k.Return()
}

// wino4Weights are the sums G x of three numbers of 16 bits, with
//
//	G = (6 0 0; 1 1 1; 1 -1 1; 1 2 4; 1 -2 4; 0 0 6)
//
// whose rows are 24, -6, -6, 24, 24 and 6 times those of Lavin 2015. It takes three registers more, and
// store gets the sums one by one.
func wino4Weights(k *vasm.Func, x []vasm.V, store func(i int, v vasm.V)) {
	k.Scope(func() {
		a, b, c := k.V(), k.V(), k.V()
		six := func(i int, v vasm.V) {
			k.AddWords(a, v, v)
			k.ShiftWords(b, v, 2)
			k.AddWords(a, a, b)
			store(i, a)
		}
		six(0, x[0])
		k.AddWords(a, x[0], x[2])
		k.AddWords(b, a, x[1])
		store(1, b)
		k.SubWords(b, a, x[1])
		store(2, b)
		k.ShiftWords(a, x[2], 2)
		k.AddWords(a, a, x[0])
		k.AddWords(c, x[1], x[1])
		k.AddWords(b, a, c)
		store(3, b)
		k.SubWords(b, a, c)
		store(4, b)
		six(5, x[2])
	})
}

// int8Wino4Weights transforms n times four input channels of 16 output channels: of each the weights g
// of 3x3, U = G g GT. The order becomes [frequency][two input channels][16 output channels][2 input
// channels].
func int8Wino4Weights(k *vasm.Func) {
	t := k.Arg("t")
	temp, step := k.NewInt(winoField(t, "temp")), k.NewInt(winoField(t, "uf"))
	var rows [3]vasm.Reg
	rows[0] = k.NewInt(winoField(t, "w"))
	next, tap, u, out := k.NewInt(winoField(t, "ws")), k.NewInt(winoField(t, "ws")), k.NewInt(winoField(t, "u")), k.Reg()
	k.ShiftLeft(tap, 2)
	taps := k.Multiples(tap, 2)
	for r := 1; r < 3; r++ {
		rows[r] = k.Reg()
		k.AddScaled(rows[r], rows[r-1], tap, 2)
		k.Add(rows[r], tap)
	}
	x, odd := k.Vs(3), k.Vs(3)
	k.Label("channels")
	for half := range 2 { // of the output channels
		for r := range rows {
			for c := range 3 {
				k.EvenOddWords(x[c], odd[c], taps.At(rows[r], c, 32*half))
			}
			for pair, w := range [2][]vasm.V{x, odd} {
				wino4Weights(k, w, func(j int, v vasm.V) { k.Store([]vasm.V{v}, vasm.At(temp, 32*(18*pair+3*j+r))) })
			}
		}
		for pair := range 2 {
			k.Lea(out, u, 32*half+64*pair)
			for j := range 6 {
				k.Load(x, vasm.At(temp, 32*(18*pair+3*j)))
				wino4Weights(k, x, func(i int, v vasm.V) {
					k.Store([]vasm.V{v}, vasm.At(out, 0))
					k.Add(out, step)
				})
			}
		}
	}
	for _, r := range rows {
		k.Add(r, next)
	}
	k.AddInt(u, 128)
	k.RepeatMem(winoField(t, "n"), "channels")
	k.Return()
}

// wino4Out are the sums AT x of six integers of 32 bits, with
//
//	AT = (1 -4 -4 1 1 0; 0 -4 4 2 -2 0; 0 -4 -4 4 4 0; 0 -4 4 8 -8 4)
//
// of which the last three rows are divided by 2, 4 and 4. With the G of wino4Weights a sum is then 24,
// 12, 6 and 6 times that of Lavin 2015. It overwrites x and the registers s and p, and returns four of
// them.
func wino4Out(k *vasm.Func, x []vasm.V, s, p vasm.V) [4]vasm.V {
	shift := func(v vasm.V, n int) { k.ShiftInts(vasm.Left, vasm.Block{v}, vasm.Block{v}, n) }
	k.AddIntsV(s, x[1], x[2])
	k.SubIntsV(x[1], x[1], x[2]) // d
	k.AddIntsV(p, x[3], x[4])
	k.SubIntsV(x[3], x[3], x[4]) // q
	k.AddIntsV(x[0], x[0], p)
	k.SubIntsV(p, p, s) // third
	shift(s, 2)
	k.SubIntsV(x[0], x[0], s) // first
	k.SubIntsV(x[5], x[5], x[1])
	shift(x[1], 1)
	k.SubIntsV(x[1], x[3], x[1]) // second
	shift(x[3], 1)
	k.AddIntsV(x[5], x[5], x[3]) // fourth
	return [4]vasm.V{x[0], x[1], p, x[5]}
}

// ninth is the inverse of 9 modulo 2^32.
const ninth = 954437177

// int8Wino4Out makes the 4x4 outputs of n tiles, side by side: of the products M of a tile
// Y = AT M A / 576, and of these what int8Tile makes of sums. The division by 9 is a multiplication by
// its inverse, that by 64 a shift, less what wino4Out divides by.
func int8Wino4Out(k *vasm.Func) {
	t := k.Arg("t")
	temp, step, m := k.NewInt(winoField(t, "temp")), k.NewInt(winoField(t, "mf")), k.NewInt(winoField(t, "m"))
	right, in, out, line, p := k.NewInt(winoField(t, "right")), k.Reg(), k.NewInt(winoField(t, "out")), k.Reg(), k.Reg()
	places := k.Multiples(right, 3)
	k.Label("tile")
	k.Scope(func() {
		x, s, q := k.Vs(6), k.V(), k.V()
		for half := range 2 {
			k.Lea(in, m, 32*half)
			for j := range 6 {
				for _, v := range x {
					k.Load([]vasm.V{v}, vasm.At(in, 0))
					k.Add(in, step)
				}
				for y, v := range wino4Out(k, x, s, q) {
					k.Store([]vasm.V{v}, vasm.At(temp, 32*(24*half+6*y+j)))
				}
			}
		}
	})
	k.Move(line, out)
	for y := range 4 {
		k.Scope(func() {
			pixels := make([][]vasm.V, 4)
			for half := range 2 {
				x, s, q := k.Vs(6), k.V(), k.V()
				k.Load(x, vasm.At(temp, 32*(24*half+6*y)))
				for i, v := range wino4Out(k, x, s, q) {
					pixels[i] = append(pixels[i], v)
				}
				k.Release(x[2], x[3], x[4], s)
			}
			wino4Finish(k, t, p, y, pixels)
			label := [...]string{"0", "1", "2", "3"}[y]
			k.LoadInt(p, winoField(t, "real"))
			k.IfNotZero(p, "real"+label)
			zero := k.V()
			k.Broadcast(zero, winoField(t, "zero"))
			for i, x := range pixels {
				k.FloatsToInts(x)
				k.AddInts(x, zero)
				k.StoreBytes(x, places.At(line, i, 0))
			}
			k.Jump("row" + label)
			k.Label("real" + label)
			for i, x := range pixels {
				for h, v := range x {
					k.Store([]vasm.V{v}, places.At(line, i, 32*h))
				}
			}
			k.Label("row" + label)
		})
		k.AddMem(line, winoField(t, "down"))
	}
	k.AddScaled(out, out, right, 4)
	k.AddInt(m, 64)
	k.RepeatMem(winoField(t, "n"), "tile")
	k.Return()
}

// wino4Finish divides what wino4Out made of row y, adds the bias, multiplies with the scale, and limits.
func wino4Finish(k *vasm.Func, t, p vasm.Reg, y int, pixels [][]vasm.V) {
	logs := [4]int{0, 1, 2, 2}
	k.Scope(func() {
		c, low, high := k.Vs(2), k.V(), k.V()
		k.FillBits(vasm.Block{low}, ninth)
		k.LoadInt(p, winoField(t, "bias"))
		k.Load(c, vasm.At(p, 0))
		for i, x := range pixels {
			for h, v := range x {
				k.MulIntsV(v, v, low)
				k.ShiftInts(vasm.RightSigned, vasm.Block{v}, vasm.Block{v}, 6-logs[y]-logs[i])
				k.AddIntsV(v, v, c[h])
			}
			k.IntsToFloats(x)
		}
		winoLimit(k, t, p, c, low, high, pixels)
	})
}
