package cpu

import (
	"errors"
	"math"
	"testing"

	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
)

// TestRandomRecompute trains random networks for two steps at every level of
// recomputation: all params end as the same bits.
func TestRandomRecompute(t *testing.T) {
	count := longtest.Count(8, 32, 1000)
	changed := 0
	for seed := uint64(0); count > 0; seed++ {
		g := randomNet(t, seed)
		out := g.Outputs[len(g.Outputs)-1]
		if s := out.Type.Shape; len(g.Outputs) != 1 || len(s) != 2 || s[1] < 3 {
			continue
		}
		count--
		nodes := 0
		for _, o := range []Options{{Threads: 2, Batch: 3}, {Threads: 2, Batch: 20, lanes: n16Always}} {
			var want [][]float32
			for level := autodiff.KeepAll; level <= autodiff.MostRecomputed; level++ {
				tr, err := autodiff.Train(g, autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd", Momentum: 0.9}, Norm: true, Recompute: level})
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				got, err := paramsAfter(tr.Graph, o, 2)
				if errors.Is(err, plan.ErrUnsupported) {
					break
				}
				if err != nil {
					t.Fatalf("seed %d, %v twice: %v", seed, level, err)
				}
				if level == autodiff.KeepAll {
					want, nodes = got, len(tr.Graph.Nodes)
					continue
				}
				if len(tr.Graph.Nodes) > nodes {
					changed++
				}
				for i := range want {
					for j := range want[i] {
						if math.Float32bits(want[i][j]) != math.Float32bits(got[i][j]) {
							t.Fatalf("seed %d, batch %d, %v twice: %s[%d] is %g, not %g", seed, o.Batch, level, tr.Graph.Updates[i].Param.Name, j, got[i][j], want[i][j])
						}
					}
				}
			}
		}
	}
	if changed < 2 {
		t.Errorf("only %d graphs computed something twice", changed)
	}
}

// paramsAfter runs some steps and returns what params have become, in the order of
// the graph's updates.
func paramsAfter(g *ir.Graph, o Options, steps int) ([][]float32, error) {
	p, err := Compile(g, o)
	if err != nil {
		return nil, err
	}
	defer p.pool.Close()
	if err := plan.Check(p.Plan()); err != nil {
		return nil, err
	}
	s := p.NewSession()
	for step := range steps {
		_, in := trainInputs(g, o.Batch, step)
		if err := s.Run(in, outputs(p, o.Batch)); err != nil {
			return nil, err
		}
	}
	var r [][]float32
	for _, u := range g.Updates {
		x, err := s.Param(u.Param.Name)
		if err != nil {
			return nil, err
		}
		r = append(r, x)
	}
	return r, nil
}
