package kernel

import (
	"math"

	"github.com/incc-lang/incc/backends/cpu/scalar"
)

// Softmax is the softmax over the channels of every pixel, or its logarithm. A
// dense layer's logits are a map of one pixel.
//
// Operands: In[0] input, Out[0] output, which may be the input's place.
type Softmax struct {
	C, H, W int
	Log     bool
	In, Out View
}

func (s Softmax) bands() bands { return bands{s.H, rowsPerTask(s.H, 16*s.W*Blocks(s.C))} }

// Tasks is images x ranges of rows.
func (s Softmax) Tasks(images int) int { return s.bands().tasks(images) }

// Scratch holds the channels of a pixel, their exponentials, and a block.
func (s Softmax) Scratch() int { return (2*Blocks(s.C) + 1) * Block }

// Run computes some rows.
func (s Softmax) Run(w *Worker, task int, a *Args) {
	v, n := vecFor(w.ISA), Blocks(s.C)*Block
	x, e, one := w.Scratch[:n], w.Scratch[n:2*n], w.Scratch[2*n:2*n+Block]
	image, y0, y1 := s.bands().task(task)
	for y := y0; y < y1; y++ {
		for p := range s.W {
			for b := range Blocks(s.C) {
				copy(x[b*Block:], a.In[0].Mem[s.In.at(&a.In[0], image, b, y, p):][:Block])
			}
			for i := s.C; i < n; i++ {
				x[i] = float32(math.Inf(-1))
			}
			m := v.maxOf(x)
			sum := v.expSum(e, x, m)
			if s.Log {
				fill(one, m)
				v.sub(e, x, one, 0)
				fill(one, scalar.Log(sum))
				v.sub(e, e, one, 0)
			} else {
				v.divBy(e, e, sum)
			}
			clear(e[s.C:])
			for b := range Blocks(s.C) {
				copy(a.Out[0].Mem[s.Out.at(&a.Out[0], image, b, y, p):][:Block], e[b*Block:])
			}
		}
	}
}

func fill(dst []float32, x float32) {
	for i := range dst {
		dst[i] = x
	}
}
