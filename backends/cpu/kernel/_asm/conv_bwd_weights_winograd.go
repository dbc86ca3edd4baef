package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// winoBackwards are what the gradient with respect to the weights takes: the transforms
// of the input and of dY to two rows of positions at a time (0 and 5, 1 and 2, 3 and 4, a
// pair of whose results have most of their operations in common), so that what comes of
// several tiles stays in the first cache; the products summed over tiles; and the adjoint
// of the weight transform for their sums.
func winoBackwards() {
	for _, bits := range []int{512, 256} {
		for pair := range 3 {
			winoBwdX(bits, pair)
		}
		for _, m := range []int{4, 2} {
			for pair := range 3 {
				winoBwdDY(bits, m, pair)
			}
		}
		winoBwdOut(bits, 3)
		winoBwdOut(bits, 5)
	}
	winoBwdSum(512, 1)
	winoBwdSum(512, 2)
	winoBwdSum(256, 1)
}

// winoBwdX transforms n tiles of 6x6 pixels x 16 channels to a pair of rows of positions,
// as winoIn does, but first the columns and then the rows.
func winoBwdX(bits, pair int) {
	v, width, halves := vectors(bits)
	TEXT(fmt.Sprintf("winoBwdX%dp%d", bits, pair), NOSPLIT, "func(src *float32, row int, dst *float32, pos, n, step int)")
	Pragma("noescape")
	Doc("winoBwdX transforms n tiles. row, pos and step are bytes: from a row to the next, from a position of the result to the next, from a tile to the next.")
	src, row, row3, row5, dst, pos, pos3, pos5, n, step, d := reg.RAX, reg.RBX, reg.R8, reg.R9, reg.RCX, reg.RDX, reg.R10, reg.R11, reg.RSI, reg.RDI, reg.R12
	Load(Param("src"), src)
	Load(Param("row"), row)
	Load(Param("dst"), dst)
	Load(Param("pos"), pos)
	Load(Param("n"), n)
	Load(Param("step"), step)
	multiples(row, row3, row5)
	multiples(pos, pos3, pos5)
	four, f, g, t := v[15], v[14], v[13], v[12]
	constant(fmt.Sprintf("GradXFour%dp%d", bits, pair), 0x40800000, four)
	both := bits == 512 // rows of positions at once
	Label("tile")
	for h := 0; h < halves; h++ {
		o := h * width
		in := func(y, x int) Mem { return multiple(src, row, row3, row5, y, 64*x+o) }
		sets := [2][]reg.VecPhysical{v[0:6], v[6:12]}
		if both {
			sets[1] = v[16:22]
		}
		MOVQ(dst, d)
		columns := func(a, b []reg.VecPhysical) { // either may be nil
			for x := 0; x < 6; x++ {
				switch pair {
				case 0:
					if a != nil { // 4(x0-x2) + (x4-x2)
						VMOVUPS(in(2, x), t)
						VMOVUPS(in(4, x), f)
						VSUBPS(t, f, f)
						VMOVUPS(in(0, x), a[x])
						VSUBPS(t, a[x], a[x])
						VFMADD213PS(f, four, a[x])
					}
					if b != nil { // (x5-x3) - 4(x3-x1)
						VMOVUPS(in(3, x), t)
						VSUBPS(in(1, x), t, g)
						VMOVUPS(in(5, x), b[x])
						VSUBPS(t, b[x], b[x])
						VFNMADD231PS(g, four, b[x])
					}
				case 1: // (x4-4x2) and (x3-4x1), their sum and difference
					VMOVUPS(in(4, x), f)
					VFNMADD231PS(in(2, x), four, f)
					VMOVUPS(in(3, x), g)
					VFNMADD231PS(in(1, x), four, g)
				case 2: // (x4-x2) and 2(x3-x1)
					VMOVUPS(in(4, x), f)
					VSUBPS(in(2, x), f, f)
					VMOVUPS(in(3, x), g)
					VSUBPS(in(1, x), g, g)
					VADDPS(g, g, g)
				}
				if pair > 0 && a != nil {
					VADDPS(g, f, a[x])
				}
				if pair > 0 && b != nil {
					VSUBPS(g, f, b[x])
				}
			}
		}
		rows := func(x []reg.VecPhysical) {
			for i, q := range winoIn1(x, f, g, four) {
				VMOVUPS(q, multiple(d, pos, pos3, pos5, i, o))
			}
		}
		if both {
			columns(sets[0], sets[1])
		} else {
			columns(sets[0], nil)
		}
		rows(sets[0])
		LEAQ(Mem{Base: d, Index: pos3, Scale: 2}, d)
		if !both {
			columns(nil, sets[1])
		}
		rows(sets[1])
	}
	ADDQ(step, src)
	ADDQ(U32(64), dst)
	DECQ(n)
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}

// multiples sets registers to 3 and 5 times r.
func multiples(r, three, five reg.GPPhysical) {
	LEAQ(Mem{Base: r, Index: r, Scale: 2}, three)
	LEAQ(Mem{Base: r, Index: r, Scale: 4}, five)
}

// multiple is i (up to 5) steps from base.
func multiple(base, step, three, five reg.GPPhysical, i, disp int) Mem {
	m := Mem{Base: base, Disp: disp}
	switch i {
	case 1, 2, 4:
		m.Index, m.Scale = step, uint8(i)
	case 3:
		m.Index, m.Scale = three, 1
	case 5:
		m.Index, m.Scale = five, 1
	}
	return m
}

// winoBwdDY transforms n tiles of m x m pixels x 16 channels of dY to a pair of rows of
// positions: first the columns, then the rows.
//
//	m = 4:  e = y0+y2  o = y1+y3  f = y0+4y2  p = y1+4y3
//	m = 2:  e = f = y0  o = p = y1
//	u0 = y0  u1 = e+o  u2 = e-o  u3 = f+2p  u4 = f-2p  u5 = the last y
func winoBwdDY(bits, m, pair int) {
	v, width, halves := vectors(bits)
	TEXT(fmt.Sprintf("winoBwdDY%dm%dp%d", bits, m, pair), NOSPLIT, "func(src *float32, row int, dst *float32, pos, n int)")
	Pragma("noescape")
	Doc("winoBwdDY transforms n tiles that lie side by side. row and pos are bytes: from a row to the next, from a position of the result to the next.")
	src, row, row3, row5, dst, pos, pos3, pos5, n, d := reg.RAX, reg.RBX, reg.R8, reg.R9, reg.RCX, reg.RDX, reg.R10, reg.R11, reg.RSI, reg.R12
	Load(Param("src"), src)
	Load(Param("row"), row)
	Load(Param("dst"), dst)
	Load(Param("pos"), pos)
	Load(Param("n"), n)
	multiples(row, row3, row5)
	multiples(pos, pos3, pos5)
	id := fmt.Sprintf("%dm%dp%d", bits, m, pair)
	two, four, t := v[15], v[14], v[8:14]
	constant("GradTwo"+id, 0x40000000, two)
	constant("GradFour"+id, 0x40800000, four)
	// sums leaves e and o, or f and p, of y in the registers returned.
	sums := func(y [4]Op, e, o reg.VecPhysical, times bool) {
		VMOVUPS(y[0], e)
		VMOVUPS(y[1], o)
		switch {
		case m == 2:
		case times:
			VFMADD231PS(y[2], four, e)
			VFMADD231PS(y[3], four, o)
		default:
			VADDPS(y[2], e, e)
			VADDPS(y[3], o, o)
		}
	}
	// both leaves their sum and difference.
	both := func(e, o, plus, minus reg.VecPhysical, times bool) {
		VMOVAPS(e, minus)
		if times {
			VFNMADD231PS(o, two, minus)
			VMOVAPS(e, plus)
			VFMADD231PS(o, two, plus)
			return
		}
		VSUBPS(o, e, minus)
		VADDPS(o, e, plus)
	}
	Label("tile")
	for h := 0; h < halves; h++ {
		o := h * width
		sets := [2][]reg.VecPhysical{v[0:m], v[4 : 4+m]}
		for x := 0; x < m; x++ {
			in := func(y int) Mem { return multiple(src, row, row3, row5, y, 64*x+o) }
			if pair == 0 {
				VMOVUPS(in(0), sets[0][x])
				VMOVUPS(in(m-1), sets[1][x])
				continue
			}
			sums([4]Op{in(0), in(1), in(2), in(3)}, t[0], t[1], pair == 2)
			both(t[0], t[1], sets[0][x], sets[1][x], pair == 2)
		}
		MOVQ(dst, d)
		for i, y := range sets {
			store := func(i int, q reg.VecPhysical) { VMOVUPS(q, multiple(d, pos, pos3, pos5, i, o)) }
			store(0, y[0])
			store(5, y[m-1])
			ops := [4]Op{}
			for x, q := range y {
				ops[x] = q
			}
			for _, times := range []bool{false, true} {
				e, p := y[0], y[1]
				if m == 4 {
					e, p = t[0], t[1]
					sums(ops, e, p, times)
				}
				both(e, p, t[2], t[3], times)
				at := 1
				if times {
					at = 3
				}
				store(at, t[2])
				store(at+1, t[3])
			}
			if i == 0 {
				LEAQ(Mem{Base: d, Index: pos3, Scale: 2}, d)
			}
		}
	}
	ADDQ(U32(uint32(64*m)), src)
	ADDQ(U32(64), dst)
	DECQ(n)
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}

// winoBwdOut transforms n vectors of sums at 36 positions, whose rows lie in the order of
// pairs, to r x r taps: first the rows, by way of tmp (6r blocks), then the columns.
//
//	s = m1+m2  d = m1-m2  u = m3+m4  v = m3-m4
//	a = -s/6   b = -d/6
//	g0 = (m0/4+a) + u/24  g1 = b + v/12  g2 = a + u/6
//	r = 3: g2 += m5        r = 5: g3 = b + v/3  g4 = (m5+a) + 2u/3
func winoBwdOut(bits, r int) {
	v, width, _ := vectors(bits)
	TEXT(fmt.Sprintf("winoBwdOut%dr%d", bits, r), NOSPLIT, "func(src *float32, pos int, dst *float32, tap, n int, tmp *float32)")
	Pragma("noescape")
	Doc("winoBwdOut transforms n vectors. pos and tap are bytes: from a position of the sums to the next, from a tap of the result to the next.")
	src, pos, dst, tap, n, tmp, s, p3, p5, p6 := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12
	t1, t3, t5 := reg.RDI, reg.R13, reg.R15
	Load(Param("src"), src)
	Load(Param("pos"), pos)
	Load(Param("dst"), dst)
	Load(Param("tap"), tap)
	Load(Param("n"), n)
	Load(Param("tmp"), tmp)
	multiples(pos, p3, p5)
	LEAQ(Mem{Base: p3, Index: p3, Scale: 1}, p6)
	id := fmt.Sprintf("%dr%d", bits, r)
	m, c := v[:6], v[9:]
	quarter, sixth, sixthLess, small, twelfth, third, twoThirds := c[0], c[1], c[2], c[3], c[4], c[5], c[6]
	constant("GradQuarter"+id, 0x3e800000, quarter)
	constant("GradSixth"+id, 0x3e2aaaab, sixth)
	constant("GradSixthLess"+id, 0xbe2aaaab, sixthLess)
	constant("GradSmall"+id, 0x3d2aaaab, small)
	constant("GradTwelfth"+id, 0x3daaaaab, twelfth)
	if r == 5 {
		constant("GradThird"+id, 0x3eaaaaab, third)
		constant("GradTwoThirds"+id, 0x3f2aaaab, twoThirds)
	}
	// one consumes m; store takes the results.
	one := func(store func(i int, x reg.VecPhysical)) {
		a, b, t := v[6], v[7], v[8]
		VADDPS(m[2], m[1], a)
		VSUBPS(m[2], m[1], b)
		VADDPS(m[4], m[3], m[1]) // u
		VSUBPS(m[4], m[3], m[2]) // v
		VMULPS(sixthLess, a, a)
		VMULPS(sixthLess, b, b)
		VFMADD213PS(a, quarter, m[0])
		VFMADD231PS(m[1], small, m[0])
		store(0, m[0])
		if r == 5 {
			VADDPS(a, m[5], m[5])
			VFMADD231PS(m[1], twoThirds, m[5])
			store(4, m[5])
			VMOVAPS(b, t)
			VFMADD231PS(m[2], third, t)
			store(3, t)
		}
		VFMADD231PS(m[2], twelfth, b)
		store(1, b)
		VFMADD231PS(m[1], sixth, a)
		if r == 3 {
			VADDPS(m[5], a, a)
		}
		store(2, a)
	}
	Label("vector")
	MOVQ(src, s)
	for i, y := range []int{0, 5, 1, 2, 3, 4} {
		if i > 0 {
			ADDQ(p6, s)
		}
		for i, q := range m {
			VMOVUPS(multiple(s, pos, p3, p5, i, 0), q)
		}
		one(func(i int, q reg.VecPhysical) { VMOVUPS(q, Mem{Base: tmp, Disp: 64 * (y*r + i)}) })
	}
	// From a row of taps to the next.
	LEAQ(Mem{Base: tap, Index: tap, Scale: uint8(r - 1)}, t1)
	multiples(t1, t3, t5)
	MOVQ(dst, s)
	for i := 0; i < r; i++ {
		for y, q := range m {
			VMOVUPS(Mem{Base: tmp, Disp: 64 * (y*r + i)}, q)
		}
		one(func(y int, q reg.VecPhysical) { VMOVUPS(q, multiple(s, t1, t3, t5, y, 0)) })
		if i < r-1 {
			ADDQ(tap, s)
		}
	}
	ADDQ(U32(uint32(width)), src)
	ADDQ(U32(uint32(width)), dst)
	DECQ(n)
	JNZ(LabelRef("vector"))
	VZEROUPPER()
	RET()
}

// Byte offsets of the fields of kernel.winoSums; a test there compares them.
const (
	sX      = 0
	sDY     = 8
	sSum    = 16
	sN      = 24
	sXNext  = 32
	sDYNext = 40
	sNext   = 48
	sTiles  = 56
	sBlock  = 64
	sRow    = 72
	sBegin  = 80
	sAsk    = 88
)

// winoBwdSum adds the products of tiles of 16 channels of the input and ob blocks of
// dY (on AVX2 one, in two registers), one sum of n after another:
//
//	sum[i][o] += sum over tiles of x[tile][i] * dy[tile][o]
//
// It keeps as many rows i of the sum at once as make 16 registers (AVX2: 8), and begins
// with zeros if begin is set. It asks for a cache line from ask on for each tile of each sum:
// what comes from farther than the second cache comes in time only if it is asked for evenly
// while something is computed.
func winoBwdSum(bits, ob int) {
	v, width, halves := vectors(bits)
	name := fmt.Sprintf("winoBwdSum%d", bits)
	if bits == 512 {
		name += fmt.Sprintf("o%d", ob)
	}
	TEXT(name, NOSPLIT, "func(t *byte)")
	Pragma("noescape")
	x, dy, sum, n, tiles, row, xs, ds, ds2, at := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12
	tq, ask := reg.RDI, reg.R13
	Load(Param("t"), tq)
	f := func(off int) Mem { return Mem{Base: tq, Disp: off} }
	MOVQ(f(sX), x)
	MOVQ(f(sDY), dy)
	MOVQ(f(sSum), sum)
	MOVQ(f(sN), n)
	MOVQ(f(sRow), row)
	MOVQ(f(sAsk), ask)
	vectors := ob * halves // of a row
	registers := 16
	if bits == 256 {
		registers = 8
	}
	rows := registers / vectors
	acc := v[:registers]
	d, b := v[registers:registers+vectors], v[registers+vectors:]
	b = b[:min(len(b), 4)]
	Label("sum")
	for g := 0; g < 16; g += rows {
		label := func(s string) string { return fmt.Sprintf("%s%d", s, g) }
		// place visits the rows in memory.
		place := func(visit func(m Mem, r reg.VecPhysical)) {
			for i := 0; i < rows; i++ {
				for q := 0; q < vectors; q++ {
					visit(Mem{Base: at, Disp: width * q}, acc[i*vectors+q])
				}
				if i < rows-1 {
					ADDQ(row, at)
				}
			}
		}
		CMPQ(f(sBegin), Imm(0))
		JE(LabelRef(label("load")))
		zeros(bits, acc)
		JMP(LabelRef(label("tiles")))
		Label(label("load"))
		MOVQ(sum, at)
		place(func(m Mem, r reg.VecPhysical) { VMOVUPS(m, r) })
		Label(label("tiles"))
		LEAQ(Mem{Base: x, Disp: 4 * g}, xs)
		MOVQ(dy, ds)
		if ob == 2 {
			MOVQ(f(sBlock), ds2)
			ADDQ(dy, ds2)
		}
		MOVQ(f(sTiles), tiles)
		Label(label("tile"))
		for q, r := range d {
			base := ds
			disp := width * q
			if ob == 2 && q == 1 {
				base, disp = ds2, 0
			}
			VMOVUPS(Mem{Base: base, Disp: disp}, r)
		}
		for i := 0; i < rows; i++ {
			m := Mem{Base: xs, Disp: 4 * i}
			if vectors == 1 {
				VFMADD231PS_BCST(m, d[0], acc[i])
				continue
			}
			VBROADCASTSS(m, b[i%len(b)])
			for q, r := range d {
				VFMADD231PS(b[i%len(b)], r, acc[i*vectors+q])
			}
		}
		if g == 0 {
			PREFETCHT1(Mem{Base: ask})
			ADDQ(Imm(64), ask)
		}
		ADDQ(Imm(64), xs)
		ADDQ(Imm(64), ds)
		if ob == 2 {
			ADDQ(Imm(64), ds2)
		}
		DECQ(tiles)
		JNZ(LabelRef(label("tile")))
		MOVQ(sum, at)
		place(func(m Mem, r reg.VecPhysical) { VMOVUPS(r, m) })
		if g+rows < 16 {
			// The rows that follow.
			LEAQ(Mem{Base: at, Index: row, Scale: 1}, sum)
		}
	}
	// Back to the first row, and on to the next sum.
	for i := 0; i < 16/rows-1; i++ {
		MOVQ(row, at)
		for s := 1; s < rows; s *= 2 {
			ADDQ(at, at)
		}
		SUBQ(at, sum)
	}
	ADDQ(f(sXNext), x)
	ADDQ(f(sDYNext), dy)
	ADDQ(f(sNext), sum)
	DECQ(n)
	JNZ(LabelRef("sum"))
	VZEROUPPER()
	RET()
}
