package kernel

// Depthwise is a convolution in which every channel has a filter of its own: Conv
// with Groups, IC and the channels of its one output equal, and the same operands,
// border, epilogue and tasks. The input is not planar. It is bound by the loads:
// about a third of the peak.
type Depthwise struct{ Conv Conv }

// Tasks is those of the convolution.
func (c Depthwise) Tasks(images int) int { return c.Conv.Tasks(images) }

// Sums is what adds up the sums in Out[1].
func (c Depthwise) Sums() ChannelSums { return c.Conv.Sums() }

// BiasLen is the length of the packed bias.
func (c Depthwise) BiasLen() int { return c.Conv.BiasLen() }

// PackBias packs the bias.
func (c Depthwise) PackBias(dst, bias []float32) { c.Conv.PackBias(dst, bias) }

// DepthwiseFits reports whether Depthwise computes such a convolution.
func DepthwiseFits(c Conv) bool {
	return c.Groups == c.IC && c.OC() == c.IC && c.Outputs[1].C == 0 && !c.Planar
}

// PackedLen is the length of the packed weights, in float32s.
func (c Depthwise) PackedLen() int { return Blocks(c.Conv.IC) * Block * c.Conv.KH * c.Conv.KW }

// Pack writes weights in the order [channel][1][KH][KW] into dst, in the order
// [block][tap][16].
func (c Depthwise) Pack(dst, weight []float32) {
	kk := c.Conv.KH * c.Conv.KW
	clear(dst[:c.PackedLen()])
	for i := range c.Conv.IC {
		for k := range kk {
			dst[(i/Block*kk+k)*Block+i%Block] = weight[i*kk+k]
		}
	}
}

// Table returns the taps, in bytes from a pixel's first operand.
func (c Depthwise) Table(ISA) []int {
	d := c.Conv
	d.IC = Block
	return d.taps()
}

// Run computes one task.
func (c Depthwise) Run(w *Worker, task int, a *Args) {
	gchunks := ceilDiv(c.Conv.npairs(), c.Conv.pairs())
	chunks := ceilDiv(c.Conv.H, c.Conv.rows())
	b0 := task % gchunks * c.Conv.pairs() * 2
	b1 := min(b0+c.Conv.pairs()*2, Blocks(c.Conv.IC))
	y0 := task / gchunks % chunks * c.Conv.rows()
	y1 := min(y0+c.Conv.rows(), c.Conv.H)
	image := task / gchunks / chunks
	part := &c.Conv.Outputs[0]
	flags := 0
	if part.Act.rectifies() {
		flags |= tileReLU
	}
	if c.Conv.Residual {
		flags |= tileRes
	}
	for b := b0; b < b1; b++ {
		weights := a.W[0][b*c.Conv.KH*c.Conv.KW*Block:][:c.Conv.KH*c.Conv.KW*Block]
		bias := zeroBias[:Block]
		if a.W[1] != nil {
			bias = a.W[1][b*Block:][:Block]
		}
		for y := y0; y < y1; y++ {
			src := a.In[0].Off + image*c.Conv.In.N + b*c.Conv.In.C + (y*one(c.Conv.SH)-c.Conv.PH)*c.Conv.In.H - c.Conv.PW*Block
			at := a.Out[0].Off + image*part.View.N + b*part.View.C + y*part.View.H
			dst := a.Out[0].Mem[at : at+c.Conv.W*Block]
			res := bias // not read
			if c.Conv.Residual {
				at := a.In[1].Off + image*c.Conv.Res.N + b*c.Conv.Res.C + y*c.Conv.Res.H
				res = a.In[1].Mem[at : at+c.Conv.W*Block]
			}
			row := depthwiseRow{in: a.In[0].Mem, src: src, step: one(c.Conv.SW) * Block, taps: a.Table, w: weights, bias: bias, dst: dst, res: res, scale: c.Conv.Scale, flags: flags}
			row.run(depthwiseTiers[w.ISA])
			if part.vectorAct() && part.View.H != c.Conv.W*Block {
				part.activate(w, dst, b)
			}
		}
		if part.vectorAct() && part.View.H == c.Conv.W*Block { // no gaps between rows
			at := a.Out[0].Off + image*part.View.N + b*part.View.C + y0*part.View.H
			part.activate(w, a.Out[0].Mem[at:at+(y1-y0)*part.View.H], b)
		}
	}
}

// depthwiseRow is a row of one block of channels.
type depthwiseRow struct {
	in    []float32
	src   int   // where the first pixel reads its first tap
	step  int   // float32s from a pixel's input to the next's
	taps  []int // bytes from the first
	w     []float32
	bias  []float32
	dst   []float32
	res   []float32 // the residual; not read without the flag for it
	scale float32
	flags int
}

type depthwiseFunc = func(src *float32, step int, taps *int, ntaps int, w, bias, dst, res *float32, scale float32, flags, n int)

// depthwiseTiers are the microkernels, where a tier has one: files of a processor set them.
var depthwiseTiers [isas]depthwiseFunc

// run computes the row by a tier's microkernel, or in plain Go.
func (r *depthwiseRow) run(f depthwiseFunc) {
	if f == nil {
		r.runGo()
		return
	}
	f(&r.in[r.src], 4*r.step, &r.taps[0], len(r.taps), &r.w[0], &r.bias[0], &r.dst[0], &r.res[0], r.scale, r.flags, len(r.dst)/Block)
}

// runGo computes it in plain Go.
func (r *depthwiseRow) runGo() {
	in, src, w, dst := r.in, r.src, r.w, r.dst
	for i := 0; i < len(dst); i += Block {
		acc := [Block]float32(r.bias)
		for k, tap := range r.taps {
			x := (*[Block]float32)(in[src+tap>>2:])
			wk := (*[Block]float32)(w[k*Block:])
			for l := range acc {
				acc[l] += float32(x[l] * wk[l])
			}
		}
		for l, v := range acc {
			if r.flags&tileRes != 0 {
				v = float32(r.scale*v) + r.res[i+l]
			}
			if r.flags&tileReLU != 0 && v < 0 {
				v = 0
			}
			dst[i+l] = v
		}
		src += r.step
	}
}
