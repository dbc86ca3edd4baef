package train

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir/recipe"
)

// TestBestOfEqual: of epochs with the same validation accuracy the one with the lowest
// loss is the best, also after the state was written and read in between. It is no gain
// of the metric for early_stop.
func TestBestOfEqual(t *testing.T) {
	type result struct {
		acc, loss   float64
		best, stale int // after the epoch
	}
	for name, c := range map[string]struct {
		config Config
		epochs []result
	}{
		"accuracy": {Config{Val: &data.Set{}}, []result{{0.5, 2, 1, 0}, {0.75, math.NaN(), 2, 0}, {0.75, 1, 3, 1}, {0.75, 1, 3, 2}, {0.75, 0.5, 4 + 1, 3}, {0.5, 0.1, 5, 4}, {1, 3, 7, 0}, {1, math.NaN(), 7, 1}, {1, 2.5, 9, 2}}},
		"loss":     {Config{Val: &data.Set{}, Recipe: recipe.Train{EarlyStop: recipe.EarlyStop{Metric: "loss"}}}, []result{{0.5, 2, 1, 0}, {0.75, 2, 1, 1}, {0.1, 1, 3, 0}}},
		"training": {Config{}, []result{{0.5, 2, 1, 0}, {0.5, 1, 2, 1}, {0.5, 1.5, 2, 2}}},
	} {
		s := &State{BestAt: -1}
		for i, e := range c.epochs {
			r := Row{Epoch: i + 1, ValAcc: e.acc, ValLoss: e.loss, TrainAcc: e.acc, TrainLoss: e.loss}
			if c.config.Val == nil {
				r.ValAcc, r.ValLoss = math.NaN(), math.NaN()
			}
			c.config.gain(s, r)
			s.Rows = append(s.Rows, r)
			if s.BestAt != e.best || s.Stale != e.stale {
				t.Errorf("%s: after epoch %d epoch %d is the best and %d epochs had no gain, want %d and %d", name, i+1, s.BestAt, s.Stale, e.best, e.stale)
			}
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			s = &State{}
			if err := json.Unmarshal(b, s); err != nil {
				t.Fatal(err)
			}
		}
	}
}
