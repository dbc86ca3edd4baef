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

const phasedText = `net a
input image 1x6x6
stem: conv 3x3 4 act=relu bn=1e-3 -> dropout 0.2
mid: conv 1x1 5 act=relu
top: fc 3 -> softmax
`

var phasedRecipe = recipe.Train{
	Optimizer: recipe.Optimizer{Kind: "adam", LR: .02, Beta1: .9, Beta2: .999, Eps: 1e-8},
	Average:   recipe.Average{Kind: "ema", Decay: .8},
	Freeze:    []recipe.Freeze{{Parts: []string{"stem"}, Until: 2}, {Parts: []string{"mid"}, Until: 1}},
}

func phasedEngine(t *testing.T) *Phased {
	t.Helper()
	g := netOf(t, phasedText)
	e, err := NewPhased(phasedRecipe.Unfreezes(), func(epoch int) (Engine, error) {
		opt := autodiff.FromRecipe(&phasedRecipe)
		opt.Freeze = phasedRecipe.Frozen(epoch)
		return NewCPU(g, opt, 8, 3, cpu.Options{})
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func phasedConfig(t *testing.T, fs FS) Config {
	c := testConfig(t, fs)
	c.Recipe.Schedule, c.Recipe.Optimizer = recipe.Schedule{}, phasedRecipe.Optimizer
	c.Epochs = 4
	return c
}

// Parts are frozen until their epoch; each phase trains as a run of its own does that
// begins with the weights of the phase before.
func TestPhases(t *testing.T) {
	g := netOf(t, phasedText)
	c := phasedConfig(t, newMemFS())
	e := phasedEngine(t)
	// The same by hand, with a new engine for each phase.
	var want map[string][]float32
	begin := map[string][]float32{}
	for _, v := range g.Params {
		begin[v.Name] = g.Data[v.Name].Data
	}
	for phase, epochs := range [][]int{{0}, {1}, {2, 3}} {
		opt := autodiff.FromRecipe(&phasedRecipe)
		opt.Freeze = [][]string{{"stem", "mid"}, {"stem"}, nil}[phase]
		own, err := NewCPU(g, opt, 8, 3, cpu.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range own.Params() {
			if !p.Slot {
				if err := own.Set(p.Name, begin[p.Name]); err != nil {
					t.Fatal(err)
				}
			}
		}
		step := int64(0)
		for _, epoch := range epochs {
			b := data.NewBatches(c.Input, c.Train, 8, c.Seed, epoch, 0)
			for range testSteps {
				x, err := b.Next()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := own.Step(x.Images, x.Labels, .02, step); err != nil {
					t.Fatal(err)
				}
				b.Done(x)
				step++
			}
			b.Close()
		}
		want = map[string][]float32{}
		for _, p := range own.Params() {
			x := make([]float32, p.Shape.Size())
			if err := own.Get(p.Name, x); err != nil {
				t.Fatal(err)
			}
			if want[p.Name] = x; !p.Slot {
				if frozen := ir.UnderAny(p.Name, opt.Freeze); frozen != slices.Equal(x, begin[p.Name]) {
					t.Errorf("phase %d: %s is frozen: %v, and has changed: %v", phase, p.Name, frozen, !frozen)
				}
				begin[p.Name] = x
			}
		}
	}
	if _, err := Run(context.Background(), e, c); err != nil {
		t.Fatal(err)
	}
	if len(e.Params()) != len(want) {
		t.Fatalf("%d params, want %d", len(e.Params()), len(want))
	}
	for _, p := range e.Params() {
		x := make([]float32, p.Shape.Size())
		if err := e.Get(p.Name, x); err != nil {
			t.Fatal(err)
		}
		for i, v := range want[p.Name] {
			// The first step of an average makes it the weight: from another average with
			// a rounding.
			if x[i] != v && !(p.Slot && math.Abs(float64(x[i]-v)) < 1e-6) {
				t.Fatalf("%s[%d] is %g, %g by hand", p.Name, i, x[i], v)
			}
		}
	}
}

// A run with phases ends with the same bits wherever it is interrupted, at the
// boundaries of phases too, and its weight files hold no zeros there.
func TestPhasesResume(t *testing.T) {
	e := phasedEngine(t)
	whole, err := Run(context.Background(), e, phasedConfig(t, newMemFS()))
	if err != nil {
		t.Fatal(err)
	}
	want := fingerprint(t, e)
	for _, stops := range [][]int64{{3}, {6}, {7}, {6, 12}, {5, 12, 13, 20}} {
		fs := newMemFS()
		for i := 0; i <= len(stops); i++ {
			e = phasedEngine(t)
			c := phasedConfig(t, fs)
			c.Resume = i > 0
			if i < len(stops) {
				c.stopHere = func(g int64) bool { return g == stops[i] }
			}
			s, err := Run(context.Background(), e, c)
			if i < len(stops) && !errors.Is(err, ErrInterrupted) || i == len(stops) && err != nil {
				t.Fatalf("stops %v, part %d: %v", stops, i, err)
			}
			if i == len(stops) {
				for k, r := range s.Rows {
					if w := whole.Rows[k]; r.TrainLoss != w.TrainLoss || r.ValLoss != w.ValLoss {
						t.Errorf("stops %v: epoch %d is %+v, want %+v", stops, k+1, r, w)
					}
				}
			}
		}
		if got := fingerprint(t, e); got != want {
			t.Errorf("interrupted at %v the run ends with other weights", stops)
		}
	}
	// A run that ends where a phase would begin.
	fs := newMemFS()
	c := phasedConfig(t, fs)
	c.Epochs = 2
	e = phasedEngine(t)
	if _, err := Run(context.Background(), e, c); err != nil {
		t.Fatal(err)
	}
	for _, p := range e.Params() {
		if p.Average == "" || !strings.HasSuffix(p.Name, "/weight") {
			continue
		}
		x := make([]float32, p.Shape.Size())
		if err := e.Get(p.Average, x); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(x, func(v float32) bool { return math.Abs(float64(v)) > 1e-6 }) {
			t.Errorf("the average of %s is 0", p.Name)
		}
	}
}
