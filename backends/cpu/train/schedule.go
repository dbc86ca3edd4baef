package train

import (
	"math"

	"github.com/incc-lang/incc/backends/cpu/epochs"
	"github.com/incc-lang/incc/ir/recipe"
)

// ScheduleOf returns the learning rate schedule of a recipe, for a run of length
// epochs.
func ScheduleOf(t *recipe.Train, length float64) epochs.Schedule {
	s := t.Schedule
	return epochs.Schedule{Kind: s.Kind, Base: t.Optimizer.LR, Epochs: length, Every: s.Every, Factor: s.Factor, Power: s.Power, Warmup: s.Warmup, Floor: s.Floor, At: s.At}
}

// exp is e^x. It halves x until 20 terms of the series are exact, then squares the
// result as often; unlike math.Exp it gives the same bits on every machine.
func exp(x float64) float64 {
	n := 0
	for math.Abs(x) > 0.5 {
		x /= 2
		n++
	}
	s, term := 1.0, 1.0
	for k := 1; k < 20; k++ {
		term = float64(term*x) / float64(k)
		s += term
	}
	for ; n > 0; n-- {
		s = float64(s * s)
	}
	return s
}
