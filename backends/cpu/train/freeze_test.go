package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs"
)

const trunkText = `stem: conv 3x3 20 pad=1 bn=1e-3 act=relu -> maxpool 2x2/2
3a: inception 4  4 6  2 4  4
3b: bn eps=1e-3 -> conv 1x1 9 act=relu bn=1e-2
`

const topText = `top: conv 3x3 5 pad=1 act=relu bn=1e-3 -> gap -> fc 6 act=relu -> fc 4 -> softmax
`

func netOf(t *testing.T, text string) *ir.Graph {
	t.Helper()
	g, l := dsl.Load("a.incc", []byte(text), dsl.Options{})
	if l.HasErrors() {
		t.Fatal(l)
	}
	ir.Materialize(g, 5)
	return g
}

// scrambled gives the statistics of batch norms values of their own.
func scrambled(g *ir.Graph) *ir.Graph {
	r := rand.New(rand.NewPCG(3, 4))
	for _, v := range g.Params {
		for i := range g.Data[v.Name].Data {
			x := &g.Data[v.Name].Data[i]
			switch {
			case strings.HasSuffix(v.Name, "/mean") || strings.HasSuffix(v.Name, "/beta"):
				*x = float32(0.2 * r.NormFloat64())
			case strings.HasSuffix(v.Name, "/variance") || strings.HasSuffix(v.Name, "/gamma"):
				*x = 0.5 + r.Float32()
			}
		}
	}
	return g
}

// engines are both engines of a network.
func engines(t *testing.T, g *ir.Graph, opt autodiff.Options, batch int) map[string]Engine {
	t.Helper()
	a, err := NewReference(g, opt, batch, 5)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewCPU(g, opt, batch, 5, cpu.Options{Debug: true})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Engine{"ref": a, "cpu": b}
}

// A network with a frozen trunk trains to the weights that its last part alone is trained
// to on what the trunk computes, with every optimizer, decay, bound and average; and the
// trunk, its running statistics included, keeps every bit.
func TestFrozenTrunk(t *testing.T) {
	const batch, steps = 16, 4
	whole := scrambled(netOf(t, "net a\ninput image 3x8x8\n"+trunkText+topText))
	trunk := netOf(t, "net a\ninput image 3x8x8\n"+trunkText)
	top := netOf(t, "net a\ninput image 9x4x4\n"+topText)
	for _, g := range []*ir.Graph{trunk, top} {
		for _, v := range g.Params {
			g.Data[v.Name] = whole.Data[v.Name]
		}
	}
	adam := recipe.Optimizer{Kind: "adam", Beta1: 0.9, Beta2: 0.999, Eps: 1e-3, Decay: 0.01}
	for _, c := range []struct {
		name string
		opt  autodiff.Options
	}{
		{"sgd", autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd", Momentum: 0.9, Decay: 0.01}, Smoothing: 0.1, Regular: recipe.Regularize{MaxNorm: 0.8}}},
		{"adam", autodiff.Options{Optimizer: &adam, Clip: recipe.Clip{Norm: 0.5}, Average: recipe.Average{Kind: "ema", Decay: 0.9}, Regular: recipe.Regularize{L1: 0.01}}},
	} {
		frozen := c.opt
		frozen.Freeze = []string{"stem", "3a", "3b"}
		for name, e := range engines(t, whole, frozen, batch) {
			r := rand.New(rand.NewPCG(1, 2))
			alone := engines(t, top, c.opt, batch)["ref"] // a new one each: it takes every step beside e
			for step := range steps {
				images, labels := make([]float32, batch*3*8*8), make([]int32, batch)
				for i := range images {
					images[i] = float32(r.NormFloat64())
				}
				for i := range labels {
					labels[i] = int32(r.IntN(4))
				}
				res, err := ref.Run(trunk, []*tensor.Tensor{tensor.Widen(tensor.Of(images, batch, 3, 8, 8))}, ref.Options{})
				if err != nil {
					t.Fatal(err)
				}
				want, err := alone.Step(tensor.Round(res[trunk.Outputs[0]]).Data, labels, 0.05, int64(step))
				if err != nil {
					t.Fatal(err)
				}
				got, err := e.Step(images, labels, 0.05, int64(step))
				if err != nil || math.Abs(got.Loss-want.Loss) > 1e-4 || math.Abs(got.Norm-want.Norm) > 1e-3 || got.Correct != want.Correct {
					t.Fatalf("%s, %s, step %d: %+v, want %+v, %v", c.name, name, step, got, want, err)
				}
			}
			for _, p := range e.Params() {
				x := make([]float32, p.Shape.Size())
				if err := e.Get(p.Name, x); err != nil {
					t.Fatal(err)
				}
				if ir.UnderAny(p.Name, frozen.Freeze) {
					if !slices.Equal(x, whole.Data[p.Name].Data) || p.Slot || p.Average != "" {
						t.Errorf("%s, %s: %s is frozen and has changed", c.name, name, p.Name)
					}
					continue
				}
				y := make([]float32, len(x))
				if err := alone.Get(p.Name, y); err != nil {
					t.Fatal(err)
				}
				for i := range x {
					if math.Abs(float64(x[i]-y[i])) > 2e-4*(1+math.Abs(float64(y[i]))) {
						t.Fatalf("%s, %s: %s[%d] is %g, want %g", c.name, name, p.Name, i, x[i], y[i])
					}
				}
			}
		}
	}
}

// Frozen batch norms between weights that are trained, frozen heads, and rates: the
// executor steps as the reference interpreter does.
func TestFrozenPartsOnTheExecutor(t *testing.T) {
	const batch = 16
	g := scrambled(netOf(t, "net a\ninput image 3x8x8\n"+strings.Replace(trunkText, "4  4\n", "4  4 -> head weight=0.3 { gap -> fc 4 -> softmax }\n", 1)+topText))
	for _, freeze := range [][]string{{"3b"}, {"stem", "3a/inception", "3a/head"}, {"3a/head"}, {"stem", "3a"}, {"top"}, {"3b/bn"}} {
		trainsFrozen(t, g, freeze, batch)
	}
}

// Dense layers over maps that are frozen, behind frozen and behind trained layers: they read
// the maps in the order of their weights.
func TestFrozenDenseLayers(t *testing.T) {
	const top = "b: fc 12 -> relu\nc: fc 4 -> softmax\n"
	for _, n := range []struct {
		text   string
		freeze [][]string
	}{
		{"net a\ninput image 1x4x4\n" + top, [][]string{{"b"}}},
		{"net a\ninput image 3x8x8\n" + top, [][]string{{"b"}}},
		{"net a\ninput image 3x8x8\na: conv 3x3 20 pad=1 act=relu\n" + top, [][]string{{"b"}, {"a", "b"}}},
		{"net a\ninput image 3x8x8\na: conv 3x3 32 pad=1 act=relu -> maxpool 2x2/2\n" + top, [][]string{{"b"}, {"a", "b"}, {"c"}, {"b", "c"}}},
	} {
		for _, freeze := range n.freeze {
			for _, batch := range []int{16, 6} {
				trainsFrozen(t, netOf(t, n.text), freeze, batch)
			}
		}
	}
}

// trainsFrozen fails the test if three steps of the executor with frozen parts differ from
// those of the reference interpreter, or if a frozen param changes.
func trainsFrozen(t *testing.T, g *ir.Graph, freeze []string, batch int) {
	t.Helper()
	opt := autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "nesterov", Momentum: 0.9, Decay: 0.01}, Freeze: freeze, Rates: []recipe.Rate{{Parts: []string{"3b", "stem"}, By: 0.5}}}
	all := engines(t, g, opt, batch)
	r := rand.New(rand.NewPCG(1, 2))
	for step := range 3 {
		images, labels := make([]float32, batch*g.Inputs[0].Type.Shape[1:].Size()), make([]int32, batch)
		for i := range images {
			images[i] = float32(r.NormFloat64())
		}
		for i := range labels {
			labels[i] = int32(r.IntN(4))
		}
		want, err := all["ref"].Step(images, labels, 0.05, int64(step))
		if err != nil {
			t.Fatal(err)
		}
		got, err := all["cpu"].Step(images, labels, 0.05, int64(step))
		if err != nil || math.Abs(got.Loss-want.Loss) > 1e-4 || math.Abs(got.Norm-want.Norm) > 1e-3*want.Norm {
			t.Fatalf("%v, step %d: %+v, want %+v, %v", freeze, step, got, want, err)
		}
	}
	for _, path := range freeze {
		if !slices.Contains(g.PartPaths(), path) {
			t.Errorf("%s is no part", path)
		}
	}
	have := map[string]bool{}
	for _, p := range all["cpu"].Params() {
		have[p.Name] = true
		x, y := make([]float32, p.Shape.Size()), make([]float32, p.Shape.Size())
		if err := all["cpu"].Get(p.Name, x); err != nil {
			t.Fatal(err)
		}
		if err := all["ref"].Get(p.Name, y); err != nil {
			t.Fatal(err)
		}
		kept := ir.UnderAny(p.Name, freeze)
		if kept && !slices.Equal(x, g.Data[p.Name].Data) {
			t.Errorf("%v: %s has changed", freeze, p.Name)
		}
		for i := range x {
			if math.Abs(float64(x[i]-y[i])) > 2e-4*(1+math.Abs(float64(y[i]))) {
				t.Fatalf("%v: %s[%d] is %g, want %g", freeze, p.Name, i, x[i], y[i])
			}
		}
	}
	for _, p := range g.Params {
		if !have[p.Name] {
			t.Errorf("%v: the engine does not have %s", freeze, p.Name)
		}
	}
}

// A param of a frozen part can be set, as reading a checkpoint does; steps then compute
// with it.
func TestFrozenParamsAreSet(t *testing.T) {
	const batch = 8
	a := scrambled(netOf(t, "net a\ninput image 3x8x8\n"+trunkText+topText))
	b := netOf(t, "net a\ninput image 3x8x8\n"+trunkText+topText)
	opt := autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd"}, Freeze: []string{"stem", "3a", "3b"}}
	x, y := engines(t, a, opt, batch), engines(t, b, opt, batch)
	images, labels := make([]float32, batch*3*8*8), make([]int32, batch)
	for i := range images {
		images[i] = float32(i%17)/8 - 1
	}
	for name := range x {
		for _, p := range y[name].Params() {
			if err := y[name].Set(p.Name, a.Data[p.Name].Data); err != nil {
				t.Fatal(err)
			}
		}
		want, err := x[name].Step(images, labels, 0.1, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := y[name].Step(images, labels, 0.1, 0); err != nil || got != want {
			t.Errorf("%s: %+v, want %+v, %v", name, got, want, err)
		}
	}
}

// TestFrozenTrunkOfGoogLeNet: if only the last layer of GoogLeNet is trained, a step has
// the multiply-accumulates of inference, and those of the layer's backward pass.
func TestFrozenTrunkOfGoogLeNet(t *testing.T) {
	const batch = 32
	text, file, _ := specs.Source("googlenet")
	g, l := dsl.Load(file, text, dsl.Options{})
	if l.HasErrors() {
		t.Fatal(l)
	}
	var trunk []string
	for _, p := range g.PartPaths() {
		if !strings.HasPrefix(p, "top") {
			trunk = append(trunk, p)
		}
	}
	macs := func(g *ir.Graph) (macs int64, seconds float64) {
		p, err := cpu.Plan(g, cpu.Options{Batch: batch})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Steps {
			macs += s.Cost.MACs
			seconds += s.Cost.Seconds
		}
		return macs, seconds
	}
	step := func(freeze []string) *ir.Graph {
		tr, err := autodiff.Train(g, autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd", Momentum: 0.9}, Norm: true, Freeze: freeze})
		if err != nil {
			t.Fatal(err)
		}
		return tr.Graph
	}
	whole, wholeTime := macs(step(nil))
	head, headTime := macs(step(trunk))
	main := g.Clone()
	main.Heads = nil
	ir.Rewrite(main, "test").Sweep()
	infer, inferTime := macs(main)
	t.Logf("MACs of %d images: inference %d, a step of the last layer %d, of all %d; predicted ms %.0f, %.0f, %.0f", batch, infer, head, whole, 1e3*inferTime, 1e3*headTime, 1e3*wholeTime)
	// The backward pass of the last layer: 1024 x 1000 weights for each image.
	if extra := head - infer; extra < 0 || extra > batch*1024*1000 {
		t.Errorf("a step of the last layer has %d multiply-accumulates more than inference", extra)
	}
	if whole < 2*infer {
		t.Errorf("a whole step has %d multiply-accumulates, inference %d", whole, infer)
	}
}
