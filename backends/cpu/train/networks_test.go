package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs"
)

// network builds a network of specs/ and what its train block asks for.
func network(t testing.TB, name string) (*ir.Graph, recipe.Train, autodiff.Options) {
	t.Helper()
	text, file, ok := specs.Source(name)
	if !ok {
		t.Fatalf("no spec is called %s", name)
	}
	g, diags := dsl.Load(file, text, dsl.Options{})
	if g == nil {
		t.Fatal(diags)
	}
	r := recipe.Train{Optimizer: recipe.Optimizer{Kind: "sgd", LR: 0.01, Momentum: 0.9, Decay: 1e-4}}
	if g.Recipe.Train != nil {
		r = *g.Recipe.Train
	}
	if r.Optimizer.Kind == "" {
		r.Optimizer = recipe.Optimizer{Kind: "sgd", LR: 0.01, Momentum: 0.9, Decay: 1e-4}
	}
	return g, r, autodiff.FromRecipe(&r)
}

// noise is a batch of random images and labels.
func noise(g *ir.Graph, batch, classes int, seed uint64) (images []float32, labels []int32) {
	r := rand.New(rand.NewPCG(seed, 9))
	images = make([]float32, batch*g.Inputs[0].Type.Shape.Size())
	for i := range images {
		images[i] = float32(r.NormFloat64())
	}
	for range batch {
		labels = append(labels, int32(r.IntN(classes)))
	}
	return images, labels
}

// follow trains both engines from the same weights for some steps, and returns
// the largest difference of loss, norm, logits, params and their changes: |a-b|
// over the largest |b|.
//
// With sensitive, what the reference itself changes by, when its images change by
// two millionths, is first taken off ten times: a ReLU or a maximum
// of millions that falls the other way moves a gradient by more than any
// rounding does, and deep stacks of batch norm multiply it.
func follow(t *testing.T, name string, batch, steps int, sensitive bool, o cpu.Options) (worst float64, where string) {
	t.Helper()
	g, r, opt := network(t, name)
	engine := func() *Reference {
		e, err := NewReference(g, opt, batch, 5)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	ref, other := engine(), (*Reference)(nil)
	if sensitive {
		other = engine()
	}
	exec, err := NewCPU(g, opt, batch, 5, o)
	if err != nil {
		t.Fatal(err)
	}
	note := func(a, b, c []float32, least float64, format string, args ...any) {
		most, off, own := least, 0.0, 0.0
		for i := range b {
			most = max(most, math.Abs(float64(b[i])))
			d := math.Abs(float64(a[i]) - float64(b[i]))
			if d != d {
				d = math.Inf(1)
			}
			off = max(off, d)
			if c != nil {
				own = max(own, math.Abs(float64(c[i])-float64(b[i])))
			}
		}
		if d := (off - 10*own) / most; off > 10*own && d > worst {
			worst, where = d, fmt.Sprintf(format, args...)
		}
	}
	all := func(e Engine) [][]float32 {
		if e == Engine((*Reference)(nil)) {
			return make([][]float32, len(exec.Params()))
		}
		x, err := readAll(e)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	one := func(s float64) []float32 { return []float32{float32(s)} }
	start := all(ref)
	rate := float32(r.Optimizer.LR)
	for step := range steps {
		images, labels := noise(g, batch, exec.Classes(), uint64(step))
		do := func(e Engine) Stats {
			s, err := e.Step(images, labels, rate, int64(step))
			if err != nil {
				t.Fatal(err)
			}
			if !s.Finite() {
				t.Fatalf("%s: step %d: %+v", name, step, s)
			}
			return s
		}
		a, b := do(exec), do(ref)
		var c3loss, c3norm []float32
		if sensitive {
			for i := range images {
				images[i] *= float32(1 + 2e-6*math.Sin(float64(i)))
			}
			c := do(other)
			c3loss, c3norm = one(c.Loss), one(c.Norm)
		}
		note(one(a.Loss), one(b.Loss), c3loss, 0, "loss at step %d", step)
		note(one(a.Norm), one(b.Norm), c3norm, 0, "norm at step %d", step)
		if step > 0 && step < steps-1 {
			continue
		}
		x, y, z := all(exec), all(ref), all(other)
		for i, p := range exec.Params() {
			// A bias before batch norm has no gradient: what is there is rounding.
			least := 1e-4 * b.Norm * float64(rate)
			note(x[i], y[i], z[i], least, "%s after %d steps", p.Name, step+1)
			if step == 0 && !p.Slot {
				// The change is the gradient by the rate: float32 weights hold it to
				// half a unit of their last place.
				var dx, dy, dz []float32
				for j := range x[i] {
					w := start[i][j]
					d := x[i][j] - y[i][j]
					if last := float32(math.Abs(float64(y[i][j]))) * 1.2e-7; d > last {
						d -= last
					} else if d < -last {
						d += last
					} else {
						d = 0
					}
					dy = append(dy, y[i][j]-w)
					dx = append(dx, y[i][j]-w+d)
					if sensitive {
						dz = append(dz, z[i][j]-w)
					}
				}
				note(dx, dy, dz, least, "change of %s", p.Name)
			}
		}
	}
	images, _ := noise(g, batch, exec.Classes(), 77)
	logits := func(e Engine) []float32 {
		if e == Engine((*Reference)(nil)) {
			return nil
		}
		x := make([]float32, batch*exec.Classes())
		if err := e.Logits(x, images, batch); err != nil {
			t.Fatal(err)
		}
		return x
	}
	note(logits(exec), logits(ref), logits(other), 0, "logits of inference")
	return worst, where
}

// TestNetworks follows the reference interpreter, which computes in float64.
func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		name  string
		batch int
		steps int
		long  bool
	}{
		{"mnist/conv", 4, 5, false},
		{"mnist/inception_naive", 4, 5, true},
		{"mnist/inception_v1", 4, 5, true},
		{"mnist/inception_v2", 4, 5, false},
		{"mnist/inception_v3", 4, 5, false},
		{"mnist/lenet", 4, 5, false},
		{"mnist/nin", 2, 5, false},
		{"mnist/nin_listed", 2, 5, false},
		{"lenet5", 4, 5, false},
		{"maxout_mnist_pi", 8, 5, false},
		{"maxout_mnist_conv", 1, 2, false},
		{"nin_mnist", 1, 2, true},
		{"nin_cifar10", 2, 5, true},
		{"maxout_cifar10", 1, 2, true},
		{"googlenet", 2, 1, true},
		{"googlenet_bn", 2, 1, true},
		{"inception_v2", 2, 1, true},
		{"inception_v3", 2, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.long && os.Getenv("INCC_LONG") == "" {
				t.Skip("INCC_LONG=1 runs it")
			}
			for _, isa := range kernel.Available() {
				if isa == kernel.AVX2 || c.long && isa == kernel.Portable {
					continue // the bits of AVX-512
				}
				worst, where := follow(t, c.name, c.batch, c.steps, c.long, cpu.Options{Threads: 2, ISA: isa.String()})
				t.Logf("%v: %.2g, %s", isa, worst, where)
				if !(worst <= 1e-4) {
					t.Errorf("%v: %s differs by %.3g of the largest", isa, where, worst)
				}
			}
		})
	}
}
