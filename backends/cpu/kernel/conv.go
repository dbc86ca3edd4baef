package kernel

import (
	"unsafe"
)

// Conv is a direct convolution, NCHW16c to NCHW16c (or planar to NCHW16c), with
// its epilogue:
//
//	out = act(res + Scale*(conv(in) + bias))   with Residual
//	out = act(conv(in) + bias)                 without
//
// ActReLUBackward, with one output and without Residual, reads In[1] (view Res): the output of
// the ReLU whose gradient is taken.
//
// With Masked, for one output with a Step of 16 and by Conv alone, the result is then 0 where In[2]
// (view Mask) is neither above 0 nor NaN: with Residual the gradient in front of a ReLU whose
// output, In[2], several layers read.
//
// Output pixel (y, x) reads the input at (y*SH - PH + kh*DH, x*SW - PW + kw*DW);
// what lies outside of the image is read from the physical border, which may be
// of any width (pads larger than the kernel included). Stride, dilation and
// Groups of 0 mean 1.
//
// Operands: In[0] input, In[1] residual (view Res), Out[i] what Outputs[i] names, W[0]
// as packed by Pack, W[1] as packed by PackBias or nil, Table. With ActReLUBackward Out[1] is
// the sums of what is written (Sums), or no memory.
//
// Outputs are consecutive ranges of output channels. An ordinary convolution has one. Parallel
// convolutions over one input that have been merged have up to four: each writes to a place of
// its own (a slice of a concat, a bordered buffer) and has an activation of its own. Residual
// needs exactly one. Every output begins a new block. Channels past Output.C, up to the end of
// its last block, are written as zeros.
//
// Groups > 1: any channel counts that the groups divide; blocks that a group
// shares with others are filled up with zero weights, so widths of a multiple of
// 16 per group cost nothing. Narrower groups have kernels of their own: Depthwise, and Grouped
// for 4 and 8 channels.
//
// The result of an output element is one chain of fused multiply-adds that
// begins with the bias and runs over input block, kernel row, kernel column,
// channel (planar: channel, row, column), whatever the tiles and tasks are.
type Conv struct {
	IC       int  // input channels
	H, W     int  // output rows and columns
	KH, KW   int  // kernel
	SH, SW   int  // stride
	DH, DW   int  // dilation
	PH, PW   int  // padding above and to the left
	Groups   int  // must divide IC and the output channels; then one output
	Planar   bool // the input is NCHW: for the network's input, while its channels are few
	In       View
	Outputs  [4]Output
	Residual bool
	Res      View
	Scale    float32 // of the convolution, with Residual
	Masked   bool
	Mask     View

	// How the work is cut into tasks: output rows, and pairs of output blocks,
	// a task; 0 takes all. Split chooses them.
	Rows, Pairs int
}

// Output is a range of output channels and the place to which it is written. Outputs end at
// the first with C == 0.
type Output struct {
	C    int
	View View
	Act  Act
	Step int // float32s from a pixel to the next, in the residual too; 0 means 16
}

func (p *Output) step() int {
	if p.Step == 0 {
		return Block
	}
	return p.Step
}

func one(n int) int {
	if n == 0 {
		return 1
	}
	return n
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// OC is the number of output channels, without the padding of the outputs.
func (c Conv) OC() int {
	n := 0
	for _, p := range c.Outputs {
		n += p.C
	}
	return n
}

// MACs is the number of multiply-accumulates of an image, without those of
// padded channels.
func (c Conv) MACs() int {
	return c.OC() * c.IC / one(c.Groups) * c.KH * c.KW * c.H * c.W
}

// PaddedMACs is MACs with input and output channels padded to blocks, as the
// kernel computes them (planar input is not padded, up to 8 input channels to 8, up to 4 to 4, those
// of halfTaps to a multiple of 8).
func (c Conv) PaddedMACs() int {
	n := 0
	for g := range c.blockPairs {
		n += c.products(g) * g.blocks
	}
	return n * Block * c.H * c.W
}

// products is how many products an output of a pair is the sum of.
func (c *Conv) products(g blockPair) int {
	if n := c.halfTaps(); n > 0 {
		return n * Block / 2
	}
	return (g.hi - g.lo) * c.depth() * c.KH * c.KW
}

// halfTaps is how many half blocks of input channels a 1x1 convolution reads, if that spares it the
// second half of the last block, or 0. The weights are in the same order either way.
func (c *Conv) halfTaps() int {
	if c.KH*c.KW > 1 || c.Planar || one(c.Groups) > 1 || c.IC <= Block || (c.IC-1)%Block >= Block/2 {
		return 0
	}
	return ceilDiv(c.IC, Block/2)
}

// lanes is the number of input channels that lie side by side and make one tap.
func (c Conv) tapChannels() int {
	if c.Planar {
		return 1
	}
	return Block
}

// depth is the number of input channels of a tap that are multiplied: a half or a
// quarter of a block suffices where that holds all channels.
func (c Conv) depth() int {
	switch {
	case c.Planar:
		return 1
	case c.IC <= Block/4:
		return Block / 4
	case c.IC <= Block/2:
		return Block / 2
	}
	return Block
}

// blockPair is one or two blocks of output channels that are computed together.
type blockPair struct {
	part, block, blocks int // index of the output, the first block in it, 1 or 2
	oc, n               int // first output channel, how many are real
	lo, hi              int // input blocks (planar: channels) that it reads
	w, bias             int // where its weights and its bias begin
}

// groupBlocks is of how many blocks of the outputs a group consists, or 0 where a block may have
// channels of several groups, or all are one group.
func (c Conv) groupBlocks() int {
	if ocg := c.OC() / one(c.Groups); c.Groups > 1 && ocg%Block == 0 {
		return ocg / Block
	}
	return 0
}

// blockPairs yields the pairs of output blocks, output by output. An output with an odd number
// of blocks ends with a single block, and so does a group of whole blocks: the two blocks of a pair
// read the same input channels.
func (c Conv) blockPairs(yield func(blockPair) bool) {
	gs := one(c.Groups)
	icg, ocg := c.IC/gs, c.OC()/gs
	whole := c.groupBlocks()
	var g blockPair
	for p, part := range c.Outputs {
		if part.C == 0 {
			return
		}
		first := g.oc
		for b := 0; b < Blocks(part.C); b += g.blocks {
			g.part, g.block, g.blocks = p, b, min(2, Blocks(part.C)-b)
			if whole > 0 {
				g.blocks = min(g.blocks, whole-b%whole)
			}
			g.oc = first + b*Block
			g.n = min(part.C-b*Block, g.blocks*Block)
			g.lo = g.oc / ocg * icg / c.tapChannels()
			g.hi = ceilDiv(((g.oc+g.n-1)/ocg+1)*icg, c.tapChannels())
			if !yield(g) {
				return
			}
			g.w += (g.hi - g.lo) * c.depth() * c.KH * c.KW * g.blocks * Block
			g.bias += g.blocks * Block
		}
		g.oc = first + part.C
	}
}

// pair returns pair i of blockPairs; without groups it does not walk over those before.
func (c *Conv) pair(i int) blockPair {
	if one(c.Groups) > 1 {
		return c.groupedPair(i)
	}
	g := blockPair{hi: ceilDiv(c.IC, c.tapChannels())}
	before := 0 // blocks
	for p, part := range c.Outputs {
		blocks := Blocks(part.C)
		if n := ceilDiv(blocks, 2); i >= n {
			i -= n
			before += blocks
			g.oc += part.C
			continue
		}
		g.part, g.block, g.blocks = p, 2*i, min(2, blocks-2*i)
		g.oc += g.block * Block
		g.n = min(part.C-g.block*Block, g.blocks*Block)
		g.bias = (before + g.block) * Block
		g.w = g.bias * g.hi * c.depth() * c.KH * c.KW
		return g
	}
	panic("kernel: a pair of blocks past the outputs")
}

// groupedPair is pair for groups.
func (c *Conv) groupedPair(i int) blockPair {
	for g := range c.blockPairs {
		if i == 0 {
			return g
		}
		i--
	}
	panic("kernel: a pair of blocks past the outputs")
}

func (c Conv) npairs() int {
	if whole := c.groupBlocks(); whole > 0 {
		return c.Groups * ceilDiv(whole, 2)
	}
	n := 0
	for _, p := range c.Outputs {
		n += ceilDiv(Blocks(p.C), 2)
	}
	return n
}

// PackedLen is the length of the packed weights, in float32s.
func (c Conv) PackedLen() int {
	n := 0
	for g := range c.blockPairs {
		n = g.w + (g.hi-g.lo)*c.depth()*c.KH*c.KW*g.blocks*Block
	}
	return n
}

// Pack writes weights in OIHW order (O over all outputs, I = IC/Groups) into dst, in
// the order [pair of output blocks][input block][tap][input channel][16 or 32 output
// channels].
func (c Conv) Pack(dst, weight []float32) { packAll(dst, weight, c.packParts()) }

// BiasLen is the length of the packed bias, in float32s.
func (c Conv) BiasLen() int {
	n := 0
	for _, p := range c.Outputs {
		n += Blocks(p.C) * Block
	}
	return n
}

// PackBias pads the bias of every output to whole blocks.
func (c Conv) PackBias(dst, bias []float32) {
	for g := range c.blockPairs {
		d := dst[g.bias : g.bias+g.blocks*Block]
		n := copy(d, bias[g.oc:g.oc+g.n])
		clear(d[n:])
	}
}

func (c Conv) rows() int {
	if c.Rows <= 0 {
		return c.H
	}
	return min(c.Rows, c.H)
}

func (c Conv) pairs() int {
	if c.Pairs <= 0 {
		return c.npairs()
	}
	return min(c.Pairs, c.npairs())
}

// Tasks is images x chunks of rows x chunks of pairs of output blocks.
func (c Conv) Tasks(images int) int {
	return images * ceilDiv(c.H, c.rows()) * ceilDiv(c.npairs(), c.pairs())
}

// Run computes one task: for every pair of output blocks, all tiles of the rows.
// The weights of a pair stay in L2 meanwhile, or L1, and so do the rows.
func (c Conv) Run(w *Worker, task int, a *Args) {
	gchunks := ceilDiv(c.npairs(), c.pairs())
	chunks := ceilDiv(c.H, c.rows())
	g0 := task % gchunks * c.pairs()
	g1 := min(g0+c.pairs(), c.npairs())
	y0 := task / gchunks % chunks * c.rows()
	image := task / gchunks / chunks

	ntaps := ceilDiv(c.IC, c.tapChannels()) * c.KH * c.KW
	pairs := a.Table[ntaps : ntaps+pairInts*c.npairs()]
	head := ntaps + len(pairs)
	tiles := a.Table[head+2 : a.Table[head]]
	if c.H-y0 < c.rows() {
		tiles = a.Table[a.Table[head]:a.Table[head+1]]
	}
	// The first tap of the first pixel; the taps are counted from there.
	in := a.In[0].Off + image*c.In.N + (y0*one(c.SH)-c.PH)*c.In.H - c.PW*c.tapChannels()
	for g := g0; g < g1; g++ {
		r := pairs[g*pairInts : (g+1)*pairInts]
		if tileTiers[w.ISA].portable() {
			c.runPortable(a, image, y0, in, r, tiles)
		} else {
			c.runTiles(w, a, image, y0, in, r, tiles)
		}
		part := &c.Outputs[r[0]]
		if c.Masked {
			c.maskBlocks(w, a, image, y0, r[1], r[1]+r[2])
		}
		if part.Act == ActReLUBackward && a.Out[1].Mem != nil {
			for b := r[1]; b < r[1]+r[2]; b++ {
				sums := a.Out[1].vector((image*Blocks(part.C)+b)*chunks + y0/c.rows())
				clear(sums)
				c.sum(w, sums, &a.Out[0], a.Out[0].Off+image*part.View.N+b*part.View.C+y0*part.View.H, min(c.rows(), c.H-y0), c.W)
			}
		}
		if !part.laterAct() {
			continue
		}
		for b := r[1]; b < r[1]+r[2]; b++ {
			y1, width := min(y0+c.rows(), c.H), c.W
			if part.step() == Block && part.View.H == c.W*Block { // no gaps between rows
				y1, width = y0+1, (y1-y0)*c.W
			}
			for y := y0; y < y1; y++ {
				at := a.Out[r[0]].Off + image*part.View.N + b*part.View.C + y*part.View.H
				for n := width; n > 0; n-- { // pixel by pixel, or the row at once
					run := 1
					if part.step() == Block {
						run, n = n, 1
					}
					part.activate(w, a.Out[r[0]].Mem[at:at+run*Block], b)
					at += part.step()
				}
			}
		}
	}
}

// vectorAct reports whether the activation is not one that the microkernels know.
func (p *Output) vectorAct() bool { return p.Act > ActReLU && p.Act != ActReLUBackward }

// laterAct is vectorAct without what the tiles and strips of convolutions know as well.
func (p *Output) laterAct() bool { return p.vectorAct() && p.Act != ActReLU6 }

// masked reports whether In[1] says where the result is a gradient, and where 0.
func (c *Conv) masked() bool { return c.Outputs[0].Act == ActReLUBackward }

// second reports whether there is an In[1].
func (c *Conv) second() bool { return c.Residual || c.masked() }

// flags are those of the microkernels for an output.
func (c *Conv) flags(p *Output) int {
	flags := 0
	switch {
	case p.Act.rectifies():
		flags = tileReLU
	case p.Act == ActReLUBackward:
		flags = tileMask
	}
	if c.Residual {
		flags |= tileRes
	}
	if c.Planar {
		flags |= tilePlanar
	}
	return flags
}

// Sums is what adds up the sums in Out[1]: one of the rows of a task.
func (c Conv) Sums() ChannelSums {
	return ChannelSums{C: c.Outputs[0].C, Partials: ceilDiv(c.H, c.rows())}
}

// sum adds up rows x cols pixels of a block that have been written from at on, column by
// column.
func (c *Conv) sum(w *Worker, sums []float32, out *Buf, at, rows, cols int) {
	v := vecFor(w.ISA)
	v.sumPool(w.sum[:], out.Mem[at:], rows, cols, c.Outputs[0].View.H, c.Outputs[0].step(), Block, 1)
	v.add(sums, sums, w.sum[:], Block)
}

// activate applies such an activation to pixels of a block, and keeps the lanes
// past the last channel at zero. What the microkernels know of it they have done.
func (p *Output) activate(w *Worker, x []float32, block int) {
	p.finish(w, x)
	if p.Act.atZero() {
		clearLanes(x, p.C, block)
	}
}

// finish is activate for pixels whose lanes are not channels.
func (p *Output) finish(w *Worker, x []float32) {
	switch p.Act {
	case ActReLU:
	case ActReLU6:
		vecFor(w.ISA).min(x, x, actSix[:], 0)
	default:
		w.apply(p.Act, x)
	}
}

var zeroBias [2 * Block]float32

func float(m []float32, i int) unsafe.Pointer { return unsafe.Pointer(&m[i]) }

// runTiles runs one pair of output blocks by assembly. Where a tier says so, it goes through all tiles
// with some of the taps, then with the next ones: the weights of these stay in the first cache, and
// the sums lie in the output meanwhile.
func (c Conv) runTiles(w *Worker, a *Args, image, y0, in int, r, tiles []int) {
	part := &c.Outputs[r[0]]
	kk := c.KH * c.KW
	lo, hi := r[5], r[6]
	t := &w.tile
	t.taps = unsafe.Pointer(&a.Table[lo*kk])
	t.ntaps = (hi - lo) * kk
	t.ps = 4 * one(c.SW) * c.tapChannels()
	t.ws = r[2] * Block * 4
	t.kc = c.depth()
	t.obs = 4 * part.View.C
	t.rbs = 4 * c.Res.C
	t.scale = c.Scale
	t.ops = 4 * part.step()
	tier := &tileTiers[w.ISA]
	p := tilePart{a: a, image: image, y0: y0, in: in, pair: r, tiles: tiles, flags: c.flags(part), blocks: min(r[2], tier.blocks)}
	if part.Act == ActReLU6 {
		p.flags |= tileReLU6
	}
	if t.ntaps > 0 {
		p.reach = a.Table[hi*kk-1]/4 + c.depth() - 1
	}
	if n := c.halfTaps(); n > 0 {
		half := a.Table[len(a.Table)-n:]
		t.taps, t.ntaps, t.kc = unsafe.Pointer(&half[0]), n, Block/2
		p.reach = half[n-1]/4 + t.kc - 1
	}
	p.taps = t.taps
	all, parts := t.ntaps, 1
	if !c.second() { // the output may lie in the memory of the second operand
		parts = tier.tapParts(all*t.kc, len(tiles)/tileInts)
	}
	for i := range parts {
		to := all * (i + 1) / parts
		p.last = i == parts-1
		t.ntaps = to - p.tap
		t.taps = unsafe.Add(p.taps, p.tap*int(unsafe.Sizeof(0)))
		c.runTapPart(w, &p)
		p.tap = to
	}
}

// tilePart is what runTapPart computes: tiles of a pair of output blocks over some of its taps.
type tilePart struct {
	a           *Args
	image, y0   int
	in          int            // the first tap of the first pixel
	pair, tiles []int          // of the table
	flags       int            // of the last part
	blocks      int            // that a tile computes
	taps        unsafe.Pointer // all
	tap         int            // the first of the part
	last        bool           // no taps follow
	reach       int            // from a pixel's first operand to the farthest
}

// runTapPart runs all tiles of a pair of output blocks over the taps that w.tile names.
func (c *Conv) runTapPart(w *Worker, p *tilePart) {
	t, a, r := &w.tile, p.a, p.pair
	part := &c.Outputs[r[0]]
	out, src := &a.Out[r[0]], a.In[0].Mem
	pixel, step := one(c.SW)*c.tapChannels(), part.step()
	outReach := (p.blocks-1)*part.View.C + Block - 1
	t.flags = p.flags
	if !p.last {
		t.flags &^= tileReLU | tileReLU6
	}
	if p.tap > 0 {
		t.flags |= tileAcc
	}
	bytes := t.ntaps * t.kc * t.ws // of weights
	for b := 0; b < r[2]; b += p.blocks {
		if t.ntaps > 0 {
			t.w = float(a.W[0], r[7]+p.tap*t.kc*t.ws/4+b*Block)
		}
		// The weights of the next taps or the next pair of blocks follow, and behind the last pair
		// mostly those of the next step.
		next := uintptr(t.w) + uintptr(bytes+b*bytes/2)
		t.bias = unsafe.Pointer(&zeroBias)
		if a.W[1] != nil {
			t.bias = float(a.W[1], r[8]+b*Block)
		}
		ob := out.Off + p.image*part.View.N + (r[1]+b)*part.View.C + p.y0*part.View.H
		rb := a.In[1].Off + p.image*c.Res.N + (r[1]+b)*c.Res.C + p.y0*c.Res.H
		first := t.first(len(p.tiles)/tileInts, next)
		for l := p.tiles; len(l) >= tileInts; l = l[tileInts:] {
			// The assembly checks no bounds: the farthest elements are looked at here,
			// so that a wrong plan panics and corrupts nothing.
			end := max(l[0]/2-1, 0)
			_ = src[p.in+l[4]+end*pixel+p.reach]
			_ = out.Mem[ob+l[5]*part.View.H+(l[6]+end)*step+outReach]
			t.a = float(src, p.in+l[1])
			t.b = float(src, p.in+l[4])
			t.outA = float(out.Mem, ob+l[2]*part.View.H+l[3]*step)
			t.outB = float(out.Mem, ob+l[5]*part.View.H+l[6]*step)
			if c.second() {
				t.resA = float(a.In[1].Mem, rb+l[2]*c.Res.H+l[3]*step)
				t.resB = float(a.In[1].Mem, rb+l[5]*c.Res.H+l[6]*step)
			}
			t.run(&tileTiers[w.ISA], p.blocks, l[0])
			if first--; first == 0 {
				t.near()
			}
		}
		t.near()
	}
}
