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
