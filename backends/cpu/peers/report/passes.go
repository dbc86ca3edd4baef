package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/peers"
)

// passes measures how much faster each pass makes a network, on the executor and on ONNX
// Runtime: the same network after every stage of the pipeline, in turns.
func (r *report) passes() error {
	stages := []struct{ name, pipeline string }{
		{"-O0", "O0"},
		{"and fold-bn", "O0,fold-bn,const-fold"},
		{"and fuse-act", "O0,fold-bn,fuse-act,const-fold"},
		{"and commute-avgpool", "O0,fold-bn,commute-avgpool,fuse-act,const-fold"},
		{"and merge-siblings", "O0,fold-bn,commute-avgpool,fuse-act,merge-siblings,const-fold"},
		{"-O2", "O2"},
	}
	t := &table{head: []string{"network", "passes", "nodes", "incc, ms", "against -O0 (95 %)", "ONNX Runtime, ms", "against -O0 (95 %)"}}
	for _, name := range []string{"googlenet", "googlenet_bn", "inception_v3"} {
		r.row("passes", name, func() error {
			n, err := spec(name)
			if err != nil {
				return err
			}
			var sides []*side
			defer func() { closeAll(sides) }()
			var nodes []int
			for _, stage := range stages {
				g, err := r.graph(n, stage.pipeline)
				if err != nil {
					return err
				}
				nodes = append(nodes, len(g.Nodes))
				us, err := r.ours(n, stage.pipeline, cpu.Options{Threads: r.threads})
				if err != nil {
					return fmt.Errorf("%s: %w", stage.name, err)
				}
				sides = append(sides, us)
				them, err := r.theirs(newest(isa()), n, stage.pipeline, 1, r.threads)
				if err != nil {
					return fmt.Errorf("%s: %w", stage.name, err)
				}
				sides = append(sides, them)
			}
			times, err := r.race(r.pairs, sides...)
			if err != nil {
				return err
			}
			for i, stage := range stages {
				t.add(name, stage.name, fmt.Sprint(nodes[i]),
					millis(times[2*i]), ratio(peers.Versus(times[2*i], times[0])), millis(times[2*i+1]), ratio(peers.Versus(times[2*i+1], times[1])))
			}
			return nil
		})
	}
	return r.publish("passes", "What the passes are worth", fmt.Sprintf("Batch 1, %d threads, ONNX Runtime %s on the model emitted at the same stage; each line adds a pass to those of the line above, and folds constants. All lines of a network take turns.", r.threads, peers.ORT), t.String())
}
