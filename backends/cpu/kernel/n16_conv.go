package kernel

// N16Conv is Conv on activations in N16: it computes 16 images at once, where Conv
// computes 16 output channels. The formula, the epilogue and the operands are Conv's. It
// suits batches of narrow networks: channels need no padding to 16, and a part of a
// concat may begin at any channel.
//
// Every result is one chain of fused multiply-adds. It begins with the bias and runs over
// input channels, kernel rows and kernel columns. Lanes without an image are computed too,
// as if their input were zeros.
//
// Rows is the number of output rows of a task, Pairs its number of groups of four output
// channels. Planar must be false.
type N16Conv struct{ Conv Conv }

// Sums is what adds up the sums in Out[1]: one of the rows of a task.
func (c N16Conv) Sums() ChannelSums {
	return ChannelSums{C: c.Conv.Outputs[0].C, Partials: ceilDiv(c.Conv.H, c.Conv.rows()), N16: true}
}

// imageBlocks is the number of blocks of 16 images.
func imageBlocks(images int) int { return ceilDiv(images, Block) }

// quad is up to four output channels that are computed together.
type quad struct {
	part    int // of Outputs
	channel int // the first, in the part
	oc      int // in all
	n       int
	lo      int // first input channel
}

// quads yields the output channels in fours: a part and a group of channels (of a
// grouped convolution) end with what is left.
func (c N16Conv) quads(yield func(quad) bool) {
	gs := one(c.Conv.Groups)
	icg, ocg := c.Conv.IC/gs, c.Conv.OC()/gs
	q := quad{}
	for p := range c.Conv.Outputs {
		q.part = p
		for q.channel = 0; q.channel < c.Conv.Outputs[p].C; q.channel += q.n {
			q.n = min(n16Channels, c.Conv.Outputs[p].C-q.channel, ocg-q.oc%ocg)
			q.lo = q.oc / ocg * icg
			if !yield(q) {
				return
			}
			q.oc += q.n
		}
	}
}

func (c N16Conv) nquads() int {
	n := 0
	for range c.quads {
		n++
	}
	return n
}

// quadsAtOnce is how many quads a task takes.
func (c N16Conv) quadsAtOnce() int {
	if c.Conv.Pairs <= 0 {
		return c.nquads()
	}
	return min(c.Conv.Pairs, c.nquads())
}

// ntaps is the number of taps of a result.
func (c N16Conv) ntaps() int { return c.Conv.IC / one(c.Conv.Groups) * c.Conv.KH * c.Conv.KW }

// PackedLen is the length of the packed weights, in float32s, rounded up to whole
// blocks: optimizers work by the block.
func (c N16Conv) PackedLen() int { return Blocks(c.Conv.OC()*c.ntaps()) * Block }

// Pack writes weights in OIHW order into dst: quad by quad, tap by tap, the output
// channels of a quad side by side.
func (c N16Conv) Pack(dst, weight []float32) {
	k := c.ntaps()
	for q := range c.quads {
		d := dst[q.oc*k:]
		for t := range k {
			for j := range q.n {
				d[t*q.n+j] = weight[(q.oc+j)*k+t]
			}
		}
	}
	clear(dst[c.Conv.OC()*k : c.PackedLen()])
}

// BiasLen is the length of the packed bias, in float32s.
func (c N16Conv) BiasLen() int { return c.Conv.OC() }

// PackBias copies the bias.
func (c N16Conv) PackBias(dst, bias []float32) { copy(dst, bias) }

// PaddedMACs is MACs: the channels are what they are.
func (c N16Conv) PaddedMACs() int { return c.Conv.MACs() }

// Table returns the taps of the first group, in bytes, and then the quads.
func (c N16Conv) Table(ISA) []int {
	t := c.Conv.In.n16Taps(c.Conv.IC/one(c.Conv.Groups), c.Conv.KH, c.Conv.KW, one(c.Conv.DH), one(c.Conv.DW))
	for q := range c.quads {
		t = append(t, q.part, q.channel, q.oc, q.n, q.lo)
	}
	return t
}

const quadInts = 5

// n16Taps returns where the operands of a pixel are, in bytes from its first one.
func (v View) n16Taps(ic, kh, kw, dh, dw int) []int {
	t := make([]int, 0, ic*kh*kw)
	for c := range ic {
		for i := range kh {
			for j := range kw {
				t = append(t, 4*(c*v.C+i*dh*v.H+j*dw*Block))
			}
		}
	}
	return t
}

// Tasks is image blocks x chunks of rows x chunks of quads.
func (c N16Conv) Tasks(images int) int {
	return imageBlocks(images) * ceilDiv(c.Conv.H, c.Conv.rows()) * ceilDiv(c.nquads(), c.quadsAtOnce())
}

// Run computes some rows of some output channels of 16 images.
func (c N16Conv) Run(w *Worker, task int, a *Args) {
	nq := (len(a.Table) - c.ntaps()) / quadInts
	per := nq
	if c.Conv.Pairs > 0 {
		per = min(c.Conv.Pairs, nq)
	}
	qchunks, chunks := ceilDiv(nq, per), ceilDiv(c.Conv.H, c.Conv.rows())
	q0 := task % qchunks * per
	y0 := task / qchunks % chunks * c.Conv.rows()
	image := task / qchunks / chunks
	rows := min(c.Conv.rows(), c.Conv.H-y0)
	k := c.ntaps()
	l := &w.lanes
	*l = n16Run{taps: a.Table[:k], in: a.In[0].Mem, res: a.In[1].Mem, rows: rows, pixels: c.Conv.W,
		inRow: one(c.Conv.SH) * c.Conv.In.H, ps: one(c.Conv.SW) * Block, resRow: c.Conv.Res.H, resC: c.Conv.Res.C, addRes: c.Conv.Residual, scale: c.Conv.Scale}
	in := a.In[0].Off + image*c.Conv.In.N + (y0*one(c.Conv.SH)-c.Conv.PH)*c.Conv.In.H - c.Conv.PW*Block
	quads := a.Table[k:]
	for q := q0; q < min(q0+per, nq); q += l.quads {
		r := quads[q*quadInts:][:quadInts]
		// What follows with as many channels that read the same is done with it.
		l.quads = 1
		for q+l.quads < min(q0+per, nq) && (l.quads+1)*n16Channels <= len(n16Zeros) {
			if s := quads[(q+l.quads)*quadInts:]; s[0] != r[0] || s[3] != r[3] || s[4] != r[4] {
				break
			}
			l.quads++
		}
		all := r[3] * l.quads
		part := &c.Conv.Outputs[r[0]]
		out := &a.Out[r[0]]
		l.at = in + r[4]*c.Conv.In.C
		l.w, l.wQuad, l.channels = a.W[0][r[2]*k:][:all*k], r[3]*k, r[3]
		if a.W[1] != nil {
			l.bias = a.W[1][r[2]:][:all]
		} else {
			l.bias = n16Zeros[:all]
		}
		l.out, l.to = out.Mem, part.View.at(out, image, r[1], y0, 0)
		l.outRow, l.outC, l.ops = part.View.H, part.View.C, part.step()
		if c.Conv.second() {
			l.from = c.Conv.Res.at(&a.In[1], image, r[1], y0, 0)
		}
		l.relu, l.mask = part.Act.rectifies(), part.Act == ActReLUBackward
		l.rows, l.pixels = rows, c.Conv.W
		if l.inRow == c.Conv.W*l.ps && l.outRow == c.Conv.W*l.ops && (!c.Conv.second() || l.resRow == l.outRow) {
			l.rows, l.pixels = 1, rows*c.Conv.W
		}
		l.run(w)
		if l.mask && a.Out[1].Mem != nil {
			for ch := r[1]; ch < r[1]+all; ch++ {
				sums := a.Out[1].vector((image*part.C+ch)*chunks + y0/c.Conv.rows())
				clear(sums)
				c.Conv.sum(w, sums, out, part.View.at(out, image, ch, y0, 0), rows, c.Conv.W)
			}
		}
		if part.vectorAct() {
			for ch := range all {
				for y := range rows {
					at := part.View.at(out, image, r[1]+ch, y0+y, 0)
					for n := c.Conv.W; n > 0; n-- { // pixel by pixel, or the row at once
						run := 1
						if l.ops == Block {
							run, n = n, 1
						}
						part.finish(w, out.Mem[at:at+run*Block])
						at += l.ops
					}
				}
			}
		}
	}
	l.in, l.out, l.res = nil, nil, nil
}

// n16Zeros is the bias of channels that have none.
var n16Zeros [256]float32
