package kernel

// DepthwiseRepack makes the packed weights of the gradient of a Depthwise with respect to its input
// from its own, as Repack does for Conv: In[0] is From's packed weights, Out[0] To's.
type DepthwiseRepack struct{ Repack Repack }

// Tasks is one.
func (r DepthwiseRepack) Tasks(int) int { return 1 }

// Run turns the taps of all blocks around.
func (r DepthwiseRepack) Run(_ *Worker, _ int, a *Args) {
	from, to := &r.Repack.From, &r.Repack.To
	dst, src := a.Out[0].Mem[a.Out[0].Off:], a.In[0].Mem[a.In[0].Off:]
	for range Blocks(from.IC) {
		for kh := range to.KH {
			for kw := range to.KW {
				k := (r.Repack.KH+(to.KH-1-kh)*r.Repack.StepH)*from.KW + r.Repack.KW + (to.KW-1-kw)*r.Repack.StepW
				copy(dst[(kh*to.KW+kw)*Block:][:Block], src[k*Block:])
			}
		}
		dst, src = dst[to.KH*to.KW*Block:], src[from.KH*from.KW*Block:]
	}
}

// DepthwiseBackwardWeights is the gradient of a Depthwise (its Conv) with respect to its weights, in
// the packed order of that kernel, for kernels three wide (DepthwiseTrains).
//
// Operands: In[0] the forward input (with its border, as the forward kernel reads it), In[1] dY in
// the view of Outputs[0]; Out[0] room for PackedLen numbers for every part of Images images, one
// behind another, which SumPartials adds.
//
// A sum runs over the images of its part in order. So the bits do not depend on threads; AVX2,
// AVX-512 and NEON give the same.
type DepthwiseBackwardWeights struct {
	Conv   Conv // Rows and Pairs are not used
	Images int  // a part
}

// DepthwiseTrains reports whether a convolution is a Depthwise whose gradients have kernels of their
// own, which read the weights in its packed order.
func DepthwiseTrains(c Conv) bool {
	return c.Groups > 1 && DepthwiseFits(c) && c.KW == 3 && one(c.DW) == 1
}

// PackedLen is the length of the gradient of a part, in float32s.
func (c DepthwiseBackwardWeights) PackedLen() int { return Depthwise{c.Conv}.PackedLen() }

// Count is the number of parts of that many images.
func (c DepthwiseBackwardWeights) Count(images int) int { return ceilDiv(images, c.Images) }

// Tasks is parts x blocks.
func (c DepthwiseBackwardWeights) Tasks(images int) int { return c.Count(images) * Blocks(c.Conv.IC) }

// Run computes a block's part.
func (c DepthwiseBackwardWeights) Run(w *Worker, task int, a *Args) {
	d := &c.Conv
	part, block := task/Blocks(d.IC), task%Blocks(d.IC)
	n := d.KH * 3 * Block // weights of the block
	dw := a.Out[0].Mem[a.Out[0].Off+part*c.PackedLen()+block*n:][:n]
	clear(dw)
	// As many rows at a time as leave dY and the input in the first cache for all rows of the kernel.
	step := max(1, (12<<10)/(4*Block*d.W))
	view := &d.Outputs[0].View
	for image := part * c.Images; image < min((part+1)*c.Images, a.Images); image++ {
		for y := 0; y < d.H; y += step {
			rows := min(step, d.H-y)
			dy := view.at(&a.In[1], image, block, y, 0)
			for kh := range d.KH {
				x := d.In.at(&a.In[0], image, block, y*one(d.SH)-d.PH+kh*one(d.DH), -d.PW)
				c.row(w, a, x, dy, rows, dw[kh*3*Block:][:3*Block])
			}
		}
	}
}

type depthwiseBwdFunc = func(x *float32, xrow, step int, dy *float32, dyrow, rows, cols int, acc *float32)

// depthwiseBwdTiers are the microkernels, where a tier has one: files of a processor set them.
var depthwiseBwdTiers [isas]depthwiseBwdFunc

// row adds rows of pixels to the sums of a row of taps.
func (c *DepthwiseBackwardWeights) row(w *Worker, a *Args, x, dy, rows int, dw []float32) {
	d := &c.Conv
	xrow, step, dyrow := one(d.SH)*d.In.H, one(d.SW)*Block, d.Outputs[0].View.H
	src, grad := a.In[0].Mem, a.In[1].Mem
	f := depthwiseBwdTiers[w.ISA]
	if f == nil {
		for y := range rows {
			for px := range d.W {
				g := (*[Block]float32)(grad[dy+y*dyrow+px*Block:])
				for kw := range 3 {
					v, sums := (*[Block]float32)(src[x+y*xrow+px*step+kw*Block:]), (*[Block]float32)(dw[kw*Block:])
					for l := range g {
						sums[l] += float32(v[l] * g[l])
					}
				}
			}
		}
		return
	}
	// The assembly checks no bounds.
	_ = src[x+(rows-1)*xrow+(d.W-1)*step+3*Block-1]
	_ = grad[dy+(rows-1)*dyrow+d.W*Block-1]
	f(&src[x], 4*xrow, 4*step, &grad[dy], 4*dyrow, rows, d.W, &dw[0])
}
