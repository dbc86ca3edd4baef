package kernel

// WinogradRepack makes a Winograd's weights from the packed weights of its direct
// convolution, in float32, where Pack does it from OIHW in float64: training keeps
// weights in the direct order and repacks after every update. In[0] is the direct
// weights (Conv's PackedLen), Out[0] the transformed ones.
type WinogradRepack struct{ Winograd Winograd }

// Tasks is pairs of output blocks x input blocks.
func (c WinogradRepack) Tasks(int) int { return c.Winograd.Conv.npairs() * Blocks(c.Winograd.Conv.IC) }

// Scratch is room for a transform between its two dimensions.
func (c WinogradRepack) Scratch() int { return winoIn * 5 * Block }

// Run transforms the weights of one pair of output blocks and one input block.
func (c WinogradRepack) Run(w *Worker, task int, a *Args) {
	icb := Blocks(c.Winograd.Conv.IC)
	b, r := task%icb, c.Winograd.Conv.KH
	depth := c.Winograd.Conv.depth()
	g := c.Winograd.Conv.pair(task / icb)
	width := g.blocks * Block
	src := a.In[0].Mem[a.In[0].Off+g.w+b*r*r*depth*width:][:r*r*depth*width]
	pos := icb * depth * width
	dst := a.Out[0].Mem[a.Out[0].Off+winoArea*icb*depth*g.bias+b*depth*width:][:(winoArea-1)*pos+depth*width]
	tier := &winoWeightsTiers[w.ISA]
	f := tier.transform[r/5]
	if f == nil {
		winoWeightsGo(r, src, depth*width, dst, pos, depth*width)
		return
	}
	f(&src[0], 4*depth*width, &dst[0], 4*pos, depth*width/tier.lanes, &w.Scratch[0])
}

// winoWeightsTier holds a tier's transforms of weights, for 3x3 and for 5x5 kernels. Each works
// on n vectors of this many lanes.
type winoWeightsTier struct {
	lanes     int
	transform [2]func(src *float32, tap int, dst *float32, pos, n int, tmp *float32)
}

// winoWeightsTiers are the tiers. Files of a processor set those that have microkernels.
var winoWeightsTiers [isas]winoWeightsTier

// winoWeightsGo is the transform of n filters side by side in plain Go.
func winoWeightsGo(r int, src []float32, tap int, dst []float32, pos, n int) {
	for l := range n {
		var t [winoIn][5]float32
		for x := range r {
			var g [5]float32
			for y := range r {
				g[y] = src[(y*r+x)*tap+l]
			}
			for y, v := range winoWeights1(r, g) {
				t[y][x] = v
			}
		}
		for y := range winoIn {
			for x, v := range winoWeights1(r, t[y]) {
				dst[(y*winoIn+x)*pos+l] = v
			}
		}
	}
}

// winoWeights1 is one dimension of it, in the order of _asm/conv_winograd.go.
func winoWeights1(r int, g [5]float32) [winoIn]float32 {
	e, o := g[0]+g[2], g[1]
	f, p := g[0]+float32(4*g[2]), g[1]+g[1]
	if r == 5 {
		e += g[4]
		o += g[3]
		f += float32(16 * g[4])
		p += float32(8 * g[3])
	}
	const sixth, small = float32(-1. / 6), float32(1. / 24)
	return [winoIn]float32{g[0] * 0.25, (e + o) * sixth, (e - o) * sixth, (f + p) * small, (f - p) * small, g[r-1]}
}
