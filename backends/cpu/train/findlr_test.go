package train

import (
	"context"
	"math"
	"testing"
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
