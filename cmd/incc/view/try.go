package view

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
)

// Class is a class of a network with the score that a picture has for it.
type Class struct {
	Class int    `json:"class"`
	Label string `json:"label,omitempty"`
	Score Value  `json:"score"`
}

// Answer is what a network says of a picture.
type Answer struct {
	Top   []Class  `json:"top"`
	Notes []string `json:"notes"`
	Drawn bool     `json:"drawn"` // the weights are drawn at random
	Input Picture  `json:"input"` // the picture as the network sees it
	Maps  *Maps    `json:"maps"`  // what was asked for, or nil
}

// Picture is a picture of 8 bits a channel: red, green, blue and opacity of each pixel.
type Picture struct {
	W    int    `json:"w"`
	H    int    `json:"h"`
	Data []byte `json:"data"`
}

// Maps are feature maps of one value, each with grey levels from its smallest to its largest
// element. A vector is one map of a single row.
type Maps struct {
	Name  string  `json:"name"`
	Shape string  `json:"shape"`
	Count int     `json:"count"` // of all maps; Low has those that are shown
	W     int     `json:"w"`
	H     int     `json:"h"`
	Low   []Value `json:"low"`  // the smallest element of each map
	High  []Value `json:"high"` // the largest one
	Data  []byte  `json:"data"`
}

// Bounds of the feature maps of an answer.
const (
	maxMaps       = 256
	maxMapsPixels = 1 << 20
)

// MaxTop is the largest number of classes of an answer.
const MaxTop = 100

// trial is a compiled network that also returns the feature maps of one value.
type trial struct {
	version, stamp, at string

	net     *ir.Graph // with weights, before the passes
	shape   ir.Shape  // of the value
	drawn   bool
	notes   []string
	program *cpu.Program
}

// Try classifies a picture with the network of a text. at names the value whose feature maps
// are returned, "" for none; k is the number of classes.
func (e *Engine) Try(g *ir.Graph, version string, picture []byte, at string, k int) (*Answer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t, err := e.trial(g, version, at)
	if err != nil {
		return nil, err
	}
	img, err := data.DecodePicture(picture)
	if err != nil {
		return nil, err
	}
	in, how := t.net.Inputs[0].Type.Shape, t.net.Recipe.Input
	if how == nil {
		how = &recipe.Input{Lo: 0, Hi: 1}
	}
	seen := data.Fit(img, how, in[2], in[3])
	x := make([]float32, in[1]*in[2]*in[3])
	if err := data.Planes(x, seen, how, in[1]); err != nil {
		return nil, err
	}
	out := [][]float32{make([]float32, t.net.Outputs[0].Type.Shape.Bind(1).Size())}
	if at != "" {
		out = append(out, make([]float32, t.shape.Bind(1).Size()))
	}
	if err := t.program.NewSession().Run([][]float32{x}, out); err != nil {
		return nil, err
	}
	a := &Answer{Notes: t.notes, Drawn: t.drawn, Input: Picture{in[3], in[2], seen.Pix}}
	if a.Top, err = e.Top(t.net, out[0], k); err != nil {
		return nil, err
	}
	if at != "" {
		a.Maps = mapsOf(at, t.shape, out[1])
	}
	return a, nil
}

// trial compiles a network for Try, unless it is the one of the last call.
func (e *Engine) trial(g *ir.Graph, version, at string) (*trial, error) {
	stamp := e.Stamp()
	if t := e.last; t != nil && t.version == version && t.stamp == stamp && t.at == at {
		return t, nil
	}
	e.last = nil // its memory is free while the next one is compiled
	t := &trial{version: version, stamp: stamp, at: at, net: g.Clone()}
	var err error
	if t.drawn, err = e.Fill(t.net); err != nil {
		return nil, err
	}
	if t.notes, err = e.Classifier(t.net); err != nil {
		return nil, err
	}
	if err := data.CheckChannels(t.net.Inputs[0].Type.Shape[1]); err != nil {
		return nil, err
	}
	h := t.net.Clone()
	if at != "" {
		v := h.Value(at)
		if v == nil || v.Def == nil || v.Type.DType != ir.F32 || len(v.Type.Shape) < 2 || v.Type.Shape[0] != ir.Batch {
			return nil, fmt.Errorf("%s has no feature maps of %q", g.Name, at)
		}
		if _, rows, columns := split(v.Type.Shape); rows*columns > maxMapsPixels {
			return nil, fmt.Errorf("the feature maps of %q have %d x %d elements: this page shows %d at most", at, rows, columns, maxMapsPixels)
		}
		t.shape = v.Type.Shape
		h.Outputs = append(h.Outputs, v)
	}
	if t.program, err = e.compile(h); err != nil {
		return nil, err
	}
	e.last = t
	return t, nil
}

// split returns the number of maps of a value, and their rows and columns.
func split(shape ir.Shape) (count, h, w int) {
	elements := shape.Bind(1).Size()
	if n := len(shape); n >= 4 && shape[n-1]*shape[n-2] > 1 {
		h, w = shape[n-2], shape[n-1]
		return elements / (h * w), h, w
	}
	return 1, 1, elements
}

// mapsOf makes grey levels of a value. The last two axes are rows and columns of a map.
func mapsOf(name string, shape ir.Shape, x []float32) *Maps {
	m := &Maps{Name: name, Shape: shape.WithoutBatch().String(), Low: []Value{}, High: []Value{}}
	m.Count, m.H, m.W = split(shape)
	size := m.H * m.W
	for i := range min(m.Count, maxMaps, maxMapsPixels/size) {
		part := x[i*size : (i+1)*size]
		low, high := part[0], part[0]
		for _, v := range part {
			low, high = min(low, v), max(high, v)
		}
		m.Low, m.High = append(m.Low, Value(low)), append(m.High, Value(high))
		m.Data = append(m.Data, levels(part, low, high)...)
	}
	return m
}

// levels scales numbers to bytes: low to 0 and high to 255. Numbers that are not finite, and
// all numbers if low is high, become 0.
func levels(x []float32, low, high float32) []byte {
	b := make([]byte, len(x))
	for i, v := range x {
		if t := float64(v-low) / float64(high-low); t >= 0 && t <= 1 {
			b[i] = uint8(255*t + 0.5)
		}
	}
	return b
}
