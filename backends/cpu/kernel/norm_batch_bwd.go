package kernel

import (
	"math"

	"github.com/incc-lang/incc/backends/cpu/scalar"
)

// BatchNormBackward is the gradient of BatchNormTrain (Ioffe 2015, section 3, the
// chain rule simplified). With r = 1/sqrt(v + Eps) and z = (x - m)*r:
//
//	dbeta = sum dy   dgamma = sum dy*z   dx = gamma*r * (dy - mean(dy) - z*mean(dy*z))
//
// Operands: In[0] dy (view DY), In[1] the input x (view X), In[2] m, In[3] v; W[0]
// gamma, padded to whole blocks, or nil for 1; Out[0] dx (view DX), which may be
// the place of dy; Out[1] dgamma and Out[2] dbeta, a vector of whole blocks each.
//
// With Act, ActReLU or ActReLU6 or ActClip of A..B, dy is the gradient behind that activation of
// the result of the normalization, which is computed again from x, as BatchNormTrain did: W[1] is
// beta.
type BatchNormBackward struct {
	C, H, W   int
	Eps       float32
	DY, X, DX View
	Act       Act
	A, B      float32
}

// Tasks is channel blocks.
func (k BatchNormBackward) Tasks(images int) int { return Blocks(k.C) }

// Scratch holds the coefficients of maskedNormBackward, a block each, two blocks of sums, and a
// stretch of pixels of each operand.
func (k BatchNormBackward) Scratch() int { return (10 + 2*stretchPixels) * Block }

// Run computes a channel block of all images.
func (k BatchNormBackward) Run(w *Worker, block int, a *Args) {
	coef := w.Scratch[:8*Block]
	copy(coef[:Block], a.In[2].vector(block))
	v := vecFor(w.ISA)
	dot, backward := v.dotRow, v.batchNormBackward
	if k.Act != ActNone {
		k.mask(coef[4*Block:], block, a)
		dot, backward = v.maskedDotRow, v.maskedNormBackward
	}
	k.sums(w, block, a, dot, coef)
	h, width := fuseRows(0, k.H, k.W, k.DY, k.X, k.DX)
	for n := range a.Images {
		for y := range h {
			backward(k.DX.row(&a.Out[0], n, block, y, width), k.DY.row(&a.In[0], n, block, y, width), k.X.row(&a.In[1], n, block, y, width), coef)
		}
	}
}

// mask sets the coefficients that say where the activation lets dy pass: the line that normalizes,
// and its bounds. Of infinity less infinity, a NaN, the masked primitives let dy pass, as a ReLU.
func (k *BatchNormBackward) mask(coef []float32, block int, a *Args) {
	normLine(coef[:Block], coef[Block:2*Block], a.In[2].vector(block), a.In[3].vector(block), a, k.Eps, block, k.C)
	low, high := k.A, k.B
	switch k.Act {
	case ActReLU:
		low, high = 0, float32(math.Inf(1))
	case ActReLU6:
		low, high = 0, 6
	}
	for i := range Block {
		coef[2*Block+i], coef[3*Block+i] = low, high
	}
}

// sums computes dgamma and dbeta of a channel block, and from them the coefficients of dx behind
// the mean, which is the first.
func (k *BatchNormBackward) sums(w *Worker, block int, a *Args, dotRow func(acc, dy, x, coef []float32), coef []float32) {
	acc := w.Scratch[8*Block : 10*Block]
	var sum, dot [Block]float64
	scratch := w.Scratch[10*Block:]
	for n := range a.Images {
		for p := 0; p < k.H*k.W; p += stretchPixels {
			pixels := min(stretchPixels, k.H*k.W-p)
			dy := k.DY.pixels(&a.In[0], n, block, p, pixels, k.W, scratch)
			x := k.X.pixels(&a.In[1], n, block, p, pixels, k.W, scratch[stretchPixels*Block:])
			dotRow(acc, dy, x, coef)
			addTo(&sum, acc)
			addTo(&dot, acc[Block:])
		}
	}
	count := float64(a.Images * k.H * k.W)
	variance, dgamma, dbeta := a.In[3].vector(block), a.Out[1].vector(block), a.Out[2].vector(block)
	for i := range Block {
		c := block*Block + i
		if c >= k.C {
			dgamma[i], dbeta[i] = 0, 0
			for j := range 3 {
				coef[(j+1)*Block+i] = 0
			}
			continue
		}
		r := 1 / scalar.Sqrt(variance[i]+k.Eps)
		gamma := float32(1)
		if a.W[0] != nil {
			gamma = a.W[0][c]
		}
		dgamma[i], dbeta[i] = float32(dot[i]*float64(r)), float32(sum[i])
		s := gamma * r
		coef[Block+i] = s
		coef[2*Block+i] = -s * r * float32(float64(dgamma[i])/count)
		coef[3*Block+i] = -s * float32(sum[i]/count)
	}
}

// pixels returns n pixels of a map of w columns from pixel p on, counted row by row. Where there are
// gaps between rows they are copied to scratch memory, so that a sum is the same for every view.
func (v View) pixels(b *Buf, image, block, p, n, w int, scratch []float32) []float32 {
	if v.H == w*Block {
		return v.stretch(b, image, block, 0, p, n)
	}
	all := scratch[:n*Block]
	for rest := all; len(rest) > 0; {
		y, x := p/w, p%w
		run := copy(rest, v.stretch(b, image, block, y, x, w-x))
		rest, p = rest[run:], p+w-x
	}
	return all
}
