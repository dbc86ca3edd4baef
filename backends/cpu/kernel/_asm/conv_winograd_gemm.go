package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Byte offsets of the fields of kernel.winoProduct; a test there compares them.
const (
	pV         = 0
	pW         = 8
	pOut       = 16
	pPositions = 24
	pVPos      = 32
	pWPos      = 40
	pOutPos    = 48
	pBlocks    = 56
	pBlock     = 64
	pKc        = 72
	pWs        = 80
	pObs       = 88
)

func winoProducts() {
	for ob := 1; ob <= 2; ob++ {
		for p := 1; p <= 14; p++ {
			winoProduct(512, p, ob)
		}
	}
	for p := 1; p <= 6; p++ {
		winoProduct(256, p, 1)
	}
}

// winoProduct multiplies p tiles by ob blocks of 16 output channels (on AVX2 one, in
// two registers) at one position after another: the sums are those of a tile of p
// pixels without a bias, the loop over the positions is in here.
func winoProduct(bits, p, ob int) {
	regs, size, per := vectors(bits)
	name := fmt.Sprintf("winoProduct%dp%d", bits, p)
	if bits == 512 {
		name += fmt.Sprintf("o%d", ob)
	}
	TEXT(name, NOSPLIT, "func(t *byte)")
	Pragma("noescape")
	v, w, out, n, a, b, k, ws, ws3, nb, wp := reg.RAX, reg.RCX, reg.RDX, reg.RSI, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13, reg.RBX
	tq := reg.RDI
	Load(Param("t"), tq)
	f := func(off int) Mem { return Mem{Base: tq, Disp: off} }
	MOVQ(f(pV), v)
	MOVQ(f(pW), w)
	MOVQ(f(pOut), out)
	MOVQ(f(pPositions), n)
	MOVQ(f(pWs), ws)
	LEAQ(Mem{Base: ws, Index: ws, Scale: 2}, ws3)
	rows := ob * per // registers of weights
	acc := func(o, q int) reg.VecPhysical { return regs[o*p+q] }
	weights, tmps := regs[p*rows:p*rows+rows], regs[p*rows+rows:]
	if len(tmps) > 4 {
		tmps = tmps[:4]
	}
	Label("position")
	zeros(bits, regs[:p*rows])
	MOVQ(v, b)
	MOVQ(w, wp)
	MOVQ(f(pBlocks), nb)
	Label("block")
	MOVQ(b, a)
	MOVQ(f(pKc), k)
	Label("channels")
	i := 0
	for u := range 4 {
		row := Mem{Base: wp}
		switch u {
		case 1, 2:
			row.Index, row.Scale = ws, uint8(u)
		case 3:
			row.Index, row.Scale = ws3, 1
		}
		for o, r := range weights {
			m := row
			m.Disp = size * o
			VMOVUPS(m, r)
		}
		for q := range p {
			x := Mem{Base: a, Disp: 64*q + 4*u}
			if rows == 1 {
				VFMADD231PS_BCST(x, weights[0], acc(0, q))
				continue
			}
			t := tmps[i%len(tmps)]
			i++
			VBROADCASTSS(x, t)
			for o, r := range weights {
				VFMADD231PS(t, r, acc(o, q))
			}
		}
	}
	LEAQ(Mem{Base: wp, Index: ws, Scale: 4}, wp)
	ADDQ(Imm(16), a)
	SUBQ(Imm(4), k)
	JNZ(LabelRef("channels"))
	ADDQ(f(pBlock), b)
	DECQ(nb)
	JNZ(LabelRef("block"))
	MOVQ(out, a)
	for o := range rows {
		for q := range p {
			disp := 64 * q
			if per == 2 {
				disp += 32 * o
			}
			VMOVUPS(acc(o, q), Mem{Base: a, Disp: disp})
		}
		if per == 1 && o < rows-1 {
			ADDQ(f(pObs), a)
		}
	}
	ADDQ(f(pVPos), v)
	ADDQ(f(pWPos), w)
	ADDQ(f(pOutPos), out)
	DECQ(n)
	JNZ(LabelRef("position"))
	VZEROUPPER()
	RET()
}
