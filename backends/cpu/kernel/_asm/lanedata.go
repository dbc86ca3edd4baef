package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Byte offsets of the fields of kernel.laneDataTile; a test there compares them.
const (
	dX = 8 * iota
	dXs
	dPs
	dW
	dWs
	dWPair
	dPairs
	dRest
	dRestW
	dRestWs
	dOut
	dOutC
	dOutPs
	dY
	dYC
	dYPs
	dSums
	dSumsPs
	dTiles
	dFlags
	dWAt
	dRestAt
	dOutAt
	dYAt
)

// laneDatas are the gradients of dense layers with respect to their inputs where vectors
// are images: tiles of p groups of 16 images by o inputs.
//
//	out[i][group] += sum over output channels of x[channel][group] * w[i][channel]
//
// The weights are those of the forward kernel: a row of 32 output channels for each
// input, the rows of the next 32 further on, and so on until the rest of at most as many,
// whose rows may be shorter. So nothing is turned.
func laneDatas() {
	for o := 1; o <= 6; o++ {
		for p := 1; p <= 4; p++ {
			laneData(512, p, o)
		}
	}
	for o := 1; o <= 6; o++ {
		laneData(256, 1, o)
	}
}

func laneData(bits, p, o int) {
	v, width, halves := vectors(bits)
	TEXT(fmt.Sprintf("lanedata%dp%do%d", bits, p, o), NOSPLIT, "func(t *byte)")
	Pragma("noescape")
	tq, x, w, k := reg.RDI, reg.RAX, reg.RBX, reg.RCX
	xs, ps, ps3, ws, ws3, ws5 := reg.RDX, reg.RSI, reg.R8, reg.R9, reg.R10, reg.R11
	pair, pairs, ahead := reg.R12, reg.R13, reg.R15
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
	for _, x := range [4][2]int{{dW, dWAt}, {dRestW, dRestAt}, {dOut, dOutAt}, {dY, dYAt}} {
		MOVQ(f(x[0]), k)
		MOVQ(k, f(x[1]))
	}
	MOVQ(f(dXs), xs)
	Label("tile")
	MOVQ(f(dFlags), k)
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
	walk(dOutAt, dOutC, dOutPs, func(m Mem, r reg.VecPhysical) { VMOVUPS(m, r) })
	Label("start")
	step(dPs)
	rows(dWs)
	MOVQ(f(dX), x)
	MOVQ(f(dWAt), pair)
	MOVQ(f(dPairs), pairs)
	turns := 0
	mac := func(u int) {
		for q, r := range in {
			VMOVUPS(pixel(x, ps, ps3, ps3, q/halves, q%halves*width), r)
		}
		ADDQ(xs, x)
		for i := range o {
			r := b[turns%len(b)]
			turns++
			VBROADCASTSS(pixel(w, ws, ws3, ws5, i, 4*u), r)
			for q := range n {
				VFMADD231PS(in[q], r, acc[i*n+q])
			}
		}
	}
	TESTQ(pairs, pairs)
	JZ(LabelRef("rest"))
	Label("pair")
	MOVQ(U32(32), k)
	Label("some")
	MOVQ(pair, w)
	LEAQ(pixel(pair, ws, ws3, ws5, o, 0), ahead)
	SUBQ(Imm(4), k)
	JL(LabelRef("few"))
	Label("taps")
	for u := range 4 {
		if u%2 == 0 {
			PREFETCHT0(Mem{Base: ahead, Disp: 32 * u})
		}
		mac(u)
	}
	ADDQ(Imm(16), w)
	ADDQ(U32(128), ahead)
	SUBQ(Imm(4), k)
	JGE(LabelRef("taps"))
	Label("few")
	ADDQ(Imm(4), k)
	JZ(LabelRef("next"))
	Label("tap")
	mac(0)
	ADDQ(Imm(4), w)
	DECQ(k)
	JNZ(LabelRef("tap"))
	Label("next")
	ADDQ(f(dWPair), pair)
	DECQ(pairs)
	JG(LabelRef("pair"))
	JL(LabelRef("done")) // that was the rest
	Label("rest")
	MOVQ(f(dRest), k)
	TESTQ(k, k)
	JZ(LabelRef("done"))
	MOVQ(f(dRestAt), pair)
	XORQ(pairs, pairs)
	rows(dRestWs)
	JMP(LabelRef("some"))
	Label("done")
	for _, x := range [2][2]int{{dWs, dWAt}, {dRestWs, dRestAt}} {
		MOVQ(f(x[0]), k)
		IMUL3Q(Imm(uint64(o)), k, k)
		ADDQ(k, f(x[1]))
	}
	MOVQ(f(dFlags), k)
	TESTQ(U32(tileMask), k)
	JZ(LabelRef("store"))
	VXORPS(zero.AsX(), zero.AsX(), zero.AsX())
	sums := func(visit func(m Mem, r reg.VecPhysical)) { // what was read of dY has done its work
		step(dSumsPs)
		MOVQ(f(dSums), x)
		for q, r := range in {
			visit(pixel(x, ps, ps3, ps3, q/halves, q%halves*width), r)
		}
	}
	sums(func(m Mem, r reg.VecPhysical) { VMOVUPS(m, r) })
	masked := 0
	walk(dYAt, dYC, dYPs, func(m Mem, r reg.VecPhysical) {
		maskBy(m, zero, r, b[1:], masked, 64*o)
		VADDPS(r, in[masked%n], in[masked%n])
		masked++
	})
	MOVQ(x, f(dYAt))
	sums(func(m Mem, r reg.VecPhysical) { VMOVUPS(r, m) })
	Label("store")
	walk(dOutAt, dOutC, dOutPs, func(m Mem, r reg.VecPhysical) { VMOVUPS(r, m) })
	MOVQ(x, f(dOutAt))
	DECQ(f(dTiles))
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}
