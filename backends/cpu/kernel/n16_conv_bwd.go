package kernel

import "unsafe"

// N16ConvBackwardWeights is the gradient of an N16Conv with respect to its weights, in
// their packed order: the images are cut into parts, Groups groups of 16 each, which
// are tasks of their own and which SumPartials adds.
//
// Operands: In[0] the forward input (with its border, as the forward kernel reads
// it), In[1] dY in the view of Outputs[0], of which lanes without an image are zeros;
// Out[0] room for PackedLen numbers for every part, one behind another.
//
// Every lane has a sum of its own over the groups and pixels of a part, in order,
// and the 16 of them are added by the tree 8, 4, 2, 1: so the bits do not depend on
// threads, and they are the same on AVX2 and AVX-512. The field Pairs is the output
// channels, in fours, of a task.
type N16ConvBackwardWeights struct {
	Conv        N16Conv
	ImageBlocks int // blocks of 16 images a part; 0 means 1
}

// PackedLen is the length of the gradient of a part, in float32s.
func (c N16ConvBackwardWeights) PackedLen() int { return c.Conv.PackedLen() }

// Table is that of the convolution.
func (c N16ConvBackwardWeights) Table(isa ISA) []int { return c.Conv.Table(isa) }

// Count is the number of parts of that many images.
func (c N16ConvBackwardWeights) Count(images int) int {
	return ceilDiv(imageBlocks(images), one(c.ImageBlocks))
}

// Tasks is parts x chunks of output channels.
func (c N16ConvBackwardWeights) Tasks(images int) int {
	return c.Count(images) * ceilDiv(c.Conv.nquads(), c.Conv.quadsAtOnce())
}

// Scratch holds the sums of a task, and a square of them.
func (c N16ConvBackwardWeights) Scratch() int {
	return (c.Conv.quadsAtOnce()*n16Channels*c.Conv.ntaps()+2*Block)*Block + 2*Block
}

// n16BackwardTile is the argument block of the microkernel; the assembly knows its
// layout. It lives in the Worker.
type n16BackwardTile struct {
	x           unsafe.Pointer // the first pixel of tap 0
	off         unsafe.Pointer // *int: the taps, in bytes
	xstep, xrow int            // bytes from a pixel, a row, to the next
	dy          unsafe.Pointer
	dyC, dyRow  int // bytes from a channel, a row, to the next
	rows, cols  int
	acc         unsafe.Pointer // [channel][tap] of 16 sums

	// The assembly's own.
	xAt      int
	dyAt     uintptr
	rowsLeft int
}

// n16BackwardTaps is how many taps a tile has, on every tier: their sums lie
// together.
const n16BackwardTaps = 6

// rowsAtOnce is how many rows of pixels are done for all taps before the next ones:
// as many as leave dY in the first cache.
func (c *N16ConvBackwardWeights) rowsAtOnce() int {
	return max(1, (24<<10)/(4*Block*c.Conv.Conv.W*min(c.Conv.Conv.OC(), c.Conv.quadsAtOnce()*n16Channels)))
}

// Run computes some output channels' part.
func (c N16ConvBackwardWeights) Run(w *Worker, task int, a *Args) {
	k := c.Conv.ntaps()
	quads := a.Table[k:]
	nq := len(quads) / quadInts
	per := nq
	if c.Conv.Conv.Pairs > 0 {
		per = min(c.Conv.Conv.Pairs, nq)
	}
	chunks := ceilDiv(nq, per)
	part := task / chunks
	q0 := task % chunks * per
	q1 := min(q0+per, nq)
	g0, g1 := part*one(c.ImageBlocks), min((part+1)*one(c.ImageBlocks), imageBlocks(a.Images))
	first := quads[q0*quadInts+2] // its first output channel
	last := quads[(q1-1)*quadInts:]
	sums := w.Scratch[:(last[2]+last[3]-first)*k*Block]
	clear(sums)
	view, step := c.Conv.Conv.Outputs[0].View, c.rowsAtOnce()
	for group := g0; group < g1; group++ {
		for y := 0; y < c.Conv.Conv.H; y += step {
			rows := min(step, c.Conv.Conv.H-y)
			x := a.In[0].Off + group*c.Conv.Conv.In.N + (y*one(c.Conv.Conv.SH)-c.Conv.Conv.PH)*c.Conv.Conv.In.H - c.Conv.Conv.PW*Block
			for t := 0; t < k; t += n16BackwardTaps {
				taps := a.Table[t:min(t+n16BackwardTaps, k)]
				for q := q0; q < q1; q++ {
					r := quads[q*quadInts:][:quadInts]
					at := ((r[2]-first)*k + t*r[3]) * Block // its tiles lie one behind another
					c.tile(w, a, x+r[4]*c.Conv.Conv.In.C, view.at(&a.In[1], group, r[1], y, 0), rows, taps, r[3], sums[at:][:r[3]*len(taps)*Block])
				}
			}
		}
	}
	dst := a.Out[0].Mem[a.Out[0].Off+part*c.Conv.PackedLen():][:c.Conv.PackedLen()]
	c.reduce(w, dst, sums, quads[q0*quadInts:q1*quadInts], first)
	if q1 == nq {
		clear(dst[c.Conv.Conv.OC()*k:])
	}
}

// n16BwdTier is what a tier has for them: microkernels by output channels and by taps.
type n16BwdTier struct {
	taps  int // at most
	lanes int // images at once
	tile  [n16Channels + 1][7]func(*byte)
}

// n16BwdTiers are the tiers. Files of a processor set those that have microkernels.
var n16BwdTiers [isas]n16BwdTier

// tile adds rows of pixels to the sums of some channels and taps, [channel][tap].
func (c *N16ConvBackwardWeights) tile(w *Worker, a *Args, x, dy, rows int, taps []int, channels int, acc []float32) {
	view := c.Conv.Conv.Outputs[0].View
	ps, xrow := one(c.Conv.Conv.SW)*Block, one(c.Conv.Conv.SH)*c.Conv.Conv.In.H
	src, grad := a.In[0].Mem, a.In[1].Mem
	tier := &n16BwdTiers[w.ISA]
	if tier.taps == 0 {
		for i := range channels {
			for q, tap := range taps {
				s := (*[Block]float32)(acc[(i*len(taps)+q)*Block:])
				for y := range rows {
					for px := range c.Conv.Conv.W {
						d := (*[Block]float32)(grad[dy+i*view.C+y*view.H+px*Block:])
						for l, v := range (*[Block]float32)(src[x+y*xrow+px*ps+tap>>2:]) {
							s[l] += float32(d[l] * v)
						}
					}
				}
			}
		}
		return
	}
	// The assembly checks no bounds.
	reach := 0
	for _, tap := range taps {
		reach = max(reach, tap/4)
	}
	_ = src[x+(rows-1)*xrow+(c.Conv.Conv.W-1)*ps+reach+Block-1]
	_ = grad[dy+(channels-1)*view.C+(rows-1)*view.H+c.Conv.Conv.W*Block-1]
	t := &w.n16Backward
	t.xstep, t.xrow, t.dyC, t.dyRow, t.rows, t.cols = 4*ps, 4*xrow, 4*view.C, 4*view.H, rows, c.Conv.Conv.W
	if tier.lanes == Block {
		t.x, t.off, t.dy, t.acc = float(src, x), unsafe.Pointer(&taps[0]), float(grad, dy), float(acc, 0)
		tier.tile[channels][len(taps)]((*byte)(unsafe.Pointer(t)))
		return
	}
	// Some of the lanes and taps at a time, whose sums are brought together.
	for q := 0; q < len(taps); q += tier.taps {
		n := min(tier.taps, len(taps)-q)
		buf := w.Scratch[len(w.Scratch)-(n16Channels*3+2)*Block:]
		for i := range channels {
			copy(buf[i*n*Block:(i+1)*n*Block], acc[(i*len(taps)+q)*Block:])
		}
		for half := 0; half < Block; half += tier.lanes {
			t.x, t.off, t.dy, t.acc = float(src, x+half), unsafe.Pointer(&taps[q]), float(grad, dy+half), float(buf, half)
			tier.tile[channels][n]((*byte)(unsafe.Pointer(t)))
		}
		for i := range channels {
			copy(acc[(i*len(taps)+q)*Block:(i*len(taps)+q+n)*Block], buf[i*n*Block:])
		}
	}
}

// reduce adds the 16 lanes of every sum and puts it where the packed weights have
// it.
func (c *N16ConvBackwardWeights) reduce(w *Worker, dst, sums []float32, quads []int, first int) {
	v, k := vecFor(w.ISA), c.Conv.ntaps()
	end := len(sums)
	// A square of 16 sums is turned, so that the tree is one over rows.
	square := w.Scratch[len(w.Scratch)-(Block+2)*Block:][:Block*Block]
	for at := 0; at < end; at += Block * Block {
		n := min(Block, (end-at)/Block)
		if n == Block {
			v.transpose(square, sums[at:], Block, Block, Block, Block)
		} else {
			clear(square)
			for i := range n {
				for l := range Block {
					square[l*Block+i] = sums[at+i*Block+l]
				}
			}
		}
		for half := Block / 2 * Block; half >= Block; half /= 2 {
			v.add(square[:half], square[:half], square[half:2*half], Block)
		}
		copy(sums[at/Block:], square[:n]) // behind what has been read
	}
	for ; len(quads) > 0; quads = quads[quadInts:] {
		n := quads[3]
		s, d := sums[(quads[2]-first)*k:], dst[quads[2]*k:]
		for t := 0; t < k; t += n16BackwardTaps {
			p := min(n16BackwardTaps, k-t)
			for i := range n {
				for q := range p {
					d[(t+q)*n+i] = s[t*n+i*p+q]
				}
			}
		}
	}
}

// N16Repack makes the packed weights of a gradient's convolution in N16 (that of a
// ConvBackwardData) from those of the forward convolution. In[0] is From's packed
// weights, Out[0] To's.
type N16Repack struct {
	From, To     N16Conv
	KH, KW       int // the last taps of To are these of From
	StepH, StepW int // and the ones before are so much further
}

// N16RepackOf is a part's Repack for N16.
func N16RepackOf(r Repack) N16Repack {
	return N16Repack{From: N16Conv{r.From}, To: N16Conv{r.To}, KH: r.KH, KW: r.KW, StepH: r.StepH, StepW: r.StepW}
}

// Tasks is 1.
func (r N16Repack) Tasks(int) int { return 1 }

// Run repacks.
func (r N16Repack) Run(_ *Worker, _ int, a *Args) {
	src, dst := a.In[0].Mem[a.In[0].Off:], a.Out[0].Mem[a.Out[0].Off:]
	f, t := r.From, r.To
	fk, tk := f.ntaps(), t.ntaps()
	fkk := f.Conv.KH * f.Conv.KW
	ficg := f.Conv.IC / one(f.Conv.Groups)
	for q := range t.quads { // of f's input channels
		d := dst[q.oc*tk:]
		for o := q.lo; o < q.lo+t.Conv.IC/one(t.Conv.Groups); o++ { // f's output channel
			// Where it lies in its quad: those of a group begin anew.
			ocg := f.Conv.OC() / one(f.Conv.Groups)
			in := o % ocg
			n := min(n16Channels, ocg-in/n16Channels*n16Channels)
			s := src[(o-in%n16Channels)*fk+in%n16Channels:]
			for kh := range t.Conv.KH {
				for kw := range t.Conv.KW {
					k := (r.KH+(t.Conv.KH-1-kh)*r.StepH)*f.Conv.KW + r.KW + (t.Conv.KW-1-kw)*r.StepW
					for j := range q.n {
						d[j] = s[((q.oc+j)%ficg*fkk+k)*n]
					}
					d = d[q.n:]
				}
			}
		}
	}
	clear(dst[t.Conv.OC()*tk : t.PackedLen()])
}

// N16SumPixels is the gradient of a bias: the sum of an activation in N16 over
// pixels and images, a number a channel, padded to whole blocks. Lanes without an
// image must be zeros.
//
// Operands: In[0] input (view In); Out[0] the sums.
type N16SumPixels struct {
	C, H, W int
	In      View
}

// Tasks is blocks of channels.
func (k N16SumPixels) Tasks(int) int { return Blocks(k.C) }

// Scratch holds two blocks.
func (k N16SumPixels) Scratch() int { return 2 * Block }

// Run sums the channels of a block, group by group: by columns, then over the groups,
// then over the lanes.
func (k N16SumPixels) Run(w *Worker, task int, a *Args) {
	v := vecFor(w.ISA)
	out := a.Out[0].Mem[a.Out[0].Off+task*Block:][:Block]
	clear(out)
	sum, part := w.Scratch[:Block], w.Scratch[Block:2*Block]
	for c := range min(Block, k.C-task*Block) {
		clear(sum)
		for group := range imageBlocks(a.Images) {
			v.sumPool(part, a.In[0].Mem[k.In.at(&a.In[0], group, task*Block+c, 0, 0):], k.H, k.W, k.In.H, Block, Block, 1)
			v.add(sum, sum, part, Block)
		}
		out[c] = v.sum(sum)
	}
}
