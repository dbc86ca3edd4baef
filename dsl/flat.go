package dsl

import (
	"slices"
	"strconv"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// flatReader reads the lines of a flat graph.
type flatReader struct {
	*builder
	cx     context
	out    *ir.Graph
	values map[string]*ir.Value
	broken map[string]bool   // names that a line with an error defines
	said   map[*ir.Node]bool // nodes whose line has from.part
}

// flat builds a graph from its flat form.
func (b *builder) flat() {
	r := &flatReader{builder: b, cx: context{env: &env{lib: b.lib}, scope: b.root}, out: b.g.Graph(),
		values: map[string]*ir.Value{}, broken: map[string]bool{}, said: map[*ir.Node]bool{}}
	var input *Input
	for _, s := range b.file.Stmts {
		switch s := s.(type) {
		case *Input:
			input = s
		case *Labels:
			b.labels(s, nil, r.cx)
		case *Train:
			b.train(s, r.cx)
		case *Assign:
			r.assign(s)
		}
		if b.full {
			return
		}
	}
	for _, s := range b.file.Stmts {
		if m, ok := s.(*Mark); ok {
			r.mark(m)
		}
	}
	parts := map[string]bool{}
	for _, p := range r.out.Parts {
		parts[p.Name] = true
	}
	for _, n := range r.out.Nodes {
		if !r.said[n] {
			n.Part = partOf(n.Out[0].Name, parts)
		}
	}
	if input != nil {
		r.input(input)
	}
	// Heads are left out of what runs and of the files that are written.
	output := false
	Each(b.file, func(m *Mark) { output = output || m.Kw.Name == "output" })
	if !output && b.file.Name != nil {
		b.err(r.cx, "E0708", b.file.Name.Span, "the graph has no output").WithHelp("add a line that names the outputs: output NAME")
	}
}

// input reads the input statement, which gives the preprocessing of an input that a line
// of the graph defines.
func (r *flatReader) input(s *Input) {
	v := r.values[s.Name.Name]
	dims, _ := s.Shape.Shape()
	if len(r.out.Inputs) > 0 && v == nil && plain(r.out.Inputs[0].Name) == s.Name.Name {
		v = r.out.Inputs[0]
	}
	switch {
	case v == nil && r.broken[s.Name.Name]:
		return
	case v == nil || !slices.Contains(r.out.Inputs, v):
		r.err(r.cx, "E0702", s.Name.Span, "no input is called %s", diag.Quote(s.Name.Name)).WithHelp("define it: %s = input %s", s.Name.Name, s.Shape.Raw)
		return
	case inputShape(v.Type.Shape) != ir.Shape(dims).String():
		r.err(r.cx, "E0706", s.Shape.Span, "the input %s is %s, not %s", s.Name.Name, inputShape(v.Type.Shape), s.Shape.Raw)
		return
	}
	r.out.Recipe.Input = r.preprocessing(s, dims, r.cx)
}

// define records a new value under its name.
func (r *flatReader) define(id *Ident, v *ir.Value) {
	v.Name = id.Name
	if r.values[id.Name] == nil {
		r.values[id.Name] = v
	}
	r.origin[v] = id.Span
}

func (r *flatReader) assign(s *Assign) {
	n := len(r.diags)
	ok := false
	switch s.Op.Name {
	case "input":
		ok = r.assignInput(s)
	case "param", "const":
		ok = r.assignParam(s)
	default:
		ok = r.assignNode(s)
	}
	if !ok || len(r.diags) > n {
		for _, id := range s.Outs {
			r.broken[id.Name] = r.values[id.Name] == nil
		}
	}
}

// one returns the shape on a line that defines an input, param or const. It reports an
// error if the line defines several values or has no shape.
func (r *flatReader) one(s *Assign) (ir.Shape, bool) {
	if len(s.Outs) != 1 {
		r.err(r.cx, "E0705", s.Outs[1].Span, "%s defines one value", s.Op.Name)
		return nil, false
	}
	if len(s.Args) == 0 || s.Args[0].Key != nil || s.Args[0].Value.Lit() == nil {
		r.err(r.cx, "E0706", s.Op.Span.After(), "%s needs a shape", s.Op.Name).WithHelp("as in: %s = %s 64x3x7x7; a single number is scalar", s.Outs[0].Name, s.Op.Name)
		return nil, false
	}
	a := s.Args[0]
	shape, err := ir.ParseShape(a.Value.Lit().Raw)
	if err == nil {
		err = shape.Check()
	}
	if err != nil {
		r.err(r.cx, "E0706", a.Value.Span, "%v", err)
		return nil, false
	}
	return shape, true
}

// keys parses the keys of a line, beginning with argument from. It reports keys that are
// not in known.
func (r *flatReader) keys(s *Assign, from int, known []slot) *bound {
	args := s.Args[min(from, len(s.Args)):]
	if known[0].name == "type" && len(known) > 2 && len(args) > 0 && args[0].Key == nil {
		args = args[1:] // the elements of a small constant, which assignParam reads
	}
	for len(args) > 0 && args[0].Key == nil {
		r.err(r.cx, "E0706", args[0].Span(), "%s takes one shape, then key=value", s.Op.Name)
		args = args[1:]
	}
	return r.keyed(s.Op.Name, known, args, r.cx)
}

var (
	sType     = slot{"type", word(ir.DTypeNames()...), "f32", "type of the elements"}
	kWeights  = &kind{want: "an initialization: " + initForms(), words: initWords(), parse: parseFlatInit}
	kAnyFloat = &kind{want: "a number, inf, -inf or nan", parse: func(v *value) (any, bool) {
		l := v.lit()
		if l == nil {
			return 0.0, false
		}
		return anyFloat(l)
	}}
	inputLine = []slot{sType, {"batch", kSwitch, "on", "whether a batch axis comes before the shape"}}
	kElements = &kind{want: "numbers separated by commas", parse: parseAnyFloats}
	paramLine = []slot{sType,
		{"init", kWeights, "", "initialization"},
		{"fill", kAnyFloat, "", "value of all elements"},
		{"hash", &kind{want: "a hash in quotes", parse: func(v *value) (any, bool) {
			l := v.lit()
			if l == nil || l.Kind != StringLit {
				return "", false
			}
			return l.Text, true
		}}, "", "hash of the elements, which are not in the text"},
		{"state", kSwitch, "off", "whether only updates change it"},
		{"lr", kAnyFloat, "", "factor on the learning rate; default 1 if it is trained"},
		{"decay", kAnyFloat, "", "factor on the weight decay; default 1 for trained weights with more than one axis"},
		{"max_norm", kNonNeg, "", "largest norm of the weights of one output"},
	}
)

// hollowKind is the prefix of the kind of an Init that stands for missing elements; their
// hash follows it. See Options.Hollow.
const hollowKind ir.InitKind = "hash:"

func anyFloat(l *Lit) (float64, bool) {
	if l.Kind == NumberLit {
		return l.Num, true
	}
	switch l.Text {
	case "inf", "-inf", "nan":
		x, err := strconv.ParseFloat(l.Text, 64)
		return x, err == nil
	}
	return 0, false
}

func parseAnyFloats(v *value) (any, bool) {
	var r []float64
	for _, l := range v.items {
		x, ok := anyFloat(l)
		if !ok {
			return r, false
		}
		r = append(r, x)
	}
	return r, true
}

// parseFlatInit parses an initialization. The value of constant may be inf, -inf or nan,
// because passes make such constants.
func parseFlatInit(v *value) (any, bool) {
	if len(v.items) == 2 && v.items[0].Text == string(ir.InitConstant) {
		x, ok := anyFloat(v.items[1])
		return ir.Init{Kind: ir.InitConstant, A: x}, ok
	}
	return parseInitValue(v)
}

func (r *flatReader) mark(m *Mark) {
	vals := func(ids []*Ident) []*ir.Value {
		var vs []*ir.Value
		for _, id := range ids {
			if v := r.value(id.Span, id.Name); v != nil {
				vs = append(vs, v)
			}
		}
		if len(vs) != len(ids) {
			return nil
		}
		return vs
	}
	switch m.Kw.Name {
	case "output":
		r.out.Outputs = append(r.out.Outputs, vals(m.Names)...)
	case "head":
		a := r.keyed("head", []slot{{"weight", kAnyFloat, "0.3", "weight of its loss"}}, m.Args, r.cx)
		w, said := a.vals["weight"].(float64)
		if !said {
			w = 0.3
		}
		if vs := vals(m.Names); vs != nil {
			r.out.Heads = append(r.out.Heads, ir.Head{Value: vs[0], Weight: w})
		}
		return
	case "update":
		p, v := vals(m.Names), vals(m.To)
		if p == nil || v == nil {
			break
		}
		if p[0].Param == nil {
			r.err(r.cx, "E0708", m.Names[0].Span, "%s is not a param: only params can be updated", diag.Quote(m.Names[0].Name))
			break
		}
		if !p[0].Type.Equal(v[0].Type) {
			r.err(r.cx, "E0708", m.To[0].Span, "%s is %v, but its new value %s is %v", diag.Quote(p[0].Name), p[0].Type, diag.Quote(v[0].Name), v[0].Type)
			break
		}
		r.out.Updates = append(r.out.Updates, ir.Update{Param: p[0], Value: v[0]})
	case "part":
		if vs := vals(m.To); vs != nil {
			if len(vs) > 1 {
				r.err(r.cx, "E0708", m.To[1].Span, "a part has exactly one value")
				break
			}
			r.out.Parts = append(r.out.Parts, ir.Part{Name: m.Names[0].Name, Out: vs[0], Pos: m.Names[0].Span.Pos})
		}
	}
	for _, a := range m.Args {
		r.err(r.cx, "E0404", a.Key.Span, "%s has no key %s", m.Kw.Name, diag.Quote(a.Key.Name))
	}
}
