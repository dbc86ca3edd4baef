package lsp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incc-lang/incc/dsl"
)

// complete lists what the word at a position may be.
func (d *document) complete(p position, snippets bool) []completionItem {
	off := d.text.offset(p)
	p = d.text.position(off) // a place in the text, whatever was asked for
	from := off
	for from > 0 && isWord(d.text.src[from-1]) {
		from--
	}
	c := &completer{d: d, snippets: snippets, replace: textRange{d.text.position(from), p}}
	head := string(d.text.line(p.Line))
	head = head[:min(len(head), max(0, from-d.text.starts[min(p.Line, len(d.text.starts)-1)]))]
	if i := comment(head); i >= 0 {
		return []completionItem{}
	}
	c.at(head, from)
	if c.items == nil {
		return []completionItem{}
	}
	return c.items
}

// isWord says whether a byte belongs to a name, a label or a number.
func isWord(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// comment returns where a comment begins in a line, -1 if there is none.
func comment(line string) int {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '\\' && quoted:
			i++
		case line[i] == '"':
			quoted = !quoted
		case line[i] == '#' && !quoted:
			return i
		}
	}
	return -1
}

type completer struct {
	d        *document
	snippets bool
	replace  textRange
	items    []completionItem
}

func (c *completer) add(name string, kind int, detail, doc string) {
	it := completionItem{Label: name, Kind: kind, Detail: detail, TextEdit: &textEdit{c.replace, name}, SortText: fmt.Sprintf("%05d", len(c.items))}
	if doc != "" {
		it.Documentation = &markup{"markdown", fence(doc)}
	}
	c.items = append(c.items, it)
}

// at completes behind the beginning of a line. What stands before the word decides: an arrow,
// a brace, a colon or nothing: a call; key=: a value; else keys and values of the call.
func (c *completer) at(head string, from int) {
	words := strings.Fields(separate(head))
	depth, train := c.braces(from)
	start := 0 // of the call in words
	for i, w := range words {
		if w == "->" || w == "{" || w == ";" || w == ":" || w == "}" {
			start = i + 1
		}
	}
	call := words[start:]
	// A line that begins with nothing goes on with the pipeline of the line before only
	// behind an arrow.
	switch {
	case train && len(call) == 0:
		for _, e := range dsl.TrainStatements() {
			c.add(e.Name, kindProperty, "", e.Doc)
		}
	case len(call) == 0:
		c.calls(start == 0 && depth == 0)
	case train:
		c.arguments(find(dsl.TrainStatements(), call[0]), call, dsl.NamesParts(call[0]))
	case call[0] == "default" && len(call) == 1:
		for _, e := range dsl.Ops() {
			if len(e.Keys) > 0 {
				c.add(e.Name, kindFunction, e.Usage, e.Doc)
			}
		}
		c.keys(allKeys(), call)
	case call[0] == "default":
		if e := find(dsl.Ops(), call[1]); e != nil {
			c.arguments(e, call[1:], false)
		} else {
			c.arguments(&dsl.Entry{Keys: allKeys()}, call, false)
		}
	case call[0] == "labels":
		for _, n := range dsl.LabelSets() {
			c.add(n, kindValue, "names of classes", "")
		}
	case call[0] == "net" || call[0] == "graph" || call[0] == "let" && len(call) < 3:
	case call[0] == "block" && !slices.Contains(call, "="):
	case call[0] == "block" && call[len(call)-1] == "=":
		c.calls(false)
	case call[0] == "input":
		c.arguments(find(dsl.Statements(), "input"), call, false)
	default:
		if call[0] == "block" {
			call = call[slices.Index(call, "=")+1:]
		}
		c.arguments(c.callee(call[0]), call, false)
	}
}

// separate puts blanks around signs.
func separate(s string) string {
	for _, sign := range []string{"->", "{", "}", ";", ":", "=", ","} {
		s = strings.ReplaceAll(s, sign, " "+sign+" ")
	}
	return s
}

// braces returns how many braces are open at a place, and whether one is that of train.
func (c *completer) braces(off int) (depth int, train bool) {
	var open []bool
	word := ""
	for _, t := range c.d.tree().Tokens() {
		if c.d.text.start(t.Span) >= off {
			break
		}
		switch {
		case t.Kind == dsl.SignToken && t.Text == "{":
			open = append(open, word == "train")
		case t.Kind == dsl.SignToken && t.Text == "}" && len(open) > 0:
			open = open[:len(open)-1]
		}
		if t.Kind != dsl.CommentToken {
			word = t.Text
		}
	}
	return len(open), slices.Contains(open, true)
}

func find(list []dsl.Entry, name string) *dsl.Entry {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// callee describes an op, or a block of the text or the prelude.
func (c *completer) callee(name string) *dsl.Entry {
	for _, s := range c.d.sites() {
		if s.decl && s.sym.kind == "block" && s.sym.name == name {
			e := &dsl.Entry{Name: name}
			for _, p := range s.sym.block.Params {
				if p.Name == nil {
					continue
				}
				f := dsl.Field{Name: p.Name.Name, Want: "parameter of " + name}
				if p.Default != nil {
					f.Standard = p.Default.Raw
				}
				e.Keys = append(e.Keys, f)
			}
			return e
		}
	}
	return find(dsl.Ops(), name)
}

// allKeys are the keys of all ops, each once.
func allKeys() []dsl.Field {
	var list []dsl.Field
	for _, e := range dsl.Ops() {
		for _, f := range e.Keys {
			if !slices.ContainsFunc(list, func(g dsl.Field) bool { return g.Name == f.Name }) {
				list = append(list, f)
			}
		}
	}
	return list
}

// calls lists what a pipeline can call, and at the beginning of a line of the file the
// statements.
func (c *completer) calls(statements bool) {
	for _, s := range c.d.sites() {
		if s.decl && s.sym.kind == "block" {
			c.add(s.sym.name, kindModule, "block of this file", "")
		}
	}
	for _, e := range dsl.Ops() {
		kind := kindFunction
		if e.Block {
			kind = kindModule
		}
		c.add(e.Name, kind, e.Usage, e.Doc)
		if it := &c.items[len(c.items)-1]; e.Body && c.snippets {
			it.TextEdit.NewText, it.InsertTextFormat = e.Name+" { $0 }", 2
		}
	}
	if statements {
		for _, e := range dsl.Statements() {
			c.add(e.Name, kindKeyword, e.Usage, e.Doc)
		}
	}
}

// arguments lists the keys of a call that it does not have yet, and the names that a value
// may have. Behind key= it lists values.
func (c *completer) arguments(e *dsl.Entry, call []string, parts bool) {
	if n := len(call); n >= 2 && call[n-1] == "=" || n >= 3 && call[n-1] == "," {
		key := ""
		for i, w := range call {
			if w == "=" && i > 0 {
				key = call[i-1]
			}
		}
		if e != nil {
			if f, ok := e.Key(key); ok {
				c.words(f)
			}
		} else {
			for _, f := range allKeys() {
				if f.Name == key {
					c.words(f)
				}
			}
		}
		c.constants()
		return
	}
	if parts {
		for _, s := range c.d.sites() {
			if s.decl && s.sym.kind == "label" {
				c.add(s.sym.name, kindVariable, "part", "")
			}
		}
	}
	if e == nil {
		c.keys(allKeys(), call)
		c.constants()
		return
	}
	if len(call) == 1 && len(e.Args) > 0 {
		c.words(e.Args[0])
	}
	c.keys(e.Keys, call)
	if !parts {
		c.constants()
	}
}

func (c *completer) words(f dsl.Field) {
	for _, w := range f.Words {
		c.add(w, kindEnumMember, f.Name, f.Doc)
	}
}

func (c *completer) keys(list []dsl.Field, call []string) {
	for _, f := range list {
		given := false
		for i := range call {
			given = given || call[i] == f.Name && i+1 < len(call) && call[i+1] == "="
		}
		if !given {
			c.add(f.Name, kindProperty, f.Want, fieldText(f))
			c.items[len(c.items)-1].TextEdit.NewText = f.Name + "="
		}
	}
}

// constants lists lets, and the parameters of the block around the place.
func (c *completer) constants() {
	line := c.replace.Start.Line
	ends := c.d.ends()
	for _, s := range c.d.sites() {
		if !s.decl {
			continue
		}
		switch s.sym.kind {
		case "let":
			c.add(s.sym.name, kindVariable, "let", "")
		case "parameter":
			for i, stmt := range c.d.tree().Stmts {
				if stmt == dsl.Stmt(s.sym.block) && s.sym.block.Kw.Line-1 <= line && line <= ends[i].Line-1 {
					c.add(s.sym.name, kindParameter, "parameter of "+s.sym.block.Name.Name, "")
				}
			}
		}
	}
}
