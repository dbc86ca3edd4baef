// How a picture is scaled: bilinear over the area that a pixel of the result covers.
// The memory that this takes depends on the result and on one row of the source.

package snippet

import (
	"image"
	"image/color"
	"math"
)

// fit scales a picture of at least one pixel: its shorter side to resize pixels, of
// which the middle w x h are returned; or, where resize is 0, straight to w x h.
func fit(img image.Image, resize, w, h int) *image.NRGBA {
	size := img.Bounds().Size()
	sw, sh := int64(w), int64(h)
	if resize > 0 {
		// The shorter side becomes resize, the other keeps the aspect, rounded down.
		short := int64(min(size.X, size.Y))
		sw = max(int64(resize)*int64(size.X)/short, sw)
		sh = max(int64(resize)*int64(size.Y)/short, sh)
	}
	return scale(img, newAxis(size.X, sw, (sw-int64(w))/2, w), newAxis(size.Y, sh, (sh-int64(h))/2, h))
}

// axis says how much of each row or column of a picture goes into those of the
// result: a tent as wide as the distance of two pixels, of the source or the result,
// whichever is more, so that shrinking does not alias.
type axis struct {
	n           int       // pixels of the source
	step, reach float64   // of a pixel of the result, in pixels of the source
	first       int64     // pixel of the whole result that comes first
	from, to    []int     // the pixels of the source that go into each pixel of the result
	inverse     []float64 // of the sum of their weights
	kept        [][]float64
}

// maxKept is the longest side whose weights are kept in place of computed for
// every row.
const maxKept = 1 << 16

// newAxis weighs n pixels for those from first of the m of the result.
func newAxis(n int, m, first int64, count int) *axis {
	a := &axis{n: n, step: float64(n) / float64(m), first: first}
	a.reach = max(a.step, 1)
	var w []float64
	for i := range count {
		from, to := a.span(i)
		a.from, a.to = append(a.from, from), append(a.to, to)
		w = a.compute(w[:0], i)
		total := 0.0
		for _, x := range w {
			total += x
		}
		a.inverse = append(a.inverse, 1/total)
		if n <= maxKept {
			a.kept = append(a.kept, append([]float64(nil), w...))
		}
	}
	return a
}

// center is where pixel i lies in the source.
func (a *axis) center(i int) float64 { return float64((float64(a.first+int64(i))+0.5)*a.step) - 0.5 }

// weight is that of a pixel of the source, not positive where it does not count.
func (a *axis) weight(center float64, at int) float64 {
	d := math.Abs(center - float64(at))
	if a.step > 1 {
		d *= 1 / a.step
	}
	return 1 - d
}

// span is the pixels of the source that go into pixel i.
func (a *axis) span(i int) (from, to int) {
	c := a.center(i)
	from, to = max(int(math.Floor(c-a.reach)), 0), min(int(math.Ceil(c+a.reach)), a.n)
	for from < to && a.weight(c, from) <= 0 {
		from++
	}
	for from < to && a.weight(c, to-1) <= 0 {
		to--
	}
	return from, to
}

// compute appends the weights of the pixels that go into pixel i.
func (a *axis) compute(w []float64, i int) []float64 {
	c := a.center(i)
	for at := a.from[i]; at < a.to[i]; at++ {
		w = append(w, a.weight(c, at))
	}
	return w
}

// rgba is a colour, premultiplied with its opacity.
type rgba [4]float64

// scale scales a picture along both axes. Colours are blended premultiplied with
// their opacity.
func scale(img image.Image, across, down *axis) *image.NRGBA {
	w, h := len(across.inverse), len(down.inverse)
	scaled := image.NewNRGBA(image.Rect(0, 0, w, h))
	left, right := across.from[0], across.to[w-1]
	top, bottom := down.from[0], down.to[h-1]
	row, narrow := make([]color.RGBA64, right-left), make([]rgba, w)
	read := rowReader(img, left)
	opaque := isOpaque(img)
	// Rows of the result under way: sums[i] is that of row first+i.
	var sums, idle [][]rgba
	first := 0
	for y := top; y < bottom; y++ {
		read(row, y)
		narrowRow(narrow, row, left, across, opaque)
		for i := first; i < h; i++ {
			if y < down.from[i] {
				break
			}
			if i-first == len(sums) {
				if n := len(idle); n > 0 {
					sums, idle = append(sums, idle[n-1]), idle[:n-1]
					clear(sums[i-first])
				} else {
					sums = append(sums, make([]rgba, w))
				}
			}
			addRow(sums[i-first], narrow, down.weight(down.center(i), y))
			if y == down.to[i]-1 {
				finishRow(scaled, i, sums[0], down.inverse[i])
				sums, idle = sums[1:], append(idle, sums[0])
				first++
			}
		}
	}
	return scaled
}

// rowReader returns a function that reads part of a row of a picture.
func rowReader(img image.Image, left int) func(dst []color.RGBA64, y int) {
	b := img.Bounds()
	at := func(x, y int) color.RGBA64 {
		r, g, b, a := img.At(x, y).RGBA()
		return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
	}
	if m, ok := img.(image.RGBA64Image); ok {
		at = m.RGBA64At
	}
	switch m := img.(type) { // the two that are decoded most, for speed
	case *image.Gray:
		return func(dst []color.RGBA64, y int) {
			row := m.Pix[y*m.Stride+left:]
			for x := range dst {
				v := uint16(row[x]) * 0x101
				dst[x] = color.RGBA64{R: v, G: v, B: v, A: 0xffff}
			}
		}
	case *image.RGBA:
		return func(dst []color.RGBA64, y int) {
			row := m.Pix[y*m.Stride+4*left:]
			for x := range dst {
				p := row[4*x : 4*x+4]
				dst[x] = color.RGBA64{R: uint16(p[0]) * 0x101, G: uint16(p[1]) * 0x101, B: uint16(p[2]) * 0x101, A: uint16(p[3]) * 0x101}
			}
		}
	}
	return func(dst []color.RGBA64, y int) {
		for x := range dst {
			dst[x] = at(b.Min.X+left+x, b.Min.Y+y)
		}
	}
}

// isOpaque reports whether the type of a picture has no opacity.
func isOpaque(img image.Image) bool {
	switch m := img.(type) {
	case *image.Gray:
		return true
	case *image.YCbCr:
		return m.SubsampleRatio <= image.YCbCrSubsampleRatio440
	case interface{ Source() image.Image }: // a view of another picture
		return isOpaque(m.Source())
	}
	return false
}

// narrowRow scales a row, whose first pixel is number left of the source.
func narrowRow(dst []rgba, row []color.RGBA64, left int, across *axis, opaque bool) {
	var buf []float64
	for x := range dst {
		var weights []float64
		if across.kept != nil {
			weights = across.kept[x]
		} else {
			buf = across.compute(buf[:0], x)
			weights = buf
		}
		var s rgba
		for i, c := range row[across.from[x]-left : across.to[x]-left] {
			s[0] += float64(float64(c.R) * weights[i])
			s[1] += float64(float64(c.G) * weights[i])
			s[2] += float64(float64(c.B) * weights[i])
			s[3] += float64(float64(c.A) * weights[i])
		}
		f := across.inverse[x] / 0xffff
		dst[x] = rgba{s[0] * f, s[1] * f, s[2] * f, s[3] * f}
		if opaque {
			dst[x][3] = 1
		}
	}
}

func addRow(sum, row []rgba, weight float64) {
	for x := range sum {
		for i := range sum[x] {
			sum[x][i] += float64(row[x][i] * weight)
		}
	}
}

// finishRow writes a row of the result.
func finishRow(dst *image.NRGBA, y int, sum []rgba, f float64) {
	for x, s := range sum {
		a := s[3]
		dst.SetRGBA64(x, y, color.RGBA64{R: level(min(s[0], a) * f), G: level(min(s[1], a) * f), B: level(min(s[2], a) * f), A: level(a * f)})
	}
}

// level rounds 0..1 to 0..65535.
func level(x float64) uint16 {
	return uint16(min(max(int32(float64(0xffff*x)+0.5), 0), 0xffff))
}
