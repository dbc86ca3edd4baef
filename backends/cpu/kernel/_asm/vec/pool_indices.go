package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Indices say which element of each window of 2 x 2 a max pool took: for each block of
// its output four times 16 bits, a bit a lane, for the elements in reading order.
const indicesBytes = 8

// pick is where the bits of element i of a window lie.
func pick(p reg.Register, i int) Mem { return Mem{Base: p, Disp: 2 * i} }

// storeMask writes the lanes as 16 bits.
func storeMask(m mask, to Mem) {
	if t.regs == 1 {
		KMOVW(m[0], to)
		return
	}
	for i := range m {
		bits := GP32()
		VMOVMSKPS(m[i], bits)
		MOVB(bits.As8(), to.Offset(i))
	}
}

// loadMask reads them.
func loadMask(from Mem) mask {
	if t.regs == 1 {
		k := K()
		KMOVW(from, k)
		return mask{k}
	}
	m := make(mask, 2)
	for i := range m {
		y := YMM()
		VPBROADCASTB(from.Offset(i), y)
		VPAND(at(constant("n16Bits"), i), y, y)
		VPCMPEQD(at(constant("n16Bits"), i), y, y)
		m[i] = y
	}
	return m
}

// cmpWhere is cmp of the selected lanes; m stays as it is.
func cmpWhere(pred int, a, b vec, m mask) mask {
	if t.regs == 1 {
		k := K()
		VCMPPS(Imm(uint64(pred)), b[0], a[0], m[0], k)
		return mask{k}
	}
	return and(cmp(pred, a, b), m)
}

// pickingPools writes max pools of windows of 2 x 2, one beside the other, that
// remember what they took, and their gradient, which needs no more.
func pickingPools() {
	pool := func(name, doc string, relu bool) {
		text(name, "func(dst, indices, src []float32, rowStep int) (nan int)", doc)
		d, p, src, n := ptr("dst"), ptr("indices"), ptr("src"), blocks("dst")
		src1 := GP64()
		MOVQ(src, src1)
		ADDQ(step("rowStep"), src1)
		z := zero()
		seen := cmp(cmpUnord, z, z) // lanes where there was a NaN
		loop(n, []int{1}, func(int) {
			// In reading order; the maximum is taken by columns, as MaxPool takes it.
			x := []vec{load(mem(src, 0)), load(mem(src, 1)), load(mem(src1, 0)), load(mem(src1, 1))}
			most := bin(VMAXPS, newVec(), x[2], x[0]) // on ties the latter
			right := bin(VMAXPS, newVec(), x[3], x[1])
			bin(VMAXPS, most, right, most)
			or(seen, cmp(cmpUnord, x[0], x[1]))
			or(seen, cmp(cmpUnord, x[2], x[3]))
			var left mask // lanes whose element is still to come
			if relu {
				left = cmp(cmpNLE, most, z)
			} else {
				left = cmp(cmpEQ, z, z)
			}
			for i := range 3 {
				is := cmpWhere(cmpEQ, x[i], most, left)
				storeMask(is, pick(p, i))
				without(left, is)
			}
			storeMask(left, pick(p, 3))
			store(most, mem(d, 0))
			advance(src, 2)
			advance(src1, 2)
			advance(d, 1)
			ADDQ(Imm(indicesBytes), p)
		})
		r := GP64()
		any(seen, r)
		Store(r, ReturnIndex(0))
		end()
	}
	pool("MaxPoolIndices2", "is MaxPool2, and writes to indices where the largest of each window is, the first in reading order: 16 bits for each of the four. If the result is not 0 there was a NaN, and both are wrong.", false)
	pool("MaxPoolReluIndices2", "is MaxPoolIndices2, with no bit where the largest is not > 0.", true)

	text("MaxPoolIndexedBackward2", "func(dx, indices, dy, acc []float32, dxRowStep int)",
		"writes each block of dy, in the lanes of their indices, to the places of its window of 2 x 2 in dx, 0 elsewhere, and adds the lanes that are indexed at all to acc, a block, one after another. len(dy) counts.")
	dx, p, dy, n := ptr("dx"), ptr("indices"), ptr("dy"), blocks("dy")
	dx1 := GP64()
	MOVQ(dx, dx1)
	ADDQ(step("dxRowStep"), dx1)
	row2 := step("dxRowStep")
	ADDQ(row2, row2)
	acc := load(mem(ptr("acc"), 0))
	z := zero()
	loop(n, []int{1}, func(int) {
		d := load(mem(dy, 0))
		plain := add(newVec(), d, z) // no -0, as where gradients are added up
		var all mask
		for i, to := range []Mem{mem(dx, 0), mem(dx, 1), mem(dx1, 0), mem(dx1, 1)} {
			m := loadMask(pick(p, i))
			store(keep(plain, m), to)
			if i == 0 {
				all = m
			} else {
				or(all, m)
			}
		}
		add(acc, acc, keep(d, all))
		// Those of the next windows below: a store to what is far away waits for it.
		for i := range 2 {
			PREFETCHT0(Mem{Base: dx, Index: row2, Scale: 1, Disp: 64 * i})
			PREFETCHT0(Mem{Base: dx1, Index: row2, Scale: 1, Disp: 64 * i})
		}
		advance(dx, 2)
		advance(dx1, 2)
		advance(dy, 1)
		ADDQ(Imm(indicesBytes), p)
	})
	store(acc, mem(ptr("acc"), 0))
	end()
}
