package dsl

import (
	"math"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

func (p *parser) comments() {
	for _, t := range p.toks {
		if t.kind == tComment {
			p.f.Comments = append(p.f.Comments, Comment{p.at(t), strings.TrimRight(string(p.src[t.off:t.end]), " \t")})
		}
	}
	p.skipComments()
}

func (p *parser) skipComments() {
	for p.toks[p.pos].kind == tComment {
		p.pos++
	}
}

func (p *parser) tok() token           { return p.toks[p.pos] }
func (p *parser) kind() tokenKind      { return p.toks[p.pos].kind }
func (p *parser) text(t token) string  { return string(p.src[t.off:t.end]) }
func (p *parser) at(t token) diag.Span { return p.span(t.off, t.end) }
func (p *parser) here() diag.Span      { return p.place(p.tok()) }
func (p *parser) mark(r role)          { p.role[p.pos] = r }
func (p *parser) is(word string) bool  { return p.kind() == tWord && p.text(p.tok()) == word }
func (p *parser) second() tokenKind    { return p.peekAt(1).kind }
func (p *parser) atEnd() bool          { return endsStatement(p.kind()) }
func endsStatement(k tokenKind) bool   { return k == tNewline || k == tSemi || k == tEOF || k == tClose }
func startsValue(k tokenKind) bool     { return k == tWord || k == tString || k == tBad }
func (p *parser) peekAt(n int) token {
	i := p.pos
	for n > 0 && p.toks[i].kind != tEOF {
		i++
		if p.toks[i].kind != tComment {
			n--
		}
	}
	return p.toks[i]
}

// place returns the span of a token. For the end of a line or file it returns an empty
// span after the last token, where something is missing.
func (p *parser) place(t token) diag.Span {
	if t.kind != tNewline && t.kind != tEOF {
		return p.at(t)
	}
	if t.kind == tEOF && t.off > 0 {
		// A message about the end of the file points to the end of the last line with text.
		i := p.pos
		for i > 0 && (p.toks[i].kind == tEOF || p.toks[i].kind == tNewline || p.toks[i].kind == tComment) {
			i--
		}
		return p.span(p.toks[i].end, p.toks[i].end)
	}
	off := t.off
	for off > 0 && (p.src[off-1] == ' ' || p.src[off-1] == '\t') {
		off--
	}
	if off < p.lines[p.line(t.off)] {
		off = p.lines[p.line(t.off)]
	}
	return p.span(off, off)
}

// last returns the span of the token before the current one, ignoring line breaks and
// comments.
func (p *parser) last() diag.Span {
	i := p.pos - 1
	for i > 0 && (p.toks[i].kind == tNewline || p.toks[i].kind == tComment) {
		i--
	}
	return p.at(p.toks[max(i, 0)])
}

func (p *parser) next() token {
	t := p.toks[p.pos]
	if t.kind != tEOF {
		p.pos++
		p.skipComments()
	}
	return t
}

func (p *parser) skipNewlines() {
	for p.kind() == tNewline {
		p.next()
	}
}

// what describes the current token, for messages about an unexpected token.
func (p *parser) what() string {
	switch t := p.tok(); t.kind {
	case tWord, tString:
		return diag.Quote(strings.Trim(p.text(t), `"`))
	case tEOF, tNewline, tBad, tComment:
		return t.kind.String()
	default:
		return "'" + t.kind.String() + "'"
	}
}

// skip skips the rest of the statement or, if arrows is set, the rest of the call up to
// the next arrow. It skips braces with their contents.
func (p *parser) skip(arrows bool) {
	for !p.atEnd() && !(arrows && p.kind() == tArrow) {
		if p.kind() == tOpen {
			p.skipBraces()
			continue
		}
		p.next()
	}
}

// skipBraces skips braces with their contents, without recursion. It stops at a statement
// that is only allowed outside of braces, and reports that the brace is not closed.
func (p *parser) skipBraces() {
	open := p.at(p.tok())
	for depth := 0; p.kind() != tEOF; {
		if depth > 0 && p.topStatement() {
			break
		}
		switch p.next().kind {
		case tOpen:
			depth++
		case tClose:
			if depth--; depth == 0 {
				return
			}
		}
	}
	if !p.left {
		p.left = len(p.open) > 0
		p.errorf("E0206", open, "this brace is never closed")
	}
}

func (p *parser) separators() {
	for p.kind() == tNewline || p.kind() == tSemi {
		p.next()
	}
}

// endStatement reports anything that follows a complete statement on its line.
func (p *parser) endStatement() {
	if p.atEnd() || p.left || p.topStatement() {
		return
	}
	switch p.kind() {
	case tArrow:
		p.errorf("E0203", p.here(), "unexpected -> after this statement")
	case tOpen:
		p.errorf("E0225", p.here(), "unexpected braces")
	case tColon:
		p.errorf("E0219", p.here(), "a ':' may only follow a label at the beginning of a line")
	default:
		p.errorf("E0203", p.here(), "unexpected %s: the statement is already complete", p.what()).
			WithHelp("begin a new line")
	}
	p.skip(false)
}

// openBrace consumes a { and adds it to the open braces.
func (p *parser) openBrace(s *diag.Span) {
	t := p.next()
	*s = p.at(t)
	p.depth++
	line := p.lines[p.line(t.off)]
	first := line
	for p.src[first] == ' ' || p.src[first] == '\t' {
		first++
	}
	p.open = append(p.open, openBox{at: *s, indent: int(first-line) + 1})
}

func (p *parser) closeBrace(s *diag.Span) {
	*s = p.at(p.next())
	p.drop()
}

func (p *parser) drop() {
	p.depth--
	p.open = p.open[:len(p.open)-1]
}

// margin is called at the beginning of a line. For every open brace it notes the first
// line that is not indented more than the line of the brace.
func (p *parser) margin() {
	at := p.here()
	for i := range p.open {
		b := &p.open[i]
		if !b.under.IsValid() && at.Line > b.at.Line && at.Col <= b.indent {
			b.under = at
		}
	}
}

// unclosed is called at the end of the text, or at a statement that is not allowed in
// braces, while braces are open. It reports one of them and drops the innermost. It reports
// the outermost brace with a line inside that is not indented, because its } is most likely
// missing; if there is no such brace, the innermost.
func (p *parser) unclosed() {
	if !p.left {
		culprit := p.open[len(p.open)-1]
		for _, b := range p.open {
			if b.under.IsValid() {
				culprit = b
				break
			}
		}
		if p.badFrom[culprit.at.Line-1] != math.MaxInt {
			// A string without a closing quote on that line may contain the }.
			p.left = true
			p.drop()
			return
		}
		d := p.errorf("E0206", culprit.at, "this brace is never closed")
		if culprit.under.IsValid() {
			d.Relate(culprit.under, "this line is not indented: is a } missing before it?")
		} else if p.kind() != tEOF {
			d.Relate(p.here(), "this begins a statement outside of all braces")
		}
		d.WithHelp("put a } where the part ends")
		p.left = true
	}
	p.drop()
}
