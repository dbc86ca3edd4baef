package decompile

import (
	"strings"
)

// width is how many columns a line has that is not broken.
const width = 112

// writer writes stages as text.
type writer struct {
	strings.Builder
	set *settings
}

// head returns the text of a stage before its braces.
func (w *writer) head(s *stage) string {
	words := []string{s.op}
	kernel := ""
	var keys []string
	for i := range s.fields {
		f := &s.fields[i]
		t := f.alts[0]
		switch {
		case f.key == "kernel":
			kernel = t
		case f.key == "stride":
			if t != "1" || strings.HasSuffix(s.op, "pool") {
				kernel += "/" + t
			}
			words = append(words, kernel)
		case f.positional():
			words = append(words, t)
		case !w.set.hidden(s.op, f):
			keys = append(keys, f.key+"="+t)
		}
	}
	words = append(words, keys...)
	if s.proj != nil {
		words = append(words, "proj={ "+w.inline(s.proj)+" }")
	}
	return strings.Join(words, " ")
}

// call returns the text of a stage on one line.
func (w *writer) call(s *stage) string {
	t := w.head(s)
	if s.body == nil {
		return t
	}
	var list []string
	for _, q := range s.body {
		list = append(list, w.inline(q))
	}
	return t + " { " + strings.Join(list, "; ") + " }"
}

// inline returns the text of a pipeline on one line.
func (w *writer) inline(q *seq) string {
	var list []string
	for _, s := range q.stages {
		list = append(list, w.call(s))
	}
	t := strings.Join(list, " -> ")
	if q.label != "" {
		t = q.label + ": " + t
	}
	return t
}

// pipeline writes a pipeline behind a text, such as a label, and breaks it into lines where
// it is too long. indent is the column where the text begins.
func (w *writer) pipeline(before string, q *seq, indent int) {
	col := indent + len(before)
	w.WriteString(before)
	in := indent
	if strings.HasSuffix(before, ": ") {
		in += len(before)
	}
	for i, s := range q.stages {
		text := w.call(s)
		arrow := ""
		if i > 0 {
			arrow = " -> "
		}
		switch {
		case col+len(arrow)+len(text) <= width:
			w.WriteString(arrow + text)
			col += len(arrow) + len(text)
			continue
		case i > 0 && in+3+len(text) <= width:
			w.WriteString("\n-> " + text)
			col = in + 3 + len(text)
			continue
		case s.body == nil && i > 0:
			w.WriteString("\n-> " + text)
			col = in + 3 + len(text)
			continue
		case s.body == nil:
			w.WriteString(text)
			col += len(text)
			continue
		}
		head := w.head(s)
		if i > 0 && col+len(arrow)+len(head)+2 > width {
			w.WriteString("\n")
			col = in
		}
		w.WriteString(arrow + head + " {\n")
		for _, b := range s.body {
			w.pipeline("", b, in+2)
			w.WriteString("\n")
		}
		w.WriteString("}")
		col = in + 1
	}
}
