package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Byte offsets of the fields of kernel.n16BackwardTile; a test there compares them.
const (
	gX = 8 * iota
	gOff
	gXStep
	gXRow
	gDy
	gDyC
	gDyRow
	gRows
	gCols
	gAcc
	gXAt
	gDyAt
	gRowsLeft
)

// n16Gradients are the gradients with respect to the weights where vectors are
// images: o output channels by p taps, summed over rows x cols pixels, an image a
// lane.
//
//	acc[i][q] += sum over pixels of dy[i][pixel] * x[pixel + off[q]]
func n16Gradients() {
	for o := 1; o <= 4; o++ {
		for p := 1; p <= 6; p++ {
			n16BackwardTile(512, p, o)
		}
	}
	for o := 1; o <= 4; o++ {
		for p := 1; p <= 3; p++ {
			n16BackwardTile(256, p, o)
		}
	}
}

func n16BackwardTile(bits, p, o int) {
	v, _, _ := vectors(bits)
	TEXT(fmt.Sprintf("n16Bwd%dp%do%d", bits, p, o), NOSPLIT, "func(t *byte)")
	Pragma("noescape")
	bases := []reg.GPPhysical{reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.R8}[:p]
	i, d, c1, c3, k, tq := reg.R9, reg.R10, reg.R11, reg.R12, reg.R13, reg.RDI
	Load(Param("t"), tq)
	f := func(off int) Mem { return Mem{Base: tq, Disp: off} }
	acc, xs, ds := v[:p*o], v[p*o:p*o+p], v[p*o+p:]
	if len(ds) > 2 {
		ds = ds[:2]
	}
	MOVQ(f(gAcc), k)
	for j, r := range acc {
		VMOVUPS(Mem{Base: k, Disp: 64 * j}, r)
	}
	MOVQ(f(gOff), k)
	for q, b := range bases {
		MOVQ(Mem{Base: k, Disp: 8 * q}, b)
		ADDQ(f(gX), b)
	}
	MOVQ(f(gDyC), c1)
	LEAQ(Mem{Base: c1, Index: c1, Scale: 2}, c3)
	dy := func(j int) Mem {
		switch j {
		case 0:
			return Mem{Base: d}
		case 3:
			return Mem{Base: d, Index: c3, Scale: 1}
		}
		return Mem{Base: d, Index: c1, Scale: uint8(j)}
	}
	MOVQ(f(gDy), k)
	MOVQ(k, f(gDyAt))
	MOVQ(f(gRows), k)
	MOVQ(k, f(gRowsLeft))
	XORQ(i, i)
	MOVQ(i, f(gXAt))
	Label("row")
	MOVQ(f(gXAt), i)
	MOVQ(f(gDyAt), d)
	MOVQ(f(gCols), k)
	Label("col")
	for q, b := range bases {
		VMOVUPS(Mem{Base: b, Index: i, Scale: 1}, xs[q])
	}
	for j := 0; j < o; j++ {
		w := ds[j%len(ds)]
		VMOVUPS(dy(j), w)
		for q := 0; q < p; q++ {
			VFMADD231PS(xs[q], w, acc[j*p+q])
		}
	}
	ADDQ(f(gXStep), i)
	ADDQ(Imm(64), d)
	DECQ(k)
	JNZ(LabelRef("col"))
	for _, x := range [2][2]int{{gXRow, gXAt}, {gDyRow, gDyAt}} {
		MOVQ(f(x[0]), k)
		ADDQ(k, f(x[1]))
	}
	DECQ(f(gRowsLeft))
	JNZ(LabelRef("row"))
	MOVQ(f(gAcc), k)
	for j, r := range acc {
		VMOVUPS(r, Mem{Base: k, Disp: 64 * j})
	}
	VZEROUPPER()
	RET()
}
