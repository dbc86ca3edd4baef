package gosrc

import (
	"math"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
)

// TestRandomGraphs checks that Generate returns a package or an error, and does not panic,
// for any graph that ir.Verify accepts and that can be planned, and for any recipe.
func TestRandomGraphs(t *testing.T) {
	unplannable := func(op ir.Op) bool { return ir.Name(op) == "div" || ir.Name(op) == "sqrt" }
	graphs := map[string]*ir.Graph{}
	for seed := range int64(longtest.Count(40, 600, 6000)) {
		g := irtest.Random(seed, irtest.Options{Fused: seed%2 == 0, Skip: unplannable})
		graphs[g.Name] = g
	}
	odd := func(name string, build func(n *irtest.Net) []*ir.Value) {
		n := irtest.NewNet(name, 1)
		graphs[name] = n.Finish(build(n)...)
	}
	odd("identity", func(n *irtest.Net) []*ir.Value {
		return []*ir.Value{n.Input("x", ir.Float(ir.Batch, 5))}
	})
	odd("scalars", func(n *irtest.Net) []*ir.Value {
		return []*ir.Value{n.Op("r", ops.ReLU{}, n.Input("x", ir.Float(ir.Batch)))}
	})
	odd("two", func(n *irtest.Net) []*ir.Value {
		x := n.Input("x", ir.Float(ir.Batch, 5))
		y := n.Op("r", ops.ReLU{}, x)
		return []*ir.Value{y, n.Op("s", ops.Tanh{}, y)}
	})
	odd("no batch", func(n *irtest.Net) []*ir.Value {
		return []*ir.Value{n.Op("r", ops.ReLU{}, n.Input("x", ir.Float(3, 4)))}
	})
	odd("five axes", func(n *irtest.Net) []*ir.Value {
		return []*ir.Value{n.Op("r", ops.ReLU{}, n.Input("x", ir.Float(ir.Batch, 2, 3, 4, 5)))}
	})
	recipes := []*recipe.Recipe{
		nil,
		{},
		{Input: &recipe.Input{}, Labels: &recipe.Labels{}},
		{Input: &recipe.Input{Lo: math.NaN(), Hi: math.Inf(1), Mean: []float64{math.NaN()}, Resize: -3}, Labels: &recipe.Labels{Names: []string{"a"}}},
		{Input: &recipe.Input{Hi: 1, Mean: []float64{1, 2}, Std: []float64{0, 0, 0}, Order: "\n", Resize: math.MaxInt}},
	}
	var unplanned []string
	made, failed := 0, 0
	for name, g := range graphs {
		if err := ir.Verify(g); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p, err := cpu.Plan(g, cpu.Options{})
		if err != nil {
			unplanned = append(unplanned, name+": "+err.Error())
			continue
		}
		for i, r := range recipes {
			g.Recipe = r
			opt := options()
			if opt.Main = i%2 == 0; i > 2 {
				opt.Golden = nil
			}
			pkg, err := Generate(g, p, opt)
			switch {
			case err == nil && len(pkg.Files) < 3:
				t.Errorf("%s: %d files", name, len(pkg.Files))
			case err == nil:
				made++
			default:
				failed++
			}
		}
	}
	t.Logf("%d packages of %d graphs and %d recipes, %d errors; without a plan: %v", made, len(graphs), len(recipes), failed, unplanned)
	if made < 2*len(graphs) || len(unplanned) > len(graphs)/4 {
		t.Errorf("only %d packages of %d graphs", made, len(graphs))
	}
}
