package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gather loads lanes from base + 4*index.
func gather(base reg.Register, index vec) vec {
	v := zero()
	for i := range v {
		m := Mem{Base: base, Index: index[i], Scale: 4}
		if t.regs == 1 {
			k := K()
			KXNORW(k, k, k)
			VGATHERDPS(m, k, v[i])
		} else {
			k := YMM()
			VPCMPEQD(k, k, k)
			VGATHERDPS(k, m, v[i])
		}
	}
	return v
}

// largestPiece goes over the pieces of a pixel: at is a table of a block of places
// for each. It returns their maximum and, if counted, the number of the piece that
// it is.
func largestPiece(src, at, size reg.Register, counted bool) (best, which vec) {
	labels++
	head, done := fmt.Sprintf("piece%d", labels), fmt.Sprintf("pieces%d", labels)
	p, left := GP64(), GP64()
	MOVQ(at, p)
	MOVQ(size, left)
	best = gather(src, load(Mem{Base: p}))
	var cur vec
	if counted {
		which, cur = zero(), zero()
	}
	Label(head)
	advance(p, 1)
	SUBQ(Imm(16), left)
	JLE(LabelRef(done))
	v := gather(src, load(Mem{Base: p}))
	if counted {
		binm(VADDPS, cur, cur, constant("one"))
		above := and(cmp(cmpNLE, v, best), cmp(cmpOrd, best, best))
		merge(best, v, above)
		merge(which, cur, above)
	} else {
		maxInto(best, v)
	}
	JMP(LabelRef(head))
	Label(done)
	return best, which
}

func maxout() {
	text("Maxout", "func(dst, src, at []float32)",
		"is the maximum over pieces of the lanes of src that at names, one block of integers a piece, for each pixel.")
	func() {
		d, s, a, n := ptr("dst"), ptr("src"), ptr("at"), blocks("dst")
		size := Load(Param("at").Len(), GP64())
		loop(n, []int{1}, func(int) {
			best, _ := largestPiece(s, a, size, false)
			store(best, mem(d, 0))
			advance(s, 1)
			advance(d, 1)
		})
		end()
	}()

	text("MaxoutBackward", "func(dx, x, dy, at, lane, piece, best []float32, dxStep int)",
		"gives dy to the piece of x that is the maximum: lane and piece say, for each lane of dx's blocks (dxStep float32s apart), which lane of dy it belongs to and which piece it is. len(dy) counts, best is a block of scratch.")
	dx, x, dy, a, best, n := ptr("dx"), ptr("x"), ptr("dy"), ptr("at"), ptr("best"), blocks("dy")
	size := Load(Param("at").Len(), GP64())
	dxStep := step("dxStep")
	loop(n, []int{1}, func(int) {
		_, which := largestPiece(x, a, size, true)
		store(which, mem(best, 0))
		lane, piece, q := ptr("lane"), ptr("piece"), GP64()
		left := blocks("lane")
		MOVQ(dx, q)
		loop(left, []int{1}, func(int) {
			index := load(mem(lane, 0))
			d, is := gather(dy, index), gather(best, index)
			store(merge(zero(), d, cmp(cmpEQ, is, load(mem(piece, 0)))), mem(q, 0))
			advance(lane, 1)
			advance(piece, 1)
			ADDQ(dxStep, q)
		})
		advance(dx, 1)
		advance(x, 1)
		advance(dy, 1)
	})
	end()
}
