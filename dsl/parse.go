package dsl

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/incc-lang/incc/ir/diag"
)

// Keywords are the words that begin a statement. A spec cannot declare them as names.
var Keywords = []string{"net", "graph", "input", "labels", "let", "default", "block", "train"}

// Marks are the words that begin a [Mark], a line of a graph.
var Marks = []string{"output", "head", "update", "part"}

func isKeyword(s string) bool { return slices.Contains(Keywords, s) }

// Parse parses a net or a graph. It returns all syntax errors, and a File even if there
// are errors; see [File]. It never panics.
func Parse(path string, src []byte) (*File, diag.List) {
	f := &File{Path: path, Src: src}
	most, tokens := MaxFile, MaxTokens
	if looksLikeGraph(src) {
		most, tokens = MaxGraphFile, MaxGraphTokens
	}
	if len(src) > most {
		var l diag.List
		l.Errorf("E0109", diag.Span{Pos: diag.Pos{File: path, Line: 1, Col: 1}}, "the file has %d bytes; at most %d are read", len(src), most)
		return f, l
	}
	p := &parser{f: f, source: newSource(path, src)}
	p.toks = p.scan(tokens)
	p.role = make([]role, len(p.toks))
	p.comments()
	p.file()
	f.toks, f.role = p.toks, p.role
	sortProblems(&p.diags)
	return f, p.diags
}

// sortProblems sorts problems by their place in the text and drops repeated ones. A brace
// that is never closed comes first, because it is often the cause of the others.
func sortProblems(l *diag.List) {
	l.Sort()
	slices.SortStableFunc(*l, func(a, b *diag.Diagnostic) int {
		return cmp.Compare(unclosedFirst(a), unclosedFirst(b))
	})
}

func unclosedFirst(d *diag.Diagnostic) int {
	if d.Code == "E0206" {
		return 0
	}
	return 1
}

// looksLikeGraph reports whether the first word of a text is graph. Parse calls it before
// anything else, to choose the limits on the size.
func looksLikeGraph(src []byte) bool {
	src = bytes.TrimPrefix(src, []byte(bom))
	for {
		src = bytes.TrimLeft(src, " \t\r\n;")
		if !bytes.HasPrefix(src, []byte("#")) {
			return bytes.HasPrefix(src, []byte("graph ")) || bytes.HasPrefix(src, []byte("graph\t"))
		}
		_, src, _ = bytes.Cut(src, []byte("\n"))
	}
}

type parser struct {
	*source
	f     *File
	toks  []token
	role  []role
	pos   int       // index of the current token, which is never a comment
	depth int       // number of open braces
	open  []openBox // the open braces, the innermost last
	left  bool      // an unclosed brace was reported: return to the top level
}

// openBox is an opening brace whose closing brace has not been read yet.
type openBox struct {
	at     diag.Span
	indent int       // column of the first token on its line
	under  diag.Span // the first line inside that is not indented: a } may be missing before it
}

// errorf reports a syntax error, unless the scanner reported an error before it on the
// same line: the parser's error is then most likely a consequence.
func (p *parser) errorf(code string, s diag.Span, format string, args ...any) *diag.Diagnostic {
	if s.Line > 0 && s.Line <= len(p.badFrom) && s.Col >= p.badFrom[s.Line-1] {
		return &diag.Diagnostic{}
	}
	return p.report(code, s, format, args...)
}

// topStatement reports whether the current token is the keyword of a statement that is
// only allowed outside of braces, at the beginning of a line without indentation.
func (p *parser) topStatement() bool {
	t := p.tok()
	if t.kind != tWord || t.off != p.lines[p.line(t.off)] {
		return false
	}
	w := p.text(t)
	return isKeyword(w) && w != "default" && p.second() != tColon && p.second() != tEq && p.second() != tArrow
}

func (p *parser) file() {
	p.separators()
	p.header()
	seen := map[string]diag.Span{}
	for p.kind() != tEOF {
		p.left = false
		if p.kind() == tClose {
			p.errorf("E0207", p.here(), "no brace is open here").WithHelp("delete this }, or look for the { that is missing above")
			p.next()
			p.separators()
			continue
		}
		before := p.pos
		if s := p.top(seen); s != nil {
			p.f.Stmts = append(p.f.Stmts, s)
		}
		p.endStatement()
		if p.pos == before {
			p.next()
		}
		p.separators()
	}
	p.declaredTwice()
}
