package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gradients are the kernels of the gradient with respect to the weights: p rows of
// it (input channels or taps, each with an offset of its own into the input) by
// one or two blocks of output channels, summed over rows x cols pixels.
//
//	dw[i][o] += sum over pixels of x[pixel + off[i]] * dy[pixel][o]
func gradients() {
	gradient(512, 8, 2)
	gradient(512, 8, 1)
	gradient(256, 4, 1)
}

func gradient(bits, p, ob int) {
	v, width, halves := vectors(bits)
	TEXT(fmt.Sprintf("gradient%do%d", bits, ob), NOSPLIT,
		"func(x *float32, off *int, xstep, xrow int, dy *float32, dystep, dyrow, dyblock, rows, cols int, dw *float32, dwrow int)")
	Pragma("noescape")
	arg := func(name string, at int) Mem { return NewParamAddr(name, at) }
	xstep, xrow, dystep, dyrow, rows, cols := arg("xstep", 16), arg("xrow", 24), arg("dystep", 40), arg("dyrow", 48), arg("rows", 64), arg("cols", 72)
	bases := []reg.GPPhysical{reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8, reg.R9}[:p]
	i, d, block, k := reg.R10, reg.R11, reg.R12, reg.R13
	Load(Param("off"), i)
	for q, b := range bases {
		MOVQ(Mem{Base: i, Disp: 8 * q}, b)
		ADDQ(arg("x", 0), b)
	}
	n := p * ob * halves
	acc := v[:n]
	rowsOf := func(visit func(m Mem, acc reg.VecPhysical)) {
		Load(Param("dw"), k)
		for q := 0; q < p; q++ {
			for h := 0; h < ob*halves; h++ {
				visit(Mem{Base: k, Disp: h * width}, acc[q*ob*halves+h])
			}
			if q < p-1 {
				ADDQ(arg("dwrow", 88), k)
			}
		}
	}
	rowsOf(func(m Mem, r reg.VecPhysical) { VMOVUPS(m, r) })
	Load(Param("dyblock"), block)
	Load(Param("dy"), d)
	weights, tmps := v[n:n+ob*halves], v[n+ob*halves:]
	if len(tmps) > 4 {
		tmps = tmps[:4]
	}
	t := 0
	Label("row")
	XORQ(i, i)
	MOVQ(cols, k)
	Label("col")
	for o := 0; o < ob; o++ {
		for h := 0; h < halves; h++ {
			m := Mem{Base: d, Disp: h * width}
			if o > 0 {
				m.Index, m.Scale = block, 1
			}
			VMOVUPS(m, weights[o*halves+h])
		}
	}
	for q, b := range bases {
		x := tmps[t%len(tmps)]
		t++
		VBROADCASTSS(Mem{Base: b, Index: i, Scale: 1}, x)
		for h, w := range weights {
			VFMADD231PS(x, w, acc[q*len(weights)+h])
		}
	}
	ADDQ(xstep, i)
	ADDQ(dystep, d)
	DECQ(k)
	JNZ(LabelRef("col"))
	for _, b := range bases {
		ADDQ(xrow, b)
	}
	ADDQ(dyrow, d) // from the end of a row to the next
	DECQ(rows)
	JNZ(LabelRef("row"))
	rowsOf(func(m Mem, r reg.VecPhysical) { VMOVUPS(r, m) })
	VZEROUPPER()
	RET()
}
