package train

import (
	"math"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/data"
)

// TestBalancedWeights compares with scikit-learn 1.9.1:
// compute_class_weight("balanced", classes=[0, 1, 3], y=labels).
func TestBalancedWeights(t *testing.T) {
	s := &data.Set{C: 1, H: 1, W: 1, Classes: 4, Pixels: make([]uint8, 9), Labels: []int32{0, 0, 0, 0, 0, 1, 1, 3, 3}}
	for k, want := range []float64{0.6, 1.5, 1, 1.5, 1} {
		if got := BalancedWeights(s, 5)[k]; math.Abs(got-want) > 1e-12 {
			t.Errorf("class %d has the weight %g, want %g", k, got, want)
		}
	}
}
