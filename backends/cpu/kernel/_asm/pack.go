package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// packs are what packing weights spends its time on beside transposing them: products
// with the factors of their filters, and Winograd's transforms, in float64. No
// product is fused with a sum, so the bits are those of plain Go.
func packs() {
	for _, bits := range []int{512, 256} {
		packScale(bits)
		packWino(bits, 3)
		packWino(bits, 5)
		packLine(bits)
	}
}

// doubles are the registers of float64s of a width, the bytes of as many float32s,
// and how many such make sixteen.
func doubles(bits int) (v []reg.VecPhysical, width, parts int) {
	if bits == 512 {
		return zmm, 32, 2
	}
	return ymm, 16, 4
}

// narrow rounds float64s and stores them.
func narrow(bits int, x reg.VecPhysical, to Mem) {
	if bits == 512 {
		VCVTPD2PS(x, x.AsY())
		VMOVUPS(x.AsY(), to)
		return
	}
	VCVTPD2PSY(x, x.AsX())
	VMOVUPS(x.AsX(), to)
}

// times multiplies by a number in memory: x = by * y.
func times(bits int, by Mem, y, x reg.VecPhysical) {
	if bits == 512 {
		VMULPD_BCST(by, y, x)
		return
	}
	VBROADCASTSD(by, x)
	VMULPD(y, x, x)
}

// packScale multiplies 16*n elements by factors in turn, and rounds once.
func packScale(bits int) {
	v, width, parts := doubles(bits)
	TEXT(fmt.Sprintf("packScale%d", bits), NOSPLIT, "func(dst, src *float32, n int, by *float64, factors int)")
	Pragma("noescape")
	Doc("packScale multiplies 16*n elements by one or more factors, one after another, in float64.")
	dst, src, n, by, factors, b, f := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8
	Load(Param("dst"), dst)
	Load(Param("src"), src)
	Load(Param("n"), n)
	Load(Param("by"), by)
	Load(Param("factors"), factors)
	Label("vector")
	for i := range parts {
		VCVTPS2PD(Mem{Base: src, Disp: width * i}, v[i])
	}
	MOVQ(by, b)
	MOVQ(factors, f)
	Label("factor")
	VBROADCASTSD(Mem{Base: b}, v[parts])
	for i := range parts {
		VMULPD(v[parts], v[i], v[i])
	}
	ADDQ(U32(8), b)
	DECQ(f)
	JNZ(LabelRef("factor"))
	for i := range parts {
		narrow(bits, v[i], Mem{Base: dst, Disp: width * i})
	}
	ADDQ(U32(64), src)
	ADDQ(U32(64), dst)
	DECQ(n)
	JNZ(LabelRef("vector"))
	VZEROUPPER()
	RET()
}

// combine computes rows of a transform of k: row i is the sum of g[i][j]*k[j] in the
// order of j, of which the first row has only the first term and the last one only
// the last, with a factor of 1. k is kept; done takes the results one by one.
func combine(bits int, g reg.Register, rows int, k, t []reg.VecPhysical, done func(i int, x reg.VecPhysical)) {
	r := len(k)
	at := func(i, j int) Mem { return Mem{Base: g, Disp: 8 * (i*r + j)} }
	for i := range rows - 1 {
		s, p := t[i%2], t[2+i%2]
		times(bits, at(i, 0), k[0], s)
		for j := 1; j < r && i > 0; j++ {
			times(bits, at(i, j), k[j], p)
			VADDPD(p, s, s)
		}
		done(i, s)
	}
	VMOVAPD(k[r-1], t[(rows-1)%2])
	done(rows-1, t[(rows-1)%2])
}

// packWino transforms n filters of r x r taps of sixteen output channels each to
// 36 positions: the columns first, by way of tmp (6*r vectors), then the rows.
func packWino(bits, r int) {
	v, width, parts := doubles(bits)
	TEXT(fmt.Sprintf("packWino%dr%d", bits, r), NOSPLIT, "func(src *float32, matrix *float64, dst *float32, pos, step, n int, tmp *float64)")
	Pragma("noescape")
	Doc(fmt.Sprintf("packWino transforms n filters of %d taps by the 6 x %d matrix. pos and step are bytes: from a position of the result to the next, from a filter's result to the next.", r*r, r))
	src, g, dst, pos, step, n, tmp, s, d, part, count := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12
	Load(Param("src"), src)
	Load(Param("matrix"), g)
	Load(Param("dst"), dst)
	Load(Param("pos"), pos)
	Load(Param("step"), step)
	Load(Param("n"), n)
	Load(Param("tmp"), tmp)
	SUBQ(U32(64), step)
	k, t, zero := v[:r], v[5:9], v[9]
	VXORPD(zero, zero, zero)
	Label("filter")
	MOVQ(U32(uint32(parts)), part)
	Label("part")
	MOVQ(src, s)
	MOVQ(tmp, d)
	MOVQ(U32(uint32(r)), count)
	Label("column")
	for y := range r {
		VCVTPS2PD(Mem{Base: s, Disp: 64 * y * r}, k[y])
	}
	combine(bits, g, 6, k, t, func(i int, x reg.VecPhysical) { VMOVUPD(x, Mem{Base: d, Disp: 2 * width * i * r}) })
	ADDQ(U32(64), s)
	ADDQ(U32(uint32(2*width)), d)
	DECQ(count)
	JNZ(LabelRef("column"))
	MOVQ(tmp, s)
	MOVQ(dst, d)
	MOVQ(U32(6), count)
	Label("row")
	for x := range r {
		VMOVUPD(Mem{Base: s, Disp: 2 * width * x}, k[x])
	}
	combine(bits, g, 6, k, t, func(_ int, x reg.VecPhysical) { store(bits, x, zero, d, pos) })
	ADDQ(U32(uint32(2*width*r)), s)
	DECQ(count)
	JNZ(LabelRef("row"))
	ADDQ(U32(uint32(width)), src)
	ADDQ(U32(uint32(width)), dst)
	DECQ(part)
	JNZ(LabelRef("part"))
	ADDQ(U32(uint32(64*(r*r-1))), src)
	ADDQ(step, dst)
	DECQ(n)
	JNZ(LabelRef("filter"))
	VZEROUPPER()
	RET()
}

// store rounds a result and moves on to the next position. A sum of nothing but -0
// is 0.
func store(bits int, x, zero reg.VecPhysical, d, pos reg.Register) {
	VADDPD(zero, x, x)
	narrow(bits, x, Mem{Base: d})
	ADDQ(pos, d)
}

// packLine transforms n filters of 7 taps of sixteen output channels each to 10
// positions.
func packLine(bits int) {
	v, width, parts := doubles(bits)
	TEXT(fmt.Sprintf("packWino1d%d", bits), NOSPLIT, "func(src *float32, matrix *float64, dst *float32, pos, step, n int)")
	Pragma("noescape")
	Doc("packLine transforms n filters of 7 taps by the 10 x 7 matrix. pos and step are those of packWino.")
	src, g, dst, pos, step, n, d, part := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8, reg.R9
	Load(Param("src"), src)
	Load(Param("matrix"), g)
	Load(Param("dst"), dst)
	Load(Param("pos"), pos)
	Load(Param("step"), step)
	Load(Param("n"), n)
	SUBQ(U32(64), step)
	k, t, zero := v[:7], v[7:11], v[11]
	VXORPD(zero, zero, zero)
	Label("filter")
	MOVQ(U32(uint32(parts)), part)
	Label("part")
	for j := range k {
		VCVTPS2PD(Mem{Base: src, Disp: 64 * j}, k[j])
	}
	MOVQ(dst, d)
	combine(bits, g, 10, k, t, func(_ int, x reg.VecPhysical) { store(bits, x, zero, d, pos) })
	ADDQ(U32(uint32(width)), src)
	ADDQ(U32(uint32(width)), dst)
	DECQ(part)
	JNZ(LabelRef("part"))
	ADDQ(U32(64*6), src)
	ADDQ(step, dst)
	DECQ(n)
	JNZ(LabelRef("filter"))
	VZEROUPPER()
	RET()
}
