package kernel

// What ConvBackwardWeightsWinograd needs in plain Go, in the same order of operations as the
// assembly (_asm/conv_bwd_weights_winograd.go), products rounded.

// winoBwdXGo transforms tiles of the input to a pair of rows of positions.
func winoBwdXGo(pair int, src []float32, row int, dst []float32, pos, n, m int) {
	var t [winoArea][Block]float32 // of which two rows are used
	for tile := range n {
		for x := range winoIn {
			s := src[(tile*m+x)*Block:]
			for l := range Block {
				x1, x2, x3, x4 := s[row+l], s[2*row+l], s[3*row+l], s[4*row+l]
				switch pair {
				case 0:
					t[x][l] = float32(4*(s[l]-x2)) + (x4 - x2)
					t[winoIn+x][l] = (s[5*row+l] - x3) - float32(4*(x3-x1))
				case 1:
					f, g := x4-float32(4*x2), x3-float32(4*x1)
					t[x][l], t[winoIn+x][l] = f+g, f-g
				case 2:
					f, g := x4-x2, x3-x1
					t[x][l], t[winoIn+x][l] = f+(g+g), f-(g+g)
				}
			}
		}
		for y := range 2 {
			winoIn1(&t, y*winoIn, 1)
		}
		for p := range winoPairPositions {
			copy(dst[p*pos+tile*Block:], t[p][:])
		}
	}
}

// winoBwdDYGo transforms tiles of dY to a pair of rows of positions.
func winoBwdDYGo(m, pair int, src []float32, row int, dst []float32, pos, n int) {
	var t [winoPairPositions][Block]float32
	for tile := range n {
		for l := range Block {
			var rows [2][4]float32
			for x := range m {
				var y [4]float32
				for i := range m {
					y[i] = src[i*row+(tile*m+x)*Block+l]
				}
				u := winoBwdDY1(m, y)
				rows[0][x], rows[1][x] = u[winoPairRows[pair][0]], u[winoPairRows[pair][1]]
			}
			for i, y := range rows {
				for x, v := range winoBwdDY1(m, y) {
					t[i*winoIn+x][l] = v
				}
			}
		}
		for p := range t {
			copy(dst[p*pos+tile*Block:], t[p][:])
		}
	}
}

// winoPairRows are the rows of positions of a pair.
var winoPairRows = [winoPairs][2]int{{0, 5}, {1, 2}, {3, 4}}

// winoBwdDY1 is one dimension of it.
func winoBwdDY1(m int, y [4]float32) [winoIn]float32 {
	e, o, f, p := y[0], y[1], y[0], y[1]
	if m == 4 {
		e, o = y[0]+y[2], y[1]+y[3]
		f, p = y[0]+float32(4*y[2]), y[1]+float32(4*y[3])
	}
	return [winoIn]float32{y[0], e + o, e - o, f + float32(2*p), f - float32(2*p), y[m-1]}
}

// winoBwdOutGo transforms the sums of n weights at every position, whose rows lie in the
// order of pairs, to those of taps.
func winoBwdOutGo(r int, src []float32, pos int, dst []float32, n int) {
	for l := range n {
		var t [winoIn][5]float32
		for i := range winoIn {
			var m [winoIn]float32
			for x := range m {
				m[x] = src[(i*winoIn+x)*pos+l]
			}
			t[winoPairRows[i/2][i%2]] = winoBwdOut1(r, m)
		}
		for x := range r {
			g := winoBwdOut1(r, [winoIn]float32{t[0][x], t[1][x], t[2][x], t[3][x], t[4][x], t[5][x]})
			for y := range r {
				dst[(y*r+x)*n+l] = g[y]
			}
		}
	}
}

// winoBwdOut1 is one dimension of it.
func winoBwdOut1(r int, m [winoIn]float32) (g [5]float32) {
	const sixth, small, twelfth, third = float32(1. / 6), float32(1. / 24), float32(1. / 12), float32(1. / 3)
	a, b := (m[1]+m[2])*-sixth, (m[1]-m[2])*-sixth
	u, v := m[3]+m[4], m[3]-m[4]
	g[0] = float32(m[0]*0.25) + a + float32(u*small)
	g[1] = b + float32(v*twelfth)
	g[2] = a + float32(u*sixth)
	if r == 3 {
		g[2] += m[5]
		return g
	}
	g[3] = b + float32(v*third)
	g[4] = m[5] + a + float32(u*(2*third))
	return g
}

// winoBwdSumGo adds the products of tiles of 16 channels of the input and a block of dY
// to a sum whose rows are so far apart.
func winoBwdSumGo(x, dy, sum []float32, row, tiles int) {
	for i := range Block {
		s := (*[Block]float32)(sum[i*row:])
		for t := range tiles {
			v, d := x[t*Block+i], (*[Block]float32)(dy[t*Block:])
			for l := range d {
				s[l] += float32(v * d[l])
			}
		}
	}
}
