// How a picture becomes the input of the network: scaled, cut out, and written as
// planes of numbers.

package snippet

import (
	"image"
	"image/color"
	"math"
)

// picture says what the network wants of a picture.
type picture struct {
	c, h, w   int       // channels, 1 or 3, rows and columns
	resize    int       // the shorter side before the middle is cut out; 0 scales to h x w
	lo, hi    float64   // what pixels 0 and 255 become
	mean, std []float64 // of each channel, subtracted and divided by then; empty for none
	bgr       bool      // blue comes first
}

// prepare writes a picture of at least one pixel as c planes of h x w numbers.
func (p *picture) prepare(dst []float32, img image.Image) {
	b := img.Bounds()
	sw, sh := p.w, p.h
	if p.resize > 0 {
		// The shorter side becomes resize, the other keeps the aspect, rounded down.
		if b.Dx() <= b.Dy() {
			sw, sh = p.resize, p.resize*b.Dy()/b.Dx()
		} else {
			sw, sh = p.resize*b.Dx()/b.Dy(), p.resize
		}
		sw, sh = max(sw, p.w), max(sh, p.h)
	}
	scaled := scale(img, sw, sh, image.Rect(0, 0, p.w, p.h).Add(image.Pt((sw-p.w)/2, (sh-p.h)/2)))
	for c := range p.c {
		var value [256]float32
		for i := range value {
			v := p.lo + float64((p.hi-p.lo)*float64(i)/255)
			if len(p.mean) > 0 {
				v -= p.mean[c]
			}
			if len(p.std) > 0 {
				v /= p.std[c]
			}
			value[i] = float32(v)
		}
		from := c
		if p.bgr {
			from = 2 - c
		}
		plane := dst[c*p.h*p.w : (c+1)*p.h*p.w]
		for y := range p.h {
			row := scaled.Pix[y*scaled.Stride:]
			for x := range p.w {
				pix := row[4*x : 4*x+4]
				v := pix[from]
				if p.c == 1 { // ITU-R 601 luma
					v = uint8((19595*uint32(pix[0]) + 38470*uint32(pix[1]) + 7471*uint32(pix[2]) + 1<<15) >> 16)
				}
				plane[y*p.w+x] = value[v]
			}
		}
	}
}

// tap is a row or column of the source and how much of it goes into one of the
// result.
type tap struct {
	at     int
	weight float64
}

// taps weighs n rows or columns for each of first..end-1 of the m of the result: a
// tent as wide as the distance of two pixels, of the source or the result,
// whichever is more, so that shrinking does not alias. The other results are the
// inverse of the sums, and the range of the source that is needed.
func taps(n, m, first, end int) (all [][]tap, inverse []float64, lo, hi int) {
	step := float64(n) / float64(m)
	reach := max(step, 1)
	lo = n
	for i := first; i < end; i++ {
		center := float64((float64(i)+0.5)*step) - 0.5
		var l []tap
		total := 0.0
		for at := max(int(math.Floor(center-reach)), 0); at < min(int(math.Ceil(center+reach)), n); at++ {
			d := math.Abs(center - float64(at))
			if step > 1 {
				d *= 1 / step
			}
			if d < 1 {
				l = append(l, tap{at, 1 - d})
				total += 1 - d
				lo, hi = min(lo, at), max(hi, at+1)
			}
		}
		all, inverse = append(all, l), append(inverse, 1/total)
	}
	return all, inverse, lo, hi
}

// scale makes a picture of w x h pixels and returns a part of it; the rest is not
// computed. Colours are blended premultiplied with their opacity.
func scale(img image.Image, w, h int, part image.Rectangle) *image.NRGBA {
	b := img.Bounds()
	at := func(x, y int) color.RGBA64 {
		r, g, b, a := img.At(x, y).RGBA()
		return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
	}
	if m, ok := img.(image.RGBA64Image); ok {
		at = m.RGBA64At
	}
	opaque := false // by its type
	switch m := img.(type) {
	case *image.Gray:
		opaque = true
	case *image.YCbCr:
		opaque = m.SubsampleRatio <= image.YCbCrSubsampleRatio440
	}
	columns, across, left, right := taps(b.Dx(), w, part.Min.X, part.Max.X)
	rows, down, top, bottom := taps(b.Dy(), h, part.Min.Y, part.Max.Y)
	w, h = part.Dx(), part.Dy()
	narrow := make([][4]float64, w*(bottom-top))
	row := make([]color.RGBA64, right-left)
	for y := top; y < bottom; y++ {
		for x := range row {
			row[x] = at(b.Min.X+left+x, b.Min.Y+y)
		}
		for x, l := range columns {
			var s [4]float64
			for _, t := range l {
				c := &row[t.at-left]
				s[0] += float64(float64(c.R) * t.weight)
				s[1] += float64(float64(c.G) * t.weight)
				s[2] += float64(float64(c.B) * t.weight)
				s[3] += float64(float64(c.A) * t.weight)
			}
			f := across[x] / 0xffff
			out := &narrow[(y-top)*w+x]
			*out = [4]float64{s[0] * f, s[1] * f, s[2] * f, s[3] * f}
			if opaque {
				out[3] = 1
			}
		}
	}
	scaled := image.NewNRGBA(image.Rect(0, 0, w, h))
	for x := range w {
		for y, l := range rows {
			var s [4]float64
			for _, t := range l {
				c := &narrow[(t.at-top)*w+x]
				for i := range s {
					s[i] += float64(c[i] * t.weight)
				}
			}
			a, f := s[3], down[y]
			scaled.SetRGBA64(x, y, color.RGBA64{R: level(min(s[0], a) * f), G: level(min(s[1], a) * f), B: level(min(s[2], a) * f), A: level(a * f)})
		}
	}
	return scaled
}

// level rounds 0..1 to 0..65535.
func level(x float64) uint16 {
	return uint16(min(max(int32(float64(0xffff*x)+0.5), 0), 0xffff))
}
