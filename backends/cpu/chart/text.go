package chart

import (
	"image"
	"image/color"
	"image/draw"
	"strings"
	"unicode/utf8"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/golang/freetype/truetype"
	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
)

// Writer writes text on pictures, in the font of the charts.
type Writer struct {
	face   font.Face
	Height int // of a line, in pixels
}

// NewWriter returns a writer of letters of a size in pixels.
func NewWriter(size int) *Writer {
	face := truetype.NewFace(chartdraw.GetDefaultFont(), &truetype.Options{Size: float64(size)})
	return &Writer{face, face.Metrics().Height.Ceil()}
}

// Width is how many pixels a text is wide.
func (w *Writer) Width(s string) int { return font.MeasureString(w.face, s).Ceil() }

// Fit shortens a text at its end until it is at most width pixels wide.
func (w *Writer) Fit(s string, width int) string {
	if w.Width(s) <= width {
		return s
	}
	for s != "" {
		_, n := utf8.DecodeLastRuneInString(s)
		s = strings.TrimRight(s[:len(s)-n], " ")
		if w.Width(s+"…") <= width {
			return s + "…"
		}
	}
	return ""
}

// Write writes a line whose upper left corner is at a point.
func (w *Writer) Write(dst draw.Image, at image.Point, s string) {
	d := font.Drawer{Dst: dst, Src: image.NewUniform(color.Gray{Y: 30}), Face: w.face,
		Dot: fixed.P(at.X, at.Y+w.face.Metrics().Ascent.Ceil())}
	d.DrawString(s)
}
