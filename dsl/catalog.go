package dsl

import (
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// Entry describes a word that a text can contain in some place, for editors.
type Entry struct {
	Name  string
	Doc   string  // in one sentence or more
	Usage string  // an example of a call, or the names of the parameters of a block
	Args  []Field // without a key, in order
	Keys  []Field
	Body  bool // braces follow
	Block bool // a block of the prelude
}

// Field describes an argument of an entry.
type Field struct {
	Name     string
	Want     string // the values that it accepts, in words
	Standard string // the default, "" for none
	Doc      string
	Words    []string // the words among the values
}

func fields(slots []slot) []Field {
	var list []Field
	for _, s := range slots {
		list = append(list, Field{s.name, s.kind.want, s.standard, s.doc, s.kind.words})
	}
	return list
}

// Key returns the field of a key.
func (e *Entry) Key(name string) (Field, bool) {
	for _, f := range e.Keys {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// Ops lists the ops and joins that a pipeline can call, then the blocks of the prelude.
func Ops() []Entry {
	var list []Entry
	for _, n := range formNames() {
		f := forms()[n]
		list = append(list, Entry{Name: n, Doc: f.doc, Usage: usage(f), Args: fields(f.pos), Keys: fields(f.keys), Body: f.body == branches || f.body == sequence})
	}
	for _, k := range prelude().blocks {
		list = append(list, Entry{Name: k.ast.Name.Name, Doc: blockDoc(k), Usage: blockUsage(k.ast), Block: true})
	}
	return list
}

// blockDoc returns the comment above a block of the prelude.
func blockDoc(k *block) string {
	src := strings.Split(string(preludeSource), "\n")
	var doc []string
	for i := k.ast.Kw.Line - 2; i >= 0 && strings.HasPrefix(src[i], "#"); i-- {
		doc = append(doc, strings.TrimPrefix(strings.TrimPrefix(src[i], "#"), " "))
	}
	slices.Reverse(doc)
	return strings.Join(doc, " ")
}

// Statements lists the statements of a net.
func Statements() []Entry {
	var list []Entry
	for _, p := range statementPages() {
		if !p.flat && p.name != "graph" {
			list = append(list, Entry{Name: p.name, Doc: p.text, Usage: p.syntax, Keys: fields(p.keys)})
		}
	}
	return list
}

// TrainStatements lists the statements of train. Words of the first argument are those of
// a field without a name.
func TrainStatements() []Entry {
	var list []Entry
	for _, s := range trainTable {
		e := Entry{Name: s.name, Doc: s.doc, Usage: s.name}
		if s.words != nil {
			e.Args = []Field{{Words: s.words}}
		}
		for _, k := range s.keys {
			e.Keys = append(e.Keys, fields([]slot{k.slot})...)
		}
		list = append(list, e)
	}
	return list
}

// NamesParts reports whether the arguments of a statement of train are parts of the network.
func NamesParts(statement string) bool {
	for _, s := range trainTable {
		if s.name == statement {
			return s.about != nil
		}
	}
	return false
}

// LabelSets lists the sets of class names that are built in.
func LabelSets() []string { return labelSetNames() }

// TokenKind is the kind of a [Token].
type TokenKind uint8

// The kinds of tokens, as an editor colours them.
const (
	KeywordToken TokenKind = iota
	CallToken              // the name of an op or block that is called
	LabelToken
	KeyToken // of key=value
	NumberToken
	NameToken // a name in another place
	StringToken
	CommentToken
	SignToken // -> { } = : ; ,
)

// Token is a word of a text with its place.
type Token struct {
	Kind TokenKind
	Span diag.Span
	Text string
}

// Tokens lists the words of a file in order, comments included. The file may have errors.
func (f *File) Tokens() []Token {
	calls, labels, keys := map[int]bool{}, map[int]bool{}, map[int]bool{}
	at := func(s diag.Span) int { return s.Line<<20 | s.Col }
	Inspect(f, func(n any) bool {
		switch n := n.(type) {
		case *Line:
			if n.Label != nil {
				labels[at(n.Label.Span)] = true
			}
		case *Call:
			if n.Name != nil {
				calls[at(n.Name.Span)] = true
			}
		case *Arg:
			if n.Key != nil {
				keys[at(n.Key.Span)] = true
			}
		case *Assign:
			if n.Op != nil {
				calls[at(n.Op.Span)] = true
			}
		}
		return true
	})
	s := newSource(f.Path, f.Src)
	var list []Token
	first := true // of a statement
	for _, t := range f.toks {
		text := string(f.Src[t.off:t.end])
		span := s.span(t.off, t.end)
		kind := SignToken
		switch t.kind {
		case tNewline, tSemi:
			first = true
			if t.kind == tNewline {
				continue
			}
		case tEOF, tBad:
			continue
		case tComment:
			kind = CommentToken
		case tString:
			kind = StringToken
		case tWord:
			switch k := at(span); {
			case labels[k]:
				kind = LabelToken
			case calls[k]:
				kind = CallToken
			case keys[k]:
				kind = KeyToken
			case first && isKeyword(text):
				kind = KeywordToken
			default:
				kind = NameToken
				if l, err := ParseLit(text); err == nil && l.Kind != NameLit && l.Kind != StridedLit {
					kind = NumberToken
				}
			}
		}
		if t.kind != tComment && t.kind != tSemi {
			first = t.kind == tOpen
		}
		list = append(list, Token{kind, span, text})
	}
	return list
}
