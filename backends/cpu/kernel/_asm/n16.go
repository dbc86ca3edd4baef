package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Byte offsets of the fields of kernel.n16Tile; a test there compares them.
const (
	lIn = 8 * iota
	lTaps
	lNtaps
	lW
	lBias
	lOut
	lOutC
	lRes
	lResC
	lPs
	lOps
	lRps
	lTiles
	lRows
	lQuads
	lWQuad
	lInRow
	lOutRow
	lResRow
	lFlags
	lScale
	lRowIn
	lRowOut
	lRowRes
	lTileOut
	lTileRes
	lQuadRes
	lQuadW
	lQuadBias
	lRowsLeft
	lQuadsLeft
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

// lane is rows x tiles tiles, one beside the other, and of each all output channels,
// o at a time, while what they read of the input lies in the first cache. With 256
// bits it computes 8 of the 16 images: the caller comes a second time for the
// others.
func lane(bits, p, o int) {
	v, _, _ := vectors(bits)
	TEXT(fmt.Sprintf("n16Conv%dp%do%d", bits, p, o), NOSPLIT, "func(t *byte)")
	Pragma("noescape")
	in, out, taps, nt, w := reg.RAX, reg.RBX, reg.RDX, reg.RSI, reg.RCX
	ps, ps3, ps5, a, tiles, k := reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13
	tq := reg.RDI
	Load(Param("t"), tq)
	f := func(off int) Mem { return Mem{Base: tq, Disp: off} }
	acc, xs, b := v[:p*o], v[p*o:p*o+p], v[p*o+p:]
	if len(b) > 2 {
		b = b[:2]
	}
	steps := func(field int) {
		MOVQ(f(field), ps)
		if p > 3 {
			LEAQ(Mem{Base: ps, Index: ps, Scale: 2}, ps3)
		}
		if p > 5 {
			LEAQ(Mem{Base: ps, Index: ps, Scale: 4}, ps5)
		}
	}
	px := func(q int) Mem { return pixel(a, ps, ps3, ps5, q, 0) }
	// walk visits the pixels of the output (or the residual) from a on, channel by
	// channel, and leaves a at the next channel.
	walk := func(fieldC int, visit func(m Mem, acc reg.VecPhysical)) {
		for i := 0; i < o; i++ {
			for q := 0; q < p; q++ {
				visit(px(q), acc[i*p+q])
			}
			ADDQ(f(fieldC), a)
		}
	}
	set := func(from, to int) {
		MOVQ(f(from), k)
		MOVQ(k, f(to))
	}
	move := func(by, at int) {
		MOVQ(f(by), k)
		ADDQ(k, f(at))
	}
	pixels := func(field int) {
		MOVQ(f(field), k)
		IMUL3Q(Imm(uint64(p)), k, k)
	}
	set(lIn, lRowIn)
	set(lOut, lRowOut)
	set(lRes, lRowRes)
	set(lRows, lRowsLeft)
	Label("row")
	MOVQ(f(lRowIn), in)
	set(lRowOut, lTileOut)
	set(lRowRes, lTileRes)
	MOVQ(f(lTiles), tiles)
	Label("tile")
	MOVQ(f(lTileOut), out)
	set(lTileRes, lQuadRes)
	set(lW, lQuadW)
	set(lBias, lQuadBias)
	set(lQuads, lQuadsLeft)
	Label("quad")
	MOVQ(f(lTaps), taps)
	MOVQ(f(lNtaps), nt)
	MOVQ(f(lQuadW), w)
	MOVQ(f(lFlags), k)
	TESTQ(U32(tileAcc), k)
	JNZ(LabelRef("resume"))
	MOVQ(f(lQuadBias), k)
	for i := 0; i < o; i++ {
		VBROADCASTSS(Mem{Base: k, Disp: 4 * i}, acc[i*p])
		for q := 1; q < p; q++ {
			VMOVAPS(acc[i*p], acc[i*p+q])
		}
	}
	ADDQ(Imm(uint64(4*o)), k)
	MOVQ(k, f(lQuadBias))
	JMP(LabelRef("start"))
	Label("resume")
	steps(lOps)
	MOVQ(out, a)
	walk(lOutC, func(m Mem, r reg.VecPhysical) { VMOVUPS(m, r) })
	Label("start")
	steps(lPs)
	Label("tap")
	MOVQ(Mem{Base: taps}, a)
	ADDQ(in, a)
	ADDQ(Imm(8), taps)
	for q := 0; q < p; q++ {
		VMOVUPS(px(q), xs[q])
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
	MOVQ(f(lFlags), k)
	TESTQ(U32(tileRes), k)
	JZ(LabelRef("act"))
	VBROADCASTSS(f(lScale), b[0])
	steps(lRps)
	MOVQ(f(lQuadRes), a)
	walk(lResC, func(m Mem, r reg.VecPhysical) { VFMADD213PS(m, b[0], r) })
	MOVQ(a, f(lQuadRes))
	Label("act")
	steps(lOps)
	MOVQ(f(lFlags), k)
	TESTQ(U32(tileReLU|tileMask), k)
	JZ(LabelRef("store"))
	zero := b[0]
	VXORPS(zero, zero, zero)
	TESTQ(U32(tileMask), k)
	JNZ(LabelRef("mask"))
	for _, r := range acc {
		VMAXPS(r, zero, r) // the value second: NaN passes
	}
	Label("store")
	MOVQ(out, a)
	walk(lOutC, func(m Mem, r reg.VecPhysical) { VMOVUPS(r, m) })
	MOVQ(a, out)
	move(lWQuad, lQuadW)
	DECQ(f(lQuadsLeft))
	JNZ(LabelRef("quad"))
	pixels(lPs)
	ADDQ(k, in)
	pixels(lOps)
	ADDQ(k, f(lTileOut))
	pixels(lRps)
	ADDQ(k, f(lTileRes))
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	move(lInRow, lRowIn)
	move(lOutRow, lRowOut)
	move(lResRow, lRowRes)
	DECQ(f(lRowsLeft))
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
	Label("mask")
	steps(lRps)
	MOVQ(f(lQuadRes), a)
	masked := 0
	walk(lResC, func(m Mem, r reg.VecPhysical) {
		maskBy(m, zero, r, xs, masked, 2*64*p) // what was read of the input has done its work
		masked++
	})
	MOVQ(a, f(lQuadRes))
	steps(lOps)
	JMP(LabelRef("store"))
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
