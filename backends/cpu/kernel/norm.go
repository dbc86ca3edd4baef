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
	x := flat{k.N}.part(&a.In[0], task)
	n := len(x) / Block * Block
	a.Out[0].Mem[a.Out[0].Off+task] = vecFor(w.ISA).sumSquares(x[:n]) + portableOps.sumSquares(x[n:])
}

// NormOfSums is the square root of the sum of N numbers, taken in order in float64:
// the global norm of gradients whose SquareSums lie beside each other (Pascanu 2013,
// 3.2). It is not finite where an element is not, or is above 1e19.
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

// MaxNorm scales the weights of an output, K numbers beside each other, down to a
// Euclidean norm of Bound where theirs is larger (Srebro 2005; Srivastava 2014, 5.1).
//
// Operands: In[0] weights, Rows x K; Out[0] output, which may be the same place.
type MaxNorm struct {
	Rows, K int
	Bound   float32
}

const rowsPerNormTask = 8

// Tasks is groups of outputs.
func (k MaxNorm) Tasks(int) int { return ceilDiv(k.Rows, rowsPerNormTask) }

// Scratch holds the factor.
func (k MaxNorm) Scratch() int { return Block }

// Run bounds some outputs.
func (k MaxNorm) Run(w *Worker, task int, a *Args) {
	v, factor := vecFor(w.ISA), w.Scratch[:Block]
	for r := task * rowsPerNormTask; r < min((task+1)*rowsPerNormTask, k.Rows); r++ {
		x, out := a.In[0].Mem[a.In[0].Off+r*k.K:][:k.K], a.Out[0].Mem[a.Out[0].Off+r*k.K:][:k.K]
		sum := 0.0
		for i := 0; i < k.K; i += chunk { // as SquareSums
			c := x[i:min(i+chunk, k.K)]
			n := len(c) / Block * Block
			sum += float64(v.sumSquares(c[:n]) + portableOps.sumSquares(c[n:]))
		}
		norm := float32(math.Sqrt(sum))
		if !(norm > k.Bound) {
			copy(out, x)
			continue
		}
		fill(factor, k.Bound/norm)
		n := k.K / Block * Block
		v.mul(out[:n], x[:n], factor, 0)
		portableOps.mul(out[n:], x[n:], factor, 0)
	}
}
