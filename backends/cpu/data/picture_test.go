package data

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/recipe"
)

func encode(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLoadChannelsAndRange(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 4, 4))
	for i := range 16 {
		img.SetNRGBA(i%4, i/4, color.NRGBA{255, 128, 0, 255})
	}
	in := &recipe.Input{Lo: 0, Hi: 255, Mean: []float64{104, 117, 123}, Order: "bgr"}
	x, err := Load(encode(t, img), in, 3, 4, 4)
	if err != nil {
		t.Fatal(err)
	}
	for c, want := range []float32{0 - 104, 128 - 117, 255 - 123} {
		if x[c*16+5] != want {
			t.Errorf("bgr channel %d is %g, want %g", c, x[c*16+5], want)
		}
	}
	in = &recipe.Input{Lo: 0, Hi: 1, Mean: []float64{.5, .5, .5}, Std: []float64{.5, .25, .125}, Order: "rgb"}
	if x, err = Load(encode(t, img), in, 3, 4, 4); err != nil {
		t.Fatal(err)
	}
	for c, want := range []float64{1, (128./255 - .5) / .25, -4} {
		if math.Abs(float64(x[c*16])-want) > 1e-6 {
			t.Errorf("rgb channel %d is %g, want %g", c, x[c*16], want)
		}
	}
	grey, err := Load(encode(t, img), &recipe.Input{Lo: 0, Hi: 255}, 1, 4, 4)
	if err != nil {
		t.Fatal(err)
	}
	if want := float32(math.Round(.299*255 + .587*128)); grey[3] != want {
		t.Errorf("grey is %g, want %g", grey[3], want)
	}
}

// The middle is cut out of a wide picture: its left third is red, its right third
// blue, and neither may be seen.
func TestFitCutsTheMiddle(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 300, 100))
	for y := range 100 {
		for x := range 300 {
			c := color.NRGBA{0, 255, 0, 255}
			if x < 98 {
				c = color.NRGBA{255, 0, 0, 255}
			} else if x >= 202 {
				c = color.NRGBA{0, 0, 255, 255}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	out := Fit(img, &recipe.Input{Resize: 50}, 50, 50)
	for i := 0; i < len(out.Pix); i += 4 {
		if out.Pix[i] != 0 || out.Pix[i+1] != 255 || out.Pix[i+2] != 0 {
			t.Fatalf("pixel %d is %v", i/4, out.Pix[i:i+4])
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for file, want := range map[string]string{
		"GIF89a":                           "broken GIF picture",
		"":                                 "the file is empty",
		"<html>":                           "not a PNG, JPEG, GIF, BMP, TIFF or WebP picture",
		"\x00\x00\x00\x1cftypheic\x00\x00": "HEIC pictures are not read (want PNG, JPEG, GIF, BMP, TIFF or WebP)",
	} {
		if _, err := DecodePicture([]byte(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
	// The header of a PNG of 100,000 x 100,000 pixels.
	b := new(bytes.Buffer)
	if err := png.Encode(b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	big := b.Bytes()
	copy(big[16:], []byte{0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0})
	binary.BigEndian.PutUint32(big[29:], crc32.ChecksumIEEE(big[12:29]))
	if _, err := DecodePicture(big); err == nil || !strings.Contains(err.Error(), "100000 x 100000") {
		t.Errorf("a picture of 10 gigapixels: %v", err)
	}
}
