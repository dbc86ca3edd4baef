package kernel

import (
	"math"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/scalar"
)

// TestVectorMathBits compares the tiers' functions with the scalar ones on numbers
// of all exponents.
func TestVectorMathBits(t *testing.T) {
	var x []float32
	for b := uint64(0); b < 1<<32; b += 65521 {
		x = append(x, math.Float32frombits(uint32(b)))
	}
	for i := range 20000 {
		x = append(x, float32(i-10000)/90)
	}
	x = x[:len(x)/Block*Block]
	for isa := range tiers(nil) {
		v := vecFor(isa)
		for name, f := range map[string]struct {
			vector func(dst, src []float32)
			one    func(float32) float32
		}{"exp": {v.exp, scalar.Exp}, "sigmoid": {v.sigmoid, scalar.Sigmoid}, "tanh": {v.tanh, scalar.Tanh},
			"gelu": {v.gelu, scalar.GELU}, "normal tail": {v.normalTail, scalar.NormalTail}, "relu": {v.relu, relu}} {
			got, want := make([]float32, len(x)), make([]float32, len(x))
			f.vector(got, x)
			for i := range x {
				want[i] = f.one(x[i])
			}
			if err := sameBits(got, want); err != nil {
				t.Errorf("%v %s: %v", isa, name, err)
			}
		}
	}
}
