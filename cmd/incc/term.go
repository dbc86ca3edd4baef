package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// columns returns the width, in characters, of the terminal that w writes to. It asks the
// terminal at every call, because the user may change the size. For a terminal of unknown
// size it returns the value of the variable COLUMNS, or 80. It returns 0, which means no
// limit, if w is a file, a pipe or a buffer.
func columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !isTerminal(f) {
		return 0
	}
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		return n
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return 80
}

// say prints a text and a line break. On a terminal it breaks lines that are too long.
func say(w io.Writer, text string) error {
	if n := columns(w); n > 0 {
		text = fit(text, n)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// wrap breaks a text into lines of at most width characters: at spaces, otherwise after
// one of the characters / , _ - and ., otherwise anywhere. It keeps several spaces inside
// a line.
func wrap(text string, width int) []string {
	width = max(1, width)
	var lines []string
	for utf8.RuneCountInString(text) > width {
		var end, next int // the end of the line; the start of the rest
		for i, n := 0, 0; i < len(text) && n <= width; n++ {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == ' ' && strings.TrimSpace(text[:i]) != "" {
				end, next = i, i+size
			}
			i += size
		}
		if end == 0 {
			for i, n := 0, 0; n < width; n++ {
				r, size := utf8.DecodeRuneInString(text[i:])
				if i += size; strings.ContainsRune("/,_-.", r) || n == width-1 && end <= width/2 {
					end, next = i, i
				}
			}
		}
		lines = append(lines, strings.TrimRight(text[:end], " "))
		text = strings.TrimLeft(text[next:], " ")
	}
	if text != "" || len(lines) == 0 {
		lines = append(lines, text)
	}
	return lines
}

// fit breaks a text into lines of at most width characters. Lines at the left edge form
// paragraphs; if a line of a paragraph is too long, fit breaks the whole paragraph again.
// Indented lines, and lines with columns (separated by two spaces), are examples and
// tables: fit breaks each of them separately and indents its continuation.
func fit(text string, width int) string {
	var out, paragraph []string
	flush := func() {
		long := false
		for _, l := range paragraph {
			long = long || utf8.RuneCountInString(l) > width
		}
		if long {
			paragraph = wrap(strings.Join(paragraph, " "), width)
		}
		out, paragraph = append(out, paragraph...), nil
	}
	for _, l := range strings.Split(text, "\n") {
		if l != "" && l[0] != ' ' && !strings.Contains(l, "  ") {
			paragraph = append(paragraph, l)
			continue
		}
		flush()
		out = append(out, hang(l, width)...)
	}
	flush()
	return strings.Join(out, "\n")
}

// hang breaks a line. It indents the continuation by two columns more than the line, or
// to the second column of the line (the text after two spaces).
func hang(line string, width int) []string {
	if utf8.RuneCountInString(line) <= width {
		return []string{line}
	}
	body := strings.TrimLeft(line, " ")
	first := len(line) - len(body)
	indent := first + 2
	if i := strings.Index(body, "  "); i > 0 {
		column := first + i + len(body[i:]) - len(strings.TrimLeft(body[i:], " "))
		if column <= width/2 {
			head := line[:column]
			lines := wrap(line[column:], width-column)
			for j := range lines {
				lines[j] = head + lines[j]
				head = strings.Repeat(" ", column)
			}
			return lines
		}
	}
	first, indent = min(first, width/4), min(indent, width/4+2)
	lines := wrap(body, width-indent)
	for j := range lines {
		if j == 0 {
			lines[j] = strings.Repeat(" ", first) + lines[j]
		} else {
			lines[j] = strings.Repeat(" ", indent) + lines[j]
		}
	}
	return lines
}
