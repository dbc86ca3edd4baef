package train

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/incc-lang/incc/ir/recipe"
)

// TestSuggestRate compares with the suggestion of fastai's lr_find (its function valley)
// for a curve that is flat, falls, and rises, with ripples.
func TestSuggestRate(t *testing.T) {
	r := DefaultRateRange
	for _, n := range []int{88, 95, 100} {
		var points []RatePoint
		for i := range n {
			loss := 2.3 - 1.8/(1+math.Exp(-float64(i-60)/12)) + float64((i*37)%11-5)/400
			if i >= 80 {
				loss += float64((i-80)*(i-80)) / 40
			}
			points = append(points, RatePoint{Rate: r.rate(i), Smoothed: loss})
		}
		if got, ok := r.SuggestRate(points); !ok || math.Abs(got/0.000911162756-1) > 1e-6 {
			t.Errorf("%d steps: %g, %v; fastai suggests 0.000911162756", n, got, ok)
		}
	}
	if rate, ok := r.SuggestRate(make([]RatePoint, 12)); ok {
		t.Errorf("of a few steps: %g", rate)
	}
	if rate, ok := r.SuggestRate(make([]RatePoint, 60)); ok {
		t.Errorf("of a loss that never falls: %g", rate)
	}
}

// TestRateRange: the rates grow by the same factor from the first to the last, the
// average is that of fastai's AvgSmoothLoss, and the search ends where the loss
// diverges.
func TestRateRange(t *testing.T) {
	e, c := testEngine(t), testConfig(t, newMemFS())
	r := RateRange{From: 1e-4, To: 1, Steps: 9, Seed: 1, Train: c.Train, Input: c.Input}
	points, diverged, err := r.Search(context.Background(), e, nil)
	if err != nil || diverged || len(points) != 9 {
		t.Fatalf("%d points, diverged %v, %v", len(points), diverged, err)
	}
	average := 0.0
	for i, p := range points {
		if want := math.Pow(10, -4+float64(i)/2); math.Abs(p.Rate/want-1) > 1e-9 {
			t.Errorf("rate %d is %g, want %g", i, p.Rate, want)
		}
		average = 0.98*average + 0.02*p.Loss
		if want := average / (1 - math.Pow(0.98, float64(i+1))); math.Abs(p.Smoothed-want) > 1e-12 {
			t.Errorf("smoothed loss %d is %g, want %g", i, p.Smoothed, want)
		}
	}
	r.From, r.To, r.Steps = 1, 1e12, 60
	if points, diverged, err = r.Search(context.Background(), e, nil); err != nil || !diverged || len(points) == 60 {
		t.Errorf("at rates up to 1e12: %d points, diverged %v, %v", len(points), diverged, err)
	}
}

// The loss of a guess is that of the best constant answer, which a search over answers finds.
func TestGuessLoss(t *testing.T) {
	counts := []int{30, 10, 60}
	for _, smoothing := range []float64{0, 0.1} {
		least := math.Inf(1)
		for a := 0.005; a < 1; a += 0.005 {
			for b := 0.005; a+b < 1; b += 0.005 {
				loss := 0.0
				for k, p := range []float64{a, b, 1 - a - b} {
					loss -= ((1-smoothing)*float64(counts[k])/100 + smoothing/3) * math.Log(p)
				}
				least = min(least, loss)
			}
		}
		got, ok := GuessLoss(recipe.Loss{Smoothing: smoothing}, counts, 0.3)
		if got /= 1.3; !ok || got > least || got < least-1e-3 {
			t.Errorf("smoothing %g: %g, %v, want %g", smoothing, got, ok, least)
		}
	}
	if got, ok := GuessLoss(recipe.Loss{Kind: "xent"}, []int{5, 0, 0}, 0); got != 0 || !ok {
		t.Errorf("one class: %g, %v", got, ok)
	}
	for _, l := range []recipe.Loss{{Kind: "focal"}, {Weights: recipe.ClassWeights{Balanced: true}}} {
		if _, ok := GuessLoss(l, counts, 0); ok {
			t.Errorf("%+v has the loss of a guess", l)
		}
	}
}

// Noise around the bound is no fall; a fall below it is one, with the same noise.
func TestFalls(t *testing.T) {
	r := DefaultRateRange
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var flat, falling []RatePoint
		for i := range 100 {
			noise := 0.1 * rnd.NormFloat64()
			flat = append(flat, RatePoint{Loss: 2.302 + 0.3*math.Exp(-float64(i)/30) + noise})
			falling = append(falling, RatePoint{Loss: 2.302 - 0.8*math.Exp(-float64((i-70)*(i-70))/200) + noise})
		}
		if r.Falls(flat, 2.302) {
			t.Errorf("seed %d: noise falls", seed)
		}
		if !r.Falls(falling, 2.302) {
			t.Errorf("seed %d: a fall of 0.8 is not seen", seed)
		}
	}
	if r.Falls(nil, 1) || r.Falls(make([]RatePoint, 9), 1) {
		t.Error("too few steps fall")
	}
}
