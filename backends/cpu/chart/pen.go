package chart

import (
	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"

	"github.com/incc-lang/incc/backends/cpu/chart/unifont"
)

// pen draws shapes and text on a canvas of pixels.
type pen struct {
	chartdraw.Renderer
	svg    bool           // whoever shows the file chooses the font
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
	w, h := p.width(s, size), p.MeasureText("0").Height()
	dx, dy := 0, h/2
	switch at {
	case middle:
		dx = -w / 2
	case end:
		dx = -w
	}
	for _, r := range p.runs(s) {
		if r.glyph != nil {
			p.glyph(r.glyph, x, y, dx, dy, rotation != 0)
			dx += r.glyph.Width
			continue
		}
		p.style(size)
		if rotation == 0 {
			p.Text(r.text, x+dx, y+dy)
		} else { // a quarter turn to the left: what was to the right is up
			p.SetTextRotation(rotation)
			p.Text(r.text, x+dy, y-dx)
			p.ClearTextRotation()
		}
		dx += p.MeasureText(r.text).Width()
	}
}

// runs divides a text into what the font has and what is drawn as pictures.
func (p pen) runs(s string) []run {
	if p.svg {
		return []run{{text: s}}
	}
	return runsOf(s)
}

// glyph draws a character in its own size. Its left end and base line are at dx, dy from
// x, y, before the turn to the left.
func (p pen) glyph(g *unifont.Glyph, x, y, dx, dy int, turned bool) {
	colour := ink
	if p.colour != nil {
		colour = *p.colour
	}
	for row := range unifont.Height {
		for from := 0; from < g.Width; from++ {
			to := from
			for to < g.Width && g.At(to, row) {
				to++
			}
			if to == from {
				continue
			}
			if turned {
				p.rect(x+dy+row-unifont.Base, y-dx-to, 1, to-from, colour)
			} else {
				p.rect(x+dx+from, y+dy+row-unifont.Base, to-from, 1, colour)
			}
			from = to
		}
	}
}

// width is that of a text in pixels.
func (p pen) width(s string, size float64) int {
	p.style(size)
	w := 0
	for _, r := range runsOf(s) {
		switch {
		case r.glyph != nil && p.svg: // half an em, or one
			w += int(size * drawing.DefaultDPI / 72 * float64(r.glyph.Width) / unifont.Height)
		case r.glyph != nil:
			w += r.glyph.Width
		default:
			w += p.MeasureText(r.text).Width()
		}
	}
	return w
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
