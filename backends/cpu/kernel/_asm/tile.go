package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// prefetch is how far ahead of its use a line of weights is asked for: the
// stream of weights is the one that comes from L2 or beyond, in an order that
// crosses pages faster than the hardware prefetchers follow.
const prefetch = 2048

// pixel addresses pixel q of a half: base + q*ps, with 3*ps and 5*ps in
// registers of their own.
func pixel(base, ps, ps3, ps5 reg.GPPhysical, q, disp int) Mem {
	switch q {
	case 0:
		return Mem{Base: base, Disp: disp}
	case 1, 2, 4:
		return Mem{Base: base, Index: ps, Scale: uint8(q), Disp: disp}
	case 3, 6:
		return Mem{Base: base, Index: ps3, Scale: uint8(q / 3), Disp: disp}
	case 5:
		return Mem{Base: base, Index: ps5, Scale: 1, Disp: disp}
	}
	panic("a half has at most 7 pixels")
}

// Flags of kernel.tile.
const (
	tileReLU = 1
	tileRes  = 2
	tileAcc  = 4
	tileMask = 8
	tileNear = 16 // what is written is in the first cache
)

// notAtLeast is the predicate of a comparison, for zero against y: where y is above zero
// or NaN.
const notAtLeast = 9

// maskBy zeroes r where what lies at m is neither above zero nor NaN. The register or
// mask of the comparison is one of several, by turns n. It asks for what lies ahead
// bytes further: masks are activations of long ago and come from the third-level cache.
func maskBy(m Mem, zero, r reg.VecPhysical, tmps []reg.VecPhysical, n, ahead int) {
	if ahead > 0 {
		next := m
		next.Disp += ahead
		PREFETCHT0(next)
	}
	if r.Size() == 64 {
		k := []reg.OpmaskPhysical{reg.K1, reg.K2, reg.K3, reg.K4}[n%4]
		VCMPPS(Imm(notAtLeast), m, zero, k)
		VMOVAPS_Z(r, k, r)
		return
	}
	t := tmps[n%len(tmps)]
	VCMPPS(Imm(notAtLeast), m, zero, t)
	VANDPS(t, r, r)
}

func vectors(bits int) ([]reg.VecPhysical, int, int) {
	if bits == 512 {
		return zmm, 64, 1
	}
	return ymm, 32, 2
}

// constant broadcasts a float32 given by its bits.
func constant(name string, v uint32, to reg.VecPhysical) {
	m := GLOBL("wino"+name, RODATA|NOPTR)
	DATA(0, U32(v))
	VBROADCASTSS(m, to)
}

// winoIn1 is one dimension of it, given a register that holds fours. x is consumed, f and
// g too; the results are in the registers returned.
func winoIn1(x []reg.VecPhysical, f, g, four reg.VecPhysical) []reg.VecPhysical {
	VSUBPS(x[2], x[4], f)          // f = x4-x2
	VSUBPS(x[2], x[0], x[0])       // x0-x2
	VFMADD213PS(f, four, x[0])     // t0
	VSUBPS(x[1], x[3], g)          // g = x3-x1
	VSUBPS(x[3], x[5], x[5])       // x5-x3
	VFNMADD231PS(g, four, x[5])    // t5
	VFNMADD213PS(x[4], four, x[2]) // x4-4x2
	VFNMADD213PS(x[3], four, x[1]) // x3-4x1
	VADDPS(x[1], x[2], x[3])       // t1
	VSUBPS(x[1], x[2], x[4])       // t2
	VADDPS(g, g, g)                // 2(x3-x1)
	VADDPS(g, f, x[1])             // t3
	VSUBPS(g, f, x[2])             // t4
	return []reg.VecPhysical{x[0], x[3], x[4], x[1], x[2], x[5]}
}
