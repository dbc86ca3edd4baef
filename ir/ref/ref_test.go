package ref_test

import (
	"math"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// affine is y = 2x + w with a weight w, a head and an update of w. It also returns the
// value 2x.
func affine() (*ir.Graph, *ir.Value) {
	n := irtest.NewNet("affine", 1)
	x := n.Input("x", ir.Float(ir.Batch, 2))
	w := n.Weight("w", ir.Weight, 0, 1, 2)
	n.Graph().Data["w"] = tensor.Of([]float32{10, 20}, 2)
	twice := n.Op("twice", ops.Scale{By: 2}, x)
	g := n.Finish(n.Op("y", ops.Add{}, twice, w))
	g.Heads = []ir.Head{{Value: n.Op("head", ops.ReLU{}, x), Weight: 0.3}}
	g.Updates = []ir.Update{{Param: w, Value: n.Op("next", ops.Scale{By: 0.5}, w)}}
	return g, twice
}

func TestRun(t *testing.T) {
	g, twice := affine()
	x := tensor.Of([]float64{1, -2, 3, 4}, 2, 2)
	res, err := ref.Run(g, []*tensor.Tensor{x}, ref.Options{Keep: []*ir.Value{twice}})
	if err != nil {
		t.Fatal(err)
	}
	for v, want := range map[*ir.Value][]float64{
		g.Outputs[0]: {12, 16, 16, 28}, g.Heads[0].Value: {1, 0, 3, 4}, g.Updates[0].Value: {5, 10}, twice: {2, -4, 6, 8},
	} {
		if res[v] == nil {
			t.Errorf("%s is not returned", v.Name)
		} else if d, _ := tensor.MaxDiff(res[v], tensor.Of(want, len(want))); d != 0 {
			t.Errorf("%s is %v, want %v", v.Name, res[v].Data, want)
		}
	}
	if len(res) != 4 {
		t.Errorf("%d values are returned, want 4", len(res))
	}
	// Each may change a value; later nodes read the changed one.
	res, err = ref.Run(g, []*tensor.Tensor{x}, ref.Options{Each: func(v *ir.Value, y *tensor.Tensor) {
		if v == twice {
			for i := range y.Data {
				y.Data[i] = 0
			}
		}
	}})
	if err != nil || res[g.Outputs[0]].Data[3] != 20 || x.Data[3] != 4 {
		t.Errorf("%v, %v", err, res[g.Outputs[0]].Data)
	}
}

// Params without data get the same elements that Materialize draws for the seed.
func TestSeed(t *testing.T) {
	run := func(g *ir.Graph, seed int64) float64 {
		res, err := ref.Run(g, []*tensor.Tensor{tensor.New(1, 2)}, ref.Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return res[g.Outputs[0]].Data[0]
	}
	g, _ := affine()
	delete(g.Data, "w")
	a, b := run(g, 7), run(g, 8)
	ir.Materialize(g, 7)
	if c := run(g, 0); a == b || a != c || math.IsNaN(a) {
		t.Errorf("%g and %g by seed, %g materialized", a, b, c)
	}
}

func TestErrors(t *testing.T) {
	g, _ := affine()
	bad := func(want string, in ...*tensor.Tensor) {
		t.Helper()
		if _, err := ref.Run(g, in, ref.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	bad("affine has 1 inputs, 0 were given")
	bad("input x is Nx2, a tensor of shape 1x3 was given", tensor.New(1, 3))
	bad("input x is Nx2, a tensor of shape 2 was given", tensor.New(2))
	g.Nodes[0], g.Nodes[1] = g.Nodes[1], g.Nodes[0]
	bad("y reads twice before it is computed", tensor.New(1, 2))
	// All inputs must have the same batch size.
	n := irtest.NewNet("two", 1)
	g = n.Finish(n.Op("y", ops.Add{}, n.Input("a", ir.Float(ir.Batch, 2)), n.Input("b", ir.Float(ir.Batch, 2))))
	bad("input b is Nx2, a tensor of shape 2x2 was given", tensor.New(1, 2), tensor.New(2, 2))
}
