package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// bwdRows are the gradients of the weights of three columns side by side, of one
// block of output channels: a number of the input is loaded once for all three.
func bwdRows() {
	bwdRow(512, 8)
	bwdRow(256, 4) // half of the output channels: the caller comes twice
	bwdPlane(512)
	bwdPlane(256)
}

// bwdPlane is acc[kh][t] += x[row*s+kh][col+t] * dy[row][col] over rows and columns
// (2 at least), for the 3 x 3 taps (kh, t) of a channel whose pixels lie side by side. All
// of dy is read once, and comes from far away.
func bwdPlane(bits int) {
	v, _, _ := vectors(bits)
	TEXT(fmt.Sprintf("bwdPlane%d", bits), NOSPLIT, "func(x *float32, tap, xrow int, dy *float32, dyrow, rows, cols int, acc *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("bwdPlane%d takes steps in bytes: from a row of taps, of the input and of dy to the next.", bits))
	x, dy, tap, xrow, dyrow, rows, k := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R12
	px, pd, cols, at := reg.R8, reg.R9, reg.R10, reg.R11
	acc, d, b := v[:9], v[9:12], v[12:15]
	Load(Param("x"), x)
	Load(Param("tap"), tap)
	Load(Param("xrow"), xrow)
	Load(Param("dy"), dy)
	Load(Param("dyrow"), dyrow)
	Load(Param("rows"), rows)
	Load(Param("cols"), cols)
	SUBQ(Imm(2), cols)
	Load(Param("acc"), at)
	place := func(i int) Mem { return Mem{Base: at, Disp: 64 * i} }
	for i, r := range acc {
		VMOVUPS(place(i), r)
	}
	// column is one of x, u columns further, with the dy for whose taps it is: d[t] is that
	// of tap t.
	column := func(u int, d []reg.VecPhysical, taps ...int) {
		for kh, r := range b {
			m := Mem{Base: px, Disp: 4 * u}
			if kh > 0 {
				m.Index, m.Scale = tap, uint8(kh)
			}
			VBROADCASTSS(m, r)
			for _, t := range taps {
				VFMADD231PS(d[t], r, acc[3*kh+t])
			}
		}
	}
	next := func(u int, r reg.VecPhysical) {
		VMOVUPS(Mem{Base: pd, Disp: 64 * u}, r)
		PREFETCHT0(Mem{Base: pd, Disp: 64*u + dyAhead})
	}
	move := func(n int) {
		ADDQ(Imm(uint64(4*n)), px)
		if n == 3 {
			ADDQ(U32(uint32(64*n)), pd)
		} else {
			ADDQ(Imm(uint64(64*n)), pd)
		}
	}
	shift := func() {
		VMOVAPS(d[1], d[2])
		VMOVAPS(d[0], d[1])
	}
	Label("row")
	MOVQ(x, px)
	MOVQ(dy, pd)
	next(0, d[1])
	column(0, []reg.VecPhysical{d[1]}, 0)
	next(1, d[0])
	column(1, d, 0, 1)
	ADDQ(Imm(8), px)
	ADDQ(U32(128), pd)
	MOVQ(cols, k)
	SUBQ(Imm(3), k)
	JL(LabelRef("rest"))
	Label("three") // after three columns every one is in its register again
	for u := range 3 {
		now := []reg.VecPhysical{d[(5-u)%3], d[(3-u)%3], d[(4-u)%3]}
		next(u, now[0])
		column(u, now, 0, 1, 2)
	}
	move(3)
	SUBQ(Imm(3), k)
	JGE(LabelRef("three"))
	Label("rest")
	ADDQ(Imm(3), k)
	JZ(LabelRef("end"))
	Label("col")
	shift()
	next(0, d[0])
	column(0, d, 0, 1, 2)
	move(1)
	DECQ(k)
	JNZ(LabelRef("col"))
	Label("end")
	shift()
	column(0, d, 1, 2)
	VMOVAPS(d[1], d[2])
	column(1, d, 2)
	ADDQ(xrow, x)
	ADDQ(dyrow, dy)
	DECQ(rows)
	JNZ(LabelRef("row"))
	for i, r := range acc {
		VMOVUPS(r, place(i))
	}
	VZEROUPPER()
	RET()
}

// dyAhead is how far ahead of its use bwdPlane asks for a line of dy.
const dyAhead = 1024

// bwdRow is acc[i][t] += x[row][col+t][i] * dy[row][col] over rows and columns (2
// at least), for ics channels i of the input and the taps t = 0..2.
func bwdRow(bits, ics int) {
	v, _, _ := vectors(bits)
	TEXT(fmt.Sprintf("bwdRow%d", bits), NOSPLIT, "func(x *float32, xrow int, dy *float32, dyrow, rows, cols int, acc *float32)")
	Pragma("noescape")
	x, dy, xrow, dyrow, rows, k := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI
	px, pd, cols, at := reg.R8, reg.R9, reg.R10, reg.R11
	acc, d, b := v[:3*ics], v[3*ics:3*ics+3], v[3*ics+3:]
	if len(b) > 4 {
		b = b[:4]
	}
	Load(Param("x"), x)
	Load(Param("xrow"), xrow)
	Load(Param("dy"), dy)
	Load(Param("dyrow"), dyrow)
	Load(Param("rows"), rows)
	Load(Param("cols"), cols)
	SUBQ(Imm(2), cols)
	Load(Param("acc"), at)
	// acc lies as packed weights do: taps of 16 input channels of 16 output channels.
	place := func(i, t int) Mem { return Mem{Base: at, Disp: 64 * (16*t + i)} }
	for i := 0; i < ics; i++ {
		for t := 0; t < 3; t++ {
			VMOVUPS(place(i, t), acc[3*i+t])
		}
	}
	// column is one of x, with the dy for whose taps it is; d[t] is that of tap t.
	column := func(taps ...int) {
		for i := 0; i < ics; i++ {
			r := b[i%len(b)]
			VBROADCASTSS(Mem{Base: px, Disp: 4 * i}, r)
			for _, t := range taps {
				VFMADD231PS(d[t], r, acc[3*i+t])
			}
		}
		ADDQ(Imm(64), px)
	}
	next := func() {
		VMOVUPS(Mem{Base: pd}, d[0])
		ADDQ(Imm(64), pd)
	}
	Label("row")
	MOVQ(x, px)
	MOVQ(dy, pd)
	next()
	column(0)
	VMOVAPS(d[0], d[1])
	next()
	column(0, 1)
	MOVQ(cols, k)
	TESTQ(k, k)
	JZ(LabelRef("end"))
	Label("col")
	VMOVAPS(d[1], d[2])
	VMOVAPS(d[0], d[1])
	next()
	column(0, 1, 2)
	DECQ(k)
	JNZ(LabelRef("col"))
	Label("end")
	VMOVAPS(d[1], d[2])
	VMOVAPS(d[0], d[1])
	column(1, 2)
	VMOVAPS(d[1], d[2])
	column(2)
	ADDQ(xrow, x)
	ADDQ(dyrow, dy)
	DECQ(rows)
	JNZ(LabelRef("row"))
	for i := 0; i < ics; i++ {
		for t := 0; t < 3; t++ {
			VMOVUPS(acc[3*i+t], place(i, t))
		}
	}
	VZEROUPPER()
	RET()
}
