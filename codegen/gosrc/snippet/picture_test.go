package snippet

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir/recipe"
)

// pictures of every kind that is decoded, and some that are not, of w x h pixels
// somewhere on the plane.
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

// TestPicture: the input of a generated package has the bits of the executor's.
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

// TestLongPicture: a line of pixels whose shorter side is to become 256 does not
// take 256 times its length squared.
func TestLongPicture(t *testing.T) {
	p := picture{c: 1, h: 224, w: 224, resize: 256, hi: 1}
	dst := make([]float32, p.h*p.w)
	p.prepare(dst, image.NewGray(image.Rect(0, 0, 1, 1<<22)))
	p.prepare(dst, image.NewGray(image.Rect(0, 0, 1<<22, 1)))
	for _, v := range dst {
		if v != 0 {
			t.Fatalf("black is %v", v)
		}
	}
}

// TestNoise pins the first numbers: golden vectors rest on them.
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
