package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/incc-lang/incc/ir/diag"
)

// table prints rows in aligned columns. The sign > at the start of a header is not
// printed; it aligns the column to the right.
type table struct {
	head []string
	rows [][]string // a nil row is a rule
}

func newTable(head ...string) *table {
	t := &table{}
	for _, h := range head {
		t.head = append(t.head, diag.Printable(h)) // some are names of files
	}
	return t
}

func (t *table) add(cells ...any) {
	row := make([]string, len(t.head))
	for i, c := range cells {
		row[i] = diag.Printable(fmt.Sprint(c)) // names come from files
	}
	t.rows = append(t.rows, row)
}

func (t *table) rule() { t.rows = append(t.rows, nil) }

// write prints the table. If it is too wide for the terminal, write breaks texts into
// lines. If it is still too wide, write prints every row as a list of its cells.
func (t *table) write(w io.Writer) { t.writeWidth(w, columns(w)) }

// leastText is the smallest width of a column whose text is broken into lines.
const leastText = 12

func (t *table) writeWidth(w io.Writer, limit int) {
	width := make([]int, len(t.head))
	right := make([]bool, len(t.head))
	head := make([]string, len(t.head))
	total := 2 * (len(t.head) - 1)
	for i, h := range t.head {
		head[i], right[i] = strings.CutPrefix(h, ">")
		width[i] = utf8.RuneCountInString(head[i])
		for _, r := range t.rows {
			if r != nil {
				width[i] = max(width[i], utf8.RuneCountInString(r[i]))
			}
		}
		total += width[i]
	}
	for limit > 0 && total > limit { // make the widest column of text narrower, by one character each time
		widest := -1
		for i := range width {
			if !right[i] && width[i] > max(leastText, utf8.RuneCountInString(head[i])) && (widest < 0 || width[i] > width[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			t.writeList(w, head, limit)
			return
		}
		width[widest]--
		total--
	}
	row := func(cells []string) {
		lines, height := make([][]string, len(cells)), 1
		for i, c := range cells {
			lines[i] = wrap(c, width[i])
			height = max(height, len(lines[i]))
		}
		for k := range height {
			var b strings.Builder
			for i := range cells {
				if i > 0 {
					b.WriteString("  ")
				}
				c := ""
				if k < len(lines[i]) {
					c = lines[i][k]
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
	}
	rule := make([]string, len(t.head))
	for i := range rule {
		rule[i] = strings.Repeat("-", width[i])
	}
	row(head)
	row(rule)
	for _, r := range t.rows {
		if r == nil {
			r = rule
		}
		row(r)
	}
}

// writeList prints each row as a list: first its name, and below it the other cells, each
// after the header of its column, with as many in a line as fit.
func (t *table) writeList(w io.Writer, head []string, limit int) {
	const indent = "  "
	for _, r := range t.rows {
		if r == nil {
			fmt.Fprintln(w, strings.Repeat("-", min(limit, 20)))
			continue
		}
		name, line := "", ""
		flush := func() {
			for i, l := range wrap(line, limit-2*len(indent)) {
				if i > 0 {
					l = indent + l
				}
				fmt.Fprintln(w, indent+l)
			}
		}
		for i, c := range r {
			switch pair := head[i] + ": " + c; {
			case c == "":
			case utf8.RuneCountInString(name) < 3: // a mark does not name a row
				name = strings.TrimLeft(name+" "+c, " ")
				if i+1 < len(r) && len(name) < 3 {
					continue
				}
				for _, l := range hang(name, limit) {
					fmt.Fprintln(w, l)
				}
			case line == "":
				line = pair
			case utf8.RuneCountInString(indent+line+indent+pair) <= limit:
				line += indent + pair
			default:
				flush()
				line = pair
			}
		}
		if line != "" {
			flush()
		}
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
