package main

import (
	"fmt"
	"io"
	"time"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
)

// dryRun trains two steps and prints the loss and the time of a step. It writes no file.
func dryRun(w io.Writer, p *prepared) error {
	b := data.NewBatches(p.input, p.train, p.engine.Batch(), p.recipe.Run.Seed, 0, 0)
	defer b.Close()
	x, err := b.Next()
	if err != nil {
		return err
	}
	st, err := train.StepOn(p.engine, x, float32(p.recipe.Optimizer.LR), 0)
	if err != nil {
		return err
	}
	// The first step is slower, as it touches its memory for the first time; the second
	// one is timed.
	start := time.Now()
	if _, err := train.StepOn(p.engine, x, 0, 1); err != nil {
		return err
	}
	d := time.Since(start)
	text := fmt.Sprintf("one step: loss %.4f, norm of the gradients %.4g, %.0f ms", st.Loss, st.Norm, float64(d.Microseconds())/1000)
	if e, ok := p.engine.(interface{ Memory() int64 }); ok && e.Memory() > 0 {
		text += fmt.Sprintf(", %s of memory", bytesText(e.Memory()))
	}
	text += fmt.Sprintf("; %d steps an epoch, about %s for all", b.Steps(), shortTime(d.Seconds()*float64(b.Steps())*p.recipe.Run.Epochs))
	_ = say(w, text)
	say(w, "nothing was written")
	if !st.Finite() {
		return &numericalError{"the loss or a gradient is not finite"}
	}
	return nil
}
