package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/passes/autodiff"
)

// memory measures how much longer a training step takes in less memory: with all activations
// kept, with the cheap ones computed twice, and at the level that needs least memory.
func (r *report) memory() error {
	t := &table{head: []string{"network", "batch", "computed twice", "MB", "of all", "ms", "times as long (95 %)"}}
	for _, x := range []struct {
		name  string
		batch int
	}{{"googlenet", 16}, {"inception_v3", 8}} {
		r.row("memory", fmt.Sprintf("%s b%d", x.name, x.batch), func() error {
			n, err := spec(x.name)
			if err != nil {
				return err
			}
			var sides []*side
			var bytes []int64
			levels := []autodiff.Recompute{autodiff.KeepAll, autodiff.Cheap, autodiff.Segments + 2}
			for _, level := range levels {
				s, e, _, _, err := r.trainer(n, x.batch, r.threads, level)
				if err != nil {
					return err
				}
				sides, bytes = append(sides, s), append(bytes, e.Memory())
			}
			times, err := r.race(r.pairs, sides...)
			if err != nil {
				return err
			}
			for i, level := range levels {
				t.add(x.name, fmt.Sprint(x.batch), level.String(), fmt.Sprintf("%.0f", float64(bytes[i])/1e6), fmt.Sprintf("%.0f %%", 100*float64(bytes[i])/float64(bytes[0])),
					millis(times[i]), ratio(peers.Versus(times[0], times[i])))
			}
			return nil
		})
	}
	return r.publish("memory", "A training step in less memory", fmt.Sprintf("%d threads, with heads, in turns; memory is weights, optimizer state and everything that a step computes. *computed twice* says which activations are computed again instead of kept; the weights that come out are the same bits.", r.threads), t.String())
}
