package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// winograds are the transforms of F(4x4, 3x3) and F(2x2, 5x5) with the points
// 0, 1, -1, 2, -2 and infinity. Both have 6x6 input tiles and share the input
// transform.
func winograds() {
	for _, bits := range []int{512, 256} {
		winoIn(bits)
		winoOut(bits, 4)
		winoOut(bits, 2)
		winoWeights(bits, 3)
		winoWeights(bits, 5)
	}
}

func vectors(bits int) ([]reg.VecPhysical, int, int) {
	if bits == 512 {
		return zmm, 64, 1
	}
	return ymm, 32, 2
}

// constant broadcasts a float32 given by its bits.
func constant(name string, v uint32, to reg.VecPhysical) {
	m := GLOBL("wino"+name, RODATA|NOPTR)
	DATA(0, U32(v))
	VBROADCASTSS(m, to)
}

// winoIn transforms n tiles of 6x6 pixels x 16 channels: first the rows, by way
// of tmp (36 blocks), then the columns.
//
// One dimension, 9 additions and 4 fused multiply-adds:
//
//	t0 = 4(x0-x2) + (x4-x2)             t5 = (x5-x3) - 4(x3-x1)
//	t1 = (x4-4x2) + (x3-4x1)            t2 = (x4-4x2) - (x3-4x1)
//	t3 = (x4-x2) + 2(x3-x1)             t4 = (x4-x2) - 2(x3-x1)
func winoIn(bits int) {
	v, width, halves := vectors(bits)
	TEXT(fmt.Sprintf("winoIn%d", bits), NOSPLIT, "func(src *float32, row int, dst *float32, pos, n, step int, tmp *float32)")
	Pragma("noescape")
	Doc("winoIn transforms n tiles. row, pos and step are bytes: from a row to the next, from a position of the result to the next, from a tile to the next.")
	src, row, dst, pos, n, step, tmp, s, d, p6 := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11
	Load(Param("src"), src)
	Load(Param("row"), row)
	Load(Param("dst"), dst)
	Load(Param("pos"), pos)
	Load(Param("n"), n)
	Load(Param("step"), step)
	Load(Param("tmp"), tmp)
	LEAQ(Mem{Base: pos, Index: pos, Scale: 2}, p6)
	ADDQ(p6, p6)
	four := v[15]
	constant(fmt.Sprintf("four%d", bits), 0x40800000, four)
	one := func(x []reg.VecPhysical, f, g reg.VecPhysical) []reg.VecPhysical { return winoIn1(x, f, g, four) }
	sets := [2][]reg.VecPhysical{v[0:6], v[7:13]}
	if bits == 512 {
		sets[1] = v[16:22]
	}
	Label("tile")
	for h := 0; h < halves; h++ {
		o := h * width
		MOVQ(src, s)
		for y := 0; y < 6; y++ {
			x := sets[y%2]
			for i, r := range x {
				VMOVUPS(Mem{Base: s, Disp: 64*i + o}, r)
			}
			for i, r := range one(x, v[6], v[14]) {
				VMOVUPS(r, Mem{Base: tmp, Disp: 64*(6*y+i) + o})
			}
			if y < 5 {
				ADDQ(row, s)
			}
		}
		for i := 0; i < 6; i++ {
			x := sets[i%2]
			for y, r := range x {
				VMOVUPS(Mem{Base: tmp, Disp: 64*(6*y+i) + o}, r)
			}
			if i == 0 {
				MOVQ(dst, d)
			}
			t := one(x, v[6], v[14])
			MOVQ(d, s)
			for y, r := range t {
				VMOVUPS(r, Mem{Base: s, Disp: o})
				if y < 5 {
					ADDQ(p6, s)
				}
			}
			ADDQ(pos, d)
		}
	}
	ADDQ(step, src)
	ADDQ(U32(64), dst)
	DECQ(n)
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}

// winoIn1 is one dimension of it, given a register that holds fours. x is consumed, f and
// g too; the results are in the registers returned.
func winoIn1(x []reg.VecPhysical, f, g, four reg.VecPhysical) []reg.VecPhysical {
	VSUBPS(x[2], x[4], f)          // f = x4-x2
	VSUBPS(x[2], x[0], x[0])       // x0-x2
	VFMADD213PS(f, four, x[0])     // t0
	VSUBPS(x[1], x[3], g)          // g = x3-x1
	VSUBPS(x[3], x[5], x[5])       // x5-x3
	VFNMADD231PS(g, four, x[5])    // t5
	VFNMADD213PS(x[4], four, x[2]) // x4-4x2
	VFNMADD213PS(x[3], four, x[1]) // x3-4x1
	VADDPS(x[1], x[2], x[3])       // t1
	VSUBPS(x[1], x[2], x[4])       // t2
	VADDPS(g, g, g)                // 2(x3-x1)
	VADDPS(g, f, x[1])             // t3
	VSUBPS(g, f, x[2])             // t4
	return []reg.VecPhysical{x[0], x[3], x[4], x[1], x[2], x[5]}
}

// winoOut transforms n results of 36 positions to m x m pixels, with the
// epilogue: the columns first, by way of tmp, then the rows.
//
//	s = m1+m2  d = m1-m2  u = m3+m4  v = m3-m4
//	m = 4:  y0 = (m0+s)+u  y1 = d+2v  y2 = s+4u  y3 = (d+m5)+8v
//	m = 2:  y0 = (m0+s)+u  y1 = (d+m5)+2v
func winoOut(bits, m int) {
	v, width, halves := vectors(bits)
	TEXT(fmt.Sprintf("winoOut%dm%d", bits, m), NOSPLIT, "func(src *float32, pos int, dst *float32, row int, bias, res *float32, resRow int, scale float32, flags, n int, tmp *float32)")
	Pragma("noescape")
	src, pos, dst, row, bias, res, rrow, flags, n, tmp, s, d := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13
	Load(Param("src"), src)
	Load(Param("pos"), pos)
	Load(Param("dst"), dst)
	Load(Param("row"), row)
	Load(Param("bias"), bias)
	Load(Param("res"), res)
	Load(Param("resRow"), rrow)
	Load(Param("flags"), flags)
	Load(Param("n"), n)
	Load(Param("tmp"), tmp)
	two, four, eight := v[15], v[14], v[13]
	constant(fmt.Sprintf("outTwo%dm%d", bits, m), 0x40000000, two)
	constant(fmt.Sprintf("outFour%dm%d", bits, m), 0x40800000, four)
	constant(fmt.Sprintf("outEight%dm%d", bits, m), 0x41000000, eight)
	one := func(x []reg.VecPhysical, t reg.VecPhysical) []reg.VecPhysical {
		VADDPS(x[2], x[1], t)    // s
		VSUBPS(x[2], x[1], x[1]) // d
		VADDPS(x[4], x[3], x[2]) // u
		VSUBPS(x[4], x[3], x[3]) // v
		VADDPS(t, x[0], x[0])
		VADDPS(x[2], x[0], x[0]) // y0
		VADDPS(x[1], x[5], x[5]) // d+m5
		if m == 2 {
			VFMADD231PS(x[3], two, x[5]) // y1
			return []reg.VecPhysical{x[0], x[5]}
		}
		VFMADD231PS(x[3], eight, x[5]) // y3
		VFMADD231PS(x[3], two, x[1])   // y1
		VFMADD231PS(x[2], four, t)     // y2
		return []reg.VecPhysical{x[0], x[1], t, x[5]}
	}
	x := v[0:6]
	Label("tile")
	for h := 0; h < halves; h++ {
		o := h * width
		MOVQ(src, s)
		for y := 0; y < 6; y++ {
			for _, q := range x {
				VMOVUPS(Mem{Base: s, Disp: o}, q)
				ADDQ(pos, s)
			}
			for i, q := range one(x, v[6+y%2]) {
				VMOVUPS(q, Mem{Base: tmp, Disp: 64*(m*y+i) + o})
			}
		}
		for i := 0; i < m; i++ {
			for y, q := range x {
				VMOVUPS(Mem{Base: tmp, Disp: 64*(m*y+i) + o}, q)
			}
			t := one(x, v[6])
			VMOVUPS(Mem{Base: bias, Disp: o}, v[8])
			for _, q := range t {
				VADDPS(v[8], q, q)
			}
			label := fmt.Sprintf("h%di%d", h, i)
			TESTQ(U32(tileRes), flags)
			JZ(LabelRef("act" + label))
			{
				sc := NewParamAddr("scale", 56)
				VBROADCASTSS(sc, v[8])
			}
			LEAQ(Mem{Base: res, Disp: 64*i + o}, s)
			for y, q := range t {
				VFMADD213PS(Mem{Base: s}, v[8], q)
				if y < m-1 {
					ADDQ(rrow, s)
				}
			}
			Label("act" + label)
			TESTQ(U32(tileReLU|tileMask), flags)
			JZ(LabelRef("store" + label))
			VXORPS(v[8], v[8], v[8])
			TESTQ(U32(tileMask), flags)
			JZ(LabelRef("relu" + label))
			LEAQ(Mem{Base: res, Disp: 64*i + o}, s)
			for y, q := range t {
				maskBy(Mem{Base: s}, v[8], q, v[9:12], y, 0)
				ADDQ(rrow, s)
			}
			for y := range t { // the tile below, of the next run probably
				PREFETCHT0(Mem{Base: s})
				if y < m-1 {
					ADDQ(rrow, s)
				}
			}
			JMP(LabelRef("store" + label))
			Label("relu" + label)
			for _, q := range t {
				VMAXPS(q, v[8], q)
			}
			Label("store" + label)
			LEAQ(Mem{Base: dst, Disp: 64*i + o}, d)
			for _, q := range t {
				VMOVUPS(q, Mem{Base: d})
				ADDQ(row, d)
			}
			if h == 0 {
				TESTQ(U32(tileNear), flags)
				JNZ(LabelRef("near" + label))
				// Those of the tile below, of the next run probably: a store to what is far
				// away waits for it, and many such stores hold up what follows.
				for y := range t {
					PREFETCHT0(Mem{Base: d})
					if y < m-1 {
						ADDQ(row, d)
					}
				}
				Label("near" + label)
			}
		}
	}
	ADDQ(U32(64), src)
	ADDQ(U32(uint32(64*m)), dst)
	ADDQ(U32(uint32(64*m)), res)
	DECQ(n)
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}

// winoWeights transforms the weights of n vectors of output channels: r x r taps to
// 36 positions, the columns first, by way of tmp (6r blocks), then the rows.
//
//	r = 3:  e = g0+g2        o = g1           f = g0+4g2         p = g1+g1
//	r = 5:  e = (g0+g2)+g4   o = g1+g3        f = (g0+4g2)+16g4  p = 2g1+8g3
//	t0 = g0/4  t1 = (e+o)*(-1/6)  t2 = (e-o)*(-1/6)  t3 = (f+p)/24  t4 = (f-p)/24  t5 = the last g
func winoWeights(bits, r int) {
	v, width, _ := vectors(bits)
	TEXT(fmt.Sprintf("winoWeights%dr%d", bits, r), NOSPLIT, "func(src *float32, tap int, dst *float32, pos, n int, tmp *float32)")
	Pragma("noescape")
	Doc("winoWeights transforms n vectors. tap and pos are bytes: from a tap to the next, from a position of the result to the next.")
	src, tap, dst, pos, n, tmp, s, p3, p5, p6 := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.R8, reg.R9, reg.R11, reg.R12, reg.R10
	Load(Param("src"), src)
	Load(Param("tap"), tap)
	Load(Param("dst"), dst)
	Load(Param("pos"), pos)
	Load(Param("n"), n)
	Load(Param("tmp"), tmp)
	LEAQ(Mem{Base: pos, Index: pos, Scale: 2}, p6)
	MOVQ(p6, p3)
	LEAQ(Mem{Base: pos, Index: pos, Scale: 4}, p5)
	ADDQ(p6, p6)
	quarter, sixth, small, four, eight, sixteen := v[15], v[14], v[13], v[12], v[11], v[10]
	id := fmt.Sprintf("%dr%d", bits, r)
	constant("Quarter"+id, 0x3e800000, quarter)
	constant("Sixth"+id, 0xbe2aaaab, sixth)
	constant("Small"+id, 0x3d2aaaab, small)
	constant("WFour"+id, 0x40800000, four)
	if r == 5 {
		constant("WEight"+id, 0x41000000, eight)
		constant("WSixteen"+id, 0x41800000, sixteen)
	}
	// g is consumed; store(i, x) takes the six results.
	one := func(g []reg.VecPhysical, t []reg.VecPhysical, store func(i int, x reg.VecPhysical)) {
		e, o, f, p := t[0], t[1], t[2], t[3]
		store(5, g[r-1])
		VADDPS(g[2], g[0], e)
		if r == 3 {
			VMOVAPS(g[0], f)
			VFMADD231PS(g[2], four, f)
			VADDPS(g[1], g[1], p)
			o = g[1]
		} else {
			VADDPS(g[4], e, e)
			VADDPS(g[3], g[1], o)
			VMOVAPS(g[0], f)
			VFMADD231PS(g[2], four, f)
			VFMADD231PS(g[4], sixteen, f)
			VADDPS(g[1], g[1], p)
			VFMADD231PS(g[3], eight, p)
		}
		VMULPS(quarter, g[0], g[0])
		store(0, g[0])
		for i, pair := range [2][3]reg.VecPhysical{{e, o, sixth}, {f, p, small}} {
			VADDPS(pair[1], pair[0], g[2])
			VMULPS(pair[2], g[2], g[2])
			store(1+2*i, g[2])
			VSUBPS(pair[1], pair[0], g[2])
			VMULPS(pair[2], g[2], g[2])
			store(2+2*i, g[2])
		}
	}
	g, t := v[0:r], v[5:9]
	Label("vector")
	for x := 0; x < r; x++ { // column x: taps y*r+x to tmp[y'*r+x]
		if x == 0 {
			MOVQ(src, s)
		} else {
			ADDQ(tap, src)
			MOVQ(src, s)
		}
		for y := 0; y < r; y++ {
			VMOVUPS(Mem{Base: s}, g[y])
			if y < r-1 {
				for i := 0; i < r; i++ {
					ADDQ(tap, s)
				}
			}
		}
		one(g, t, func(i int, q reg.VecPhysical) { VMOVUPS(q, Mem{Base: tmp, Disp: 64 * (i*r + x)}) })
	}
	for x := 1; x < r; x++ {
		SUBQ(tap, src)
	}
	MOVQ(dst, s)
	for y := 0; y < 6; y++ {
		for x := 0; x < r; x++ {
			VMOVUPS(Mem{Base: tmp, Disp: 64 * (y*r + x)}, g[x])
		}
		one(g, t, func(i int, q reg.VecPhysical) {
			m := Mem{Base: s}
			switch i {
			case 1, 2, 4:
				m.Index, m.Scale = pos, uint8(i)
			case 3:
				m.Index, m.Scale = p3, 1
			case 5:
				m.Index, m.Scale = p5, 1
			}
			VMOVUPS(q, m)
		})
		if y < 5 {
			ADDQ(p6, s)
		}
	}
	ADDQ(U32(uint32(width)), src)
	ADDQ(U32(uint32(width)), dst)
	DECQ(n)
	JNZ(LabelRef("vector"))
	VZEROUPPER()
	RET()
}
