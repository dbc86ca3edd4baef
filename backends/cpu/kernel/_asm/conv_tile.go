package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Byte offsets of the fields of kernel.tile; a test there compares them.
const (
	fA     = 0
	fB     = 8
	fW     = 16
	fTaps  = 24
	fNtaps = 32
	fPs    = 40
	fBias  = 48
	fOutA  = 56
	fOutB  = 64
	fObs   = 72
	fResA  = 80
	fResB  = 88
	fRbs   = 96
	fWs    = 104
	fFlags = 112
	fScale = 120
	fOps   = 128
	fKc    = 136
	fAhead = 144
)

// prefetch is how far ahead of its use a line of weights is asked for: the
// stream of weights is the one that comes from L2 or beyond, in an order that
// crosses pages faster than the hardware prefetchers follow.
const prefetch = 2048

// prefetchFar is how far ahead the kernels for weights that come from the
// third-level cache or memory ask for a line in the second, which has more
// requests under way at once than the first. Where weights are in L2 already
// these requests only take the place of others.
const prefetchFar = 16384

// reach says which weights a tile asks for beside those that it reads next.
type reach int

const (
	near  reach = iota // none: all are in L2
	far                // its own, prefetchFar before they are read
	ahead              // some that follow, which tiles to come will read (kernel.tile.ahead)
)

var reachNames = [...]string{far: "far", ahead: "ahead"}

func tiles() {
	for ob := 1; ob <= 2; ob++ {
		for p := 1; p <= 14; p++ {
			tile512(p, ob, false, near)
			tile512(p, ob, true, near)
			if ob == 2 {
				tile512(p, ob, false, far)
				tile512(p, ob, false, ahead)
			}
		}
	}
	for p := 1; p <= 6; p++ {
		tile256(p, false, near)
		tile256(p, true, near)
		tile256(p, false, far)
		tile256(p, false, ahead)
	}
}

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

// tile512 is a tile of p pixels x ob blocks of 16 output channels: p*ob
// accumulators, ob registers of weights, the rest for broadcasts. With planar
// input a tap is one channel, otherwise 16 consecutive ones.
func tile512(p, ob int, planar bool, ask reach) {
	name, step := fmt.Sprintf("tile512p%do%d", p, ob), 4
	if planar {
		name, step = name+"planar", 1
	}
	name += reachNames[ask]
	TEXT(name, NOSPLIT, "func(t *byte)")
	Pragma("noescape")
	next := reg.R15
	aB, bB, w, taps, nt, ps, ps3, ps5, a, b, k := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13
	tq := reg.RDI
	Load(Param("t"), tq)
	f := func(off int) Mem { return Mem{Base: tq, Disp: off} }
	MOVQ(f(fA), aB)
	MOVQ(f(fB), bB)
	MOVQ(f(fW), w)
	MOVQ(f(fTaps), taps)
	MOVQ(f(fNtaps), nt)
	half := (p + 1) / 2
	in := func(q, disp int) Mem {
		if q >= half {
			return pixel(b, ps, ps3, ps5, q-half, disp)
		}
		return pixel(a, ps, ps3, ps5, q, disp)
	}
	steps := func(field int) {
		MOVQ(f(field), ps)
		LEAQ(Mem{Base: ps, Index: ps, Scale: 2}, ps3)
		LEAQ(Mem{Base: ps, Index: ps, Scale: 4}, ps5)
	}
	// walk visits the pixels of the output or the residual, ps apart.
	walk := func(fieldA, fieldB, fieldBlock int, visit func(m Mem, acc reg.VecPhysical)) {
		MOVQ(f(fieldA), a)
		MOVQ(f(fieldB), b)
		for o := 0; o < ob; o++ {
			for q := 0; q < p; q++ {
				visit(in(q, 0), zmm[o*p+q])
			}
			if o < ob-1 {
				ADDQ(f(fieldBlock), a)
				ADDQ(f(fieldBlock), b)
			}
		}
	}
	MOVQ(f(fFlags), k)
	TESTQ(U32(tileAcc), k)
	JNZ(LabelRef("resume"))
	MOVQ(f(fBias), k)
	for o := 0; o < ob; o++ {
		VMOVUPS(Mem{Base: k, Disp: 64 * o}, zmm[o*p])
		for q := 1; q < p; q++ {
			VMOVAPS(zmm[o*p], zmm[o*p+q])
		}
	}
	JMP(LabelRef("start"))
	Label("resume")
	steps(fOps)
	walk(fOutA, fOutB, fObs, func(m Mem, acc reg.VecPhysical) { VMOVUPS(m, acc) })
	Label("start")
	steps(fPs)
	TESTQ(nt, nt)
	JZ(LabelRef("end"))
	weights, tmps := zmm[p*ob:p*ob+ob], zmm[p*ob+ob:]
	if len(tmps) > 4 {
		tmps = tmps[:4]
	}
	n := 0
	if ask == ahead {
		MOVQ(f(fAhead), next)
	}
	mac := func(u int) {
		if ask == ahead && u%2 == 0 { // a quarter of the tile's own weights
			PREFETCHT1(Mem{Base: next, Disp: 32 * u})
		}
		for o, r := range weights {
			VMOVUPS(Mem{Base: w, Disp: 64 * (u*ob + o)}, r)
			PREFETCHT0(Mem{Base: w, Disp: prefetch + 64*(u*ob+o)})
			if ask == far {
				PREFETCHT1(Mem{Base: w, Disp: prefetchFar + 64*(u*ob+o)})
			}
		}
		for q := 0; q < p; q++ {
			if ob == 1 {
				VFMADD231PS_BCST(in(q, 4*u), weights[0], zmm[q])
				continue
			}
			x := tmps[n%len(tmps)]
			n++
			VBROADCASTSS(in(q, 4*u), x)
			for o, r := range weights {
				VFMADD231PS(x, r, zmm[o*p+q])
			}
		}
	}
	Label("tap")
	MOVQ(Mem{Base: taps}, a)
	LEAQ(Mem{Base: bB, Index: a, Scale: 1}, b)
	ADDQ(aB, a)
	ADDQ(Imm(8), taps)
	if planar {
		mac(0)
		ADDQ(Imm(uint64(ob*64)), w)
	} else {
		MOVQ(f(fKc), k)
		Label("channels")
		for u := 0; u < step; u++ {
			mac(u)
		}
		ADDQ(U32(uint32(step*ob*64)), w)
		if ask == ahead {
			ADDQ(U32(128), next)
		}
		ADDQ(Imm(uint64(4*step)), a)
		ADDQ(Imm(uint64(4*step)), b)
		SUBQ(Imm(uint64(step)), k)
		JNZ(LabelRef("channels"))
	}
	DECQ(nt)
	JNZ(LabelRef("tap"))
	if ask == ahead {
		MOVQ(next, f(fAhead))
	}

	Label("end")
	steps(fOps)
	MOVQ(f(fFlags), k)
	TESTQ(U32(tileRes), k)
	JZ(LabelRef("act"))
	VBROADCASTSS(f(fScale), zmm[31])
	walk(fResA, fResB, fRbs, func(m Mem, acc reg.VecPhysical) { VFMADD213PS(m, zmm[31], acc) })
	Label("act")
	TESTQ(U32(tileReLU|tileMask), k)
	JZ(LabelRef("store"))
	VXORPS(reg.X31, reg.X31, reg.X31)
	TESTQ(U32(tileMask), k)
	JNZ(LabelRef("mask"))
	for i := 0; i < p*ob; i++ {
		VMAXPS(zmm[i], zmm[31], zmm[i]) // the value second: NaN passes
	}
	Label("store")
	walk(fOutA, fOutB, fObs, func(m Mem, acc reg.VecPhysical) { VMOVUPS(acc, m) })
	VZEROUPPER()
	RET()
	Label("mask")
	masked := 0
	walk(fResA, fResB, fRbs, func(m Mem, acc reg.VecPhysical) {
		maskBy(m, zmm[31], acc, nil, masked, 64*p)
		masked++
	})
	JMP(LabelRef("store"))
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

// tile256 is a tile of p pixels x 16 output channels, two registers a block:
// 2*p accumulators, two of weights, two for broadcasts. Every output element is
// the same chain of fused multiply-adds as in tile512.
func tile256(p int, planar bool, ask reach) {
	name, step := fmt.Sprintf("tile256p%d", p), 4
	if planar {
		name, step = name+"planar", 1
	}
	name += reachNames[ask]
	TEXT(name, NOSPLIT, "func(t *byte)")
	Pragma("noescape")
	next := reg.R15
	aB, bB, w, taps, nt, ps, a, b, k, ws, ws3 := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.R8, reg.R11, reg.R12, reg.R13, reg.R9, reg.R10
	tq := reg.RDI
	Load(Param("t"), tq)
	f := func(off int) Mem { return Mem{Base: tq, Disp: off} }
	MOVQ(f(fA), aB)
	MOVQ(f(fB), bB)
	MOVQ(f(fW), w)
	MOVQ(f(fTaps), taps)
	MOVQ(f(fNtaps), nt)
	MOVQ(f(fWs), ws)
	LEAQ(Mem{Base: ws, Index: ws, Scale: 2}, ws3)
	half := (p + 1) / 2 // at most 3: no multiple of ps beyond 2
	in := func(q, disp int) Mem {
		if q >= half {
			return pixel(b, ps, ps, ps, q-half, disp)
		}
		return pixel(a, ps, ps, ps, q, disp)
	}
	walk := func(fieldA, fieldB int, visit func(m Mem, acc reg.VecPhysical)) {
		MOVQ(f(fieldA), a)
		MOVQ(f(fieldB), b)
		for o := 0; o < 2; o++ {
			for q := 0; q < p; q++ {
				visit(in(q, 32*o), ymm[o*p+q])
			}
		}
	}
	MOVQ(f(fFlags), k)
	TESTQ(U32(tileAcc), k)
	JNZ(LabelRef("resume"))
	MOVQ(f(fBias), k)
	for o := 0; o < 2; o++ {
		VMOVUPS(Mem{Base: k, Disp: 32 * o}, ymm[o*p])
		for q := 1; q < p; q++ {
			VMOVAPS(ymm[o*p], ymm[o*p+q])
		}
	}
	JMP(LabelRef("start"))
	Label("resume")
	MOVQ(f(fOps), ps)
	walk(fOutA, fOutB, func(m Mem, acc reg.VecPhysical) { VMOVUPS(m, acc) })
	Label("start")
	MOVQ(f(fPs), ps)
	TESTQ(nt, nt)
	JZ(LabelRef("end"))
	weights, tmps := ymm[2*p:2*p+2], ymm[2*p+2:]
	if len(tmps) > 4 {
		tmps = tmps[:4]
	}
	n := 0
	if ask == ahead {
		MOVQ(f(fAhead), next)
	}
	mac := func(u int) {
		if ask == ahead && u == 0 { // again a quarter: a channel's weights are one line
			PREFETCHT1(Mem{Base: next})
		}
		row := Mem{Base: w}
		switch u {
		case 1, 2:
			row.Index, row.Scale = ws, uint8(u)
		case 3:
			row.Index, row.Scale = ws3, 1
		}
		for o, r := range weights {
			m := row
			m.Disp = 32 * o
			VMOVUPS(m, r)
		}
		row.Disp = prefetch
		PREFETCHT0(row)
		if ask == far {
			row.Disp = prefetchFar
			PREFETCHT1(row)
		}
		for q := 0; q < p; q++ {
			x := tmps[n%len(tmps)]
			n++
			VBROADCASTSS(in(q, 4*u), x)
			for o, r := range weights {
				VFMADD231PS(x, r, ymm[o*p+q])
			}
		}
	}
	Label("tap")
	MOVQ(Mem{Base: taps}, a)
	LEAQ(Mem{Base: bB, Index: a, Scale: 1}, b)
	ADDQ(aB, a)
	ADDQ(Imm(8), taps)
	if planar {
		mac(0)
		ADDQ(ws, w)
	} else {
		MOVQ(f(fKc), k)
		Label("channels")
		for u := 0; u < step; u++ {
			mac(u)
		}
		LEAQ(Mem{Base: w, Index: ws, Scale: 4}, w)
		if ask == ahead {
			ADDQ(U32(64), next)
		}
		ADDQ(Imm(uint64(4*step)), a)
		ADDQ(Imm(uint64(4*step)), b)
		SUBQ(Imm(uint64(step)), k)
		JNZ(LabelRef("channels"))
	}
	DECQ(nt)
	JNZ(LabelRef("tap"))
	if ask == ahead {
		MOVQ(next, f(fAhead))
	}

	Label("end")
	MOVQ(f(fOps), ps)
	MOVQ(f(fFlags), k)
	TESTQ(U32(tileRes), k)
	JZ(LabelRef("act"))
	VBROADCASTSS(f(fScale), ymm[15])
	walk(fResA, fResB, func(m Mem, acc reg.VecPhysical) { VFMADD213PS(m, ymm[15], acc) })
	Label("act")
	TESTQ(U32(tileReLU|tileMask), k)
	JZ(LabelRef("store"))
	VXORPS(reg.X15, reg.X15, reg.X15)
	TESTQ(U32(tileMask), k)
	JNZ(LabelRef("mask"))
	for i := 0; i < 2*p; i++ {
		VMAXPS(ymm[i], ymm[15], ymm[i])
	}
	Label("store")
	walk(fOutA, fOutB, func(m Mem, acc reg.VecPhysical) { VMOVUPS(acc, m) })
	VZEROUPPER()
	RET()
	Label("mask")
	masked := 0
	walk(fResA, fResB, func(m Mem, acc reg.VecPhysical) {
		maskBy(m, ymm[15], acc, ymm[2*p:15], masked, 64*p)
		masked++
	})
	JMP(LabelRef("store"))
}
