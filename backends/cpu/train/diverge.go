package train

import (
	"fmt"
	"math"
)

// A run has diverged if in two windows of steps in a row the mean loss is more than ten
// times that of the first window, and more than guessing gives. Single steps may be
// far off; and a run that begins with trained weights, whose loss is small, may rise to
// some tenths.
const (
	divergeWindow = 50 // steps, or those of an epoch if it has fewer
	divergeFactor = 10
)

// LossWindow follows the mean loss of windows of steps. It is part of a checkpoint, so
// that an interrupted run stops where an uninterrupted one does.
type LossWindow struct {
	First float64 `json:"first"` // mean loss of the first window, 0 before its end
	Sum   float64 `json:"sum"`   // of the losses of the window in work
	Steps int     `json:"steps"` // of the window in work
	High  int     `json:"high"`  // windows in a row whose loss was too high
}

// check reports numbers that no run can have written.
func (w *LossWindow) check() error {
	if w.Steps < 0 || w.Steps >= divergeWindow || w.High < 0 || math.IsNaN(w.First) || math.IsInf(w.First, 0) || math.IsNaN(w.Sum) || math.IsInf(w.Sum, 0) {
		return fmt.Errorf("a window of %d losses with the sum %g, after a first mean of %g", w.Steps, w.Sum, w.First)
	}
	return nil
}

// add counts the loss of a step. It reports whether the run has diverged, and the mean
// loss of the window that shows it.
func (w *LossWindow) add(loss float64, window, classes int) (mean float64, diverged bool) {
	w.Sum += loss
	if w.Steps++; w.Steps < window {
		return 0, false
	}
	mean = w.Sum / float64(w.Steps)
	w.Sum, w.Steps = 0, 0
	switch {
	case w.First == 0:
		w.First = mean
	case mean > divergeFactor*w.First && mean > math.Log(float64(classes)):
		w.High++
	default:
		w.High = 0
	}
	return mean, w.High >= 2
}

// DivergedError ends a run whose loss rose and stayed high.
type DivergedError struct {
	Step        int64 // of the run, counted from 0
	Epoch       int   // counted from 0
	Loss, First float64
	Window      int // steps of a window
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("the loss diverges: its mean over the %d steps up to step %d of epoch %d is %.4g, %.3g times that of the first %d (%.4g), and it was as high before: try a smaller learning rate, a warm-up or clip norm=",
		e.Window, e.Step, e.Epoch+1, e.Loss, e.Loss/e.First, e.Window, e.First)
}
