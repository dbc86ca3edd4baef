package kernel

import "unsafe"

// run adds one group of gradientRows rows by blocks output blocks.
func (g *gradientCall) run(isa ISA, blocks int) {
	x, dy, dw := &g.x[g.xat], &g.dy[g.dyat], &g.dw[g.dwat]
	switch {
	case isa == AVX512 && blocks == 2:
		gradient512o2(x, &g.off[0], g.xstep, g.xrow, dy, g.dystep, g.dyrow, g.dyblock, g.rows, g.cols, dw, g.dwrow)
	case isa == AVX512:
		gradient512o1(x, &g.off[0], g.xstep, g.xrow, dy, g.dystep, g.dyrow, g.dyblock, g.rows, g.cols, dw, g.dwrow)
	default:
		for b := range blocks {
			dyb := (*float32)(unsafe.Add(unsafe.Pointer(dy), b*g.dyblock))
			for r := 0; r < gradientRows; r += 4 {
				dwr := (*float32)(unsafe.Add(unsafe.Pointer(dw), r*g.dwrow+b*Block*4))
				gradient256o1(x, &g.off[r], g.xstep, g.xrow, dyb, g.dystep, g.dyrow, g.dyblock, g.rows, g.cols, dwr, g.dwrow)
			}
		}
	}
}
