package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Byte offsets of the fields of kernel.n16GemmTile; a test there compares them.
const (
	mX = 8 * iota
	mXs
	mPs
	mW
	mWs
	mWt
	mWPart
	mTaps
	mParts
	mRest
	mRestW
	mRestWs
	mOut
	mOutC
	mOutPs
	mY
	mYC
	mYPs
	mSums
	mSumsPs
	mAhead
	mAheadBy
	mTiles
	mFlags
	mWAt
	mRestAt
	mOutAt
	mYAt
	mAheadAt
)

// n16Products are the products of dense layers whose vectors are images: tiles of p
// blocks of 16 images by o rows of the result.
//
//	out[row][group] += sum over taps of x[tap][group] * w[row][tap]
//
// Weights lie as far apart as said, from row to row and from tap to tap, so they may be
// read in any order and nothing is turned. Taps come in parts of as many each, whose
// weights are further apart, and a rest with weights of its own.
func n16Products() {
	for o := 1; o <= 6; o++ {
		for p := 1; p <= 4; p++ {
			n16Gemm(512, p, o)
		}
	}
	for o := 1; o <= 6; o++ {
		n16Gemm(256, 1, o)
	}
}

func n16Gemm(bits, p, o int) {
	v, width, halves := vectors(bits)
	TEXT(fmt.Sprintf("n16Gemm%dp%do%d", bits, p, o), NOSPLIT, "func(t *byte)")
	Pragma("noescape")
	tq, x, w, k := reg.RDI, reg.RAX, reg.RBX, reg.RCX
	xs, ps, ps3, ws, ws3, ws5 := reg.RDX, reg.RSI, reg.R8, reg.R9, reg.R10, reg.R11
	part, parts, ahead, wt := reg.R12, reg.R13, reg.R15, reg.R14
	Load(Param("t"), tq)
	f := func(off int) Mem { return Mem{Base: tq, Disp: off} }
	n := p * halves // vectors of an input
	acc, in, b := v[:n*o], v[n*o:n*o+n], v[n*o+n:]
	b = b[:min(len(b), 4)]
	zero := b[0]
	step := func(field int) {
		MOVQ(f(field), ps)
		if p > 3 {
			LEAQ(Mem{Base: ps, Index: ps, Scale: 2}, ps3)
		}
	}
	// walk visits the vectors of the output or the mask, and leaves where the next tile
	// begins.
	walk := func(fieldAt, fieldC, fieldPs int, visit func(m Mem, r reg.VecPhysical)) {
		step(fieldPs)
		MOVQ(f(fieldAt), x)
		for i := range o {
			for q := range n {
				visit(pixel(x, ps, ps3, ps3, q/halves, q%halves*width), acc[i*n+q])
			}
			ADDQ(f(fieldC), x)
		}
	}
	rows := func(field int) {
		MOVQ(f(field), ws)
		LEAQ(Mem{Base: ws, Index: ws, Scale: 2}, ws3)
		LEAQ(Mem{Base: ws, Index: ws, Scale: 4}, ws5)
	}
	for _, x := range [5][2]int{{mW, mWAt}, {mRestW, mRestAt}, {mOut, mOutAt}, {mY, mYAt}, {mAhead, mAheadAt}} {
		MOVQ(f(x[0]), k)
		MOVQ(k, f(x[1]))
	}
	MOVQ(f(mXs), xs)
	MOVQ(f(mWt), wt)
	Label("tile")
	MOVQ(f(mFlags), k)
	TESTQ(U32(tileAcc), k)
	JNZ(LabelRef("resume"))
	for _, r := range acc {
		if bits == 512 {
			VPXORD(r, r, r)
		} else {
			VXORPS(r, r, r)
		}
	}
	JMP(LabelRef("start"))
	Label("resume")
	walk(mOutAt, mOutC, mOutPs, func(m Mem, r reg.VecPhysical) { VMOVUPS(m, r) })
	Label("start")
	step(mPs)
	rows(mWs)
	MOVQ(f(mX), x)
	MOVQ(f(mWAt), part)
	MOVQ(f(mParts), parts)
	turns := 0
	mac := func() {
		for q, r := range in {
			VMOVUPS(pixel(x, ps, ps3, ps3, q/halves, q%halves*width), r)
		}
		ADDQ(xs, x)
		for i := range o {
			r := b[turns%len(b)]
			turns++
			VBROADCASTSS(pixel(w, ws, ws3, ws5, i, 0), r)
			for q := range n {
				VFMADD231PS(in[q], r, acc[i*n+q])
			}
		}
		ADDQ(wt, w)
	}
	TESTQ(parts, parts)
	JZ(LabelRef("rest"))
	Label("part")
	MOVQ(f(mTaps), k)
	Label("some")
	MOVQ(part, w)
	MOVQ(f(mAheadAt), ahead)
	ADDQ(part, ahead)
	SUBQ(Imm(4), k)
	JL(LabelRef("few"))
	Label("taps")
	for u := range 4 {
		if u%2 == 0 {
			PREFETCHT1(Mem{Base: ahead, Disp: 32 * u})
		}
		mac()
	}
	ADDQ(U32(128), ahead)
	SUBQ(Imm(4), k)
	JGE(LabelRef("taps"))
	Label("few")
	ADDQ(Imm(4), k)
	JZ(LabelRef("next"))
	Label("tap")
	mac()
	DECQ(k)
	JNZ(LabelRef("tap"))
	Label("next")
	ADDQ(f(mWPart), part)
	DECQ(parts)
	JG(LabelRef("part"))
	JL(LabelRef("done")) // that was the rest
	Label("rest")
	MOVQ(f(mRest), k)
	TESTQ(k, k)
	JZ(LabelRef("done"))
	MOVQ(f(mRestAt), part)
	XORQ(parts, parts)
	rows(mRestWs)
	JMP(LabelRef("some"))
	Label("done")
	for _, x := range [2][2]int{{mWs, mWAt}, {mRestWs, mRestAt}} {
		MOVQ(f(x[0]), k)
		IMUL3Q(Imm(uint64(o)), k, k)
		ADDQ(k, f(x[1]))
	}
	MOVQ(f(mAheadBy), k)
	ADDQ(k, f(mAheadAt))
	MOVQ(f(mFlags), k)
	TESTQ(U32(tileMask), k)
	JZ(LabelRef("store"))
	VXORPS(zero.AsX(), zero.AsX(), zero.AsX())
	sums := func(visit func(m Mem, r reg.VecPhysical)) { // what was read of mY has done its work
		step(mSumsPs)
		MOVQ(f(mSums), x)
		for q, r := range in {
			visit(pixel(x, ps, ps3, ps3, q/halves, q%halves*width), r)
		}
	}
	sums(func(m Mem, r reg.VecPhysical) { VMOVUPS(m, r) })
	masked := 0
	walk(mYAt, mYC, mYPs, func(m Mem, r reg.VecPhysical) {
		maskBy(m, zero, r, b[1:], masked, 64*o)
		VADDPS(r, in[masked%n], in[masked%n])
		masked++
	})
	MOVQ(x, f(mYAt))
	sums(func(m Mem, r reg.VecPhysical) { VMOVUPS(r, m) })
	Label("store")
	walk(mOutAt, mOutC, mOutPs, func(m Mem, r reg.VecPhysical) { VMOVUPS(r, m) })
	MOVQ(x, f(mOutAt))
	DECQ(f(mTiles))
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}
