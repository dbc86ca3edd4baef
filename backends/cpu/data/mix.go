package data

import (
	"math"

	"github.com/incc-lang/incc/backends/cpu/random"
	"github.com/incc-lang/incc/backends/cpu/scalar"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
)

// mixStream is the stream of random.Rand that the mixing of a batch draws from.
const mixStream = 0xA0000004

// mix is how the pictures of one batch are mixed. Picture i of n is paired with picture
// n-1-i, as timm's Mixup does it in its mode "batch"; the middle one of an odd number
// stays as it is.
type mix struct {
	h, w           int
	share          float32 // of a picture in what becomes of it; the rest is its partner's
	cut            bool    // CutMix: the pixels of the rectangle are the partner's
	y0, x0, y1, x1 int     // the rectangle
}

// drawMix draws the mixing of a batch: the share from Beta(alpha, alpha), and for CutMix
// the middle of a rectangle whose sides are sqrt(1 - share) of the picture's (Zhang 2018,
// section 2; Yun 2019, section 3.1). The rectangle ends at the edges of the picture, and
// the share is then that of the pixels which stay. Where both methods are asked for, a
// batch gets one of them with equal probability. ok is false for a batch that is not mixed.
func drawMix(m recipe.Mixing, h, w int, seed int64, epoch, step int) (x mix, ok bool) {
	if !m.On() {
		return mix{}, false
	}
	d := &Draws{r: random.NewRand(uint64(seed), uint32(epoch), uint32(step), mixStream)}
	if d.Float() >= m.Prob {
		return mix{}, false
	}
	alpha := m.Mixup
	if x.cut = m.CutMix > 0 && (m.Mixup == 0 || d.Float() < 0.5); x.cut {
		alpha = m.CutMix
	}
	share := d.beta(alpha)
	if x.cut {
		x = cutMix(share, d.below(h), d.below(w), h, w)
	} else {
		x = mix{h: h, w: w, share: float32(share)}
	}
	return x, x.share < 1
}

// cutMix is the mixing by a rectangle around (cy, cx) that leaves a share of the picture,
// or more where it meets the edges.
func cutMix(share float64, cy, cx, h, w int) mix {
	x := mix{h: h, w: w, cut: true}
	side := math.Sqrt(1 - share)
	hh, ww := int(float64(h)*side), int(float64(w)*side)
	x.y0, x.x0 = max(cy-hh/2, 0), max(cx-ww/2, 0)
	x.y1, x.x1 = min(cy+(hh+1)/2, h), min(cx+(ww+1)/2, w)
	x.share = float32(1 - float64((x.y1-x.y0)*(x.x1-x.x0))/float64(h*w))
	return x
}

// pair mixes two inputs, each with the other.
func (x mix) pair(a, b []float32) {
	if !x.cut {
		for i, v := range a {
			u := b[i]
			a[i] = float32(x.share*v) + float32((1-x.share)*u)
			b[i] = float32(x.share*u) + float32((1-x.share)*v)
		}
		return
	}
	for row := range len(a) / x.w {
		if y := row % x.h; y >= x.y0 && y < x.y1 {
			for i := row*x.w + x.x0; i < row*x.w+x.x1; i++ {
				a[i], b[i] = b[i], a[i]
			}
		}
	}
}

// batch mixes the pictures of a batch and sets its labels and shares.
func (x mix) batch(b *Batch) {
	n := len(b.Labels)
	size := len(b.Images) / n
	for i := range n / 2 {
		x.pair(b.Images[i*size:(i+1)*size], b.Images[(n-1-i)*size:(n-i)*size])
	}
	b.Share = x.share
	b.Others = make([]int32, n)
	for i := range n {
		b.Others[i] = b.Labels[n-1-i]
	}
	if b.Share < 0.5 {
		b.Labels, b.Others, b.Share = b.Others, b.Labels, 1-b.Share
	}
}

// MixedLabels are the labels of a picture that was mixed.
type MixedLabels struct {
	Label, Other int32
	Share        float32 // of Label, from 0.5 to 1
}

// mix draws the mixing of a batch; ok is false for one that is not mixed.
func (t *Transform) mix(seed int64, epoch, step int) (x mix, ok bool) {
	return drawMix(t.mixing, t.h, t.w, seed, epoch, step)
}

// TrainAt writes the image at a place of an epoch as NewBatches has it, with the labels
// that it shows. order is the order of the epoch. Its errors are those of Set.Image.
func (t *Transform) TrainAt(dst []float32, s *Set, order []int32, batch int, seed int64, epoch, place int) (MixedLabels, error) {
	label := s.Labels[order[place]]
	l := MixedLabels{label, label, 1}
	if err := t.Train(dst, s, int(order[place]), NewDraws(seed, epoch, place)); err != nil {
		return l, err
	}
	step := place / batch
	x, ok := t.mix(seed, epoch, step)
	partner := step*batch + batch - 1 - place%batch
	if !ok || (step+1)*batch > len(order) { // what does not fill a batch is left out of the epoch
		return l, nil
	}
	l.Other, l.Share = s.Labels[order[partner]], x.share
	if partner != place {
		other := make([]float32, t.Size())
		if err := t.Train(other, s, int(order[partner]), NewDraws(seed, epoch, partner)); err != nil {
			return l, err
		}
		x.pair(dst, other)
	}
	if l.Share < 0.5 {
		l.Label, l.Other, l.Share = l.Other, l.Label, 1-l.Share
	}
	return l, nil
}

// beta draws from Beta(alpha, alpha), as the share of one of two numbers of a gamma
// distribution in their sum.
func (d *Draws) beta(alpha float64) float64 {
	difference := d.logGamma(alpha) - d.logGamma(alpha)
	return 1 / (1 + float64(scalar.Exp(float32(min(max(-difference, -80), 80)))))
}

// logGamma draws from the gamma distribution of a shape above 0 and scale 1, and returns
// the logarithm, which small shapes need (Marsaglia and Tsang 2000). It gives the same
// bits on every machine.
func (d *Draws) logGamma(shape float64) float64 {
	if shape < 1 {
		return d.logGamma(shape+1) + ir.Log(d.open())/shape
	}
	a := shape - 1.0/3
	c := 1 / math.Sqrt(9*a)
	for {
		x := d.gaussian()
		v := 1 + float64(c*x)
		if v <= 0 {
			continue
		}
		v = float64(float64(v*v) * v)
		if ir.Log(d.open()) < float64(float64(x*x)/2)+float64(a*(1-v+ir.Log(v))) {
			return ir.Log(float64(a * v))
		}
	}
}

// gaussian returns a standard normal number, of words that no other draw has.
func (d *Draws) gaussian() float64 {
	d.n += d.n & 1 // a pair of words makes it
	x := float64(d.r.Norm(d.n))
	d.n += 2
	return x
}

// open returns a number that is uniform in (0, 1).
func (d *Draws) open() float64 { return d.Float() + 0x1p-25 }
