package snippet

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"golang.org/x/image/draw"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir/recipe"
)

// pictures returns pictures of w x h pixels of every type that decoders return, and of other
// types, with various origins.
func pictures(w, h int) map[string]image.Image {
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	rect := image.Rect(3, 5, 3+w, 5+h)
	m := map[string]image.Image{}
	fill := func(p []uint8) {
		for i := range p {
			p[i] = uint8(r.Uint32())
		}
	}
	gray := image.NewGray(rect)
	fill(gray.Pix)
	m["gray"] = gray
	gray16 := image.NewGray16(rect)
	fill(gray16.Pix)
	m["gray16"] = gray16
	nrgba := image.NewNRGBA(rect)
	fill(nrgba.Pix)
	m["nrgba"] = nrgba
	nrgba64 := image.NewNRGBA64(rect)
	fill(nrgba64.Pix)
	m["nrgba64"] = nrgba64
	rgba := image.NewRGBA(rect)
	for y := range h {
		for x := range w {
			rgba.Set(3+x, 5+y, color.NRGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32())})
		}
	}
	m["rgba"] = rgba
	pal := image.NewPaletted(rect, color.Palette{color.Black, color.White, color.RGBA{200, 10, 30, 255}, color.NRGBA{9, 99, 199, 80}})
	for i := range pal.Pix {
		pal.Pix[i] = uint8(r.IntN(4))
	}
	m["paletted"] = pal
	cmyk := image.NewCMYK(rect)
	fill(cmyk.Pix)
	m["cmyk"] = cmyk
	for ratio := image.YCbCrSubsampleRatio444; ratio <= image.YCbCrSubsampleRatio410; ratio++ {
		y := image.NewYCbCr(rect, ratio)
		fill(y.Y)
		fill(y.Cb)
		fill(y.Cr)
		m[ratio.String()] = y
	}
	return m
}

// fitted computes the result of fit with golang.org/x/image/draw: it scales the whole picture
// and crops the middle.
func fitted(img image.Image, resize, w, h int) *image.NRGBA {
	b := img.Bounds()
	sw, sh := w, h
	if resize > 0 {
		if b.Dx() <= b.Dy() {
			sw, sh = resize, resize*b.Dy()/b.Dx()
		} else {
			sw, sh = resize*b.Dx()/b.Dy(), resize
		}
		sw, sh = max(sw, w), max(sh, h)
	}
	scaled := image.NewNRGBA(image.Rect(0, 0, sw, sh))
	draw.BiLinear.Scale(scaled, scaled.Bounds(), img, b, draw.Src, nil)
	half := func(n int) int { return int(math.RoundToEven(float64(n) / 2)) } // as torchvision's center_crop
	x, y := half(sw-w), half(sh-h)
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range h {
		copy(out.Pix[i*out.Stride:], scaled.Pix[(y+i)*scaled.Stride+4*x:][:4*w])
	}
	return out
}

// TestFit checks that scaling gives the same pixels as golang.org/x/image/draw.
func TestFit(t *testing.T) {
	for _, c := range []struct{ resize, w, h int }{{0, 24, 24}, {28, 24, 24}, {0, 29, 17}, {40, 29, 17}, {8, 29, 17}, {60, 5, 3}, {1, 1, 1}, {0, 1, 1}, {7, 1, 9}} {
		for _, size := range [][2]int{{1, 1}, {28, 28}, {100, 60}, {31, 200}, {7, 5}, {17, 1}, {1, 30}, {60, 2}} {
			for name, img := range pictures(size[0], size[1]) {
				got, want := fit(img, c.resize, c.w, c.h), fitted(img, c.resize, c.w, c.h)
				for i := range want.Pix {
					if got.Pix[i] != want.Pix[i] {
						t.Fatalf("%s of %v to %+v: byte %d is %d, want %d", name, size, c, i, got.Pix[i], want.Pix[i])
					}
				}
			}
		}
	}
}

// TestPicture checks that the input that a generated package computes from a picture has the
// same bits as that of the executor.
func TestPicture(t *testing.T) {
	for _, c := range []struct {
		p  picture
		in recipe.Input
	}{
		{picture{c: 3, h: 24, w: 24, resize: 28, lo: 0, hi: 255, mean: []float64{104, 117, 123}, bgr: true},
			recipe.Input{Lo: 0, Hi: 255, Mean: []float64{104, 117, 123}, Order: "bgr", Resize: 28, Crop: "center"}},
		{picture{c: 3, h: 17, w: 29, lo: 0, hi: 1, mean: []float64{.485, .456, .406}, std: []float64{.229, .224, .225}},
			recipe.Input{Lo: 0, Hi: 1, Mean: []float64{.485, .456, .406}, Std: []float64{.229, .224, .225}, Order: "rgb"}},
		{picture{c: 1, h: 28, w: 28, lo: -1, hi: 1}, recipe.Input{Lo: -1, Hi: 1, Order: "grey"}},
	} {
		for _, size := range [][2]int{{1, 1}, {28, 28}, {100, 60}, {31, 200}, {7, 5}, {17, 1}} {
			for name, img := range pictures(size[0], size[1]) {
				want := make([]float32, c.p.c*c.p.h*c.p.w)
				if err := data.Planes(want, data.Fit(img, &c.in, c.p.h, c.p.w), &c.in, c.p.c); err != nil {
					t.Fatal(err)
				}
				got := make([]float32, len(want))
				c.p.prepare(got, img)
				for i := range want {
					if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
						t.Fatalf("%s of %v to %dx%dx%d: element %d is %v, want %v", name, size, c.p.c, c.p.h, c.p.w, i, got[i], want[i])
					}
				}
			}
		}
	}
}

// TestLongPicture checks that the memory for scaling a picture of one line does not depend on
// its length, and that the result is its middle.
func TestLongPicture(t *testing.T) {
	const long = 1 << 17
	for _, resize := range []int{0, 64} {
		for _, size := range []image.Point{{1, long}, {long, 1}} {
			img := image.NewGray(image.Rectangle{Max: size})
			for i := long / 4; i < 3*long/4; i++ {
				img.Pix[i] = 255
			}
			p := picture{c: 1, h: 56, w: 56, resize: resize, hi: 1}
			dst := make([]float32, p.h*p.w)
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			p.prepare(dst, img)
			runtime.ReadMemStats(&after)
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 16<<20+long*16 {
				t.Errorf("%v to %d: %d MiB", size, resize, taken>>20)
			}
			middle, corner := dst[28*56+28], dst[0]
			if want := float32(0); middle != 1 || resize == 0 && corner != want || resize > 0 && corner != 1 {
				t.Errorf("%v to %d: the middle is %v, the corner %v", size, resize, middle, corner)
			}
		}
	}
}

// TestNoise compares the first numbers with fixed ones, because golden vectors depend on them.
func TestNoise(t *testing.T) {
	x := Noise(1000)
	lo, hi := 0.0, 0.0
	for _, v := range x {
		lo, hi = min(lo, float64(v)), max(hi, float64(v))
	}
	if lo < -1 || lo > -0.98 || hi >= 1 || hi < 0.98 || x[0] != -1 {
		t.Errorf("range %v..%v, first %v", lo, hi, x[0])
	}
}
