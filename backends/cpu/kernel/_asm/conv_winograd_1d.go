package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The points of F(4, 7): 0, plus and minus these, and infinity.
var wino1dPoints = [4]float64{1, 2, 0.5, 0.75}

// lines are the transforms of the one-dimensional F(4, 7), for 1x7 and 7x1
// kernels. Its constants are exact in float32; each stands sixteen times in a
// table, so that it is an operand in memory at both widths.
//
// With the pairs' points p and the polynomial Q(y) = y^3 + c2 y^2 + c1 y + c0 whose
// roots are the squares of the other three, and R(y) that of all four squares:
//
//	e = ((d8 + c2 d6) + c1 d4) + c0 d2      o = ((d7 + c2 d5) + c1 d3) + c0 d1
//	t+ = e + p o                            t- = e - p o
//	t0 = (((d8 + z3 d6) + z2 d4) + z1 d2) + z0 d0, and t9 the same one further
//
// and back, with s and d the sum and the difference of a pair's products:
//
//	y0 = (((m0 + s1) + s2) + s3) + s4       y1 = ((d1 + 2 d2) + d3/2) + 3/4 d4
//	y2 = ((s1 + 4 s2) + s3/4) + 9/16 s4     y3 = (((d1 + m9) + 8 d2) + d3/8) + 27/64 d4
func lines() {
	table := GLOBL("lineTable", RODATA|NOPTR)
	index := map[float64]int{}
	constant := func(x float64) Mem {
		i, ok := index[x]
		if !ok {
			if float64(float32(x)) != x {
				panic("not exact")
			}
			i = len(index)
			index[x] = i
			for l := range 16 {
				DATA(64*i+4*l, U32(math.Float32bits(float32(x))))
			}
		}
		return table.Offset(64 * i)
	}
	// polynomial returns the coefficients of the monic one with these roots, the
	// constant term first, without the leading 1.
	polynomial := func(roots []float64) []float64 {
		c := []float64{1}
		for _, r := range roots {
			n := make([]float64, len(c)+1)
			for i, v := range c {
				n[i+1] += v
				n[i] -= r * v
			}
			c = n
		}
		return c[:len(c)-1]
	}
	var squares []float64
	for _, p := range wino1dPoints {
		squares = append(squares, p*p)
	}
	// The table comes before the functions that use it.
	for _, x := range polynomial(squares) {
		constant(x)
	}
	for i, p := range wino1dPoints {
		others := append(append([]float64(nil), squares[:i]...), squares[i+1:]...)
		for _, x := range append(polynomial(others), p, p*p, p*p*p) {
			constant(x)
		}
	}

	for _, bits := range []int{512, 256} {
		v, width, halves := vectors(bits)
		TEXT(fmt.Sprintf("wino1dIn%d", bits), NOSPLIT, "func(src *float32, step int, dst *float32, pos, n, next int)")
		Pragma("noescape")
		Doc("wino1dIn transforms n tiles of 10 blocks. step, pos and next are bytes: from a block to the next, from a position of the result to the next, from a tile to the next.")
		src, step, dst, pos, n, next, s, d := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8, reg.R9
		Load(Param("src"), src)
		Load(Param("step"), step)
		Load(Param("dst"), dst)
		Load(Param("pos"), pos)
		Load(Param("n"), n)
		Load(Param("next"), next)
		Label("tile")
		for h := 0; h < halves; h++ {
			o := h * width
			x, e, odd, t := v[0:10], v[10], v[11], v[12]
			MOVQ(src, s)
			for i, r := range x {
				VMOVUPS(Mem{Base: s, Disp: o}, r)
				if i < 9 {
					ADDQ(step, s)
				}
			}
			MOVQ(dst, d)
			store := func(r reg.VecPhysical, last bool) {
				VMOVUPS(r, Mem{Base: d, Disp: o})
				if !last {
					ADDQ(pos, d)
				}
			}
			sum := func(to reg.VecPhysical, coefficients []float64, first int) { // x[first], x[first+2], ... and the last one times 1
				k := len(coefficients)
				VMOVAPS(x[first+2*k], to)
				for i := k - 1; i >= 0; i-- {
					VFMADD231PS(constant(coefficients[i]), x[first+2*i], to)
				}
			}
			sum(e, polynomial(squares), 0)
			store(e, false)
			for i, p := range wino1dPoints {
				others := append(append([]float64(nil), squares[:i]...), squares[i+1:]...)
				sum(e, polynomial(others), 2)
				sum(odd, polynomial(others), 1)
				VMOVAPS(e, t)
				VFMADD231PS(constant(p), odd, t)
				store(t, false)
				VFNMADD231PS(constant(p), odd, e)
				store(e, false)
			}
			sum(e, polynomial(squares), 1)
			store(e, true)
		}
		ADDQ(next, src)
		ADDQ(U32(64), dst)
		DECQ(n)
		JNZ(LabelRef("tile"))
		VZEROUPPER()
		RET()

		TEXT(fmt.Sprintf("wino1dOut%d", bits), NOSPLIT, "func(src *float32, pos int, dst *float32, step, next int, bias, res *float32, resStep, resNext int, scale float32, flags, n int)")
		Pragma("noescape")
		Doc("wino1dOut transforms n results of 10 positions to 4 blocks, step bytes apart, with the epilogue.")
		bias, res, rstep, rnext, flags := reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11
		step, next = reg.RBX, reg.RSI
		n, s, d = reg.R12, reg.R13, reg.R13
		pos = reg.RDX
		Load(Param("src"), src)
		Load(Param("pos"), pos)
		Load(Param("dst"), dst)
		Load(Param("step"), step)
		Load(Param("next"), next)
		Load(Param("bias"), bias)
		Load(Param("res"), res)
		Load(Param("resStep"), rstep)
		Load(Param("resNext"), rnext)
		Load(Param("flags"), flags)
		Load(Param("n"), n)
		Label("tile")
		for h := 0; h < halves; h++ {
			o := h * width
			m, t := v[0:10], v[10:14]
			MOVQ(src, s)
			for i, r := range m {
				VMOVUPS(Mem{Base: s, Disp: o}, r)
				if i < 9 {
					ADDQ(pos, s)
				}
			}
			for i := 1; i < 9; i += 2 { // m[i] becomes the sum, m[i+1] the difference
				VADDPS(m[i+1], m[i], t[0])
				VSUBPS(m[i+1], m[i], m[i+1])
				VMOVAPS(t[0], m[i])
			}
			VADDPS(m[1], m[0], t[0])
			for i := 3; i < 9; i += 2 {
				VADDPS(m[i], t[0], t[0])
			}
			VMOVAPS(m[2], t[1])
			VMOVAPS(m[1], t[2])
			VADDPS(m[9], m[2], t[3])
			for i := 1; i < 4; i++ {
				p := wino1dPoints[i]
				VFMADD231PS(constant(p), m[2*i+2], t[1])
				VFMADD231PS(constant(p*p), m[2*i+1], t[2])
				VFMADD231PS(constant(p*p*p), m[2*i+2], t[3])
			}
			VMOVUPS(Mem{Base: bias, Disp: o}, m[0])
			for _, r := range t {
				VADDPS(m[0], r, r)
			}
			label := fmt.Sprintf("h%d", h)
			TESTQ(U32(tileRes), flags)
			JZ(LabelRef("act" + label))
			VBROADCASTSS(NewParamAddr("scale", 72), m[0])
			MOVQ(res, s)
			for i, r := range t {
				VFMADD213PS(Mem{Base: s, Disp: o}, m[0], r)
				if i < 3 {
					ADDQ(rstep, s)
				}
			}
			Label("act" + label)
			TESTQ(U32(tileReLU), flags)
			JZ(LabelRef("store" + label))
			VXORPS(m[0], m[0], m[0])
			for _, r := range t {
				VMAXPS(r, m[0], r)
			}
			Label("store" + label)
			MOVQ(dst, d)
			for i, r := range t {
				VMOVUPS(r, Mem{Base: d, Disp: o})
				if i < 3 {
					ADDQ(step, d)
				}
			}
		}
		ADDQ(U32(64), src)
		ADDQ(next, dst)
		ADDQ(rnext, res)
		DECQ(n)
		JNZ(LabelRef("tile"))
		VZEROUPPER()
		RET()
	}
}
