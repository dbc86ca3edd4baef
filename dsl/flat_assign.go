package dsl

import (
	"errors"
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/tensor"
)

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
