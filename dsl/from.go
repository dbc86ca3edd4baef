package dsl

import (
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// fromForm is the form of a value that an earlier line made.
func fromForm() *form {
	return &form{
		name: "from", doc: "The output of an earlier line with a label, in place of the input: skip connections over many lines, as in a U-Net (Ronneberger 2015).",
		pos:   []slot{{"part", kPart, "", "label of an earlier line"}},
		build: (*builder).fromPart,
	}
}

// kPart is a label, or a path of labels and blocks in quotes.
var kPart = &kind{want: "the label of an earlier line", parse: func(v *value) (any, bool) {
	l := v.lit()
	switch {
	case l == nil:
		return "", false
	case l.Kind == NameLit || l.Kind == StringLit:
		return l.Text, l.Text != ""
	case l.Kind == NumberLit && l.IsInt:
		return l.Raw, true
	}
	return "", false
}}

func (b *builder) fromPart(c *Call, a *bound, cx context, _ *ir.Value) *ir.Value {
	name, ok := a.vals["part"].(string)
	if !a.ok || !ok {
		return nil
	}
	return b.part(name, a.where("part", c), cx)
}

// part returns the output of a labelled line that ends before a place. The label may be one in a
// body around the place, or a path from the top. It reports an error if there is none.
func (b *builder) part(name string, at diag.Span, cx context) *ir.Value {
	if b.checking {
		return nil // the labels around the use of a block are not known
	}
	g := b.g.Graph()
	open := false
	for prefix := cx.scope.prefix; ; {
		for _, n := range []string{prefix + name + cx.suffix, prefix + name} {
			if i, ok := b.labelled[n]; ok {
				if v := g.Parts[i].Out; v != nil {
					return v
				}
				open = true
			}
		}
		if prefix == "" {
			break
		}
		prefix = prefix[:strings.LastIndexByte(strings.TrimSuffix(prefix, "/"), '/')+1]
	}
	if in := g.Inputs; len(in) > 0 && in[0].Name == name {
		return in[0]
	}
	if b.lost[name] {
		return nil // an error in that line was reported
	}
	if open {
		b.uses(b.err(cx, "E0310", at, "the line %s is not at its end here", diag.Quote(name)).WithHelp("a line can read only the output of lines before it"), cx)
		return nil
	}
	d := b.err(cx, "E0310", at, "no line above has the label %s, and the input has another name", diag.Quote(name))
	var names []string
	for _, p := range g.Parts {
		if p.Out != nil {
			names = append(names, p.Name)
		}
	}
	if near, ok := diag.Nearest(name, names); ok {
		d.WithHelp("did you mean %s?", near)
	} else {
		d.WithHelp("give the line whose output is meant a label: %s: conv 3x3 64", name)
	}
	b.uses(d, cx)
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }
