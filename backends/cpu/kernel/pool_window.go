package kernel

// window is the geometry of a pool: output (y, x) looks at rows
// y*sh-ph+i*dh, i < kh, and columns likewise.
type window struct {
	h, w, ih, iw                   int
	kh, kw, sh, sw, dh, dw, ph, pw int
}

// taps returns the range of taps of one axis that lie inside of the input; lo is
// hi where none does. first is the position of tap 0.
func taps(first, k, d, in int) (lo, hi int) {
	if first < 0 {
		lo = ceilDiv(-first, d)
	}
	hi = k
	if first >= in {
		hi = 0
	} else if first+(k-1)*d >= in {
		hi = ceilDiv(in-first, d)
	}
	return min(lo, hi), hi
}

// inside returns the outputs of one axis whose windows lie inside of the input
// completely: lo..hi-1.
func inside(out, in, k, s, d, p int) (lo, hi int) {
	lo = min(ceilDiv(p, s), out)
	if last := in - 1 - (k-1)*d + p; last >= 0 {
		hi = min(last/s+1, out)
	}
	return lo, max(lo, hi)
}

// pairs reports whether the windows are squares of 2 x 2, one beside the other and
// inside of the input: then every place of it belongs to one or none.
func (g *window) pairs() bool {
	return g.kh == 2 && g.kw == 2 && g.sh == 2 && g.sw == 2 && g.dh == 1 && g.dw == 1 && g.ph == 0 && g.pw == 0 && 2*g.h <= g.ih && 2*g.w <= g.iw
}

// run is a stretch of outputs of a row that share their taps' ranges, and where
// its first tap lies relative to the image's first row and column.
type run struct {
	x, n       int // outputs x..x+n-1
	kh, kw     int // taps, 0 where there are none
	y0, x0     int // of the first tap of output x, in input pixels
	tapY, tapX int // which tap that is
}

// row calls f for the stretches of an output row, from left to right.
func (g *window) row(y int, f func(r run)) {
	first := y*g.sh - g.ph
	ylo, yhi := taps(first, g.kh, g.dh, g.ih)
	lo, hi := inside(g.w, g.iw, g.kw, g.sw, g.dw, g.pw)
	var r run
	r.kh, r.tapY, r.y0 = yhi-ylo, ylo, first+ylo*g.dh
	edge := func(x int) {
		left := x*g.sw - g.pw
		a, b := taps(left, g.kw, g.dw, g.iw)
		r.x, r.n, r.kw, r.tapX, r.x0 = x, 1, b-a, a, left+a*g.dw
		f(r)
	}
	for x := range lo {
		edge(x)
	}
	if hi > lo {
		r.x, r.n, r.kw, r.tapX, r.x0 = lo, hi-lo, g.kw, 0, lo*g.sw-g.pw
		f(r)
	}
	for x := hi; x < g.w; x++ {
		edge(x)
	}
}

// source is the input under a stretch: from its first tap to its last, and the
// steps between rows, columns and outputs.
func (g *window) source(v View, b *Buf, image, block int, r run) (src []float32, rowStep, colStep, pixStep int) {
	rowStep, colStep, pixStep = g.dh*v.H, g.dw*Block, g.sw*Block
	i := v.at(b, image, block, r.y0, r.x0)
	j := i + (r.kh-1)*rowStep + (r.kw-1)*colStep + (r.n-1)*pixStep + Block
	return b.Mem[i:j:j], rowStep, colStep, pixStep
}

// three are the stretches of a row in one: windows of three columns, of which at
// most the first and the last lack one, and of up to three rows. It returns where
// the rows lie from the first on (a row that is missing is the one before again),
// and which windows lack a column; ok is false where the row is not like that.
func (g *window) three(v View, y int) (r run, row1, row2, left, right int, ok bool) {
	if g.kw != 3 || g.kh > 3 || g.dw != 1 || g.sw > 2 || g.pw > 1 {
		return
	}
	first := y*g.sh - g.ph
	lo, hi := taps(first, g.kh, g.dh, g.ih)
	end := (g.w-1)*g.sw - g.pw + 3 // of the last window
	if hi <= lo || end > g.iw+1 || g.w < 2 {
		return
	}
	left, right = g.pw, max(0, end-g.iw)
	r = run{n: g.w, kh: hi - lo, kw: 3, y0: first + lo*g.dh}
	step := g.dh * v.H
	row1, row2 = min(1, hi-lo-1)*step, min(2, hi-lo-1)*step
	return r, row1, row2, left, right, true
}
