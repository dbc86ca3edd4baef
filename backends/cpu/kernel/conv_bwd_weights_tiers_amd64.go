package kernel

type gradientFunc = func(x *float32, off *int, dy *float32, dyblock int, pixels *int, n int, dw *float32, dwrow, dwahead, begin, xahead, dyahead int)

// The microkernels by number of rows; those called far for as many as are usual.
var (
	gradients512o1    = [9]gradientFunc{nil, bwdWeights512p1o1, bwdWeights512p2o1, bwdWeights512p3o1, bwdWeights512p4o1, bwdWeights512p5o1, bwdWeights512p6o1, bwdWeights512p7o1, bwdWeights512p8o1}
	gradients512o1far = [9]gradientFunc{8: bwdWeights512p8o1far}
	gradients512o2    = [9]gradientFunc{nil, bwdWeights512p1o2, bwdWeights512p2o2, bwdWeights512p3o2, bwdWeights512p4o2, bwdWeights512p5o2, bwdWeights512p6o2, bwdWeights512p7o2, bwdWeights512p8o2}
	gradients512o2far = [9]gradientFunc{8: bwdWeights512p8o2far}
	gradients256      = [9]gradientFunc{nil, bwdWeights256p1o1, bwdWeights256p2o1, bwdWeights256p3o1, bwdWeights256p4o1, bwdWeights256p5o1, bwdWeights256p6o1}
	gradients256far   = [9]gradientFunc{4: bwdWeights256p4o1far, 5: bwdWeights256p5o1far, 6: bwdWeights256p6o1far}
)

// run computes all rows by blocks output blocks, in as few calls as the registers
// of the tier allow.
func (g *bwdWeightsTile) run(isa ISA, blocks int) {
	near, far, once, most := &gradients512o2, &gradients512o2far, blocks, 8
	switch {
	case isa == AVX2:
		near, far, once, most = &gradients256, &gradients256far, 1, 6
	case blocks == 1:
		near, far = &gradients512o1, &gradients512o1far
	}
	if g.xahead == 0 && g.dyahead == 0 {
		far = near
	}
	n := len(g.pixels) / pixelInts
	if n == 0 {
		return
	}
	for b := 0; b < blocks; b += once {
		calls, dy := ceilDiv(g.rows, most), g.dyat+b*g.dyblock/4
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
