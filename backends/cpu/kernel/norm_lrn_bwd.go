package kernel

import "github.com/incc-lang/incc/backends/cpu/scalar"

// LRNBackward is the gradient of LRN, whose fields it shares. With s = K + Alpha/Size *
// the window's squares, made again from x:
//
//	dx[c] = dy[c]*s[c]**-Beta - 2*Beta*Alpha/Size * x[c] * sum of dy[i]*x[i]*s[i]**(-Beta-1)
//
// over the channels i whose window holds c.
//
// Operands: In[0] dy (view DY), In[1] LRN's input x (view X); Out[0] dx (view DX),
// which may be the place of dy or x.
type LRNBackward struct {
	C, H, W        int
	Size           int
	Alpha, Beta, K float32
	DY, X, DX      View
}

func (l LRNBackward) bands() bands { return bands{l.H, rowsPerTask(l.H, 16*l.W*Blocks(l.C))} }

// Tasks is images x ranges of rows.
func (l LRNBackward) Tasks(images int) int { return l.bands().tasks(images) }

// squares are those of x; terms, in the same shape of mirrored windows, what the
// sum of dx is of.
func (l LRNBackward) squares() squares { return newSquares(l.C, l.W, l.Size, (l.Size-1)/2) }
func (l LRNBackward) terms() squares   { return newSquares(l.C, l.W, l.Size, l.Size/2) }

// Scratch holds squares, terms, and dy*s**-Beta of all channels of some pixels, and
// the scales of a block.
func (l LRNBackward) Scratch() int {
	q, t := l.squares(), l.terms()
	return q.len() + t.len() + (Blocks(l.C)+1)*q.pixels*Block
}

// Run computes some rows.
func (l LRNBackward) Run(w *Worker, task int, a *Args) {
	v, q, t := vecFor(w.ISA), l.squares(), l.terms()
	sq := w.Scratch[:q.len()]
	terms := w.Scratch[q.len():][:t.len()]
	g := w.Scratch[q.len()+t.len():][:Blocks(l.C)*q.pixels*Block]
	scale := w.Scratch[q.len()+t.len()+len(g):][:q.pixels*Block]
	alpha := l.Alpha / float32(l.Size)
	factor := 2 * l.Beta * alpha
	image, y0, y1 := l.bands().task(task)
	q.clearEdges(sq)
	t.clearEdges(terms)
	for y := y0; y < y1; y++ {
		for x := 0; x < l.W; x += q.pixels {
			n := min(q.pixels, l.W-x)
			row := func(view View, b *Buf, block int) []float32 {
				i := view.at(b, image, block, y, x)
				return b.Mem[i : i+n*Block]
			}
			for b := range Blocks(l.C) {
				v.square(sq[q.own(b):], row(l.X, &a.In[1], b), q.step)
			}
			for b := range Blocks(l.C) {
				s, gb, dy, in := scale[:n*Block], g[b*q.pixels*Block:][:n*Block], row(l.DY, &a.In[0], b), row(l.X, &a.In[1], b)
				v.lrnScale(s, sq[q.first(b):], q.step, l.Size, alpha, l.K)
				if l.Beta == 0.75 {
					v.lrnTerms34(gb, terms[t.own(b):], dy, in, s, t.step)
					continue
				}
				for i, si := range s {
					gb[i] = dy[i] / scalar.Pow(si, l.Beta)
					terms[t.own(b)+i/Block*t.step+i%Block] = gb[i] * in[i] / si
				}
			}
			for b := range Blocks(l.C) {
				v.lrnBackward(row(l.DX, &a.Out[0], b), g[b*q.pixels*Block:], row(l.X, &a.In[1], b), terms[t.first(b):], t.step, l.Size, factor)
			}
		}
	}
}
