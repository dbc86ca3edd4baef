package kernel

// The transforms in plain Go, in the same order of operations as the assembly
// (_asm/conv_winograd.go), products rounded.

func winoInGo(src []float32, row int, dst []float32, pos, n, m int) {
	var t [winoArea][Block]float32
	for tile := range n {
		s := src[tile*m*Block:]
		for y := range winoIn {
			for i := range winoIn {
				copy(t[y*winoIn+i][:], s[y*row+i*Block:])
			}
			winoIn1((*[winoArea][Block]float32)(&t), y*winoIn, 1)
		}
		for i := range winoIn {
			winoIn1(&t, i, winoIn)
		}
		for p := range t {
			copy(dst[p*pos+tile*Block:], t[p][:])
		}
	}
}

// winoIn1 is the transform of one dimension in place: six blocks from at, step
// apart.
func winoIn1(t *[winoArea][Block]float32, at, step int) {
	for l := range Block {
		x0, x1, x2 := t[at][l], t[at+step][l], t[at+2*step][l]
		x3, x4, x5 := t[at+3*step][l], t[at+4*step][l], t[at+5*step][l]
		f, g := x4-x2, x3-x1
		c, d := x4-float32(4*x2), x3-float32(4*x1)
		t[at][l] = float32(4*(x0-x2)) + f
		t[at+step][l] = c + d
		t[at+2*step][l] = c - d
		t[at+3*step][l] = f + (g + g)
		t[at+4*step][l] = f - (g + g)
		t[at+5*step][l] = (x5 - x3) - float32(4*g)
	}
}

// runGo is run in plain Go.
func (c *winoOutCall) runGo(m int) {
	src, dst, res, bias := c.src, c.dst, c.res, c.bias
	var t [winoArea][Block]float32
	for tile := range c.n {
		for p := range t {
			copy(t[p][:], src[p*c.pos+tile*Block:][:Block])
		}
		for y := range winoIn {
			winoOut1(&t, y*winoIn, 1, m)
		}
		for x := range m {
			winoOut1(&t, x, winoIn, m)
			for y := range m {
				d := dst[y*c.row+(tile*m+x)*Block:][:Block]
				for l, v := range t[y*winoIn+x] {
					v += bias[l]
					if c.flags&tileRes != 0 {
						v = float32(c.scale*v) + res[y*c.resRow+(tile*m+x)*Block+l]
					}
					if c.flags&tileReLU != 0 && v < 0 || c.flags&tileMask != 0 && res[y*c.resRow+(tile*m+x)*Block+l] <= 0 {
						v = 0
					}
					d[l] = v
				}
			}
		}
	}
}

// winoOut1 is the transform of one dimension: six blocks from at become m.
func winoOut1(t *[winoArea][Block]float32, at, step, m int) {
	for l := range Block {
		m0, m1, m2 := t[at][l], t[at+step][l], t[at+2*step][l]
		m3, m4, m5 := t[at+3*step][l], t[at+4*step][l], t[at+5*step][l]
		s, d, u, v := m1+m2, m1-m2, m3+m4, m3-m4
		t[at][l] = (m0 + s) + u
		if m == 2 {
			t[at+step][l] = (d + m5) + float32(2*v)
			continue
		}
		t[at+step][l] = d + float32(2*v)
		t[at+2*step][l] = s + float32(4*u)
		t[at+3*step][l] = (d + m5) + float32(8*v)
	}
}

// multiplyGo is one of the 36 products.
func (r *winoRun) multiplyGo(taps []int, u []float32, width, v, out int) {
	for i := 0; i < r.n; i += 3 {
		var px [3]int
		for q := range px {
			px[q] = v + min(i+q, r.n-1)*Block
		}
		var sums [3][2 * Block]float32 // M may be where V is
		for j := 0; j < width; j += 2 {
			acc := dot3x2(r.scratch, px, taps, r.c.Conv.depth(), u[j:], width, [3][2]float32{})
			for q := range acc {
				copy(sums[q][j:], acc[q][:])
			}
		}
		for q := range min(3, r.n-i) {
			for j := 0; j < width; j += Block {
				copy(r.scratch[out+j/Block*r.block+(i+q)*Block:], sums[q][j:j+Block])
			}
		}
	}
}
