package lsp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// place is what the syntax tree has around a position.
type place struct {
	stmt  dsl.Stmt  // of the file
	call  *dsl.Call // the innermost call whose name or arguments hold the position
	arg   *dsl.Arg  // whose key or value holds it
	train bool      // the call is a statement of train
}

// placeAt finds the call and the argument at a place in the text.
func (d *document) placeAt(off int) place {
	var found place
	holds := func(s diag.Span) bool {
		at := d.text.start(s)
		return s.IsValid() && at <= off && off <= at+s.Len
	}
	var stmt dsl.Stmt
	train := false
	dsl.Inspect(d.tree(), func(n any) bool {
		switch n := n.(type) {
		case *dsl.Train:
			stmt, train = n, true
		case *dsl.Input:
			stmt, train = n, false
			if holds(n.Kw) {
				found = place{stmt: n}
			}
		case *dsl.Labels, *dsl.Let, *dsl.Block, *dsl.Line, *dsl.Default, *dsl.Assign, *dsl.Mark:
			s := n.(dsl.Stmt)
			if _, line := n.(*dsl.Line); !line || stmt == nil {
				train = false
			}
			stmt = s
			if holds(s.Where()) {
				found = place{stmt: s}
			}
		case *dsl.Call:
			if n.Name != nil && holds(n.Name.Span) {
				found = place{stmt: stmt, call: n, train: train}
			}
			for _, a := range n.Args {
				if holds(a.Span()) {
					found = place{stmt: stmt, call: n, arg: a, train: train}
				}
			}
		case *dsl.Arg:
			if found.arg == nil && holds(n.Span()) {
				found = place{stmt: stmt, arg: n}
			}
		}
		return true
	})
	return found
}

// tokenAt returns the word at a place, nil between words.
func (d *document) tokenAt(off int) *dsl.Token {
	for _, t := range d.tree().Tokens() {
		if at := d.text.start(t.Span); at <= off && off < at+t.Span.Len {
			return &t
		}
	}
	return nil
}

// hover explains the word at a position.
func (d *document) hover(p position) any {
	off := d.text.offset(p)
	t := d.tokenAt(off)
	if t == nil || t.Kind == dsl.CommentToken || t.Kind == dsl.SignToken {
		return nil
	}
	var parts []string
	if s := d.siteAt(p); s != nil {
		parts = append(parts, d.aboutSymbol(s.sym))
	}
	at := d.placeAt(off)
	switch t.Kind {
	case dsl.CallToken:
		if facts := d.factsAt(t.Span.Pos); facts != "" {
			parts = append(parts, facts)
		}
		if len(parts) == 0 || d.siteAt(p) == nil {
			parts = append(parts, page(t.Text))
		}
	case dsl.KeyToken:
		parts = append(parts, d.aboutKey(at, t.Text))
	case dsl.KeywordToken:
		parts = append(parts, page(t.Text))
	case dsl.NameToken:
		if at.train && at.arg == nil {
			parts = append(parts, page(t.Text))
		}
	}
	text := strings.Join(nonEmpty(parts), "\n\n---\n\n")
	if text == "" {
		return nil
	}
	return hover{markup{"markdown", text}, d.text.span(t.Span)}
}

func nonEmpty(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// page is the page of incc explain as Markdown, "" if there is none.
func page(name string) string {
	text, ok := dsl.Explain(name)
	if !ok {
		return ""
	}
	return fence(strings.TrimRight(text, "\n"))
}

// fence quotes a text, so that nothing in it is Markdown.
func fence(text string) string {
	bar := "```"
	for strings.Contains(text, bar) {
		bar += "`"
	}
	return bar + "text\n" + text + "\n" + bar
}

// aboutSymbol says what a name stands for.
func (d *document) aboutSymbol(s *symbol) string {
	switch s.kind {
	case "let", "parameter":
		text := s.kind + " " + s.name
		if s.block != nil {
			text += " of " + s.block.Name.Name
		}
		if s.lit != nil {
			text += " = " + s.lit.Raw
		}
		return fence(text)
	case "block":
		text := "block " + s.name
		for _, p := range s.block.Params {
			if p.Name == nil {
				continue
			}
			text += " " + p.Name.Name
			if p.Default != nil {
				text += "=" + p.Default.Raw
			}
		}
		return fence(text)
	case "label":
		return d.facts("part "+s.name, func(i int) bool { return d.summary.Layers[i].Part == s.name })
	}
	return ""
}

// aboutKey explains a key of a call or statement.
func (d *document) aboutKey(at place, key string) string {
	var entries []dsl.Entry
	name := ""
	switch {
	case at.call != nil && at.train:
		entries, name = dsl.TrainStatements(), at.call.Name.Name
	case at.call != nil:
		entries, name = dsl.Ops(), at.call.Name.Name
	default:
		switch s := at.stmt.(type) {
		case *dsl.Input:
			entries, name = dsl.Statements(), "input"
		case *dsl.Default:
			entries = dsl.Ops()
			if s.Op != nil {
				name = s.Op.Name
			}
		}
	}
	for _, e := range entries {
		if f, ok := e.Key(key); ok && (e.Name == name || name == "") {
			return fence(fieldText(f))
		}
	}
	// A call of a block passes keys on to the ops inside.
	for _, e := range entries {
		if f, ok := e.Key(key); ok {
			return fence(fieldText(f))
		}
	}
	return ""
}

func fieldText(f dsl.Field) string {
	s := f.Name + ": " + f.Want
	if f.Standard != "" {
		s += "; default " + f.Standard
	}
	if f.Doc != "" {
		s += "\n" + f.Doc
	}
	return s
}

// factsAt says what the layers cost that a call makes, of an op or a block.
func (d *document) factsAt(at diag.Pos) string {
	same := func(p diag.Pos) bool { return p.Line == at.Line && p.Col == at.Col }
	return d.facts("", func(i int) bool {
		return same(d.summary.Layers[i].Pos) || slices.ContainsFunc(d.calls[d.graph.Nodes[i]], same)
	})
}

// facts sums up the layers that a function selects: the last one's output and receptive
// field, and the parameters and MACs of all.
func (d *document) facts(title string, selected func(i int) bool) string {
	if d.net() == nil {
		return ""
	}
	var last *ir.Layer
	var params, macs int64
	layers := 0
	for i := range d.summary.Layers {
		if selected(i) {
			last = &d.summary.Layers[i]
			params += last.Params
			macs += last.Cost.MACs
			layers++
		}
	}
	if last == nil {
		return ""
	}
	text := ""
	if title != "" {
		text = title + "\n"
	}
	text += fmt.Sprintf("output           %s\nparameters       %s\nMACs             %s\nreceptive field  %s", last.Out.Shape.WithoutBatch(), diag.Thousands(params), diag.Thousands(macs), last.RF.Short())
	if layers > 1 {
		text += fmt.Sprintf("\nlayers           %d", layers)
	}
	return fence(text)
}
