package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// pools are those of windows, one output block for each.
func (v *vecFile) pools() {
	const steps = "dst []float32, src []float32, kh int, kw int, rowStep int, colStep int, pixStep int"
	v.function("MaxPool", steps, "", func(k *vecFunc) {
		acc := k.Block()
		k.window(windowSteps{
			begin: func() { k.FillBits(acc, infinity) },
			tap: func(q vasm.Reg) {
				k.Scope(func() { k.maxInto(acc, k.load(q, 0)) })
			},
			done: func(d vasm.Reg) { k.store(acc, d, 0) },
		})
	})

	v.function("MaxPool2", "dst []float32, src []float32, rowStep int", "", func(k *vecFunc) {
		d, src, n, src1 := k.Slice("dst"), k.Slice("src"), k.Blocks("dst"), k.Bytes("rowStep")
		k.Add(src1, src)
		k.each(n, func() {
			most := k.load(src, 0)
			k.Scope(func() { k.maxInto(most, k.load(src1, 0)) })
			k.Scope(func() { k.maxInto(most, k.load(src, 1)) })
			k.Scope(func() { k.maxInto(most, k.load(src1, 1)) })
			k.store(most, d, 0)
			k.Skip(2, src, src1)
			k.Skip(1, d)
		})
	})

	// Column by column: each has a sum of its own.
	v.function("SumPool", steps+", scale float32", "", func(k *vecFunc) {
		scale, acc, c := k.FloatArg("scale"), k.Block(), k.Block()
		k.window(windowSteps{
			begin:     func() { k.Zero(acc...) },
			column:    func() { k.Zero(c...) },
			tap:       func(q vasm.Reg) { k.Do(vasm.Add, c, c, vasm.At(q, 0)) },
			endColumn: func() { k.Do(vasm.Add, acc, acc, c) },
			done: func(d vasm.Reg) {
				k.Do(vasm.Mul, acc, acc, scale)
				k.store(acc, d, 0)
			},
		})
	})

	const rows = "dst []float32, src []float32, rows int, dstRow int, srcRow int, w int, row1 int, row2 int, stride int"
	v.function("MaxPool3", rows+", left int, right int", "int", func(k *vecFunc) { k.slidingMax() })
	v.function("SumPool3", rows+", scale float32", "", func(k *vecFunc) { k.slidingSum() })
}

// windowSteps are what is done for each window; those that are nil are nothing.
type windowSteps struct {
	begin, column, endColumn func()
	tap                      func(q vasm.Reg)
	done                     func(d vasm.Reg)
}

// window walks the taps of a pool's window, column by column, over each output block of a row.
func (k *vecFunc) window(s windowSteps) {
	d, src, n := k.Slice("dst"), k.Slice("src"), k.Blocks("dst")
	kh, kw := k.Arg("kh"), k.Arg("kw")
	row, col, pix := k.Bytes("rowStep"), k.Bytes("colStep"), k.Bytes("pixStep")
	run := func(f func()) {
		if f != nil {
			f()
		}
	}
	k.each(n, func() {
		id := k.NewLabel()
		rows, cols := fmt.Sprintf("rows%d", id), fmt.Sprintf("cols%d", id)
		y, x, p, q := k.Reg(), k.Reg(), k.Reg(), k.Reg()
		run(s.begin)
		k.Move(x, kw)
		k.Move(p, src)
		k.Label(cols)
		k.Move(y, kh)
		k.Move(q, p)
		run(s.column)
		k.Label(rows)
		s.tap(q)
		k.Add(q, row)
		k.Repeat(y, 1, rows)
		run(s.endColumn)
		k.Add(p, col)
		k.Repeat(x, 1, cols)
		s.done(d)
		k.Add(src, pix)
		k.Skip(1, d)
	})
}

// slider makes one maximum or sum of every column of three rows, and shares it between the
// windows that it belongs to.
type slider struct {
	*vecFunc
	dst, src, rows, stride, n, d vasm.Reg
	p                            [3]vasm.Reg
	column                       func(c vasm.Block)    // c is that of the next column
	op                           func(d, x vasm.Block) // d = d op x
	put                          func(acc vasm.Block)  // writes a window
}

func (k *vecFunc) slider() *slider {
	s := &slider{vecFunc: k, dst: k.Slice("dst"), src: k.Slice("src"), rows: k.Arg("rows"), stride: k.Arg("stride"), n: k.Reg(), d: k.Reg()}
	for i := range s.p {
		s.p[i] = k.Reg()
	}
	return s
}

// row goes to the beginning of a row of windows, nextRow to the next, or behind the last.
func (s *slider) row() {
	s.Move(s.d, s.dst)
	s.Move(s.p[0], s.src)
	for i, name := range []string{"row1", "row2"} {
		s.BytesInto(s.p[i+1], name)
		s.Add(s.p[i+1], s.src)
	}
	s.LoadInt(s.n, s.ArgAddr("w"))
}

func (s *slider) nextRow(label string) {
	for _, p := range []struct {
		r    vasm.Reg
		name string
	}{{s.src, "srcRow"}, {s.dst, "dstRow"}} {
		s.BytesInto(s.n, p.name)
		s.Add(p.r, s.n)
	}
	s.Repeat(s.rows, 1, label)
}

// windows are n windows whose first column is c0. Beside it one (stride 1, then c1 is the next
// column) or none are known already.
func (s *slider) windows(c0, c1, c2 vasm.Block, stride int) {
	s.each(s.n, func() {
		if stride == 1 {
			s.op(c0, c1)
		} else {
			s.column(c2)
			s.op(c0, c2)
		}
		s.column(c2)
		s.op(c0, c2)
		s.put(c0)
		if stride == 1 {
			s.Copy(c0, c1)
			s.Copy(c1, c2)
		} else {
			s.Copy(c0, c2)
		}
	})
}

func (k *vecFunc) slidingSum() {
	s := k.slider()
	scale, c0, c1, c2 := k.FloatArg("scale"), k.Block(), k.Block(), k.Block()
	s.op = func(d, x vasm.Block) { k.Do(vasm.Add, d, d, x) }
	s.column = func(c vasm.Block) {
		k.Load(c, vasm.At(s.p[0], 0))
		k.Do(vasm.Add, c, c, vasm.At(s.p[1], 0))
		k.Do(vasm.Add, c, c, vasm.At(s.p[2], 0))
		k.Skip(1, s.p[:]...)
	}
	s.put = func(acc vasm.Block) {
		k.Do(vasm.Mul, acc, acc, scale)
		k.store(acc, s.d, 0)
		k.Skip(1, s.d)
	}
	k.Label("row")
	s.row()
	s.column(c0)
	k.IfAtLeast(s.stride, 2, "two")
	s.column(c1)
	s.windows(c0, c1, c2, 1)
	k.Jump("end")
	k.Label("two")
	s.windows(c0, c1, c2, 2)
	k.Label("end")
	s.nextRow("row")
}

// slidingMax has windows at the ends that lack a column. A sum of all that was seen is NaN if
// any of it was: of infinities, too, but then nothing is lost but time.
func (k *vecFunc) slidingMax() {
	s := k.slider()
	right := k.Arg("right")
	seen, c0, c1, c2 := k.zeros(), k.Block(), k.Block(), k.Block()
	s.op = func(d, x vasm.Block) { k.Do(vasm.Max, d, x, d) } // on ties d
	s.column = func(c vasm.Block) {
		k.Scope(func() {
			x, all := k.load(s.p[1], 0), k.Block()
			k.Load(c, vasm.At(s.p[0], 0))
			k.Do(vasm.Add, all, c, x)
			s.op(c, x)
			k.Load(x, vasm.At(s.p[2], 0))
			k.Do(vasm.Add, all, all, x)
			k.Do(vasm.Add, seen, seen, all) // one addition a column is in the chain
			s.op(c, x)
		})
		k.Skip(1, s.p[:]...)
	}
	s.put = func(acc vasm.Block) {
		k.store(acc, s.d, 0)
		k.Skip(1, s.d)
	}
	k.Label("row")
	s.row()
	k.FillBits(c0, infinity)
	k.Scope(func() { k.IfAtLeast(k.Arg("left"), 1, "begun") })
	s.column(c0)
	k.Label("begun")
	k.Sub(s.n, right)
	k.IfAtLeast(s.stride, 2, "two")
	s.column(c1)
	s.windows(c0, c1, c2, 1)
	k.IfZero(right, "end")
	s.op(c0, c1)
	s.put(c0)
	k.Jump("end")
	k.Label("two")
	s.windows(c0, c1, c2, 2)
	k.IfZero(right, "end")
	s.column(c2)
	s.op(c0, c2)
	s.put(c0)
	k.Label("end")
	s.nextRow("row")
	k.Scope(func() {
		r := k.Reg()
		k.AnySelected(r, k.Compare(vasm.Unordered, seen, seen))
		k.Result(r)
	})
}

// poolIndices are max pools of windows of 2 x 2, one beside the other, that remember what they
// took, and their gradient, which needs no more. The indices are, for each block of output, four
// times 16 bits, a bit a lane, for the elements of the window in reading order.
func (v *vecFile) poolIndices() {
	const params = "dst []float32, indices []float32, src []float32, rowStep int"
	v.function("MaxPoolIndices2", params, "int", func(k *vecFunc) { k.maxPoolIndices2(false) })
	v.function("MaxPoolReluIndices2", params, "int", func(k *vecFunc) { k.maxPoolIndices2(true) })
	v.function("MaxPoolIndexedBackward2", "dx []float32, indices []float32, dy []float32, acc []float32, dxRowStep int", "", (*vecFunc).maxPoolIndexedBackward2)
}

// indicesBytes are the bytes of the indices of a block of output.
const indicesBytes = 8

// maxPoolIndices2 names no element where relu is set and the maximum is not above 0.
func (k *vecFunc) maxPoolIndices2(relu bool) {
	d, p, src, n, src1 := k.Slice("dst"), k.Slice("indices"), k.Slice("src"), k.Blocks("dst"), k.Bytes("rowStep")
	k.Add(src1, src)
	z := k.ZeroBlock()
	seen := k.Compare(vasm.Unordered, z, z) // lanes where there was a NaN
	k.each(n, func() {
		at := []vasm.Addr{vasm.At(src, 0), vasm.At(src, 64), vasm.At(src1, 0), vasm.At(src1, 64)}
		most := k.Block()
		k.Scope(func() { // the maximum is taken by columns, as MaxPool takes it; on ties the latter
			right, x, y := k.Block(), k.Block(), k.Block()
			k.Load(x, at[0])
			k.Load(y, at[2])
			k.Do(vasm.Max, most, y, x)
			k.unordered(seen, x, y)
			k.Load(x, at[1])
			k.Load(y, at[3])
			k.Do(vasm.Max, right, y, x)
			k.unordered(seen, x, y)
			k.Do(vasm.Max, most, right, most)
		})
		var left vasm.Mask // lanes whose element is still to come
		if relu {
			left = k.Compare(vasm.NotAtMost, most, z)
		} else {
			left = k.Compare(vasm.Equal, z, z)
		}
		x := k.Block()
		for i := range 3 {
			k.Load(x, at[i])
			k.Scope(func() {
				is := k.CompareIn(left, vasm.Equal, x, most)
				k.StoreMask(is, vasm.At(p, 2*i))
				k.Without(left, is)
			})
		}
		k.StoreMask(left, vasm.At(p, 6))
		k.store(most, d, 0)
		k.Skip(2, src, src1)
		k.Skip(1, d)
		k.AddInt(p, indicesBytes)
	})
	r := k.Reg()
	k.AnySelected(r, seen)
	k.Result(r)
}

func (k *vecFunc) maxPoolIndexedBackward2() {
	dx, p, dy, n, dx1, row2 := k.Slice("dx"), k.Slice("indices"), k.Slice("dy"), k.Blocks("dy"), k.Bytes("dxRowStep"), k.Bytes("dxRowStep")
	k.Add(dx1, dx)
	k.ShiftLeft(row2, 1)
	acc, z := k.load(k.Slice("acc"), 0), k.ZeroBlock()
	k.each(n, func() {
		d, plain, out := k.load(dy, 0), k.Block(), k.Block()
		k.Do(vasm.Add, plain, d, z) // no -0, as where gradients are added up
		all, m := k.Mask(), k.Mask()
		for i, to := range []vasm.Addr{vasm.At(dx, 0), vasm.At(dx, 64), vasm.At(dx1, 0), vasm.At(dx1, 64)} {
			if i == 0 {
				k.LoadMask(all, vasm.At(p, 0))
				k.Keep(out, plain, all)
			} else {
				k.LoadMask(m, vasm.At(p, 2*i))
				k.Keep(out, plain, m)
				k.OrMasks(all, m)
			}
			k.Store(out, to)
		}
		k.Keep(out, d, all)
		k.Do(vasm.Add, acc, acc, out)
		// Those of the next windows below: a store to what is far away waits for it.
		for _, base := range []vasm.Reg{dx, dx1} {
			k.Prefetch(1, vasm.Indexed(base, row2))
			k.Prefetch(1, vasm.Indexed(base, row2).Plus(64))
		}
		k.Skip(2, dx, dx1)
		k.Skip(1, dy)
		k.AddInt(p, indicesBytes)
	})
	k.store(acc, k.Slice("acc"), 0)
}

// unordered adds to m the lanes where x or y is NaN.
func (k *vecFunc) unordered(m vasm.Mask, x, y vasm.Block) {
	k.Scope(func() { k.OrMasks(m, k.Compare(vasm.Unordered, x, y)) })
}
