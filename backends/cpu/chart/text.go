package chart

import (
	"image"
	"image/color"
	"image/draw"
	"strings"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/golang/freetype/truetype"
	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"

	"github.com/incc-lang/incc/backends/cpu/chart/unifont"
	"github.com/incc-lang/incc/ir/diag"
)

// Writer writes text on pictures, in the font of the charts.
type Writer struct {
	face   font.Face
	base   int // from the top of a line to its base line, in pixels
	Height int // of a line, in pixels
}

// NewWriter returns a writer of letters of a size in pixels.
func NewWriter(size int) *Writer {
	face := truetype.NewFace(chartdraw.GetDefaultFont(), &truetype.Options{Size: float64(size)})
	m := face.Metrics()
	base := max(unifont.Base, m.Ascent.Ceil())
	return &Writer{face, base, base + max(unifont.Height-unifont.Base, (m.Height-m.Ascent).Ceil())}
}

// Width is how many pixels a text is wide.
func (w *Writer) Width(s string) int {
	n := 0
	for _, r := range runsOf(s) {
		if r.glyph != nil {
			n += r.glyph.Width
		} else {
			n += font.MeasureString(w.face, r.text).Ceil()
		}
	}
	return n
}

// Fit shortens a text at its end until it is at most width pixels wide.
func (w *Writer) Fit(s string, width int) string {
	if w.Width(s) <= width {
		return s
	}
	for s != "" {
		s, _ = diag.Cut(s, diag.Width(s)-1)
		if s = strings.TrimRight(s, " "); w.Width(s+"…") <= width {
			return s + "…"
		}
	}
	return ""
}

// Write writes a line whose upper left corner is at a point.
func (w *Writer) Write(dst draw.Image, at image.Point, s string) {
	ink := color.Gray{Y: 30}
	base := at.Y + w.base
	for _, r := range runsOf(s) {
		if r.glyph == nil {
			d := font.Drawer{Dst: dst, Src: image.NewUniform(ink), Face: w.face, Dot: fixed.P(at.X, base)}
			d.DrawString(r.text)
			at.X += font.MeasureString(w.face, r.text).Ceil()
			continue
		}
		for y := range unifont.Height {
			for x := range r.glyph.Width {
				if r.glyph.At(x, y) {
					dst.Set(at.X+x, base-unifont.Base+y, ink)
				}
			}
		}
		at.X += r.glyph.Width
	}
}
