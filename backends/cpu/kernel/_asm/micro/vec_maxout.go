package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// largestPiece goes over the pieces of a pixel: at is a table of a block of places for each, size
// its length. best becomes their maximum and, if which is not nil, which the number of the piece
// that it is.
func (k *vecFunc) largestPiece(best, which vasm.Block, src, at, size vasm.Reg) {
	id := k.NewLabel()
	head, done := fmt.Sprintf("piece%d", id), fmt.Sprintf("pieces%d", id)
	k.Scope(func() {
		p, left := k.Reg(), k.Reg()
		k.Move(p, at)
		k.Move(left, size)
		k.Scope(func() { k.Gather(best, src, k.load(p, 0)) })
		var cur vasm.Block
		if which != nil {
			k.Zero(which...)
			cur = k.zeros()
		}
		k.Label(head)
		k.Skip(1, p)
		k.AddInt(left, -16)
		k.IfLess(left, 1, done)
		v := k.Block()
		k.Scope(func() { k.Gather(v, src, k.load(p, 0)) })
		if which == nil {
			k.maxInto(best, v)
		} else {
			k.Do(vasm.Add, cur, cur, unit)
			k.aboveInto(best, v, func(above vasm.Mask) { k.Merge(which, cur, above) })
		}
		k.Jump(head)
		k.Label(done)
	})
}

// aboveInto is best = v where v is above or NaN, and best is not NaN: the first of equal ones stays.
// Then it calls use with those lanes.
func (k *vecFunc) aboveInto(best, v vasm.Block, use func(above vasm.Mask)) {
	k.Scope(func() {
		above := k.Mask()
		k.NewMaximum(above, v, best)
		k.Merge(best, v, above)
		use(above)
	})
}

func (v *vecFile) maxout() {
	v.function("Maxout", "dst []float32, src []float32, at []float32", "", func(k *vecFunc) {
		d, s, a, n, size := k.Slice("dst"), k.Slice("src"), k.Slice("at"), k.Blocks("dst"), k.Len("at")
		k.each(n, func() {
			best := k.Block()
			k.largestPiece(best, nil, s, a, size)
			k.store(best, d, 0)
			k.Skip(1, s, d)
		})
	})
	v.function("MaxoutBackward", "dx []float32, x []float32, dy []float32, at []float32, lane []float32, piece []float32, best []float32, dxStep int", "", func(k *vecFunc) {
		dx, x, dy, a, best := k.Slice("dx"), k.Slice("x"), k.Slice("dy"), k.Slice("at"), k.Slice("best")
		n, size, dxStep := k.Blocks("dy"), k.Len("at"), k.Bytes("dxStep")
		k.each(n, func() {
			k.Scope(func() {
				b, which := k.Block(), k.Block()
				k.largestPiece(b, which, x, a, size)
				k.store(which, best, 0)
			})
			lane, piece, q, left := k.Slice("lane"), k.Slice("piece"), k.Reg(), k.Blocks("lane")
			k.Move(q, dx)
			k.each(left, func() {
				index, d, is := k.load(lane, 0), k.Block(), k.Block()
				k.Gather(d, dy, index)
				k.Gather(is, best, index)
				k.Load(index, vasm.At(piece, 0))
				k.Keep(d, d, k.Compare(vasm.Equal, is, index))
				k.store(d, q, 0)
				k.Skip(1, lane, piece)
				k.Add(q, dxStep)
			})
			k.Skip(1, dx, x, dy)
		})
	})
}
