package lsp

import (
	"slices"
	"strings"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir/diag"
)

// symbol is something that a text declares and uses by its name.
type symbol struct {
	kind  string // let, block, parameter, label or value
	name  string
	decl  diag.Span
	block *dsl.Block // of a block, or that a parameter belongs to
	lit   *dsl.Lit   // the value of a let, the default of a parameter; may be nil
}

// site is a place where a symbol stands.
type site struct {
	span diag.Span
	sym  *symbol
	decl bool
}

// sites lists the places of all symbols, in order of text.
func (d *document) sites() []site {
	d.resolve.Do(func() {
		r := &resolver{lets: map[string]*symbol{}, blocks: map[string]*symbol{}, labels: map[string]*symbol{}, values: map[string]*symbol{}}
		r.file(d.tree())
		slices.SortStableFunc(r.sites, func(a, b site) int {
			if a.span.Line != b.span.Line {
				return a.span.Line - b.span.Line
			}
			return a.span.Col - b.span.Col
		})
		d.names = r.sites
	})
	return d.names
}

type resolver struct {
	lets, blocks, labels, values map[string]*symbol
	params                       map[string]*symbol // of the block around the place
	sites                        []site
}

func (r *resolver) declare(into map[string]*symbol, s *symbol) {
	s.decl = span(s.decl, len(s.name))
	into[s.name] = s
	r.sites = append(r.sites, site{s.decl, s, true})
}

func (r *resolver) use(at diag.Span, s *symbol) {
	if s != nil {
		r.sites = append(r.sites, site{span(at, len(s.name)), s, false})
	}
}

// span returns a span with another length: a name with a stride is longer than the name.
func span(s diag.Span, n int) diag.Span {
	s.Len = n
	return s
}

func (r *resolver) file(f *dsl.File) {
	// Lets and labels are known in the whole file; a block only below its declaration.
	dsl.Each(f, func(s *dsl.Let) {
		if s.Name != nil && r.lets[s.Name.Name] == nil {
			r.declare(r.lets, &symbol{kind: "let", name: s.Name.Name, decl: s.Name.Span, lit: s.Value})
		}
	})
	dsl.Each(f, func(s *dsl.Line) { r.label(s) })
	dsl.Each(f, func(s *dsl.Assign) {
		for _, o := range s.Outs {
			if r.values[o.Name] == nil {
				r.declare(r.values, &symbol{kind: "value", name: o.Name, decl: o.Span})
			}
		}
	})
	for _, s := range f.Stmts {
		r.stmt(s)
	}
}

func (r *resolver) label(s *dsl.Line) {
	if s.Label != nil && r.labels[s.Label.Name] == nil {
		r.declare(r.labels, &symbol{kind: "label", name: s.Label.Name, decl: s.Label.Span})
	}
}

func (r *resolver) stmt(s dsl.Stmt) {
	switch s := s.(type) {
	case *dsl.Input:
		r.args(s.Args, nil)
	case *dsl.Let:
		if s.Value != nil && s.Value.Kind == dsl.NameLit && (s.Name == nil || s.Value.Text != s.Name.Name) {
			r.use(s.Value.Span, r.lets[s.Value.Text])
		}
	case *dsl.Default:
		r.args(s.Args, nil)
	case *dsl.Block:
		r.block(s)
	case *dsl.Train:
		for _, c := range s.Stmts {
			r.train(c)
		}
	case *dsl.Line:
		for _, c := range s.Calls {
			r.call(c)
		}
	case *dsl.Assign:
		r.operands(s.Args)
	case *dsl.Mark:
		for _, n := range slices.Concat(s.Names, s.To) {
			r.use(n.Span, r.values[n.Name])
		}
	}
}

func (r *resolver) block(s *dsl.Block) {
	if s.Name == nil {
		return
	}
	r.params = map[string]*symbol{}
	for _, p := range s.Params {
		if p.Name == nil {
			continue
		}
		if p.Default != nil && p.Default.Kind == dsl.NameLit {
			r.use(p.Default.Span, r.lets[p.Default.Text])
		}
		r.declare(r.params, &symbol{kind: "parameter", name: p.Name.Name, decl: p.Name.Span, block: s, lit: p.Default})
	}
	if s.Body != nil {
		r.body(s.Body)
	}
	r.params = nil
	r.declare(r.blocks, &symbol{kind: "block", name: s.Name.Name, decl: s.Name.Span, block: s})
}

func (r *resolver) body(b *dsl.Body) {
	for _, s := range b.Stmts {
		r.stmt(s)
	}
}

func (r *resolver) call(c *dsl.Call) {
	var k *symbol
	if c.Name != nil {
		k = r.blocks[c.Name.Name]
		r.use(c.Name.Span, k)
	}
	r.args(c.Args, k)
	if c.Body != nil {
		r.body(c.Body)
	}
}

// args resolves the arguments of a call of a block, or of something else.
func (r *resolver) args(list []*dsl.Arg, block *symbol) {
	for _, a := range list {
		if a.Key != nil && block != nil {
			for _, s := range r.sites {
				if s.decl && s.sym.kind == "parameter" && s.sym.block == block.block && s.sym.name == a.Key.Name {
					r.use(a.Key.Span, s.sym)
					break
				}
			}
		}
		if a.Value == nil {
			continue
		}
		if a.Value.Body != nil {
			r.body(a.Value.Body)
		}
		for _, l := range a.Value.Items {
			if l.Kind != dsl.NameLit && l.Kind != dsl.StridedLit {
				continue
			}
			if p := r.params[l.Text]; p != nil {
				r.use(l.Span, p)
			} else {
				r.use(l.Span, r.lets[l.Text])
			}
		}
	}
}

// train resolves a statement of train: its arguments are parts, or values that may be lets.
func (r *resolver) train(c *dsl.Call) {
	if c.Name == nil || !dsl.NamesParts(c.Name.Name) {
		r.args(c.Args, nil)
		return
	}
	for _, a := range c.Args {
		if a.Key != nil {
			r.args([]*dsl.Arg{a}, nil)
			continue
		}
		for _, l := range a.Value.Items {
			name, _, _ := strings.Cut(l.Text, "/")
			at := l.Span
			if l.Kind == dsl.StringLit {
				at.Col++ // behind the quote
			}
			if l.Kind == dsl.NumberLit {
				name = l.Raw
			}
			r.use(at, r.labels[name])
		}
	}
}

// operands resolves the arguments of a line of a graph.
func (r *resolver) operands(list []*dsl.Arg) {
	for _, a := range list {
		if a.Key != nil || a.Value == nil {
			continue
		}
		for _, l := range a.Value.Items {
			if l.Kind == dsl.NameLit {
				r.use(l.Span, r.values[l.Text])
			}
		}
	}
}

// siteAt returns the site at a position, nil if there is none.
func (d *document) siteAt(p position) *site {
	off := d.text.offset(p)
	for i, s := range d.sites() {
		if at := d.text.start(s.span); at <= off && off <= at+s.span.Len {
			return &d.names[i]
		}
	}
	return nil
}

func (d *document) definition(p position) any {
	s := d.siteAt(p)
	if s == nil {
		return nil
	}
	return location{d.uri, d.text.span(s.sym.decl)}
}

func (d *document) references(p position, declaration bool) any {
	s := d.siteAt(p)
	if s == nil {
		return nil
	}
	list := []location{}
	for _, o := range d.sites() {
		if o.sym == s.sym && (declaration || !o.decl) {
			list = append(list, location{d.uri, d.text.span(o.span)})
		}
	}
	return list
}

func (d *document) highlights(p position) any {
	s := d.siteAt(p)
	if s == nil {
		return nil
	}
	list := []documentHighlight{}
	for _, o := range d.sites() {
		if o.sym == s.sym {
			kind := 2
			if o.decl {
				kind = 3
			}
			list = append(list, documentHighlight{d.text.span(o.span), kind})
		}
	}
	return list
}

func (d *document) renamed(p position) any {
	s := d.siteAt(p)
	if s == nil || s.sym.kind == "value" && !dsl.IsName(s.sym.name) {
		return nil
	}
	return map[string]any{"range": d.text.span(s.span), "placeholder": s.sym.name}
}

func (d *document) rename(p position, name string) (any, *responseError) {
	s := d.siteAt(p)
	if s == nil {
		return nil, &responseError{requestFailed, "there is no name here that the text declares"}
	}
	if !dsl.IsName(name) || slices.Contains(dsl.Keywords, name) {
		return nil, &responseError{requestFailed, diag.Quote(name) + " is not a name: want letters, digits and _, not a number and not a statement"}
	}
	var edits []textEdit
	for _, o := range d.sites() {
		switch {
		case o.sym == s.sym:
			edits = append(edits, textEdit{d.text.span(o.span), name})
		case o.decl && o.sym.name == name && clash(o.sym, s.sym):
			return nil, &responseError{requestFailed, diag.Quote(name) + " is the name of another " + o.sym.kind}
		}
	}
	return workspaceEdit{map[string][]textEdit{d.uri: edits}}, nil
}

// clash says whether two symbols may not have one name. A parameter hides a let.
func clash(a, b *symbol) bool {
	values := func(s *symbol) bool { return s.kind == "let" || s.kind == "parameter" }
	switch {
	case a.kind == "parameter" && b.kind == "parameter":
		return a.block == b.block
	case values(a) && values(b):
		return true
	}
	return a.kind == b.kind
}
