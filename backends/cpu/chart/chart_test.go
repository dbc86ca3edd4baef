package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// sample has every feature: dashes, rings, a legend in three corners, whole ticks, a
// logarithmic axis, given ticks and bounds, one point, no point, and what is not finite.
func sample() []Panel {
	var loss, acc, errors []Point
	for e := range 8 {
		x := float64(e + 1)
		loss = append(loss, Point{x, 2.3 / x})
		acc = append(acc, Point{x, 1 - 0.5/x})
		errors = append(errors, Point{x, 1 / (2 * x * x)})
	}
	loss = append(loss, Point{9, math.NaN()}, Point{10, math.Inf(1)})
	return []Panel{
		{Title: "training of net_1 <&>", X: Axis{Label: "epoch", Whole: true}, Y: Axis{Label: "loss", Min: At(0)},
			Curves: []Curve{{Name: "training", Points: loss}, {Name: "validation, größer", Points: acc, Dash: Dashed, Colour: 1, Marks: Rings}}},
		{X: Axis{Label: "epoch", Whole: true}, Y: Axis{Label: "accuracy"}, Curves: []Curve{{Name: "one", Points: acc[:1], Colour: 2}, {Name: "none"}}},
		{Title: "largest error", X: Axis{Label: "pieces k", Ticks: []float64{1, 2, 4, 8}}, Y: Axis{Label: "error", Log: true, Min: At(1e-3), Max: At(1)},
			Curves: []Curve{{Name: "least possible", Points: append(errors, Point{3, 0}), Marks: None, Colour: 3}}},
		{},
	}
}

func TestWrite(t *testing.T) {
	var p, s bytes.Buffer
	if err := WritePNG(&p, sample()...); err != nil {
		t.Fatal(err)
	}
	if err := WriteSVG(&s, sample()...); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("INCC_CHARTS"); dir != "" { // to look at
		_ = os.WriteFile(dir+"/chart.png", p.Bytes(), 0o644)
		_ = os.WriteFile(dir+"/chart.svg", s.Bytes(), 0o644)
	}
	img, err := png.Decode(&p)
	if err != nil || img.Bounds().Dx() != 4*Width || img.Bounds().Dy() != Height {
		t.Fatalf("%v, %v", img.Bounds(), err)
	}
	// Every panel has ink, and each curve its colour.
	colours := map[[3]uint32]int{}
	for y := range Height {
		for x := range 4 * Width {
			r, g, b, _ := img.At(x, y).RGBA()
			colours[[3]uint32{r >> 8, g >> 8, b >> 8}]++
		}
	}
	for i, c := range palette[:4] {
		if n := colours[[3]uint32{uint32(c.R), uint32(c.G), uint32(c.B)}]; n < 5 {
			t.Errorf("colour %d has %d pixels", i, n)
		}
	}
	text := s.String()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the SVG is not XML: %v", err)
		}
	}
	for _, want := range []string{"validation, größer", "epoch", "0.001", "least possible"} {
		if !strings.Contains(text, want) {
			t.Errorf("the SVG has no %q", want)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "-9223372036854775808") || strings.Contains(text, ">none<") {
		t.Error("the SVG has a point or a name that it should not have")
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		s    scale
		want string
	}{
		{scale{axis: Axis{Whole: true}, low: 1, high: 3}, "1 2 3"},
		{scale{axis: Axis{Whole: true}, low: 0.9, high: 100.1}, "20 40 60 80 100"},
		{scale{low: 0, high: 1}, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{scale{low: -0.031, high: 0.2}, "0.00 0.05 0.10 0.15 0.20"},
		{scale{axis: Axis{Log: true}, low: -3, high: -2}, "0.001 0.002 0.005 0.01"},
		{scale{axis: Axis{Ticks: []float64{1, 4, 9}}, low: 0, high: 5}, "1 4"},
	} {
		var got []string
		for _, tick := range c.s.ticks() {
			got = append(got, tick.label)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%v to %v: %s, want %s", c.s.low, c.s.high, s, c.want)
		}
	}
}

// TestSettle: an axis begins and ends at a tick.
func TestSettle(t *testing.T) {
	for _, c := range []struct {
		axis      Axis
		low, high float64 // of the points
		want      string
	}{
		{Axis{}, 0.8, 0.98, "0.80 0.85 0.90 0.95 1.00"},
		{Axis{}, 0.5, 0.5, "0.44 0.46 0.48 0.50 0.52 0.54 0.56"},
		{Axis{Min: At(0)}, 0.06, 0.6, "0.0 0.1 0.2 0.3 0.4 0.5 0.6"},
		{Axis{Min: At(0)}, 0.01, 0.01, "0.000 0.002 0.004 0.006 0.008 0.010 0.012"},
		{Axis{}, -3, 1234, "-500 0 500 1000 1500"},
		{Axis{Log: true}, 0.007, 4.7, "0.005 0.01 0.02 0.05 0.1 0.2 0.5 1 2 5"},
		{Axis{Log: true}, 1e-7, 3, "1e-06 0.0001 0.01 1"},
		{Axis{Whole: true}, 1, 10, "2 4 6 8 10"},
		{Axis{Whole: true}, 1, 1, "1"},
	} {
		s := scale{axis: c.axis, low: math.Inf(1), high: math.Inf(-1)}
		s.include(c.low)
		s.include(c.high)
		s.settle()
		var got []string
		ticks := s.ticks()
		for _, tick := range ticks {
			got = append(got, tick.label)
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%+v, %g to %g: %s, want %s", c.axis, c.low, c.high, g, c.want)
		}
		if first, last := ticks[0].value, ticks[len(ticks)-1].value; !c.axis.Whole && !c.axis.Log && (math.Abs(first-s.low) > 1e-9 || math.Abs(last-s.high) > 1e-9) {
			t.Errorf("%g to %g: the axis goes from %g to %g, its ticks from %g to %g", c.low, c.high, s.low, s.high, first, last)
		}
	}
}

// TestSpread: names keep their distance and stay between the bounds.
func TestSpread(t *testing.T) {
	for _, c := range []struct{ in, want []int }{
		{[]int{50}, []int{50}},
		{[]int{50, 52}, []int{50, 66}},
		{[]int{95, 98, 100}, []int{68, 84, 100}},
		{[]int{0, 0, 100}, []int{0, 16, 100}},
		{[]int{10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10}, []int{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100}},
	} {
		got := slices.Clone(c.in)
		spread(got, 0, 100)
		if !slices.Equal(got, c.want) {
			t.Errorf("%v becomes %v, want %v", c.in, got, c.want)
		}
	}
}

func TestSimplified(t *testing.T) {
	var line, corner []Point
	for i := range 101 {
		x := float64(i)
		line = append(line, Point{3 * x, x + 0.3*float64(i%2)})
		corner = append(corner, Point{x, math.Abs(x - 50)})
	}
	if got := simplified(line); len(got) != 2 {
		t.Errorf("a straight line keeps %d points", len(got))
	}
	if got := simplified(corner); len(got) != 3 || got[1] != (Point{50, 0}) {
		t.Errorf("a corner becomes %v", got)
	}
	if got := simplified([]Point{{1, 1}, {5, 5}, {1, 1}}); len(got) != 3 {
		t.Errorf("there and back becomes %v", got)
	}
}
