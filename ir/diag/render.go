package diag

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Sources holds source texts. The key is the File of the spans.
type Sources map[string][]byte

// line returns line n of a text, counted from 1, without its line break and without a
// byte order mark. ok is false if there is no such line.
func (s Sources) line(file string, n int) (string, bool) {
	src, ok := s[file]
	if !ok || n < 1 {
		return "", false
	}
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	for ; n > 1; n-- {
		i := bytes.IndexByte(src, '\n')
		if i < 0 {
			return "", false
		}
		src = src[i+1:]
	}
	if i := bytes.IndexByte(src, '\n'); i >= 0 {
		src = src[:i]
	}
	return string(bytes.TrimSuffix(src, []byte("\r"))), true
}

// Renderer shows problems to a person:
//
//	specs/my.incc:14:18: error[E0301]: branches of concat differ in height and width
//	   |
//	14 |   conv 1x1 16 -> conv 3x3/2 32
//	   |                  ^^^^^^^^^^^^^ this branch is 14x14
//	12 |   conv 1x1 64
//	   |   ----------- the others are 28x28
//	   = help: drop the stride, or give every branch /2
//
// The zero Renderer shows all problems, without colour. It has no sources, so it shows
// no source lines.
type Renderer struct {
	Sources Sources
	Color   bool // print ANSI colours; the caller must check NO_COLOR and the terminal
	Max     int  // the largest number of problems to show, 0 for all
	Width   int  // the largest number of columns of a source line, 0 for 100 or what fits Columns
	Columns int  // of the terminal, for which long lines are broken; 0 for no limit
}

// Render writes the problems in the order of l, with a blank line between them. If
// there are more than Max, it says how many it left out.
func (r *Renderer) Render(w io.Writer, l List) error {
	var b strings.Builder
	shown := l
	if r.Max > 0 && len(l) > r.Max {
		shown = l[:r.Max]
	}
	for i, d := range shown {
		if i > 0 {
			b.WriteByte('\n')
		}
		r.one(&b, d)
	}
	if rest := l[len(shown):]; len(rest) > 0 {
		b.WriteString("\n" + r.paint("1", rest.Tally()+" more, not shown") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String returns what Render writes.
func (r *Renderer) String(l List) string {
	var b strings.Builder
	r.Render(&b, l) // a Builder returns no error
	return b.String()
}

// mark is a span to mark under its source line, with its label.
type mark struct {
	span    Span
	label   string
	primary bool
}

func (r *Renderer) one(b *strings.Builder, d *Diagnostic) {
	tint := "1;31"
	if d.Severity == Warning {
		tint = "1;33"
	}
	head := d.Severity.String()
	if d.Code != "" {
		head += "[" + d.Code + "]"
	}
	place := ""
	if d.Span.IsValid() || d.Span.File != "" {
		place = Path(d.Span.File, d.Span.Pos) + ": "
	}
	r.lines(b, 2, run{"", place}, run{tint, Printable(head)}, run{"1", ": " + oneLine(d.Summary)})

	var marks []mark
	if d.Span.IsValid() {
		marks = append(marks, mark{d.Span, d.Label, true})
	}
	related := slices.Clone(d.Related)
	slices.SortStableFunc(related, func(x, y Related) int {
		switch {
		case x.Span.File != y.Span.File && (x.Span.File == d.Span.File || y.Span.File == d.Span.File):
			if x.Span.File == d.Span.File {
				return -1
			}
			return 1
		case x.Span.before(y.Span.Pos):
			return -1
		case y.Span.before(x.Span.Pos):
			return 1
		}
		return 0
	})
	for _, x := range related {
		if x.Span.IsValid() {
			marks = append(marks, mark{x.Span, x.Label, false})
		}
	}
	gutter := 1
	for _, m := range marks {
		gutter = max(gutter, len(strconv.Itoa(m.span.Line)))
	}
	bar := r.paint("34", strings.Repeat(" ", gutter)+" |")
	equals := run{"34", strings.Repeat(" ", gutter) + " = "}

	file, line := d.Span.File, 0
	for i, m := range marks {
		text, ok := r.Sources.line(m.span.File, m.span.Line)
		if m.span.File != file {
			r.lines(b, gutter+3, run{"34", strings.Repeat(" ", gutter) + " ::: "}, run{"", Path(m.span.File, m.span.Pos)})
			file, line = m.span.File, 0
		}
		if !ok {
			// There is no source line: print the label as a note.
			if !m.primary || m.label != "" {
				at := ""
				if !m.primary {
					at = Path(m.span.File, m.span.Pos) + ": "
				}
				r.lines(b, gutter+3, equals, run{"", "note: " + at + oneLine(m.label)})
			}
			continue
		}
		if i == 0 {
			b.WriteString(bar + "\n")
		}
		shown, from, width := r.window(text, m.span)
		if line != m.span.Line || shown.clipped {
			num := strconv.Itoa(m.span.Line)
			b.WriteString(strings.TrimRight(r.paint("34", strings.Repeat(" ", gutter-len(num))+num+" |")+" "+shown.text, " ") + "\n")
		}
		line = m.span.Line
		sign, color := "-", "34"
		if m.primary {
			sign, color = "^", tint
		}
		r.under(b, bar, gutter, from, run{color, strings.Repeat(sign, width)}, oneLine(m.label))
	}
	for _, h := range d.Help {
		r.lines(b, gutter+3, equals, run{"1", "help: "}, run{"", oneLine(h)})
	}
}

func (r *Renderer) paint(sgr, s string) string {
	if !r.Color || s == "" || sgr == "" {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

// oneLine returns s with line breaks replaced by spaces and other control characters
// escaped.
func oneLine(s string) string {
	return Printable(strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(s))
}

// sourceWidth is how many columns of a source line are shown.
func (r *Renderer) sourceWidth() int {
	const (
		usual  = 100
		beside = 12 // the number of the line, a bar, and the signs of what was cut
	)
	switch {
	case r.Width > 0:
		return r.Width
	case r.Columns > 0:
		return min(usual, max(20, r.Columns-beside))
	}
	return usual
}

type shownLine struct {
	text    string
	clipped bool
}

// window returns the part of a line to show. Tabs become spaces up to the next multiple
// of eight columns, unprintable runes are escaped, and a line that is too long is cut to
// the part around the span. from is the column of that part at which the span begins,
// width the number of columns of the span.
func (r *Renderer) window(text string, s Span) (shown shownLine, from, width int) {
	most := r.sourceWidth()
	// Look only at the text near the span: a line may be a megabyte long.
	lo, hi := 0, len(text)
	start := min(max(s.Col-1, 0), len(text))
	end := min(start+max(s.Len, 0), len(text))
	if len(text) > 8*most {
		if lo = start - 4*most; lo < 0 {
			lo = 0
		}
		if hi = min(end, start+4*most) + 4*most; hi > len(text) {
			hi = len(text)
		}
		for lo > 0 && !utf8.RuneStart(text[lo]) {
			lo--
		}
		for hi < len(text) && !utf8.RuneStart(text[hi]) {
			hi++
		}
	}
	type cell struct {
		s   string
		col int // of its first column
		w   int
	}
	var cells []cell
	col := 0
	first, last := -1, -1 // columns of the span
	for i := lo; i < hi; {
		c, n := utf8.DecodeRuneInString(text[i:])
		piece := text[i : i+n]
		w := 0
		switch {
		case c == '\t':
			w = 8 - col%8
			piece = strings.Repeat(" ", w)
		case hasImage(c, n):
			w = columns(c)
		default:
			piece = escape(c, piece)
			w = len(piece)
		}
		if i <= start && start < i+n {
			first = col
		}
		if i < end {
			last = col + w
		}
		cells = append(cells, cell{piece, col, w})
		col += w
		i += n
	}
	if first < 0 {
		first = col // the span begins after the end of the line
	}
	last = max(last, first+1)

	// Show the span and some text before it. If the span is longer than the window, show
	// its beginning.
	left, right := 0, col
	if lo > 0 || hi < len(text) || max(col, last) > most {
		left = max(0, min(first-most/4, max(col, last)-most))
		if lo == 0 && last <= most {
			left = 0
		}
		right = min(left+most, max(col, last))
	}
	var b strings.Builder
	cutLeft, cutRight := left > 0 || lo > 0, right < col || hi < len(text)
	if cutLeft {
		b.WriteString("… ")
		from = 2
	}
	begun := -1
	for _, c := range cells {
		if c.col < left || c.col+c.w > right {
			continue
		}
		if begun < 0 {
			begun = c.col
		}
		b.WriteString(c.s)
	}
	if begun < 0 {
		begun = left
	}
	if cutRight {
		b.WriteString(" …")
	}
	from += max(first-begun, 0)
	width = max(1, min(last, right)-first)
	return shownLine{b.String(), cutLeft || cutRight}, from, width
}
