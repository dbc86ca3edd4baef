package nodes

// This file multiplies matrices block by block. Every sum is made in the order of the inner axis,
// so that the result does not depend on the blocks.

// A block has nodeDeep elements of the inner axis and nodeWide columns, and fits into the cache.
// The columns are packed in groups of nodeGroup.
const (
	nodeDeep  = 256
	nodeWide  = 64
	nodeGroup = 4
)

// blocks sets the rows lo to hi of all results, counted through the batch, to their sums of
// products.
func (m *nodeProduct) blocks(a, b, y []float64, lo, hi int) {
	clear(y[lo*m.cols : hi*m.cols])
	var tile, line []float64
	batch := m.batch
	for lo < hi && m.k > 0 {
		batch.seek(lo / m.rows)
		row := lo % m.rows
		rows := min(hi-lo, m.rows-row)
		from, right, dst := a[batch.at[0]+row*m.ar:], b[batch.at[1]:], y[lo*m.cols:(lo+rows)*m.cols]
		if rows < 2 {
			m.line(from, right, dst)
		} else {
			if tile == nil {
				tile, line = make([]float64, nodeDeep*nodeWide), make([]float64, 2*nodeDeep)
			}
			m.packed(from, right, dst, rows, tile, line)
		}
		lo += rows
	}
}

// line adds the products of one row to dst.
func (m *nodeProduct) line(a, b, dst []float64) {
	if m.bk == 1 {
		for c := range dst {
			sum, col := 0.0, b[c*m.bc:][:m.k]
			for i, v := range col {
				sum += a[i*m.ak] * v
			}
			dst[c] = sum
		}
		return
	}
	for i := range m.k {
		v := a[i*m.ak]
		for c := range dst {
			dst[c] += v * b[i*m.bk+c*m.bc]
		}
	}
}

// packed adds the products of rows to dst. tile and line are memory for a block of b and for
// pieces of two rows of a.
func (m *nodeProduct) packed(a, b, dst []float64, rows int, tile, line []float64) {
	for c0 := 0; c0 < m.cols; c0 += nodeWide {
		cols := min(nodeWide, m.cols-c0)
		for k0 := 0; k0 < m.k; k0 += nodeDeep {
			deep := min(nodeDeep, m.k-k0)
			m.pack(b, tile, c0, cols, k0, deep)
			for r := 0; r < rows; r += 2 {
				two := min(2, rows-r)
				for i := range two {
					for j := range deep {
						line[i*nodeDeep+j] = a[(r+i)*m.ar+(k0+j)*m.ak]
					}
				}
				at := r*m.cols + c0
				for g := 0; g < cols; g += nodeGroup {
					block := tile[g*nodeDeep:][:nodeGroup*deep]
					n := min(nodeGroup, cols-g)
					first := dst[at+g:][:n]
					if two == 2 && n == nodeGroup {
						nodeTwoRows(line[:deep], line[nodeDeep:][:deep], block, first, dst[at+g+m.cols:][:n])
						continue
					}
					for i := range two {
						nodeOneRow(line[i*nodeDeep:][:deep], block, dst[at+g+i*m.cols:][:n])
					}
				}
			}
		}
	}
}

// pack copies a block of b: for each group of columns, the elements of one line after another.
func (m *nodeProduct) pack(b, tile []float64, c0, cols, k0, deep int) {
	for g := 0; g < cols; g += nodeGroup {
		dst := tile[g*nodeDeep:][:nodeGroup*deep]
		for j := range nodeGroup {
			if g+j >= cols {
				for i := range deep {
					dst[i*nodeGroup+j] = 0
				}
				continue
			}
			src := b[k0*m.bk+(c0+g+j)*m.bc:]
			for i := range deep {
				dst[i*nodeGroup+j] = src[i*m.bk]
			}
		}
	}
}

// nodeTwoRows adds the products of pieces of two rows with a group of columns to y and z.
func nodeTwoRows(a, b, block, y, z []float64) {
	y, z, b = y[:4], z[:4], b[:len(a)]
	y0, y1, y2, y3 := y[0], y[1], y[2], y[3]
	z0, z1, z2, z3 := z[0], z[1], z[2], z[3]
	for i, u := range a {
		v, c := b[i], block[:4]
		y0 += u * c[0]
		y1 += u * c[1]
		y2 += u * c[2]
		y3 += u * c[3]
		z0 += v * c[0]
		z1 += v * c[1]
		z2 += v * c[2]
		z3 += v * c[3]
		block = block[4:]
	}
	y[0], y[1], y[2], y[3] = y0, y1, y2, y3
	z[0], z[1], z[2], z[3] = z0, z1, z2, z3
}

// nodeOneRow adds the products of a piece of a row with a group of columns to y, which may have
// fewer elements.
func nodeOneRow(a, block, y []float64) {
	var sum [nodeGroup]float64
	copy(sum[:], y)
	for i, u := range a {
		c := block[i*nodeGroup:][:nodeGroup]
		for j := range sum {
			sum[j] += u * c[j]
		}
	}
	copy(y, sum[:])
}
