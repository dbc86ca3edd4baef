package cpu

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
)

// The ways in which weights are packed.
const (
	packWeight     = "weight"     // by the kernel's Pack
	packBias       = "bias"       // by the kernel's PackBias
	packTransposed = "transposed" // by the kernel's Pack, of a matrix stored KxO; Arg is K
	packBNScale    = "bn scale"   // gamma / sqrt(variance + Arg) of gamma, beta, mean, variance
	packBNShift    = "bn shift"   // beta - mean * scale, likewise
	packFill       = "fill"       // Arg everywhere
	packBlocked    = "blocked"    // planar to blocked, maps of Arg elements
	packReciprocal = "reciprocal" // 1/x, blocked
)

// biasPacker is a kernel that stores its bias in an order of its own.
type biasPacker interface {
	PackBias(dst, bias []float32)
}

// pack writes one weight of a plan into dst, of the weight's length; src are the
// values of its params, and do is the kernel that reads it.
func pack(dst []float32, w plan.Weight, do plan.Kernel, src [][]float32) error {
	switch w.How {
	case packWeight, packTransposed:
		p, ok := do.(kernel.Packer)
		if !ok {
			return fmt.Errorf("%T does not pack weights", do)
		}
		x := src[0]
		if w.How == packTransposed {
			k := int(w.Arg)
			x = make([]float32, len(x))
			for i := range x {
				x[i] = src[0][i%k*(len(x)/k)+i/k]
			}
		}
		p.Pack(dst, x)
	case packBias:
		p, ok := do.(biasPacker)
		if !ok {
			return fmt.Errorf("%T does not pack a bias", do)
		}
		p.PackBias(dst, src[0])
	case packBNScale, packBNShift:
		gamma, beta, mean, variance := src[0], src[1], src[2], src[3]
		clear(dst)
		for i := range gamma {
			s := float64(gamma[i]) / math.Sqrt(float64(variance[i])+w.Arg)
			if w.How == packBNShift {
				s = float64(beta[i]) - float64(float64(mean[i])*s)
			}
			dst[i] = float32(s)
		}
	case packFill:
		for i := range dst {
			dst[i] = float32(w.Arg)
		}
	case packBlocked, packReciprocal:
		clear(dst)
		m := int(w.Arg)
		for i, x := range src[0] {
			if w.How == packReciprocal {
				x = 1 / x
			}
			c, p := i/m, i%m
			dst[(c/kernel.Block*m+p)*kernel.Block+c%kernel.Block] = x
		}
	default:
		return fmt.Errorf("no packing is called %q", w.How)
	}
	return nil
}
