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

// difference is the largest |a-b| over the largest |b|.
func difference(a, b []float32) float64 {
	most, off := 0.0, 0.0
	for i := range b {
		most = max(most, math.Abs(float64(b[i])))
		off = max(off, math.Abs(float64(a[i])-float64(b[i])))
		if a[i] != a[i] {
			off = math.Inf(1)
		}
	}
	if off == 0 {
		return 0
	}
	return off / most
}

// follow trains both engines from the same weights for some steps, and returns
// the largest difference of loss, norm, logits, params and their changes.
func follow(t *testing.T, name string, batch, steps int, o cpu.Options) (worst float64, where string) {
	t.Helper()
	g, r, opt := network(t, name)
	ref, err := NewReference(g, opt, batch, 5)
	if err != nil {
		t.Fatal(err)
	}
	exec, err := NewCPU(g, opt, batch, 5, o)
	if err != nil {
		t.Fatal(err)
	}
	note := func(d float64, format string, args ...any) {
		if d > worst {
			worst, where = d, fmt.Sprintf(format, args...)
		}
	}
	start, err := readAll(ref)
	if err != nil {
		t.Fatal(err)
	}
	rate := float32(r.Optimizer.LR)
	for step := range steps {
		images, labels := noise(g, batch, exec.Classes(), uint64(step))
		a, err := exec.Step(images, labels, rate, int64(step))
		if err != nil {
			t.Fatal(err)
		}
		b, err := ref.Step(images, labels, rate, int64(step))
		if err != nil {
			t.Fatal(err)
		}
		if !b.Finite() || !a.Finite() {
			t.Fatalf("%s: step %d: %+v and %+v", name, step, a, b)
		}
		note(math.Abs(a.Loss-b.Loss)/math.Abs(b.Loss), "loss at step %d", step)
		note(math.Abs(a.Norm-b.Norm)/b.Norm, "norm at step %d", step)
		if step > 0 && step < steps-1 {
			continue
		}
		x, err := readAll(exec)
		if err != nil {
			t.Fatal(err)
		}
		y, err := readAll(ref)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range exec.Params() {
			note(difference(x[i], y[i]), "%s after %d steps", p.Name, step+1)
			if step == 0 && !p.Slot {
				// The change is the gradient by the rate: float32 weights hold it to
				// half a unit of their last place.
				most, off := 0.0, 0.0
				for j := range x[i] {
					last := math.Abs(float64(y[i][j])) * 1.2e-7
					most = max(most, math.Abs(float64(y[i][j]-start[i][j])))
					off = max(off, math.Abs(float64(x[i][j]-y[i][j]))-last)
				}
				if most > 0 {
					note(off/most, "change of %s", p.Name)
				}
			}
		}
	}
	images, _ := noise(g, batch, exec.Classes(), 77)
	x, y := make([]float32, batch*exec.Classes()), make([]float32, batch*exec.Classes())
	if err := exec.Logits(x, images, batch); err != nil {
		t.Fatal(err)
	}
	if err := ref.Logits(y, images, batch); err != nil {
		t.Fatal(err)
	}
	note(difference(x, y), "logits of inference")
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
				worst, where := follow(t, c.name, c.batch, c.steps, cpu.Options{Threads: 2, ISA: isa.String()})
				t.Logf("%v: %.2g, %s", isa, worst, where)
				if !(worst <= 1e-4) {
					t.Errorf("%v: %s differs by %.3g of the largest", isa, where, worst)
				}
			}
		})
	}
}
