package onnx

import (
	"math/rand/v2"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// A network of Keras: between the transpositions of each layer nothing needs the channels
// last, so none is left but the first.
func TestSinkTransposesOfKeras(t *testing.T) {
	b := ir.NewBuilder("nhwc")
	param := func(name string, shape ...int) *ir.Value {
		v := b.Param(name, shape, ir.Param{Kind: ir.Weight})
		b.Graph().Data[v.Name] = ir.Draw(name, shape, ir.Init{Kind: ir.InitUniform, A: 1}, 1)
		return v
	}
	toC, toH := ops.Transpose{Perm: "0,3,1,2"}, ops.Transpose{Perm: "0,2,3,1"}
	one := ir.HW{1, 1}
	x := b.Input("x", ir.Float(ir.Batch, 6, 6, 4))
	for range 2 {
		y := b.Do(toH, b.Do(ops.Conv{Stride: one, Dilation: one, Groups: 1}, b.Do(toC, x), param("w", 4, 4, 1, 1)))
		y = b.Do(ops.ReLU{}, b.Do(ops.Add{}, y, param("bias", 4)))
		gate := b.Do(ops.Sigmoid{}, b.Do(ops.Reduce{Kind: ops.ReduceMean, Axes: "1,2", Keep: true}, y))
		x = b.Do(ops.Concat{Axis: 3}, b.Do(ops.Mul{}, y, gate), y)
		x = b.Do(ops.Slice{Axis: 3, Start: 1, Stop: 5}, x)
	}
	x = b.Do(ops.Flatten{}, b.Do(ops.Reduce{Kind: ops.ReduceMean, Axes: "1,2", Keep: true}, x))
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	g := b.Graph()
	g.Outputs = []*ir.Value{x}
	h := sunk(t, g)
	count := 0
	for _, n := range h.Nodes {
		if _, ok := n.Op.(ops.Transpose); ok {
			count++
		}
		if r, ok := n.Op.(ops.Reduce); ok {
			t.Errorf("%v is no global pool", r)
		}
	}
	if count != 1 {
		t.Errorf("%d transpositions are left, want 1", count)
	}
}

// sunk returns the graph after sinkTransposes, and checks that it computes the same.
func sunk(t *testing.T, g *ir.Graph) *ir.Graph {
	t.Helper()
	h, err := sinkTransposes(g)
	if err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(h); err != nil {
		t.Fatal(err)
	}
	in := []*tensor.Tensor{tensor.Widen(ir.Draw("x", g.Inputs[0].Type.Shape.Bind(2), ir.Init{Kind: ir.InitUniform, A: 1}, 2))}
	want, err := ref.Run(g, in, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ref.Run(h, in, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range g.Outputs {
		if !ir.Shape(got[h.Outputs[i]].Shape).Equal(want[v].Shape) {
			t.Fatalf("output %d is %v, want %v", i, got[h.Outputs[i]].Shape, want[v].Shape)
		}
		if d, scale := tensor.MaxDiff(got[h.Outputs[i]], want[v]); d > 1e-12*scale {
			t.Fatalf("output %d differs by %g of %g", i, d, scale)
		}
	}
	return h
}

// TestSinkTransposesRandom compares graphs of random ops between transpositions with what
// sinkTransposes makes of them.
func TestSinkTransposesRandom(t *testing.T) {
	perms := [][]int{{0, 3, 1, 2}, {0, 2, 3, 1}, {0, 1, 3, 2}, {0, 3, 2, 1}, {0, 1, 2, 3}}
	changed := 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 5))
		b := ir.NewBuilder("g")
		shape := ir.Shape{ir.Batch, 1 + rng.IntN(4), 1 + rng.IntN(4), 1 + rng.IntN(4)}
		vs := []*ir.Value{b.Input("x", ir.Type{Shape: shape})}
		pick := func() *ir.Value { return vs[len(vs)-1-min(rng.IntN(3), len(vs)-1)] }
		for range 12 {
			x := pick()
			s, axis := x.Type.Shape, 1+rng.IntN(max(1, len(x.Type.Shape)-1))
			var y *ir.Value
			switch k := rng.IntN(12); {
			case len(s) != 4:
				y = b.Do(ops.Scale{By: 2}, x)
			case k < 5:
				y = b.Do(ops.Transpose{Perm: ir.IntsOf(perms[rng.IntN(len(perms))]...)}, x)
			case k == 5:
				y = b.Do(ops.ReLU{}, x)
			case k == 6:
				w := b.Param("w", s[2:], ir.Param{Kind: ir.Weight})
				b.Graph().Data[w.Name] = ir.Draw(w.Name, s[2:], ir.Init{Kind: ir.InitUniform, A: 1}, 1)
				y = b.Do(ops.Sub{}, w, x)
			case k == 7:
				for _, o := range vs {
					if o.Type.Shape.Equal(s) {
						y = b.Do(ops.Max{}, x, o)
					}
				}
			case k == 8:
				y = b.Do(ops.Softmax{Axis: axis}, x)
			case k == 9:
				y = b.Do(ops.Concat{Axis: axis}, x, x)
			case k == 10:
				y = b.Do(ops.Reduce{Kind: ops.ReduceMax, Axes: ir.IntsOf(axis), Keep: rng.IntN(2) == 0}, x)
			default:
				y = b.Do(ops.Mul{}, x, b.Do(ops.Reduce{Kind: ops.ReduceMean, Axes: "1,2", Keep: true}, x))
			}
			vs = append(vs, y)
		}
		if err := b.Err(); err != nil {
			t.Fatal(seed, err)
		}
		g := b.Graph()
		g.Outputs = []*ir.Value{vs[len(vs)-1], vs[len(vs)-3]}
		if sunk(t, g) != g {
			changed++
		}
	}
	if changed < 100 {
		t.Errorf("only %d graphs changed", changed)
	}
}
