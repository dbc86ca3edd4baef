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

// columns is the width of the terminal behind w in characters. It is asked for each
// time, so that a terminal may change its size. A terminal that does not tell its size
// has that of the variable COLUMNS, else 80 columns. 0 means that there is no limit: w
// is a file, a pipe or a buffer.
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

// say prints a text and a line break. On a terminal its lines are made to fit.
func say(w io.Writer, text string) error {
	if n := columns(w); n > 0 {
		text = fit(text, n)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// wrap breaks a text into lines of at most width characters: at spaces, else behind one
// of the characters / , _ - and ., else anywhere. Runs of spaces inside a line stay.
func wrap(text string, width int) []string {
	width = max(1, width)
	var lines []string
	for utf8.RuneCountInString(text) > width {
		var end, next int // of the line; of the rest
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

// fit makes the lines of a text at most width characters long. Lines at the left edge are
// paragraphs, which are filled anew if one of their lines is too long. Indented lines and
// lines with columns, which two spaces separate, are examples and tables: each is broken
// on its own, with its continuation indented.
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

// hang breaks a line whose continuation is indented by two columns more than the line,
// or as far as the second column of the line, which two spaces separate from the first.
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
