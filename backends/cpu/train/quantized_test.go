package train

import (
	"math"
	"slices"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/quantize"
)

// fake readies a network for a training with quantized layers.
func fake(t testing.TB, g *ir.Graph) []quantize.Weights {
	t.Helper()
	ir.Materialize(g, 3)
	layers := quantize.Trained(g)
	points := quantize.Points(g, layers)
	ranges := make([]quantize.Range, len(points))
	for i := range ranges {
		ranges[i] = quantize.Range{High: 3}
	}
	var l []quantize.Weights
	for _, n := range layers {
		w, err := quantize.NewWeights(g, n)
		if err != nil {
			t.Fatal(err)
		}
		l = append(l, w)
	}
	if err := quantize.Fake(g, layers, points, ranges); err != nil || len(l) == 0 {
		t.Fatal(len(l), err)
	}
	return l
}

// quantizedEngine is one that trains a network of specs/ with quantized layers.
func quantizedEngine(t testing.TB, name string, batch int, frozen bool, o cpu.Options) (*Quantized, *ir.Graph) {
	t.Helper()
	g, _, opt := network(t, name)
	weights := fake(t, g)
	opt.Optimizer = &recipe.Optimizer{Kind: "sgd", LR: 0.01, Momentum: 0.9}
	opt.FreezeNorms = frozen
	e, err := NewCPU(g, opt, batch, 3, o)
	if err != nil {
		t.Fatal(err)
	}
	q, err := NewQuantized(e, weights)
	if err != nil {
		t.Fatal(err)
	}
	return q, g
}

// TestQuantized: the loss of a network with quantized layers falls; the weights that a step computes
// with are whole multiples of their steps, of which those of activations are trained, too; engines of
// one and of two threads have the same bits, and so has one that goes on from what another holds.
func TestQuantized(t *testing.T) {
	const batch, steps = 16, 12
	a, g := quantizedEngine(t, "mnist/nin", batch, false, cpu.Options{Threads: 1})
	b, _ := quantizedEngine(t, "mnist/nin", batch, false, cpu.Options{Threads: 2})
	first := values(t, a)
	images, labels := noise(g, batch, 10, 5)
	var losses []float64
	for i := range steps {
		s, err := a.Step(images, labels, 0.01, int64(i))
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, s.Loss)
		if i == steps/2 {
			for name, x := range values(t, a) {
				if err := b.Set(name, x); err != nil {
					t.Fatal(err)
				}
			}
		} else if i > steps/2 {
			if _, err := b.Step(images, labels, 0.01, int64(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !(losses[steps-1] < 0.9*losses[0]) {
		t.Errorf("the loss does not fall: %v", losses)
	}
	last, other := values(t, a), values(t, b)
	for name, x := range last {
		if !slices.Equal(x, other[name]) {
			t.Errorf("%s differs between the engines", name)
		}
	}
	moved := 0
	for name, x := range last {
		if len(x) == 1 && x[0] != first[name][0] {
			moved++
		}
	}
	if moved < 4 {
		t.Errorf("%d steps of activations changed", moved)
	}
	for name, w := range a.weights {
		inner := make([]float32, len(w.exact))
		if err := a.refresh(); err != nil {
			t.Fatal(err)
		}
		if err := a.Engine.Get(name, inner); err != nil {
			t.Fatal(err)
		}
		for i, v := range inner {
			k := float64(v / w.steps[i/(len(inner)/w.Rows)])
			if math.Abs(k-math.Round(k)) > 1e-3 || math.Abs(k) > 127.5 {
				t.Fatalf("%s: weight %d is %g steps", name, i, k)
			}
		}
	}
	if err := a.Set("c1/conv_1x1/weight", nil); err == nil {
		t.Error("no values are taken for a weight")
	}
}

// values are all that an engine holds.
func values(t testing.TB, e Engine) map[string][]float32 {
	t.Helper()
	m := map[string][]float32{}
	for _, p := range e.Params() {
		x := make([]float32, p.Shape.Size())
		if err := e.Get(p.Name, x); err != nil {
			t.Fatal(err)
		}
		m[p.Name] = x
	}
	return m
}

// TestQuantizedFrozenNorms: with frozen batch norms their weights and statistics stay as they were, and
// all else is trained.
func TestQuantizedFrozenNorms(t *testing.T) {
	e, g := quantizedEngine(t, "fashion/inception_bn", 4, true, cpu.Options{Threads: 1})
	before := values(t, e)
	images, labels := noise(g, 4, 10, 5)
	if s, err := e.Step(images, labels, 0.01, 0); err != nil || !s.Finite() {
		t.Fatal(s, err)
	}
	after := values(t, e)
	norms := map[string]bool{}
	for _, n := range g.Nodes {
		if ir.Name(n.Op) == "batchnorm" {
			for _, v := range n.In[1:] {
				norms[v.Name] = true
			}
		}
	}
	changed := 0
	for name, x := range before {
		same := slices.Equal(x, after[name])
		if norms[name] && !same {
			t.Errorf("%s changes", name)
		}
		if !norms[name] && !same {
			changed++
		}
	}
	if len(norms) == 0 || changed < 10 {
		t.Errorf("%d params of batch norms, %d others change", len(norms), changed)
	}
	if _, err := NewQuantized(e.Engine, []quantize.Weights{{Name: "none", Rows: 3}}); err == nil {
		t.Error("an unknown weight is taken")
	}
}
