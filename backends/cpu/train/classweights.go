package train

import "github.com/incc-lang/incc/backends/cpu/data"

// BalancedWeights returns a weight for each class of a network, for a loss in which
// every class counts alike: images / (classes * images of the class), as scikit-learn's
// class_weight="balanced" has it. Classes are those that have images; the weight of
// others is 1, and nothing reads it.
func BalancedWeights(s *data.Set, classes int) []float64 {
	counts := append(s.Counts(), make([]int, classes)...)
	have := 0
	for _, n := range counts {
		have += min(n, 1)
	}
	w := make([]float64, classes)
	for k := range w {
		w[k] = 1
		if counts[k] > 0 {
			w[k] = float64(s.Len()) / (float64(have) * float64(counts[k]))
		}
	}
	return w
}
