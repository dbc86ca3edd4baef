package dsl

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
)

// Resolve writes overrides into the text of a spec, so that the text completely describes
// a run: the values of lets from opt.Defines, and the settings in want that differ from
// those of the spec. It ignores augmentation. If it changes the text, it also formats it;
// comments stay.
func Resolve(name string, src []byte, opt Options, want recipe.Train) ([]byte, error) {
	g, l := Load(name, src, opt)
	if l.HasErrors() {
		return nil, l.Err()
	}
	whole := src
	if g.Recipe.Train == nil {
		whole = append(slices.Clone(src), "\ntrain {\n}\n"...)
		g.Recipe.Train = &recipe.Train{}
	}
	f, _ := Parse(name, whole)
	r := &resolver{starts: lineStarts(whole)}
	r.lets(f, opt.Defines)
	if g.Recipe.Labels == nil {
		// Load dropped the labels, with a warning, because -D changed the number of
		// outputs.
		Each(f, func(l *Labels) { r.remove(l.Kw, l.end()) })
	}
	Each(f, func(t *Train) { r.train(t, g.Recipe.Train, &want) })
	if len(r.edits) == 0 {
		return src, nil
	}
	text, l := Format(name, r.apply(whole))
	if l.HasErrors() {
		return nil, fmt.Errorf("%s: the overrides cannot be written into it: %w", name, l.Err())
	}
	if len(opt.Defines) > 0 {
		// A word in -D is not looked up, but in the text it could name another let. The
		// new text must give the same graph.
		opt.Defines = nil
		h, l := Load(name, text, opt)
		if l.HasErrors() {
			return nil, fmt.Errorf("%s: -D cannot be written into it: %w", name, l.Err())
		}
		g.Recipe, h.Recipe = &recipe.Recipe{}, &recipe.Recipe{}
		if !bytes.Equal(Print(g), Print(h)) {
			return nil, fmt.Errorf("%s: -D cannot be written into it: a value has the name of a let; give it the let's value", name)
		}
	}
	return text, nil
}

// RenameLabels returns a spec in which the labels statement names another file. It returns
// the spec unchanged if that statement names no file. It returns an error for a spec with
// syntax errors.
func RenameLabels(name string, src []byte, file string) ([]byte, error) {
	f, l := Parse(name, src)
	if l.HasErrors() {
		return nil, l.Err()
	}
	r := &resolver{starts: lineStarts(src)}
	Each(f, func(l *Labels) {
		if l.File != nil && l.File.Text != file {
			r.replace(l.File.Span, strconv.Quote(file))
		}
	})
	return r.apply(src), nil
}

// AddLabels returns a spec with a labels statement that names the classes, behind
// the last input statement. The spec must load and have no labels statement.
func AddLabels(name string, src []byte, classes []string) ([]byte, error) {
	f, l := Parse(name, src)
	if l.HasErrors() {
		return nil, l.Err()
	}
	before := f.Name.Span // a graph may have no input statement
	Each(f, func(i *Input) { before = i.end() })
	r := &resolver{starts: lineStarts(src)}
	end := r.at(before.After())
	line := end + len(src[end:])
	if n := bytes.IndexByte(src[end:], '\n'); n >= 0 {
		line = end + n
	}
	text := "\n" + labelsText(classes)
	if rest := bytes.TrimSpace(src[end:line]); len(rest) == 0 || rest[0] == '#' {
		end = line // a comment stays with the input
	} else {
		text = "; " + text[1:] // more statements are on the line
	}
	r.edits = append(r.edits, edit{end, end, text})
	out, l := Format(name, r.apply(src))
	if l.HasErrors() {
		return nil, fmt.Errorf("%s: the names of the classes cannot be written into it: %w", name, l.Err())
	}
	return out, nil
}

// labelsText is a labels statement, on several lines where it is long.
func labelsText(classes []string) string {
	const width = 100
	var b strings.Builder
	b.WriteString("labels {")
	column := b.Len()
	for _, c := range classes {
		q := strconv.Quote(c)
		if column+1+len(q) > width {
			b.WriteString("\n ")
			column = 1
		}
		b.WriteString(" " + q)
		column += 1 + len(q)
	}
	b.WriteString(" }")
	return b.String()
}

// resolver collects edits of a text.
type resolver struct {
	starts []int // byte offset of each line
	edits  []edit
}

// edit replaces the bytes from from up to to by text.
type edit struct {
	from, to int
	text     string
}

func lineStarts(src []byte) []int {
	starts := []int{0}
	for i, c := range src {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// at returns the byte offset at which a span begins.
func (r *resolver) at(s diag.Span) int { return r.starts[s.Line-1] + s.Col - 1 }

func (r *resolver) replace(s diag.Span, text string) {
	r.edits = append(r.edits, edit{r.at(s), r.at(s.After()), text})
}

// remove deletes the text from the beginning of one span to the end of another.
func (r *resolver) remove(first, last diag.Span) {
	r.edits = append(r.edits, edit{r.at(first), r.at(last.After()), ""})
}

// end returns the span of the last token of the statement.
func (i *Input) end() diag.Span {
	switch n := len(i.Args); {
	case n > 0:
		return i.Args[n-1].Span()
	case i.Shape != nil:
		return i.Shape.Span
	}
	return i.Name.Span
}

// end returns the span of the last token of the statement.
func (l *Labels) end() diag.Span {
	switch {
	case l.Set != nil:
		return l.Set.Span
	case l.File != nil:
		return l.File.Span
	}
	return l.Names.Close
}

// apply makes the edits. Edits at the same place keep their order.
func (r *resolver) apply(src []byte) []byte {
	slices.SortStableFunc(r.edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	var b bytes.Buffer
	at := 0
	for _, e := range r.edits {
		b.Write(src[at:e.from])
		b.WriteString(e.text)
		at = e.to
	}
	b.Write(src[at:])
	return b.Bytes()
}

func (r *resolver) lets(f *File, defines map[string]string) {
	Each(f, func(l *Let) {
		if text, ok := defines[l.Name.Name]; ok && text != l.Value.Raw {
			r.replace(l.Value.Span, text)
		}
	})
}

// train adds the edits that change a train block from the settings in is to those in want.
func (r *resolver) train(t *Train, is, want *recipe.Train) {
	var stmts []string // new statements
	for i := range trainTable {
		s := &trainTable[i]
		if s.about != nil {
			stmts = append(stmts, r.about(s, t, is, want)...)
			continue
		}
		if s.many || s.group == "optimizer" && s.name != want.Optimizer.Kind {
			continue
		}
		// The statement in the text, nil if there is none.
		var c *Call
		if at := slices.IndexFunc(t.Stmts, func(c *Call) bool { return c.Name.Name == s.name }); at >= 0 {
			c = t.Stmts[at]
		}
		added := ""
		if s.word != nil && *s.word(is) != *s.word(want) {
			if w := *s.word(want); c != nil {
				r.replace(c.Args[0].Value.Span, w)
			} else {
				added += " " + w
			}
		}
		for _, k := range s.keys {
			if s.name == "run" && k.name == "average" {
				continue // the statement average says it
			}
			text := fieldText(k.field(want, nil))
			if text == "" || text == fieldText(k.field(is, nil)) {
				continue
			}
			if c != nil && c.Keyed(k.name) != nil {
				r.replace(c.Keyed(k.name).Value.Span, text)
			} else {
				added += " " + k.name + "=" + text
			}
		}
		switch {
		case added == "":
		case c == nil:
			stmts = append(stmts, s.name+added)
		case len(c.Args) > 0:
			r.replace(c.Args[len(c.Args)-1].Span().After(), added)
		default:
			r.replace(c.Name.Span.After(), added)
		}
	}
	if len(stmts) == 0 {
		return
	}
	text := strings.Join(stmts, "\n") + "\n"
	if last := len(t.Stmts) - 1; t.Close.Line == t.Open.Line || last >= 0 && t.Close.Line == t.Stmts[last].Name.Span.Line {
		text = "\n" + text
	}
	r.replace(t.Close.Before(), text)
}

// about removes the statements about parts where others are wanted, and returns those.
func (r *resolver) about(s *trainStmt, t *Train, is, want *recipe.Train) []string {
	texts := func(t *recipe.Train) (l []string) {
		for _, one := range s.about.each(t) {
			args, keys := s.aboutText(one)
			l = append(l, strings.Join(slices.Concat([]string{s.name}, args, keys), " "))
		}
		return l
	}
	stmts := texts(want)
	if slices.Equal(texts(is), stmts) {
		return nil
	}
	for _, c := range t.Stmts {
		if c.Name.Name == s.name {
			r.remove(c.Name.Span, c.Span())
		}
	}
	return stmts
}
