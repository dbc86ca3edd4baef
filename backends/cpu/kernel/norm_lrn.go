package kernel

import "github.com/incc-lang/incc/backends/cpu/scalar"

// LRN is local response normalization across channels (Krizhevsky 2012, 3.3),
// with alpha divided by the size as ONNX, Caffe and PyTorch have it:
//
//	out = in / (K + Alpha/Size * sum of in**2 over the window)**Beta
//
// The window holds (Size-1)/2 channels before and Size/2 after, as far as they
// exist. Beta = 0.75 is vectorized on every tier (invPow34); other values go by exp
// and log, in plain Go.
//
// Operands: In[0] input, Out[0] output, which may be the input's place.
type LRN struct {
	C, H, W        int
	Size           int
	Alpha, Beta, K float32
	In, Out        View
}

func (l LRN) bands() bands { return bands{l.H, rowsPerTask(l.H, 8*l.W*Blocks(l.C))} }

// Tasks is images x ranges of rows.
func (l LRN) Tasks(images int) int { return l.bands().tasks(images) }

func (l LRN) squares() squares { return newSquares(l.C, l.W, l.Size, (l.Size-1)/2) }

// Scratch holds the squares of some pixels, and their scales.
func (l LRN) Scratch() int { return l.squares().len() + l.squares().pixels*Block }

// Run normalizes some rows.
func (l LRN) Run(w *Worker, task int, a *Args) {
	v, q := vecFor(w.ISA), l.squares()
	sq, scale := w.Scratch[:q.len()], w.Scratch[q.len():]
	alpha := l.Alpha / float32(l.Size)
	image, y0, y1 := l.bands().task(task)
	q.clearEdges(sq)
	for y := y0; y < y1; y++ {
		for x := 0; x < l.W; x += q.pixels {
			n := min(q.pixels, l.W-x)
			for b := range Blocks(l.C) {
				in := l.In.at(&a.In[0], image, b, y, x)
				v.square(sq[q.own(b):], a.In[0].Mem[in:in+n*Block], q.step)
			}
			for b := range Blocks(l.C) {
				in, out := l.In.at(&a.In[0], image, b, y, x), l.Out.at(&a.Out[0], image, b, y, x)
				src, dst := a.In[0].Mem[in:in+n*Block], a.Out[0].Mem[out:out+n*Block]
				if l.Beta == 0.75 {
					v.lrn34(dst, src, sq[q.first(b):], q.step, l.Size, alpha, l.K)
					continue
				}
				t := scale[:n*Block]
				v.lrnScale(t, sq[q.first(b):], q.step, l.Size, alpha, l.K)
				for i, s := range t {
					dst[i] = src[i] / scalar.Pow(s, l.Beta)
				}
			}
		}
	}
}

// squares is how the channels of some pixels lie beside each other in scratch
// memory, with zeros before and after, so that a window that crosses blocks or
// the edge is a stretch of floats.
type squares struct {
	blocks, lead, before, step, pixels int
}

// newSquares makes room for windows of size channels, of which before come
// before the channel itself.
func newSquares(c, w, size, before int) squares {
	const most = 4096 // float32s: half of the first-level cache
	q := squares{blocks: Blocks(c), before: before, lead: ceilDiv(before, Block) * Block}
	q.step = q.lead + q.blocks*Block + ceilDiv(size-1-before, Block)*Block
	parts := ceilDiv(w, max(1, most/q.step))
	q.pixels = ceilDiv(w, parts)
	return q
}

func (q squares) len() int { return q.pixels * q.step }

// own is where a block's own channels lie for the first pixel, first where the
// window of the first of them begins.
func (q squares) own(block int) int   { return q.lead + block*Block }
func (q squares) first(block int) int { return q.own(block) - q.before }

func (q squares) clearEdges(sq []float32) {
	for ; len(sq) >= q.step; sq = sq[q.step:] {
		clear(sq[:q.lead])
		clear(sq[q.lead+q.blocks*Block : q.step])
	}
}
