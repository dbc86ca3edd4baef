// Package chart draws line charts, as PNG and as SVG.
package chart

import (
	"io"
	"math"
	"slices"
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

// Panel is one chart. The names of its curves are beside their ends.
type Panel struct {
	Title  string
	X, Y   Axis
	Curves []Curve
}

// Width and Height are the size of a panel in pixels.
const (
	Width  = 620
	Height = 440
)

// WritePNG draws panels side by side.
func WritePNG(w io.Writer, panels ...Panel) error { return write(w, chartdraw.PNG, false, panels) }

// WriteSVG draws panels side by side.
func WriteSVG(w io.Writer, panels ...Panel) error { return write(w, chartdraw.SVG, true, panels) }

var (
	ink     = drawing.Color{R: 40, G: 40, B: 40, A: 255}
	gridInk = drawing.Color{R: 225, G: 225, B: 225, A: 255}
	white   = drawing.Color{R: 255, G: 255, B: 255, A: 255}
	palette = []drawing.Color{{R: 31, G: 119, B: 180, A: 255}, {R: 214, G: 72, B: 50, A: 255}, {R: 44, G: 140, B: 60, A: 255}, {R: 148, G: 103, B: 189, A: 255},
		{R: 230, G: 140, B: 20, A: 255}, {R: 23, G: 160, B: 175, A: 255}, {R: 140, G: 86, B: 75, A: 255}, {R: 205, G: 100, B: 175, A: 255}}
)

func write(w io.Writer, canvas chartdraw.RendererProvider, svg bool, panels []Panel) error {
	width := Width * max(1, len(panels))
	p := pen{Renderer: canvas(width, Height), svg: svg}
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
	left, right := x0+margin+28+widest, x0+Width-margin-6-c.legendWidth(p)
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
	c.legend(p, xs, ys, top, right, bottom)
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
	if !c.marked() {
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

// marked reports whether the points of a curve have marks. Many dots would hide the line
// and its dashes.
func (c Curve) marked() bool {
	const crowded = 40
	return c.Marks == Rings || c.Marks == Dots && len(c.Points) <= crowded
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

// The parts of a line of the legend, in pixels, and the size of its text in points.
const (
	legendText   = 10.0
	legendGap    = 6
	legendSample = 22
	legendRow    = 16
)

// named lists the curves that the legend names.
func (c Panel) named() []Curve {
	var list []Curve
	for _, curve := range c.Curves {
		if curve.Name != "" && len(curve.Points) > 0 {
			list = append(list, curve)
		}
	}
	return list
}

// legendWidth is the room that the names of the curves take beside the box.
func (c Panel) legendWidth(p pen) int {
	widest := 0
	for _, curve := range c.named() {
		widest = max(widest, p.width(curve.Name, legendText)+legendSample+3*legendGap)
	}
	return widest
}

// legend names the curves to the right of the box, each at the height where it ends, as
// far as the names do not overlap.
func (c Panel) legend(p pen, xs, ys scale, top, right, bottom int) {
	type entry struct {
		Curve
		y int
	}
	var list []entry
	for _, curve := range c.named() {
		for i := len(curve.Points) - 1; i >= 0; i-- {
			if q := curve.Points[i]; xs.shows(q.X) && ys.shows(q.Y) {
				list = append(list, entry{curve, min(max(ys.at(q.Y), top), bottom)})
				break
			}
		}
	}
	slices.SortStableFunc(list, func(a, b entry) int { return a.y - b.y })
	at := make([]int, len(list))
	for i, e := range list {
		at[i] = e.y
	}
	spread(at, top, bottom)
	x := right + legendGap
	for i, e := range list {
		colour := palette[e.Colour%len(palette)]
		p.line(colour, 2, e.Dash, x, at[i], x+legendSample, at[i])
		switch {
		case e.Marks == Rings:
			p.circle(x+legendSample/2, at[i], 4, colour, white)
		case e.marked():
			p.circle(x+legendSample/2, at[i], 2.5, colour, colour)
		}
		p.text(e.Name, x+legendSample+legendGap, at[i], legendText, 0, begin)
	}
}

// spread moves sorted places apart, so that they are a row of the legend from each other
// and between two bounds, as far as there is room.
func spread(at []int, low, high int) {
	row := legendRow
	if n := len(at); n > 1 {
		row = min(row, (high-low)/(n-1))
	}
	for i := 1; i < len(at); i++ {
		at[i] = max(at[i], at[i-1]+row)
	}
	for i := len(at) - 1; i >= 0; i-- {
		at[i] = min(at[i], high-(len(at)-1-i)*row)
		if i+1 < len(at) {
			at[i] = min(at[i], at[i+1]-row)
		}
	}
	for i := range at {
		at[i] = max(at[i], low+i*row)
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
	every     float64 // distance between the ticks, once settle has chosen it
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

// settle fixes the bounds: those that are given, else ticks that enclose the points. An
// axis with given ticks or whole numbers has a little room around the points instead.
func (s *scale) settle() {
	if s.low > s.high { // no points
		s.low, s.high = s.value(1), s.value(10)
		if !s.axis.Log {
			s.low = 0
			s.high = 1
		}
	}
	room := 0.03 * (s.high - s.low)
	if room == 0 {
		if room = 0.1 * math.Abs(s.low); room == 0 {
			room = 0.5
		}
	}
	switch {
	case s.axis.Ticks != nil || s.axis.Whole:
		s.low, s.high = s.low-room, s.high+room
	case s.axis.Log:
		s.low, s.high = logBelow(s.low), logAbove(s.high)
		if s.low == s.high {
			s.low, s.high = s.low-room, s.high+room
		}
	case s.low == s.high:
		s.low, s.high = s.low-room, s.high+room
	}
	if s.axis.Min != nil {
		s.low = s.value(*s.axis.Min)
	}
	if s.axis.Max != nil {
		s.high = s.value(*s.axis.Max)
	}
	if s.high <= s.low {
		s.high = s.low + 1
	}
	if !s.axis.Log && !s.axis.Whole && s.axis.Ticks == nil {
		step := s.step()
		s.every = step // wider bounds do not change it
		if s.axis.Min == nil {
			s.low = step * math.Floor(s.low/step+1e-9)
		}
		if s.axis.Max == nil {
			s.high = step * math.Ceil(s.high/step-1e-9)
		}
	}
}

// logBelow returns the largest logarithm of 1, 2 or 5 times a power of ten that is not
// above x.
func logBelow(x float64) float64 {
	const near = 1e-9
	best := math.Floor(x + near)
	for _, k := range []float64{2, 5} {
		if v := math.Floor(x+near) + math.Log10(k); v <= x+near {
			best = v
		}
	}
	return best
}

// logAbove returns the smallest logarithm of 1, 2 or 5 times a power of ten that is not
// below x.
func logAbove(x float64) float64 {
	const near = 1e-9
	d := math.Floor(x - near)
	for _, k := range []float64{1, 2, 5} {
		if v := d + math.Log10(k); v >= x-near {
			return v
		}
	}
	return d + 1
}

// step is the distance between the ticks of an axis that is not logarithmic.
func (s *scale) step() float64 {
	if s.every > 0 {
		return s.every
	}
	step := niceStep((s.high - s.low) / 6)
	if s.axis.Whole {
		step = max(1, step)
	}
	return step
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
	case s.axis.Log:
		// 1, 2 and 5 of every decade, or only 1 of some decades if there are many.
		few, every := []float64{1, 2, 5}, 1
		if decades := s.high - s.low; decades > 3 {
			few, every = few[:1], int(math.Ceil(decades/6))
		} else if decades < 0.7 {
			few = []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}
		}
		for d := int(math.Floor(s.low)); float64(d) <= s.high; d++ {
			if d%every != 0 {
				continue
			}
			for _, k := range few {
				v := k * math.Pow(10, float64(d))
				add(v, number(v))
			}
		}
	default:
		step := s.step()
		// All numbers have as many decimals as the step.
		decimals := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
		for k := math.Ceil(s.low/step - 1e-9); k*step <= s.high+1e-9*step; k++ {
			label := strconv.FormatFloat(k*step+0, 'f', decimals, 64)
			if decimals > 6 || math.Abs(k*step) >= 1e7 {
				label = number(k * step)
			}
			add(k*step, label)
		}
	}
	return ts
}

// niceStep returns the least of 1, 2 and 5 times a power of ten that is not below x.
func niceStep(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, k := range []float64{1, 2, 5} {
		if k*p >= x*(1-1e-9) {
			return k * p
		}
	}
	return 10 * p
}
