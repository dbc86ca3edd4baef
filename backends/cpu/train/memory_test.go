package train

import (
	"errors"
	"math"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/random"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs"
)

// mixed has one of everything whose second computation could differ from the first:
// batch norm, LRN, dropout, pools, a head, a residual, maxout.
const mixed = `net mixed
input image 3x16x16
default conv act=relu
a: conv 3x3 8 pad=1 -> lrn 5 -> maxpool 2x2/2 -> dropout 0.3
b: concat {
  conv 1x1 4 -> conv 3x3 16 pad=1
  conv 1x1 16 bn=1e-3
  maxpool 3x3/1 pad=1 -> conv 1x1 16
} -> head weight=0.3 { avgpool 4x4 -> conv 1x1 8 -> fc 12 act=relu -> dropout 0.5 -> fc 5 -> softmax }
c: residual act=relu { conv 3x3 24 pad=1 bn=1e-3 -> conv 3x3 48 pad=1 act=none bn=1e-3 } -> conv 3x3 16 pad=1 maxout=2 act=none -> avgpool 2x2/2 -> dropout 0.5
d: conv 3x3 24 pad=1 -> conv 3x3 24 pad=1 bn=1e-3
top: fc 20 act=relu -> fc 5 -> softmax
`

func networkOf(t *testing.T, name string) *ir.Graph {
	t.Helper()
	src, file, ok := specs.Source(name)
	if !ok {
		src, file = []byte(name), "mixed.incc"
	}
	g, problems := dsl.Load(file, src, dsl.Options{})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return g
}

var momentum = &recipe.Optimizer{Kind: "sgd", Momentum: 0.9}

// TestRecompute trains at every level of recomputation: to the same bits.
func TestRecompute(t *testing.T) {
	for _, c := range []struct {
		name  string
		batch int
	}{
		{mixed, 5}, {mixed, 20}, {"fashion/inception_bn", 8}, {"mnist/inception_v1", 20}, {"mnist/deep_heads", 4}, {"mnist/conv", 4}, {"mnist/nin_listed", 20}, {"maxout_mnist_conv", 4}, {"nin_cifar10", 2},
	} {
		g := networkOf(t, c.name)
		want := ""
		for level := autodiff.KeepAll; level <= autodiff.MostRecomputed; level++ {
			e, err := NewCPU(g, autodiff.Options{Seed: 5, Optimizer: momentum, Recompute: level}, c.batch, 5, cpu.Options{Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			twoSteps(t, e, g)
			switch got := fingerprint(t, e); {
			case level == autodiff.KeepAll:
				want = got
			case got != want:
				t.Errorf("%s, %v twice: other weights", g.Name, level)
			}
		}
	}
}

// TestRecomputeMemory holds large networks to what recomputation saves of their
// activations, weights and gradients of weights apart.
func TestRecomputeMemory(t *testing.T) {
	for _, c := range []struct {
		name  string
		batch int
		most  float64
	}{{"googlenet", 16, 0.65}, {"inception_v3", 4, 0.49}, {"inception_resnet_v2", 2, 0.42}} {
		g := networkOf(t, c.name)
		params := int64(0)
		for _, v := range g.Params {
			params += int64(v.Type.Shape.Size())
		}
		var all, least int64
		for level := autodiff.KeepAll; level <= autodiff.MostRecomputed; level++ {
			tr, err := autodiff.Train(g, autodiff.Options{Optimizer: momentum, Norm: true, Recompute: level})
			if err != nil {
				t.Fatal(err)
			}
			p, err := cpu.Plan(tr.Graph, cpu.Options{Batch: c.batch})
			if err != nil {
				t.Fatal(err)
			}
			n := int64(p.Arena) - params
			t.Logf("%s, %v twice: %.2f", c.name, level, float64(n)/float64(max(all, n)))
			if level == autodiff.KeepAll {
				all, least = n, n
			}
			least = min(least, n)
		}
		if share := float64(least) / float64(all); share > c.most {
			t.Errorf("%s: at best %.2f of the memory, want %.2f", c.name, share, c.most)
		}
	}
}

func twoSteps(t *testing.T, e *CPU, g *ir.Graph) {
	t.Helper()
	size := g.Inputs[0].Type.Shape.Size()
	images, labels := make([]float32, e.Batch()*size), make([]int32, e.Batch())
	r := random.NewRand(1, 2, 3, 4)
	for step := range int64(2) {
		r.FillUniform(images, 0, 1, uint64(step)*uint64(len(images)))
		for i := range labels {
			labels[i] = int32(i * 3 % e.Classes())
		}
		if s, err := e.Step(images, labels, 0.01, step); err != nil || !s.Finite() {
			t.Fatal(s, err)
		}
	}
}

// TestFit finds the first level that fits, and says what is needed where none does.
func TestFit(t *testing.T) {
	g := tiny(t)
	opt := autodiff.FromRecipe(&testRecipe)
	level, all, err := Fit(g, opt, 8, math.MaxInt64, cpu.Options{})
	if err != nil || level != autodiff.KeepAll {
		t.Fatal(level, err)
	}
	if e := cpuEngine(t, cpu.Options{}); e.Memory() != all {
		t.Errorf("%d bytes, the engine has %d", all, e.Memory())
	}
	var short *MemoryError
	if _, _, err := Fit(g, opt, 8, 1000, cpu.Options{}); !errors.As(err, &short) || short.Limit != 1000 || short.Least <= 1000 {
		t.Fatal(err)
	}
	if short.Least == all {
		return // there is nothing to be saved
	}
	level, n, err := Fit(g, opt, 8, short.Least, cpu.Options{})
	if err != nil || level == autodiff.KeepAll || n != short.Least {
		t.Error(level, n, err)
	}
	opt.Recompute = level
	if e, err := NewCPU(g, opt, 8, 3, cpu.Options{}); err != nil || e.Memory() != n {
		t.Error(err)
	}
}
