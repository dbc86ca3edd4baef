package kernel

// bwdWeightsTile is the argument block of the microkernel of gradients with respect to
// weights: dw[r][o] += sum over n pixels of x[pixel + off[r]] * dy[pixel][o], for up
// to 16 rows r and one or two blocks of output channels o, a chain of fused multiply-adds for
// each element, in the order of the pixels; = instead of += where begin is 1. at's are in
// float32s, the rest in bytes. It lives in the Worker.
type bwdWeightsTile struct {
	x, dy, dw       []float32
	xat, dyat, dwat int
	off             [Block]int
	rows            int
	dyblock, dwrow  int
	dwahead         int   // how far what the next call writes is from what this one does
	begin           int   // 1 to begin with zeros
	pixels          []int // of each: where it is from xat on, and from dyat on
	xahead, dyahead int   // how far the pixels are that are wanted soon and not near yet, or 0
}

// pixelInts is the length of a pixel in the table.
const pixelInts = 2

// add runs the microkernel of the tier for blocks blocks of output channels.
func (g *bwdWeightsTile) add(isa ISA, blocks int) {
	if isa == Portable {
		g.runGo(blocks * Block)
		return
	}
	g.run(isa, blocks)
}

// channels sets the rows to n channels that lie side by side.
func (g *bwdWeightsTile) channels(n int) {
	g.rows = n
	for i := range g.off[:n] {
		g.off[i] = 4 * i
	}
}

// runGo is the microkernel in plain Go: four rows by two output channels at a
// time, products rounded.
func (g *bwdWeightsTile) runGo(width int) {
	for r := 0; r < g.rows; r += 4 {
		var xs [4]int
		for q := range xs {
			xs[q] = g.xat + g.off[min(r+q, g.rows-1)]/4
		}
		for j := 0; j < width; j += 2 {
			dy := g.dyat + j/Block*g.dyblock/4 + j%Block
			var s [4][2]float32
			for q := range s {
				if g.begin == 0 {
					s[q] = [2]float32(g.dw[g.dwat+min(r+q, g.rows-1)*g.dwrow/4+j:])
				}
			}
			a0, a1, b0, b1 := s[0][0], s[0][1], s[1][0], s[1][1]
			c0, c1, d0, d1 := s[2][0], s[2][1], s[3][0], s[3][1]
			for p := 0; p < len(g.pixels); p += pixelInts {
				at, d := g.pixels[p]/4, dy+g.pixels[p+1]/4
				v := g.dy[d : d+2 : d+2]
				v0, v1 := v[0], v[1]
				x := g.x[xs[0]+at]
				a0 += float32(x * v0)
				a1 += float32(x * v1)
				x = g.x[xs[1]+at]
				b0 += float32(x * v0)
				b1 += float32(x * v1)
				x = g.x[xs[2]+at]
				c0 += float32(x * v0)
				c1 += float32(x * v1)
				x = g.x[xs[3]+at]
				d0 += float32(x * v0)
				d1 += float32(x * v1)
			}
			s = [4][2]float32{{a0, a1}, {b0, b1}, {c0, c1}, {d0, d1}}
			for q := range min(4, g.rows-r) {
				copy(g.dw[g.dwat+(r+q)*g.dwrow/4+j:], s[q][:])
			}
		}
	}
}
