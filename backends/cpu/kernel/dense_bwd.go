package kernel

// DenseBackwardData is the gradient of a dense layer with respect to its input:
// In[0] = dY in the view Out.View of the Dense, Out[0] = dX in its view In, W[0] the
// weights as the Dense has them, Table. Add adds to what dX holds.
//
// A task turns the weights of its inputs, which then are in the nearest caches when all
// its images go over them: turned as a whole, they would be written to the third cache
// and read from it.
type DenseBackwardData struct {
	Dense Dense
	Add   bool
}

// Table returns the offsets of dY's blocks, in bytes.
func (d DenseBackwardData) Table(ISA) []int {
	t := make([]int, Blocks(d.Dense.Out.C))
	for b := range t {
		t[b] = 4 * b * d.Dense.Out.View.C
	}
	return t
}

// denseDataTasks is how many tasks there should be at least, of as many images as turning
// the weights pays for.
const (
	denseDataTasks  = 16
	denseDataImages = 28
)

// chunks is into how many chunks the images are cut.
func (d DenseBackwardData) chunks(images int) int {
	return min(ceilDiv(images, denseDataImages), ceilDiv(denseDataTasks, ceilDiv(Blocks(d.Dense.C), 2)))
}

// Tasks is pairs of input blocks x chunks of images.
func (d DenseBackwardData) Tasks(images int) int {
	return ceilDiv(Blocks(d.Dense.C), 2) * d.chunks(images)
}

// Scratch is for the weights of a pair of input blocks at one position.
func (d DenseBackwardData) Scratch() int { return 2 * Block * Blocks(d.Dense.Out.C) * Block }

// Run computes one task: a pair of input blocks at all positions.
func (d DenseBackwardData) Run(w *Worker, task int, a *Args) {
	chunks := d.chunks(a.Images)
	g, chunk := task/chunks, task%chunks
	i0, i1 := a.Images*chunk/chunks, a.Images*(chunk+1)/chunks
	width := min(2, Blocks(d.Dense.C)-2*g) * Block
	turned := w.Scratch[:Blocks(d.Dense.Out.C)*Block*width]
	for pos := range d.Dense.H * d.Dense.W {
		d.turn(w.ISA, turned, a.W[0], g, pos)
		p := densePart{
			depth: Block,
			taps:  a.Table, w: turned, width: width, bias: zeroBias[:width],
			in: a.In[0].Mem, at: a.In[0].Off + i0*d.Dense.Out.View.N, ps: d.Dense.Out.View.N, n: i1 - i0,
			out: a.Out[0].Mem, to: a.Out[0].Off + i0*d.Dense.In.N + 2*g*d.Dense.In.C + pos/d.Dense.W*d.Dense.In.H + pos%d.Dense.W*Block, block: d.Dense.In.C, step: d.Dense.In.N,
			resume: d.Add, near: true,
		}
		p.run(w)
	}
}

// turn makes a row for each output channel, and a column for each channel of the pair g
// of input blocks, of the weights of a position, which have a row for each input.
func (d DenseBackwardData) turn(isa ISA, dst, src []float32, g, pos int) {
	v := vecFor(isa)
	width := min(2, Blocks(d.Dense.C)-2*g) * Block
	k := Blocks(d.Dense.Out.C) * Block
	positions := d.Dense.H * d.Dense.W
	taps := Blocks(d.Dense.C) * positions
	depth := d.Dense.conv().depth()
	for o := 0; o < k; o += 2 * Block {
		// These output channels are a pair of blocks of the forward weights, or the last one.
		n := min(2*Block, k-o)
		from, to := src[o*taps*depth:][:taps*depth*n], dst[o*width:][:n*width]
		for b := range width / Block {
			tap := (2*g+b)*positions + pos
			rows := from[tap*depth*n:][:depth*n]
			if depth == Block {
				v.transpose(to[b*Block:], rows, width, n, Block, n)
				continue
			}
			for j := range n {
				column := to[j*width+b*Block:][:Block]
				clear(column[depth:])
				for i := range depth {
					column[i] = rows[i*n+j]
				}
			}
		}
	}
}

// DenseBackwardWeights is the gradient of a dense layer with respect to its weights
// and bias, in the packed order of the forward kernel: In[0] the forward input,
// In[1] = dY in the view Out.View, Out[0] dW, Out[1] dB or no memory, Out[2] the sums of
// the squares of dW, a number a task, or no memory. All are overwritten; sums run over the
// images in order.
type DenseBackwardWeights struct {
	Dense Dense

	// Into how many ranges of pairs of output blocks and of taps the work is cut; 0 is 1.
	// Split chooses them. dW and dB do not depend on them.
	PairRanges, TapRanges int
}

// denseStrip is how many images are done at a time.
const denseStrip = 128

// Taps of a DenseBackwardWeights, 16 inputs each: as many together as stay in the first
// cache beside a pair of blocks of dY, and how many chunks of them make threads busy alike.
const (
	denseTogether = 2
	denseChunks   = 32
)

// ntaps is the number of taps of the Dense.
func (d DenseBackwardWeights) ntaps() int { return Blocks(d.Dense.C) * d.Dense.H * d.Dense.W }

// Tasks is ranges of taps x ranges of pairs of output blocks.
func (d DenseBackwardWeights) Tasks(int) int { return one(d.PairRanges) * one(d.TapRanges) }

// Table returns the taps, and the images of a strip.
func (d DenseBackwardWeights) Table(isa ISA) []int {
	t := d.Dense.Table(isa)
	for i := range denseStrip {
		t = append(t, 4*i*d.Dense.In.N, 4*i*d.Dense.Out.View.N)
	}
	return t
}

// Run computes one task.
func (d DenseBackwardWeights) Run(w *Worker, task int, a *Args) {
	taps := d.ntaps()
	w.grad.channels(d.Dense.conv().depth())
	d.run(w, task, a, denseInputs{taps: a.Table[:taps], each: 1, step: d.Dense.In.N}, a.Table[taps:])
}

// denseInputs is where the inputs of a DenseBackwardWeights are.
type denseInputs struct {
	taps []int // bytes: of each tap, or of each input
	each int   // how many of them a tap has
	step int   // float32s from an image to the next, where a strip begins
}

// run computes one task. Strip is the pixels of a strip; the channels of a tap that has a
// place for each are brought to the call, of others they are there.
func (d DenseBackwardWeights) run(w *Worker, task int, a *Args, x denseInputs, strip []int) {
	pchunks, chunks := one(d.PairRanges), one(d.TapRanges)
	pchunk, chunk := task%pchunks, task/pchunks
	pairs, taps := d.Dense.conv().npairs(), d.ntaps()
	g0, g1 := pairs*pchunk/pchunks, pairs*(pchunk+1)/pchunks
	t0, t1 := taps*chunk/chunks, taps*(chunk+1)/chunks
	view, depth := d.Dense.Out.View, d.Dense.conv().depth()
	call := &w.grad
	call.x, call.dy, call.dw = a.In[0].Mem, a.In[1].Mem, a.Out[0].Mem[a.Out[0].Off:]
	call.dyblock, call.dyahead = 4*view.C, 0
	width := func(g int) int { return min(2, Blocks(d.Dense.Out.C)-2*g) * Block }
	place := func(g, t int) int { return depth * (g*taps*2*Block + t*width(g)) }
	sum := 0.0
	for ; t0 < t1; t0 += denseTogether {
		some := min(t1, t0+denseTogether)
		for g := g0; g < g1; g++ {
			call.dwrow, call.begin = 4*width(g), 1
			for i := 0; i < a.Images; i += denseStrip {
				call.pixels = strip[:pixelInts*min(denseStrip, a.Images-i)]
				call.dyat = a.In[1].Off + i*view.N + 2*g*view.C
				for t := t0; t < some; t++ {
					call.xat, call.dwat = a.In[0].Off+i*x.step+x.taps[t*x.each]/4, place(g, t)
					call.xahead = 0
					if x.each > 1 {
						x.channels(call, t)
					} else if g == g0 && t+denseTogether < taps {
						call.xahead = x.taps[t+denseTogether] - x.taps[t]
					}
					next := call.dwat
					switch {
					case t+1 < some:
						next = place(g, t+1)
					case g+1 < g1:
						next = place(g+1, t0)
					case some < t1:
						next = place(g0, some)
					}
					call.dwahead = 4 * (next - call.dwat)
					call.add(w.ISA, width(g)/Block)
				}
				call.begin = 0
			}
			if none := taps*x.each - len(x.taps); some == taps && none > 0 {
				clear(call.dw[place(g, taps)-none*width(g) : place(g, taps)])
			}
			if a.Out[2].Mem != nil { // while they are in the first cache
				sum += squareSum(w.ISA, call.dw[place(g, t0):place(g, some)])
			}
		}
	}
	a.Out[2].putSquares(task, sum)
	if chunk > 0 || a.Out[1].Mem == nil {
		return
	}
	for b := 2 * g0; b < min(2*g1, Blocks(d.Dense.Out.C)); b++ {
		db := a.Out[1].Mem[a.Out[1].Off+b*Block:][:Block]
		at := a.In[1].Off + b*view.C
		vecFor(w.ISA).sumPool(db, a.In[1].Mem[at:], 1, a.Images, 0, view.N, Block, 1)
	}
}

// channels sets the call's offsets to those of a tap's inputs. What stands past the last
// one for the padding of the weights is any of them.
func (x denseInputs) channels(call *bwdWeightsTile, t int) {
	own := x.taps[t*x.each : min((t+1)*x.each, len(x.taps))]
	for i := range call.off[:call.rows] {
		call.off[i] = own[min(i, len(own)-1)] - own[0]
	}
}
