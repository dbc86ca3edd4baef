package kernel

import (
	"math"

	"github.com/incc-lang/incc/backends/cpu/scalar"
)

// WeightedCrossEntropy is CrossEntropy with a weight for each class, or the focal loss
// (Lin 2017): the sum of the losses of the images, divided by the sum of the weights of
// their labels. With q as CrossEntropy has it and p the softmax of the logits, the loss
// of an image is
//
//	-sum over c of weights[c] * q[c] * log p[c]
//
// or, with Gamma above 0, in which case Smoothing is 0, of the label l
//
//	-weights[l] * (1 - p[l])^Gamma * log p[l]
//
// A label outside of 0..C-1 makes it NaN.
//
// Operands: In[0] logits (view In, a map of one pixel), In[1] labels, one integer an
// image (PutInt), In[2] the weights, one number a class, or no memory for ones; Out[0]
// the loss, one number.
type WeightedCrossEntropy struct {
	C                int
	Smoothing, Gamma float32
	In               View
}

// Tasks is 1.
func (k WeightedCrossEntropy) Tasks(int) int { return 1 }

// Scratch holds the logits of an image and their exponentials.
func (k WeightedCrossEntropy) Scratch() int { return 2 * Blocks(k.C) * Block }

// Run sums the losses of all images in order, in float64.
func (k WeightedCrossEntropy) Run(w *Worker, _ int, a *Args) {
	weights := classWeights(&a.In[2], k.C)
	total := 0.0
	for n := range a.Images {
		x, e, most, sum := logits(w, k.In, &a.In[0], n, k.C)
		label := int(Int(a.In[1].Mem, a.In[1].Off+n))
		if label < 0 || label >= k.C {
			total = math.NaN()
			break
		}
		if k.Gamma > 0 {
			rest := othersShare(e[:k.C], label, sum)
			l := float64(weightOf(weights, label) * -logShare(x[label], most, sum, rest))
			total += float64(l * powerOf(rest, k.Gamma))
			continue
		}
		log := float64(scalar.Log(sum))
		low := float64(k.Smoothing) / float64(k.C)
		for c, v := range x[:k.C] {
			q := low
			if c == label {
				q += 1 - float64(k.Smoothing)
			}
			total += float64(float64(weightOf(weights, c)*q) * (float64(most) + log - float64(v)))
		}
	}
	a.Out[0].Mem[a.Out[0].Off] = float32(total / labelWeights(weights, &a.In[1], a.Images))
}

// WeightedCrossEntropyBackward is the gradient of WeightedCrossEntropy with respect to
// the logits: with f = dloss / sum of the labels' weights
//
//	f * (p[k] * sum over c of weights[c] * q[c] - weights[k] * q[k])
//
// or, with Gamma above 0, of the label l
//
//	f * weights[l] * g * (p[k] - [k is l]), g = (1-p[l])^Gamma - Gamma * p[l] * (1-p[l])^(Gamma-1) * log p[l]
//
// Operands: In[0] dloss, one number, or no memory for 1; In[1] logits (view In), In[2]
// labels and In[3] weights as in WeightedCrossEntropy; Out[0] the gradient (view Out),
// which may be the logits' place.
type WeightedCrossEntropyBackward struct {
	C                int
	Smoothing, Gamma float32
	In, Out          View
}

// Tasks is images.
func (k WeightedCrossEntropyBackward) Tasks(images int) int { return images }

// Scratch holds the logits of an image and their exponentials.
func (k WeightedCrossEntropyBackward) Scratch() int { return 2 * Blocks(k.C) * Block }

// Run computes an image. Every image adds up the weights of all labels, which is little
// work beside the exponentials.
func (k WeightedCrossEntropyBackward) Run(w *Worker, image int, a *Args) {
	weights := classWeights(&a.In[3], k.C)
	x, e, most, sum := logits(w, k.In, &a.In[1], image, k.C)
	f := 1 / labelWeights(weights, &a.In[2], a.Images)
	if a.In[0].Mem != nil {
		f *= float64(a.In[0].Mem[a.In[0].Off])
	}
	label := int(Int(a.In[2].Mem, a.In[2].Off+image))
	switch {
	case label < 0 || label >= k.C:
		fill(e[:k.C], float32(math.NaN()))
	case k.Gamma > 0:
		rest := othersShare(e[:k.C], label, sum)
		slope := 0.0 // the limit at rest = 0
		if rest > 0 {
			p := float64(e[label]) / float64(sum)
			slope = float64(powerOf(rest, k.Gamma) * (1 - float64(float64(float64(k.Gamma)*p)*logShare(x[label], most, sum, rest))/rest))
		}
		f *= float64(weightOf(weights, label) * slope)
		for c, v := range e[:k.C] {
			e[c] = float32(f * (float64(v) / float64(sum)))
		}
		e[label] = float32(-f * rest)
	default:
		low := float64(k.Smoothing) / float64(k.C)
		all := float64(weightOf(weights, label) * (1 - float64(k.Smoothing)))
		for c := range k.C {
			all += float64(weightOf(weights, c) * low)
		}
		for c, v := range e[:k.C] {
			q := low
			if c == label {
				q += 1 - float64(k.Smoothing)
			}
			e[c] = float32(f * (float64(float64(v)/float64(sum)*all) - float64(weightOf(weights, c)*q)))
		}
	}
	clear(e[k.C:])
	for b := range Blocks(k.C) {
		copy(a.Out[0].Mem[k.Out.at(&a.Out[0], image, b, 0, 0):][:Block], e[b*Block:])
	}
}

// classWeights returns the weights of the classes, nil for ones.
func classWeights(b *Buf, classes int) []float32 {
	if b.Mem == nil {
		return nil
	}
	return b.Mem[b.Off:][:classes]
}

func weightOf(weights []float32, class int) float64 {
	if weights == nil {
		return 1
	}
	return float64(weights[class])
}

// labelWeights adds up the weights of the labels of all images. It is NaN where a label
// is no class.
func labelWeights(weights []float32, labels *Buf, images int) float64 {
	if weights == nil {
		return float64(images)
	}
	sum := 0.0
	for n := range images {
		label := int(Int(labels.Mem, labels.Off+n))
		if label < 0 || label >= len(weights) {
			return math.NaN()
		}
		sum += float64(weights[label])
	}
	return sum
}

// othersShare is 1 - p of the label, added up from the exponentials of the other
// classes: it keeps its digits where p is near 1.
func othersShare(e []float32, label int, sum float32) float64 {
	rest := 0.0
	for c, v := range e {
		if c != label {
			rest += float64(v)
		}
	}
	return rest / float64(sum)
}

// logShare is log p of a logit. Where 1 - p, which is rest, is small, it is a series in
// it: the difference of the logits has lost its digits.
func logShare(x, most, sum float32, rest float64) float64 {
	if rest < 1.0/256 {
		return -float64(rest * (1 + float64(rest*(1.0/2+float64(rest*(1.0/3+float64(rest/4)))))))
	}
	return float64(x) - float64(most) - float64(scalar.Log(sum))
}

// powerOf is x^y for x >= 0 and y > 0.
func powerOf(x float64, y float32) float64 { return float64(scalar.Exp(y * scalar.Log(float32(x)))) }
