package data

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/backends/cpu/epochs"
	"github.com/incc-lang/incc/backends/cpu/random"
	"github.com/incc-lang/incc/backends/cpu/scalar"
	"github.com/incc-lang/incc/ir/recipe"
)

// Transform turns the images of a set into inputs of a network: augmented at random for
// training, unchanged for evaluation. It is safe for concurrent use.
//
// The random choices depend only on the generator that the caller passes, so that an
// image of a given epoch and place is the same for any number of threads.
type Transform struct {
	c, h, w int // of the network
	set     *Set
	in      recipe.Input
	augs    []recipe.Augment
	mixing  recipe.Mixing
	mean    []float32 // image subtracted, in network input units; nil for none
	scale   []float32 // a channel each, 1/std of the set; nil for none
	shift   []float32 // a channel each, subtracted first
	gcn     bool
	white   *whitening
	colours *colours
}

// NewTransform prepares the images of train for a network of c x h x w. What a
// recipe takes from the data (mean, deviation, whitening, principal colours) is
// computed from train; sets of the same size can then be transformed too.
func NewTransform(train *Set, in *recipe.Input, augs []recipe.Augment, c, h, w int) (*Transform, error) {
	if train.C != c {
		return nil, fmt.Errorf("the images have %d channels, the network wants %d", train.C, c)
	}
	t := &Transform{c: c, h: h, w: w, set: train, augs: augs, mixing: recipe.MixingOf(augs), in: recipe.Input{Lo: 0, Hi: 1}}
	if in != nil {
		t.in = *in
	}
	if t.in.Lo == t.in.Hi {
		t.in.Lo, t.in.Hi = 0, 255
	}
	var meanImage, meanStd, zca, light bool
	for _, a := range augs {
		t.gcn = t.gcn || a.GCN
		zca = zca || a.ZCA
		meanImage = meanImage || a.MeanSubtracted
		meanStd = meanStd || a.MeanStd
		light = light || a.Lighting > 0
		if a.Crop > 0 && a.Crop != h && a.Crop != w {
			return nil, fmt.Errorf("augment crop=%d: the crop is the input of the network, which is %dx%d", a.Crop, h, w)
		}
		if (a.Area[1] == 0 && a.Crop > 0) && (train.H+2*a.Pad < h || train.W+2*a.Pad < w) {
			return nil, fmt.Errorf("augment crop=%d: the images are %dx%d, with padding %dx%d", a.Crop, train.H, train.W, train.H+2*a.Pad, train.W+2*a.Pad)
		}
	}
	if (zca || meanImage) && (train.H != h || train.W != w) {
		return nil, fmt.Errorf("whitening and the mean image need images of the network's size: they are %dx%d (want %dx%d)", train.H, train.W, h, w)
	}
	var err error
	if light && c == 3 {
		t.colours, err = principalColours(train)
	}
	if meanStd && err == nil {
		t.shift, t.scale, err = channelStats(train, &t.in)
	}
	if meanImage && err == nil {
		t.mean, err = t.meanImage(train)
	}
	if zca && err == nil {
		t.white, err = newWhitening(t, train)
	}
	return t, err
}

// Size is the number of floats of one input.
func (t *Transform) Size() int { return t.c * t.h * t.w }

// Mixes reports whether pictures of a training batch may be mixed.
func (t *Transform) Mixes() bool { return t.mixing.On() }

// Eval writes an image as it is, scaled to the network's size. Its errors are those of
// Set.Image.
func (t *Transform) Eval(dst []float32, s *Set, i int) error {
	px, err := s.Image(i)
	if err == nil {
		t.eval(dst, newFrame(s, px))
	}
	return err
}

func (t *Transform) eval(dst []float32, f frame) {
	if f.h != t.h || f.w != t.w {
		// The shorter side to the resize of the input statement, then the middle.
		if r := t.in.Resize; r > 0 {
			if f.h <= f.w {
				f = f.resize(0, 0, float64(f.h), float64(f.w), max(r, t.h), max(r*f.w/f.h, t.w))
			} else {
				f = f.resize(0, 0, float64(f.h), float64(f.w), max(r*f.h/f.w, t.h), max(r, t.w))
			}
			f = f.cut((f.h-t.h)/2, (f.w-t.w)/2, t.h, t.w)
		} else {
			f = f.resize(0, 0, float64(f.h), float64(f.w), t.h, t.w)
		}
	}
	t.finish(dst, f)
}

// Train writes an image with the recipe's augmentation, drawn from r. Its errors are those
// of Set.Image.
func (t *Transform) Train(dst []float32, s *Set, i int, r *Draws) error {
	px, err := s.Image(i)
	if err != nil {
		return err
	}
	f := newFrame(s, px)
	for k := range t.augs {
		f = t.augment(f, &t.augs[k], r)
	}
	if f.h != t.h || f.w != t.w {
		f = f.resize(0, 0, float64(f.h), float64(f.w), t.h, t.w)
	}
	t.finish(dst, f)
	return nil
}

// Draws hands out the random numbers of one image, in order.
type Draws struct {
	r random.Rand
	n uint64
}

// NewDraws returns the random numbers of the image at a place of an epoch.
func NewDraws(seed int64, epoch, place int) *Draws {
	return &Draws{r: random.NewRand(uint64(seed), uint32(epoch), uint32(place), augmentStream)}
}

// augmentStream numbers the random stream of augmentation. Other streams are for
// epochs.Order and for dropout.
const augmentStream = 0xA0000001

// Float returns a number that is uniform in [0, 1).
func (d *Draws) Float() float64 { d.n++; return float64(d.r.Float32(d.n - 1)) }

func (d *Draws) between(lo, hi float64) float64 { return lo + (hi-lo)*d.Float() }

// below returns a whole number in 0..n-1.
func (d *Draws) below(n int) int { return min(int(d.Float()*float64(n)), n-1) }

func (d *Draws) normal() float64 { d.n++; return float64(d.r.Norm(d.n - 1)) }

// frame is an image that is being augmented: CHW floats in 0..255.
type frame struct {
	c, h, w int
	px      []float32
}

// newFrame is an image of a set, whose pixels it copies.
func newFrame(s *Set, pixels []uint8) frame {
	f := frame{s.C, s.H, s.W, make([]float32, len(pixels))}
	for k, v := range pixels {
		f.px[k] = float32(v)
	}
	return f
}

func blank(c, h, w int) frame { return frame{c, h, w, make([]float32, c*h*w)} }

// cut returns the h x w pixels from (y, x) on. Pixels outside of the image are 0.
func (f frame) cut(y, x, h, w int) frame {
	if y == 0 && x == 0 && h == f.h && w == f.w {
		return f
	}
	o := blank(f.c, h, w)
	x0, x1 := max(0, -x), min(w, f.w-x)
	for c := range f.c {
		for r := range h {
			if sy := r + y; sy >= 0 && sy < f.h && x0 < x1 {
				copy(o.px[(c*h+r)*w+x0:(c*h+r)*w+x1], f.px[(c*f.h+sy)*f.w+x+x0:])
			}
		}
	}
	return o
}

// resize scales the rectangle of hh x ww at (y0, x0) to h x w: bilinear, over the
// area that a pixel covers where it shrinks.
func (f frame) resize(y0, x0, hh, ww float64, h, w int) frame {
	o := blank(f.c, h, w)
	ys, xs := taps(y0, hh, h, f.h), taps(x0, ww, w, f.w)
	row := make([]float32, w*f.h)
	for c := range f.c {
		src := f.px[c*f.h*f.w : (c+1)*f.h*f.w]
		for y := range f.h {
			for x, t := range xs {
				v := float32(0)
				for k, g := range t.weight {
					v += float32(g * src[y*f.w+t.first+k])
				}
				row[y*w+x] = v
			}
		}
		for y, t := range ys {
			for x := range w {
				v := float32(0)
				for k, g := range t.weight {
					v += float32(g * row[(t.first+k)*w+x])
				}
				o.px[(c*h+y)*w+x] = v
			}
		}
	}
	return o
}

type tap struct {
	first  int
	weight []float32
}

// taps are the weights of a triangle filter that maps size n0 from start onto n
// pixels, within 0..limit-1.
func taps(start, n0 float64, n, limit int) []tap {
	ts := make([]tap, n)
	scale := n0 / float64(n)
	radius := math.Max(scale, 1)
	for i := range ts {
		centre := start + (float64(i)+0.5)*scale - 0.5
		lo, hi := int(math.Ceil(centre-radius)), int(math.Floor(centre+radius))
		lo, hi = min(max(lo, 0), limit-1), max(min(hi, limit-1), 0)
		hi = max(hi, lo)
		t := tap{first: lo}
		sum := 0.0
		for k := lo; k <= hi; k++ {
			g := math.Max(0, 1-math.Abs(float64(k)-centre)/radius)
			t.weight = append(t.weight, float32(g))
			sum += g
		}
		if sum == 0 {
			t.weight[0], sum = 1, 1
		}
		for k := range t.weight {
			t.weight[k] = float32(float64(t.weight[k]) / sum)
		}
		ts[i] = t
	}
	return ts
}

// augment applies one statement, in the order in which the papers do: geometry,
// flip, colour.
func (t *Transform) augment(f frame, a *recipe.Augment, r *Draws) frame {
	if a.Rotate > 0 || a.Shift > 0 {
		f = f.warp(r.between(-a.Rotate, a.Rotate), r.between(-a.Shift, a.Shift), r.between(-a.Shift, a.Shift))
	}
	switch {
	case a.Area[1] > 0:
		f = t.randomArea(f, a, r)
	case a.Crop > 0:
		y, x := r.below(f.h+2*a.Pad-t.h+1), r.below(f.w+2*a.Pad-t.w+1)
		f = f.cut(y-a.Pad, x-a.Pad, t.h, t.w)
	}
	if a.Flip > 0 && r.Float() < a.Flip {
		f.flip()
	}
	if a.Brightness > 0 {
		f.blend(0, r.between(1-a.Brightness, 1+a.Brightness))
	}
	if a.Contrast > 0 {
		f.blend(f.grey(), r.between(1-a.Contrast, 1+a.Contrast))
	}
	if a.Saturation > 0 && f.c == 3 {
		f.saturate(r.between(1-a.Saturation, 1+a.Saturation))
	}
	if a.Lighting > 0 && t.colours != nil {
		t.colours.shift(f, a.Lighting, r)
	}
	if a.RandomErase > 0 && r.Float() < a.RandomErase {
		f.erase(r)
	}
	return f
}

// randomArea cuts a rectangle of random area and aspect and scales it to the
// network's size (Szegedy 2015, section 6); after ten that do not fit, the
// middle.
func (t *Transform) randomArea(f frame, a *recipe.Augment, r *Draws) frame {
	lo, hi := a.Aspect[0], a.Aspect[1]
	if hi == 0 {
		lo, hi = 3./4, 4./3
	}
	for range 10 {
		area := r.between(a.Area[0], a.Area[1]) * float64(f.h*f.w)
		// Aspects are drawn evenly on the logarithmic scale; exp and log are those
		// of the kernels, the same on every machine.
		q := float64(scalar.Exp(float32(r.between(float64(scalar.Log(float32(lo))), float64(scalar.Log(float32(hi)))))))
		w, h := math.Sqrt(area*q), math.Sqrt(area/q)
		if int(w) >= 1 && int(h) >= 1 && w <= float64(f.w) && h <= float64(f.h) {
			y, x := r.Float()*(float64(f.h)-h), r.Float()*(float64(f.w)-w)
			return f.resize(y, x, h, w, t.h, t.w)
		}
	}
	side := float64(min(f.h, f.w))
	return f.resize((float64(f.h)-side)/2, (float64(f.w)-side)/2, side, side, t.h, t.w)
}

func (f frame) flip() {
	for y := range f.c * f.h {
		row := f.px[y*f.w : (y+1)*f.w]
		for i, j := 0, len(row)-1; i < j; i, j = i+1, j-1 {
			row[i], row[j] = row[j], row[i]
		}
	}
}

// blend multiplies the distance of every value from a grey by a factor.
func (f frame) blend(grey float32, by float64) {
	k := float32(by)
	for i, v := range f.px {
		f.px[i] = clamp(grey + float32(k*(v-grey)))
	}
}

func clamp(v float32) float32 { return min(max(v, 0), 255) }

// luma of a pixel by ITU-R 601, of the channels in the set's order.
func (f frame) luma(i int) float32 {
	if f.c != 3 {
		return f.px[i]
	}
	n := f.h * f.w
	return float32(0.299*f.px[i]) + float32(0.587*f.px[n+i]) + float32(0.114*f.px[2*n+i])
}

// grey returns the mean luma of an image.
func (f frame) grey() float32 {
	s := 0.0
	for i := range f.h * f.w {
		s += float64(f.luma(i))
	}
	return float32(s / float64(f.h*f.w))
}

func (f frame) saturate(by float64) {
	k, n := float32(by), f.h*f.w
	for i := range n {
		g := f.luma(i)
		for c := range 3 {
			f.px[c*n+i] = clamp(g + float32(k*(f.px[c*n+i]-g)))
		}
	}
}

// erase fills a rectangle of 2 to 20 % of the area with the mean (Zhong 2017).
func (f frame) erase(r *Draws) {
	area := r.between(0.02, 0.2) * float64(f.h*f.w)
	q := r.between(0.5, 2)
	h, w := min(int(math.Sqrt(area*q))+1, f.h), min(int(math.Sqrt(area/q))+1, f.w)
	y, x := r.below(f.h-h+1), r.below(f.w-w+1)
	g := f.grey()
	for c := range f.c {
		for j := y; j < y+h; j++ {
			row := f.px[(c*f.h+j)*f.w+x:]
			for i := range row[:w] {
				row[i] = g
			}
		}
	}
}

// warp rotates about the middle by degrees and shifts by shares of the sides;
// what comes in from outside is 0.
func (f frame) warp(degrees, dy, dx float64) frame {
	sin, cos := sincos(degrees * math.Pi / 180)
	o := blank(f.c, f.h, f.w)
	cy, cx := float64(f.h-1)/2, float64(f.w-1)/2
	n := f.h * f.w
	for y := range f.h {
		for x := range f.w {
			v, u := float64(y)-cy-dy*float64(f.h), float64(x)-cx-dx*float64(f.w)
			sy, sx := float64(cos*v)-float64(sin*u)+cy, float64(sin*v)+float64(cos*u)+cx
			y0, x0 := int(math.Floor(sy)), int(math.Floor(sx))
			fy, fx := float32(sy-float64(y0)), float32(sx-float64(x0))
			for c := range f.c {
				at := func(y, x int) float32 {
					if y < 0 || x < 0 || y >= f.h || x >= f.w {
						return 0
					}
					return f.px[c*n+y*f.w+x]
				}
				top := float32((1-fx)*at(y0, x0)) + float32(fx*at(y0, x0+1))
				bottom := float32((1-fx)*at(y0+1, x0)) + float32(fx*at(y0+1, x0+1))
				o.px[c*n+y*f.w+x] = float32((1-fy)*top) + float32(fy*bottom)
			}
		}
	}
	return o
}

// sincos is by Taylor's series, the same bits on every machine; for the small
// angles of augmentation it is exact to double precision.
func sincos(a float64) (sin, cos float64) {
	a = math.Remainder(a, 2*math.Pi)
	s, c, term := 0.0, 0.0, 1.0
	for k := 0; k < 40; k++ {
		switch k % 4 {
		case 0:
			c += term
		case 1:
			s += term
		case 2:
			c -= term
		case 3:
			s -= term
		}
		term = float64(term*a) / float64(k+1)
	}
	return s, c
}

// pixel is what a channel of the network makes of the pixels of a set.
func (t *Transform) pixel(c int) epochs.Pixel {
	mean, std := 0.0, 1.0
	if len(t.in.Mean) == t.c {
		mean = t.in.Mean[c]
	}
	if len(t.in.Std) == t.c {
		std = t.in.Std[c]
	}
	return epochs.NewPixel(t.in.Lo, t.in.Hi, mean, std)
}

// setChannel is the channel of a set, in the order red, green, blue, that becomes
// channel c of the network.
func (t *Transform) setChannel(c int) int {
	if t.c == 3 && t.in.Order == "bgr" {
		return 2 - c
	}
	return c
}

// finish scales to the range, normalizes, and writes the network's order of
// channels.
func (t *Transform) finish(dst []float32, f frame) {
	n := t.h * t.w
	for c := range t.c {
		pixel := t.pixel(c)
		from := t.setChannel(c)
		src := f.px[from*n : (from+1)*n]
		out := dst[c*n : (c+1)*n]
		for i, v := range src {
			out[i] = pixel.Number(v)
		}
		if t.shift != nil {
			for i := range out {
				out[i] = (out[i] - t.shift[c]) * t.scale[c]
			}
		}
	}
	if t.gcn {
		contrastNormalize(dst[:t.c*n])
	}
	if t.mean != nil {
		for i, m := range t.mean {
			dst[i] -= m
		}
	}
	if t.white != nil {
		t.white.apply(dst[:t.c*n])
	}
}
