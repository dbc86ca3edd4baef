package train

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes/autodiff"
)

// MemoryError is returned where a step does not fit into the memory allowed, however
// much of it is computed twice.
type MemoryError struct {
	Batch        int
	Least, Limit int64              // bytes
	Level        autodiff.Recompute // the level that takes the least memory
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("a step of %d images takes at least %d bytes of memory, but only %d are allowed", e.Batch, e.Least, e.Limit)
}

// Fit returns the lowest level of recomputation at which a step takes at most limit
// bytes, and its memory: weights, the optimizer's slots, and all values of a batch.
func Fit(g *ir.Graph, opt autodiff.Options, batch int, limit int64, o cpu.Options) (autodiff.Recompute, int64, error) {
	o.Batch = batch
	opt.Norm = true
	short := &MemoryError{Batch: batch, Limit: limit, Least: math.MaxInt64}
	for opt.Recompute = autodiff.KeepAll; opt.Recompute <= autodiff.MostRecomputed; opt.Recompute++ {
		tr, err := autodiff.Train(g, opt)
		if err != nil {
			return 0, 0, err
		}
		p, err := cpu.Plan(tr.Graph, o)
		if err != nil {
			return 0, 0, err
		}
		n := stepBytes(p)
		if n <= limit {
			return opt.Recompute, n, nil
		}
		if n < short.Least {
			short.Least, short.Level = n, opt.Recompute
		}
	}
	return 0, 0, short
}

// Memory is the bytes of a step, as [Fit] counts them.
func (e *CPU) Memory() int64 {
	step, _ := e.t.Programs()
	return stepBytes(step.Plan())
}

func stepBytes(p *plan.Plan) int64 { return 4 * (int64(p.Arena) + int64(p.StateLen)) }
