package kernel

// Depthwise is a convolution in which every channel has a filter of its own: Conv
// with Groups, IC and the channels of its one output equal, and the same operands,
// border, epilogue and tasks. The input is not planar. It is bound by the loads:
// about a third of the peak.
type Depthwise struct{ Conv }

// DepthwiseFits reports whether Depthwise computes such a convolution.
func DepthwiseFits(c Conv) bool {
	return c.Groups == c.IC && c.OC() == c.IC && c.Outputs[1].C == 0 && !c.Planar
}

// PackedLen is the length of the packed weights, in float32s.
func (c Depthwise) PackedLen() int { return Blocks(c.IC) * Block * c.KH * c.KW }

// Pack writes weights in the order [channel][1][KH][KW] into dst, in the order
// [block][tap][16].
func (c Depthwise) Pack(dst, weight []float32) {
	kk := c.KH * c.KW
	clear(dst[:c.PackedLen()])
	for i := range c.IC {
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
	gchunks := ceilDiv(c.npairs(), c.pairs())
	chunks := ceilDiv(c.H, c.rows())
	b0 := task % gchunks * c.pairs() * 2
	b1 := min(b0+c.pairs()*2, Blocks(c.IC))
	y0 := task / gchunks % chunks * c.rows()
	y1 := min(y0+c.rows(), c.H)
	image := task / gchunks / chunks
	part := &c.Outputs[0]
	flags := 0
	if part.Act.rectifies() {
		flags |= tileReLU
	}
	if c.Residual {
		flags |= tileRes
	}
	for b := b0; b < b1; b++ {
		weights := a.W[0][b*c.KH*c.KW*Block:][:c.KH*c.KW*Block]
		bias := zeroBias[:Block]
		if a.W[1] != nil {
			bias = a.W[1][b*Block:][:Block]
		}
		for y := y0; y < y1; y++ {
			src := a.In[0].Off + image*c.In.N + b*c.In.C + (y*one(c.SH)-c.PH)*c.In.H - c.PW*Block
			at := a.Out[0].Off + image*part.View.N + b*part.View.C + y*part.View.H
			dst := a.Out[0].Mem[at : at+c.W*Block]
			res := bias // not read
			if c.Residual {
				at := a.In[1].Off + image*c.Res.N + b*c.Res.C + y*c.Res.H
				res = a.In[1].Mem[at : at+c.W*Block]
			}
			row := depthwiseRow{in: a.In[0].Mem, src: src, step: one(c.SW) * Block, taps: a.Table, w: weights, bias: bias, dst: dst, res: res, scale: c.Scale, flags: flags}
			row.run(depthwiseTiers[w.ISA])
			if part.vectorAct() && part.View.H != c.W*Block {
				part.activate(w, dst, b)
			}
		}
		if part.vectorAct() && part.View.H == c.W*Block { // no gaps between rows
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
