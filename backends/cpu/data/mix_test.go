package data

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir/recipe"
)

// TestMixAgainstTimm compares mixed pictures and their shares with those of timm
// (testdata/mix.py).
func TestMixAgainstTimm(t *testing.T) {
	text, err := os.ReadFile("testdata/mix.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Shape [4]int
		Cases []struct {
			Kind    string
			Share   float64
			Y, X    int
			Images  []float32
			Targets []float64
		}
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	n, size, h, w := want.Shape[0], want.Shape[1]*want.Shape[2]*want.Shape[3], want.Shape[2], want.Shape[3]
	if len(want.Cases) < 6 {
		t.Fatal(len(want.Cases))
	}
	for _, c := range want.Cases {
		x := mix{h: h, w: w, share: float32(c.Share)}
		if c.Kind == "cutmix" {
			x = cutMix(c.Share, c.Y, c.X, h, w)
		}
		b := &Batch{Labels: []int32{0, 1, 2, 3}}
		for i := range n * size {
			b.Images = append(b.Images, float32(i))
		}
		x.batch(b)
		for i, v := range b.Images {
			if math.Abs(float64(v-c.Images[i])) > 1e-4 {
				t.Fatalf("%s, share %g: element %d is %g, timm has %g", c.Kind, c.Share, i, v, c.Images[i])
			}
		}
		if b.Share < 0.5 || b.Share > 1 {
			t.Errorf("%s, share %g: a share of %g", c.Kind, c.Share, b.Share)
		}
		got := make([]float64, n*n)
		for i := range n {
			got[i*n+int(b.Labels[i])] += float64(b.Share)
			got[i*n+int(b.Others[i])] += 1 - float64(b.Share)
		}
		for i, v := range got {
			if math.Abs(v-c.Targets[i]) > 1e-6 {
				t.Fatalf("%s, share %g: targets %v, timm has %v", c.Kind, c.Share, got, c.Targets)
			}
		}
	}
}

// The share is distributed as Beta(alpha, alpha): its distribution function at points
// where it is known, and its variance, 1 / (4 * (2 * alpha + 1)).
func TestMixBeta(t *testing.T) {
	const n = 20000
	for _, c := range []struct {
		alpha float64
		below func(x float64) float64 // nil if there is no short form
	}{
		{0.2, nil}, {0.5, func(x float64) float64 { return 2 / math.Pi * math.Asin(math.Sqrt(x)) }},
		{1, func(x float64) float64 { return x }}, {2, func(x float64) float64 { return x * x * (3 - 2*x) }}, {32, nil},
	} {
		var shares []float64
		mean, square := 0.0, 0.0
		for i := range n {
			x := NewDraws(3, 1, i).beta(c.alpha)
			shares = append(shares, x)
			mean += x / n
			square += (x - 0.5) * (x - 0.5) / n
		}
		want := 1 / (4 * (2*c.alpha + 1))
		if math.Abs(mean-0.5) > 4*math.Sqrt(want/n) || math.Abs(square-want) > 0.05*want {
			t.Errorf("alpha %g: mean %g, variance %g, want %g", c.alpha, mean, square, want)
		}
		slices.Sort(shares)
		for i, x := range shares {
			// Kolmogorov and Smirnov: 1.95 / sqrt(n) in 1 of 1000.
			if c.below != nil && math.Abs(float64(i)/n-c.below(x)) > 1.95/math.Sqrt(n) {
				t.Errorf("alpha %g: a share of %g of the draws is below %g, want %g", c.alpha, float64(i)/n, x, c.below(x))
				break
			}
		}
	}
}

func mixing(t *testing.T, s *Set, a recipe.Augment) *Transform {
	t.Helper()
	tr, err := NewTransform(s, &recipe.Input{Lo: 0, Hi: 1}, []recipe.Augment{{Flip: 0.5}, a}, s.C, s.H, s.W)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// Mixed batches are the same for any number of threads, from wherever a run goes on, and
// image by image.
func TestMixedBatchesAreTheSame(t *testing.T) {
	s := testSet(60, 3, 8, 8)
	tr := mixing(t, s, recipe.Augment{Mixup: 0.4, CutMix: 1, MixProb: 0.8})
	images, labels := collect(t, tr, s, 0, 1)
	again, same := collect(t, tr, s, 0, 4)
	if !slices.Equal(again, images) || !slices.Equal(same, labels) {
		t.Error("four threads prepare other batches")
	}
	if later, _ := collect(t, tr, s, 5, 2); !slices.Equal(later, images[5*7*tr.Size():]) {
		t.Error("an epoch that goes on at step 5 has other batches")
	}
	b := NewBatches(tr, s, 7, 9, 2, 0)
	defer b.Close()
	order := Order(s.Len(), 9, 2)
	plain, one := make([]float32, tr.Size()), make([]float32, tr.Size())
	mixed, left := 0, 0
	for {
		x, err := b.Next()
		if err != nil {
			t.Fatal(err)
		}
		if x == nil {
			break
		}
		if x.Others == nil {
			left++
			if x.Share != 1 {
				t.Errorf("share %g without mixing", x.Share)
			}
		} else {
			mixed++
		}
		for k := range 7 {
			place := x.Step*7 + k
			l, err := tr.TrainAt(one, s, order, 7, 9, 2, place)
			if err != nil || !slices.Equal(one, x.Images[k*tr.Size():(k+1)*tr.Size()]) {
				t.Fatalf("place %d alone is another picture: %v", place, err)
			}
			other := l.Label
			if x.Others != nil {
				other = x.Others[k]
			}
			if l.Label != x.Labels[k] || l.Other != other || l.Share != x.Share {
				t.Fatalf("place %d: %+v, in the batch %d, %d and %g", place, l, x.Labels[k], other, x.Share)
			}
			if err := tr.Train(plain, s, int(order[place]), NewDraws(9, 2, place)); err != nil {
				t.Fatal(err)
			}
			if x.Others == nil != slices.Equal(plain, one) && k != 3 {
				t.Errorf("place %d: mixed is %t", place, x.Others != nil)
			}
		}
		b.Done(x)
	}
	if mixed == 0 || left == 0 {
		t.Errorf("%d batches are mixed, %d are not", mixed, left)
	}
	// Those that do not fill a batch are left out of the epoch, and not mixed.
	if err := tr.Train(plain, s, int(order[59]), NewDraws(9, 2, 59)); err != nil {
		t.Fatal(err)
	}
	if l, err := tr.TrainAt(one, s, order, 7, 9, 2, 59); err != nil || l.Share != 1 || !slices.Equal(plain, one) {
		t.Error("the last image of the set is mixed")
	}
}

// TestMixProb: batches are mixed as often as the recipe says, by each method.
func TestMixProb(t *testing.T) {
	const n = 2000
	for _, c := range []struct {
		m             recipe.Mixing
		mixup, cutmix float64
	}{
		{recipe.Mixing{}, 0, 0}, {recipe.Mixing{Mixup: 1, Prob: 1}, 1, 0}, {recipe.Mixing{CutMix: 1, Prob: 0.3}, 0, 0.3}, {recipe.Mixing{Mixup: 1, CutMix: 2, Prob: 0.5}, 0.25, 0.25},
	} {
		cut, blended := 0.0, 0.0
		for i := range n {
			// Sides of 64 pixels: a rectangle of no pixels, which mixes nothing, is rare.
			x, ok := drawMix(c.m, 64, 64, 5, 1, i)
			switch {
			case ok && x.cut:
				cut++
			case ok:
				blended++
			}
		}
		if math.Abs(cut/n-c.cutmix) > 0.05 || math.Abs(blended/n-c.mixup) > 0.05 {
			t.Errorf("%+v: mixup in %g of the batches, CutMix in %g", c.m, blended/n, cut/n)
		}
	}
}
