package data

import (
	"fmt"
	"image"
	_ "image/jpeg" // the two formats that are read
	_ "image/png"
	"io"

	"golang.org/x/image/draw"

	"github.com/incc-lang/incc/ir/recipe"
)

// MaxPixels bounds a picture, before it is decoded.
const MaxPixels = 16 << 20

// DecodePicture reads a PNG or JPEG of at most MaxPixels.
func DecodePicture(r io.ReadSeeker) (image.Image, error) {
	cfg, format, err := image.DecodeConfig(r)
	if err != nil {
		return nil, fmt.Errorf("not a PNG or JPEG picture: %w", err)
	}
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width > MaxPixels/cfg.Height {
		return nil, fmt.Errorf("%s picture of %d x %d pixels; at most %d are read", format, cfg.Width, cfg.Height, MaxPixels)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	img, _, err := image.Decode(r)
	if err != nil {
		return nil, fmt.Errorf("broken %s picture: %w", format, err)
	}
	return img, nil
}

// Fit scales a picture for evaluation: its shorter side to in.Resize and then the
// middle h x w cut out, or, where in.Resize is 0, straight to h x w. Scaling is
// bilinear over the area that a pixel of the result covers, so shrinking does
// not alias.
func Fit(img image.Image, in *recipe.Input, h, w int) *image.NRGBA {
	b := img.Bounds()
	sw, sh := w, h
	if in.Resize > 0 {
		// The shorter side becomes Resize, the other keeps the aspect, rounded down.
		if b.Dx() <= b.Dy() {
			sw, sh = in.Resize, in.Resize*b.Dy()/b.Dx()
		} else {
			sw, sh = in.Resize*b.Dx()/b.Dy(), in.Resize
		}
		sw, sh = max(sw, w), max(sh, h)
	}
	scaled := image.NewNRGBA(image.Rect(0, 0, sw, sh))
	draw.BiLinear.Scale(scaled, scaled.Bounds(), img, b, draw.Src, nil)
	if sw == w && sh == h {
		return scaled
	}
	x, y := (sw-w)/2, (sh-h)/2
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.Copy(out, image.Point{}, scaled, image.Rect(x, y, x+w, y+h), draw.Src, nil)
	return out
}

// Planes writes a picture into dst as CHW planes of (pixel scaled to the range -
// mean) / std, in the channel order that in says. channels is 1 or 3, and dst
// holds channels * height * width floats. Grey is ITU-R 601 luma.
func Planes(dst []float32, img *image.NRGBA, in *recipe.Input, channels int) error {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if len(dst) != channels*h*w {
		return fmt.Errorf("%d floats for %d planes of %d x %d", len(dst), channels, h, w)
	}
	for _, v := range [][]float64{in.Mean, in.Std} {
		if len(v) != 0 && len(v) != channels {
			return fmt.Errorf("%d means or standard deviations for %d channels", len(v), channels)
		}
	}
	var from [3]int // channel of the network -> byte of the pixel
	switch {
	case channels == 1:
	case channels == 3 && in.Order == "bgr":
		from = [3]int{2, 1, 0}
	case channels == 3:
		from = [3]int{0, 1, 2}
	default:
		return fmt.Errorf("a picture has 1 or 3 channels, the network wants %d", channels)
	}
	lo, hi := in.Lo, in.Hi
	if lo == hi {
		lo, hi = 0, 255
	}
	for c := range channels {
		// One table for each channel: 256 values are all there is.
		var table [256]float32
		for p := range table {
			v := lo + (hi-lo)*float64(p)/255
			if len(in.Mean) > 0 {
				v -= in.Mean[c]
			}
			if len(in.Std) > 0 {
				v /= in.Std[c]
			}
			table[p] = float32(v)
		}
		plane := dst[c*h*w : (c+1)*h*w]
		for y := range h {
			row := img.Pix[y*img.Stride : y*img.Stride+4*w]
			for x := range w {
				p := row[4*x : 4*x+4]
				v := p[from[c]]
				if channels == 1 {
					v = uint8((19595*uint32(p[0]) + 38470*uint32(p[1]) + 7471*uint32(p[2]) + 1<<15) >> 16)
				}
				plane[y*w+x] = table[v]
			}
		}
	}
	return nil
}

// Load reads a picture and prepares it for evaluation: CHW floats of the shape
// c x h x w.
func Load(r io.ReadSeeker, in *recipe.Input, c, h, w int) ([]float32, error) {
	img, err := DecodePicture(r)
	if err != nil {
		return nil, err
	}
	if in == nil {
		in = &recipe.Input{Lo: 0, Hi: 1}
	}
	dst := make([]float32, c*h*w)
	return dst, Planes(dst, Fit(img, in, h, w), in, c)
}
