package fit

import (
	"fmt"
	"io"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// Table prints rows in aligned columns. The sign > at the start of a header is not
// printed; it aligns the column to the right.
type Table struct {
	head  []string
	right []bool
	rows  [][]string // a nil row is a rule
}

// NewTable returns a table with the headers of its columns.
func NewTable(head ...string) *Table {
	t := &Table{head: make([]string, len(head)), right: make([]bool, len(head))}
	for i, h := range head {
		h, t.right[i] = strings.CutPrefix(h, ">")
		t.head[i] = diag.Printable(h) // some are names of files
	}
	return t
}

// Add adds a row. Cells that are not given are empty.
func (t *Table) Add(cells ...any) {
	row := make([]string, len(t.head))
	for i, c := range cells {
		row[i] = diag.Printable(fmt.Sprint(c)) // names come from files
	}
	t.rows = append(t.rows, row)
}

// Rows is the number of rows, with rules.
func (t *Table) Rows() int { return len(t.rows) }

// Rule adds a line between rows.
func (t *Table) Rule() { t.rows = append(t.rows, nil) }

// leastText is the smallest width of a column whose text is broken into lines.
const leastText = 12

// Write prints the table in lines of at most limit columns; 0 is no limit. If the table is
// too wide, Write breaks texts into lines. If it is still too wide, Write prints every row
// as a list of its cells.
func (t *Table) Write(w io.Writer, limit int) error {
	var b strings.Builder
	if width, ok := t.widths(limit); ok {
		t.writeRows(&b, width)
	} else {
		t.writeList(&b, limit)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widths returns the widths of the columns. ok is false if they cannot be made narrow
// enough.
func (t *Table) widths(limit int) (width []int, ok bool) {
	width = make([]int, len(t.head))
	total := 2 * (len(t.head) - 1)
	for i, h := range t.head {
		width[i] = diag.Width(h)
		for _, r := range t.rows {
			if r != nil {
				width[i] = max(width[i], diag.Width(r[i]))
			}
		}
		total += width[i]
	}
	for limit > 0 && total > limit { // make the widest column of text narrower, by one each time
		widest := -1
		for i := range width {
			if !t.right[i] && width[i] > max(leastText, diag.Width(t.head[i])) && (widest < 0 || width[i] > width[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return nil, false
		}
		width[widest]--
		total--
	}
	return width, true
}

func (t *Table) writeRows(b *strings.Builder, width []int) {
	row := func(cells []string) {
		lines, height := make([][]string, len(cells)), 1
		for i, c := range cells {
			lines[i] = diag.Wrap(c, width[i])
			height = max(height, len(lines[i]))
		}
		for k := range height {
			var line strings.Builder
			for i := range cells {
				if i > 0 {
					line.WriteString("  ")
				}
				c := ""
				if k < len(lines[i]) {
					c = lines[i][k]
				}
				if t.right[i] {
					line.WriteString(strings.Repeat(" ", width[i]-diag.Width(c)) + c)
				} else {
					line.WriteString(diag.Pad(c, width[i]))
				}
			}
			b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		}
	}
	rule := make([]string, len(t.head))
	for i := range rule {
		rule[i] = strings.Repeat("-", width[i])
	}
	row(t.head)
	row(rule)
	for _, r := range t.rows {
		if r == nil {
			r = rule
		}
		row(r)
	}
}

// writeList prints each row as a list: first its name, and below it the other cells, each
// after the header of its column, with as many in a line as fit. A cell of a column
// without a header is a mark before the name.
func (t *Table) writeList(b *strings.Builder, limit int) {
	const indent = "  "
	for _, r := range t.rows {
		if r == nil {
			b.WriteString(strings.Repeat("-", min(limit, 20)) + "\n")
			continue
		}
		mark, line, named := "", "", false
		flush := func() {
			if diag.Width(indent+line) <= limit {
				b.WriteString(indent + line + "\n")
				return
			}
			for i, l := range diag.Wrap(line, limit-2*len(indent)) {
				if i > 0 {
					l = indent + l
				}
				b.WriteString(indent + l + "\n")
			}
		}
		for i, c := range r {
			pair := c
			if t.head[i] != "" {
				pair = t.head[i] + ": " + c
			}
			switch {
			case c == "":
			case !named && t.head[i] == "":
				mark += c + " "
			case !named:
				named = true
				for _, l := range Hang(mark+c, limit) {
					b.WriteString(l + "\n")
				}
			case line == "":
				line = pair
			case diag.Width(indent+line+indent+pair) <= limit:
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
