package train

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/autodiff"
)

// TestMixedLossAgainstTorch compares losses of mixed labels, and their gradients with
// respect to the logits, with PyTorch's (testdata/mix.py).
func TestMixedLossAgainstTorch(t *testing.T) {
	text, err := os.ReadFile("testdata/mix.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Classes        int
		Labels, Others []int32
		Share          float32
		Logits         []float32
		Cases          []struct {
			Name             string
			Smoothing, Gamma float64
			Weights          []float64
			Loss             float64
			Grad             []float64
		}
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Cases) < 5 {
		t.Fatal(len(want.Cases))
	}
	// The images are the rows of the identity: the weights of the dense layer are the
	// logits, and a step of SGD at rate 1 subtracts their gradient.
	n, classes := len(want.Labels), want.Classes
	b := ir.NewBuilder("table")
	x := b.Input("image", ir.Float(ir.Batch, n))
	w := b.Param("w", []int{classes, n}, ir.Param{Kind: ir.Weight, Init: ir.Init{Kind: ir.InitConstant}, LR: 1})
	b.Graph().Outputs = []*ir.Value{b.Do(ops.Dense{}, x, w)}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	start := make([]float32, classes*n)
	for i := range n {
		for c := range classes {
			start[c*n+i] = want.Logits[i*classes+c]
		}
	}
	b.Graph().Data = map[string]*tensor.F32{"w": tensor.Of(start, classes, n)}
	images := make([]float32, n*n)
	for i := range n {
		images[i*n+i] = 1
	}
	for _, c := range want.Cases {
		opt := autodiff.Options{Mix: true, Smoothing: c.Smoothing, Gamma: c.Gamma, ClassWeights: c.Weights, Optimizer: &recipe.Optimizer{Kind: "sgd"}}
		for name, e := range bothEngines(t, b.Graph(), opt, n) {
			s, err := e.StepMixed(images, want.Labels, want.Others, want.Share, 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(s.Loss-c.Loss) > 2e-6 {
				t.Errorf("%s, %s: loss %.8f, PyTorch has %.8f", name, c.Name, s.Loss, c.Loss)
			}
			got := make([]float32, classes*n)
			if err := e.Get("w", got); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				for k := range classes {
					d := float64(start[k*n+i]) - float64(got[k*n+i])
					if math.Abs(d-c.Grad[i*classes+k]) > 1e-6 {
						t.Errorf("%s, %s: gradient %.8f of image %d and class %d, PyTorch has %.8f", name, c.Name, d, i, k, c.Grad[i*classes+k])
					}
				}
			}
		}
	}
}

func bothEngines(t *testing.T, g *ir.Graph, opt autodiff.Options, batch int) map[string]Engine {
	t.Helper()
	ref, err := NewReference(g, opt, batch, 3)
	if err != nil {
		t.Fatal(err)
	}
	exec, err := NewCPU(g, opt, batch, 3, cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Engine{"ref": ref, "cpu": exec}
}

// withHead is tiny with a head.
func withHead(t *testing.T) *ir.Graph {
	t.Helper()
	g := tiny(t)
	b := ir.Extend(g)
	y := b.Do(ops.Flatten{}, b.Do(ops.GlobalAvgPool{}, g.Users()[g.Value("w")][0].Out[0]))
	y = b.Do(ops.Dense{}, y, b.Param("aux", []int{3, 4}, ir.Param{Kind: ir.Weight, Init: ir.Init{Kind: ir.InitGlorot}, LR: 1}))
	g.Heads = []ir.Head{{Value: y, Weight: 0.3}}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return g
}

// mixConfig is a run of testRecipe with mixing.
func mixConfig(t *testing.T, loss recipe.Loss, a recipe.Augment) (Config, autodiff.Options) {
	t.Helper()
	r := testRecipe
	r.Loss = loss
	r.Augment = append([]recipe.Augment{}, append(r.Augment, a)...)
	c := testConfig(t, newMemFS())
	c.Recipe, c.Epochs = r, 2
	var err error
	if c.Input, err = data.NewTransform(c.Train, &recipe.Input{Lo: 0, Hi: 1}, r.Augment, 1, 6, 6); err != nil {
		t.Fatal(err)
	}
	opt := autodiff.FromRecipe(&r)
	opt.Seed = 3
	return c, opt
}

// Both engines train alike on mixed pictures, with every loss and with heads.
func TestMixedAgainstReference(t *testing.T) {
	weights := recipe.ClassWeights{Values: []float64{1, 2, 0.5}}
	for name, x := range map[string]struct {
		loss recipe.Loss
		mix  recipe.Augment
	}{
		"mixup":            {recipe.Loss{}, recipe.Augment{Mixup: 0.4}},
		"cutmix, smoothed": {recipe.Loss{Smoothing: 0.1}, recipe.Augment{CutMix: 1}},
		"both, weighted":   {recipe.Loss{Weights: weights, Smoothing: 0.1}, recipe.Augment{Mixup: 1, CutMix: 1, MixProb: 0.7}},
		"focal":            {recipe.Loss{Kind: "focal", Gamma: 2, Weights: weights}, recipe.Augment{Mixup: 1, CutMix: 1}},
	} {
		for _, g := range []*ir.Graph{tiny(t), withHead(t)} {
			var rows [2][]Row
			var params [2][][]float32
			for i, kind := range []string{"ref", "cpu"} {
				c, opt := mixConfig(t, x.loss, x.mix)
				e := bothEngines(t, g, opt, 8)[kind]
				s, err := Run(context.Background(), e, c)
				if err != nil {
					t.Fatal(err)
				}
				rows[i] = s.Rows
				if params[i], err = readAll(e); err != nil {
					t.Fatal(err)
				}
			}
			for i, want := range rows[0] {
				got := rows[1][i]
				if math.Abs(got.TrainLoss-want.TrainLoss) > 1e-4*want.TrainLoss || math.Abs(got.ValLoss-want.ValLoss) > 1e-4*want.ValLoss || got.ValAcc != want.ValAcc || got.TrainAcc != want.TrainAcc {
					t.Errorf("%s, %d heads, epoch %d: %+v, want %+v", name, len(g.Heads), i+1, got, want)
				}
			}
			for i := range params[0] {
				most, off := 0.0, 0.0
				for j, v := range params[0][i] {
					most = max(most, math.Abs(float64(v)))
					off = max(off, math.Abs(float64(v-params[1][i][j])))
				}
				if !(off <= 2e-4*most+1e-6) {
					t.Errorf("%s, %d heads: param %d differs by %g of %g", name, len(g.Heads), i, off, most)
				}
			}
		}
	}
}

// A run on mixed pictures that was interrupted ends with the same bits; one without mixing
// ends with others.
func TestMixedResume(t *testing.T) {
	run := func(a recipe.Augment, stops ...int64) string {
		fs := newMemFS()
		for i := 0; ; i++ {
			c, opt := mixConfig(t, recipe.Loss{}, a)
			e, err := NewCPU(tiny(t), opt, 8, 3, cpu.Options{Threads: 1 + i%3})
			if err != nil {
				t.Fatal(err)
			}
			c.FS, c.Resume = fs, i > 0
			if i < len(stops) {
				c.stopHere = func(g int64) bool { return g == stops[i] }
			}
			if _, err = Run(context.Background(), e, c); i == len(stops) && err == nil {
				return fingerprint(t, e)
			} else if !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
		}
	}
	both := recipe.Augment{Mixup: 0.3, CutMix: 1, MixProb: 0.8}
	want := run(both)
	for _, stops := range [][]int64{{1}, {7}, {3, 4, 11}} {
		if got := run(both, stops...); got != want {
			t.Errorf("interrupted at %v it ends with other bits", stops)
		}
	}
	for _, a := range []recipe.Augment{{}, {Mixup: 0.3}, {CutMix: 1}} {
		if run(a) == want {
			t.Errorf("%+v ends with the same bits", a)
		}
	}
}

// A batch that is not mixed takes the step that a recipe without mixing takes.
func TestUnmixedStep(t *testing.T) {
	_, opt := mixConfig(t, recipe.Loss{Smoothing: 0.1}, recipe.Augment{Mixup: 1})
	images, labels := noise(tiny(t), 8, 3, 1)
	for name, mixed := range bothEngines(t, tiny(t), opt, 8) {
		opt := opt
		opt.Mix = false
		plain := bothEngines(t, tiny(t), opt, 8)[name]
		want, err := plain.Step(images, labels, 0.1, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := mixed.Step(images, labels, 0.1, 0)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got.Loss-want.Loss) > 1e-6 || math.Abs(got.Norm-want.Norm) > 1e-5*want.Norm || got.Correct != want.Correct {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if _, err := plain.StepMixed(images, labels, labels, 0.7, 0.1, 1); err == nil {
			t.Errorf("%s: an engine without mixing takes a share", name)
		}
		for _, bad := range []float32{0, -1, 1.5, float32(math.NaN())} {
			if _, err := mixed.StepMixed(images, labels, labels, bad, 0.1, 1); err == nil {
				t.Errorf("%s: a share of %g is taken", name, bad)
			}
		}
		if _, err := mixed.StepMixed(images, labels, labels[:7], 0.7, 0.1, 1); err == nil {
			t.Errorf("%s: 8 labels and 7 others are taken", name)
		}
		if _, err := mixed.StepMixed(images, labels, []int32{0, 1, 2, 3, 0, 0, 0, 0}, 0.7, 0.1, 1); err == nil {
			t.Errorf("%s: label 3 of 3 classes is taken", name)
		}
	}
}
