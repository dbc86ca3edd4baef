package kernel

// The steps of the optimizers. Param, gradient and slots are arrays of N numbers
// in one and the same order, whatever it is, from their Off on. Param and slots are
// updated in place. N16 that are zero in all of them stay zero unless Eps is.

// chunk is how many numbers a task of an elementwise step has.
const chunk = 8192

// flat is how kernels over arrays of n numbers cut their work.
type flat struct{ n int }

func (f flat) tasks() int { return ceilDiv(f.n, chunk) }

// part is the task's part of an array.
func (f flat) part(b *Buf, task int) []float32 {
	lo, hi := b.Off+task*chunk, b.Off+min((task+1)*chunk, f.n)
	return b.Mem[lo:hi:hi]
}

// slot is the task's part of a slot, or zeros in scratch memory where the slot is
// missing.
func (f flat) slot(w *Worker, b *Buf, task int) []float32 {
	if b.Mem != nil {
		return f.part(b, task)
	}
	s := w.Scratch[:min(chunk, f.n-task*chunk)]
	clear(s)
	return s
}

// number is the one number of a buffer.
func (b *Buf) number() float32 { return b.Mem[b.Off] }

// rate is a learning rate and a layer's factor on it, 0 meaning 1.
func rate(b *Buf, factor float32) float32 {
	if factor == 0 {
		return b.number()
	}
	return factor * b.number()
}

// SGD is a step of stochastic gradient descent. With g = grad + Decay*param:
//
//	velocity = Momentum*velocity + g
//	param    = param - LR*rate*velocity                    as PyTorch: no rate in the velocity
//	param    = param - LR*rate*(g + Momentum*velocity)     with Nesterov (Sutskever 2013, section 2)
//
// Operands: In[0] grad, In[1] rate, one number; Out[0] param, Out[1] velocity, or no
// memory without momentum.
type SGD struct {
	N        int
	Momentum float32
	Nesterov bool
	Decay    float32
	LR       float32 // factor on the rate; 0 means 1
}

// Tasks is chunks of numbers.
func (k SGD) Tasks(int) int { return flat{k.N}.tasks() }

// Scratch is for a velocity that is missing, and coefficients.
func (k SGD) Scratch() int { return chunk + Block }

// Run updates a chunk.
func (k SGD) Run(w *Worker, task int, a *Args) {
	f, coef := flat{k.N}, w.Scratch[chunk:chunk+Block]
	p, g, s := f.part(&a.Out[0], task), f.part(&a.In[0], task), f.slot(w, &a.Out[1], task)
	coef[0], coef[1], coef[2] = rate(&a.In[1], k.LR), k.Momentum, k.Decay
	n := len(p) / Block * Block
	v := vecFor(w.ISA)
	if k.Nesterov {
		v.nesterov(p[:n], g[:n], s[:n], coef)
		portableOps.nesterov(p[n:], g[n:], s[n:], coef)
		return
	}
	v.sgd(p[:n], g[:n], s[:n], coef)
	portableOps.sgd(p[n:], g[n:], s[n:], coef)
}

// RMSProp divides the gradient by a moving average of its magnitude (Tieleman 2012,
// lecture 6.5). With g = grad + Decay*param, in TensorFlow's form, with which the
// Inception networks were trained (Eps 1):
//
//	square   = Rho*square + (1-Rho)*g*g
//	velocity = Momentum*velocity + LR*rate*g/sqrt(square + Eps)
//	param    = param - velocity
//
// With Torch, in PyTorch's form:
//
//	square   = Rho*square + (1-Rho)*g*g
//	velocity = Momentum*velocity + g/(sqrt(square) + Eps)
//	param    = param - LR*rate*velocity
//
// Operands: In[0] grad, In[1] rate, one number; Out[0] param, Out[1] velocity, or no
// memory without momentum, Out[2] square.
type RMSProp struct {
	N        int
	Rho, Eps float32
	Momentum float32
	Decay    float32
	LR       float32 // factor on the rate; 0 means 1
	Torch    bool
}

// Tasks is chunks of numbers.
func (k RMSProp) Tasks(int) int { return flat{k.N}.tasks() }

// Scratch is for a velocity that is missing, and coefficients.
func (k RMSProp) Scratch() int { return chunk + Block }

// Run updates a chunk.
func (k RMSProp) Run(w *Worker, task int, a *Args) {
	f, coef := flat{k.N}, w.Scratch[chunk:chunk+Block]
	p, g, v, s := f.part(&a.Out[0], task), f.part(&a.In[0], task), f.slot(w, &a.Out[1], task), f.part(&a.Out[2], task)
	coef[0], coef[1], coef[2], coef[3], coef[4], coef[5] = rate(&a.In[1], k.LR), k.Momentum, k.Decay, k.Rho, 1-k.Rho, k.Eps
	n := len(p) / Block * Block
	if k.Torch {
		vecFor(w.ISA).rmspropTorch(p[:n], g[:n], v[:n], s[:n], coef)
		portableOps.rmspropTorch(p[n:], g[n:], v[n:], s[n:], coef)
		return
	}
	vecFor(w.ISA).rmsprop(p[:n], g[:n], v[:n], s[:n], coef)
	portableOps.rmsprop(p[n:], g[n:], v[n:], s[n:], coef)
}

// Adam scales the moving average of the gradient by that of its square (Kingma 2015,
// algorithm 1). With t = step + 1 and g = grad + Decay*param:
//
//	mean   = Beta1*mean + (1-Beta1)*g
//	square = Beta2*square + (1-Beta2)*g*g
//	param  = param - LR*rate * (mean/(1-Beta1^t)) / (sqrt(square/(1-Beta2^t)) + Eps)
//
// Decoupled is AdamW (Loshchilov 2019, algorithm 2): g = grad, and param is first
// multiplied with 1 - LR*rate*Decay.
//
// Operands: In[0] grad, In[1] rate, one number, In[2] step, one integer (PutInt) that
// counts from 0; Out[0] param, Out[1] mean, Out[2] square.
type Adam struct {
	N            int
	Beta1, Beta2 float32
	Eps          float32
	Decay        float32
	Decoupled    bool
	LR           float32 // factor on the rate; 0 means 1
}

// Tasks is chunks of numbers.
func (k Adam) Tasks(int) int { return flat{k.N}.tasks() }

// Scratch is for coefficients.
func (k Adam) Scratch() int { return Block }

// powInt is x**n by repeated squaring.
func powInt(x float64, n int) float64 {
	r := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			r *= x
		}
		x *= x
	}
	return r
}

// Run updates a chunk.
func (k Adam) Run(w *Worker, task int, a *Args) {
	f, coef := flat{k.N}, w.Scratch[:Block]
	p, g, m, s := f.part(&a.Out[0], task), f.part(&a.In[0], task), f.part(&a.Out[1], task), f.part(&a.Out[2], task)
	t := int(Int(a.In[2].Mem, a.In[2].Off)) + 1
	r := float64(rate(&a.In[1], k.LR))
	coef[0] = float32(r / (1 - powInt(float64(k.Beta1), t)))
	coef[1], coef[2] = k.Beta1, 1-k.Beta1
	coef[3], coef[4] = k.Beta2, 1-k.Beta2
	coef[5] = float32(1 / (1 - powInt(float64(k.Beta2), t)))
	coef[6] = k.Eps
	coef[7], coef[8] = k.Decay, 1
	if k.Decoupled {
		coef[7], coef[8] = 0, 1-float32(r*float64(k.Decay))
	}
	n := len(p) / Block * Block
	vecFor(w.ISA).adam(p[:n], g[:n], m[:n], s[:n], coef)
	portableOps.adam(p[n:], g[n:], m[n:], s[n:], coef)
}

// Average moves an average of weights towards them: average += Rate*(param - average).
// Rate 1-decay is the exponential moving average that evaluates the Inception
// networks (Szegedy 2016, section 8); with a rate of 1/t in In[1], t counting from 1,
// it is the mean of all steps (Polyak 1992).
//
// Operands: In[0] param, In[1] the rate, one number, if Rate is 0; Out[0] average.
type Average struct {
	N    int
	Rate float32
}

// Tasks is chunks of numbers.
func (k Average) Tasks(int) int { return flat{k.N}.tasks() }

// Run updates a chunk.
func (k Average) Run(w *Worker, task int, a *Args) {
	f := flat{k.N}
	avg, p, r := f.part(&a.Out[0], task), f.part(&a.In[0], task), k.Rate
	if r == 0 {
		r = a.In[1].number()
	}
	n := len(p) / Block * Block
	vecFor(w.ISA).toward(avg[:n], p[:n], r)
	portableOps.toward(avg[n:], p[n:], r)
}

// Penalty adds to a gradient that of L1*sum |w| + L2/2*sum w**2, the sign of 0 being
// 0: out = grad + L1*sign(w) + L2*w.
//
// Operands: In[0] weight, In[1] grad; Out[0] output, which may be the place of grad.
type Penalty struct {
	N      int
	L1, L2 float32
}

// Tasks is chunks of numbers.
func (k Penalty) Tasks(int) int { return flat{k.N}.tasks() }

// Run computes a chunk.
func (k Penalty) Run(_ *Worker, task int, a *Args) {
	f := flat{k.N}
	out, weight, grad := f.part(&a.Out[0], task), f.part(&a.In[0], task), f.part(&a.In[1], task)
	for i, x := range weight {
		g := grad[i] + float32(k.L2*x)
		switch {
		case x > 0:
			g += k.L1
		case x < 0:
			g -= k.L1
		}
		out[i] = g
	}
}
