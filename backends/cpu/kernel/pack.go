package kernel

import (
	"fmt"
	"math"
)

// The ways in which a plan's weights are packed, as Plan.Weights names them.
const (
	PackWeight     = "weight"     // by the kernel's Pack
	PackBias       = "bias"       // by the kernel's PackBias
	PackTransposed = "transposed" // by the kernel's Pack, of a matrix stored KxO; arg is K
	PackBNScale    = "bn scale"   // gamma / sqrt(variance + arg), of gamma, beta, mean, variance
	PackBNShift    = "bn shift"   // beta - mean * scale, likewise
	PackFill       = "fill"       // arg everywhere
	PackBlocked    = "blocked"    // planar to blocked, maps of arg elements
	PackReciprocal = "reciprocal" // 1/x, blocked
	PackWide       = "wide"       // all sources, one after another, as float64s

	PackInt8Weight = "int8 weight" // of weight, scale: in steps of the scale of its output channel
	PackInt8Bias   = "int8 bias"   // of weight, scale and, if there is one, bias: in steps of the sums
	PackInt8Scale  = "int8 scale"  // of scale: what sums are multiplied with
)

// PackInto writes one array of weights that k reads into dst: src are the values
// that it is made from, in row-major order, and how is one of the constants above.
func PackInto(dst []float32, how string, arg float64, k Runner, src ...[]float32) error {
	switch how {
	case PackWeight, PackTransposed:
		p, ok := k.(Packer)
		if !ok {
			return fmt.Errorf("%T does not pack weights", k)
		}
		x := src[0]
		if how == PackTransposed {
			n := int(arg)
			x = make([]float32, len(x))
			for i := range x {
				x[i] = src[0][i%n*(len(x)/n)+i/n]
			}
		}
		p.Pack(dst, x)
	case PackBias:
		p, ok := k.(interface{ PackBias(dst, bias []float32) })
		if !ok {
			return fmt.Errorf("%T does not pack a bias", k)
		}
		p.PackBias(dst, src[0])
	case PackBNScale, PackBNShift:
		gamma, beta, mean, variance := src[0], src[1], src[2], src[3]
		clear(dst)
		n := n16Of(k)
		for i := range gamma {
			s := float64(gamma[i]) / math.Sqrt(float64(variance[i])+arg)
			if how == PackBNShift {
				s = float64(beta[i]) - float64(float64(mean[i])*s)
			}
			fill(dst[i*n:(i+1)*n], float32(s))
		}
	case PackInt8Weight, PackInt8Bias, PackInt8Scale:
		c, ok := k.(int8Packer)
		if !ok {
			return fmt.Errorf("%T does not pack weights of eight bits", k)
		}
		switch {
		case how == PackInt8Weight:
			c.packInt8(dst, src[0], src[1])
		case how == PackInt8Scale:
			c.packInt8Scale(dst, src[0])
		case len(src) > 2:
			c.packInt8Bias(dst, src[2], src[0], src[1])
		default:
			c.packInt8Bias(dst, nil, src[0], src[1])
		}
	case PackFill:
		for i := range dst {
			dst[i] = float32(arg)
		}
	case PackBlocked, PackReciprocal:
		clear(dst)
		n := int(arg)
		for i, x := range src[0] {
			if how == PackReciprocal {
				x = 1 / x
			}
			if n16Of(k) > 1 {
				fill(dst[i*Block:(i+1)*Block], x)
				continue
			}
			c, p := i/n, i%n
			dst[(c/Block*n+p)*Block+c%Block] = x
		}
	case PackWide:
		out := wide(dst, 0, len(dst)/2)
		for _, s := range src {
			for i, x := range s {
				out[i] = float64(x)
			}
			out = out[len(s):]
		}
	default:
		return fmt.Errorf("no packing is called %q", how)
	}
	return nil
}

// UnpackFrom is the way back for arrays that PackInto only reorders: it reads dst
// out of what was packed. Where an element lies it finds out by packing numbers,
// an element's index in two digits, since a float32 holds no more than 24 bits.
func UnpackFrom(packed, dst []float32, how string, arg float64, k Runner) error {
	const base = 1 << 20
	digits := make([]float32, len(dst))
	low, high := make([]float32, len(packed)), make([]float32, len(packed))
	for i := range digits {
		digits[i] = float32(i%base + 1) // 0 is padding
	}
	if err := PackInto(low, how, arg, k, digits); err != nil {
		return err
	}
	for i := range digits {
		digits[i] = float32(i / base)
	}
	if err := PackInto(high, how, arg, k, digits); err != nil {
		return err
	}
	for at, l := range low {
		if l > 0 {
			dst[int(high[at])*base+int(l)-1] = packed[at]
		}
	}
	return nil
}

// n16Of is how often a kernel wants every number: once for each of 16 images where
// these lie side by side.
func n16Of(k Runner) int {
	if _, ok := k.(N16); ok {
		return Block
	}
	return 1
}
