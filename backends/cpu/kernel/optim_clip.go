package kernel

import "math"

// SquareSums are the sums of squares of the chunks of an array: the first half of a
// gradient's norm. Chunks have a fixed size and a fixed order inside, so the bits
// depend on nothing but the numbers.
//
// Operands: In[0] an array of N numbers; Out[0] Len numbers.
type SquareSums struct {
	N int
}

// Len is the number of results.
func (k SquareSums) Len() int { return k.Tasks(1) }

// Tasks is chunks of numbers.
func (k SquareSums) Tasks(int) int { return flat{k.N}.tasks() }

// Run sums a chunk.
func (k SquareSums) Run(w *Worker, task int, a *Args) {
	a.Out[0].Mem[a.Out[0].Off+task] = float32(squareSum(w.ISA, flat{k.N}.part(&a.In[0], task)))
}

// squareSum is the sum of the squares of numbers, chunk by chunk.
func squareSum(isa ISA, x []float32) float64 {
	sum := 0.0
	for len(x) > 0 {
		c := x[:min(chunk, len(x))]
		x = x[len(c):]
		n := len(c) / Block * Block
		s := vecFor(isa).sumSquares(c[:n])
		if n < len(c) {
			s += portableOps.sumSquares(c[n:])
		}
		sum += float64(s)
	}
	return sum
}

// putSquares leaves, where a step wants it, what a task found of the squares of what it
// wrote: its own of the numbers that NormOfSums adds.
func (b *Buf) putSquares(task int, sum float64) {
	if b.Mem != nil {
		b.Mem[b.Off+task] = float32(sum)
	}
}

// NormOfSums is the square root of the sum of N numbers, taken in order in float64:
// the global norm of gradients whose sums of squares lie beside each other (Pascanu 2013,
// 3.2): SquareSums, or what the kernels that write gradients leave of them. It is not finite where an element is not, or is above 1e19.
//
// Operands: In[0] N numbers; Out[0] the norm, one number.
type NormOfSums struct {
	N int
}

// Tasks is 1.
func (k NormOfSums) Tasks(int) int { return 1 }

// Run sums.
func (k NormOfSums) Run(_ *Worker, _ int, a *Args) {
	sum := 0.0
	for _, x := range a.In[0].Mem[a.In[0].Off:][:k.N] {
		sum += float64(x)
	}
	a.Out[0].Mem[a.Out[0].Off] = float32(math.Sqrt(sum))
}

// ClipNorm is x * min(1, Bound/norm) (Pascanu 2013, algorithm 1); a norm that is NaN
// makes it NaN.
//
// Operands: In[0] x, In[1] norm, one number; Out[0] output, which may be the place of x.
type ClipNorm struct {
	N     int
	Bound float32
}

// Tasks is chunks of numbers.
func (k ClipNorm) Tasks(int) int { return flat{k.N}.tasks() }

// Scratch holds the factor.
func (k ClipNorm) Scratch() int { return Block }

// Run computes a chunk.
func (k ClipNorm) Run(w *Worker, task int, a *Args) {
	f := flat{k.N}
	out, x := f.part(&a.Out[0], task), f.part(&a.In[0], task)
	norm := a.In[1].number()
	if norm <= k.Bound {
		copy(out, x)
		return
	}
	factor := w.Scratch[:Block]
	fill(factor, k.Bound/norm)
	n := len(x) / Block * Block
	vecFor(w.ISA).mul(out[:n], x[:n], factor, 0)
	portableOps.mul(out[n:], x[n:], factor, 0)
}

// ClipValue is x brought into -Bound..Bound; NaN passes.
//
// Operands: In[0] x; Out[0] output, which may be the place of x.
type ClipValue struct {
	N     int
	Bound float32
}

// Tasks is chunks of numbers.
func (k ClipValue) Tasks(int) int { return flat{k.N}.tasks() }

// Run computes a chunk.
func (k ClipValue) Run(_ *Worker, task int, a *Args) {
	f := flat{k.N}
	out := f.part(&a.Out[0], task)
	for i, x := range f.part(&a.In[0], task) {
		switch {
		case x > k.Bound:
			x = k.Bound
		case x < -k.Bound:
			x = -k.Bound
		}
		out[i] = x
	}
}
