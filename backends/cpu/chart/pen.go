package chart

import (
	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"
)

// pen draws shapes and text on a canvas of pixels.
type pen struct {
	chartdraw.Renderer
	colour *drawing.Color // of text, if it is not the usual one
}

// ink is the same pen with another colour of text.
func (p pen) ink(c drawing.Color) pen {
	p.colour = &c
	return p
}

// rect fills a rectangle.
func (p pen) rect(x, y, w, h int, c drawing.Color) {
	p.ResetStyle()
	p.SetFillColor(c)
	p.MoveTo(x, y)
	p.LineTo(x+w, y)
	p.LineTo(x+w, y+h)
	p.LineTo(x, y+h)
	p.Close()
	p.Fill()
}

// line draws a line through points x, y, x, y...
func (p pen) line(c drawing.Color, width float64, dash []float64, xy ...int) {
	if len(xy) < 4 {
		return
	}
	p.ResetStyle()
	p.SetStrokeColor(c)
	p.SetStrokeWidth(width)
	p.SetStrokeDashArray(dash)
	p.MoveTo(xy[0], xy[1])
	for i := 2; i < len(xy); i += 2 {
		p.LineTo(xy[i], xy[i+1])
	}
	p.Stroke()
}

func (p pen) circle(x, y int, radius float64, stroke, fill drawing.Color) {
	p.ResetStyle()
	p.SetStrokeColor(stroke)
	p.SetStrokeWidth(1.5)
	p.SetFillColor(fill)
	p.Circle(radius, x, y)
	p.FillStroke()
}

// align is which part of a text is at the place that is named.
type align int

const (
	begin align = iota
	middle
	end
)

// text writes a line whose vertical middle is at y. The rotation is around x, y.
func (p pen) text(s string, x, y int, size, rotation float64, at align) {
	if s == "" {
		return
	}
	p.style(size)
	// The height of a digit, so that all lines of a size have the same base line.
	w, h := p.MeasureText(s).Width(), p.MeasureText("0").Height()
	dx, dy := 0, h/2
	switch at {
	case middle:
		dx = -w / 2
	case end:
		dx = -w
	}
	if rotation == 0 {
		p.Text(s, x+dx, y+dy)
		return
	}
	// A quarter turn to the left: what was to the right is up.
	p.SetTextRotation(rotation)
	p.Text(s, x+dy, y-dx)
	p.ClearTextRotation()
}

// width is that of a text in pixels.
func (p pen) width(s string, size float64) int {
	p.style(size)
	return p.MeasureText(s).Width()
}

func (p pen) style(size float64) {
	p.ResetStyle()
	p.SetFont(chartdraw.GetDefaultFont())
	p.SetFontColor(ink)
	if p.colour != nil {
		p.SetFontColor(*p.colour)
	}
	p.SetFontSize(size)
}
