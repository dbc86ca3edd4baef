package data

import (
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir/recipe"
)

func testSet(n, c, h, w int) *Set {
	s := &Set{C: c, H: h, W: w, Classes: 10}
	for i := range n {
		s.Labels = append(s.Labels, int32(i%10))
		for p := range c * h * w {
			s.Pixels = append(s.Pixels, uint8(i*31+p*7))
		}
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOrderIsAPermutation(t *testing.T) {
	for _, n := range []int{1, 2, 17, 1000} {
		p := Order(n, 5, 3)
		q := slices.Clone(p)
		slices.Sort(q)
		for i, v := range q {
			if int(v) != i {
				t.Fatalf("order of %d images: %v", n, p)
			}
		}
	}
	if slices.Equal(Order(1000, 5, 3), Order(1000, 5, 4)) || slices.Equal(Order(1000, 5, 3), Order(1000, 6, 3)) {
		t.Error("the order does not depend on the epoch and the seed")
	}
}

// collect runs an epoch from a step on and returns all that came.
func collect(t *testing.T, tr Inputs, s *Set, first, procs int) (images []float32, labels []int32) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	b := NewBatches(tr, s, 7, 9, 2, first)
	defer b.Close()
	for step := first; ; step++ {
		x, err := b.Next()
		if err != nil {
			t.Fatal(err)
		}
		if x == nil {
			return images, labels
		}
		if x.Step != step {
			t.Fatalf("batch %d comes as %d", x.Step, step)
		}
		images, labels = append(images, x.Images...), append(labels, x.Labels...)
		b.Done(x)
	}
}

// The batches of an epoch are the same for any number of threads, and from
// wherever a run goes on.
func TestBatchesAreTheSame(t *testing.T) {
	s := testSet(100, 3, 12, 12)
	tr, err := NewTransform(s, &recipe.Input{Lo: 0, Hi: 1}, []recipe.Augment{{Pad: 2, Crop: 12, Flip: .5, Brightness: .2, Contrast: .2, Saturation: .2, Lighting: .1, Rotate: 10, Shift: .1, RandomErase: .5}}, 3, 12, 12)
	if err != nil {
		t.Fatal(err)
	}
	images, labels := collect(t, tr, s, 0, 1)
	if len(labels) != 98 {
		t.Fatalf("%d images in 14 batches of 7", len(labels))
	}
	for _, procs := range []int{2, 4, 8} {
		im, la := collect(t, tr, s, 0, procs)
		if !slices.Equal(im, images) || !slices.Equal(la, labels) {
			t.Errorf("%d threads prepare other batches", procs)
		}
	}
	im, la := collect(t, tr, s, 5, 2)
	if !slices.Equal(im, images[5*7*tr.Size():]) || !slices.Equal(la, labels[35:]) {
		t.Error("an epoch that goes on at step 5 has other batches")
	}
	plain := make([]float32, tr.Size())
	must(t, tr.Eval(plain, s, int(Order(100, 9, 2)[0])))
	if slices.Equal(plain, images[:tr.Size()]) {
		t.Error("augmentation changed nothing")
	}
	for i, v := range images {
		if !(v >= 0 && v <= 1) {
			t.Fatalf("value %d is %g", i, v)
		}
	}
}

// Without augmentation training sees what evaluation sees: the pixels, scaled.
func TestEvalIsThePixels(t *testing.T) {
	s := testSet(3, 1, 5, 4)
	in := &recipe.Input{Lo: 0, Hi: 1, Mean: []float64{.25}, Std: []float64{.5}}
	tr, err := NewTransform(s, in, nil, 1, 5, 4)
	if err != nil {
		t.Fatal(err)
	}
	x, y := make([]float32, 20), make([]float32, 20)
	must(t, tr.Eval(x, s, 2))
	must(t, tr.Train(y, s, 2, NewDraws(1, 0, 0)))
	for i, p := range s.pixels(2) {
		want := (float64(p)/255 - .25) / .5
		if math.Abs(float64(x[i])-want) > 1e-6 || x[i] != y[i] {
			t.Fatalf("pixel %d is %g and %g, want %g", i, x[i], y[i], want)
		}
	}
}

func TestBGR(t *testing.T) {
	s := &Set{C: 3, H: 1, W: 1, Pixels: []uint8{10, 20, 30}, Labels: []int32{0}, Classes: 1}
	tr, err := NewTransform(s, &recipe.Input{Lo: 0, Hi: 255, Mean: []float64{1, 2, 3}, Order: "bgr"}, nil, 3, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 3)
	must(t, tr.Eval(x, s, 0))
	if x[0] != 29 || x[1] != 18 || x[2] != 7 {
		t.Errorf("%v", x)
	}
}

func TestCropAndFlip(t *testing.T) {
	s := testSet(1, 1, 4, 4)
	f := newFrame(s, s.pixels(0))
	g := f.cut(-1, -2, 4, 4)
	if g.px[0] != 0 || g.px[4+2] != f.px[0] || g.px[15] != f.px[2*4+1] {
		t.Errorf("cut: %v of %v", g.px, f.px)
	}
	g.flip()
	if g.px[4+1] != f.px[0] {
		t.Errorf("flip: %v", g.px)
	}
	same := f.resize(0, 0, 4, 4, 4, 4)
	for i := range f.px {
		if math.Abs(float64(same.px[i]-f.px[i])) > 1e-4 {
			t.Errorf("scaling to the same size changes %v to %v", f.px, same.px)
			break
		}
	}
	if w := f.warp(0, 0, 0); !slices.Equal(w.px, f.px) {
		t.Errorf("turning by 0 degrees changes %v to %v", f.px, w.px)
	}
	quarter := f.warp(90, 0, 0)
	// 90 degrees: what was in the first row is in a column.
	if math.Abs(float64(quarter.px[0]-f.px[3]))+math.Abs(float64(quarter.px[0]-f.px[12])) < 1e-3 {
		t.Errorf("a quarter turn: %v of %v", quarter.px, f.px)
	}
	for a := -7.0; a < 7; a += .1 {
		if s, c := sincos(a); math.Abs(s-math.Sin(a)) > 1e-14 || math.Abs(c-math.Cos(a)) > 1e-14 {
			t.Errorf("sincos(%g) = %g, %g", a, s, c)
		}
	}
}

// Statistics of the data: behind mean_std every channel has mean 0 and
// deviation 1; behind whitening the pixels are decorrelated.
func TestStatistics(t *testing.T) {
	s := testSet(200, 3, 6, 6)
	// Neighbours that depend on each other.
	r := NewDraws(1, 1, 1)
	for i := range s.Pixels {
		s.Pixels[i] = uint8(r.below(128))
		if i > 0 {
			s.Pixels[i] += s.Pixels[i-1] / 2
		}
	}
	x := make([]float32, 108)
	moments := func(tr *Transform) (mean, variance, cross float64) {
		for i := range s.Len() {
			must(t, tr.Eval(x, s, i))
			for j, v := range x {
				mean += float64(v)
				variance += float64(v) * float64(v)
				if j > 0 {
					cross += float64(v) * float64(x[j-1])
				}
			}
		}
		n := float64(s.Len() * len(x))
		return mean / n, variance / n, cross / n
	}
	tr, err := NewTransform(s, &recipe.Input{Lo: 0, Hi: 1}, []recipe.Augment{{MeanStd: true}}, 3, 6, 6)
	if err != nil {
		t.Fatal(err)
	}
	if m, v, c := moments(tr); math.Abs(m) > 1e-4 || math.Abs(v-1) > 1e-3 || c < .2 {
		t.Errorf("mean_std: mean %g, variance %g, neighbours %g", m, v, c)
	}
	tr, err = NewTransform(s, &recipe.Input{Lo: 0, Hi: 1}, []recipe.Augment{{GCN: true, ZCA: true}}, 3, 6, 6)
	if err != nil {
		t.Fatal(err)
	}
	if m, v, c := moments(tr); math.Abs(m) > 1e-3 || v < .5 || v > 1 || math.Abs(c) > .05 {
		t.Errorf("whitening: mean %g, variance %g, neighbours %g", m, v, c)
	}
	tr, err = NewTransform(s, &recipe.Input{Lo: 0, Hi: 1}, []recipe.Augment{{MeanSubtracted: true}}, 3, 6, 6)
	if err != nil {
		t.Fatal(err)
	}
	if m, _, _ := moments(tr); math.Abs(m) > 1e-5 {
		t.Errorf("mean image: mean %g", m)
	}
}

func TestTransformRefuses(t *testing.T) {
	s := testSet(2, 1, 8, 8)
	for _, c := range []struct {
		augs    []recipe.Augment
		c, h, w int
	}{
		{nil, 3, 8, 8},                            // channels
		{[]recipe.Augment{{Crop: 5}}, 1, 8, 8},    // a crop of another size than the input
		{[]recipe.Augment{{Crop: 12}}, 1, 12, 12}, // images smaller than the crop
		{[]recipe.Augment{{ZCA: true}}, 1, 6, 6},  // whitening behind scaling
	} {
		if _, err := NewTransform(s, nil, c.augs, c.c, c.h, c.w); err == nil {
			t.Errorf("%+v is taken for %dx%dx%d", c.augs, c.c, c.h, c.w)
		}
	}
}
