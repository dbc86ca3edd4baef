package train

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
)

// graphInferrer runs a graph on the executor.
type graphInferrer struct {
	s           *cpu.Session
	batch, size int
}

func (g graphInferrer) Batch() int   { return g.batch }
func (g graphInferrer) Classes() int { return g.size }
func (g graphInferrer) Logits(dst, images []float32, n int) error {
	return g.s.Run([][]float32{images}, [][]float32{dst[:n*g.size]})
}

// TestFeatures: a run on the features of a frozen trunk, also one that was interrupted,
// ends with the weights of a run of the whole network; its checkpoints and weight files
// have the same params, and the trunk keeps every bit.
func TestFeatures(t *testing.T) {
	g := scrambled(netOf(t, "net a\ninput image 1x6x6 range=0..1\nstem: conv 3x3 20 pad=1 bn=1e-3 act=relu -> maxpool 2x2/2\n3a: inception 4  4 6  2 4  4\ntop: conv 3x3 5 pad=1 act=relu bn=1e-3 -> gap -> dropout 0.3 -> fc 3 -> softmax\n"))
	for name, c := range map[string]struct {
		freeze  []string
		average string
	}{
		"conv": {[]string{"stem", "3a"}, "ema"},
		"fc":   {[]string{"stem", "3a", "top/conv_3x3", "top/conv_3x3/bn"}, ""},
	} {
		opt := autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd", Momentum: 0.9, Decay: 0.01}, Freeze: c.freeze, Seed: 3, Average: recipe.Average{Kind: c.average, Decay: 0.9}}
		trunk, top, err := autodiff.Cut(g, c.freeze)
		if err != nil {
			t.Fatal(err)
		}
		config := func(fs FS) Config {
			conf := testConfig(t, fs)
			conf.Recipe.Augment = nil
			conf.Input, err = data.NewTransform(conf.Train, &recipe.Input{Lo: 0, Hi: 1}, nil, 1, 6, 6)
			if err != nil {
				t.Fatal(err)
			}
			return conf
		}
		run := func(fs FS, resume bool, stop int64) (*CPU, *State, error) {
			e, err := NewTop(g, top, opt, 8, 3, cpu.Options{Debug: true})
			if err != nil {
				t.Fatal(err)
			}
			conf := config(fs)
			images := conf.Input
			f := NewFeatures(top.Inputs[0].Type.Shape.Size())
			conf.Input, conf.Resume = f, resume
			conf.stopHere = func(step int64) bool { return step == stop }
			conf.Start = func(*State) error {
				if err := TakeWeights(trunk, e); err != nil {
					return err
				}
				p, err := cpu.Compile(trunk, cpu.Options{Batch: 5})
				if err != nil {
					return err
				}
				for _, s := range []*data.Set{conf.Train, conf.Val} {
					done := 0
					if err := f.Compute(context.Background(), graphInferrer{p.NewSession(), 5, f.Size()}, images, s, func(n int) { done = n }); err != nil || done != s.Len() {
						t.Fatalf("%d of %d images: %v", done, s.Len(), err)
					}
				}
				return nil
			}
			s, err := Run(context.Background(), e, conf)
			return e, s, err
		}
		whole, err := NewCPU(g, opt, 8, 3, cpu.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := Run(context.Background(), whole, config(newMemFS()))
		if err != nil {
			t.Fatal(err)
		}
		e, s, err := run(newMemFS(), false, -1)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range s.Rows {
			if w := want.Rows[i]; math.Abs(r.TrainLoss-w.TrainLoss) > 1e-5 || math.Abs(r.ValLoss-w.ValLoss) > 1e-5 || r.ValAcc != w.ValAcc {
				t.Errorf("%s: epoch %d is %+v, want %+v", name, i+1, r, w)
			}
		}
		if a, b := paramNames(e), paramNames(whole); !slices.Equal(a, b) {
			t.Errorf("%s: params %v, want %v", name, a, b)
		}
		for _, p := range whole.Params() {
			x, y := make([]float32, p.Shape.Size()), make([]float32, p.Shape.Size())
			if err := errors.Join(e.Get(p.Name, x), whole.Get(p.Name, y)); err != nil {
				t.Fatal(err)
			}
			if ir.UnderAny(p.Name, c.freeze) && !slices.Equal(x, g.Data[p.Name].Data) {
				t.Errorf("%s: %s has changed", name, p.Name)
			}
			for i := range x {
				if math.Abs(float64(x[i]-y[i])) > 1e-5*(1+math.Abs(float64(y[i]))) {
					t.Fatalf("%s: %s[%d] is %g, want %g", name, p.Name, i, x[i], y[i])
				}
			}
		}
		fs := newMemFS()
		if _, _, err := run(fs, false, 7); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		again, _, err := run(fs, true, -1)
		if err != nil {
			t.Fatal(err)
		}
		if fingerprint(t, again) != fingerprint(t, e) {
			t.Errorf("%s: the run that was interrupted ends with other weights", name)
		}
	}
}

func paramNames(e Engine) (names []string) {
	for _, p := range e.Params() {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// TestFeaturesErrors: a set without features, a trunk of another size, an interruption.
func TestFeaturesErrors(t *testing.T) {
	c := testConfig(t, newMemFS())
	f := NewFeatures(7)
	if err := f.Eval(make([]float32, 7), c.Train, 0); err == nil || !strings.Contains(err.Error(), "were not computed") {
		t.Errorf("%v", err)
	}
	e := testEngine(t)
	if err := f.Compute(context.Background(), e, c.Input, c.Train, nil); err == nil || !strings.Contains(err.Error(), "3 numbers") {
		t.Errorf("%v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	f = NewFeatures(3)
	if err := f.Compute(ctx, e, c.Input, c.Train, nil); !errors.Is(err, ErrInterrupted) || f.of[c.Train] != nil {
		t.Errorf("%v", err)
	}
}
