package kernel

import "math"

// The activation functions that have no vector primitive of their own are composed of
// others here, a chunk of a row at a time. So they have the same bits on every tier.

// actChunk is how many float32s are activated at a time; the temporaries then stay in the
// first cache.
const actChunk = 512

// actTemps are the temporaries of a chunk.
type actTemps struct {
	t, u, s [actChunk]float32
	a, b    [Block]float32 // parameters of the function, for every lane
}

// The slope and the shift of ActHardSwish, and of ActHardSigmoid without parameters.
const (
	hardSlope = 1.0 / 6
	hardShift = 0.5
)

// Constants for the primitives that repeat one block.
var (
	actOne, actMinusOne = lanesOf(1), lanesOf(-1)
	actHalf, actSixth   = lanesOf(hardShift), lanesOf(hardSlope)
	actSix              = lanesOf(6)

	actOnes = func() (x [actChunk]float32) {
		for i := range x {
			x[i] = 1
		}
		return x
	}()
)

func lanesOf(x float32) (b [Block]float32) {
	for i := range b {
		b[i] = x
	}
	return b
}

// fill sets the parameters.
func (t *actTemps) fill(a, b float32) { t.a, t.b = lanesOf(a), lanesOf(b) }

// atZero reports whether the function is not 0 at 0, so that lanes past the last channel
// must be cleared.
func (a Act) atZero() bool { return a == ActSigmoid || a == ActHardSigmoid || a == ActClip }

// rectifies reports whether the function begins with a ReLU, which the microkernels
// compute.
func (a Act) rectifies() bool { return a == ActReLU || a == ActReLU6 }

// apply applies an activation without parameters in place.
func (w *Worker) apply(a Act, row []float32) {
	if a != ActNone {
		w.activate(a, hardSlope, hardShift, row, row)
	}
}

// activate is dst = a(src). Only ActClip, ActHardSigmoid and ActLeakyReLU have parameters: p
// and q as Activation says; dst may be src.
func (w *Worker) activate(a Act, p, q float32, dst, src []float32) {
	v := vecFor(w.ISA)
	switch a {
	case ActNone:
		copy(dst, src)
		return
	case ActReLU:
		v.relu(dst, src)
		return
	case ActSigmoid:
		v.sigmoid(dst, src)
		return
	case ActTanh:
		v.tanh(dst, src)
		return
	case ActGELU:
		v.gelu(dst, src)
		return
	}
	w.act.fill(p, q)
	for len(dst) > 0 {
		n := min(len(dst), actChunk)
		w.act.forward(v, a, dst[:n], src[:n])
		dst, src = dst[n:], src[n:]
	}
}

// forward is activate for a chunk.
func (t *actTemps) forward(v *vecOps, a Act, dst, src []float32) {
	x := t.t[:len(dst)]
	switch a {
	case ActReLU6:
		v.relu(dst, src)
		v.min(dst, dst, actSix[:], 0)
	case ActClip:
		v.max(dst, src, t.a[:], 0)
		v.min(dst, dst, t.b[:], 0)
	case ActHardSigmoid:
		v.hardSigmoid(dst, src, t.a[:], t.b[:])
	case ActHardSwish:
		v.hardSigmoid(x, src, actSixth[:], actHalf[:])
		v.mul(dst, src, x, Block)
	case ActSiLU:
		v.sigmoid(x, src)
		v.mul(dst, src, x, Block)
	case ActLeakyReLU: // relu(x) - alpha * relu(-x)
		v.mul(x, src, actMinusOne[:], 0)
		v.relu(x, x)
		v.mul(x, x, t.a[:], 0)
		v.relu(dst, src)
		v.sub(dst, dst, x, Block)
	case ActSqrt:
		for i, z := range src {
			dst[i] = float32(math.Sqrt(float64(z))) // one instruction, rounded to the nearest float32
		}
	case ActGELUTanh: // (1 + tanh(z))/2 is sigmoid(2z)
		v.geluPower(x, src)
		v.sigmoid(x, x)
		v.mul(dst, src, x, Block)
	}
}

// hardSigmoid is dst = min(max(alpha*src + beta, 0), 1).
func (v *vecOps) hardSigmoid(dst, src, alpha, beta []float32) {
	v.affine(dst, src, alpha, beta)
	v.relu(dst, dst)
	v.min(dst, dst, actOne[:], 0)
}

// The factors of 2z = x*(geluLinear + geluCubic*x*x), with z = sqrt(2/pi)*(x + 0.044715*x**3),
// and of its derivative.
var (
	geluLinear     = lanesOf(1.5957691216057308)
	geluCubic      = lanesOf(0.071354816272600248)
	geluCubicSlope = lanesOf(0.21406444881780074)
)

// geluPower is dst = 2z for gelu by tanh. dst must not be src.
func (v *vecOps) geluPower(dst, src []float32) {
	v.mul(dst, src, src, Block)
	v.affine(dst, dst, geluCubic[:], geluLinear[:])
	v.mul(dst, dst, src, Block)
}
