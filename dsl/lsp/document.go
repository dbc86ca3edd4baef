package lsp

import (
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// document is one state of an open text. What follows from it is computed when it is needed.
type document struct {
	uri  string
	text *text
	read ReadFile // may be nil

	parse  sync.Once
	file   *dsl.File
	syntax diag.List

	load     sync.Once
	graph    *ir.Graph // nil if there are errors
	summary  ir.Summary
	calls    map[*ir.Node][]diag.Pos // the calls of blocks that each layer comes from
	problems diag.List

	resolve sync.Once
	names   []site
}

// path returns the file of a document, "" if it is no file.
func (d *document) path() string {
	u, err := url.Parse(d.uri)
	if err != nil || u.Scheme != "file" {
		return ""
	}
	p := u.Path
	if runtime.GOOS == "windows" {
		p = strings.TrimPrefix(p, "/")
	}
	return filepath.FromSlash(p)
}

// readBeside reads a file that a spec names, from the folder of the spec.
func (d *document) readBeside(name string) ([]byte, error) {
	p := d.path()
	if p == "" {
		return nil, fmt.Errorf("the text is not saved, so %s has no folder", diag.Quote(name))
	}
	if d.read == nil {
		return nil, fmt.Errorf("this server reads no files, such as %s", diag.Quote(name))
	}
	return d.read(p, name)
}

// name is the name of the text in messages.
func (d *document) name() string {
	if p := d.path(); p != "" {
		return filepath.Base(p)
	}
	return "text.incc"
}

// tree returns the syntax tree.
func (d *document) tree() *dsl.File {
	d.parse.Do(func() { d.file, d.syntax = dsl.Parse(d.name(), d.text.src) })
	return d.file
}

// net builds the network of the text. The graph is nil if the text has errors.
func (d *document) net() *ir.Graph {
	d.load.Do(func() {
		opt := dsl.Options{ReadFile: d.readBeside, Hollow: true}
		told := opt
		d.calls = map[*ir.Node][]diag.Pos{}
		told.Calls = func(n *ir.Node, at []diag.Pos) { d.calls[n] = at }
		d.graph, d.problems = dsl.Load(d.name(), d.text.src, told)
		if d.graph != nil {
			d.summary = ir.Summarize(d.graph)
			d.problems = dsl.Lint(d.name(), d.text.src, opt)
		}
	})
	return d.graph
}

// diagnostics lists the problems of the text.
func (d *document) diagnostics() []diagnostic {
	d.net()
	list := []diagnostic{}
	for _, p := range d.problems {
		list = append(list, d.diagnostic(p))
	}
	return list
}

func (d *document) diagnostic(p *diag.Diagnostic) diagnostic {
	out := diagnostic{Range: d.text.span(p.Span), Severity: 1, Code: p.Code, Source: "incc", Message: p.Summary}
	if p.Severity == diag.Warning {
		out.Severity = 2
	}
	if p.Label != "" {
		out.Message += "\n" + p.Label
	}
	for _, h := range p.Help {
		out.Message += "\nhelp: " + h
	}
	for _, r := range p.Related {
		if r.Span.File == d.name() { // a place in the prelude has no document
			out.RelatedInformation = append(out.RelatedInformation, relatedInformation{location{d.uri, d.text.span(r.Span)}, r.Label})
		}
	}
	return out
}

// actions offers the fixes that the problems in a range know.
func (d *document) actions(in textRange) []codeAction {
	d.net()
	list := []codeAction{}
	for _, p := range d.problems {
		r := d.text.span(p.Span)
		if p.Suggestion == nil || before(r.End, in.Start) || before(in.End, r.Start) {
			continue
		}
		title := fmt.Sprintf("Replace by %q", p.Suggestion.Replacement)
		switch {
		case p.Suggestion.Replacement == "":
			title = "Delete it"
		case p.Suggestion.Span.Len == 0:
			title = fmt.Sprintf("Insert %q", p.Suggestion.Replacement)
		}
		list = append(list, codeAction{Title: title, Kind: "quickfix", Diagnostics: []diagnostic{d.diagnostic(p)}, IsPreferred: true,
			Edit: &workspaceEdit{map[string][]textEdit{d.uri: {{d.text.span(p.Suggestion.Span), p.Suggestion.Replacement}}}}})
	}
	return list
}

func before(a, b position) bool {
	return a.Line < b.Line || a.Line == b.Line && a.Character < b.Character
}

// format returns the edit that lays the text out.
func (d *document) format() (any, *responseError) {
	f := d.tree()
	if d.syntax.HasErrors() {
		return nil, &responseError{requestFailed, "the text has syntax errors: " + d.syntax.Error()}
	}
	out := string(f.Format())
	if out == string(d.text.src) {
		return []textEdit{}, nil
	}
	return []textEdit{{d.text.whole(), out}}, nil
}
