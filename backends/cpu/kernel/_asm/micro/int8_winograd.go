package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// int8WinogradTiles is how many tiles a call of the product computes at most.
const int8WinogradTiles = 6

// int8Winograds are the microkernels of Winograd's convolutions F(2x2, 3x3) and F(4x4, 3x3) of bytes,
// for AVX2, where products of 16 bits are as fast as those of bytes. A frequency (i, j) of the first has
// the number 4i + j; the second is in int8_winograd4.go, but for the products, which are the same.
func int8Winograds(f *vasm.File, t *vasm.Tier) {
	if t != vasm.AVX2 {
		return
	}
	f.Func(t, "int8WinoIn"+t.Suffix, "t *byte", int8WinoIn)
	f.Func(t, "int8WinoWeights"+t.Suffix, "t *byte", int8WinoWeights)
	for p := 1; p <= int8WinogradTiles; p++ {
		f.Func(t, fmt.Sprintf("int8WinoProduct%sp%d", t.Suffix, p), "t *byte", func(k *vasm.Func) { int8WinoProduct(k, p) })
	}
	f.Func(t, "int8WinoOut"+t.Suffix, "t *byte", int8WinoOut)
	f.Func(t, "int8Wino4In"+t.Suffix, "t *byte", int8Wino4In)
	f.Func(t, "int8Wino4Weights"+t.Suffix, "t *byte", int8Wino4Weights)
	f.Func(t, "int8Wino4Out"+t.Suffix, "t *byte", int8Wino4Out)
}

// winoField is a field of the argument block.
func winoField(t vasm.Reg, name string) vasm.Addr { return vasm.Field(t, "int8Winograd_"+name) }

// frequencies are the places of 16 arrays, one for each frequency, a step apart.
type frequencies struct {
	k    *vasm.Func
	row  [4]vasm.Reg
	step vasm.Multiples
}

func newFrequencies(k *vasm.Func, first, step vasm.Addr) *frequencies {
	f := &frequencies{k: k, step: k.Multiples(k.NewInt(step), 3)}
	f.row[0] = k.NewInt(first)
	s := k.NewInt(step)
	for i := 1; i < 4; i++ {
		f.row[i] = k.Reg()
		k.AddScaled(f.row[i], f.row[i-1], s, 4)
	}
	return f
}

func (f *frequencies) at(i, j, disp int) vasm.Addr { return f.step.At(f.row[i], j, disp) }

func (f *frequencies) advance(n int) {
	for _, r := range f.row {
		f.k.AddInt(r, n)
	}
}

// int8WinoIn transforms n tiles of a block of 16 channels, two pixels apart: of each the pixels d of
// 4x4, V = BT d B, with BT = (1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1).
func int8WinoIn(k *vasm.Func) {
	t := k.Arg("t")
	var rows [4]vasm.Reg
	for r := range rows {
		rows[r] = k.NewInt(winoField(t, "rows").Plus(8 * r))
	}
	out := newFrequencies(k, winoField(t, "v"), winoField(t, "vf"))
	h := k.Vs(4)
	x, y := k.V(), k.V()
	k.Label("tile")
	for j := range 4 {
		for r := range rows {
			at := [4]vasm.Addr{vasm.At(rows[r], 0), vasm.At(rows[r], 16), vasm.At(rows[r], 32), vasm.At(rows[r], 48)}
			lines := [4][2]int{{0, 2}, {1, 2}, {2, 1}, {1, 3}}[j]
			k.BytesToWords(x, at[lines[0]], false)
			k.BytesToWords(y, at[lines[1]], false)
			if j == 1 {
				k.AddWords(h[r], x, y)
			} else {
				k.SubWords(h[r], x, y)
			}
		}
		for i := range 4 {
			switch i {
			case 0:
				k.SubWords(x, h[0], h[2])
			case 1:
				k.AddWords(x, h[1], h[2])
			case 2:
				k.SubWords(x, h[2], h[1])
			case 3:
				k.SubWords(x, h[1], h[3])
			}
			k.Store([]vasm.V{x}, out.at(i, j, 0))
		}
	}
	for _, r := range rows {
		k.AddInt(r, 32)
	}
	for _, r := range out.row {
		k.AddMem(r, winoField(t, "vt"))
	}
	k.RepeatMem(winoField(t, "n"), "tile")
	k.Return()
}

// int8WinoWeights transforms n times four input channels of 16 output channels: of each the weights g
// of 3x3, U = G g GT, with G = (2 0 0; 1 1 1; 1 -1 1; 0 0 2), which is twice that of Lavin 2015. The
// order becomes [frequency][two input channels][16 output channels][2 input channels].
func int8WinoWeights(k *vasm.Func) {
	t := k.Arg("t")
	var rows [3]vasm.Reg
	rows[0] = k.NewInt(winoField(t, "w"))
	step, tap := k.NewInt(winoField(t, "ws")), k.NewInt(winoField(t, "ws"))
	k.ShiftLeft(tap, 2)
	taps := k.Multiples(tap, 2)
	for r := 1; r < 3; r++ {
		rows[r] = k.Reg()
		k.AddScaled(rows[r], rows[r-1], tap, 2)
		k.Add(rows[r], tap)
	}
	out := newFrequencies(k, winoField(t, "u"), winoField(t, "uf"))
	parts := [2][]vasm.V{k.Vs(4), k.Vs(4)} // frequencies of a column, of output channels 0..3 and 4..7
	h := k.Vs(3)
	x := k.V()
	k.Label("channels")
	for half := range 2 {
		for j := range 4 {
			for part, u := range parts {
				for r := range rows {
					load := func(d vasm.V, c int) { k.BytesToWords(d, taps.At(rows[r], c, 32*half+16*part), true) }
					winoTwice(k, h[r], x, j, load)
				}
				k.AddWords(u[0], h[0], h[0])
				k.AddWords(u[3], h[2], h[2])
				k.AddWords(x, h[0], h[2])
				k.AddWords(u[1], x, h[1])
				k.SubWords(u[2], x, h[1])
			}
			for i := range 4 {
				k.EvenInts(x, parts[0][i], parts[1][i])
				k.Store([]vasm.V{x}, out.at(i, j, 32*half))
				k.OddInts(x, parts[0][i], parts[1][i])
				k.Store([]vasm.V{x}, out.at(i, j, 32*half+64))
			}
		}
	}
	for _, r := range rows {
		k.Add(r, step)
	}
	out.advance(128)
	k.RepeatMem(winoField(t, "n"), "channels")
	k.Return()
}

// winoTwice is row j of G times three weights.
func winoTwice(k *vasm.Func, d, x vasm.V, j int, load func(d vasm.V, c int)) {
	switch j {
	case 0, 3:
		load(x, j/3*2)
		k.AddWords(d, x, x)
		return
	}
	load(d, 0)
	load(x, 2)
	k.AddWords(d, d, x)
	load(x, 1)
	if j == 1 {
		k.AddWords(d, d, x)
	} else {
		k.SubWords(d, d, x)
	}
}

// int8WinoProduct multiplies, for a frequency, the input channels of p tiles with the weights of 16
// output channels: n times eight channels. They are added to those of other channels at m, with more.
func int8WinoProduct(k *vasm.Func, p int) {
	t := k.Arg("t")
	v, u, n, m := k.NewInt(winoField(t, "v")), k.NewInt(winoField(t, "u")), k.NewInt(winoField(t, "n")), k.NewInt(winoField(t, "m"))
	tiles := k.Multiples(k.NewInt(winoField(t, "vt")), p-1)
	acc := make([][]vasm.V, p)
	for q := range acc {
		acc[q] = k.Vs(2)
		k.Zero(acc[q]...)
	}
	more := k.NewInt(winoField(t, "more"))
	k.IfZero(more, "first")
	for q, a := range acc {
		k.Load(a, vasm.At(m, 64*q))
	}
	k.Label("first")
	w := k.Vs(2)
	k.Temps(2)
	k.Align(64)
	k.Label("channels")
	for c := range 4 {
		k.Load(w, vasm.At(u, 64*c))
		for q := range acc {
			k.MultiplyAddWords(acc[q], w, tiles.At(v, q, 4*c))
		}
	}
	k.AddInt(u, 256)
	k.AddInt(v, 16)
	k.Repeat(n, 1, "channels")
	for q, a := range acc {
		k.Store(a, vasm.At(m, 64*q))
	}
	k.Return()
}

// int8WinoOut makes the 2x2 outputs of n tiles, side by side: of the products M of a tile
// Y = AT M A / 4, with AT = (1 1 1 0; 0 1 -1 -1), and of these what int8Tile makes of sums.
func int8WinoOut(k *vasm.Func) {
	t := k.Arg("t")
	in := newFrequencies(k, winoField(t, "m"), winoField(t, "mf"))
	out, below := k.NewInt(winoField(t, "out")), k.Reg()
	right := k.NewInt(winoField(t, "right"))
	p := k.Reg()
	y := make([][]vasm.V, 4) // of a pixel both halves of a block
	k.Label("tile")
	k.Scope(func() {
		for half := range 2 {
			for i, v := range winoSums(k, in, half) {
				y[i] = append(y[i][:half:half], v)
			}
		}
		winoRound(k, t, p, y)
		k.Move(below, out)
		k.AddMem(below, winoField(t, "down"))
		places := [4]vasm.Addr{vasm.At(out, 0), vasm.Indexed(out, right), vasm.At(below, 0), vasm.Indexed(below, right)}
		k.LoadInt(p, winoField(t, "real"))
		k.IfNotZero(p, "real")
		zero := k.V()
		k.Broadcast(zero, winoField(t, "zero"))
		for i, x := range y {
			k.FloatsToInts(x)
			k.AddInts(x, zero)
			k.StoreBytes(x, places[i])
		}
		k.Jump("next")
		k.Label("real")
		for i, x := range y {
			for h, v := range x {
				k.Store([]vasm.V{v}, places[i].Plus(32*h))
			}
		}
	})
	k.Label("next")
	k.AddScaled(out, out, right, 2)
	in.advance(64)
	k.RepeatMem(winoField(t, "n"), "tile")
	k.Return()
}

// winoSums is AT M A of eight output channels: the pixels row by row.
func winoSums(k *vasm.Func, in *frequencies, half int) (y [4]vasm.V) {
	var sums [4][2]vasm.V
	for i := range sums {
		a, b := k.V(), k.V()
		sums[i] = [2]vasm.V{a, b}
		k.Load([]vasm.V{a}, in.at(i, 0, 32*half))
		k.Load([]vasm.V{b}, in.at(i, 1, 32*half))
		k.AddIntsV(a, a, b)
		k.AddIntsMem(a, in.at(i, 2, 32*half))
		k.SubIntsMem(b, in.at(i, 2, 32*half))
		k.SubIntsMem(b, in.at(i, 3, 32*half))
	}
	for c := range 2 {
		top, bottom := sums[0][c], sums[1][c]
		k.AddIntsV(top, top, bottom)
		k.AddIntsV(top, top, sums[2][c])
		k.SubIntsV(bottom, bottom, sums[2][c])
		k.SubIntsV(bottom, bottom, sums[3][c])
		y[c], y[2+c] = top, bottom
		k.Release(sums[2][c], sums[3][c])
	}
	return y
}

// winoRound divides sums by four, exactly, adds the bias, multiplies with the scale, and limits.
func winoRound(k *vasm.Func, t, p vasm.Reg, y [][]vasm.V) {
	k.Scope(func() {
		c, low, high := k.Vs(2), k.V(), k.V()
		k.LoadInt(p, winoField(t, "bias"))
		k.Load(c, vasm.At(p, 0))
		for _, x := range y {
			k.ShiftInts(vasm.RightSigned, x, x, 2)
			for h, v := range x {
				k.AddIntsV(v, v, c[h])
			}
			k.IntsToFloats(x)
		}
		winoLimit(k, t, p, c, low, high, y)
	})
}

// winoLimit multiplies results with the scale of their channels, and limits them. c, low and high are
// registers for it.
func winoLimit(k *vasm.Func, t, p vasm.Reg, c []vasm.V, low, high vasm.V, y [][]vasm.V) {
	k.LoadInt(p, winoField(t, "scale"))
	k.Load(c, vasm.At(p, 0))
	k.Broadcast(low, winoField(t, "low"))
	k.Broadcast(high, winoField(t, "high"))
	for _, x := range y {
		for h, v := range x {
			k.MulV(v, v, c[h])
		}
		k.Clamp(x, low, high)
	}
}
