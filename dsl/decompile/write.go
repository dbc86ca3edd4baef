package decompile

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ops"
)

// Spec is a network as text.
type Spec struct {
	// Text is in the standard layout.
	Text []byte
	// Labels is the contents of the file LabelsFile that Text names; nil if it names none.
	Labels []byte
	// Graph is the graph of Text. Its weights are in Data, under the names that they have in
	// Text.
	Graph *ir.Graph
	// Weights has the old name of each weight of Graph.
	Weights map[string]string
	// Flat says why Text is in the flat form; it is "" for a net.
	Flat string
	// Picture is the preprocessing of the old graph that became keys of the input statement,
	// nil if there is none.
	Picture *Picture
	// Softmax is true if Text ends in a softmax that the old graph does not have.
	Softmax bool
	// Copies is how many weights several layers of the old graph share. In the spec each
	// layer has a copy.
	Copies int
	// Blocks, Repeats and Heads count what was found.
	Blocks, Repeats, Heads int
}

// LabelsFile is the name of the file with the names of classes, next to the spec.
const LabelsFile = "labels.txt"

// mostInline is the largest number of classes that are named in the spec itself.
const mostInline = 12

// Write returns a spec of a graph for inference. It says nothing about training. The graph
// must have one output or more, and the elements of all weights. Of several outputs with
// the shape of the first, each other one becomes a head.
//
// The spec computes the same function, up to the rounding of what Picture and Softmax
// describe. Write checks that: it builds the graph of the text and compares the two.
func Write(g *ir.Graph) (*Spec, error) {
	if len(g.Outputs) == 0 {
		return nil, errors.New("the network has no output")
	}
	s, err := asNet(g)
	if err == nil {
		return s, nil
	}
	flat, ferr := asGraph(g)
	if ferr != nil {
		return nil, ferr
	}
	flat.Flat = err.Error()
	return flat, nil
}

// asNet writes a graph as a net. An error says why it is none.
func asNet(old *ir.Graph) (*Spec, error) {
	g, err := normalize(old)
	if err != nil {
		return nil, err
	}
	spec := &Spec{Copies: unshare(g)}
	spec.Picture = takePicture(g)
	if err := constants(g); err != nil {
		return nil, err
	}
	main, heads, err := pipelines(g)
	if err != nil {
		return nil, err
	}
	spec.Heads = heads
	if spec.Softmax = wantsSoftmax(g); spec.Softmax {
		main.stages = append(main.stages, &stage{op: "softmax", sure: true, path: main.stages[len(main.stages)-1].path})
	}
	params := weights(main)
	classes := nameClasses(g, main)
	namePaths(main)
	list := lines(main)
	nameSources(g, list)
	set := newSettings()
	set.choose(list)
	for _, q := range list {
		useBuiltins(q, set)
	}
	blocks := findBlocks(list, set)
	bodies := list
	for _, b := range blocks {
		bodies = append(bodies[:len(bodies):len(bodies)], b.body)
	}
	set.choose(bodies)
	w := &writer{set: set}
	for _, q := range bodies {
		repeats(q, w)
	}
	set.choose(bodies)
	eachStage(bodies, func(s *stage) {
		if s.op == "repeat" {
			spec.Repeats++
		}
	})
	spec.Blocks = len(blocks)
	w.file(g, spec, classes, blocks, list)
	if err := spec.load([]byte(w.String())); err != nil {
		return nil, err
	}
	return spec, spec.adopt(g, params)
}

// pipelines returns the pipeline of a graph with its heads.
func pipelines(g *ir.Graph) (main *seq, heads int, err error) {
	pieces, byValue, order, err := findPipelines(g)
	if main := named(g, err); main != nil {
		return main, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	l := newLayerer()
	for _, v := range order {
		l.pinned[v] = true
	}
	main, err = l.seq(pieces)
	if err != nil {
		return nil, 0, err
	}
	for _, v := range order {
		for _, p := range byValue[v] {
			q, err := l.seq(p)
			if err != nil {
				return nil, 0, err
			}
			at := 0
			for at < len(main.stages) && main.stages[at].out != v {
				at++
			}
			if v == g.Inputs[0] {
				at = -1
			} else if at == len(main.stages) {
				return nil, 0, fmt.Errorf("the output %s begins inside of a layer", v.Name)
			}
			for at+1 < len(main.stages) && main.stages[at+1].op == "head" {
				at++ // behind the heads that begin at the same value
			}
			q.head = true
			h := &stage{op: "head", body: []*seq{q}, out: v}
			main.stages = append(main.stages[:at+1:at+1], append([]*stage{h}, main.stages[at+1:]...)...)
			heads++
		}
	}
	return main, heads, nil
}

// named returns the pipeline of a graph with values that later lines read by name, nil if it needs
// none. err is why the branches of the graph do not nest.
func named(g *ir.Graph, err error) *seq {
	var missing *nameError
	var first []*ir.Value
	switch {
	case len(g.Outputs) != 1 || err != nil && !errors.As(err, &missing):
		return nil
	case err == nil:
		p := newPipeliner(g)
		if p.dominators() != nil {
			return nil
		}
		first = p.skips()
	}
	if err == nil && len(first) == 0 {
		return nil
	}
	if err != nil { // its long branches, too
		p := newPipeliner(g)
		if p.dominators() == nil {
			first = p.skips()
		}
	}
	list, err := findLines(g, first)
	if err != nil {
		return nil
	}
	l := newLayerer()
	main := &seq{}
	for _, one := range list {
		q, err := l.seq(one.pieces)
		if err != nil || len(q.stages) == 0 {
			return nil
		}
		q.stages[len(q.stages)-1].ends = true
		main.stages = append(main.stages, q.stages...)
	}
	main.stages[len(main.stages)-1].ends = false
	return main
}

// wantsSoftmax reports whether the output of a graph is a score for each of the named
// classes, and no probability.
func wantsSoftmax(g *ir.Graph) bool {
	out := g.Outputs[0]
	if g.Recipe == nil || g.Recipe.Labels == nil || len(out.Type.Shape) != 2 || len(g.Outputs) > 1 {
		return false
	}
	switch out.Def.Op.(type) {
	case ops.Softmax, ops.LogSoftmax:
		return false
	}
	return true
}

// nameClasses replaces the number of outputs by the let classes, if the network classifies
// pictures of 1000 classes, so that -D classes=10 makes it one for ten.
func nameClasses(g *ir.Graph, main *seq) int {
	s := g.Outputs[0].Type.Shape
	if len(s) < 2 || s[1] != 1000 || s.Size() != 1000 {
		return 0
	}
	used := 0
	name := func(q *seq) {
		for i := len(q.stages) - 1; i >= 0; i-- {
			f := q.stages[i].field("units")
			if f == nil && q.stages[i].body == nil {
				continue
			}
			if f != nil && f.alts[0] == "1000" {
				f.alts = []string{"classes"}
				used++
			}
			return
		}
	}
	name(main)
	for _, t := range main.stages {
		if t.op == "head" {
			name(t.body[0])
		}
	}
	if used == 0 {
		return 0
	}
	return 1000
}

// file writes the statements of a net.
func (w *writer) file(g *ir.Graph, spec *Spec, classes int, blocks []*block, list []*seq) {
	if g.Doc != "" {
		for l := range strings.SplitSeq(g.Doc, "\n") {
			w.WriteString(strings.TrimRight("# "+diag.Printable(l), " ") + "\n")
		}
	}
	w.WriteString("net " + plainName(g.Name) + "\n")
	w.WriteString(inputStatement(g) + "\n")
	w.WriteString(labelsStatement(g, spec))
	if classes > 0 {
		w.WriteString("let classes = " + itoa(classes) + "\n")
	}
	for _, d := range w.set.statements() {
		w.WriteString(d + "\n")
	}
	for i, b := range blocks {
		if i == 0 {
			w.WriteString("\n")
		}
		w.pipeline("block "+strings.Join(append([]string{b.name}, b.params...), " ")+" = ", b.body, 0)
		w.WriteString("\n")
	}
	w.WriteString("\n")
	for _, q := range list {
		before := ""
		if q.label != "" {
			before = q.label + ": "
		}
		w.pipeline(before, q, 0)
		w.WriteString("\n")
	}
}

// plainName converts the name of a network to one that the language allows.
func plainName(name string) string {
	s := tidy(name)
	if !dsl.IsName(s) || keywords[s] {
		s = "net_" + s
	}
	if !dsl.IsName(s) {
		return "imported"
	}
	return s
}

// inputStatement returns the input statement of a net.
func inputStatement(g *ir.Graph) string {
	in := g.Inputs[0]
	text := "input " + inputName(g) + " " + in.Type.Shape.WithoutBatch().String()
	if g.Recipe == nil || g.Recipe.Input == nil {
		return text
	}
	for _, w := range dsl.InputKeys(g.Recipe.Input) {
		if w != "order=rgb" && w != "order=grey" {
			text += " " + w
		}
	}
	return text
}

// inputName returns the name of the input.
func inputName(g *ir.Graph) string {
	in := g.Inputs[0]
	name := in.Name
	if !dsl.IsName(name) || keywords[name] || dsl.IsReserved(name) || len(in.Type.Shape) == 4 && len(name) < 2 {
		return "image"
	}
	return name
}

// labelsStatement returns the labels statement of a net, "" if the classes have no names.
// Many names go to a file of their own.
func labelsStatement(g *ir.Graph, spec *Spec) string {
	if g.Recipe == nil || g.Recipe.Labels == nil {
		return ""
	}
	l := g.Recipe.Labels
	if dsl.IsLabelSet(l.Set) {
		return "labels " + l.Set + "\n"
	}
	if len(l.Names) <= mostInline {
		var names []string
		for _, n := range l.Names {
			names = append(names, strconv.QuoteToASCII(n))
		}
		return "labels { " + strings.Join(names, " ") + " }\n"
	}
	spec.Labels = []byte(strings.Join(l.Names, "\n") + "\n")
	return "labels " + strconv.Quote(LabelsFile) + "\n"
}

// load formats a text and builds its graph.
func (s *Spec) load(text []byte) error {
	const name = "net.incc"
	formatted, diags := dsl.Format(name, text)
	if diags.HasErrors() {
		return fmt.Errorf("the language cannot say it: %w", diags.Err())
	}
	g, diags := dsl.Load(name, formatted, dsl.Options{ReadFile: s.readFile})
	if diags.HasErrors() {
		return fmt.Errorf("the language cannot say it: %w", diags.Err())
	}
	s.Text, s.Graph = formatted, g
	return nil
}

func (s *Spec) readFile(name string) ([]byte, error) {
	if name != LabelsFile || s.Labels == nil {
		return nil, fs.ErrNotExist
	}
	return s.Labels, nil
}

// adopt gives the graph of the text the weights of the old graph, and returns an error if
// the two graphs differ. params are the old weights in the order of the text.
func (s *Spec) adopt(old *ir.Graph, params []*ir.Value) error {
	if len(params) != len(s.Graph.Params) {
		return fmt.Errorf("the text has %d weights, the network %d", len(s.Graph.Params), len(params))
	}
	s.Weights = make(map[string]string, len(params))
	for i, v := range s.Graph.Params {
		p := params[i]
		if !v.Type.Equal(p.Type) {
			return fmt.Errorf("the weight %s of the text is %v, that of the network %v", v.Name, v.Type, p.Type)
		}
		d := elements(old, p)
		if d == nil {
			return fmt.Errorf("the weight %s has no elements", p.Name)
		}
		s.Graph.Data[v.Name] = d
		s.Weights[v.Name] = p.Name
	}
	want := s.Graph
	if s.Softmax {
		want = withoutSoftmax(want)
	}
	return sameGraph(old, want, s.Weights)
}

// withoutSoftmax returns a graph without the softmax at its end.
func withoutSoftmax(g *ir.Graph) *ir.Graph {
	c := g.Clone()
	c.Outputs[0] = c.Outputs[0].Def.In[0]
	return c
}
