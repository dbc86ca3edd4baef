// Package chart draws line charts, as PNG and as SVG.
package chart

import (
	"io"
	"math"
	"strconv"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"
)

// Point is a point of a curve.
type Point struct{ X, Y float64 }

// Marks is what a curve draws at its points.
type Marks int

// The marks.
const (
	Dots Marks = iota
	Rings
	None
)

// Curve is one line of a panel. Points where a coordinate is not finite, or not above
// zero on a logarithmic axis, are left out.
type Curve struct {
	Name   string // for the legend, which leaves out curves without a name
	Points []Point
	Dash   []float64 // lengths of strokes and gaps in pixels; none for a solid line
	Marks  Marks
	Colour int
}

// Dashed is a common dash pattern.
var Dashed = []float64{6, 4}

// Axis is one side of a panel.
type Axis struct {
	Label string
	// Min and Max bound the axis; where nil, the points do.
	Min, Max *float64
	// Ticks are where to write numbers; where nil, they are chosen.
	Ticks []float64
	Whole bool // ticks at whole numbers only
	Log   bool // a logarithmic axis
}

// At is a bound of an Axis.
func At(x float64) *float64 { return &x }

// Corner is where a legend is: at the bottom right, unless it says otherwise.
type Corner struct{ Top, Left, Middle bool }

// Panel is one chart.
type Panel struct {
	Title  string
	X, Y   Axis
	Curves []Curve
	Legend Corner
}

// Width and Height are the size of a panel in pixels.
const (
	Width  = 550
	Height = 440
)

// WritePNG draws panels side by side.
func WritePNG(w io.Writer, panels ...Panel) error { return write(w, chartdraw.PNG, panels) }

// WriteSVG draws panels side by side.
func WriteSVG(w io.Writer, panels ...Panel) error { return write(w, chartdraw.SVG, panels) }

var (
	ink     = drawing.Color{R: 40, G: 40, B: 40, A: 255}
	gridInk = drawing.Color{R: 225, G: 225, B: 225, A: 255}
	white   = drawing.Color{R: 255, G: 255, B: 255, A: 255}
	palette = []drawing.Color{{R: 31, G: 119, B: 180, A: 255}, {R: 214, G: 72, B: 50, A: 255}, {R: 44, G: 140, B: 60, A: 255}, {R: 148, G: 103, B: 189, A: 255},
		{R: 230, G: 140, B: 20, A: 255}, {R: 23, G: 160, B: 175, A: 255}, {R: 140, G: 86, B: 75, A: 255}, {R: 205, G: 100, B: 175, A: 255}}
)

func write(w io.Writer, canvas chartdraw.RendererProvider, panels []Panel) error {
	width := Width * max(1, len(panels))
	p := pen{Renderer: canvas(width, Height)}
	p.SetDPI(drawing.DefaultDPI)
	p.SetFont(chartdraw.GetDefaultFont())
	p.rect(0, 0, width, Height, white)
	for i, panel := range panels {
		panel.draw(p, i*Width)
	}
	return p.Save(w)
}

// draw draws a panel whose left edge is at x0.
func (c Panel) draw(p pen, x0 int) {
	const margin, titleSize, labelSize, tickSize = 14, 13.0, 11.0, 9.5
	xs, ys := c.scales()
	xt, yt := xs.ticks(), ys.ticks()
	widest := 0
	for _, t := range yt {
		widest = max(widest, p.width(t.label, tickSize))
	}
	top, bottom := margin+26, Height-margin-40
	left, right := x0+margin+28+widest, x0+Width-margin-6
	xs.from, xs.to = float64(left), float64(right)
	ys.from, ys.to = float64(bottom), float64(top)

	p.text(c.Title, (left+right)/2, margin+8, titleSize, 0, middle)
	p.text(c.X.Label, (left+right)/2, Height-margin-4, labelSize, 0, middle)
	p.text(c.Y.Label, x0+margin+4, (top+bottom)/2, labelSize, -math.Pi/2, middle)
	for _, t := range xt {
		x := xs.at(t.value)
		p.line(gridInk, 1, nil, x, top, x, bottom)
		p.line(ink, 1, nil, x, bottom, x, bottom+4)
		p.text(t.label, x, bottom+14, tickSize, 0, middle)
	}
	for _, t := range yt {
		y := ys.at(t.value)
		p.line(gridInk, 1, nil, left, y, right, y)
		p.line(ink, 1, nil, left-4, y, left, y)
		p.text(t.label, left-8, y, tickSize, 0, end)
	}
	p.line(ink, 1, nil, left, top, left, bottom, right, bottom)
	for _, curve := range c.Curves {
		curve.draw(p, xs, ys)
	}
	c.legend(p, left, top, right, bottom)
}

func (c Curve) draw(p pen, xs, ys scale) {
	var at []Point // in pixels
	for _, q := range c.Points {
		if xs.shows(q.X) && ys.shows(q.Y) {
			at = append(at, Point{xs.pixel(q.X), ys.pixel(q.Y)})
		}
	}
	colour := palette[c.Colour%len(palette)]
	var xy []int
	for _, q := range simplified(at) {
		xy = append(xy, round(q.X), round(q.Y))
	}
	p.line(colour, 2, c.Dash, xy...)
	if c.Marks == None {
		return
	}
	for _, q := range at {
		if c.Marks == Rings {
			p.circle(round(q.X), round(q.Y), 4, colour, white)
		} else {
			p.circle(round(q.X), round(q.Y), 2.5, colour, colour)
		}
	}
}

// simplified leaves out points that are less than half a pixel beside the line through
// the points that stay (Ramer, Douglas and Peucker). Close points, rounded to pixels, would
// make a straight line uneven.
func simplified(at []Point) []Point {
	if len(at) < 3 {
		return at
	}
	first, last := at[0], at[len(at)-1]
	far, most := 0, 0.5
	length := math.Hypot(last.X-first.X, last.Y-first.Y)
	for i, q := range at[1 : len(at)-1] {
		d := math.Hypot(q.X-first.X, q.Y-first.Y)
		if length > 0 {
			d = math.Abs((last.X-first.X)*(q.Y-first.Y)-(last.Y-first.Y)*(q.X-first.X)) / length
		}
		if d > most {
			far, most = i+1, d
		}
	}
	if far == 0 {
		return []Point{first, last}
	}
	head := simplified(at[:far+1])
	return append(head[:len(head)-1:len(head)-1], simplified(at[far:])...)
}

// legend names the curves in a corner of the box.
func (c Panel) legend(p pen, left, top, right, bottom int) {
	const size, row, sample, gap = 10.0, 18, 28, 8
	widest, rows := 0, 0
	for _, curve := range c.Curves {
		if curve.Name != "" && len(curve.Points) > 0 {
			widest = max(widest, p.width(curve.Name, size))
			rows++
		}
	}
	if rows == 0 {
		return
	}
	w, h := widest+sample+3*gap, rows*row+gap
	x, y := right-w-gap, bottom-h-gap
	if c.Legend.Left {
		x = left + gap
	}
	if c.Legend.Middle {
		x = (left + right - w) / 2
	}
	if c.Legend.Top {
		y = top + gap
	}
	p.rect(x, y, w, h, drawing.Color{R: 255, G: 255, B: 255, A: 215})
	y += gap/2 + row/2
	for _, curve := range c.Curves {
		if curve.Name == "" || len(curve.Points) == 0 {
			continue
		}
		colour := palette[curve.Colour%len(palette)]
		p.line(colour, 2, curve.Dash, x+gap, y, x+gap+sample, y)
		if curve.Marks == Rings {
			p.circle(x+gap+sample/2, y, 4, colour, white)
		}
		p.text(curve.Name, x+2*gap+sample, y, size, 0, begin)
		y += row
	}
}

// scales are the axes of a panel with the bounds of its points.
func (c Panel) scales() (x, y scale) {
	x, y = scale{axis: c.X, low: math.Inf(1), high: math.Inf(-1)}, scale{axis: c.Y, low: math.Inf(1), high: math.Inf(-1)}
	for _, curve := range c.Curves {
		for _, q := range curve.Points {
			if x.shows(q.X) && y.shows(q.Y) {
				x.include(q.X)
				y.include(q.Y)
			}
		}
	}
	x.settle()
	y.settle()
	return x, y
}

// scale maps values of an axis to pixels.
type scale struct {
	axis      Axis
	low, high float64 // in logarithms on a logarithmic axis
	from, to  float64 // pixels of low and high
}

func (s *scale) value(v float64) float64 {
	if s.axis.Log {
		return math.Log10(v)
	}
	return v
}

// shows reports whether a value has a place on the axis.
func (s *scale) shows(v float64) bool {
	v = s.value(v)
	return !math.IsNaN(v) && !math.IsInf(v, 0)
}

func (s *scale) include(v float64) {
	s.low, s.high = min(s.low, s.value(v)), max(s.high, s.value(v))
}

// settle fixes the bounds: those that are given, else those of the points with a
// little room around them.
func (s *scale) settle() {
	if s.low > s.high { // no points
		s.low, s.high = 0, 1
	}
	room := 0.03 * (s.high - s.low)
	if room == 0 {
		room = max(0.5, 0.1*math.Abs(s.low))
	}
	s.low, s.high = s.low-room, s.high+room
	if s.axis.Min != nil {
		s.low = s.value(*s.axis.Min)
	}
	if s.axis.Max != nil {
		s.high = s.value(*s.axis.Max)
	}
	if s.high <= s.low {
		s.high = s.low + 1
	}
}

// pixel returns where a value is on the canvas, and at the pixel there.
func (s *scale) pixel(v float64) float64 {
	return s.from + (s.value(v)-s.low)/(s.high-s.low)*(s.to-s.from)
}

func (s *scale) at(v float64) int { return round(s.pixel(v)) }

func round(x float64) int { return int(math.Round(x)) }

type tick struct {
	value float64
	label string
}

// ticks returns the values to name, about six of them.
func (s *scale) ticks() (ts []tick) {
	add := func(v float64, label string) {
		if x := s.value(v); x >= s.low-1e-9*(s.high-s.low) && x <= s.high+1e-9*(s.high-s.low) {
			ts = append(ts, tick{v, label})
		}
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
	switch {
	case s.axis.Ticks != nil:
		for _, v := range s.axis.Ticks {
			add(v, number(v))
		}
	case s.axis.Log: // 1, 2 and 5 of every decade
		for d := math.Floor(s.low); d <= s.high; d++ {
			for _, k := range []float64{1, 2, 5} {
				add(k*math.Pow(10, d), number(k*math.Pow(10, d)))
			}
		}
	default:
		step := niceStep((s.high - s.low) / 6)
		if s.axis.Whole {
			step = max(1, step)
		}
		for k := math.Ceil(s.low/step-1e-9) + 0; k*step <= s.high+1e-9*step; k++ {
			add(k*step, number(k*step))
		}
	}
	return ts
}

// niceStep returns the least of 1, 2 and 5 times a power of ten that is not below x.
func niceStep(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, k := range []float64{1, 2, 5} {
		if k*p >= x {
			return k * p
		}
	}
	return 10 * p
}
