package train

import (
	"cmp"
	"math"
	"slices"
)

// Score is the result of an evaluation.
type Score struct {
	Loss     float64 // mean cross-entropy
	Accuracy float64 // share of images whose largest logit is their label's
	// Top5 is the share of images whose label is among the five largest logits. It is 0
	// for networks of five classes or fewer, where it says nothing.
	Top5 float64
	// Calibration is the expected calibration error; see calibration.
	Calibration float64
	Images      int
	Confusion   *Confusion
}

// ClassMetrics tell how well one class was found, or are an average over classes. A
// share of no images is 0, as scikit-learn's zero_division=0 has it.
type ClassMetrics struct {
	Class     int     `json:"class"`     // -1 for an average
	Precision float64 `json:"precision"` // share of the images predicted as the class that belong to it
	Recall    float64 `json:"recall"`    // share of the images of the class that were predicted as it
	F1        float64 `json:"f1"`        // harmonic mean of the two
	Support   int     `json:"support"`   // images of the class
}

// Metrics are what a confusion matrix says about its classes. The classes are those
// that have images or were predicted.
type Metrics struct {
	Classes  []ClassMetrics // in order
	Macro    ClassMetrics   // mean over Classes
	Weighted ClassMetrics   // mean over Classes, weighted by support
	Balanced float64        // balanced accuracy: mean recall of the classes that have images
}

// Metrics computes precision, recall and F1 of each class, and their averages.
func (c *Confusion) Metrics() Metrics {
	type counts struct{ right, support, predicted int }
	all := map[int]*counts{}
	at := func(class int) *counts {
		if all[class] == nil {
			all[class] = &counts{}
		}
		return all[class]
	}
	for _, x := range c.Cells() {
		at(x.Label).support += x.Count
		at(x.Predicted).predicted += x.Count
		if x.Label == x.Predicted {
			at(x.Label).right += x.Count
		}
	}
	m := Metrics{Macro: ClassMetrics{Class: -1}, Weighted: ClassMetrics{Class: -1}}
	images, withImages := 0, 0
	for class, n := range all {
		m.Classes = append(m.Classes, ClassMetrics{class, share(n.right, n.predicted), share(n.right, n.support), share(2*n.right, n.support+n.predicted), n.support})
		images += n.support
	}
	slices.SortFunc(m.Classes, func(a, b ClassMetrics) int { return cmp.Compare(a.Class, b.Class) })
	m.Macro.Support, m.Weighted.Support = images, images
	for _, x := range m.Classes {
		m.Macro.addTo(x, 1/float64(len(m.Classes)))
		m.Weighted.addTo(x, share(x.Support, images))
		if x.Support > 0 {
			withImages++
			m.Balanced += x.Recall
		}
	}
	m.Balanced /= float64(max(1, withImages))
	return m
}

// addTo adds a class to an average.
func (m *ClassMetrics) addTo(x ClassMetrics, weight float64) {
	m.Precision += float64(weight * x.Precision)
	m.Recall += float64(weight * x.Recall)
	m.F1 += float64(weight * x.F1)
}

func share(part, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(part) / float64(of)
}

// scorer collects the logits of an evaluation, image by image.
type scorer struct {
	loss           float64
	correct, among int // images whose label's logit is the largest, is among the five largest
	calibration    calibration
	s              Score
}

func newScorer(classes int) *scorer { return &scorer{s: Score{Confusion: NewConfusion(classes)}} }

// add counts an image and returns its prediction: the class, and the softmax of
// its logit.
func (r *scorer) add(z []float32, label int) Prediction {
	p := Predict(z)
	if p.Class == label {
		r.correct++
	}
	if len(z) > 5 && rank(z, label) < 5 {
		r.among++
	}
	r.s.Images++
	r.s.Confusion.Add(label, p.Class)
	r.calibration.add(p.Score, p.Class == label)
	r.loss += crossEntropy(z, label)
	return p
}

// score returns the result. Classes that neither have images nor were predicted are
// left out of the end of the confusion matrix, but the first n stay.
func (r *scorer) score(n int) Score {
	s := r.s
	for _, c := range s.Confusion.Cells() {
		n = max(n, c.Predicted+1)
	}
	s.Confusion.classes = n
	s.Loss = r.loss / float64(s.Images)
	s.Accuracy, s.Top5 = share(r.correct, s.Images), share(r.among, s.Images)
	s.Calibration = r.calibration.error()
	return s
}

// Prediction is the class with the largest logit and its probability by softmax.
type Prediction struct {
	Class int
	Score float64
}

// Predict returns the prediction of an image's logits. Of equal logits the first
// counts. The score is NaN where a logit is.
func Predict(z []float32) Prediction {
	best := 0
	for k, v := range z {
		if v > z[best] {
			best = k
		}
	}
	return Prediction{best, Probability(z, best)}
}

// Probability is the softmax of the logits at a class.
func Probability(z []float32, class int) float64 { return exp(-crossEntropy(z, class)) }

// rank counts the classes that come before a class by their logits. It is the number
// of classes where the logit is not a number.
func rank(z []float32, class int) int {
	n, x := 0, z[class]
	for k, v := range z {
		if x != x || v > x || v == x && k < class {
			n++
		}
	}
	return n
}

// calibration collects the expected calibration error (Guo et al. 2017, section 2):
// the images fall into 15 bins of equal width by the probability of their
// prediction. The error is the mean over the images of |accuracy of the bin - mean
// probability of the bin|.
type calibration struct {
	bins [calibrationBins]struct {
		images, right int
		scores        float64
	}
	undefined bool // a score was not a number
}

const calibrationBins = 15

func (c *calibration) add(score float64, right bool) {
	if math.IsNaN(score) {
		c.undefined = true
		return
	}
	// Bin k is open below and closed above: (k/15, (k+1)/15].
	k := int(math.Ceil(score*calibrationBins)) - 1
	b := &c.bins[min(max(k, 0), calibrationBins-1)]
	b.images++
	b.scores += score
	if right {
		b.right++
	}
}

func (c *calibration) error() float64 {
	images, sum := 0, 0.0
	for _, b := range c.bins {
		images += b.images
		sum += math.Abs(float64(b.right) - b.scores)
	}
	if c.undefined {
		return math.NaN()
	}
	return sum / float64(max(1, images))
}
