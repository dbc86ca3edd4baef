package ops

import (
	"math"

	"github.com/incc-lang/incc/ir/tensor"
)

// each applies f to every element of x.
func each(x *tensor.Tensor, f func(float64) float64) []*tensor.Tensor {
	y := x.Clone()
	for i, v := range y.Data {
		y.Data[i] = f(v)
	}
	return []*tensor.Tensor{y}
}

// eachGrad multiplies every element of in[0], a gradient, by the derivative at the same
// element of in[1].
func eachGrad(in []*tensor.Tensor, derivative func(float64) float64) []*tensor.Tensor {
	dx := in[0].Clone()
	for i, v := range in[1].Data {
		dx.Data[i] *= derivative(v)
	}
	return []*tensor.Tensor{dx}
}

func finite(xs ...float64) bool {
	for _, x := range xs {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// relu returns NaN for NaN, because the comparison x <= 0 is then false.
func relu(x float64) float64 {
	if x <= 0 {
		return 0
	}
	return x
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// clip returns NaN for NaN.
func clip(x, low, high float64) float64 {
	switch {
	case x <= low:
		return low
	case x >= high:
		return high
	}
	return x
}

func relu6(x float64) float64 { return clip(x, 0, 6) }

func silu(x float64) float64 { return x * sigmoid(x) }

// The slope and the shift of hardswish, and of hardsigmoid by default.
const (
	hardSlope = 1.0 / 6
	hardShift = 0.5
)

func hardSigmoid(x, alpha, beta float64) float64 { return clip(alpha*x+beta, 0, 1) }

func hardSwish(x float64) float64 { return x * hardSigmoid(x, hardSlope, hardShift) }

func leaky(x, alpha float64) float64 {
	if x <= 0 {
		return alpha * x
	}
	return x
}

// The factors of gelu's approximation by tanh.
const (
	geluScale = 0.79788456080286535587989 // sqrt(2/pi)
	geluCubic = 0.044715
)

func gelu(x float64, byTanh bool) float64 {
	if byTanh {
		return x / 2 * (1 + math.Tanh(geluScale*(x+geluCubic*x*x*x)))
	}
	return x / 2 * math.Erfc(-x/math.Sqrt2)
}

func geluDerivative(x float64, byTanh bool) float64 {
	if byTanh {
		t := math.Tanh(geluScale * (x + geluCubic*x*x*x))
		return (1+t)/2 + x/2*(1-t*t)*geluScale*(1+3*geluCubic*x*x)
	}
	return math.Erfc(-x/math.Sqrt2)/2 + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
}
