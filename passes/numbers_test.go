package passes_test

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs/spectest"
)

// trained gives a network weights and statistics like those after training: He's normal
// weights, and batch norms whose results do not have mean 0 and variance 1.
func trained(g *ir.Graph) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, v := range g.Params {
		d := tensor.Make[float32](v.Type.Shape)
		switch {
		case v.Param.Kind == ir.Constant:
			continue
		case strings.HasSuffix(v.Name, "/weight"):
			d = ir.Draw(v.Name, v.Type.Shape, ir.Init{Kind: ir.InitHe}, 1)
		case strings.HasSuffix(v.Name, "/variance"), strings.HasSuffix(v.Name, "/gamma"):
			for i := range d.Data {
				d.Data[i] = float32(0.5 + rng.Float64())
			}
		default:
			for i := range d.Data {
				d.Data[i] = float32(0.2 * rng.NormFloat64())
			}
		}
		g.Data[v.Name] = d
	}
}

// Real networks compute the same before and after every pass of -O2. Their inputs are so
// small that the interpreter is quick.
func TestNetworksKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	type network struct{ name, from, to string }
	nets := []network{
		{"googlenet", "3x224x224", "3x96x96"}, // for 64x64 the pools of the heads do not fit
		{"googlenet_bn", "3x224x224", "3x96x96"},
		{"inception_v2", "3x224x224", "3x64x64"},
		{"nin_mnist", "", ""},
		{"lenet5", "", ""},
		{"maxout_mnist_conv", "", ""},
		{"mnist/inception_v1", "", ""},
	}
	if longtest.Enabled() {
		nets = append(nets,
			network{"inception_v3", "", ""},
			network{"inception_v4", "3x299x299", "3x91x91"},
			network{"inception_resnet_v1", "3x299x299", "3x91x91"},
			network{"inception_resnet_v2", "3x299x299", "3x75x75"})
	}
	for _, c := range nets {
		t.Run(strings.ReplaceAll(c.name, "/", "_"), func(t *testing.T) {
			var smaller []string
			if c.from != "" {
				smaller = []string{c.from, c.to}
			}
			g := spectest.Load(t, c.name, smaller...)
			trained(g)
			table, _, err := passes.Check(g, passes.Level(2), passes.Options{}, passes.CheckOptions{Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range table {
				if !d.Compared {
					continue
				}
				t.Logf("%s: %d values, %.2g of %s", d.Step, d.Values, d.Relative(), d.Value)
				limit := 0.0
				if d.Step.Pass.Contract == passes.Rounding {
					limit = 1e-9
				}
				if d.Step.Pass == &passes.ConstFold {
					limit = 1e-5
				}
				if !(d.Relative() <= limit) {
					t.Errorf("%s changes %s by %g of %g", d.Step, d.Value, d.Max, d.Scale)
				}
			}
		})
	}
}

// const-fold releases weights when it has read them, and leaves no node that depends only
// on weights.
func TestFoldedNetworkHoldsOneCopy(t *testing.T) {
	g := spectest.Load(t, "inception_v2")
	ir.Materialize(g, 1)
	var weights int64
	for _, d := range g.Data {
		weights += 4 * int64(len(d.Data))
	}
	var most uint64
	o := passes.Options{After: func(passes.Step, *ir.Graph) error {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
		return nil
	}}
	rep, err := passes.Run(g, passes.Level(2), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range g.Nodes {
		static := true
		for _, v := range n.In {
			static = static && v.Param != nil
		}
		if static {
			t.Errorf("%s is computed from params alone", n.Out[0].Name)
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("weights %d MB, held between passes %d MB, const-fold took %v", weights>>20, most>>20, rep.Steps[len(rep.Steps)-1].Time)
	if limit := weights*3/2 + 20<<20; int64(most) > limit {
		t.Errorf("%d MB are held, limit %d MB", most>>20, limit>>20)
	}
}
