package kernel

// ConvBackwardWeights is the gradient of a convolution (its Conv, with one output) with
// respect to its weights and bias, in the packed order of the forward kernel, with
// zeros wherever the packed weights are zeros for good: so an optimizer works on
// packed weights, gradients and state element by element.
//
// Operands: In[0] the forward input (with its border, as the forward kernel reads
// it), In[1] dY in the view of Outputs[0], Out[0] dW, of PackedLen floats, Out[1] dB,
// of BiasLen floats, or no memory where there is no bias, Out[2] the sums of the squares of
// dW, a number a task, or no memory. All are overwritten.
//
// A task owns some pairs of output blocks by a range of input blocks and runs over
// all pixels of all images in order, so no sum crosses threads, and the bits depend
// on nothing but the operands; they are the same on AVX2 and AVX-512. It takes a
// strip of pixels at a time, of which two blocks of dY and one of the input stay in
// the first cache, for all that it owns.
type ConvBackwardWeights struct {
	Conv  Conv // Rows is not used
	Units int  // input blocks (planar: groups of 16 taps) a task at most; 0 takes all
}

// stripPixels is how many pixels are done for all rows of dW before the next ones:
// enough to make up for loading and storing the sums, few enough for the cache.
const stripPixels = 224

// units is the number of input blocks of a group, or of groups of 16 taps.
func (c *ConvBackwardWeights) units(g blockPair) int {
	if c.Conv.Planar {
		return ceilDiv((g.hi-g.lo)*c.Conv.KH*c.Conv.KW, Block)
	}
	return g.hi - g.lo
}

// mostUnits is the units of the group that has most.
func (c *ConvBackwardWeights) mostUnits() int {
	most := 0
	for g := range c.Conv.blockPairs {
		most = max(most, c.units(g))
	}
	return most
}

// chunks is the number of tasks of the same pairs of output blocks.
func (c *ConvBackwardWeights) chunks() int {
	if c.Units <= 0 {
		return 1
	}
	return ceilDiv(c.mostUnits(), c.Units)
}

// Tasks is chunks of pairs of output blocks x chunks of input blocks, whatever the
// number of images.
func (c ConvBackwardWeights) Tasks(int) int {
	return ceilDiv(c.Conv.npairs(), c.Conv.pairs()) * c.chunks()
}

// Scratch holds the sums of the bias.
func (c ConvBackwardWeights) Scratch() int { return Block }

// strip is how many rows of how many images are done at a time: some rows of one
// image, or all of several.
func (c *ConvBackwardWeights) strip() (images, rows int) {
	if n := stripPixels / (c.Conv.H * c.Conv.W); n > 0 {
		return n, c.Conv.H
	}
	return 1, ceilDiv(c.Conv.H, ceilDiv(c.Conv.H, max(1, stripPixels/c.Conv.W)))
}

// Table returns the taps, and the pixels of a strip.
func (c ConvBackwardWeights) Table(ISA) []int {
	t := c.Conv.taps()
	images, rows := c.strip()
	dy := c.Conv.Outputs[0].View
	for i := range images {
		for y := range rows {
			for x := range c.Conv.W {
				t = append(t, 4*(i*c.Conv.In.N+y*one(c.Conv.SH)*c.Conv.In.H+x*one(c.Conv.SW)*c.Conv.tapChannels()), 4*(i*dy.N+y*dy.H+x*Block))
			}
		}
	}
	return t
}

// PackedLen is the length of the gradient, in float32s.
func (c ConvBackwardWeights) PackedLen() int { return c.Conv.PackedLen() }

// bwdWeightsPiece is what a task owns of a pair of output blocks: units u0 to u1 of dw.
type bwdWeightsPiece struct {
	blockPair
	dw     []float32
	u0, u1 int
}

// owned yields what a task owns.
func (c *ConvBackwardWeights) owned(task int, a *Args, yield func(bwdWeightsPiece)) {
	chunks := c.chunks()
	pchunks := ceilDiv(c.Conv.npairs(), c.Conv.pairs())
	pchunk, chunk := task/chunks, task%chunks
	most := c.mostUnits()
	i := 0
	for g := range c.Conv.blockPairs {
		if i >= pchunk*c.Conv.npairs()/pchunks && i < (pchunk+1)*c.Conv.npairs()/pchunks {
			u0, u1 := min(c.units(g), chunk*most/chunks), min(c.units(g), (chunk+1)*most/chunks)
			n := (g.hi - g.lo) * c.Conv.KH * c.Conv.KW * c.Conv.depth() * g.blocks * Block
			yield(bwdWeightsPiece{g, a.Out[0].Mem[a.Out[0].Off+g.w:][:n], u0, u1})
		}
		i++
	}
}

// bwdWeightsStrip is the pixels of some images, from row y on, and how far the next ones
// are, in bytes, or 0.
type bwdWeightsStrip struct {
	image, y, pixels int
	xahead, dyahead  int
}

// strips yields the strips of n images.
func (c *ConvBackwardWeights) strips(n int, yield func(bwdWeightsStrip)) {
	images, rows := c.strip()
	for image := 0; image < n; image += images {
		for y := 0; y < c.Conv.H; y += rows {
			s := bwdWeightsStrip{image: image, y: y, pixels: min(images, n-image) * min(rows, c.Conv.H-y) * c.Conv.W}
			i, r := 0, rows
			if y+rows >= c.Conv.H {
				i, r = images, -y
			}
			if image+i < n || c.Tasks(n) == 1 { // the next task is probably of the next image
				s.xahead = 4 * (i*c.Conv.In.N + r*one(c.Conv.SH)*c.Conv.In.H)
				s.dyahead = 4 * (i*c.Conv.Outputs[0].View.N + r*c.Conv.Outputs[0].View.H)
			}
			yield(s)
		}
	}
}

// Run computes one task.
func (c ConvBackwardWeights) Run(w *Worker, task int, a *Args) {
	c.owned(task, a, func(p bwdWeightsPiece) {
		clear(c.rows(p))
	})
	c.strips(a.Images, func(s bwdWeightsStrip) {
		c.owned(task, a, func(p bwdWeightsPiece) {
			c.gradient(w, a, p, s)
			s.xahead = 0 // of the input, the first pair has asked for it
		})
	})
	sum := 0.0
	c.owned(task, a, func(p bwdWeightsPiece) {
		if one(c.Conv.Groups) > 1 {
			c.mask(p)
		}
		if p.u0 == 0 && a.Out[1].Mem != nil {
			c.bias(w, p.blockPair, a)
		}
		if a.Out[2].Mem != nil {
			sum += squareSum(w.ISA, c.rows(p))
		}
	})
	a.Out[2].putSquares(task, sum)
}

// unitRows is the number of rows of dW of a unit.
func (c *ConvBackwardWeights) unitRows() int {
	if c.Conv.Planar {
		return Block
	}
	return c.Conv.KH * c.Conv.KW * c.Conv.depth()
}

// rows is what of dW a task owns of a group.
func (c *ConvBackwardWeights) rows(p bwdWeightsPiece) []float32 {
	per := c.unitRows() * p.blocks * Block
	return p.dw[min(p.u0*per, len(p.dw)):min(p.u1*per, len(p.dw))]
}

// gradient adds the products of a strip of pixels.
func (c *ConvBackwardWeights) gradient(w *Worker, a *Args, p bwdWeightsPiece, s bwdWeightsStrip) {
	kk := c.Conv.KH * c.Conv.KW
	width := p.blocks * Block
	view := c.Conv.Outputs[0].View
	call := &w.grad
	call.x, call.dy, call.dw = a.In[0].Mem, a.In[1].Mem, p.dw
	call.dyat = a.In[1].Off + s.image*view.N + p.block*view.C + s.y*view.H
	call.dyblock, call.dwrow = 4*view.C, 4*width
	call.pixels = a.Table[ceilDiv(c.Conv.IC, c.Conv.tapChannels())*kk:][:pixelInts*s.pixels]
	call.dyahead, call.dwahead, call.begin = s.dyahead, 0, 0
	x := a.In[0].Off + s.image*c.Conv.In.N + (s.y*one(c.Conv.SH)-c.Conv.PH)*c.Conv.In.H - c.Conv.PW*c.Conv.tapChannels()
	taps := a.Table[p.lo*kk : p.hi*kk]
	if c.Conv.Planar {
		call.xat, call.xahead = x, 0
		for u := p.u0; u < p.u1; u++ {
			call.rows = copy(call.off[:], taps[u*Block:])
			call.dwat = u * Block * width
			call.add(w.ISA, p.blocks)
			call.dyahead = 0
		}
		return
	}
	depth := c.Conv.depth()
	call.channels(depth)
	for k := p.u0 * kk; k < p.u1*kk; k++ {
		call.xahead = 0
		if k%kk == 0 {
			call.xahead = s.xahead
		}
		call.xat = x + taps[k]/4
		call.dwat = k * depth * width
		call.add(w.ISA, p.blocks)
		call.dyahead = 0
	}
}

// mask zeroes what lies in a packed block but belongs to no group's filter.
func (c *ConvBackwardWeights) mask(p bwdWeightsPiece) {
	icg, ocg := c.Conv.IC/c.Conv.Groups, c.Conv.OC()/c.Conv.Groups
	width := p.blocks * Block
	for i := p.u0 * c.unitRows(); i < min(p.u1*c.unitRows(), len(p.dw)/width); i++ {
		ic := (p.lo+i/(c.Conv.depth()*c.Conv.KH*c.Conv.KW))*Block + i%c.Conv.depth()
		if c.Conv.Planar {
			ic = p.lo + i/(c.Conv.KH*c.Conv.KW)
		}
		for j := range p.n {
			if (p.oc+j)/ocg != ic/icg {
				p.dw[i*width+j] = 0
			}
		}
	}
}

// bias sums dY over the pixels, image by image.
func (c *ConvBackwardWeights) bias(w *Worker, g blockPair, a *Args) {
	view := c.Conv.Outputs[0].View
	sum := vecFor(w.ISA)
	for b := range g.blocks {
		d := a.Out[1].Mem[a.Out[1].Off+g.bias+b*Block:][:Block]
		clear(d)
		part := w.Scratch[:Block]
		for image := range a.Images {
			at := a.In[1].Off + image*view.N + (g.block+b)*view.C
			sum.sumPool(part, a.In[1].Mem[at:], c.Conv.H, c.Conv.W, view.H, Block, Block, 1)
			sum.add(d, d, part, Block)
		}
	}
}
