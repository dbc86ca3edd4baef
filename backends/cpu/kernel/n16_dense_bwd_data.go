package kernel

// N16DenseBackwardData is DenseBackwardData whose vectors are images: dY and dX lie in
// lanes, dX as the map of C x H x W that the layer takes for a vector. With ReLU dX is
// the gradient in front of the ReLU that made that map, 0 where the map is neither above 0
// nor NaN.
//
// Operands: In[0] = dY in the view Out.View, In[1] with ReLU the map (view Y); Out[0] =
// dX in the view In; with ReLU Out[1], or no memory: sums of dX, for a ChannelSums
// (Sums). W[0] the weights as a Dense of C*H*W x 1 x 1 has them.
//
// The weights are broadcast one by one, so they are read in the order of the forward
// kernel, and nothing is transposed. Every result is one chain of fused multiply-adds
// over the output channels. Lanes without an image are computed as well, and hold what
// zeros give.
type N16DenseBackwardData struct {
	Dense Dense
	ReLU  bool
	Y     View
}

// n16DataInputs is about how many inputs a task has: their weights stay in the second
// cache for all image blocks.
const n16DataInputs = 66

// cut is how many channels a task has, and into how many parts their maps are cut.
func (d N16DenseBackwardData) cut() (channels, parts int) {
	pixels := d.Dense.H * d.Dense.W
	return max(1, n16DataInputs/pixels), ceilDiv(pixels, n16DataInputs)
}

// Sums is what adds up the sums in Out[1].
func (d N16DenseBackwardData) Sums() ChannelSums {
	_, parts := d.cut()
	return ChannelSums{C: d.Dense.C, Partials: parts, N16: true}
}

// Tasks is chunks of channels x parts of their maps.
func (d N16DenseBackwardData) Tasks(int) int {
	channels, parts := d.cut()
	return ceilDiv(d.Dense.C, channels) * parts
}

// Table is empty: dY is a vector, and the weights have no gaps.
func (d N16DenseBackwardData) Table(ISA) []int { return nil }

// n16DataTask is a part of the maps of some channels.
type n16DataTask struct {
	N16DenseBackwardData
	part, parts int
	from, to    int // inputs
	run         int // inputs that lie side by side in dX and in the map, from a multiple of run on
}

// Run computes one task.
func (d N16DenseBackwardData) Run(w *Worker, task int, a *Args) {
	channels, parts := d.cut()
	t := n16DataTask{N16DenseBackwardData: d, part: task % parts, parts: parts}
	pixels := d.Dense.H * d.Dense.W
	c0 := task / parts * channels
	c1 := min(c0+channels, d.Dense.C)
	t.from, t.to = c0*pixels+pixels*t.part/parts, (c1-1)*pixels+pixels*(t.part+1)/parts
	t.run = d.Dense.In.inRun(d.Dense.C, d.Dense.H, d.Dense.W)
	if d.ReLU {
		t.run = min(t.run, d.Y.inRun(d.Dense.C, d.Dense.H, d.Dense.W))
	}
	groups := imageBlocks(a.Images)
	if a.Out[1].Mem != nil {
		t.run = min(t.run, pixels)
		for g := range groups {
			for c := c0; c < c1; c++ {
				clear(a.Out[1].vector(t.sums(g, c)))
			}
		}
	}
	for g, calls := 0, ceilDiv(groups, n16GemmBlocks(w.ISA)); g < groups; calls-- {
		n := ceilDiv(groups-g, calls)
		t.groups(w, a, g, n)
		g += n
	}
}

// inRun is how many elements of a map of c x h x w that lies in N16 lie side by side.
func (v View) inRun(c, h, w int) int {
	switch {
	case h > 1 && v.H != w*Block:
		return w
	case c > 1 && v.C != h*w*Block:
		return h * w
	}
	return c * h * w
}

// sums is which vector of the sums is that of a channel.
func (t *n16DataTask) sums(group, channel int) int { return (group*t.Dense.C+channel)*t.parts + t.part }

// groups computes the inputs of n image blocks: all of them for some output channels
// before the next ones.
func (t *n16DataTask) groups(w *Worker, a *Args, g, n int) {
	const pair = 2 * Block
	p := n16Gemm{xTap: t.Dense.Out.View.C, xGroup: t.Dense.Out.View.N, groups: n, wRow: pair, wTap: 1, wPart: t.Dense.packedRows() * pair, taps: pair,
		outGroup: t.Dense.In.N, yGroup: t.Y.N}
	whole := t.Dense.Out.C / pair
	near := max(1, n16ProductNear/(4*pair*Block*n))
	for pairs, calls := 0, max(1, ceilDiv(whole, near)); calls > 0; calls-- {
		p.parts, p.acc = ceilDiv(whole-pairs, calls), pairs > 0
		if calls == 1 {
			p.mask, p.rest = t.ReLU, t.Dense.Out.C-whole*pair
			p.restRow = Blocks(p.rest) * Block
		}
		p.x = a.In[0].Mem[t.Dense.Out.View.at(&a.In[0], g, pairs*pair, 0, 0):]
		for i := t.from; i < t.to; i += p.rows {
			p.rows = min(t.to-i, t.run-i%t.run)
			p.ahead = p.rows / ceilDiv(p.rows, n16ProductRows) * pair // the next tile's
			if p.parts > 0 {
				p.w = a.W[0][pairs*p.wPart+i*pair:]
			}
			if p.rest > 0 {
				p.restW = a.W[0][whole*p.wPart+i*p.restRow:]
			}
			c, y, x := i/(t.Dense.H*t.Dense.W), i/t.Dense.W%t.Dense.H, i%t.Dense.W
			p.out = a.Out[0].Mem[t.Dense.In.at(&a.Out[0], g, c, y, x):]
			if p.mask {
				p.y, p.sums = a.In[1].Mem[t.Y.at(&a.In[1], g, c, y, x):], w.sum[:]
				if a.Out[1].Mem != nil {
					p.sums, p.sumsGroup = a.Out[1].Mem[a.Out[1].Off+t.sums(g, c)*Block:], t.Dense.C*t.parts*Block
				}
			}
			p.run(w)
		}
		pairs += p.parts
	}
}

// packedRows is how many rows the packed weights of a pair of output blocks have, for a
// layer over the map as a vector.
func (d Dense) packedRows() int {
	inputs := d.C * d.H * d.W
	return Blocks(inputs) * Dense{C: inputs, H: 1, W: 1}.conv().depth()
}
