package dsl

import (
	"math"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

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
