package dsl

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/tensor"
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

func (r *flatReader) assignInput(s *Assign) bool {
	shape, ok := r.one(s)
	if !ok {
		return false
	}
	a := r.keys(s, 1, inputLine)
	if batch, said := a.vals["batch"].(bool); !shape.Symbolic() && (batch || !said) {
		shape = append(ir.Shape{ir.Batch}, shape...)
	}
	if err := shape.Check(); err != nil {
		r.err(r.cx, "E0706", s.Args[0].Value.Span, "%v", err)
		return false
	}
	v := &ir.Value{Type: ir.Type{Shape: shape, DType: dtype(a)}}
	r.define(s.Outs[0], v)
	r.out.Inputs = append(r.out.Inputs, v)
	return a.ok
}

func dtype(a *bound) ir.DType {
	d, _ := ir.ParseDType(arg[string](a, "type"))
	return d
}

func (r *flatReader) assignParam(s *Assign) bool {
	shape, ok := r.one(s)
	if !ok {
		return false
	}
	if shape.Symbolic() {
		r.err(r.cx, "E0706", s.Args[0].Value.Span, "a %s has no batch among its axes", s.Op.Name)
		return false
	}
	a := r.keys(s, 1, paramLine)
	if !a.ok {
		return false
	}
	p := &ir.Param{Pos: s.Outs[0].Span.Pos}
	switch {
	case s.Op.Name == "const":
		p.Kind = ir.Constant
	case arg[bool](a, "state"):
		p.Kind = ir.State
	}
	p.LR, p.Decay = standardFactors(p.Kind, shape)
	if x, ok := a.vals["lr"].(float64); ok {
		p.LR = x
	}
	if x, ok := a.vals["decay"].(float64); ok {
		p.Decay = x
	}
	p.MaxNorm = arg[float64](a, "max_norm")
	id := s.Outs[0]
	if len(s.Args) > 1 && s.Args[1].Key == nil {
		r.take(a, &form{name: s.Op.Name}, slot{name: "value", kind: kElements}, s.Args[1], r.cx, true)
		if !a.ok {
			return false
		}
	}
	from := 0
	for _, k := range []string{"init", "fill", "value", "hash"} {
		if a.has(k) {
			if from++; from > 1 {
				r.err(r.cx, "E0706", a.at[k], "%s gives the elements a second time", k).WithHelp("give only one of init=, fill=, hash= or the elements themselves")
				return false
			}
		}
	}
	p.Init = arg[ir.Init](a, "init")
	if p.Kind == ir.Constant && a.has("init") && p.Init.Kind != ir.InitConstant {
		r.err(r.cx, "E0707", a.at["init"], "init=%s draws random elements, but a const needs fixed ones", p.Init.Kind).
			WithHelp("write param, or param with state=on, or give the const fill=, hash= or its elements")
		return false
	}
	if x, ok := a.vals["fill"].(float64); ok {
		p.Init = ir.Init{Kind: ir.InitConstant, A: x}
	}
	if xs, ok := a.vals["value"].([]float64); ok {
		if len(xs) != shape.Size() {
			r.err(r.cx, "E0706", a.at["value"], "%s needs %s, not %d", shape, diag.Count(shape.Size(), "number"), len(xs))
			return false
		}
		t := tensor.Make[float32](shape)
		for i, x := range xs {
			t.Data[i] = float32(x)
		}
		r.out.Data[id.Name] = t
	}
	if h, ok := a.vals["hash"].(string); ok {
		t := (*tensor.F32)(nil)
		if r.opt.Data != nil {
			t = r.opt.Data(id.Name, h)
		}
		switch {
		case t == nil && r.opt.Hollow:
			p.Init.Kind = hollowKind + ir.InitKind(h)
		case t == nil:
			r.err(r.cx, "E0707", a.at["hash"], "the elements of %s are not in the text", diag.Quote(id.Name)).
				WithHelp("folding made them: compile the spec again, or keep the graph with its weights")
			return false
		case !slices.Equal(t.Shape, shape) || dataHash(t) != h:
			r.err(r.cx, "E0707", a.at["hash"], "the elements given for %s do not match its hash", diag.Quote(id.Name))
			return false
		}
		if t != nil {
			r.out.Data[id.Name] = t
		}
	} else if from == 0 {
		what, how := "param", "init=, fill=, hash= or the elements themselves"
		if p.Kind == ir.Constant {
			what, how = "constant", "fill=, hash= or the elements themselves"
		}
		r.err(r.cx, "E0707", s.Outs[0].Span, "the %s %s has no elements", what, diag.Quote(id.Name)).WithHelp("give %s", how)
		return false
	}
	v := &ir.Value{Type: ir.Type{Shape: shape, DType: dtype(a)}, Param: p}
	r.define(id, v)
	r.out.Params = append(r.out.Params, v)
	return true
}

// value returns the value with a name. It reports an error if no line above defines the
// name, unless a line that defines it has an error itself.
func (r *flatReader) value(at diag.Span, name string) *ir.Value {
	v := r.values[name]
	if v == nil && !r.broken[name] && !r.full {
		d := r.err(r.cx, "E0702", at, "no value is called %s here", diag.Quote(name))
		Each(r.file, func(s *Assign) {
			for _, id := range s.Outs {
				if id.Name == name {
					d.Relate(id.Span, "it is defined here").WithHelp("move its line up: values are defined before they are used")
				}
			}
		})
		if len(d.Help) == 0 {
			var names []string
			for n := range r.values {
				names = append(names, n)
			}
			slices.Sort(names)
			d.WithHelp("%s", diag.DidYouMean(name, names))
		}
	}
	return v
}

func (r *flatReader) assignNode(s *Assign) bool {
	d := ir.Lookup(s.Op.Name)
	if d == nil {
		e := r.err(r.cx, "E0701", s.Op.Span, "no op is called %s", diag.Quote(s.Op.Name))
		names := []string{"input", "param", "const"}
		for _, d := range ir.Defs() {
			names = append(names, d.Name)
		}
		if f := forms()[s.Op.Name]; f != nil {
			e.WithHelp("%s exists only in nets, where it expands to ops of a graph", s.Op.Name)
		} else if near, ok := diag.Nearest(s.Op.Name, names); ok {
			e.WithHelp("did you mean %s?", near).Suggest(s.Op.Span, near)
		}
		return false
	}
	if len(r.out.Nodes) >= MaxNodes {
		if !r.stop {
			r.err(r.cx, "E0505", s.Op.Span, "the graph has more than %d nodes", MaxNodes)
			r.stop = true
		}
		return false
	}
	n := &ir.Node{Pos: s.Op.Span.Pos}
	ok := true
	attrs := map[string]string{}
	spans := map[string]diag.Span{}
	var types []ir.Type
	for _, a := range s.Args {
		text := attrRaw(a.Value)
		switch {
		case a.Key == nil:
			l := a.Value.Lit()
			if l == nil || l.Kind != NameLit && l.Kind != StringLit {
				r.err(r.cx, "E0703", a.Value.Span, "an operand is the name of a value, not %s", diag.Quote(text)).WithHelp("attributes are written key=value")
				ok = false
				continue
			}
			v := r.value(a.Value.Span, l.Text)
			if v == nil {
				ok = false
				continue
			}
			n.In = append(n.In, v)
			types = append(types, v.Type)
		case a.Key.Name == "from.pass":
			n.By = text
		case a.Key.Name == "from.part":
			n.Part = text
			r.said[n] = true
		default:
			attrs[a.Key.Name] = text
			spans[a.Key.Name] = a.Span()
		}
	}
	for _, a := range s.Args {
		if a.Key == nil || attrs[a.Key.Name] == "" && spans[a.Key.Name] == (diag.Span{}) {
			continue
		}
		if _, err := d.With(map[string]string{a.Key.Name: attrs[a.Key.Name]}); err != nil {
			r.attrError(d, s, spans, err)
			ok = false
		}
	}
	if !ok {
		return false
	}
	op, err := d.With(attrs)
	if err != nil {
		r.attrError(d, s, spans, err)
		return false
	}
	n.Op = op
	out, err := op.Infer(types)
	if err == nil {
		for _, t := range out {
			if err = t.Shape.Check(); err != nil {
				break
			}
		}
	}
	if err != nil {
		msg := err.Error()
		e := &ir.ConstraintError{Operand: -1}
		if errors.As(err, &e) {
			msg = e.Msg
		}
		at := s.Op.Span
		for _, a := range s.Args {
			at = at.To(a.Span())
		}
		x := r.err(r.cx, "E0703", at, "%s: %s", s.Op.Name, msg).WithHelp("%s", e.Help)
		for i, v := range n.In {
			if i == e.Operand || e.Operand < 0 && i < 2 {
				x.Relate(r.origin[v], "%s is %v", diag.Quote(v.Name), v.Type)
			}
		}
		return false
	}
	if len(out) != len(s.Outs) {
		r.err(r.cx, "E0705", s.Outs[0].Span.To(s.Outs[len(s.Outs)-1].Span), "%s gives %s, but there must be as many names before the =, not %d", s.Op.Name, diag.Count(len(out), "value"), len(s.Outs))
		return false
	}
	for i, id := range s.Outs {
		v := &ir.Value{Type: out[i], Def: n, Index: i}
		n.Out = append(n.Out, v)
		r.define(id, v)
	}
	r.out.Nodes = append(r.out.Nodes, n)
	return true
}

// attrRaw returns a value in the form that ir.Def.With parses.
func attrRaw(v *Value) string {
	var w []string
	for _, l := range v.Items {
		if l.Kind == StringLit {
			w = append(w, l.Text)
		} else {
			w = append(w, l.Raw)
		}
	}
	return strings.Join(w, ",")
}

func (r *flatReader) attrError(d *ir.Def, s *Assign, spans map[string]diag.Span, err error) {
	var e *ir.AttrError
	if !errors.As(err, &e) {
		r.err(r.cx, "E0704", s.Op.Span, "%v", err)
		return
	}
	at := spans[e.Attr]
	if !e.Unknown {
		r.err(r.cx, "E0704", at, "%s of %s is %s: %s", e.Attr, d.Name, diag.Quote(e.Value), e.Reason)
		return
	}
	x := r.err(r.cx, "E0704", at, "%s has no attribute %s", d.Name, diag.Quote(e.Attr))
	var names []string
	for _, a := range d.Attrs {
		names = append(names, a.Name)
	}
	if near, ok := diag.Nearest(e.Attr, names); ok {
		x.WithHelp("did you mean %s?", near)
	} else if f := forms()[d.Name]; f != nil && f.key(e.Attr) != nil {
		x.WithHelp("%s= exists only in nets; in a graph it is a separate op", e.Attr)
	} else if len(names) > 0 {
		x.WithHelp("its attributes are %s", strings.Join(names, ", "))
	}
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
