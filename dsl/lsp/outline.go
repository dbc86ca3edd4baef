package lsp

import (
	"slices"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir/diag"
)

// Kinds of document symbols.
const (
	symbolModule   = 2
	symbolFunction = 12
	symbolConstant = 14
	symbolObject   = 19
	symbolVariable = 13
)

// ends returns the last span of each statement of the file: where the words before the next
// statement end.
func (d *document) ends() []diag.Span {
	f := d.tree()
	var out []diag.Span
	tokens := f.Tokens()
	i := 0
	for k, s := range f.Stmts {
		last := s.Where()
		next := diag.Span{}
		if k+1 < len(f.Stmts) {
			next = f.Stmts[k+1].Where()
		}
		for ; i < len(tokens); i++ {
			t := tokens[i]
			if next.IsValid() && (t.Span.Line > next.Line || t.Span.Line == next.Line && t.Span.Col >= next.Col) {
				break
			}
			after := t.Span.Line > last.Line || t.Span.Line == last.Line && t.Span.Col > last.Col
			if t.Kind != dsl.CommentToken && t.Text != ";" && after {
				last = t.Span
			}
		}
		out = append(out, last)
	}
	return out
}

// symbols is the outline: parts, blocks, lets, input, labels and train.
func (d *document) symbols() []documentSymbol {
	f := d.tree()
	ends := d.ends()
	list := []documentSymbol{}
	for i, s := range f.Stmts {
		o := documentSymbol{Range: d.text.between(s.Where(), ends[i]), SelectionRange: d.text.span(s.Where())}
		switch s := s.(type) {
		case *dsl.Input:
			o.Name, o.Kind = "input", symbolObject
		case *dsl.Labels:
			o.Name, o.Kind = "labels", symbolObject
		case *dsl.Train:
			o.Name, o.Kind = "train", symbolObject
			for _, c := range s.Stmts {
				if c.Name != nil {
					r := d.text.span(c.Span())
					o.Children = append(o.Children, documentSymbol{Name: c.Name.Name, Kind: symbolObject, Range: r, SelectionRange: r})
				}
			}
		case *dsl.Let:
			if s.Name == nil {
				continue
			}
			o.Name, o.Kind = s.Name.Name, symbolConstant
			if s.Value != nil {
				o.Detail = s.Value.Raw
			}
		case *dsl.Block:
			if s.Name == nil {
				continue
			}
			o.Name, o.Kind, o.SelectionRange = s.Name.Name, symbolFunction, d.text.span(s.Name.Span)
		case *dsl.Line:
			o.Name, o.Kind = s.Calls[0].Name.Name, symbolModule
			if s.Label != nil {
				o.Name = s.Label.Name
			}
			o.Detail = d.outputOf(s, s.Where().Line, ends[i].Line)
			for _, c := range s.Calls {
				r := d.text.span(c.Span())
				o.Children = append(o.Children, documentSymbol{Name: c.Name.Name, Kind: symbolObject, Range: r, SelectionRange: r})
			}
		case *dsl.Assign:
			o.Name, o.Kind = s.Outs[0].Name, symbolVariable
		default:
			continue
		}
		if before(o.Range.End, o.SelectionRange.End) {
			o.Range.End = o.SelectionRange.End
		}
		list = append(list, o)
	}
	return list
}

// outputOf returns the shape that a line of layers makes, "" if the text has errors.
func (d *document) outputOf(s *dsl.Line, from, to int) string {
	g := d.net()
	if g == nil {
		return ""
	}
	if s.Label != nil {
		for _, p := range g.Parts {
			if p.Name == s.Label.Name && p.Out != nil {
				return p.Out.Type.Shape.WithoutBatch().String()
			}
		}
		return ""
	}
	out := ""
	for _, l := range d.summary.Layers {
		if l.Pos.Line >= from && l.Pos.Line <= to && !l.Head {
			out = l.Out.Shape.WithoutBatch().String()
		}
	}
	return out
}

// hints shows the output shape behind each line of layers.
func (d *document) hints(in textRange) []inlayHint {
	f := d.tree()
	ends := d.ends()
	list := []inlayHint{}
	for i, s := range f.Stmts {
		l, ok := s.(*dsl.Line)
		if !ok {
			continue
		}
		at := d.text.position(d.text.start(ends[i]) + ends[i].Len)
		if before(at, in.Start) || before(in.End, at) {
			continue
		}
		if shape := d.outputOf(l, s.Where().Line, ends[i].Line); shape != "" {
			list = append(list, inlayHint{Position: at, Label: shape, PaddingLeft: true, Tooltip: "output of the line, channels x height x width"})
		}
	}
	return list
}

// folds are braces over several lines, statements over several lines, and comments.
func (d *document) folds() []foldingRange {
	list := []foldingRange{}
	add := func(from, to int, kind string) {
		if to > from {
			list = append(list, foldingRange{from - 1, to - 1, kind})
		}
	}
	var open []int
	comment, last := 0, -1
	tokens := d.tree().Tokens()
	for i, t := range tokens {
		switch {
		case t.Text == "{" && t.Kind == dsl.SignToken:
			open = append(open, t.Span.Line)
		case t.Text == "}" && t.Kind == dsl.SignToken && len(open) > 0:
			add(open[len(open)-1], t.Span.Line-1, "")
			open = open[:len(open)-1]
		}
		alone := t.Kind == dsl.CommentToken && (i == 0 || tokens[i-1].Span.Line < t.Span.Line)
		if alone && t.Span.Line == last+1 {
			last++
			continue
		}
		if comment > 0 {
			add(comment, last, "comment")
			comment, last = 0, -1
		}
		if alone {
			comment, last = t.Span.Line, t.Span.Line
		}
	}
	if comment > 0 {
		add(comment, last, "comment")
	}
	slices.SortFunc(list, func(a, b foldingRange) int {
		if a.StartLine != b.StartLine {
			return a.StartLine - b.StartLine
		}
		return b.EndLine - a.EndLine
	})
	return list
}

// tokenTypes are the protocol's types of tokens, in the order of the language's kinds.
var tokenTypes = []string{"keyword", "function", "class", "property", "number", "variable", "string", "comment", "operator", "parameter"}

// tokens colours the text. Five numbers stand for each token: lines and characters from the
// one before, length, type and modifiers.
func (d *document) tokens() semanticTokens {
	params := map[diag.Pos]bool{}
	for _, s := range d.sites() {
		if s.sym.kind == "parameter" {
			params[s.span.Pos] = true
		}
	}
	out := semanticTokens{Data: []int{}}
	prev := position{}
	for _, t := range d.tree().Tokens() {
		kind := int(t.Kind)
		if params[t.Span.Pos] && t.Kind == dsl.NameToken {
			kind = len(tokenTypes) - 1
		}
		r := d.text.span(t.Span)
		column := r.Start.Character
		if r.Start.Line == prev.Line {
			column -= prev.Character
		}
		out.Data = append(out.Data, r.Start.Line-prev.Line, column, r.End.Character-r.Start.Character, kind, 0)
		prev = r.Start
	}
	return out
}
