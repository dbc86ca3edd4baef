package train

import (
	"context"
	"fmt"
	"math"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir/recipe"
)

// RateRange is the search of a learning rate by range test (Smith 2017, section 3.3),
// with the numbers of fastai: the rate grows by the same factor every step, and the
// search ends where the smoothed loss is more than four times its least value.
type RateRange struct {
	From, To float64
	Steps    int
	Seed     int64 // of order and augmentation
	Train    *data.Set
	Input    data.Inputs
}

// DefaultRateRange are the bounds of fastai.
var DefaultRateRange = RateRange{From: 1e-7, To: 10, Steps: 100}

// RatePoint is a step of the search.
type RatePoint struct {
	Rate, Loss float64
	Smoothed   float64 // exponential average of the losses with weight 0.02, its start corrected
}

// rate is the learning rate of a step.
func (r RateRange) rate(step int) float64 {
	at := float64(step) / float64(max(1, r.Steps-1))
	return math.Exp(math.Log(r.From) + at*(math.Log(r.To)-math.Log(r.From)))
}

// Search trains the engine, whose weights it changes. It returns the steps up to where
// the loss diverged or all were done; diverged tells which. each, if not nil, is called
// after every step.
func (r RateRange) Search(ctx context.Context, e Engine, each func(p RatePoint)) (points []RatePoint, diverged bool, err error) {
	perEpoch := r.Train.Len() / e.Batch()
	if perEpoch == 0 {
		return nil, false, fmt.Errorf("%d training images do not fill a batch of %d: take a smaller batch", r.Train.Len(), e.Batch())
	}
	const beta = 0.98
	average, least := 0.0, math.Inf(1)
	for epoch := 0; len(points) < r.Steps; epoch++ {
		b := data.NewBatches(r.Input, r.Train, e.Batch(), r.Seed, epoch, 0)
		for i := 0; i < perEpoch && len(points) < r.Steps; i++ {
			step := len(points)
			x, err := b.Next()
			if err != nil {
				b.Close()
				return points, false, err
			}
			st, err := StepOn(e, x, float32(r.rate(step)), int64(step))
			b.Done(x)
			if err == nil && ctx.Err() != nil {
				err = ErrInterrupted
			}
			if err != nil {
				b.Close()
				return points, false, err
			}
			average = beta*average + (1-beta)*st.Loss
			p := RatePoint{r.rate(step), st.Loss, average / (1 - math.Pow(beta, float64(step+1)))}
			if !st.Finite() || p.Smoothed > 4*least {
				b.Close()
				return points, true, nil
			}
			least = min(least, p.Smoothed)
			points = append(points, p)
			if each != nil {
				each(p)
			}
		}
		b.Close()
	}
	return points, false, nil
}

// SuggestRate returns the rate that fastai's lr_find suggests by default: it leaves out
// the first tenth and the last five of the steps, finds the longest sequence of falling
// smoothed losses, and takes the middle of the span that it covers. ok is false where
// too few steps are left, or the loss never falls.
func (r RateRange) SuggestRate(points []RatePoint) (rate float64, ok bool) {
	lo, hi := r.Steps/10, len(points)-5
	if hi-lo < 5 {
		return 0, false
	}
	p := points[lo:hi]
	length := make([]int, len(p)) // of the longest falling sequence that ends here
	end, start := 0, 0
	for i := range p {
		length[i] = 1
		for j := range i {
			if p[i].Smoothed < p[j].Smoothed {
				length[i] = max(length[i], length[j]+1)
			}
		}
		if length[i] > length[end] {
			end, start = i, i-length[i]
		}
	}
	if length[end] < 3 {
		return 0, false
	}
	third := float64(end-start) / 3
	return p[max(0, start+int(third)+int(third/2))].Rate, true
}

// GuessLoss returns the least loss that a network can have which does not look at its
// images: the cross-entropy of always answering with the shares of the classes. counts are
// the images of the classes; heads is the sum of the weights of auxiliary classifiers, whose
// losses are added. ok is false for losses that weigh images or classes.
func GuessLoss(l recipe.Loss, counts []int, heads float64) (loss float64, ok bool) {
	if l.Kind != "" && l.Kind != "xent" || l.Weights.Balanced || len(l.Weights.Values) > 0 {
		return 0, false
	}
	images := 0
	for _, n := range counts {
		images += n
	}
	for _, n := range counts {
		share := (1-l.Smoothing)*float64(n)/float64(images) + l.Smoothing/float64(len(counts))
		if share > 0 {
			loss -= share * math.Log(share)
		}
	}
	return loss * (1 + heads), true
}

// Falls reports whether the losses fall below a bound, such as that of GuessLoss, by more than
// the noise of single steps: in some ten steps one after the other, the mean is below it by
// three standard errors. The noise is estimated from the differences of neighbours, which a
// fall of the loss hardly changes (von Neumann 1941).
func (r RateRange) Falls(points []RatePoint, bound float64) bool {
	const window, errors = 10, 3
	for i := 0; i+window <= len(points); i++ {
		mean, squares := points[i].Loss/window, 0.0
		for j := i + 1; j < i+window; j++ {
			mean += points[j].Loss / window
			d := points[j].Loss - points[j-1].Loss
			squares += d * d
		}
		deviation := math.Sqrt(squares / (2 * (window - 1)))
		if bound-mean > errors*deviation/math.Sqrt(window) {
			return true
		}
	}
	return false
}
