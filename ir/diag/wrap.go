package diag

import "strings"

// Wrap breaks a text into lines of at most width columns: at spaces, otherwise after one
// of the characters / , _ - and ., otherwise between any two characters. It keeps several
// spaces inside a line.
func Wrap(text string, width int) []string {
	width = max(1, width)
	var lines []string
	for Width(text) > width {
		head, rest := Cut(text, width)
		if rest == "" { // a character wider than a line
			break
		}
		end := len(head) // of the line
		if text[end] != ' ' {
			end = strings.LastIndexByte(head, ' ')
		}
		if end < 0 || strings.TrimSpace(text[:end]) == "" {
			end = strings.LastIndexAny(head, "/,_-.") + 1
			if Width(head[:end]) <= width/2 {
				end = len(head)
			}
		}
		lines = append(lines, strings.TrimRight(text[:end], " "))
		text = strings.TrimLeft(text[end:], " ")
	}
	if text != "" || len(lines) == 0 {
		lines = append(lines, text)
	}
	return lines
}

// run is a part of a text in one colour: sgr is "" for none.
type run struct{ sgr, text string }

// lines writes a text that consists of runs. Where the terminal has too few columns for it,
// lines breaks it at spaces and indents the continuation.
func (r *Renderer) lines(b *strings.Builder, indent int, runs ...run) {
	plain := ""
	for _, x := range runs {
		plain += x.text
	}
	lines := []string{plain}
	if r.Columns > 0 && Width(plain) > r.Columns {
		indent = min(indent, r.Columns/2)
		lines = Wrap(plain, r.Columns-indent)
	}
	at := 0 // in plain
	for i, l := range lines {
		if i > 0 {
			b.WriteString(strings.Repeat(" ", indent))
		}
		at += strings.Index(plain[at:], l)
		from := 0 // of the run, in plain
		for _, x := range runs {
			lo, hi := max(at, from), min(at+len(l), from+len(x.text))
			if lo < hi {
				b.WriteString(r.paint(x.sgr, plain[lo:hi]))
			}
			from += len(x.text)
		}
		b.WriteByte('\n')
		at += len(l)
	}
}

// under writes the signs below a source line, and their label: beside them, or where the
// terminal has too few columns for that, below them.
func (r *Renderer) under(b *strings.Builder, bar string, gutter, from int, signs run, label string) {
	line := bar + " " + strings.Repeat(" ", from) + r.paint(signs.sgr, signs.text)
	room := r.Columns - gutter - len(" | ")
	switch {
	case label == "":
		b.WriteString(line + "\n")
		return
	case r.Columns <= 0 || from+len(signs.text)+1+Width(label) <= room:
		b.WriteString(bar + " " + strings.Repeat(" ", from) + r.paint(signs.sgr, signs.text+" "+label) + "\n")
		return
	}
	b.WriteString(line + "\n")
	from = max(0, min(from, room-Width(label), room/2))
	for _, l := range Wrap(label, room-from) {
		b.WriteString(bar + " " + strings.Repeat(" ", from) + r.paint(signs.sgr, l) + "\n")
	}
}
