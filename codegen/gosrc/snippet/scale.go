// This file scales a picture. The filter is bilinear; for a smaller result it is widened to
// the area that a pixel of the result covers. The memory that scaling needs depends only on
// the size of the result and on one row of the source.

package snippet

import (
	"image"
	"image/color"
	"math"
)

// fit scales a picture, which must have at least one pixel, to w x h. If resize is not 0, it
// scales the shorter side to resize pixels, keeps the aspect ratio, and crops the middle
// w x h.
func fit(img image.Image, resize, w, h int) *image.NRGBA {
	size := img.Bounds().Size()
	sw, sh := int64(w), int64(h)
	if resize > 0 {
		// The longer side keeps the aspect ratio, rounded down.
		short := int64(min(size.X, size.Y))
		sw = max(int64(resize)*int64(size.X)/short, sw)
		sh = max(int64(resize)*int64(size.Y)/short, sh)
	}
	return scale(img, newAxis(size.X, sw, middle(sw-int64(w)), w), newAxis(size.Y, sh, middle(sh-int64(h)), h))
}

// middle returns how many of the pixels that a crop takes away are before the crop: half of
// them, and for an odd number the even one of the two halves, as in torchvision.
func middle(rest int64) int64 { return rest/2 + rest/2%2*(rest%2) }

// axis holds, for the rows or the columns, the weights of the source's pixels in each pixel of
// the result. The filter is a triangle. Its half width is the distance between two pixels of
// the source or of the result, whichever is larger, so that a smaller result has no aliasing.
type axis struct {
	n           int         // number of pixels of the source
	step, reach float64     // distance between pixels of the result, and half width of the filter, in pixels of the source
	first       int64       // first pixel of the scaled picture that is part of the result (after the crop)
	from, to    []int       // pixels from..to-1 of the source are needed for each pixel of the result
	inverse     []float64   // 1 / sum of their weights
	kept        [][]float64 // their weights; nil if they are computed for every row
}

// maxKept is the longest side, in pixels, whose weights are kept. For a longer side they are
// computed again for every row.
const maxKept = 1 << 16

// newAxis returns the axis for scaling n pixels to m pixels, of which the result contains
// count, beginning with the given first one.
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

// center returns the position in the source of the centre of pixel i of the result.
func (a *axis) center(i int) float64 { return float64((float64(a.first+int64(i))+0.5)*a.step) - 0.5 }

// weight returns the weight of pixel at of the source for a filter around center. It is not
// positive if the pixel is outside of the filter.
func (a *axis) weight(center float64, at int) float64 {
	d := math.Abs(center - float64(at))
	if a.step > 1 {
		d *= 1 / a.step
	}
	return 1 - d
}

// span returns the range of pixels of the source, from..to-1, with a weight for pixel i.
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

// compute appends to w the weights of these pixels for pixel i.
func (a *axis) compute(w []float64, i int) []float64 {
	c := a.center(i)
	for at := a.from[i]; at < a.to[i]; at++ {
		w = append(w, a.weight(c, at))
	}
	return w
}

// rgba is a colour: red, green and blue, multiplied by the opacity, and the opacity.
type rgba [4]float64

// scale scales a picture along both axes. It averages colours multiplied by their opacity.
func scale(img image.Image, across, down *axis) *image.NRGBA {
	w, h := len(across.inverse), len(down.inverse)
	scaled := image.NewNRGBA(image.Rect(0, 0, w, h))
	left, right := across.from[0], across.to[w-1]
	top, bottom := down.from[0], down.to[h-1]
	row, narrow := make([]color.RGBA64, right-left), make([]rgba, w)
	read := rowReader(img, left)
	opaque := isOpaque(img)
	// sums[i] is the sum for row first+i of the result, which is not complete yet.
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

// rowReader returns a function that reads row y of a picture, from column left on, to dst.
func rowReader(img image.Image, left int) func(dst []color.RGBA64, y int) {
	b := img.Bounds()
	at := func(x, y int) color.RGBA64 {
		r, g, b, a := img.At(x, y).RGBA()
		return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
	}
	if m, ok := img.(image.RGBA64Image); ok {
		at = m.RGBA64At
	}
	switch m := img.(type) { // faster code for two frequent types
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

// isOpaque reports whether a picture is of a type without transparency.
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

// narrowRow scales a row of the source horizontally. row[0] is pixel left of the source.
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

// finishRow writes row y of the result. It multiplies the sums by f.
func finishRow(dst *image.NRGBA, y int, sum []rgba, f float64) {
	for x, s := range sum {
		a := s[3]
		dst.SetRGBA64(x, y, color.RGBA64{R: level(min(s[0], a) * f), G: level(min(s[1], a) * f), B: level(min(s[2], a) * f), A: level(a * f)})
	}
}

// level maps 0..1 to 0..65535, rounded and clipped.
func level(x float64) uint16 {
	return uint16(min(max(int32(float64(0xffff*x)+0.5), 0), 0xffff))
}
