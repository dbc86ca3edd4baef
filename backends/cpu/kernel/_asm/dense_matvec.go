package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Byte offsets of the fields of kernel.matVecStrip; a test there compares them.
const (
	vX     = 0
	vTaps  = 8
	vNtaps = 16
	vKc    = 24
	vW     = 32
	vBias  = 40
	vOut   = 48
	vFlags = 56
	vLanes = 64
)

// tileReLU is the flag of kernel.tile.
const tileReLU = 1

func matVecs() {
	for _, width := range []int{4, 8, 16} {
		matVec512(width)
		matVec256(width)
	}
}

// vecStrip is what the tiers have in common: the loops over taps and over fours of
// a tap's channels. mac multiplies one four, from the registers x and w on.
func vecStrip(name string, width int, clear func(), mac func(x, w reg.GPPhysical), end func(f func(off int) Mem)) {
	TEXT(name, NOSPLIT, "func(t *byte)")
	Pragma("noescape")
	x, taps, nt, kc, w, a, k := reg.RAX, reg.RDX, reg.RSI, reg.R8, reg.RCX, reg.R11, reg.R13
	tq := reg.RDI
	Load(Param("t"), tq)
	f := func(off int) Mem { return Mem{Base: tq, Disp: off} }
	MOVQ(f(vX), x)
	MOVQ(f(vTaps), taps)
	MOVQ(f(vNtaps), nt)
	MOVQ(f(vKc), kc)
	MOVQ(f(vW), w)
	clear()
	if width < 16 {
		MOVQ(f(vLanes), a)
	}
	switch {
	case width == 16:
	case name[6:9] == "512":
		VMOVUPS(Mem{Base: a}, zmm[31])
		if width == 8 {
			VMOVUPS(Mem{Base: a, Disp: 64}, zmm[30])
		}
	case width == 4:
		VMOVUPS(Mem{Base: a}, ymm[15])
		VMOVUPS(Mem{Base: a, Disp: 32}, ymm[14])
	}
	Label("tap")
	MOVQ(Mem{Base: taps}, a)
	ADDQ(x, a)
	ADDQ(Imm(8), taps)
	MOVQ(kc, k)
	Label("channels")
	mac(a, w)
	ADDQ(U32(uint32(16*width)), w)
	ADDQ(Imm(16), a)
	SUBQ(Imm(4), k)
	JNZ(LabelRef("channels"))
	DECQ(nt)
	JNZ(LabelRef("tap"))
	end(f)
	VZEROUPPER()
	RET()
}

// finish adds the bias to a block of sums, applies the activation and stores them.
func finish(f func(int) Mem, acc []reg.VecPhysical, zero reg.VecPhysical, bytes int) {
	MOVQ(f(vBias), reg.R11)
	MOVQ(f(vOut), reg.R13)
	for i, r := range acc {
		VADDPS(Mem{Base: reg.R11, Disp: bytes * i}, r, r)
	}
	MOVQ(f(vFlags), reg.R11)
	TESTQ(U32(tileReLU), reg.R11)
	JZ(LabelRef("store"))
	VXORPS(reg.X15, reg.X15, reg.X15)
	for _, r := range acc {
		VMAXPS(r, zero, r) // the value second: NaN passes
	}
	Label("store")
	for i, r := range acc {
		VMOVUPS(r, Mem{Base: reg.R13, Disp: bytes * i})
	}
}

// matVec512 multiplies a strip of width output channels by a vector. The channels
// of a tap go round four sums for each output: with 16 outputs these are four
// registers, with 8 two, with 4 one, of which every 128 bits are one sum.
func matVec512(width int) {
	vecStrip(fmt.Sprintf("matVec512w%d", width), width, func() {
		for i := range width / 4 {
			VPXORD(zmm[i], zmm[i], zmm[i])
		}
	}, func(x, w reg.GPPhysical) {
		for i := range width / 4 {
			VMOVUPS(Mem{Base: w, Disp: 64 * i}, zmm[8+i])
		}
		switch width {
		case 16:
			for i := range 4 {
				VFMADD231PS_BCST(Mem{Base: x, Disp: 4 * i}, zmm[8+i], zmm[i])
			}
		case 8:
			VBROADCASTF32X4(Mem{Base: x}, zmm[12])
			VPERMILPS(zmm[31], zmm[12], zmm[13])
			VPERMILPS(zmm[30], zmm[12], zmm[14])
			VFMADD231PS(zmm[13], zmm[8], zmm[0])
			VFMADD231PS(zmm[14], zmm[9], zmm[1])
		case 4:
			VBROADCASTF32X4(Mem{Base: x}, zmm[12])
			VPERMILPS(zmm[31], zmm[12], zmm[13])
			VFMADD231PS(zmm[13], zmm[8], zmm[0])
		}
	}, func(f func(int) Mem) {
		switch width {
		case 16:
			VADDPS(zmm[1], zmm[0], zmm[0])
			VADDPS(zmm[3], zmm[2], zmm[2])
			VADDPS(zmm[2], zmm[0], zmm[0])
		case 8:
			VEXTRACTF64X4(Imm(1), zmm[0], ymm[2])
			VEXTRACTF64X4(Imm(1), zmm[1], ymm[3])
			VADDPS(ymm[2], ymm[0], ymm[0])
			VADDPS(ymm[3], ymm[1], ymm[1])
			VADDPS(ymm[1], ymm[0], ymm[0])
		case 4:
			sumOfFours(func(i int, to reg.VecPhysical) { VEXTRACTF32X4(Imm(uint64(i)), zmm[0], to) })
		}
		finish(f, zmm[:1], zmm[15], 64)
	})
}

// sumOfFours adds the four sums of four outputs each, the first of which lies in
// X0; what is above it becomes zero.
func sumOfFours(part func(i int, to reg.VecPhysical)) {
	x := []reg.VecPhysical{reg.X0, reg.X1, reg.X2, reg.X3}
	for i := 1; i < 4; i++ {
		part(i, x[i])
	}
	VADDPS(x[1], x[0], x[0])
	VADDPS(x[3], x[2], x[2])
	VADDPS(x[2], x[0], x[0])
}

// matVec256 is matVec512 in halves, with the same sums.
func matVec256(width int) {
	sums := width / 2
	vecStrip(fmt.Sprintf("matVec256w%d", width), width, func() {
		for i := range sums {
			VXORPS(ymm[i], ymm[i], ymm[i])
		}
	}, func(x, w reg.GPPhysical) {
		if width == 4 {
			VBROADCASTF128(Mem{Base: x}, ymm[12])
			VPERMILPS(ymm[15], ymm[12], ymm[13])
			VPERMILPS(ymm[14], ymm[12], ymm[12])
			VFMADD231PS(Mem{Base: w}, ymm[13], ymm[0])
			VFMADD231PS(Mem{Base: w, Disp: 32}, ymm[12], ymm[1])
			return
		}
		per := width / 8
		for i := range 4 {
			VBROADCASTSS(Mem{Base: x, Disp: 4 * i}, ymm[8+i])
			for j := range per {
				VFMADD231PS(Mem{Base: w, Disp: 32 * (i*per + j)}, ymm[8+i], ymm[i*per+j])
			}
		}
	}, func(f func(int) Mem) {
		acc := ymm[:2]
		switch width {
		case 16:
			for j := range 2 {
				VADDPS(ymm[2+j], ymm[j], ymm[j])
				VADDPS(ymm[6+j], ymm[4+j], ymm[4+j])
				VADDPS(ymm[4+j], ymm[j], ymm[j])
			}
		case 8:
			VADDPS(ymm[1], ymm[0], ymm[0])
			VADDPS(ymm[3], ymm[2], ymm[2])
			VADDPS(ymm[2], ymm[0], ymm[0])
			VXORPS(ymm[1], ymm[1], ymm[1])
		case 4:
			VMOVAPS(ymm[1], ymm[2])
			sumOfFours(func(i int, to reg.VecPhysical) {
				switch i {
				case 1:
					VEXTRACTF128(Imm(1), ymm[0], to)
				case 3:
					VEXTRACTF128(Imm(1), ymm[2], to)
				}
			})
			VXORPS(ymm[1], ymm[1], ymm[1])
		}
		finish(f, acc, ymm[15], 32)
	})
}
