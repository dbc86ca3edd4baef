package kernel

// The assembly checks no bounds: these look at the farthest elements first.

func packScaleBlocks(isa ISA, dst, src []float32, by []float64) {
	n := len(dst) / Block
	_ = src[:n*Block]
	if isa == AVX512 {
		packScale512(&dst[0], &src[0], n, &by[0], len(by))
		return
	}
	packScale256(&dst[0], &src[0], n, &by[0], len(by))
}

func packWinoTiles(isa ISA, r int, src []float32, g []float64, dst []float32, pos, step, n int, tmp []float64) {
	_, _, _ = src[n*r*r*Block-1], g[winoIn*r-1], dst[(winoArea-1)*pos+(n-1)*step+Block-1]
	_ = tmp[winoIn*r*8-1]
	switch {
	case isa == AVX512 && r == 3:
		packWino512r3(&src[0], &g[0], &dst[0], 4*pos, 4*step, n, &tmp[0])
	case isa == AVX512:
		packWino512r5(&src[0], &g[0], &dst[0], 4*pos, 4*step, n, &tmp[0])
	case r == 3:
		packWino256r3(&src[0], &g[0], &dst[0], 4*pos, 4*step, n, &tmp[0])
	default:
		packWino256r5(&src[0], &g[0], &dst[0], 4*pos, 4*step, n, &tmp[0])
	}
}

func packWino1dTiles(isa ISA, src []float32, g []float64, dst []float32, pos, step, n int) {
	_, _, _ = src[n*wino1dTaps*Block-1], g[wino1dIn*wino1dTaps-1], dst[(wino1dIn-1)*pos+(n-1)*step+Block-1]
	if isa == AVX512 {
		packWino1d512(&src[0], &g[0], &dst[0], 4*pos, 4*step, n)
		return
	}
	packWino1d256(&src[0], &g[0], &dst[0], 4*pos, 4*step, n)
}
