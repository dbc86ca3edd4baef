package kernel

// ConvBackwardData is a part of the gradient of a convolution with respect to its
// input. It is an ordinary convolution of dY with the kernel turned by 180 degrees
// and its input and output channels exchanged. With a stride, every residue of a
// pixel's row and column modulo the stride meets taps of its own, so there are
// SH*SW parts, each of which writes the pixels of one residue.
//
// The Conv's operands are In[0] = dY (with the border that its PH, PW and kernel
// ask for; PH and PW may be negative), Out[0] = dX at pixel (Y, X), that is with Y*dx.H +
// X*16 added to its Off, W[0] as written by Repack. To add to a gradient that is
// there already, set Residual, Scale 1 and Res to the part's View, and hand dX over
// as In[1] too, with the same offset.
type ConvBackwardData struct {
	Conv   Conv
	Y, X   int // the residue: the first pixel that the part writes
	Repack Repack
}

// Tasks is those of the convolution.
func (d ConvBackwardData) Tasks(images int) int { return d.Conv.Tasks(images) }

// Run computes a task of the convolution.
func (d ConvBackwardData) Run(w *Worker, task int, a *Args) { d.Conv.Run(w, task, a) }

// Table is that of the convolution.
func (d ConvBackwardData) Table(isa ISA) []int { return d.Conv.Table(isa) }

// Sums is what adds up the sums in Out[1].
func (d ConvBackwardData) Sums() ChannelSums { return d.Conv.Sums() }

// ConvBackwardDataOf returns the parts of the gradient of c, a convolution with one output
// that is not planar, for inputs of h x w pixels. dy is the view of the output's
// gradient (c.OC channels), dx that of the input's (c.IC channels).
func ConvBackwardDataOf(c Conv, h, w int, dy, dx View) []ConvBackwardData {
	var parts []ConvBackwardData
	for y := range min(one(c.SH), h) {
		for x := range min(one(c.SW), w) {
			ny, y0, ty, dh, ph := residue(y, c.KH, one(c.SH), one(c.DH), c.PH)
			nx, x0, tx, dw, pw := residue(x, c.KW, one(c.SW), one(c.DW), c.PW)
			d := Conv{
				IC: c.OC(), H: ceilDiv(h-y, one(c.SH)), W: ceilDiv(w-x, one(c.SW)), KH: ny, KW: nx, DH: dh, DW: dw, PH: ph, PW: pw,
				Groups: c.Groups, In: dy,
			}
			d.Outputs[0] = Output{C: c.IC, View: View{N: dx.N, C: dx.C, H: dx.H * one(c.SH)}, Step: Block * one(c.SW)}
			if ny*nx == 0 { // no tap meets these pixels: the sum of nothing
				d.IC, d.KH, d.KW, d.PH, d.PW, d.Groups = 0, 1, 1, 0, 0, 0
			}
			parts = append(parts, ConvBackwardData{Conv: d, Y: y, X: x, Repack: Repack{From: c, To: d, KH: y0, KW: x0, StepH: ty, StepW: tx}})
		}
	}
	return parts
}

// Masked returns the part of the gradient in front of the ReLU whose output, of view y,
// the convolution read: In[1] is that output, at the part's pixel (Y, X) as Out[0] is.
func (d ConvBackwardData) Masked(y View) ConvBackwardData {
	d.Conv.Outputs[0].Act = ActReLUBackward
	d.Conv.Res = View{N: y.N, C: y.C, H: y.H * one(d.Repack.From.SH)}
	return d
}

// MaskedSum returns the gradient, which must be one part, plus another, In[1] of view res, in front
// of the ReLU whose output is In[2] of view y.
func (d ConvBackwardData) MaskedSum(res, y View) ConvBackwardData {
	d.Conv.Residual, d.Conv.Scale, d.Conv.Res, d.Conv.Masked, d.Conv.Mask = true, 1, res, true, y
	return d
}

// residue says which of k taps meet the rows that are y modulo the stride s: n taps
// k0, k0+step, ...; and the dilation and the padding of the convolution by them,
// in reverse order.
//
// Row y + s*j of the input meets tap k of output row (y + s*j + pad - k*d) / s where
// that is whole.
func residue(y, k, s, d, pad int) (n, k0, step, dilation, padding int) {
	g := gcd(s, d)
	step, dilation = s/g, d/g
	for k0 = range min(k, step) {
		if r := y + pad - k0*d; r%s == 0 {
			n = (k - k0 + step - 1) / step
			return n, k0, step, dilation, (n-1)*dilation - r/s
		}
	}
	return 0, 0, step, 1, 0
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Repack makes the packed weights of a ConvBackwardData from those of the forward
// convolution: training keeps weights, gradients and the optimizer's state in the
// forward order, and repacks after every update. In[0] is From's packed weights,
// Out[0] To's.
type Repack struct {
	From, To     Conv
	KH, KW       int // the last taps of To are these of From
	StepH, StepW int // and the ones before are so much further
}

// blocks is the largest number of input blocks that a pair of To reads.
func (r Repack) blocks() int {
	if one(r.To.Groups) == 1 {
		return max(1, Blocks(r.To.IC))
	}
	most := 1
	for g := range r.To.blockPairs {
		most = max(most, g.hi-g.lo)
	}
	return most
}

// Tasks is the pairs of To's output blocks x the blocks of its input.
func (r Repack) Tasks(int) int { return r.To.npairs() * r.blocks() }

// Run repacks the weights of one pair of To's output blocks and one input block.
func (r Repack) Run(w *Worker, task int, a *Args) {
	blocks := r.blocks()
	g := r.To.pair(task / blocks)
	if b := g.lo + task%blocks; b < g.hi {
		r.pack(vecFor(w.ISA), g, b, a.Out[0].Mem[a.Out[0].Off:], a.In[0].Mem[a.In[0].Off:])
	}
}

// pairOf returns the pair that holds a block of the first output.
func (c *Conv) pairOf(block int) blockPair {
	if one(c.Groups) == 1 {
		return c.pair(block / 2)
	}
	for g := range c.blockPairs {
		if block < g.block+g.blocks {
			return g
		}
	}
	panic("kernel: a block past the output")
}

// pack repacks block b of From's output.
func (r Repack) pack(v *vecOps, g blockPair, b int, dst, src []float32) {
	f := r.From
	width := g.blocks * Block
	depth, fdepth := r.To.depth(), f.depth()
	d := dst[g.w+(b-g.lo)*r.To.KH*r.To.KW*depth*width:]
	from := f.pairOf(b)
	fwidth := from.blocks * Block
	for kh := range r.To.KH {
		for kw := range r.To.KW {
			k := (r.KH+(r.To.KH-1-kh)*r.StepH)*f.KW + r.KW + (r.To.KW-1-kw)*r.StepW
			for o := range g.blocks {
				ib := g.block + o // block of From's input
				if ib < from.lo || ib >= from.hi || fdepth < Block {
					for l := range depth {
						clear(d[l*width+o*Block:][:Block])
					}
				}
				if ib < from.lo || ib >= from.hi {
					continue
				}
				s := src[from.w+((ib-from.lo)*f.KH*f.KW+k)*fdepth*fwidth+(b-from.block)*Block:]
				if depth%8 == 0 && fdepth%8 == 0 {
					v.transpose(d[o*Block:], s, width, fwidth, fdepth, depth)
					continue
				}
				for j := range fdepth {
					for l := range depth {
						d[l*width+o*Block+j] = s[j*fwidth+l]
					}
				}
			}
			d = d[depth*width:]
		}
	}
}
