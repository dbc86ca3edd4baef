package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/incc-lang/incc/ir/diag"
)

// table prints rows in aligned columns. A header that begins with > (which is not
// printed) aligns its column to the right.
type table struct {
	head []string
	rows [][]string // a nil row is a rule
}

func newTable(head ...string) *table { return &table{head: head} }

func (t *table) add(cells ...any) {
	row := make([]string, len(t.head))
	for i, c := range cells {
		row[i] = diag.Printable(fmt.Sprint(c)) // names come from files
	}
	t.rows = append(t.rows, row)
}

func (t *table) rule() { t.rows = append(t.rows, nil) }

func (t *table) write(w io.Writer) {
	width := make([]int, len(t.head))
	right := make([]bool, len(t.head))
	head := make([]string, len(t.head))
	for i, h := range t.head {
		head[i], right[i] = strings.CutPrefix(h, ">")
		width[i] = utf8.RuneCountInString(head[i])
		for _, r := range t.rows {
			if r != nil {
				width[i] = max(width[i], utf8.RuneCountInString(r[i]))
			}
		}
	}
	line := func(cells []string) {
		var b strings.Builder
		for i, c := range cells {
			if i > 0 {
				b.WriteString("  ")
			}
			fill := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if right[i] {
				b.WriteString(fill + c)
			} else {
				b.WriteString(c + fill)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
	rule := make([]string, len(t.head))
	for i := range rule {
		rule[i] = strings.Repeat("-", width[i])
	}
	line(head)
	line(rule)
	for _, r := range t.rows {
		if r == nil {
			r = rule
		}
		line(r)
	}
}

// thousands returns a number with commas: 6,998,552.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		s = "-" + s
	}
	return s
}

// bytesText returns a number of bytes in the largest unit in which it is at least 1.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
