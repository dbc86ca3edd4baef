package data

import (
	"errors"
	"fmt"
	"image"

	"github.com/incc-lang/incc/ir/recipe"
)

// DecodePicture reads a picture in one of the formats that Formats names, and turns
// it as its EXIF orientation says. Of an animation it reads the first frame. It
// refuses a picture whose decoding would take much memory or time for the size of its
// file.
func DecodePicture(file []byte) (image.Image, error) { return decode(file, allFormats...) }

// Fit scales a picture for evaluation: its shorter side to in.Resize and then the
// middle h x w cut out, or, where in.Resize is 0, straight to h x w. Scaling is
// bilinear over the area that a pixel of the result covers, so shrinking does
// not alias.
func Fit(img image.Image, in *recipe.Input, h, w int) *image.NRGBA {
	return fit(img, in.Resize, w, h)
}

// CheckChannels returns an error for a network that takes no pictures: they have one
// channel or three.
func CheckChannels(channels int) error {
	if channels != 1 && channels != 3 {
		return fmt.Errorf("the network wants %d channels, a picture has 1 (grey) or 3 (colour)", channels)
	}
	return nil
}

// Planes writes a picture into dst as CHW planes of (pixel scaled to the range -
// mean) / std, in the channel order that in says. channels is 1 or 3, and dst
// holds channels * height * width floats. Grey is ITU-R 601 luma.
func Planes(dst []float32, img *image.NRGBA, in *recipe.Input, channels int) error {
	for _, v := range [][]float64{in.Mean, in.Std} {
		if len(v) != 0 && len(v) != channels {
			return fmt.Errorf("%d means or standard deviations for %d channels", len(v), channels)
		}
	}
	from := [3]int{0, 1, 2} // channel of the network -> byte of the pixel
	if in.Order == "bgr" {
		from = [3]int{2, 1, 0}
	}
	lo, hi := in.Lo, in.Hi
	if lo == hi {
		lo, hi = 0, 255
	}
	return planes(dst, img, channels, from, func(c int, p uint8) float32 {
		v := lo + (hi-lo)*float64(p)/255
		if len(in.Mean) > 0 {
			v -= in.Mean[c]
		}
		if len(in.Std) > 0 {
			v /= in.Std[c]
		}
		return float32(v)
	})
}

// planes writes a picture into dst as CHW planes. from is the byte of a pixel (red, green,
// blue) that each channel is made of, and value what channel c makes of it.
func planes[T uint8 | float32](dst []T, img *image.NRGBA, channels int, from [3]int, value func(c int, p uint8) T) error {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if err := CheckChannels(channels); err != nil {
		return err
	}
	if len(dst) != channels*h*w {
		return fmt.Errorf("%d values for %d planes of %d x %d", len(dst), channels, h, w)
	}
	for c := range channels {
		// One table for each channel: 256 values are all there is.
		var table [256]T
		for p := range table {
			table[p] = value(c, uint8(p))
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
func Load(file []byte, in *recipe.Input, c, h, w int) ([]float32, error) {
	if err := CheckChannels(c); err != nil {
		return nil, err
	}
	img, err := DecodePicture(file)
	if err != nil {
		return nil, err
	}
	return Prepare(img, in, c, h, w)
}

// Prepare is Load for a picture that has been decoded: it scales and crops it (Fit), and
// scales its pixels (Planes). If in is nil, pixels are scaled to 0..1.
func Prepare(img image.Image, in *recipe.Input, c, h, w int) ([]float32, error) {
	if err := CheckChannels(c); err != nil {
		return nil, err
	}
	if img == nil || img.Bounds().Empty() {
		return nil, errors.New("the picture has no pixels")
	}
	if in == nil {
		in = &recipe.Input{Lo: 0, Hi: 1}
	}
	dst := make([]float32, c*h*w)
	return dst, Planes(dst, Fit(img, in, h, w), in, c)
}
