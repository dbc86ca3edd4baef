package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Byte offsets of the fields of kernel.laneTile; a test there compares them.
const (
	lIn      = 0
	lTaps    = 8
	lNtaps   = 16
	lW       = 24
	lBias    = 32
	lOut     = 40
	lOutC    = 48
	lRes     = 56
	lResC    = 64
	lPs      = 72
	lOps     = 80
	lRps     = 88
	lTiles   = 96
	lRows    = 104
	lInRow   = 112
	lOutRow  = 120
	lResRow  = 128
	lFlags   = 136
	lScale   = 144
	lRowIn   = 152
	lRowOut  = 160
	lRowRes  = 168
	lTileRes = 176
)

// lanes are the convolutions whose vectors are images: tiles of p pixels by o
// output channels, a broadcast weight times a load of 16 images.
func lanes() {
	for o := 1; o <= 4; o++ {
		for p := 1; p <= 6; p++ {
			lane(512, p, o)
		}
	}
	for o := 1; o <= 4; o++ {
		for p := 1; p <= 3; p++ {
			lane(256, p, o)
		}
	}
}

// lane is rows x tiles tiles, one beside the other. With 256 bits it computes 8
// of the 16 images: the caller comes a second time for the others.
func lane(bits, p, o int) {
	v, _, _ := vectors(bits)
	TEXT(fmt.Sprintf("lane%dp%do%d", bits, p, o), NOSPLIT, "func(t *byte)")
	Pragma("noescape")
	in, out, taps, nt, w := reg.RAX, reg.RBX, reg.RDX, reg.RSI, reg.RCX
	ps, ps3, ps5, a, tiles, rows, k := reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13, reg.R15
	tq := reg.RDI
	Load(Param("t"), tq)
	f := func(off int) Mem { return Mem{Base: tq, Disp: off} }
	acc, xs, b := v[:p*o], v[p*o:p*o+p], v[p*o+p:]
	if len(b) > 2 {
		b = b[:2]
	}
	px := func(base reg.GPPhysical, q int) Mem { return pixel(base, ps, ps3, ps5, q, 0) }
	steps := func(field int) {
		MOVQ(f(field), ps)
		if p > 3 {
			LEAQ(Mem{Base: ps, Index: ps, Scale: 2}, ps3)
		}
		if p > 5 {
			LEAQ(Mem{Base: ps, Index: ps, Scale: 4}, ps5)
		}
	}
	// walk visits the pixels of the output (or the residual), channel by channel.
	walk := func(base reg.GPPhysical, fieldC int, visit func(m Mem, acc reg.VecPhysical)) {
		MOVQ(base, a)
		for i := 0; i < o; i++ {
			for q := 0; q < p; q++ {
				visit(px(a, q), acc[i*p+q])
			}
			if i < o-1 {
				ADDQ(f(fieldC), a)
			}
		}
	}
	advance := func(field int, base reg.GPPhysical) {
		MOVQ(f(field), k)
		IMUL3Q(Imm(uint64(p)), k, k)
		ADDQ(k, base)
	}
	for _, x := range [3][2]int{{lIn, lRowIn}, {lOut, lRowOut}, {lRes, lRowRes}} {
		MOVQ(f(x[0]), k)
		MOVQ(k, f(x[1]))
	}
	MOVQ(f(lRows), rows)
	Label("row")
	MOVQ(f(lRowIn), in)
	MOVQ(f(lRowOut), out)
	MOVQ(f(lTiles), tiles)
	MOVQ(f(lRowRes), k)
	MOVQ(k, f(lTileRes))
	Label("tile")
	MOVQ(f(lTaps), taps)
	MOVQ(f(lNtaps), nt)
	MOVQ(f(lW), w)
	MOVQ(f(lFlags), k)
	TESTQ(U32(tileAcc), k)
	JNZ(LabelRef("resume"))
	MOVQ(f(lBias), k)
	for i := 0; i < o; i++ {
		VBROADCASTSS(Mem{Base: k, Disp: 4 * i}, acc[i*p])
		for q := 1; q < p; q++ {
			VMOVAPS(acc[i*p], acc[i*p+q])
		}
	}
	JMP(LabelRef("start"))
	Label("resume")
	steps(lOps)
	walk(out, lOutC, func(m Mem, r reg.VecPhysical) { VMOVUPS(m, r) })
	Label("start")
	steps(lPs)
	Label("tap")
	MOVQ(Mem{Base: taps}, a)
	ADDQ(in, a)
	ADDQ(Imm(8), taps)
	for q := 0; q < p; q++ {
		VMOVUPS(px(a, q), xs[q])
	}
	for i := 0; i < o; i++ {
		VBROADCASTSS(Mem{Base: w, Disp: 4 * i}, b[i%len(b)])
		for q := 0; q < p; q++ {
			VFMADD231PS(xs[q], b[i%len(b)], acc[i*p+q])
		}
	}
	ADDQ(Imm(uint64(4*o)), w)
	DECQ(nt)
	JNZ(LabelRef("tap"))
	advance(lPs, in)
	MOVQ(f(lFlags), k)
	TESTQ(U32(tileRes), k)
	JZ(LabelRef("act"))
	VBROADCASTSS(f(lScale), b[0])
	steps(lRps)
	MOVQ(f(lTileRes), k)
	walk(k, lResC, func(m Mem, r reg.VecPhysical) { VFMADD213PS(m, b[0], r) })
	advance(lRps, a) // the distance in k: a itself is done with
	ADDQ(k, f(lTileRes))
	Label("act")
	steps(lOps)
	MOVQ(f(lFlags), k)
	TESTQ(U32(tileReLU), k)
	JZ(LabelRef("store"))
	zero := b[0]
	VXORPS(zero, zero, zero)
	for _, r := range acc {
		VMAXPS(r, zero, r) // the value second: NaN passes
	}
	Label("store")
	walk(out, lOutC, func(m Mem, r reg.VecPhysical) { VMOVUPS(r, m) })
	advance(lOps, out)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	for _, x := range [3][2]int{{lInRow, lRowIn}, {lOutRow, lRowOut}, {lResRow, lRowRes}} {
		MOVQ(f(x[0]), k)
		ADDQ(k, f(x[1]))
	}
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

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
