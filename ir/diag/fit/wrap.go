// Package fit lays out texts and tables for a terminal of some columns. Widths are those
// of diag.Width, so Chinese and Japanese names and combining accents keep columns aligned.
package fit

import (
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// Text breaks a text into lines of at most width characters. Lines at the left edge form
// paragraphs; if a line of a paragraph is too long, Text breaks the whole paragraph again.
// Indented lines, and lines with columns (separated by two spaces), are examples and
// tables: Text breaks each of them separately and indents its continuation.
func Text(text string, width int) string {
	var out, paragraph []string
	flush := func() {
		long := false
		for _, l := range paragraph {
			long = long || diag.Width(l) > width
		}
		if long {
			paragraph = diag.Wrap(strings.Join(paragraph, " "), width)
		}
		out, paragraph = append(out, paragraph...), nil
	}
	for _, l := range strings.Split(text, "\n") {
		if l != "" && l[0] != ' ' && !strings.Contains(l, "  ") {
			paragraph = append(paragraph, l)
			continue
		}
		flush()
		out = append(out, Hang(l, width)...)
	}
	flush()
	return strings.Join(out, "\n")
}

// Hang breaks a line. It indents the continuation by two columns more than the line, or
// to the second column of the line (the text after two spaces).
func Hang(line string, width int) []string {
	if diag.Width(line) <= width {
		return []string{line}
	}
	body := strings.TrimLeft(line, " ")
	first := len(line) - len(body)
	indent := first + 2
	if i := strings.Index(body, "  "); i > 0 {
		column := first + i + len(body[i:]) - len(strings.TrimLeft(body[i:], " "))
		if column <= width/2 {
			head := line[:column]
			lines := diag.Wrap(line[column:], width-column)
			for j := range lines {
				lines[j] = head + lines[j]
				head = strings.Repeat(" ", column)
			}
			return lines
		}
	}
	first, indent = min(first, width/4), min(indent, width/4+2)
	lines := diag.Wrap(body, width-indent)
	for j := range lines {
		if j == 0 {
			lines[j] = strings.Repeat(" ", first) + lines[j]
		} else {
			lines[j] = strings.Repeat(" ", indent) + lines[j]
		}
	}
	return lines
}
