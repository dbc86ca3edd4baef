package kernel

// rowsPerTask cuts h rows into tasks of about a microsecond; work is the number of
// block operations a row. What is less is cut in half if it is worth a thread's while,
// so that each half of a map is read by the thread that wrote it, out of its own cache.
func rowsPerTask(h, work int) int {
	const enough, little = 2048, 512
	if all := h * work; all >= little && all < 2*enough {
		return max(1, ceilDiv(h, 2))
	}
	return min(h, max(1, enough/max(1, work)))
}

// sumRows is how many rows of w blocks a float32 sums up without much loss.
func sumRows(w int) int { return max(1, 256/max(1, w)) }

// maps is how most kernels cut their work: images x ranges of rows x channel blocks. Threads take
// ranges of tasks, so each has some rows of all channels, as it has in most convolutions before and
// after: it finds them in its own cache.
type maps struct{ c, h, rows int }

func (m maps) chunks() int { return ceilDiv(m.h, m.rows) }

func (m maps) tasks(images int) int { return images * Blocks(m.c) * m.chunks() }

// task is an image, a block of channels, and rows y0..y1-1.
func (m maps) task(t int) (image, block, y0, y1 int) {
	n := Blocks(m.c)
	block = t % n
	t /= n
	y0 = t % m.chunks() * m.rows
	return t / m.chunks(), block, y0, min(y0+m.rows, m.h)
}

// bands is how kernels that need all channels at once cut theirs: images x
// ranges of rows.
type bands struct{ h, rows int }

func (b bands) tasks(images int) int { return images * ceilDiv(b.h, b.rows) }

func (b bands) task(t int) (image, y0, y1 int) {
	n := ceilDiv(b.h, b.rows)
	y0 = t % n * b.rows
	return t / n, y0, min(y0+b.rows, b.h)
}

// at is the index of pixel (y, x) of a block.
func (v View) at(b *Buf, image, block, y, x int) int {
	return b.Off + image*v.N + block*v.C + y*v.H + x*Block
}

// row is w pixels of a row of a block.
func (v View) row(b *Buf, image, block, y, w int) []float32 {
	i := v.at(b, image, block, y, 0)
	return b.Mem[i : i+w*Block : i+w*Block]
}

// fuseRows makes one row of all where none of the views has gaps between rows.
func fuseRows(y0, y1, w int, views ...View) (rows, width int) {
	for _, v := range views {
		if v.H != w*Block {
			return y1 - y0, w
		}
	}
	return 1, (y1 - y0) * w
}

// lastLanes is the number of channels in the last block.
func lastLanes(c int) int { return (c-1)%Block + 1 }

// clearLanes zeroes the lanes of a row that lie past the last channel, if the
// block is the last one.
func clearLanes(row []float32, c, block int) {
	n := lastLanes(c)
	if block != Blocks(c)-1 || n == Block {
		return
	}
	for ; len(row) >= Block; row = row[Block:] {
		clear(row[n:Block])
	}
}
