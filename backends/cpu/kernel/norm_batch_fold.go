package kernel

import "math"

// BatchNormFold computes what [Affine] multiplies with and adds for a batch norm with
// given statistics: scale = gamma/sqrt(variance+Eps) and shift = beta - mean*scale. A
// training step computes it in each step, because its params can be set between steps.
//
// Operands: In[0] gamma, In[1] beta, In[2] mean, In[3] variance, all of C elements;
// Out[0] scale, Out[1] shift.
type BatchNormFold struct {
	C      int
	Repeat int // how often each element is written: 1, or Block for operands in lanes
	Eps    float64
}

// PackedLen is the length of scale and of shift, in float32s: whole blocks.
func (k BatchNormFold) PackedLen() int { return Blocks(k.C*k.Repeat) * Block }

// Tasks is 1.
func (k BatchNormFold) Tasks(int) int { return 1 }

// Run computes all channels in float64, as Pack does for inference.
func (k BatchNormFold) Run(_ *Worker, _ int, a *Args) {
	vector := func(b Buf) []float32 { return b.Mem[b.Off:][:k.C] }
	gamma, beta, mean, variance := vector(a.In[0]), vector(a.In[1]), vector(a.In[2]), vector(a.In[3])
	scale, shift := a.Out[0].Mem[a.Out[0].Off:][:k.PackedLen()], a.Out[1].Mem[a.Out[1].Off:][:k.PackedLen()]
	for i := range gamma {
		s := float64(gamma[i]) / math.Sqrt(float64(variance[i])+k.Eps)
		fill(scale[i*k.Repeat:][:k.Repeat], float32(s))
		fill(shift[i*k.Repeat:][:k.Repeat], float32(float64(beta[i])-float64(float64(mean[i])*s)))
	}
	clear(scale[k.C*k.Repeat:])
	clear(shift[k.C*k.Repeat:])
}
