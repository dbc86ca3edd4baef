package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gradients are the kernels of the gradient with respect to the weights: p rows of
// it (input channels or taps, each with an offset of its own into the input) by
// one or two blocks of output channels, summed over n pixels. A table holds where
// each pixel is in the input and in dy, so that rows of pixels, and images, may end
// anywhere at no cost.
//
//	dw[i][o] += sum over pixels of x[pixel + off[i]] * dy[pixel][o]
//
// or = where begin is set. They prefetch the rows that are written next, dwahead bytes
// further, as those may come from memory. The functions called far also prefetch the
// pixels of the next call for the same rows and blocks, which come from memory.
func gradients() {
	for p := 1; p <= 8; p++ {
		gradient(512, p, 1, false)
		gradient(512, p, 2, false)
	}
	gradient(512, 8, 1, true)
	gradient(512, 8, 2, true)
	for p := 1; p <= 6; p++ {
		gradient(256, p, 1, false)
	}
	for p := 4; p <= 6; p++ {
		gradient(256, p, 1, true)
	}
}

func gradient(bits, p, ob int, far bool) {
	v, width, halves := vectors(bits)
	name := fmt.Sprintf("bwdWeights%dp%do%d", bits, p, ob)
	if far {
		name += "far"
	}
	TEXT(name, NOSPLIT, "func(x *float32, off *int, dy *float32, dyblock int, pixels *int, n int, dw *float32, dwrow, dwahead, begin, xahead, dyahead int)")
	Pragma("noescape")
	bases := []reg.GPPhysical{reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8, reg.R9}[:p]
	i, d, at, n, dy, dy2 := reg.R10, reg.R11, reg.R12, reg.R13, reg.R14, reg.R15
	Load(Param("off"), i)
	for q, b := range bases {
		MOVQ(Mem{Base: i, Disp: 8 * q}, b)
		ADDQ(NewParamAddr("x", 0), b)
	}
	vectors := p * ob * halves
	acc := v[:vectors]
	rows := func(visit func(m Mem, acc reg.VecPhysical)) {
		Load(Param("dw"), i)
		for q := 0; q < p; q++ {
			for h := 0; h < ob*halves; h++ {
				visit(Mem{Base: i, Disp: h * width}, acc[q*ob*halves+h])
			}
			if q < p-1 {
				ADDQ(NewParamAddr("dwrow", 56), i)
			}
		}
	}
	CMPQ(NewParamAddr("begin", 72), Imm(0))
	JNE(LabelRef("zero"))
	rows(func(m Mem, r reg.VecPhysical) { VMOVUPS(m, r) })
	JMP(LabelRef("begun"))
	Label("zero")
	zeros(bits, acc)
	Label("begun")
	Load(Param("dw"), d)
	ADDQ(NewParamAddr("dwahead", 64), d)
	for q := 0; q < p; q++ {
		for o := 0; o < ob; o++ {
			PREFETCHT0(Mem{Base: d, Disp: 64 * o})
		}
		if q < p-1 {
			ADDQ(NewParamAddr("dwrow", 56), d)
		}
	}
	Load(Param("dy"), dy)
	if ob == 2 {
		Load(Param("dyblock"), dy2)
		ADDQ(dy, dy2)
	}
	Load(Param("pixels"), at)
	Load(Param("n"), n)
	weights, tmps := v[vectors:vectors+ob*halves], v[vectors+ob*halves:]
	tmps = tmps[:min(len(tmps), 4)]
	t := 0
	pixel := func(u int) {
		MOVQ(Mem{Base: at, Disp: 16 * u}, i)
		MOVQ(Mem{Base: at, Disp: 16*u + 8}, d)
		for o, b := range []reg.GPPhysical{dy, dy2}[:ob] {
			for h := 0; h < halves; h++ {
				VMOVUPS(Mem{Base: b, Index: d, Scale: 1, Disp: h * width}, weights[o*halves+h])
			}
		}
		if far {
			ADDQ(NewParamAddr("dyahead", 88), d)
			for _, b := range []reg.GPPhysical{dy, dy2}[:ob] {
				PREFETCHT1(Mem{Base: b, Index: d, Scale: 1})
			}
			MOVQ(NewParamAddr("xahead", 80), d)
			ADDQ(i, d)
			PREFETCHT1(Mem{Base: bases[0], Index: d, Scale: 1})
		}
		for q, b := range bases {
			x := tmps[t%len(tmps)]
			t++
			VBROADCASTSS(Mem{Base: b, Index: i, Scale: 1}, x)
			for h, w := range weights {
				VFMADD231PS(x, w, acc[q*len(weights)+h])
			}
		}
	}
	// Four at a time: what is no multiplication competes with them for ports.
	SUBQ(Imm(4), n)
	JL(LabelRef("rest"))
	Label("pixels")
	for u := range 4 {
		pixel(u)
	}
	ADDQ(Imm(64), at)
	SUBQ(Imm(4), n)
	JGE(LabelRef("pixels"))
	Label("rest")
	ADDQ(Imm(4), n)
	JZ(LabelRef("done"))
	Label("pixel")
	pixel(0)
	ADDQ(Imm(16), at)
	DECQ(n)
	JNZ(LabelRef("pixel"))
	Label("done")
	rows(func(m Mem, r reg.VecPhysical) { VMOVUPS(r, m) })
	VZEROUPPER()
	RET()
}
