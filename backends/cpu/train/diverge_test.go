package train

import "testing"

// TestLossWindow: a loss that rises for good is found in the second window that shows
// it; spikes, and a small loss that becomes a less small one, are not.
func TestLossWindow(t *testing.T) {
	const window, steps = 10, 100
	for _, c := range []struct {
		name string
		loss func(step int) float64
		at   int // the step that ends the run, -1 for none
	}{
		{"falls", func(step int) float64 { return 2.3 / float64(1+step) }, -1},
		{"rises at step 40", func(step int) float64 {
			if step < 40 {
				return 2
			}
			return 21
		}, 59},
		{"a spike", func(step int) float64 {
			if step == 33 {
				return 500
			}
			return 2
		}, -1},
		{"a window of spikes", func(step int) float64 {
			if step/10 == 3 {
				return 500
			}
			return 2
		}, -1},
		{"nine times", func(step int) float64 { return 1 + 17*float64(min(step, 30))/30/2 }, -1},
		{"trained before", func(step int) float64 { return []float64{0.01, 0.5}[min(step/10, 1)] }, -1},
	} {
		var w LossWindow
		at := -1
		for step := range steps {
			if _, diverged := w.add(c.loss(step), window, 10); diverged {
				at = step
				break
			}
			if err := w.check(); err != nil {
				t.Fatal(err)
			}
		}
		if at != c.at {
			t.Errorf("%s: ends at step %d, want %d", c.name, at, c.at)
		}
	}
}
