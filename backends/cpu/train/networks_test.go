package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs/spectest"
)

// network builds a network of specs/ and what its train block asks for.
func network(t testing.TB, name string) (*ir.Graph, recipe.Train, autodiff.Options) {
	t.Helper()
	g := spectest.Load(t, name)
	sgd := recipe.Optimizer{Kind: "sgd", LR: 0.01, Momentum: 0.9, Decay: 1e-4}
	r := recipe.Train{Optimizer: sgd}
	if g.Recipe.Train != nil {
		r = *g.Recipe.Train
	}
	switch r.Optimizer.Kind {
	case "", "adam", "adamw":
		// Adam's first step is the rate by the gradient's sign: where the gradient is
		// rounding, that is all that shows.
		r.Optimizer = sgd
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
// Beyond rounding, in networks of millions of activations some lie so near to 0,
// or to another maximum, that float32 takes the other side; that moves a gradient
// by what one activation adds to it, and deep stacks of batch norm multiply it
// (the reference itself moves by 5 % in googlenet_bn if its images change by
// 3e-7). So flips, where it is not 0, is what the params may differ by as a whole,
// the norm of the difference over the norm: a wrong plan is off by the order of 1.
func follow(t *testing.T, name string, batch, steps int, flips float64, o cpu.Options) (worst float64, where string) {
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
	note := func(a, b []float32, least float64, format string, args ...any) {
		most, off := least, 0.0
		var d2, b2 float64
		for i := range b {
			most = max(most, math.Abs(float64(b[i])))
			d := math.Abs(float64(a[i]) - float64(b[i]))
			if d != d {
				d = math.Inf(1)
			}
			off = max(off, d)
			d2 += d * d
			b2 += float64(b[i]) * float64(b[i])
		}
		d := off / most
		if flips > 0 && least > 0 {
			d = 1e-4 / flips * math.Sqrt(d2) / max(math.Sqrt(b2), least*math.Sqrt(float64(len(b))))
		}
		if off > 0 && d > worst {
			worst, where = d, fmt.Sprintf(format, args...)
		}
	}
	all := func(e Engine) [][]float32 {
		x, err := readAll(e)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	evaluate := func() {
		images, _ := noise(g, batch, exec.Classes(), 77)
		x, y := make([]float32, batch*exec.Classes()), make([]float32, batch*exec.Classes())
		if err := exec.Logits(x, images, batch); err != nil {
			t.Fatal(err)
		}
		if err := ref.Logits(y, images, batch); err != nil {
			t.Fatal(err)
		}
		note(x, y, 0, "logits of inference")
	}
	if flips > 0 {
		evaluate() // of weights that are still the same
	}
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
		note([]float32{float32(a.Loss)}, []float32{float32(b.Loss)}, 0, "loss at step %d", step)
		if flips == 0 {
			note([]float32{float32(a.Norm)}, []float32{float32(b.Norm)}, 0, "norm at step %d", step)
		}
		if step > 0 && step < steps-1 {
			continue
		}
		x, y := all(exec), all(ref)
		for i, p := range exec.Params() {
			// A bias before batch norm has no gradient: what is there is rounding.
			least := 1e-4 * b.Norm * float64(rate)
			note(x[i], y[i], least, "%s after %d steps", p.Name, step+1)
			if step == 0 && !p.Slot {
				// The change is the gradient by the rate: float32 weights hold it to
				// half a unit of their last place.
				var dx, dy []float32
				for j := range x[i] {
					d := x[i][j] - y[i][j]
					if last := float32(math.Abs(float64(y[i][j]))) * 1.2e-7; d > last {
						d -= last
					} else if d < -last {
						d += last
					} else {
						d = 0
					}
					dy = append(dy, y[i][j]-start[i][j])
					dx = append(dx, y[i][j]-start[i][j]+d)
				}
				note(dx, dy, least, "change of %s", p.Name)
			}
		}
	}
	if flips == 0 {
		evaluate()
	}
	return worst, where
}

// TestNetworks follows the reference interpreter, which computes in float64.
func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		name  string
		batch int
		steps int
		flips float64 // for INCC_LONG
	}{
		{"mnist/conv", 4, 5, 0},
		{"mnist/inception_naive", 4, 5, 0.01},
		{"mnist/inception_v1", 4, 5, 0.01},
		{"mnist/inception_v2", 4, 5, 0},
		{"mnist/inception_v3", 4, 5, 0},
		{"mnist/lenet", 4, 5, 0},
		{"mnist/nin", 2, 5, 0},
		{"mnist/nin_listed", 2, 5, 0},
		{"lenet5", 4, 5, 0},
		{"maxout_mnist_pi", 8, 5, 0},
		{"maxout_mnist_conv", 1, 2, 0},
		{"nin_mnist", 1, 2, 0.01},
		{"nin_cifar10", 2, 1, 0.05},
		{"maxout_cifar10", 1, 2, 0.05},
		{"googlenet", 2, 1, 0.05},
		{"googlenet_bn", 2, 1, 0.1},
		{"inception_v2", 2, 1, 0.5},
		{"inception_v3", 2, 1, 0.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.flips > 0 && !longtest.Enabled() {
				t.Skip("INCC_LONG=1 runs it")
			}
			for _, isa := range kernel.Available() {
				if isa == kernel.AVX2 || c.flips > 0 && isa == kernel.Portable {
					continue // the bits of AVX-512
				}
				worst, where := follow(t, c.name, c.batch, c.steps, c.flips, cpu.Options{Threads: 2, ISA: isa.String()})
				t.Logf("%v: %.2g, %s", isa, worst, where)
				if !(worst <= 1e-4) {
					t.Errorf("%v: %s differs by %.3g of the largest", isa, where, worst)
				}
			}
		})
	}
}
