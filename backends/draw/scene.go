package draw

import (
	"fmt"
	"math"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// Options say how a network is drawn.
type Options struct {
	Right    bool   // edges lead to the right, not down
	Collapse int    // parts and blocks nested deeper than this many levels are one box; 0 draws all layers
	Part     string // draw this part or block alone, by its path, as in 3a or 3a/inception
	NoHeads  bool   // leave out auxiliary classifiers
	Colour   Colour
	// Mark says which layers stand out, by the names of their values.
	Mark func(name string) bool
	// Micros is the measured time of the layers for one image, in microseconds, by the
	// names of their values, for ByTime.
	Micros map[string]float64
}

// Colour says what the colour of a box means.
type Colour int

const (
	ByKind   Colour = iota // of layer: convolution, pool, ...
	ByMACs                 // multiply-accumulates
	ByParams               // trained weights
	ByTime                 // Options.Micros
)

// MaxBoxes is the number of boxes and frames that a drawing has at most.
const MaxBoxes = 20000

// A Drawing is a network with a place for each box, frame, edge and text.
type Drawing struct {
	Name   string
	Width  float64 // in pixels
	Height float64
	rects  []rect
	lines  []polyline
	texts  []label
	boxes  []Box
}

// Counts returns how many boxes, frames and edges the drawing has.
func (d *Drawing) Counts() (boxes, frames, edges int) {
	for _, r := range d.rects {
		switch {
		case r.class == "frame":
			frames++
		case r.path != "":
			boxes++
		}
	}
	return boxes, frames, len(d.lines)
}

// Box is what a drawing knows of one of its boxes or frames.
type Box struct {
	Path   string `json:"path"`
	Kind   string `json:"kind"`           // conv, pool, ... or frame
	Line   int    `json:"line,omitempty"` // of the spec
	Output string `json:"output,omitempty"`
	Value  string `json:"value,omitempty"` // the name of the value with that shape
	Params int64  `json:"params"`
	MACs   int64  `json:"macs"`
	Layers int    `json:"layers"`
	Field  string `json:"field,omitempty"` // receptive field, in pixels of the input
}

// Boxes lists the boxes and frames in the order in which SVG draws them.
func (d *Drawing) Boxes() []Box { return d.boxes }

// rect is a box, a frame, or a field of the legend, which has no path.
type rect struct {
	x, y, w, h float64
	class      string // names the colours
	heat       int    // 0, or 1 to heatSteps where the colour shows a number
	path, note string
	line       int
	mark       bool
}

type polyline struct {
	points []point
	curve  bool
	arrow  bool
	head   bool // leads to an auxiliary classifier: dashed
}

// label is a text whose baseline begins, or has its middle, at x, y.
type label struct {
	x, y, size float64
	width      float64
	text       string
	bold       bool
	middle     bool
	class      string
	heat       int // of the box that holds it
}

// heatSteps is the number of colours for numbers.
const heatSteps = 7

const margin = 16.0

// New lays out a network.
func New(g *ir.Graph, o Options) (*Drawing, error) {
	if len(g.Nodes) == 0 {
		return nil, fmt.Errorf("%s has no layers to draw", g.Name)
	}
	if o.Part != "" && o.Collapse > 0 {
		o.Collapse += strings.Count(o.Part, "/") + 1 // it counts from the part
	}
	root := tree(g, ir.Summarize(g), o)
	name := g.Name
	if o.Part != "" {
		f, err := find(root, o.Part)
		if err != nil {
			return nil, err
		}
		root, name = f, g.Name+" "+f.path
	}
	if n := count(root); n > MaxBoxes {
		return nil, fmt.Errorf("the drawing of %s has %s boxes (want %s at most): fold parts and blocks (--collapse 1), or draw one part (--part)",
			g.Name, diag.Thousands(int64(n)), diag.Thousands(MaxBoxes))
	}
	size(root, o)
	if o.Right {
		turn(root)
	}
	d := &Drawing{Name: name}
	s := &scene{d: d, o: o, most: most(root, o)}
	s.item(root, margin, margin, root.path != "")
	d.Width, d.Height = root.w+2*margin, root.h+2*margin
	s.legend()
	d.Width, d.Height = math.Ceil(d.Width), math.Ceil(d.Height)
	return d, nil
}

func count(it *item) int {
	n := 1
	for _, k := range it.kids {
		n += count(k)
	}
	return n
}

// turn exchanges height and width of all items, so that edges lead to the right.
func turn(it *item) {
	it.x, it.y = it.y, it.x
	it.w, it.h = it.h, it.w
	for i := range it.routes {
		for k, p := range it.routes[i].points {
			it.routes[i].points[k] = point{p.y, p.x}
		}
	}
	for _, k := range it.kids {
		turn(k)
	}
}

// find returns the frame or box of a path. A frame that has the name of its only block too
// is found by either.
func find(root *item, path string) (*item, error) {
	var found *item
	var names []string
	var walk func(it *item)
	walk = func(it *item) {
		if it.path == path && (found == nil || it.frame()) {
			found = it
		}
		for _, k := range it.kids {
			if it == root && k.path != "" && k.kind != "input" {
				names = append(names, k.path)
			}
			walk(k)
		}
	}
	walk(root)
	if found == nil || !found.frame() {
		return nil, &PartError{Part: path, Have: names}
	}
	return found, nil
}

// A PartError says that a network has no part or block with a path.
type PartError struct {
	Part string
	Have []string // the parts
}

func (e *PartError) Error() string { return fmt.Sprintf("there is no part or block %q", e.Part) }

type scene struct {
	d    *Drawing
	o    Options
	most float64 // the largest number that a colour shows
}

// value is the number that the colour of an item stands for.
func (o Options) value(s sums) float64 {
	switch o.Colour {
	case ByMACs:
		return float64(s.macs)
	case ByParams:
		return float64(s.params)
	case ByTime:
		return s.micros
	}
	return 0
}

func most(it *item, o Options) float64 {
	v := 0.0
	if !it.frame() {
		v = o.value(it.sum)
	}
	for _, k := range it.kids {
		v = max(v, most(k, o))
	}
	return v
}

// heat is the colour of a number: steps of the same share of the largest one.
func (s *scene) heat(v float64) int {
	if s.o.Colour == ByKind || s.most == 0 {
		return 0
	}
	return min(1+int(v/s.most*heatSteps), heatSteps)
}

// item draws an item with its top left corner at x, y, and what is in it.
func (s *scene) item(it *item, x, y float64, framed bool) {
	if !it.frame() {
		s.box(it, x, y)
		return
	}
	if framed {
		s.d.boxes = append(s.d.boxes, it.facts())
		s.d.rects = append(s.d.rects, rect{x: x, y: y, w: it.w, h: it.h, class: "frame", path: it.path, note: it.path, line: it.line})
		text := cut(it.title, it.w-2*padding, titleSize, true)
		s.d.texts = append(s.d.texts, label{x: x + padding, y: y + 17, size: titleSize, width: textWidth(text, titleSize, true), text: text, bold: true, class: "title"})
	}
	for _, r := range it.routes {
		ps := make([]point, len(r.points))
		for i, p := range r.points {
			ps[i] = point{p.x + x, p.y + y}
		}
		s.d.lines = append(s.d.lines, polyline{points: ps, curve: r.curve, arrow: !r.toFrame, head: r.head})
	}
	for _, k := range it.kids {
		s.item(k, x+k.x, y+k.y, true)
	}
}

func (s *scene) marked(it *item) bool {
	for _, n := range it.nodes {
		if s.o.Mark != nil && s.o.Mark(n.Out[0].Name) {
			return true
		}
	}
	return false
}

// facts describes an item.
func (it *item) facts() Box {
	b := Box{Path: it.path, Kind: it.kind, Line: it.line}
	if it.frame() {
		b.Kind = "frame"
	}
	sum := it.total()
	b.Params, b.MACs, b.Layers, b.Output, b.Field = sum.params, sum.macs, sum.layers, it.output(), sum.field.Short()
	if sum.layers == 0 {
		b.Field = ""
	}
	b.Value = it.result()
	return b
}

// Places returns the path of the box that each value of a network is computed in. It is the
// box of a drawing in which nothing is folded.
func Places(g *ir.Graph) map[string]string {
	_, made := boxes(g, ir.Summarize(g), Options{})
	paths := make(map[string]string, len(made))
	for v, it := range made {
		paths[v.Name] = it.path
	}
	return paths
}

func (it *item) total() sums {
	if !it.frame() {
		return it.sum
	}
	var s sums
	for _, k := range it.kids {
		s.add(k.total())
	}
	return s
}

// output is the shape that an item makes, that of its last box for a frame.
func (it *item) output() string {
	if it.frame() {
		return it.kids[len(it.kids)-1].output()
	}
	if len(it.lines) == 0 {
		return ""
	}
	return it.lines[len(it.lines)-1].text
}

// result is the name of the value that an item makes, that of its last box for a frame.
func (it *item) result() string {
	if it.frame() {
		return it.kids[len(it.kids)-1].result()
	}
	return it.value
}

func (s *scene) box(it *item, x, y float64) {
	heat := s.heat(s.o.value(it.sum))
	s.d.rects = append(s.d.rects, rect{x: x, y: y, w: it.w, h: it.h, class: it.kind, heat: heat, path: it.path, note: it.note, line: it.line, mark: s.marked(it)})
	s.d.boxes = append(s.d.boxes, it.facts())
	top := y + (it.h-leading*float64(len(it.lines)))/2
	for i, l := range it.lines {
		text := cut(l.text, it.w-8, textSize, l.bold)
		class := "text"
		if i > 0 {
			class = "detail"
		}
		s.d.texts = append(s.d.texts, label{x: x + it.w/2, y: top + leading*float64(i) + 11.5, size: textSize, width: textWidth(text, textSize, l.bold), text: text, bold: l.bold, middle: true, class: class, heat: heat})
	}
}

// legend explains the colours of numbers, below the drawing.
func (s *scene) legend() {
	if s.o.Colour == ByKind {
		return
	}
	unit := map[Colour]string{ByMACs: "MACs", ByParams: "parameters", ByTime: "µs"}[s.o.Colour]
	x, y := margin, s.d.Height
	for i := range heatSteps {
		s.d.rects = append(s.d.rects, rect{x: x + float64(i)*24, y: y, w: 24, h: 12, class: "conv", heat: i + 1})
	}
	text := "0 to " + diag.Thousands(int64(math.Round(s.most))) + " " + unit + " for one image"
	w := textWidth(text, textSize, false)
	s.d.texts = append(s.d.texts, label{x: x + heatSteps*24 + 8, y: y + 11, size: textSize, width: w, text: text, class: "text"})
	s.d.Height += 12 + margin
	s.d.Width = max(s.d.Width, x+heatSteps*24+8+w+margin)
}
