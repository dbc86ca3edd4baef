package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// training writes the primitives of backward passes and optimizers.
func training() {
	gradients()
	poolGradients()
	sums()
	lrnGradient()
	dropout()
	optimizers()
}

// and selects the lanes that both do.
func and(a, b mask) mask {
	if t.regs == 1 {
		KANDW(a[0], b[0], a[0])
		return a
	}
	for i := range a {
		VANDPS(b[i], a[i], a[i])
	}
	return a
}

// or selects the lanes that either does.
func or(a, b mask) mask {
	if t.regs == 1 {
		KORW(a[0], b[0], a[0])
		return a
	}
	for i := range a {
		VORPS(b[i], a[i], a[i])
	}
	return a
}

// keep is x in the selected lanes and 0 elsewhere.
func keep(x vec, m mask) vec {
	v := newVec()
	if t.regs == 1 {
		VMOVAPS_Z(x[0], m[0], v[0])
		return v
	}
	for i := range m {
		VANDPS(x[i], m[i], v[i])
	}
	return v
}

// without takes the lanes of b out of a.
func without(a, b mask) {
	if t.regs == 1 {
		KANDNW(a[0], b[0], a[0])
		return
	}
	for i := range a {
		VANDNPS(a[i], b[i], a[i])
	}
}

// addWhere adds d to v in the selected lanes. With AVX2 the others get a zero added,
// which changes nothing unless they are -0, and then their sign; m is used up.
func addWhere(v, d vec, m mask) vec {
	if t.regs == 1 {
		VADDPS(d[0], v[0], m[0], v[0])
		return v
	}
	for i := range m {
		VANDPS(d[i], m[i], m[i])
		VADDPS(m[i], v[i], v[i])
	}
	return v
}

func gradients() {
	gradient := func(name, doc string, f func(dy, y vec) vec) {
		text(name, "func(dx, dy, y []float32)", doc)
		d, a, b, n := ptr("dx"), ptr("dy"), ptr("y"), blocks("dx")
		loop(n, []int{1}, func(int) {
			store(f(load(mem(a, 0)), load(mem(b, 0))), mem(d, 0))
			advance(a, 1)
			advance(b, 1)
			advance(d, 1)
		})
		end()
	}
	gradient("ReluBackward", "is dx = dy where y > 0 or NaN, else 0.", func(dy, y vec) vec {
		z := zero()
		m := cmp(cmpNLE, y, z)
		return merge(z, dy, m)
	})
	text("ReluBackwardSum", "func(dx, dy, y, acc []float32)", "is ReluBackward, and adds the blocks of dx to acc, a block, one after another.")
	func() {
		d, a, b, n := ptr("dx"), ptr("dy"), ptr("y"), blocks("dx")
		acc := load(mem(ptr("acc"), 0))
		z := zero()
		loop(n, []int{1}, func(int) {
			v := keep(load(mem(a, 0)), cmp(cmpNLE, load(mem(b, 0)), z))
			store(v, mem(d, 0))
			add(acc, acc, v)
			advance(a, 1)
			advance(b, 1)
			advance(d, 1)
		})
		store(acc, mem(ptr("acc"), 0))
		end()
	}()
	gradient("SigmoidBackward", "is dx = dy * (y * (1-y)).", func(dy, y vec) vec {
		one := load(constant("one"))
		sub(one, one, y)
		mul(y, y, one)
		return mul(dy, dy, y)
	})
	gradient("TanhBackward", "is dx = dy * (1 - y*y).", func(dy, y vec) vec {
		one := load(constant("one"))
		mul(y, y, y)
		sub(one, one, y)
		return mul(dy, dy, one)
	})
}

// overTaps runs body over kh x kw taps in reading order. Body gets pointers that begin
// at the given ones and move with the taps: along rows by rowSteps, along columns by
// colStep.
func overTaps(colStep reg.Register, begins, rowSteps []reg.GPVirtual, body func(at []Mem)) {
	labels++
	rows, cols := fmt.Sprintf("rows%d", labels), fmt.Sprintf("cols%d", labels)
	y, x := GP64(), GP64()
	var rowAt, at []reg.GPVirtual
	var mems []Mem
	for _, b := range begins {
		p, q := GP64(), GP64()
		MOVQ(b, p)
		rowAt, at, mems = append(rowAt, p), append(at, q), append(mems, Mem{Base: q})
	}
	Load(Param("kh"), y)
	Label(rows)
	Load(Param("kw"), x)
	for i := range at {
		MOVQ(rowAt[i], at[i])
	}
	Label(cols)
	body(mems)
	for _, p := range at {
		ADDQ(colStep, p)
	}
	DECQ(x)
	JNE(LabelRef(cols))
	for i, p := range rowAt {
		ADDQ(rowSteps[i], p)
	}
	DECQ(y)
	JNE(LabelRef(rows))
}

func poolGradients() {
	text("MaxPoolBackward", "func(dx, x, dy []float32, kh, kw, rowStep, dxRowStep, colStep, pixStep int)",
		"adds each block of dy to the places in dx where x is the largest of the window, the first in reading order; steps in float32s. len(dy) counts.")
	func() {
		dx, x, dy, n := ptr("dx"), ptr("x"), ptr("dy"), blocks("dy")
		row, dxRow, col := step("rowStep"), step("dxRowStep"), step("colStep")
		loop(n, []int{1}, func(int) {
			best, at, cur := load(mem(x, 0)), zero(), zero()
			overTaps(col, []reg.GPVirtual{x}, []reg.GPVirtual{row}, func(m []Mem) {
				v := load(m[0])
				above := and(cmp(cmpNLE, v, best), cmp(cmpOrd, best, best))
				merge(best, v, above)
				merge(at, cur, above)
				binm(VADDPS, cur, cur, constant("one"))
			})
			d := load(mem(dy, 0))
			cur = zero()
			overTaps(col, []reg.GPVirtual{dx}, []reg.GPVirtual{dxRow}, func(m []Mem) {
				v := load(m[0])
				sum := add(newVec(), v, d)
				merge(v, sum, cmp(cmpEQ, at, cur))
				store(v, m[0])
				binm(VADDPS, cur, cur, constant("one"))
			})
			pix := step("pixStep")
			ADDQ(pix, x)
			ADDQ(pix, dx)
			advance(dy, 1)
		})
		end()
	}()

	pairs := func(name, signature, doc string, relu bool) {
		text(name, signature, doc)
		dx, x, dy, n := ptr("dx"), ptr("x"), ptr("dy"), blocks("dy")
		x1, dx1 := GP64(), GP64()
		MOVQ(x, x1)
		ADDQ(step("rowStep"), x1)
		MOVQ(dx, dx1)
		ADDQ(step("dxRowStep"), dx1)
		var acc vec
		if relu {
			acc = load(mem(ptr("acc"), 0))
		}
		z := zero()
		loop(n, []int{1}, func(int) {
			best := load(mem(x, 0))
			var above []mask // 1, 2, 3
			for _, at := range []Mem{mem(x, 1), mem(x1, 0), mem(x1, 1)} {
				v := load(at)
				m := and(cmp(cmpNLE, v, best), cmp(cmpOrd, best, best))
				merge(best, v, m)
				above = append(above, m)
			}
			d := load(mem(dy, 0))
			if relu {
				d = keep(d, cmp(cmpNLE, best, z))
				add(acc, acc, d)
			}
			add(d, d, z) // no -0, as where gradients are added up
			// From the last to the first: above[i] are then the lanes of what lies behind.
			store(keep(d, above[2]), mem(dx1, 1))
			without(above[1], above[2])
			store(keep(d, above[1]), mem(dx1, 0))
			or(above[2], above[1])
			without(above[0], above[2])
			store(keep(d, above[0]), mem(dx, 1))
			or(above[2], above[0])
			all := cmp(cmpEQ, z, z)
			without(all, above[2])
			store(keep(d, all), mem(dx, 0))
			for _, p := range []reg.GPVirtual{x, x1, dx, dx1} {
				advance(p, 2)
			}
			advance(dy, 1)
		})
		if relu {
			store(acc, mem(ptr("acc"), 0))
		}
		end()
	}
	pairs("MaxPoolBackward2", "func(dx, x, dy []float32, rowStep, dxRowStep int)",
		"is MaxPoolBackward for windows of 2 x 2, one beside the other: it writes every place of dx. len(dy) counts.", false)
	pairs("MaxPoolReluBackward2", "func(dx, x, dy, acc []float32, rowStep, dxRowStep int)",
		"is MaxPoolBackward2 of dy where the window's maximum is > 0 or NaN, 0 elsewhere, and adds those blocks to acc, a block, one after another. len(dy) counts.", true)

	pickingPools()

	text("MaxPoolSpread", "func(dx, x, most, dy []float32, kh, kw, rowStep, dxRowStep, colStep, pixStep int)",
		"adds each block of dy to the places in dx where x is the window's maximum, a block of most, the first in reading order; steps in float32s. len(dy) counts.")
	func() {
		dx, x, most, dy, n := ptr("dx"), ptr("x"), ptr("most"), ptr("dy"), blocks("dy")
		row, dxRow, col := step("rowStep"), step("dxRowStep"), step("colStep")
		loop(n, []int{1}, func(int) {
			m, d := load(mem(most, 0)), load(mem(dy, 0))
			left := cmp(cmpEQ, m, m) // lanes whose maximum is still to come
			overTaps(col, []reg.GPVirtual{x, dx}, []reg.GPVirtual{row, dxRow}, func(at []Mem) {
				is := and(cmp(cmpEQ, load(at[0]), m), left)
				without(left, is)
				store(addWhere(load(at[1]), d, is), at[1])
			})
			pix := step("pixStep")
			ADDQ(pix, x)
			ADDQ(pix, dx)
			advance(most, 1)
			advance(dy, 1)
		})
		end()
	}()

	text("MaxPoolSpread3", "func(dx, x, most, dy []float32, rowStep, dxRowStep, pixStep int)",
		"is MaxPoolSpread for windows of 3 x 3 without dilation.")
	func() {
		dx, x, most, dy, n := ptr("dx"), ptr("x"), ptr("most"), ptr("dy"), blocks("dy")
		row, dxRow, pix := step("rowStep"), step("dxRowStep"), step("pixStep")
		xs, dxs := []reg.GPVirtual{x, GP64(), GP64()}, []reg.GPVirtual{dx, GP64(), GP64()}
		for i := 1; i < 3; i++ {
			MOVQ(xs[i-1], xs[i])
			ADDQ(row, xs[i])
			MOVQ(dxs[i-1], dxs[i])
			ADDQ(dxRow, dxs[i])
		}
		loop(n, []int{1}, func(int) {
			m, d := load(mem(most, 0)), load(mem(dy, 0))
			left := cmp(cmpEQ, m, m)
			for i := range 3 {
				for j := range 3 {
					is := and(cmp(cmpEQ, load(mem(xs[i], j)), m), left)
					if i < 2 || j < 2 {
						without(left, is)
					}
					store(addWhere(load(mem(dxs[i], j)), d, is), mem(dxs[i], j))
				}
			}
			for i := range 3 {
				ADDQ(pix, xs[i])
				ADDQ(pix, dxs[i])
			}
			advance(most, 1)
			advance(dy, 1)
		})
		end()
	}()

	text("SpreadAdd", "func(dx, dy []float32, kh, kw, rowStep, colStep, pixStep int, scale float32)",
		"adds scale times each block of dy to all places of its window in dx; steps in float32s. len(dy) counts.")
	func() {
		dx, dy, n := ptr("dx"), ptr("dy"), blocks("dy")
		row, col, pix := step("rowStep"), step("colStep"), step("pixStep")
		scale := param("scale")
		loop(n, []int{1}, func(int) {
			d := load(mem(dy, 0))
			mul(d, d, scale)
			overTaps(col, []reg.GPVirtual{dx}, []reg.GPVirtual{row}, func(m []Mem) {
				v := load(m[0])
				add(v, v, d)
				store(v, m[0])
			})
			ADDQ(pix, dx)
			advance(dy, 1)
		})
		end()
	}()
}

func sums() {
	text("SumRow", "func(acc, src []float32)", "makes acc, a block, the sum of the blocks of src.")
	func() {
		s, n := ptr("src"), blocks("src")
		acc := zero()
		loop(n, []int{4, 1}, func(u int) {
			for i := range u {
				binm(VADDPS, acc, acc, mem(s, i))
			}
			advance(s, u)
		})
		store(acc, mem(ptr("acc"), 0))
		end()
	}()

	text("DevRow", "func(acc, src, mean []float32)", "makes acc, a block, the sum of (src-mean)**2.")
	func() {
		s, n := ptr("src"), blocks("src")
		mean := load(mem(ptr("mean"), 0))
		acc := zero()
		loop(n, []int{2, 1}, func(u int) {
			for i := range u {
				d := load(mem(s, i))
				sub(d, d, mean)
				mul(d, d, d)
				add(acc, acc, d)
			}
			advance(s, u)
		})
		store(acc, mem(ptr("acc"), 0))
		end()
	}()

	text("DotRow", "func(acc, dy, x, mean []float32)", "makes acc, two blocks, the sums of dy and of dy*(x-mean).")
	func() {
		p, q, n := ptr("dy"), ptr("x"), blocks("dy")
		mean := load(mem(ptr("mean"), 0))
		sum, dot := zero(), zero()
		loop(n, []int{1}, func(int) {
			d, x := load(mem(p, 0)), load(mem(q, 0))
			add(sum, sum, d)
			sub(x, x, mean)
			mul(d, d, x)
			add(dot, dot, d)
			advance(p, 1)
			advance(q, 1)
		})
		acc := ptr("acc")
		store(sum, mem(acc, 0))
		store(dot, mem(acc, 1))
		end()
	}()

	text("BatchNormBackward", "func(dst, dy, x, coef []float32)", "is dst = (x-coef0)*coef2 + (dy*coef1 + coef3), coef being four blocks.")
	func() {
		d, p, q, n := ptr("dst"), ptr("dy"), ptr("x"), blocks("dst")
		c := ptr("coef")
		var k [4]vec
		for i := range k {
			k[i] = load(mem(c, i))
		}
		loop(n, []int{1}, func(int) {
			x := load(mem(q, 0))
			sub(x, x, k[0])
			mul(x, x, k[2])
			y := load(mem(p, 0))
			mul(y, y, k[1])
			add(y, y, k[3])
			add(x, x, y)
			store(x, mem(d, 0))
			advance(p, 1)
			advance(q, 1)
			advance(d, 1)
		})
		end()
	}()

	text("SumSquares", "func(src []float32) float32", "is the sum of squares: 64 partial sums, then blocks 2 and 1 apart, then lanes 8, 4, 2, 1 apart.")
	func() {
		s, n := ptr("src"), blocks("src")
		acc := []vec{zero(), zero(), zero(), zero()} // as many as the additions take cycles
		loop(n, []int{4, 1}, func(u int) {
			for i := range u {
				x := load(mem(s, i))
				mul(x, x, x)
				add(acc[i], acc[i], x)
			}
			advance(s, u)
		})
		add(acc[0], acc[0], acc[2])
		add(acc[1], acc[1], acc[3])
		add(acc[0], acc[0], acc[1])
		result(lanes(VADDPS, acc[0]))
		end()
	}()
}

func lrnGradient() {
	text("LrnTerms34", "func(g, t, dy, x, s []float32, step int)", "is g = dy / s**0.75 and t = g*x/s, t by blocks step float32s apart.")
	func() {
		g, tp, dy, x, s, n := ptr("g"), ptr("t"), ptr("dy"), ptr("x"), ptr("s"), blocks("g")
		step := step("step")
		loop(n, []int{1}, func(int) {
			sv := load(mem(s, 0))
			y := invPow34(sv)
			mul(sv, sv, y)
			mul(sv, sv, y) // the inverse of the square root
			mul(sv, sv, sv)
			binm(VMULPS, y, y, mem(dy, 0))
			store(y, mem(g, 0))
			binm(VMULPS, y, y, mem(x, 0))
			mul(y, y, sv)
			store(y, mem(tp, 0))
			for _, p := range []reg.GPVirtual{g, dy, x, s} {
				advance(p, 1)
			}
			ADDQ(step, tp)
		})
		end()
	}()

	text("LrnBackward", "func(dst, g, x, t []float32, step, size int, factor float32)",
		"is dst = g - x*factor * the sum of size numbers from t on, which moves by step float32s a block.")
	func() {
		d, g, x, tp, n := ptr("dst"), ptr("g"), ptr("x"), ptr("t"), blocks("dst")
		step := step("step")
		size := Load(Param("size"), GP64())
		factor := param("factor")
		loop(n, []int{1}, func(int) {
			sum := windowSum(tp, size)
			v := load(mem(x, 0))
			mul(v, v, factor)
			mul(v, v, sum)
			y := load(mem(g, 0))
			sub(y, y, v)
			store(y, mem(d, 0))
			for _, p := range []reg.GPVirtual{d, g, x} {
				advance(p, 1)
			}
			ADDQ(step, tp)
		})
		end()
	}()
}

// integer operations on one register of a block.
func xor(dst, a reg.VecVirtual, b Op) {
	if t.regs == 1 {
		VPXORD(b, a, dst)
	} else {
		VPXOR(b, a, dst)
	}
}

// dropout draws four pixels at a time: lane 4*q+p of the generator's four words
// belongs to pixel p and its channels 4*q to 4*q+3, so that a transpose within
// lanes of 128 bits makes blocks of them.
func dropout() {
	text("Dropout", "func(dst, src []float32, key0, key1, place, quad, image, step, below uint32, scale float32)",
		"is dst = src*scale, 0 where the element's word of Philox4x32-10 is below the bound; see Dropout.")
	d, s, n := ptr("dst"), ptr("src"), blocks("dst")
	newReg := func() reg.VecVirtual { return newVec()[0] }
	spreadReg := func(g reg.Register) reg.VecVirtual {
		x, r := XMM(), newReg()
		VMOVD(g, x)
		VPBROADCASTD(x, r)
		return r
	}
	spread := func(name string) reg.VecVirtual { return spreadReg(Load(Param(name), GP32())) }
	var even, odd reg.Register
	if t.regs == 1 {
		g := GP32()
		even, odd = K(), K()
		MOVL(U32(0x5555), g)
		KMOVW(g, even)
		MOVL(U32(0xaaaa), g)
		KMOVW(g, odd)
	}
	// evens puts the even dwords of x, odds the odd ones, into dst.
	evens := func(x, dst reg.VecVirtual) {
		if t.regs == 1 {
			VMOVDQA32(x, even, dst)
		} else {
			VPBLENDD(Imm(0x55), x, dst, dst)
		}
	}
	odds := func(x, dst reg.VecVirtual) {
		if t.regs == 1 {
			VMOVDQA32(x, odd, dst)
		} else {
			VPBLENDD(Imm(0xaa), x, dst, dst)
		}
	}
	place := Load(Param("place"), GP32()).(reg.GPVirtual)

	labels++
	group, done := fmt.Sprintf("group%d", labels), fmt.Sprintf("done%d", labels)
	Label(group)
	CMPQ(n, Imm(0))
	JLE(LabelRef(done))

	// The halves (AVX2) are quads 0, 1 and 2, 3.
	words := make([][4]reg.VecVirtual, t.regs)
	for h := range words {
		c := &words[h]
		c[0] = spreadReg(place)
		VPADDD(at(constant("pixels"), h), c[0], c[0])
		c[1] = spread("quad")
		VPADDD(at(constant("quads"), h), c[1], c[1])
		c[2], c[3] = spread("image"), spread("step")
	}
	k0, k1 := spread("key0"), spread("key1")
	for round := range 10 {
		if round > 0 {
			VPADDD(constant("weyl0"), k0, k0)
			VPADDD(constant("weyl1"), k1, k1)
		}
		for h := range words {
			c := &words[h]
			product := func(x reg.VecVirtual, factor string) (lo, hi reg.VecVirtual) {
				e, o := newReg(), newReg()
				VPMULUDQ(constant(factor), x, e)
				VPSRLQ(Imm(32), x, o)
				VPMULUDQ(constant(factor), o, o)
				lo = newReg()
				VPSLLQ(Imm(32), o, lo)
				evens(e, lo)
				VPSRLQ(Imm(32), e, e)
				odds(o, e)
				return lo, e
			}
			lo0, hi0 := product(c[0], "philox0")
			lo1, hi1 := product(c[2], "philox1")
			xor(hi1, hi1, c[1])
			xor(hi1, hi1, k0)
			xor(hi0, hi0, c[3])
			xor(hi0, hi0, k1)
			*c = [4]reg.VecVirtual{hi1, lo1, hi0, lo0}
		}
	}
	pixels := make([]vec, 4)
	for p := range pixels {
		pixels[p] = newVec()
	}
	for h, c := range words {
		u := [4]reg.VecVirtual{newReg(), newReg(), newReg(), newReg()}
		VPUNPCKLDQ(c[1], c[0], u[0])
		VPUNPCKHDQ(c[1], c[0], u[1])
		VPUNPCKLDQ(c[3], c[2], u[2])
		VPUNPCKHDQ(c[3], c[2], u[3])
		VPUNPCKLQDQ(u[2], u[0], pixels[0][h])
		VPUNPCKHQDQ(u[2], u[0], pixels[1][h])
		VPUNPCKLQDQ(u[3], u[1], pixels[2][h])
		VPUNPCKHQDQ(u[3], u[1], pixels[3][h])
	}
	// The comparison is signed, so both sides are moved by 2^31.
	below := spread("below")
	xor(below, below, constant("sign"))
	scale := param("scale")[0]
	for p, words := range pixels {
		if p > 0 {
			CMPQ(n, Imm(uint64(p)))
			JLE(LabelRef(done))
		}
		v := load(mem(s, p))
		for h, u := range words {
			xor(u, u, constant("sign"))
			VMULPS(scale, v[h], v[h])
			if t.regs == 1 {
				k := K()
				VPCMPGTD(u, below, k)
				z := newReg()
				VPXORD(z, z, z)
				VMOVAPS(z, k, v[h])
			} else {
				VPCMPGTD(u, below, u)
				VANDNPS(v[h], u, v[h])
			}
		}
		store(v, mem(d, p))
	}
	advance(s, 4)
	advance(d, 4)
	ADDL(Imm(4), place)
	SUBQ(Imm(4), n)
	JMP(LabelRef(group))
	Label(done)
	end()
}

func optimizers() {
	// step loops over the arrays; f updates their blocks. coef(i) is coefficient i.
	optimizer := func(name, signature, doc string, arrays []string, f func(coef func(int) vec, x []vec) (changed []int)) {
		text(name, signature, doc)
		n := blocks(arrays[0])
		var p []reg.GPVirtual
		for _, a := range arrays {
			p = append(p, ptr(a))
		}
		c := ptr("coef")
		loop(n, []int{1}, func(int) {
			var x []vec
			for _, p := range p {
				x = append(x, load(mem(p, 0)))
			}
			for _, i := range f(func(i int) vec { return fill(Mem{Base: c, Disp: 4 * i}) }, x) {
				store(x[i], mem(p[i], 0))
			}
			for _, p := range p {
				advance(p, 1)
			}
		})
		end()
	}
	// decayed adds coefficient i times the param to the gradient.
	decayed := func(x []vec, c vec) vec {
		mul(c, c, x[0])
		return add(x[1], x[1], c)
	}
	optimizer("Sgd", "func(p, g, v, coef []float32)", "is a step of SGD: see vec.go.", []string{"p", "g", "v"}, func(coef func(int) vec, x []vec) []int {
		d := decayed(x, coef(2))
		mul(x[2], x[2], coef(1))
		add(x[2], x[2], d)
		sub(x[0], x[0], mul(d, x[2], coef(0)))
		return []int{0, 2}
	})
	optimizer("Nesterov", "func(p, g, v, coef []float32)", "is a step of SGD with Nesterov's momentum: see vec.go.", []string{"p", "g", "v"}, func(coef func(int) vec, x []vec) []int {
		d := decayed(x, coef(2))
		m := coef(1)
		mul(x[2], x[2], m)
		add(x[2], x[2], d)
		mul(m, m, x[2])
		add(d, d, m)
		sub(x[0], x[0], mul(d, d, coef(0)))
		return []int{0, 2}
	})
	optimizer("Rmsprop", "func(p, g, v, s, coef []float32)", "is a step of RMSProp: see vec.go.", []string{"p", "g", "v", "s"}, func(coef func(int) vec, x []vec) []int {
		d := decayed(x, coef(2))
		q := mul(newVec(), d, d)
		mul(q, q, coef(4))
		mul(x[3], x[3], coef(3))
		add(x[3], x[3], q)
		sqrt(q, add(q, x[3], coef(5)))
		mul(d, d, coef(0))
		div(d, d, q)
		mul(x[2], x[2], coef(1))
		add(x[2], x[2], d)
		sub(x[0], x[0], x[2])
		return []int{0, 2, 3}
	})
	optimizer("RmspropTorch", "func(p, g, v, s, coef []float32)", "is a step of RMSProp in PyTorch's form: see vec.go.", []string{"p", "g", "v", "s"}, func(coef func(int) vec, x []vec) []int {
		d := decayed(x, coef(2))
		q := mul(newVec(), d, d)
		mul(q, q, coef(4))
		mul(x[3], x[3], coef(3))
		add(x[3], x[3], q)
		add(q, sqrt(q, x[3]), coef(5))
		div(d, d, q)
		mul(x[2], x[2], coef(1))
		add(x[2], x[2], d)
		sub(x[0], x[0], mul(d, x[2], coef(0)))
		return []int{0, 2, 3}
	})
	optimizer("Adam", "func(p, g, v, s, coef []float32)", "is a step of Adam: see vec.go.", []string{"p", "g", "v", "s"}, func(coef func(int) vec, x []vec) []int {
		d := decayed(x, coef(7))
		q := mul(newVec(), d, d)
		mul(q, q, coef(4))
		mul(x[3], x[3], coef(3))
		add(x[3], x[3], q)
		mul(d, d, coef(2))
		mul(x[2], x[2], coef(1))
		add(x[2], x[2], d)
		sqrt(q, mul(q, x[3], coef(5)))
		add(q, q, coef(6))
		mul(d, x[2], coef(0))
		div(d, d, q)
		mul(x[0], x[0], coef(8))
		sub(x[0], x[0], d)
		return []int{0, 2, 3}
	})

	text("Toward", "func(dst, src []float32, rate float32)", "is dst += (src-dst)*rate.")
	d, s, n := ptr("dst"), ptr("src"), blocks("dst")
	r := param("rate")
	loop(n, []int{1}, func(int) {
		x, y := load(mem(d, 0)), load(mem(s, 0))
		sub(y, y, x)
		mul(y, y, r)
		add(x, x, y)
		store(x, mem(d, 0))
		advance(s, 1)
		advance(d, 1)
	})
	end()
}
