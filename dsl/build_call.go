package dsl

import (
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// line builds a pipeline. Its label begins the paths of the names inside, and names its
// output as a Part of the graph.
func (b *builder) line(l *Line, cx context, x *ir.Value) *ir.Value {
	part := -1
	if l.Label != nil {
		name := l.Label.Name + cx.suffix
		path := cx.scope.fresh(name)
		if cx.scope == b.root {
			cx.part = path
		}
		cx.scope, cx.suffix = cx.scope.inside(path), ""
		if g := b.g.Graph(); !b.checking {
			part = len(g.Parts)
			g.Parts = append(g.Parts, ir.Part{Name: path, Pos: b.userSpan(cx, l.Label.Span).Pos})
		}
	}
	if part >= 0 {
		b.labelled[b.g.Graph().Parts[part].Name] = part
	}
	for _, c := range l.Calls {
		x = b.call(c, cx, x)
		if b.stop {
			return nil
		}
	}
	if part >= 0 {
		b.g.Graph().Parts[part].Out = x
		if x == nil {
			b.lost[l.Label.Name] = true
		}
	}
	return x
}

// sequence builds the lines of a body; the output of each is the input of the next.
func (b *builder) sequence(body *Body, cx context, x *ir.Value) *ir.Value {
	for _, s := range body.Stmts {
		switch s := s.(type) {
		case *Default:
			cx.def = b.defaultOf(s, cx)
		case *Line:
			x = b.line(s, cx, x)
		}
		if b.stop {
			return nil
		}
	}
	return x
}

// maxDepth is how deep blocks and braces may nest when they are expanded. There is a limit
// because the builder is recursive.
const maxDepth = 2 * MaxNesting

// step counts a call and checks the limits. It returns false if the builder must stop.
func (b *builder) step(c *Call, cx context) bool {
	if b.stop {
		return false
	}
	b.steps++
	switch {
	case b.full: // no more problems are reported
		b.stop = true
	case b.steps > MaxNodes && b.checking: // unused blocks need not be checked completely
		b.stop = true
	case b.steps > MaxNodes:
		b.tooMany(cx, b.userSpan(cx, c.Span()))
	case b.depth >= maxDepth:
		b.err(cx, "E0506", b.userSpan(cx, c.Span()), "blocks and braces nest deeper than %d when expanded", maxDepth)
		b.stop = true
	}
	return !b.stop
}

// tooMany reports that a net is too large, and stops.
func (b *builder) tooMany(cx context, at diag.Span) {
	b.err(cx, "E0505", at, "the net expands to more than %d layers", MaxNodes).WithHelp("repeat less often, or use fewer blocks inside of blocks")
	b.stop = true
}

// call builds one stage of a pipeline.
func (b *builder) call(c *Call, cx context, x *ir.Value) *ir.Value {
	if !b.step(c, cx) {
		return nil
	}
	b.depth++
	defer func() { b.depth-- }()
	name := c.Name.Name
	if k := cx.env.block(name); k != nil {
		return b.useBlock(k, c, cx, x)
	}
	if b.refused[name] && !cx.env.lib.prelude {
		return nil // the call means the block; the error in its name has been reported
	}
	f := forms()[name]
	if f == nil {
		b.unknownOp(c, cx)
		if c.Body != nil {
			b.sequence(c.Body, cx, nil)
		}
		return nil
	}
	a := b.bind(f, c, cx)
	switch {
	case f.body == noBody && c.Body != nil:
		b.err(cx, "E0407", c.Body.Open, "%s takes no braces", name).WithHelp("continue with ->")
		return nil
	case f.body != noBody && f.body != optionalBranches && c.Body == nil:
		b.err(cx, "E0407", c.Span().After(), "%s needs braces", name).WithHelp("for example: %s", usage(f))
		return nil
	}
	return f.build(b, c, a, cx, x)
}

// unknownOp reports a call of a name that is neither an op nor a known block.
func (b *builder) unknownOp(c *Call, cx context) {
	name := c.Name.Name
	if ks := cx.env.lib.byName[name]; len(ks) > 0 {
		b.err(cx, "E0401", c.Name.Span, "the block %s is used before it is declared", name).
			Relate(ks[0].ast.Name.Span, "it is declared here").WithHelp("a block can call only blocks that are declared above it")
		return
	}
	later := (*Block)(nil)
	Each(b.file, func(k *Block) {
		if k.Name.Name == name {
			later = k
		}
	})
	if later != nil && !cx.env.lib.prelude {
		b.err(cx, "E0401", c.Name.Span, "the block %s is used before it is declared", name).
			Relate(later.Name.Span, "it is declared here").WithHelp("move the block above its first use")
		return
	}
	if d := ir.Lookup(name); d != nil {
		e := b.err(cx, "E0401", c.Name.Span, "%s cannot be called in a pipeline", name)
		if alt := elsewhere[name]; alt != "" {
			e.WithHelp("write %s", alt).Suggest(c.Name.Span, alt)
		} else {
			e.WithHelp("it does not have one operand and one result; it exists only in flat graphs")
		}
		return
	}
	e := b.err(cx, "E0401", c.Name.Span, "no op or block is called %s", diag.Quote(name))
	b.nearOp(e, c.Name, cx, true)
	if bind := cx.env.find(name); bind != nil {
		e.Relate(bind.from, "%s is a value, not an op", name)
	}
}

func (b *builder) nearOp(e *diag.Diagnostic, id *Ident, cx context, blocks bool) {
	if alt := elsewhere[strings.ToLower(id.Name)]; alt != "" {
		e.WithHelp("did you mean %s?", alt).Suggest(id.Span, alt)
		return
	}
	names := formNames()
	if blocks {
		names = append(append([]string{}, names...), cx.env.blockNames()...)
	}
	if near, ok := diag.Nearest(id.Name, names); ok {
		e.WithHelp("did you mean %s?", near).Suggest(id.Span, near)
	} else {
		e.WithHelp("incc explain lists the ops and blocks")
	}
}

// useBlock expands a block. A call gives the parameters by position or by name. Its other
// keys must be keys of ops; they are defaults inside of this use.
func (b *builder) useBlock(k *block, c *Call, cx context, x *ir.Value) *ir.Value {
	k.used = true
	name := k.ast.Name.Name
	if c.Body != nil {
		b.err(cx, "E0407", c.Body.Open, "%s is a block, which takes no braces", name).WithHelp("continue with ->")
	}
	params := map[string]*binding{}
	var order []*Param
	for _, p := range k.ast.Params {
		if p.Name != nil {
			order = append(order, p)
			if p.Default != nil {
				params[p.Name.Name] = &binding{lit: p.Default, from: p.Default.Span}
			}
		}
	}
	set := func(p *Param, a *Arg) {
		v := b.look(a.Value, cx)
		bind := &binding{from: a.Value.Span}
		if v.via != "" && v.from.IsValid() && inPrelude(bind.from) {
			bind.from = v.from
		}
		l := v.lit()
		switch {
		case v.unknown:
		case l == nil || l.Kind == StringLit || l.Kind == ShapeLit || l.Kind == RangeLit:
			b.err(cx, "E0405", a.Value.Span, "%s of %s must be a number, a kernel or a word, not %s", p.Name.Name, name, diag.Quote(v.text()))
		default:
			bind.lit = l
		}
		params[p.Name.Name] = bind
	}
	pos := c.Positional()
	if len(pos) > len(order) {
		d := b.err(cx, "E0403", pos[len(order)].Span(), "%s takes %s, not %d", name, diag.Count(len(order), "argument"), len(pos))
		d.Relate(k.ast.Name.Span, "declared here").WithHelp("as in: %s", blockUsage(k.ast))
		pos = pos[:len(order)]
	}
	given := map[string]bool{}
	for i, a := range pos {
		set(order[i], a)
		given[order[i].Name.Name] = true
	}
	var extra []*Arg
	for _, a := range c.Args[len(c.Positional()):] {
		p := (*Param)(nil)
		for _, q := range order {
			if q.Name.Name == a.Key.Name {
				p = q
			}
		}
		switch {
		case p == nil:
			keys := allKeys()
			found := false
			for _, n := range keys {
				found = found || n == a.Key.Name
			}
			if found {
				extra = append(extra, a)
				continue
			}
			d := b.err(cx, "E0404", a.Key.Span, "%s has no parameter %s, and no op has such a key", name, diag.Quote(a.Key.Name)).
				Relate(k.ast.Name.Span, "declared here")
			var names []string
			for _, q := range order {
				names = append(names, q.Name.Name)
			}
			if !hintKey(d, a.Key, append(names, keys...)) {
				d.WithHelp("as in: %s", blockUsage(k.ast))
			}
		case given[a.Key.Name]:
			b.err(cx, "E0403", a.Span(), "%s is given twice: by position and by name", a.Key.Name)
		default:
			set(p, a)
		}
	}
	var missing []string
	for _, p := range order {
		if params[p.Name.Name] == nil {
			missing = append(missing, p.Name.Name)
			params[p.Name.Name] = &binding{}
		}
	}
	if len(missing) > 0 {
		b.err(cx, "E0402", c.Span().After(), "%s needs %s", name, strings.Join(missing, ", ")).
			Relate(k.ast.Name.Span, "declared here").WithHelp("as in: %s", blockUsage(k.ast))
	}
	in := context{
		env: &env{lib: k.lib, seen: k.index, params: params}, def: cx.def, part: cx.part, head: cx.head,
		use: &use{cx.use, c, k},
	}
	if len(extra) > 0 {
		d := &defaults{outer: cx.def, args: extra, cx: cx, used: b.used}
		b.checkKeys(d, extra, cx)
		in.def = d
	}
	in.scope = cx.scope.inside(cx.scope.fresh(name + cx.suffix))
	return b.sequence(k.ast.Body, in, x)
}

// add adds a node to the graph and returns its value. It reports operands that the op does
// not accept and then returns nil. The name must come from scope.fresh.
func (b *builder) add(cx context, c *Call, name string, op ir.Op, in ...*ir.Value) *ir.Value {
	if len(name) > MaxPath-len("/variance") {
		b.err(cx, "E0507", b.userSpan(cx, c.Span()), "the name of this layer, a path of labels and blocks, has more than %d bytes", MaxPath-len("/variance")).
			WithHelp("use shorter labels")
		b.stop = true
		return nil
	}
	at := b.userSpan(cx, c.Span())
	if len(b.g.Graph().Nodes) >= MaxNodes {
		b.tooMany(cx, at)
		return nil
	}
	b.g.Pos, b.g.Part = at.Pos, cx.part
	n, err := b.g.Add(name, op, in...)
	if err != nil {
		b.inferError(cx, c, err, in)
		return nil
	}
	v := n.Out[0]
	b.origin[v] = at
	b.tellCalls(n, cx)
	if s := v.Type.Shape; len(s) < 2 || s[0] != ir.Batch || s[1:].Symbolic() {
		d := b.err(cx, "E0308", c.Span(), "%s makes %v of %v, but in a pipeline the first axis must be the batch and the second the channels", c.Name.Name, v.Type, in[0].Type)
		d.WithHelp("do not change axis 0, and keep at least one other axis")
		b.uses(d, cx)
		return nil
	}
	return v
}

// wantMap reports an error and returns false if the input has no height and width.
func (b *builder) wantMap(cx context, c *Call, x *ir.Value) bool {
	if len(x.Type.Shape) == 4 {
		return true
	}
	d := b.err(cx, "E0304", c.Span(), "%s needs an input with height and width, but its input is %s", c.Name.Name, image(x)).
		WithLabel("reads %s", image(x))
	b.from(d, x, cx, "its input comes from here")
	d.WithHelp("put it before flatten and fc, or reshape the input: reshape 1x14x14")
	b.uses(d, cx)
	return false
}
