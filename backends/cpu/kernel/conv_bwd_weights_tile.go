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
	tier := &bwdWeightsTiers[isa]
	if tier.blocks == 0 {
		g.runGo(blocks * Block)
		return
	}
	g.run(tier, blocks)
}

type bwdWeightsFunc = func(x *float32, off *int, dy *float32, dyblock int, pixels *int, n int, dw *float32, dwrow, dwahead, begin, xahead, dyahead int)

// bwdWeightsTier is what a tier has for gradients with respect to weights: microkernels by
// blocks - 1 and by rows, and for some numbers of rows such that ask for pixels far away.
type bwdWeightsTier struct {
	rows, blocks int // at most
	near, far    [2][9]bwdWeightsFunc
}

// bwdWeightsTiers are the tiers. Files of a processor set those that have microkernels.
var bwdWeightsTiers [isas]bwdWeightsTier

// run computes all rows by blocks output blocks, in as few calls as the registers
// of the tier allow.
func (g *bwdWeightsTile) run(tier *bwdWeightsTier, blocks int) {
	once := min(blocks, tier.blocks)
	near, far := &tier.near[once-1], &tier.far[once-1]
	if g.xahead == 0 && g.dyahead == 0 {
		far = near
	}
	n := len(g.pixels) / pixelInts
	if n == 0 {
		return
	}
	for b := 0; b < blocks; b += once {
		calls, dy := ceilDiv(g.rows, tier.rows), g.dyat+b*g.dyblock/4
		for r := 0; r < g.rows; calls-- {
			p := ceilDiv(g.rows-r, calls)
			add := near[p]
			if r == 0 && far[p] != nil {
				add = far[p]
			}
			// The farthest elements are looked at here, so that a wrong plan panics and
			// corrupts nothing.
			dw := g.dwat + r*g.dwrow/4 + b*Block
			_ = g.dw[dw+(p-1)*g.dwrow/4+once*Block-1]
			_ = g.x[g.xat+(g.off[r+p-1]+g.pixels[len(g.pixels)-2])/4]
			_ = g.dy[dy+((once-1)*g.dyblock+g.pixels[len(g.pixels)-1])/4+Block-1]
			ahead := p * g.dwrow // the next rows
			switch {
			case r+p < g.rows:
			case b+once < blocks:
				ahead = 4*once*Block - r*g.dwrow
			default:
				ahead = g.dwahead - r*g.dwrow - 4*b*Block
			}
			add(&g.x[g.xat], &g.off[r], &g.dy[dy], g.dyblock, &g.pixels[0], n, &g.dw[dw], g.dwrow, ahead, g.begin, g.xahead, g.dyahead)
			r += p
		}
	}
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
