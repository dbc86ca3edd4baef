package dsl

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

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

// errorf reports a syntax error, unless the scanner reported an error before it on the
// same line: the parser's error is then most likely a consequence.
func (p *parser) errorf(code string, s diag.Span, format string, args ...any) *diag.Diagnostic {
	if s.Line > 0 && s.Line <= len(p.badFrom) && s.Col >= p.badFrom[s.Line-1] {
		return &diag.Diagnostic{}
	}
	return p.report(code, s, format, args...)
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

func (p *parser) header() {
	switch {
	case p.is("net"), p.is("graph"):
		if p.is("graph") {
			p.f.Kind = Graph
		}
		kw := p.next()
		p.f.Name = p.name("E0202", "the name of the "+p.f.Kind.String()+" is missing", p.text(kw)+" NAME, as in: net googlenet")
		if p.kind() == tWord && p.f.Name != nil {
			p.errorf("E0203", p.here(), "a name is one word: %s does not belong to it", p.what()).
				WithHelp("write %s_%s", p.f.Name.Name, p.text(p.tok()))
			p.skip(false)
		}
		p.endStatement()
	case p.kind() == tEOF:
		p.errorf("E0201", p.here(), "the file is empty").WithHelp("a spec begins with net NAME; incc new lenet5 writes an example")
	default:
		d := p.errorf("E0201", p.here(), "a file begins with net NAME or graph NAME, not with %s", p.what())
		if p.kind() == tWord {
			if near, ok := diag.Nearest(p.text(p.tok()), []string{"net", "graph"}); ok && p.second() == tWord {
				d.WithHelp("did you mean %q?", near).Suggest(p.at(p.tok()), near)
				if near == "graph" {
					p.f.Kind = Graph
				}
				p.next()
				p.f.Name = p.name("", "", "")
				p.skip(false)
				break
			}
		}
		d.WithHelp("put net and a name in front: net example").Suggest(p.span(p.lines[0], p.lines[0]), "net example\n")
		if p.kind() == tWord && (p.second() == tEq || p.second() == tComma) && p.badFrom[p.here().Line-1] == math.MaxInt {
			p.f.Kind = Graph
		}
	}
	p.separators()
}

// name parses a name that is declared. It reports a missing name with code, unless code is
// empty.
func (p *parser) name(code, summary, help string) *Ident {
	t := p.tok()
	switch t.kind {
	case tWord:
	case tBad:
		p.next()
		return &Ident{p.at(t), p.text(t)}
	default:
		if code != "" {
			p.errorf(code, p.here(), "%s", summary).WithHelp("%s", help)
		}
		return nil
	}
	p.next()
	return p.declared(t)
}

// declared checks a word that is declared as a name: it must not have the form of a
// number, kernel or range, and must not contain a /.
func (p *parser) declared(t token) *Ident {
	raw := p.text(t)
	id := &Ident{p.at(t), raw}
	l, f := readLit(raw, Net)
	switch {
	case f == nil && l.Kind == NameLit:
	case f == nil && l.Kind == StridedLit:
		p.errorf("E0218", id.Span, "a name cannot contain '/': %s", diag.Quote(raw)).
			WithHelp("incc joins the parts of a path with '/', so a name cannot contain it")
	case f == nil || f.code == "E0107":
		d := p.errorf("E0217", id.Span, "%s has the form of a %s, so it cannot be a name", diag.Quote(raw), l.Kind)
		alt := "_" + raw
		if l.Kind == NumberLit && strings.ContainsAny(raw, "eE") {
			alt = strings.NewReplacer("e", "e_", "E", "E_").Replace(raw)
		} else if l.Kind == KernelLit {
			alt = "k" + raw
		}
		if IsName(alt) {
			d.WithHelp("write %s, for example", alt)
		}
	default:
		p.flaw(f, id.Span)
	}
	return id
}

// isNumberLabel reports whether a word consists of at most MaxName digits.
func isNumberLabel(s string) bool {
	return len(s) <= MaxName && strings.Trim(s, "0123456789") == ""
}

// flaw reports a word that has no valid form.
func (p *parser) flaw(f *flaw, s diag.Span) {
	d := p.errorf(f.code, s, "%s", f.summary).WithHelp("%s", f.help)
	if f.instead != "" {
		d.Suggest(s, f.instead)
	}
}

// reserved reports an error if a declared name is a keyword. It returns the name.
func (p *parser) reserved(id *Ident, what string) *Ident {
	if id != nil && isKeyword(id.Name) {
		p.errorf("E0218", id.Span, "a %s cannot be called %q: that begins a statement", what, id.Name)
	}
	return id
}

// once reports the second statement of a kind that a file may have only once.
func (p *parser) once(seen map[string]diag.Span, what string, kw diag.Span) {
	if first, ok := seen[what]; ok {
		p.errorf("E0213", kw, "a file can have only one %s statement", what).Relate(first, "the first is here").
			WithHelp("delete one of the two")
		return
	}
	seen[what] = kw
}

// top parses a statement at the top level.
func (p *parser) top(seen map[string]diag.Span) Stmt {
	if p.f.Kind == Graph {
		return p.graphStmt(seen)
	}
	if p.kind() == tWord && p.second() != tColon && p.second() != tArrow {
		kw := p.at(p.tok())
		switch w := p.text(p.tok()); w {
		case "net", "graph":
			p.errorf("E0213", kw, "a file can have only one %s", p.f.Kind).WithHelp("put the second one into another file")
			p.skip(false)
			return nil
		case "input":
			p.once(seen, w, kw)
			return p.input()
		case "labels":
			p.once(seen, w, kw)
			return p.labels()
		case "train":
			p.once(seen, w, kw)
			return p.train()
		case "let":
			return p.let()
		case "default":
			return p.defaults()
		case "block":
			return p.block()
		}
	}
	if l := p.lineOf(); l != nil {
		return l
	}
	return nil
}

func (p *parser) input() Stmt {
	s := &Input{Kw: p.at(p.next())}
	const help = "as in: input image 3x224x224 range=0..1"
	if t := p.tok(); t.kind == tWord {
		if l, f := readLit(p.text(t), Net); f == nil && l.Kind != NameLit && p.second() != tWord {
			p.errorf("E0224", p.at(t), "the input's name is missing before its shape").WithHelp(help).
				Suggest(diag.Span{Pos: p.at(t).Pos}, "image ")
			p.skip(false)
			return nil
		}
	}
	if s.Name = p.name("E0224", "the input's name is missing", help); s.Name == nil {
		p.skip(false)
		return nil
	}
	if p.kind() != tWord || p.second() == tEq {
		p.errorf("E0224", p.here(), "the input's shape is missing").WithHelp(help)
		p.skip(false)
		return nil
	}
	at := p.here()
	if s.Shape = p.lit(); s.Shape != nil {
		if _, ok := s.Shape.Shape(); !ok {
			p.errorf("E0224", at, "%s is not a shape", diag.Quote(s.Shape.Raw)).WithHelp("channels, height and width: %s", help)
			s.Shape = nil
		}
	}
	s.Args = p.keys("an input")
	if s.Shape == nil {
		return nil
	}
	return s
}

func (p *parser) labels() Stmt {
	s := &Labels{Kw: p.at(p.next())}
	const help = `labels imagenet1k, mnist or cifar10, labels "file.txt", or labels { "cat" "dog" }`
	switch p.kind() {
	case tWord, tBad:
		s.Set = p.name("", "", "")
	case tString:
		s.File = p.lit()
	case tOpen:
		s.Names = p.strings()
	default:
		p.errorf("E0223", p.here(), "the names of the classes are missing").WithHelp(help)
		p.skip(false)
		return nil
	}
	if s.Set == nil && s.File == nil && s.Names == nil {
		return nil
	}
	if startsValue(p.kind()) && !p.topStatement() {
		p.errorf("E0223", p.here(), "labels takes one set, one file, or names in braces").WithHelp(help)
		p.skip(false)
	}
	return s
}

func (p *parser) strings() *Strings {
	s := &Strings{}
	p.openBrace(&s.Open)
	for {
		p.skipNewlines()
		switch p.kind() {
		case tString:
			p.mark(rArg)
			if l := p.lit(); l != nil {
				s.List = append(s.List, l)
			}
			continue
		case tClose:
			p.closeBrace(&s.Close)
			if len(s.List) == 0 {
				p.errorf("E0215", s.Open.To(s.Close), "the braces contain no class names").WithHelp(`labels { "cat" "dog" }`)
			}
			return s
		case tEOF:
			p.unclosed()
			return s
		case tBad:
			p.next()
			continue
		}
		if p.topStatement() {
			p.unclosed()
			return s
		}
		d := p.errorf("E0223", p.here(), "a class name is a string, not %s", p.what())
		if t := p.tok(); t.kind == tWord {
			d.Suggest(p.at(t), strconv.Quote(p.text(t))).WithHelp("put it into double quotes: %s", strconv.Quote(p.text(t)))
		} else if t.kind == tComma || t.kind == tSemi {
			d.WithHelp("separate the names by blanks or new lines").Suggest(p.at(t), " ")
		}
		p.next()
	}
}

func (p *parser) let() Stmt {
	s := &Let{Kw: p.at(p.next())}
	const help = "as in: let classes = 1000"
	s.Name = p.reserved(p.name("E0202", "the name of the constant is missing", help), "constant")
	if s.Name == nil {
		p.skip(false)
		return nil
	}
	if p.kind() != tEq {
		p.errorf("E0208", p.here(), "let %s needs = and a value", s.Name.Name).WithHelp(help)
		p.skip(false)
		return nil
	}
	p.mark(rSpacedEq)
	p.next()
	p.skipNewlines()
	s.Value = p.constant("a let")
	if s.Value == nil {
		return nil
	}
	return s
}

// constant parses the value of a let or the default of a parameter: one number, kernel or
// word. what is "a let" or "a parameter", for messages.
func (p *parser) constant(what string) *Lit {
	if !startsValue(p.kind()) || p.topStatement() {
		p.errorf("E0208", p.last().After(), "a value is missing after =").WithHelp("the value of %s is a number, a kernel or a word", what)
		p.skip(false)
		return nil
	}
	p.mark(rArg)
	l := p.lit()
	if l == nil {
		return nil
	}
	if l.Kind != NumberLit && l.Kind != KernelLit && l.Kind != NameLit || p.kind() == tComma {
		what2 := "a " + l.Kind.String()
		if p.kind() == tComma {
			what2 = "a list"
			p.skip(false)
		}
		p.errorf("E0220", l.Span, "the value of %s is a number, a kernel or a word, not %s", what, what2)
		return nil
	}
	return l
}

func (p *parser) defaults() Stmt {
	s := &Default{Kw: p.at(p.next())}
	const help = "as in: default conv act=relu, or for every op: default pad=same"
	if startsValue(p.kind()) && p.second() != tEq {
		s.Op = p.name("", "", "")
	}
	if startsValue(p.kind()) && p.second() != tEq {
		p.errorf("E0221", p.here(), "a default is made of key=value: %s has no =", p.what()).WithHelp(help)
		p.skip(false)
		return nil
	}
	s.Args = p.keys("a default")
	if len(s.Args) == 0 {
		if p.atEnd() {
			p.errorf("E0221", p.here(), "a default without keys changes nothing").WithHelp(help)
		}
		return nil
	}
	return s
}

// keys parses the keys of a statement that allows only key=value. what is the name of the
// statement in messages.
func (p *parser) keys(what string) []*Arg {
	args, _ := p.args(false)
	for i, a := range args {
		if a.Key == nil {
			p.errorf("E0221", a.Span(), "%s takes key=value here: %s has no =", what, diag.Quote(a.Value.Raw()))
			return args[:i]
		}
		if a.Value.Body != nil {
			p.errorf("E0225", a.Value.Span, "unexpected braces")
		}
	}
	return args
}

func (p *parser) block() Stmt {
	s := &Block{Kw: p.at(p.next())}
	const help = "as in: block mlp k a b = conv k a -> conv 1x1 b"
	s.Name = p.reserved(p.name("E0202", "the block's name is missing", help), "block")
	if s.Name == nil {
		p.skip(false)
		return nil
	}
	glued := "" // the last parameter with a = without blanks, which gives a default
	for p.kind() != tEq {
		switch {
		case p.kind() == tWord || p.kind() == tBad:
			t := p.tok()
			if l, f := readLit(p.text(t), Net); glued != "" && (f != nil || l.Kind != NameLit) {
				p.errorf("E0222", p.at(t), "this block has no body: %s= without blanks is a default", glued).
					WithHelp("put blanks around the = that begins the body")
				p.skip(false)
				return nil
			}
			id := p.reserved(p.name("", "", ""), "parameter")
			pa := &Param{Name: id}
			if s.Params = append(s.Params, pa); len(s.Params) > MaxParams {
				p.errorf("E0228", id.Span, "a block has at most %d parameters", MaxParams).WithHelp("move parts of the body into blocks of their own")
				p.skip(false)
				return nil
			}
			if t := p.tok(); t.kind == tEq && p.toks[p.pos-1].end == t.off && p.toks[p.pos+1].off == t.end && p.second() != tOpen {
				glued = id.Name
				p.next()
				if pa.Default = p.constant("a parameter"); pa.Default == nil && p.atEnd() {
					return nil
				}
			}
			continue
		case p.kind() == tOpen:
			p.errorf("E0222", p.here(), "= is missing before the block's body").WithHelp(help).Suggest(p.here(), "= {")
			p.skip(false)
			return nil
		case p.atEnd() || p.kind() == tArrow:
			d := p.errorf("E0222", p.here(), "block %s has no body", s.Name.Name)
			if glued != "" {
				d.WithHelp("%s= without blanks is a default: put blanks around the = that begins the body", glued)
			} else {
				d.WithHelp(help)
			}
		default:
			d := p.errorf("E0202", p.here(), "a parameter's name is expected, not %s", p.what())
			if p.kind() == tComma {
				d.WithHelp("separate parameters by blanks, not by commas").Suggest(p.here(), " ")
			} else {
				d.WithHelp(help)
			}
		}
		p.skip(false)
		return nil
	}
	p.mark(rSpacedEq)
	p.next()
	p.skipNewlines()
	if p.kind() == tOpen {
		s.Body = p.body()
		if p.kind() == tArrow {
			p.errorf("E0203", p.here(), "a block's body is one pipeline or one pair of braces").
				WithHelp("put this arrow and what follows it inside the braces")
			p.skip(false)
		}
	} else if p.atEnd() || p.topStatement() {
		p.errorf("E0222", p.last().After(), "block %s has no body", s.Name.Name).WithHelp(help)
		return nil
	} else if l := p.lineOf(); l != nil {
		s.Body = &Body{Stmts: []Stmt{l}}
	}
	if s.Body == nil {
		return nil
	}
	return s
}

func (p *parser) train() Stmt {
	s := &Train{Kw: p.at(p.next())}
	if p.kind() != tOpen {
		p.errorf("E0225", p.here(), "train needs braces").WithHelp("write train {, then one statement on each line, then }")
		p.skip(false)
		return nil
	}
	p.openBrace(&s.Open)
	for {
		p.separators()
		switch {
		case p.kind() == tClose:
			p.closeBrace(&s.Close)
			return s
		case p.kind() == tEOF || p.topStatement():
			p.unclosed()
			return s
		case p.kind() == tWord && IsName(p.text(p.tok())) || p.kind() == tBad:
			before := p.pos
			p.margin()
			switch p.second() {
			case tColon:
				p.errorf("E0219", p.here(), "the statements of train have no labels").
					WithHelp("a statement begins with its word: loss xent, sgd lr=0.01")
				p.skip(false)
			case tEq:
				p.errorf("E0203", p.here(), "%s= must follow the name of a statement", p.text(p.tok())).
					WithHelp("such as: sgd lr=0.01, or run epochs=250")
				p.skip(false)
			default:
				if c := p.call(); c != nil {
					if c.Body != nil {
						p.errorf("E0225", c.Body.Open, "the statements of train take no braces")
					}
					s.Stmts = append(s.Stmts, c)
				}
			}
			if !p.left {
				p.endStatement()
			}
			if p.pos == before {
				p.next()
			}
		default:
			p.errorf("E0203", p.here(), "a statement of train begins with a word, not with %s", p.what()).
				WithHelp("such as: loss xent, or sgd lr=0.01")
			if p.kind() == tOpen {
				p.skipBraces()
			} else {
				p.next()
			}
			p.skip(false)
		}
		if p.left {
			p.drop()
			return s
		}
	}
}

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
