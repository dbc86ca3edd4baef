package kernel

// Depthwise is a convolution in which every channel has a filter of its own: Conv
// with Groups, IC and the channels of its one output equal, and the same operands,
// border, epilogue and tasks. The input is not planar. It is bound by the loads:
// about a third of the peak.
type Depthwise struct{ Conv Conv }

// Tasks is those of the convolution.
func (c Depthwise) Tasks(images int) int { return c.Conv.Tasks(images) }

// Scratch is a row of outputs and one of the residual, where a row is not written in one piece.
func (c Depthwise) Scratch() int {
	if c.apart() {
		return 2 * c.Conv.W * Block
	}
	return 0
}

// apart reports whether a row is computed in scratch memory first: where its pixels lie apart, or
// where it is a gradient that a ReLU lets pass only in places.
func (c *Depthwise) apart() bool { return c.Conv.Outputs[0].step() != Block || c.Conv.masked() }

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

// Table returns the taps, in bytes from a pixel's first operand, and the strips of a tier, where
// strips compute the convolution.
func (c Depthwise) Table(isa ISA) []int {
	d := c.Conv
	d.IC = Block
	t := d.taps()
	if stripFits(d) {
		t = append(t, stripTiers[isa].strips(d.W)...)
	}
	return t
}

// Run computes one task.
func (c Depthwise) Run(w *Worker, task int, a *Args) {
	d := &c.Conv
	part := &d.Outputs[0]
	kk := d.KH * d.KW
	k := stripTask{width: 1, strips: a.Table[kk:]}
	b0, b1 := 0, 0
	k.image, k.y0, k.y1, b0, b1 = d.blockTask(task)
	for k.block = b0; k.block < b1; k.block++ {
		k.weights = a.W[0][k.block*kk*Block:][:kk*Block]
		k.bias = zeroBias[:Block]
		if a.W[1] != nil {
			k.bias = a.W[1][k.block*Block:][:Block]
		}
		switch {
		case c.apart():
			c.runApart(w, a, &k)
			continue
		case len(k.strips) > 0:
			d.runStrips(w, a, &k)
		default:
			c.runRows(w, a, &k)
		}
		if part.laterAct() {
			part.activateRows(w, a, k.image, k.block, k.y0, k.y1, d.W)
		}
	}
}

// blockTask is what a task computes: rows y0 to y1-1 of blocks b0 to b1-1 of an image.
func (c *Conv) blockTask(task int) (image, y0, y1, b0, b1 int) {
	gchunks := ceilDiv(c.npairs(), c.pairs())
	chunks := ceilDiv(c.H, c.rows())
	b0 = task % gchunks * c.pairs() * 2
	b1 = min(b0+c.pairs()*2, Blocks(c.IC))
	y0 = task / gchunks % chunks * c.rows()
	y1 = min(y0+c.rows(), c.H)
	return task / gchunks / chunks, y0, y1, b0, b1
}

// activateRows applies the activation to rows y0 to y1-1, of some pixels, of a block of the first
// output.
func (p *Output) activateRows(w *Worker, a *Args, image, block, y0, y1, pixels int) {
	if p.View.H == pixels*Block { // no gaps between rows
		pixels, y1 = pixels*(y1-y0), y0+1
	}
	for y := y0; y < y1; y++ {
		at := a.Out[0].Off + image*p.View.N + block*p.View.C + y*p.View.H
		p.activate(w, a.Out[0].Mem[at:at+pixels*Block], block)
	}
}

// runRows computes the rows, each by itself.
func (c Depthwise) runRows(w *Worker, a *Args, k *stripTask) {
	d := &c.Conv
	part := &d.Outputs[0]
	flags := d.rectifier()
	if d.Residual {
		flags |= tileRes
	}
	taps := a.Table[:d.KH*d.KW]
	for y := k.y0; y < k.y1; y++ {
		src := a.In[0].Off + k.image*d.In.N + k.block*d.In.C + (y*one(d.SH)-d.PH)*d.In.H - d.PW*Block
		at := a.Out[0].Off + k.image*part.View.N + k.block*part.View.C + y*part.View.H
		dst := a.Out[0].Mem[at : at+d.W*Block]
		res := k.bias // not read
		if d.Residual {
			at := a.In[1].Off + k.image*d.Res.N + k.block*d.Res.C + y*d.Res.H
			res = a.In[1].Mem[at : at+d.W*Block]
		}
		row := depthwiseRow{in: a.In[0].Mem, src: src, step: one(d.SW) * Block, taps: taps, w: k.weights, bias: k.bias, dst: dst, res: res, scale: d.Scale, flags: flags}
		row.run(depthwiseTiers[w.ISA])
	}
}

// runApart computes the rows, each in scratch memory from where its pixels go to their places.
func (c Depthwise) runApart(w *Worker, a *Args, k *stripTask) {
	d := &c.Conv
	part := &d.Outputs[0]
	n, step := d.W*Block, part.step()
	dst, res := w.Scratch[:n], w.Scratch[n:2*n]
	row := depthwiseRow{in: a.In[0].Mem, step: one(d.SW) * Block, taps: a.Table[:d.KH*d.KW], w: k.weights, bias: k.bias, dst: dst, res: res, scale: d.Scale, flags: d.rectifier()}
	if d.Residual {
		row.flags |= tileRes
	}
	for y := k.y0; y < k.y1; y++ {
		if d.second() {
			at := a.In[1].Off + k.image*d.Res.N + k.block*d.Res.C + y*d.Res.H
			gatherBlocks(res, a.In[1].Mem[at:], step)
		}
		row.src = a.In[0].Off + k.image*d.In.N + k.block*d.In.C + (y*one(d.SH)-d.PH)*d.In.H - d.PW*Block
		row.run(depthwiseTiers[w.ISA])
		if d.masked() {
			vecFor(w.ISA).reluBackward(dst, dst, res)
		} else if part.laterAct() {
			part.activate(w, dst, k.block)
		}
		at := a.Out[0].Off + k.image*part.View.N + k.block*part.View.C + y*part.View.H
		scatterBlocks(a.Out[0].Mem[at:], dst, step)
	}
}

// scatterBlocks copies blocks that lie side by side to places that are step float32s apart,
// gatherBlocks from such places. They copy arrays, which takes no call for each block.
func scatterBlocks(dst, src []float32, step int) {
	for ; len(src) >= Block; src = src[Block:] {
		*(*[Block]float32)(dst) = [Block]float32(src)
		dst = dst[min(step, len(dst)):]
	}
}

func gatherBlocks(dst, src []float32, step int) {
	for ; len(dst) >= Block; dst = dst[Block:] {
		*(*[Block]float32)(dst) = [Block]float32(src)
		src = src[min(step, len(src)):]
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
			dst[i+l] = rectified(r.flags, v)
		}
		src += r.step
	}
}
