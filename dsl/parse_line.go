package dsl

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/incc-lang/incc/ir/diag"
)

// lineOf parses a pipeline with its label. It returns nil if it could not parse any call.
func (p *parser) lineOf() *Line {
	l := &Line{}
	if t := p.tok(); (t.kind == tWord || t.kind == tBad) && p.second() == tColon {
		p.mark(rLabel)
		p.next()
		if t.kind == tWord && !isNumberLabel(p.text(t)) {
			l.Label = p.declared(t)
		} else {
			// A label may be a whole number, because the papers number the rows of their
			// tables. Before a colon it cannot be anything else.
			l.Label = &Ident{p.at(t), p.text(t)}
		}
		p.next()
		if p.atEnd() {
			p.errorf("E0219", l.Label.Span, "the label %s has no pipeline", diag.Quote(l.Label.Name)).
				WithHelp("its pipeline begins on the same line: %s: conv 3x3 64", l.Label.Name)
			return nil
		}
	}
	p.pipeline(l)
	if len(l.Calls) == 0 {
		return nil
	}
	return l
}

func (p *parser) pipeline(l *Line) {
	var arrow diag.Span
	if p.kind() == tArrow {
		p.errorf("E0205", p.here(), "there is no op before this arrow").
			WithHelp("an arrow leads from one op to the next; delete it, or put an op before it")
		p.next()
		p.skipNewlines()
	}
	for {
		if c := p.call(); c != nil {
			c.Arrow = arrow
			l.Calls = append(l.Calls, c)
		}
		if p.left {
			return
		}
		if !p.atEnd() && p.kind() != tArrow {
			p.junk()
			p.skip(true)
		}
		if p.kind() == tNewline {
			// A line that starts with -> continues this one.
			back := p.pos
			p.skipNewlines()
			if p.kind() != tArrow {
				p.pos = back
			}
		}
		if p.kind() != tArrow {
			return
		}
		arrow = p.at(p.next())
		p.skipNewlines()
	}
}

// junk reports a token after a call that is neither an arrow nor the end of the line.
func (p *parser) junk() {
	switch p.kind() {
	case tColon:
		p.errorf("E0219", p.here(), "a ':' may only follow a label at the beginning of a line").
			WithHelp("a label covers its whole line; give this part a line of its own")
	case tOpen:
		p.errorf("E0225", p.here(), "a call can have only one pair of braces").WithHelp("continue with ->, or begin a new line")
	case tEq:
		p.errorf("E0209", p.here(), "a key is missing before =").WithHelp("key=value, as in act=relu")
	case tComma:
		p.errorf("E0208", p.here(), "a value is missing before the comma").WithHelp("a list is values separated by commas: 0.485,0.456,0.406")
	default:
		d := p.errorf("E0203", p.here(), "after the closing brace, -> or a new line is expected, not %s", p.what())
		if p.kind() == tWord && p.second() == tEq {
			d.WithHelp("arguments come before the braces")
		} else {
			d.WithHelp("continue with ->, or begin a new line")
		}
	}
}

// call parses an op with its arguments. It reports an error and returns nil if there is
// no op.
func (p *parser) call() *Call {
	t := p.tok()
	switch t.kind {
	case tWord:
	case tBad:
	case tOpen:
		p.errorf("E0204", p.here(), "an op is missing before these braces").
			WithHelp("put concat, add, max, residual, repeat or head before them; a sequence needs no braces")
		p.skipBraces()
		return nil
	default:
		if t.kind == tArrow {
			p.errorf("E0204", p.here(), "an op is missing before this arrow")
		} else {
			p.errorf("E0204", p.here(), "an op is expected, not %s", p.what())
		}
		if t.kind != tArrow {
			p.skip(true)
		}
		return nil
	}
	c := &Call{Name: &Ident{p.at(t), p.text(t)}}
	if t.kind == tWord {
		l, f := readLit(c.Name.Name, Net)
		if f != nil {
			p.flaw(f, c.Name.Span)
		} else if l.Kind != NameLit {
			d := p.errorf("E0204", c.Name.Span, "an op is expected, not the %s %s", l.Kind, c.Name.Name)
			if l.Kind == KernelLit {
				d.WithHelp("did you mean conv %s, maxpool %s or avgpool %s?", c.Name.Name, c.Name.Name, c.Name.Name)
			}
			p.skip(true)
			return nil
		}
	}
	p.mark(rCall)
	p.next()
	switch p.kind() {
	case tEq:
		d := p.errorf("E0214", p.here(), "values have no names in a net")
		if v := p.peekAt(1); v.kind == tWord && endsStatement(p.peekAt(2).kind) {
			d.WithHelp("a constant is declared with let: let %s = %s", c.Name.Name, p.text(v)).
				Suggest(diag.Span{Pos: c.Name.Span.Pos}, "let ")
		} else {
			d.WithHelp("continue with ->; write branches in concat { … }, and a label as %s:", c.Name.Name)
		}
		p.skip(false)
		return nil
	case tColon:
		p.errorf("E0219", c.Name.Span, "a label is only allowed at the beginning of a line").
			WithHelp("it covers its whole line; give this part a line of its own")
		p.next()
		if p.kind() == tWord {
			return p.call()
		}
		return nil
	}
	c.Args, c.Body = p.args(true)
	return c
}

// args parses arguments and, if body is set, braces after them.
func (p *parser) args(body bool) (args []*Arg, b *Body) {
	var keys map[string]diag.Span
	complained := false
	for startsValue(p.kind()) {
		a := &Arg{}
		p.mark(rArg)
		if p.second() == tEq {
			t := p.next()
			a.Key = &Ident{p.at(t), p.text(t)}
			if t.kind == tString || t.kind == tWord && !plainKey(a.Key.Name) {
				p.errorf("E0209", a.Key.Span, "%s is not a key", diag.Quote(strings.Trim(a.Key.Name, `"`))).
					WithHelp("a key is a name: act=relu, bn.gamma=off")
			}
			a.Eq = p.at(p.next())
			p.skipNewlines()
			if p.topStatement() {
				p.errorf("E0208", a.Eq, "a value is missing after %s=", a.Key.Name).WithHelp("key=value, as in act=relu")
				return args, nil
			}
			if first, ok := keys[a.Key.Name]; ok {
				p.errorf("E0211", a.Key.Span, "the key %s is given twice", a.Key.Name).Relate(first, "the first is here").
					WithHelp("keep one of them")
			} else {
				if keys == nil {
					keys = map[string]diag.Span{}
				}
				keys[a.Key.Name] = a.Key.Span
			}
			if p.kind() == tOpen && p.f.Kind == Net {
				open := p.here()
				if a.Value = p.bodyValue(open); a.Value != nil {
					args = append(args, a)
				}
				if p.left {
					return args, nil
				}
				continue
			}
			if !startsValue(p.kind()) {
				p.errorf("E0208", a.Eq, "a value is missing after %s=", a.Key.Name).WithHelp("key=value, as in act=relu")
				p.skip(true)
				return args, nil
			}
		}
		a.Value = p.value()
		if a.Value == nil {
			continue
		}
		if a.Key == nil && len(keys) > 0 {
			if !complained {
				complained = true
				d := p.errorf("E0210", a.Value.Span, "%s has no key but follows key=value", diag.Quote(a.Value.Raw())).
					WithHelp("put values without a key first")
				if n := len(args); n > 0 && args[n-1].Key != nil && args[n-1].Eq.Line != args[n-1].Value.Span.Line {
					d.Relate(args[n-1].Eq, "the value of this key was read from the next line")
				}
			}
			continue
		}
		args = append(args, a)
	}
	if body && p.kind() == tOpen && p.f.Kind == Net {
		b = p.body()
	}
	return args, b
}

func (p *parser) bodyValue(open diag.Span) *Value {
	if b := p.body(); b != nil {
		return &Value{Span: open, Body: b}
	}
	return nil
}

// plainKey reports whether s has the form of a key: that of a name, such as act or
// bn.gamma.
func plainKey(s string) bool { return IsName(s) }

// value parses literals separated by commas. It returns nil if there are none.
func (p *parser) value() *Value {
	v := &Value{}
	for {
		if !startsValue(p.kind()) {
			p.errorf("E0208", p.here(), "a value is missing after the comma").
				WithHelp("a list is values separated by commas: 0.485,0.456,0.406")
			for p.kind() == tComma {
				p.next()
			}
			if startsValue(p.kind()) {
				continue
			}
			break
		}
		t := p.tok()
		if t.kind == tWord && len(v.Items) > 0 && p.second() == tEq {
			p.errorf("E0208", p.span(p.toks[p.pos-1].off, p.toks[p.pos-1].end), "a value is missing after the comma").
				WithHelp("delete the comma before %s=", p.text(t))
			break
		}
		l := p.lit()
		if l == nil {
			// The error has been reported; continue with the rest of the list.
			l = &Lit{Span: p.at(t), Raw: p.text(t), Text: p.text(t)}
		}
		v.Items = append(v.Items, l)
		if p.kind() != tComma {
			break
		}
		p.next()
	}
	if len(v.Items) == 0 {
		return nil
	}
	v.Span = v.Items[0].Span.To(v.Items[len(v.Items)-1].Span)
	return v
}

// lit parses a word or string. It reports an error and returns nil if the word has no
// valid form.
func (p *parser) lit() *Lit {
	t := p.next()
	raw := p.text(t)
	switch t.kind {
	case tBad:
		return &Lit{Span: p.at(t), Raw: raw, Text: raw}
	case tString:
		s, err := strconv.Unquote(raw)
		if err != nil {
			p.badString(t)
			return nil
		}
		return &Lit{Kind: StringLit, Span: p.at(t), Raw: raw, Text: s}
	}
	l, f := readLit(raw, p.f.Kind)
	l.Span = p.at(t)
	if f != nil {
		p.flaw(f, l.Span)
		return nil
	}
	return l
}

// badString reports the first invalid escape in a string.
func (p *parser) badString(t token) {
	raw := p.text(t)
	rest := raw[1 : len(raw)-1]
	for rest != "" {
		_, _, tail, err := strconv.UnquoteChar(rest, '"')
		if err != nil {
			off := t.off + int32(len(raw)-1-len(rest))
			_, n := utf8.DecodeRuneInString(rest[1:])
			n++
			p.errorf("E0105", p.span(off, off+int32(n)), "%s is not an escape", rest[:n]).
				WithHelp(`escapes are \" \\ \n \t \xFF \u00E9; a backslash itself is \\`)
			return
		}
		rest = tail
	}
	p.errorf("E0105", p.at(t), "this string cannot be read")
}

// body parses braces with lines inside. It reports an error and returns nil if braces nest
// too deep.
func (p *parser) body() *Body {
	if p.depth >= MaxNesting {
		p.errorf("E0216", p.here(), "braces nest deeper than %d", MaxNesting).
			WithHelp("make the inner part a block")
		p.skipBraces()
		return nil
	}
	b := &Body{}
	p.openBrace(&b.Open)
	for {
		p.separators()
		if p.kind() == tClose {
			p.closeBrace(&b.Close)
			if len(b.Stmts) == 0 {
				p.errorf("E0215", b.Open.To(b.Close), "the braces are empty").
					WithHelp("a body needs at least one op; identity returns its input unchanged")
			}
			return b
		}
		if p.kind() == tEOF || p.topStatement() {
			p.unclosed()
			return b
		}
		before := p.pos
		p.margin()
		if s := p.inner(); s != nil {
			b.Stmts = append(b.Stmts, s)
		}
		if p.left {
			p.drop()
			return b
		}
		p.endStatement()
		if p.pos == before {
			p.next()
		}
	}
}

// inner parses a statement inside of braces: a pipeline or a default.
func (p *parser) inner() Stmt {
	if p.kind() == tWord && p.second() != tColon && p.second() != tArrow && !endsStatement(p.second()) {
		switch w := p.text(p.tok()); {
		case w == "default":
			return p.defaults()
		case isKeyword(w):
			p.errorf("E0214", p.here(), "%s is only allowed outside of braces", w).
				WithHelp("move it to the top of the file")
			p.skip(false)
			return nil
		}
	}
	if l := p.lineOf(); l != nil {
		return l
	}
	return nil
}

// declaredTwice reports two lets, two blocks, two parameters of a block or two values of a
// graph with the same name.
func (p *parser) declaredTwice() {
	lets, blocks := map[string]diag.Span{}, map[string]diag.Span{}
	tell := func(seen map[string]diag.Span, id *Ident, what string) {
		if id == nil {
			return
		}
		if first, ok := seen[id.Name]; ok {
			p.errorf("E0212", id.Span, "the %s %s is declared twice", what, diag.Quote(id.Name)).
				Relate(first, "the first is here").WithHelp("rename one of them")
			return
		}
		seen[id.Name] = id.Span
	}
	for _, s := range p.f.Stmts {
		switch s := s.(type) {
		case *Let:
			tell(lets, s.Name, "constant")
		case *Block:
			tell(blocks, s.Name, "block")
			params := map[string]diag.Span{}
			for _, pa := range s.Params {
				tell(params, pa.Name, "parameter")
			}
		case *Assign:
			for _, o := range s.Outs {
				tell(lets, o, "value")
			}
		}
	}
}
