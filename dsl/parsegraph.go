package dsl

import (
	"slices"
	"strconv"

	"github.com/incc-lang/incc/ir/diag"
)

const assignHelp = "a line of a graph is NAME = OP operands key=value, or begins with output, head, update or part"

// graphStmt parses a line of a flat graph.
func (p *parser) graphStmt(seen map[string]diag.Span) Stmt {
	switch p.kind() {
	case tWord, tString, tBad:
	default:
		p.errorf("E0226", p.here(), "a line cannot begin with %s", p.what()).WithHelp(assignHelp)
		p.skip(false)
		return nil
	}
	w, kw := p.text(p.tok()), p.at(p.tok())
	if k := p.second(); k == tEq || k == tComma {
		return p.assign()
	}
	switch {
	case w == "net" || w == "graph":
		p.errorf("E0213", kw, "a file can have only one graph").WithHelp("put the second one into another file")
	case w == "let" || w == "default" || w == "block":
		p.errorf("E0214", kw, "%s belongs to a net; a graph is flat", w).WithHelp(assignHelp)
	case w == "input":
		p.once(seen, w, kw)
		return p.input()
	case w == "labels":
		p.once(seen, w, kw)
		return p.labels()
	case w == "train":
		p.once(seen, w, kw)
		return p.train()
	case slices.Contains(Marks, w):
		return p.markStmt()
	case p.second() == tColon:
		p.errorf("E0214", kw, "labels belong to a net; a graph is flat").WithHelp("part %s = VALUE names a part of a graph", w)
	default:
		p.errorf("E0226", kw, "%s cannot begin a line of a graph", p.what()).WithHelp(assignHelp)
	}
	p.skip(false)
	return nil
}

// valueName parses the name of a value, with or without quotes. missing is the message if
// there is none.
func (p *parser) valueName(missing string) *Ident {
	t := p.tok()
	switch t.kind {
	case tWord:
		if l, f := readLit(p.text(t), Graph); f != nil {
			p.flaw(f, p.at(t))
		} else if l.Kind != NameLit {
			p.errorf("E0217", p.at(t), "%s has the form of a %s, so it cannot name a value", diag.Quote(l.Raw), l.Kind).
				WithHelp("put it into quotes: %q", l.Raw).Suggest(p.at(t), strconv.Quote(l.Raw))
		}
		p.next()
		return &Ident{p.at(t), p.text(t)}
	case tBad:
		p.next()
		return &Ident{p.at(t), p.text(t)}
	case tString:
		l := p.lit()
		if l == nil {
			return &Ident{p.at(t), p.text(t)}
		}
		if l.Text == "" || len(l.Text) > MaxPath {
			p.errorf("E0108", l.Span, "a value's name has 1 to %d bytes", MaxPath)
		}
		return &Ident{l.Span, l.Text}
	}
	p.errorf("E0226", p.here(), "%s", missing).WithHelp(assignHelp)
	return nil
}

func (p *parser) assign() Stmt {
	s := &Assign{}
	p.mark(rOut)
	for {
		id := p.valueName("the name of a value is missing")
		if id == nil {
			p.skip(false)
			return nil
		}
		s.Outs = append(s.Outs, id)
		if p.kind() != tComma {
			break
		}
		p.mark(rOut)
		p.next()
	}
	if p.kind() != tEq {
		p.errorf("E0226", p.here(), "= is missing after the names").WithHelp(assignHelp)
		p.skip(false)
		return nil
	}
	p.mark(rSpacedEq)
	s.Eq = p.at(p.next())
	p.skipNewlines()
	t := p.tok()
	if t.kind != tWord && t.kind != tBad || t.kind == tWord && !IsName(p.text(t)) || p.second() == tEq {
		p.errorf("E0226", p.here(), "an op is expected after =, not %s", p.what()).WithHelp(assignHelp)
		p.skip(false)
		return nil
	}
	p.mark(rCall)
	p.next()
	s.Op = &Ident{p.at(t), p.text(t)}
	s.Args, _ = p.args(false)
	switch p.kind() {
	case tArrow:
		p.errorf("E0214", p.here(), "a pipeline belongs to a net; a graph has one op on each line").
			WithHelp("give the result of each op a name")
		p.skip(false)
	case tOpen:
		p.errorf("E0214", p.here(), "braces belong to a net; a graph is flat")
		p.skip(false)
	}
	return s
}

// markStmt parses a line that begins with output, head, update or part.
func (p *parser) markStmt() Stmt {
	t := p.next()
	s := &Mark{Kw: &Ident{p.at(t), p.text(t)}}
	before := len(p.diags)
	for startsValue(p.kind()) {
		if p.second() == tEq && len(s.Names) > 0 {
			break
		}
		p.mark(rArg)
		if id := p.valueName(""); id != nil {
			s.Names = append(s.Names, id)
		}
	}
	if p.kind() == tEq {
		p.mark(rSpacedEq)
		s.Eq = p.at(p.next())
		p.skipNewlines()
		for startsValue(p.kind()) && p.second() != tEq {
			p.mark(rArg)
			if id := p.valueName(""); id != nil {
				s.To = append(s.To, id)
			}
		}
	}
	s.Args = p.keys(s.Kw.Name)

	help, ok := "", false
	switch s.Kw.Name {
	case "output":
		help, ok = "output NAME NAME…", len(s.Names) > 0 && !s.Eq.IsValid()
	case "head":
		help, ok = "head NAME weight=0.3", len(s.Names) == 1 && !s.Eq.IsValid()
	case "update":
		help, ok = "update PARAM = VALUE", len(s.Names) == 1 && len(s.To) == 1
	case "part":
		help, ok = "part LABEL = VALUE…", len(s.Names) == 1 && len(s.To) > 0
	}
	if !ok && len(p.diags) > before {
		return nil // an error has been reported
	}
	if !ok {
		p.errorf("E0227", s.Kw.Span, "this line does not have the form of %s", s.Kw.Name).WithHelp("%s", help)
		return nil
	}
	return s
}
