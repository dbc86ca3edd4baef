package kernel

import "math"

// MaxNormPacked scales the weights of each output down to a Euclidean norm of Bound if
// theirs is larger (Srebro 2005; Srivastava 2014, section 5.1). The weights are in the packed
// order of a Dense or of a Conv of one group: pairs of output blocks, each K rows of 32
// outputs side by side (16 in the last pair if the number of blocks is odd). The norm is
// taken in float64, row by row.
//
// Operands: In[0] packed weights; Out[0] output, which may be the same place.
type MaxNormPacked struct {
	Blocks, K int
	Bound     float32
}

// Tasks is pairs of output blocks.
func (k MaxNormPacked) Tasks(int) int { return ceilDiv(k.Blocks, 2) }

// Run bounds a pair.
func (k MaxNormPacked) Run(_ *Worker, pair int, a *Args) {
	width := min(2, k.Blocks-2*pair) * Block
	at := pair * k.K * 2 * Block
	x, out := a.In[0].Mem[a.In[0].Off+at:][:k.K*width], a.Out[0].Mem[a.Out[0].Off+at:][:k.K*width]
	var sums [2 * Block]float64
	for row := x; len(row) > 0; row = row[width:] {
		for j, v := range row[:width] {
			sums[j] += float64(float64(v) * float64(v))
		}
	}
	var factors [2 * Block]float32
	for j, s := range sums {
		factors[j] = 1
		if norm := float32(math.Sqrt(s)); norm > k.Bound {
			factors[j] = k.Bound / norm
		}
	}
	for i := 0; i < len(x); i += width {
		for j := range width {
			out[i+j] = x[i+j] * factors[j]
		}
	}
}

// AverageRate is the rate of an Average at a step: max(1-Decay, 1/(step+1)), the
// mean of all steps while they are few, then an exponential average.
//
// Operands: In[0] the step, one integer (PutInt) that counts from 0; Out[0] the
// rate, one number.
type AverageRate struct {
	Decay float64
}

// Tasks is 1.
func (k AverageRate) Tasks(int) int { return 1 }

// Run computes the rate.
func (k AverageRate) Run(_ *Worker, _ int, a *Args) {
	step := Int(a.In[0].Mem, a.In[0].Off)
	a.Out[0].Mem[a.Out[0].Off] = float32(max(1-k.Decay, 1/(float64(step)+1)))
}
