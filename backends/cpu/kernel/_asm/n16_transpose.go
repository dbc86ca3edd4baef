package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transposes is dst[c*dstStep+r] = src[r*srcStep+c] for rows x cols float32s, in
// squares of 8: what both tiers use to bring images side by side.
func transposes() {
	TEXT("transposeAVX2", NOSPLIT, "func(dst, src []float32, dstStep, srcStep, rows, cols int)")
	Pragma("noescape")
	dst, src, ds, ss, d, s, ds3, ss3, rows, cols := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11
	s4 := reg.R12
	Load(Param("dst").Base(), dst)
	Load(Param("src").Base(), src)
	Load(Param("dstStep"), ds)
	Load(Param("srcStep"), ss)
	Load(Param("rows"), rows)
	SHLQ(Imm(2), ds)
	SHLQ(Imm(2), ss)
	LEAQ(Mem{Base: ds, Index: ds, Scale: 2}, ds3)
	LEAQ(Mem{Base: ss, Index: ss, Scale: 2}, ss3)
	row := func(base, step, step3 reg.GPPhysical, i, disp int) Mem {
		switch i {
		case 0:
			return Mem{Base: base, Disp: disp}
		case 3:
			return Mem{Base: base, Index: step3, Scale: 1, Disp: disp}
		}
		return Mem{Base: base, Index: step, Scale: uint8(i), Disp: disp}
	}
	Label("rows")
	Load(Param("cols"), cols)
	MOVQ(dst, d)
	MOVQ(src, s)
	Label("cols")
	LEAQ(Mem{Base: s, Index: ss, Scale: 4}, s4)
	for half := 0; half < 2; half++ {
		// In both halves of a[i] four columns: of row i and of row i+4.
		a, t := ymm[:4], ymm[4:8]
		for i := range a {
			VMOVUPS(row(s, ss, ss3, i, 16*half), a[i].AsX())
		}
		for i := range a {
			VINSERTF128(Imm(1), row(s4, ss, ss3, i, 16*half), a[i], a[i])
		}
		VUNPCKLPS(a[1], a[0], t[0])
		VUNPCKHPS(a[1], a[0], t[1])
		VUNPCKLPS(a[3], a[2], t[2])
		VUNPCKHPS(a[3], a[2], t[3])
		VUNPCKLPD(t[2], t[0], a[0])
		VUNPCKHPD(t[2], t[0], a[1])
		VUNPCKLPD(t[3], t[1], a[2])
		VUNPCKHPD(t[3], t[1], a[3])
		for i := range a {
			VMOVUPS(a[i], row(d, ds, ds3, i, 0))
		}
		LEAQ(Mem{Base: d, Index: ds, Scale: 4}, d)
	}
	ADDQ(Imm(32), s)
	SUBQ(Imm(8), cols)
	JNZ(LabelRef("cols"))
	ADDQ(Imm(32), dst)
	LEAQ(Mem{Base: src, Index: ss, Scale: 8}, src)
	SUBQ(Imm(8), rows)
	JNZ(LabelRef("rows"))
	VZEROUPPER()
	RET()
}
