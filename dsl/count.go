package dsl

import "github.com/incc-lang/incc/ir/diag"

// counter counts the layers of a net before anything is built. It counts the body of a
// repeat once and multiplies, so counting is fast even if the net is too large. It looks
// up names by the builder's rules. A call that it does not understand counts as one layer,
// because the builder reports what is wrong with it.
type counter struct {
	n     int       // layers so far
	depth int       // calls that are being counted
	outer diag.Span // the innermost call that is in the user's file
	at    diag.Span // the value of outer when n exceeded the limit
}

// countNet reports whether a net expands to more than MaxNodes layers. at is the call that
// exceeds the limit.
func (b *builder) countNet() (at diag.Span, over bool) {
	c := &counter{}
	lib := &library{lets: b.lib.lets}
	e := &env{lib: lib}
	for _, s := range b.file.Stmts {
		switch s := s.(type) {
		case *Block:
			if s.Name != nil && s.Body != nil {
				lib.add(s)
				e = &env{lib: lib, seen: len(lib.blocks)}
			}
		case *Line:
			if c.line(s, e); c.n > MaxNodes {
				return c.at, true
			}
		}
	}
	return diag.Span{}, false
}

func (c *counter) body(b *Body, e *env) {
	if b == nil {
		return
	}
	for _, s := range b.Stmts {
		if l, ok := s.(*Line); ok {
			c.line(l, e)
		}
	}
}

func (c *counter) line(l *Line, e *env) {
	for _, k := range l.Calls {
		c.call(k, e)
	}
}

func (c *counter) call(k *Call, e *env) {
	if c.n > MaxNodes || c.depth >= maxDepth {
		return // the builder reports an error
	}
	c.depth++
	defer func() { c.depth-- }()
	if !inPrelude(k.Name.Span) {
		defer func(outer diag.Span) { c.outer = outer }(c.outer)
		c.outer = k.Span()
	}
	c.add(1)
	before := c.n
	if blk := e.block(k.Name.Name); blk != nil {
		c.body(blk.ast.Body, &env{lib: blk.lib, seen: blk.index, params: bindings(blk.ast, k, e)})
		return
	}
	for _, a := range k.Args {
		if a.Value != nil {
			c.body(a.Value.Body, e) // proj={ … }
		}
	}
	c.body(k.Body, e)
	if k.Name.Name != "repeat" || c.n > MaxNodes {
		return
	}
	if times := repeats(k, e); times > 1 {
		c.add(int(min(MaxNodes+1, (times-1)*float64(c.n-before))))
	}
}

// add counts n more layers. When the count exceeds MaxNodes, it notes the place and stops
// counting.
func (c *counter) add(n int) {
	if c.n > MaxNodes {
		return
	}
	if c.n += n; c.n > MaxNodes {
		c.at = c.outer
	}
}

// repeats returns how often a repeat builds its body, or 0 if that is not known.
func repeats(k *Call, e *env) float64 {
	a := k.Keyed("times")
	if pos := k.Positional(); len(pos) > 0 {
		a = pos[0]
	}
	if a == nil {
		return 0
	}
	if l := meant(a.Value, e); l != nil && l.Kind == NumberLit {
		return l.Num
	}
	return 0
}

// meant returns the literal of a value. If the value is the name of a parameter or let, it
// returns the literal of that. It returns nil if there is no single literal.
func meant(v *Value, e *env) *Lit {
	if v == nil {
		return nil
	}
	l := v.Lit()
	if l != nil && l.Kind == NameLit {
		if b := e.find(l.Text); b != nil {
			return b.lit
		}
	}
	return l
}

// bindings returns the values of a block's parameters in a call.
func bindings(blk *Block, k *Call, e *env) map[string]*binding {
	params := make(map[string]*binding, len(blk.Params))
	pos := k.Positional()
	for i, p := range blk.Params {
		if p.Name == nil {
			continue
		}
		b := &binding{lit: p.Default}
		if i < len(pos) {
			b.lit = meant(pos[i].Value, e)
		} else if a := k.Keyed(p.Name.Name); a != nil {
			b.lit = meant(a.Value, e)
		}
		params[p.Name.Name] = b
	}
	return params
}
