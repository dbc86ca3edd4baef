package draw

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/specs"
)

var update = flag.Bool("update", false, "write testdata/drawings.txt")

func network(t *testing.T, name, text string) *ir.Graph {
	t.Helper()
	g, l := dsl.Load(name, []byte(text), dsl.Options{})
	if l.HasErrors() {
		t.Fatal(l)
	}
	return g
}

func builtin(t *testing.T, name string) *ir.Graph {
	t.Helper()
	text, _, ok := specs.Source(name)
	if !ok {
		t.Fatalf("no spec %s", name)
	}
	return network(t, name, string(text))
}

func drawn(t *testing.T, g *ir.Graph, o Options) *Drawing {
	t.Helper()
	d, err := New(g, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func svg(t *testing.T, d *Drawing) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := d.SVG(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// views are the options that the tests draw each network with.
var views = []struct {
	name string
	o    Options
}{
	{"down", Options{}},
	{"right", Options{Right: true, Colour: ByMACs}},
	{"collapse 1", Options{Collapse: 1, Colour: ByParams}},
	{"collapse 2, right, no heads", Options{Collapse: 2, Right: true, NoHeads: true}},
}

// TestDrawings compares counts and hashes of the drawings of all built-in networks with
// testdata/drawings.txt. Read a drawing before you update its hash.
func TestDrawings(t *testing.T) {
	var b strings.Builder
	for _, name := range specs.Names() {
		g := builtin(t, name)
		for _, v := range views {
			d := drawn(t, g, v.o)
			boxes, frames, edges := d.Counts()
			text := svg(t, d)
			if again := svg(t, drawn(t, g, v.o)); !bytes.Equal(text, again) {
				t.Errorf("%s, %s: two drawings differ", name, v.name)
			}
			fmt.Fprintf(&b, "%s, %s: %gx%g, %d boxes, %d frames, %d edges, %x\n", name, v.name, d.Width, d.Height, boxes, frames, edges, sha256.Sum256(text))
		}
	}
	const file = "testdata/drawings.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(b.String(), "\n")
	for i, w := range strings.Split(string(want), "\n") {
		if i >= len(got) || got[i] != w {
			t.Fatalf("line %d of %s is %q, and the drawing now has %q: look at it, then run go test ./backends/draw -update", i+1, file, w, got[min(i, len(got)-1)])
		}
	}
}

// TestReadme compares googlenet.svg, which the project's README shows, with the drawing that
//
//	incc draw googlenet --direction right --no-heads -o backends/draw/googlenet.svg
//
// makes now.
func TestReadme(t *testing.T) {
	text := svg(t, drawn(t, builtin(t, "googlenet"), Options{Right: true, NoHeads: true}))
	if *update {
		if err := os.WriteFile("googlenet.svg", text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("googlenet.svg")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, text) {
		t.Error("googlenet.svg is not what is drawn now: run go test ./backends/draw -update")
	}
}

// TestPlaces looks for texts that leave their boxes or overlap, boxes that overlap or leave
// their frames, and edges that cross boxes.
func TestPlaces(t *testing.T) {
	for _, name := range specs.Names() {
		g := builtin(t, name)
		for _, v := range views {
			checkPlaces(t, name+", "+v.name, drawn(t, g, v.o))
		}
	}
}

func (r rect) holds(x, y, w, h float64) bool {
	const eps = 0.01
	return x >= r.x-eps && y >= r.y-eps && x+w <= r.x+r.w+eps && y+h <= r.y+r.h+eps
}

func (r rect) overlaps(s rect) bool {
	return r.x < s.x+s.w && s.x < r.x+r.w && r.y < s.y+s.h && s.y < r.y+r.h
}

// area is what a text covers: the Go fonts rise by 0.95 and fall by 0.21 of their size.
func (l label) area() rect {
	x := l.x
	if l.middle {
		x -= l.width / 2
	}
	return rect{x: x, y: l.y - 0.8*l.size, w: l.width, h: 1.01 * l.size}
}

func checkPlaces(t *testing.T, name string, d *Drawing) {
	t.Helper()
	var boxes, frames []rect
	for _, r := range d.rects {
		if r.class == "frame" {
			frames = append(frames, r)
		} else {
			boxes = append(boxes, r)
		}
		if !(rect{w: d.Width, h: d.Height}).holds(r.x, r.y, r.w, r.h) {
			t.Errorf("%s: %s leaves the page", name, r.path)
		}
	}
	for i, a := range boxes {
		for _, b := range boxes[:i] {
			if a.path != "" && b.path != "" && a.overlaps(b) {
				t.Errorf("%s: boxes %s and %s overlap", name, b.path, a.path)
			}
		}
		for _, f := range frames {
			if a.overlaps(f) && !f.holds(a.x, a.y, a.w, a.h) {
				t.Errorf("%s: box %s leaves frame %s", name, a.path, f.path)
			}
			if inside := strings.HasPrefix(a.path, f.path+"/"); inside && !f.holds(a.x, a.y, a.w, a.h) {
				t.Errorf("%s: box %s is not in frame %s", name, a.path, f.path)
			}
		}
	}
	for i, a := range frames {
		for _, b := range frames[:i] {
			if a.overlaps(b) && !a.holds(b.x, b.y, b.w, b.h) && !b.holds(a.x, a.y, a.w, a.h) {
				t.Errorf("%s: frames %s and %s overlap", name, b.path, a.path)
			}
		}
	}
	for i, l := range d.texts {
		a := l.area()
		if l.width < textWidth(l.text, l.size, l.bold) {
			t.Errorf("%s: text %q is wider than its place", name, l.text)
		}
		held := l.class == "text" && !l.middle // of the legend
		for _, r := range d.rects {
			held = held || r.holds(a.x, a.y, a.w, a.h)
			if r.class != "frame" && a.overlaps(r) && !r.holds(a.x, a.y, a.w, a.h) {
				t.Errorf("%s: text %q leaves or crosses %s", name, l.text, r.path)
			}
		}
		if !held {
			t.Errorf("%s: text %q is in no box", name, l.text)
		}
		for _, m := range d.texts[:i] {
			if a.overlaps(m.area()) {
				t.Errorf("%s: texts %q and %q overlap", name, l.text, m.text)
			}
		}
	}
	for _, l := range d.lines {
		checkEdge(t, name, d, l)
	}
}

// checkEdge looks for boxes and titles that an edge crosses.
func checkEdge(t *testing.T, name string, d *Drawing, l polyline) {
	t.Helper()
	ps := flatten(l, 0.001)
	for i := 1; i < len(ps); i++ {
		a, b := ps[i-1], ps[i]
		s := rect{x: min(a.x, b.x) + 0.3, y: min(a.y, b.y) + 0.3, w: math.Abs(a.x-b.x) - 0.6, h: math.Abs(a.y-b.y) - 0.6}
		if s.w < 0 {
			s.x, s.w = s.x+s.w/2, 0
		}
		if s.h < 0 {
			s.y, s.h = s.y+s.h/2, 0
		}
		for _, r := range d.rects {
			if r.class != "frame" && s.x < r.x+r.w && r.x < s.x+s.w && s.y < r.y+r.h && r.y < s.y+s.h {
				t.Errorf("%s: an edge from %v to %v crosses %s", name, a, b, r.path)
			}
		}
		for _, m := range d.texts {
			if r := m.area(); m.class == "title" && s.x < r.x+r.w && r.x < s.x+s.w && s.y < r.y+r.h && r.y < s.y+s.h {
				t.Errorf("%s: an edge crosses the title %q", name, m.text)
			}
		}
	}
}

// TestRandom draws random graphs: all layers are drawn, no two overlap, and edges lead down.
func TestRandom(t *testing.T) {
	for seed := range int64(200) {
		g := irtest.Random(seed, irtest.Options{})
		checkDown(t, fmt.Sprint("seed ", seed), g)
	}
}

// TestLayers draws sums of random values, which are no series and parallel of branches.
func TestLayers(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := irtest.NewNet("sums", 1)
		values := []*ir.Value{n.Input("x", ir.Float(ir.Batch, 4, 8, 8))}
		unread := map[*ir.Value]bool{}
		for i := range 2 + r.IntN(30) {
			a, b := values[r.IntN(len(values))], values[max(0, len(values)-1-r.IntN(4))]
			v := n.Op(fmt.Sprintf("p%d/add%d", i/8, i), ops.Add{}, a, b)
			delete(unread, a)
			delete(unread, b)
			unread[v] = true
			values = append(values, v)
		}
		end := values[len(values)-1]
		for i, v := range values {
			if unread[v] && v != end {
				end = n.Op(fmt.Sprintf("rest%d", i), ops.Add{}, end, v)
			}
		}
		g := n.Finish(end)
		curves := checkDown(t, fmt.Sprint("seed ", seed), g)
		if seed == 0 && curves == 0 {
			t.Error("no edge is a curve")
		}
	}
}

// checkDown draws a graph, checks it, and returns the number of curves.
func checkDown(t *testing.T, name string, g *ir.Graph) int {
	t.Helper()
	d := drawn(t, g, Options{})
	checkPlaces(t, name, d)
	curves := 0
	for _, l := range d.lines {
		if l.curve {
			curves++
		}
		if l.points[0].y >= l.points[len(l.points)-1].y {
			t.Errorf("%s: an edge leads up", name)
		}
	}
	nodes := 0
	for _, it := range leaves(tree(g, ir.Summarize(g), Options{})) {
		nodes += len(it.nodes)
	}
	if nodes != len(g.Nodes) {
		t.Errorf("%s: %d of %d layers are drawn", name, nodes, len(g.Nodes))
	}
	return curves
}

func leaves(it *item) []*item {
	if !it.frame() {
		return []*item{it}
	}
	var all []*item
	for _, k := range it.kids {
		all = append(all, leaves(k)...)
	}
	return all
}

// TestDense draws a dense block in which each layer reads all before it, one by one.
func TestDense(t *testing.T) {
	n := irtest.NewNet("dense", 1)
	x := n.Input("x", ir.Float(ir.Batch, 4, 8, 8))
	values := []*ir.Value{x}
	for i := range 6 {
		in := values[0]
		if i > 0 {
			in = n.Op(fmt.Sprintf("concat%d", i), ops.Concat{Axis: 1}, values...)
		}
		values = append(values, n.Conv(fmt.Sprintf("conv%d", i), in, 4, ir.HW{3, 3}, ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, Pad: ir.Pads{1, 1, 1, 1}}, true))
	}
	d := drawn(t, n.Finish(n.Op("end", ops.Concat{Axis: 1}, values...)), Options{})
	checkPlaces(t, "dense", d)
	if boxes, _, edges := d.Counts(); boxes != 13 || edges != 6+2+3+4+5+6+7 {
		t.Errorf("%d boxes, %d edges", boxes, edges)
	}
}

// TestPart draws the modules of the papers' figures: every branch with its kernels.
func TestPart(t *testing.T) {
	for _, c := range []struct{ net, part, want string }{
		{"googlenet", "3a", "concat, conv 1x1 16, conv 1x1 32, conv 1x1 64, conv 1x1 96, conv 3x3 128, conv 5x5 32, maxpool 3x3"},
		{"inception_v3", "7b/e_1", "avgpool 3x3, concat, concat, concat, conv 1x1 192, conv 1x1 320, conv 1x1 384, conv 1x1 448, conv 1x3 384, conv 1x3 384, conv 3x1 384, conv 3x1 384, conv 3x3 384"},
	} {
		d := drawn(t, builtin(t, c.net), Options{Part: c.part})
		var names []string
		for _, l := range d.texts {
			if l.bold && l.middle {
				names = append(names, l.text)
			}
		}
		if got := strings.Join(sorted(names), ", "); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.net, c.part, got, c.want)
		}
	}
	var part *PartError
	if _, err := New(builtin(t, "googlenet"), Options{Part: "3z"}); !errors.As(err, &part) || len(part.Have) != 11 {
		t.Errorf("part 3z: %v", err)
	}
}

func sorted(s []string) []string {
	for i := range s {
		for k := i; k > 0 && s[k] < s[k-1]; k-- {
			s[k], s[k-1] = s[k-1], s[k]
		}
	}
	return s
}

// TestFiles writes all formats: a well-formed document without scripts whatever the names
// are, a picture of the size, and a PDF; twice the same.
func TestFiles(t *testing.T) {
	n := irtest.NewNet(`<script>alert("1")</script>`, 1)
	x := n.Input(`x"><script>`, ir.Float(ir.Batch, 4, 8, 8))
	x = n.Op("part & \u202ename/<b>relu", ops.ReLU{}, x)
	x = n.Op("名前/long "+strings.Repeat("name ", 100), ops.Sigmoid{}, x)
	d := drawn(t, n.Finish(x), Options{})
	checkPlaces(t, "names", d)
	for dec := xml.NewDecoder(bytes.NewReader(svg(t, d))); ; {
		tok, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := tok.(xml.StartElement); ok && !strings.Contains("svg title style rect path text", s.Name.Local) {
			t.Errorf("element %s", s.Name.Local)
		}
	}
	for _, write := range []func(io.Writer) error{func(w io.Writer) error { return d.PNG(w, 1.5) }, d.PDF} {
		var a, b bytes.Buffer
		if err := errors.Join(write(&a), write(&b)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) || a.Len() < 1000 {
			t.Errorf("two files of %d and %d bytes differ", a.Len(), b.Len())
		}
		if c, err := png.DecodeConfig(bytes.NewReader(a.Bytes())); err == nil && (c.Width != int(1.5*d.Width+0.5) || c.Height != int(1.5*d.Height+0.5)) {
			t.Errorf("a picture of %dx%d for a drawing of %gx%g", c.Width, c.Height, d.Width, d.Height)
		} else if err != nil && !bytes.HasPrefix(a.Bytes(), []byte("%PDF-")) {
			t.Error(err)
		}
	}
	if err := d.PNG(io.Discard, 1000); err == nil {
		t.Error("a picture of a thousand million pixels is made")
	}
	if _, err := New(&ir.Graph{Name: "empty"}, Options{}); err == nil {
		t.Error("a graph without layers is drawn")
	}
}

// TestHeat colours by the largest number.
func TestHeat(t *testing.T) {
	d := drawn(t, builtin(t, "lenet5"), Options{Colour: ByParams})
	s := ir.Summarize(builtin(t, "lenet5"))
	var most ir.Layer
	for _, l := range s.Layers {
		if l.Params > most.Params {
			most = l
		}
	}
	hottest := 0
	for _, r := range d.rects {
		if r.path != "" && r.heat == heatSteps {
			hottest++
			if r.path != most.Name {
				t.Errorf("%s has the last colour, and %s the most parameters", r.path, most.Name)
			}
		}
	}
	if hottest != 1 {
		t.Errorf("%d boxes have the last colour", hottest)
	}
}
