package kernel

// ConvBackwardWeightsRows is the gradient of a convolution with respect to its weights, as
// ConvBackwardWeightsSplit has it, for convolutions with three columns side by side and a
// single block of output channels (Fits). ConvBackwardWeights takes a tap at a time and so
// loads a number of the input for one multiply-add of a block; here it serves three,
// and what is read of dY stays for the three columns that it belongs to. Of planar input
// all nine taps of 3 x 3 are computed at once.
//
// Operands: In[0] the forward input (with its border, as the forward kernel reads it),
// In[1] dY in the view of Outputs[0]; Out[0] room for PackedLen numbers for every part
// of Images images, one behind another, which SumPartials adds.
//
// A sum runs over the images, rows and columns of its part in order. So the bits do not
// depend on threads, and they are the same on AVX2 and AVX-512.
type ConvBackwardWeightsRows struct {
	Conv   Conv // Rows and Pairs are not used
	Images int  // a part
}

// PackedLen is the length of the gradient of a part, in float32s.
func (c ConvBackwardWeightsRows) PackedLen() int { return c.Conv.PackedLen() }

// Table is that of the convolution.
func (c ConvBackwardWeightsRows) Table(isa ISA) []int { return c.Conv.Table(isa) }

// Fits reports whether the kernel can compute the gradient: of three columns side by
// side, not of few input channels, whose packed weights lie otherwise, or of planar input
// and three rows.
func (c ConvBackwardWeightsRows) Fits() bool {
	return (c.Conv.Planar && c.Conv.KH == 3 || c.Conv.depth() == Block) && one(c.Conv.Groups) == 1 && c.Conv.OC() <= Block && c.Conv.Outputs[1].C == 0 && c.Conv.KW == 3 && one(c.Conv.SW) == 1 && one(c.Conv.DW) == 1 && c.Conv.W >= 2
}

// units is the number of input blocks, of planar input channels.
func (c *ConvBackwardWeightsRows) units() int { return ceilDiv(c.Conv.IC, c.Conv.tapChannels()) }

// Count is the number of parts of that many images.
func (c ConvBackwardWeightsRows) Count(images int) int { return ceilDiv(images, c.Images) }

// Tasks is parts x input blocks (planar: channels).
func (c ConvBackwardWeightsRows) Tasks(images int) int { return c.Count(images) * c.units() }

// rowsAtOnce is how many rows of pixels are done for all taps before the next ones: as
// many as leave dY and the input in the first cache.
func (c *ConvBackwardWeightsRows) rowsAtOnce() int {
	if c.Conv.Planar {
		return c.Conv.H // there are no next ones
	}
	return max(1, (12<<10)/(4*Block*c.Conv.W))
}

// Run computes an input block's part.
func (c ConvBackwardWeightsRows) Run(w *Worker, task int, a *Args) {
	part, block := task/c.units(), task%c.units()
	n := c.Conv.KH * 3 * c.Conv.depth() * Block // weights of the block
	dw := a.Out[0].Mem[a.Out[0].Off+part*c.Conv.PackedLen()+block*n:][:n]
	clear(dw)
	first := part * c.Images
	step := c.rowsAtOnce()
	view := c.Conv.Outputs[0].View
	for image := first; image < min(first+c.Images, a.Images); image++ {
		for y := 0; y < c.Conv.H; y += step {
			rows := min(step, c.Conv.H-y)
			dy := view.at(&a.In[1], image, 0, y, 0)
			if c.Conv.Planar {
				c.plane(w, a, a.In[0].Off+image*c.Conv.In.N+block*c.Conv.In.C-c.Conv.PH*c.Conv.In.H-c.Conv.PW, dy, dw)
				continue
			}
			for kh := range c.Conv.KH {
				x := c.Conv.In.at(&a.In[0], image, block, y*one(c.Conv.SH)-c.Conv.PH+kh*one(c.Conv.DH), -c.Conv.PW)
				c.row(w, a, x, dy, rows, dw[kh*3*Block*Block:][:3*Block*Block])
			}
		}
	}
}

// bwdRowsTier is what a tier has for them: microkernels for some input channels (row; plane takes
// one) and some output channels. Steps are in bytes.
type bwdRowsTier struct {
	channels, lanes int
	rowFunc         func(x *float32, xrow int, dy *float32, dyrow, rows, cols int, acc *float32)
	planeFunc       func(x *float32, tap, xrow int, dy *float32, dyrow, rows, cols int, acc *float32)
}

// row adds rows of pixels for the 16 input channels at src[x].
func (t *bwdRowsTier) row(src []float32, x, xrow int, grad []float32, dy, dyrow, rows, cols int, dw []float32) {
	for ic := 0; ic < Block; ic += t.channels {
		for l := 0; l < Block; l += t.lanes {
			t.rowFunc(&src[x+ic], xrow, &grad[dy+l], dyrow, rows, cols, &dw[ic*Block+l])
		}
	}
}

// plane adds those for the channel at src[x].
func (t *bwdRowsTier) plane(src []float32, x, tap, xrow int, grad []float32, dy, dyrow, rows, cols int, dw []float32) {
	for l := 0; l < Block; l += t.lanes {
		t.planeFunc(&src[x], tap, xrow, &grad[dy+l], dyrow, rows, cols, &dw[l])
	}
}

// bwdRowsTiers are the tiers. Files of a processor set those that have microkernels.
var bwdRowsTiers [isas]bwdRowsTier

// row adds rows of pixels to the sums of a row of taps, 16 x 16 each.
func (c *ConvBackwardWeightsRows) row(w *Worker, a *Args, x, dy, rows int, dw []float32) {
	xrow, dyrow := one(c.Conv.SH)*c.Conv.In.H, c.Conv.Outputs[0].View.H
	src, grad := a.In[0].Mem, a.In[1].Mem
	tier := &bwdRowsTiers[w.ISA]
	if tier.lanes == 0 {
		for y := range rows {
			for px := range c.Conv.W {
				d := (*[Block]float32)(grad[dy+y*dyrow+px*Block:])
				for i, v := range src[x+y*xrow+px*Block:][:3*Block] {
					sums := (*[Block]float32)(dw[i*Block:])
					for l := range d {
						sums[l] += float32(v * d[l])
					}
				}
			}
		}
		return
	}
	// The assembly checks no bounds.
	_ = src[x+(rows-1)*xrow+(c.Conv.W+2)*Block-1]
	_ = grad[dy+(rows-1)*dyrow+c.Conv.W*Block-1]
	tier.row(src, x, 4*xrow, grad, dy, 4*dyrow, rows, c.Conv.W, dw)
}

// plane adds the pixels of an image to the sums of the taps of a channel, 9 x 16.
func (c *ConvBackwardWeightsRows) plane(w *Worker, a *Args, x, dy int, dw []float32) {
	tap, xrow, dyrow := one(c.Conv.DH)*c.Conv.In.H, one(c.Conv.SH)*c.Conv.In.H, c.Conv.Outputs[0].View.H
	src, grad := a.In[0].Mem, a.In[1].Mem
	tier := &bwdRowsTiers[w.ISA]
	if tier.lanes == 0 {
		for y := range c.Conv.H {
			for px := range c.Conv.W {
				d := (*[Block]float32)(grad[dy+y*dyrow+px*Block:])
				for i := range 9 {
					v, sums := src[x+y*xrow+i/3*tap+px+i%3], (*[Block]float32)(dw[i*Block:])
					for l := range d {
						sums[l] += float32(v * d[l])
					}
				}
			}
		}
		return
	}
	// The assembly checks no bounds.
	_ = src[x+(c.Conv.H-1)*xrow+2*tap+c.Conv.W+1]
	_ = grad[dy+(c.Conv.H-1)*dyrow+c.Conv.W*Block-1]
	_ = dw[9*Block-1]
	tier.plane(src, x, 4*tap, 4*xrow, grad, dy, 4*dyrow, c.Conv.H, c.Conv.W, dw)
}
