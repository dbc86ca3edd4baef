package train

import (
	"math"
	"slices"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
)

// Averages of weights and of batch norm's running statistics follow their formula
// step by step, in every engine; evaluation and weight files use them.
func TestAverages(t *testing.T) {
	for _, a := range []recipe.Average{{Kind: "ema", Decay: 0.75}, {Kind: "polyak"}} {
		opt := autodiff.FromRecipe(&testRecipe)
		opt.Average = a
		engines := map[string]Engine{}
		r, err := NewReference(tiny(t), opt, 8, 3)
		if err != nil {
			t.Fatal(err)
		}
		engines["ref"] = r
		for _, isa := range kernel.Available() {
			if engines[isa.String()], err = NewCPU(tiny(t), opt, 8, 3, cpu.Options{ISA: isa.String(), Threads: 2}); err != nil {
				t.Fatal(err)
			}
		}
		for name, e := range engines {
			averaged := map[string][]float64{}
			for _, p := range e.Params() {
				if p.Average != "" {
					averaged[p.Name] = make([]float64, p.Shape.Size())
				}
			}
			for _, stat := range []string{"mean", "variance", "w", "gamma", "c"} {
				if averaged[stat] == nil {
					t.Fatalf("%s, %s: %s has no average", a.Kind, name, stat)
				}
			}
			for step := range 12 {
				images, labels := noise(tiny(t), 8, 3, uint64(step))
				if s, err := e.Step(images, labels, 0.05, int64(step)); err != nil || !s.Finite() {
					t.Fatal(s, err)
				}
				f := 1 / float64(step+1)
				if a.Kind == "ema" {
					f = math.Max(1-a.Decay, f)
				}
				for _, p := range e.Params() {
					if p.Average == "" {
						continue
					}
					value, got := make([]float32, p.Shape.Size()), make([]float32, p.Shape.Size())
					if err := e.Get(p.Name, value); err != nil {
						t.Fatal(err)
					}
					if err := e.Get(p.Average, got); err != nil {
						t.Fatal(err)
					}
					for i, v := range value {
						want := &averaged[p.Name][i]
						*want += f * (float64(v) - *want)
						if d := math.Abs(float64(got[i]) - *want); d > 1e-5*(1+math.Abs(*want)) {
							t.Fatalf("%s, %s, step %d: the average of %s[%d] is %g, want %g", a.Kind, name, step, p.Name, i, got[i], *want)
						}
					}
				}
			}
			checkEvaluation(t, e)
		}
	}
}

// checkEvaluation compares an engine that averages with one that holds the averages
// as its weights.
func checkEvaluation(t *testing.T, e Engine) {
	t.Helper()
	plain, err := NewReference(tiny(t), autodiff.FromRecipe(&testRecipe), 8, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range e.Params() {
		if p.Slot {
			continue
		}
		from := p.Name
		if p.Average != "" {
			from = p.Average
		}
		v := make([]float32, p.Shape.Size())
		if err := e.Get(from, v); err != nil {
			t.Fatal(err)
		}
		if err := plain.Set(p.Name, v); err != nil {
			t.Fatal(err)
		}
	}
	images, _ := noise(tiny(t), 8, 3, 99)
	got, want := make([]float32, 8*3), make([]float32, 8*3)
	if err := e.Logits(got, images, 8); err != nil {
		t.Fatal(err)
	}
	if err := plain.Logits(want, images, 8); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-4 {
			t.Fatalf("the logits are %v, with the averages as weights %v", got, want)
		}
	}
	if slices.Max(want) == slices.Min(want) {
		t.Error("the logits are all equal")
	}
}

// A step that is not finite changes neither statistics nor averages.
func TestAveragesNonFinite(t *testing.T) {
	opt := autodiff.FromRecipe(&testRecipe)
	opt.Average = recipe.Average{Kind: "ema", Decay: 0.5}
	e, err := NewCPU(tiny(t), opt, 8, 3, cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	images, labels := noise(tiny(t), 8, 3, 1)
	if s, err := e.Step(images, labels, 0.05, 0); err != nil || !s.Finite() {
		t.Fatal(s, err)
	}
	before := fingerprint(t, e)
	images[7] = float32(math.NaN())
	if s, err := e.Step(images, labels, 0.05, 1); err != nil || s.Finite() {
		t.Fatal(s, err)
	}
	if fingerprint(t, e) != before {
		t.Error("the params have changed")
	}
}
