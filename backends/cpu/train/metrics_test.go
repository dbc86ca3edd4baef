package train

import (
	"math"
	"testing"
)

// metricsCase makes the label and the logits of image i: eight classes, of which 4
// and 7 have no images, and 2 and 5 are never predicted.
func metricsCase(i int) (label int, z []float32) {
	label = (i*5 + i/7) % 7
	if label == 4 {
		label = 3
	}
	for c := range 8 {
		v := float64((i*i*7+c*c*13+i*c*5)%17)/4 - 2 - float64(c)/64
		switch c {
		case label:
			v += 1.75
		}
		if c == 2 {
			v -= 9
		}
		z = append(z, float32(v))
	}
	return label, z
}

// TestMetrics compares with the values that scikit-learn 1.9.1 gives for the same
// logits: accuracy_score, top_k_accuracy_score, log_loss, balanced_accuracy_score and
// precision_recall_fscore_support with zero_division=0. The calibration error is that
// of Guo et al. 2017 by NumPy.
func TestMetrics(t *testing.T) {
	r := newScorer(8)
	for i := range 60 {
		label, z := metricsCase(i)
		r.add(z, label)
	}
	s := r.score(7)
	m := s.Confusion.Metrics()
	want := []ClassMetrics{
		{0, 0.500000000000, 0.750000000000, 0.600000000000, 8},
		{1, 0.352941176471, 0.666666666667, 0.461538461538, 9},
		{2, 0.000000000000, 0.000000000000, 0.000000000000, 9},
		{3, 0.647058823529, 0.647058823529, 0.647058823529, 17},
		{4, 0.000000000000, 0.000000000000, 0.000000000000, 0},
		{5, 0.000000000000, 0.000000000000, 0.000000000000, 8},
		{6, 0.714285714286, 0.555555555556, 0.625000000000, 9},
		{7, 0.000000000000, 0.000000000000, 0.000000000000, 0},
	}
	if len(m.Classes) != len(want) || s.Images != 60 || s.Confusion.Classes() != 8 {
		t.Fatalf("%d classes of %d, %d images", len(m.Classes), s.Confusion.Classes(), s.Images)
	}
	check := func(name string, got, want float64) {
		t.Helper()
		if !(math.Abs(got-want) < 1e-9) {
			t.Errorf("%s is %.12f, want %.12f", name, got, want)
		}
	}
	same := func(name string, got, want ClassMetrics) {
		t.Helper()
		check(name+": precision", got.Precision, want.Precision)
		check(name+": recall", got.Recall, want.Recall)
		check(name+": F1", got.F1, want.F1)
		if got.Class != want.Class || got.Support != want.Support {
			t.Errorf("%s: class %d of %d images, want %d of %d", name, got.Class, got.Support, want.Class, want.Support)
		}
	}
	for i, w := range want {
		same("class", m.Classes[i], w)
	}
	same("macro", m.Macro, ClassMetrics{-1, 0.2767857142857143, 0.3274101307189542, 0.2916996606334842, 60})
	same("weighted", m.Weighted, ClassMetrics{-1, 0.41008403361344536, 0.4666666666666667, 0.42631410256410257, 60})
	check("balanced accuracy", m.Balanced, 0.4365468409586056)
	check("accuracy", s.Accuracy, 0.4666666666666667)
	check("top-5", s.Top5, 0.8166666666666667)
	check("loss", s.Loss, 2.7082379645267327)
	check("calibration error", s.Calibration, 0.1874691843466237)
}

// TestPredictionEdges: equal logits, logits that are not numbers, five classes.
func TestPredictionEdges(t *testing.T) {
	if p := Predict([]float32{1, 3, 3}); p.Class != 1 || math.Abs(p.Score-1/(2+math.Exp(-2))) > 1e-9 {
		t.Errorf("of equal logits %+v", p)
	}
	if n := rank([]float32{2, 3, 2, 1}, 2); n != 2 {
		t.Errorf("rank %d, want 2", n)
	}
	nan := float32(math.NaN())
	r := newScorer(6)
	r.add([]float32{nan, nan, nan, nan, nan, nan}, 3)
	if s := r.score(6); s.Top5 != 0 || !math.IsNaN(s.Loss) || !math.IsNaN(s.Calibration) {
		t.Errorf("logits that are not numbers: %+v", s)
	}
	r = newScorer(5)
	r.add([]float32{5, 4, 3, 2, 1}, 4)
	if s := r.score(5); s.Top5 != 0 || s.Accuracy != 0 {
		t.Errorf("five classes: %+v", s)
	}
	// A probability on the edge of two bins belongs to the lower one, 1 to the last.
	var c calibration
	c.add(1.0/15, true)
	c.add(0, false)
	c.add(1, true)
	if c.bins[0].images != 2 || c.bins[14].images != 1 {
		t.Errorf("bins %+v", c.bins)
	}
}
