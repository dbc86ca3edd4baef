package kernel

func winoInTiles(isa ISA, src *float32, row int, dst *float32, pos, n, step int, tmp *float32) {
	if isa == AVX512 {
		winoIn512(src, row, dst, pos, n, step, tmp)
		return
	}
	winoIn256(src, row, dst, pos, n, step, tmp)
}

// run transforms tiles of m x m pixels.
func (c *winoOutCall) run(isa ISA, m int) {
	f := winoOut256m2
	switch {
	case isa == AVX512 && m == 4:
		f = winoOut512m4
	case isa == AVX512:
		f = winoOut512m2
	case m == 4:
		f = winoOut256m4
	}
	f(&c.src[0], 4*c.pos, &c.dst[0], 4*c.row, &c.bias[0], &c.res[0], 4*c.resRow, c.scale, c.flags, c.n, &c.tmp[0])
}

func winoWeightTiles(isa ISA, r int, src *float32, tap int, dst *float32, pos, n int, tmp *float32) {
	switch {
	case isa == AVX512 && r == 3:
		winoWeights512r3(src, tap, dst, pos, n/16, tmp)
	case isa == AVX512:
		winoWeights512r5(src, tap, dst, pos, n/16, tmp)
	case r == 3:
		winoWeights256r3(src, tap, dst, pos, n/8, tmp)
	default:
		winoWeights256r5(src, tap, dst, pos, n/8, tmp)
	}
}

func wino1dInTiles(isa ISA, src *float32, step int, dst *float32, pos, n, next int) {
	if isa == AVX512 {
		wino1dIn512(src, step, dst, pos, n, next)
		return
	}
	wino1dIn256(src, step, dst, pos, n, next)
}

func wino1dOutTiles(isa ISA, src *float32, pos int, to *wino1dOutArgs, bias *float32, scale float32, flags, n int) {
	dst, res := &to.dst[to.at], &to.res[to.rat]
	if isa == AVX512 {
		wino1dOut512(src, pos, dst, 4*to.step, 4*to.next, bias, res, 4*to.rstep, 4*to.rnext, scale, flags, n)
		return
	}
	wino1dOut256(src, pos, dst, 4*to.step, 4*to.next, bias, res, 4*to.rstep, 4*to.rnext, scale, flags, n)
}

// The products of Winograd by number of tiles.
var (
	winoProducts512 = [2][15]func(*byte){
		{nil, winoProduct512p1o1, winoProduct512p2o1, winoProduct512p3o1, winoProduct512p4o1, winoProduct512p5o1, winoProduct512p6o1, winoProduct512p7o1, winoProduct512p8o1, winoProduct512p9o1, winoProduct512p10o1, winoProduct512p11o1, winoProduct512p12o1, winoProduct512p13o1, winoProduct512p14o1},
		{nil, winoProduct512p1o2, winoProduct512p2o2, winoProduct512p3o2, winoProduct512p4o2, winoProduct512p5o2, winoProduct512p6o2, winoProduct512p7o2, winoProduct512p8o2, winoProduct512p9o2, winoProduct512p10o2, winoProduct512p11o2, winoProduct512p12o2, winoProduct512p13o2, winoProduct512p14o2},
	}
	winoProducts256 = [15]func(*byte){nil, winoProduct256p1, winoProduct256p2, winoProduct256p3, winoProduct256p4, winoProduct256p5, winoProduct256p6}
)

// winoProductFuncs returns the products for a number of output blocks at once.
func winoProductFuncs(isa ISA, blocks int) *[15]func(*byte) {
	if isa == AVX2 {
		return &winoProducts256
	}
	return &winoProducts512[blocks-1]
}
