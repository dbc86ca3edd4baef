package dsl

import (
	"bytes"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// Format returns a text in the standard layout. If the text has errors, it returns only
// these.
func Format(path string, src []byte) ([]byte, diag.List) {
	f, l := Parse(path, src)
	if l.HasErrors() {
		return nil, l
	}
	return f.Format(), l
}

// Format returns the file in the standard layout. The file must have been parsed without
// errors.
func (f *File) Format() []byte {
	p := &printer{src: f.Src, role: f.role}
	p.flow(f.toks)
	p.lay()
	p.align()
	return p.bytes()
}

// chunk is a piece of a row that is written without blanks inside.
type chunk struct {
	text []byte
	role role
}

// row is a line of the formatted text.
type row struct {
	indent  int
	chunks  []chunk
	comment string // after the chunks
	blank   bool   // whether an empty line comes before the row
	more    bool   // whether the row continues the statement of the row before
}

type printer struct {
	src    []byte
	role   []role
	flowed []flowed
	rows   []row
}

// flowed is a token with what the formatter must know about its surroundings.
type flowed struct {
	token
	role  role
	text  string
	lines int       // number of line breaks before it
	semi  bool      // whether a ; comes before it
	multi bool      // for a brace: whether its contents have lines of their own
	after tokenKind // the token before it, comments ignored
	ahead tokenKind // the token after it, comments ignored
	in    int       // index of the innermost { around it, -1 for none; for a }, of its {
}

// flow drops line breaks and semicolons from the tokens and notes where they were. It
// moves an arrow at the end of a line to the beginning of the line on which the pipeline
// continues, after any comments between.
func (p *printer) flow(toks []token) {
	p.flowed = make([]flowed, 0, len(toks))
	var held *flowed // an arrow that waits for the next token that is no comment
	lines, semi := 0, false
	for i, t := range toks {
		switch t.kind {
		case tNewline:
			lines++
			continue
		case tSemi:
			semi = true
			continue
		case tEOF:
			continue
		}
		f := flowed{token: t, role: p.role[i], text: strings.TrimRight(string(p.src[t.off:t.end]), " \t"), lines: lines, semi: semi}
		lines, semi = 0, false
		switch {
		case held != nil && t.kind != tComment:
			held.lines += f.lines
			f.lines = 0
			p.flowed = append(p.flowed, *held, f)
			held = nil
		case t.kind == tArrow:
			held = &f
		default:
			p.flowed = append(p.flowed, f)
		}
	}
	for i, last := 0, tNewline; i < len(p.flowed); i++ {
		if p.flowed[i].after = last; p.flowed[i].kind != tComment {
			last = p.flowed[i].kind
		}
	}
	for i, last := len(p.flowed)-1, tNewline; i >= 0; i-- {
		if p.flowed[i].ahead = last; p.flowed[i].kind != tComment {
			last = p.flowed[i].kind
		}
	}
	open := []int{}
	for i := range p.flowed {
		f := &p.flowed[i]
		if f.lines > 0 {
			// If the contents of braces have a line break, so do all braces around them.
			for j := len(open) - 1; j >= 0 && !p.flowed[open[j]].multi; j-- {
				p.flowed[open[j]].multi = true
			}
		}
		f.in = -1
		if n := len(open); n > 0 {
			f.in = open[n-1]
		}
		switch f.kind {
		case tOpen:
			open = append(open, i)
		case tClose:
			f.multi = p.flowed[f.in].multi
			open = open[:len(open)-1]
		}
	}
}

// lay divides the tokens into rows.
func (p *printer) lay() {
	type level struct {
		indent int // columns before a statement
		label  int // width of the current statement's label, its colon and a blank
	}
	levels := []level{{}}
	top := func() *level { return &levels[len(levels)-1] }
	breakNext := false // whether the token before is a { with multi
	for i, f := range p.flowed {
		var prev flowed
		if i > 0 {
			prev = p.flowed[i-1]
		}
		opener := 0
		if f.kind == tClose && f.multi {
			opener = top().indent - 2
			levels = levels[:len(levels)-1]
		}
		more := f.kind == tArrow || f.kind == tComment && f.ahead == tArrow
		afterEq := f.after == tEq
		begins := i == 0 || breakNext && (f.kind != tComment || f.lines > 0) || prev.kind == tComment ||
			f.kind == tClose && f.multi ||
			f.kind == tComment && f.lines > 0 ||
			f.lines > 0 && !(afterEq && f.kind != tComment) ||
			f.semi && (f.in < 0 || p.flowed[f.in].multi)
		breakNext = f.kind == tOpen && f.multi
		if begins {
			r := row{indent: top().indent, more: more || afterEq}
			if f.kind == tClose && f.multi {
				r.indent = opener
			} else if r.more {
				r.indent += max(top().label, 2)
			}
			r.blank = f.lines > 1 && !r.more && f.kind != tClose && i > 0 && prev.kind != tOpen
			p.rows = append(p.rows, r)
			if !r.more && f.kind != tClose {
				top().label = 0
			}
		}
		r := &p.rows[len(p.rows)-1]
		if f.kind == tComment {
			r.comment = f.text
			continue
		}
		if f.semi && p.inline(i) {
			c := &r.chunks[len(r.chunks)-1]
			c.text = append(c.text, ';')
		}
		if begins || !glued(prev, f) {
			r.chunks = append(r.chunks, chunk{role: f.role})
		}
		c := &r.chunks[len(r.chunks)-1]
		c.text = append(c.text, f.text...)
		switch {
		case f.kind == tColon:
			if len(r.chunks) == 1 {
				top().label = len(c.text) + 1
			}
		case f.kind == tOpen && f.multi:
			levels = append(levels, level{indent: r.indent + 2})
		}
	}
}

// inline reports whether token i begins a branch, other than the first, in braces that are
// on one line.
func (p *printer) inline(i int) bool {
	f := p.flowed[i]
	return f.in >= 0 && f.in != i-1 && f.kind != tClose && !p.flowed[f.in].multi
}

// glued reports whether the layout has no blank between the neighbours a and b.
func glued(a, b flowed) bool {
	switch {
	case a.kind == tEq:
		return a.role != rSpacedEq
	case b.kind == tEq:
		return b.role != rSpacedEq
	case b.kind == tComma, b.kind == tColon:
		return true
	case a.kind == tComma:
		return a.role != rOut
	case a.kind == tOpen && b.kind == tClose:
		return true
	}
	return false
}

// align aligns the arguments of neighbouring rows that form a table in columns, and the =
// of neighbouring assignments.
func (p *printer) align() {
	for i := 0; i < len(p.rows); {
		j := i + 1
		switch {
		case p.rows[i].assigns() > 0:
			for j < len(p.rows) && p.rows[j].assigns() > 0 && !p.rows[j].blank {
				j++
			}
			alignAssigns(p.rows[i:j])
		case p.rows[i].args() >= 3:
			for j < len(p.rows) && !p.rows[j].blank && sameTable(&p.rows[i], &p.rows[j]) {
				j++
			}
			if j > i+1 {
				alignTable(p.rows[i:j])
			}
		}
		i = j
	}
}

// assigns returns the number of chunks before the = of an assignment, or 0 if the row is
// not an assignment.
func (r *row) assigns() int {
	if len(r.chunks) == 0 || r.chunks[0].role != rOut || r.more {
		return 0
	}
	for i, c := range r.chunks {
		if c.role == rSpacedEq {
			return i
		}
	}
	return 0
}

// widestName is the greatest width, in columns, to which names before an = are padded. A
// longer name moves only its own =.
const widestName = 24

func alignAssigns(rows []row) {
	width := 0
	for i := range rows {
		if w := rows[i].width(rows[i].assigns()); w <= widestName {
			width = max(width, w)
		}
	}
	for i := range rows {
		n := rows[i].assigns()
		if w := rows[i].width(n); w < width {
			c := &rows[i].chunks[n-1]
			c.text = append(c.text, strings.Repeat(" ", width-w)...)
		}
	}
}

// width returns the width of the first n chunks in columns.
func (r *row) width(n int) int {
	w := n - 1
	for _, c := range r.chunks[:n] {
		w += diag.Width(string(c.text))
	}
	return w
}

// call returns the index of the chunk with the row's first call, or -1 if the row does not
// begin with a call or a label and a call.
func (r *row) call() int {
	switch {
	case r.more || len(r.chunks) == 0:
	case r.chunks[0].role == rCall:
		return 0
	case r.chunks[0].role == rLabel && len(r.chunks) > 1 && r.chunks[1].role == rCall:
		return 1
	}
	return -1
}

// args returns the number of arguments of the row's first call.
func (r *row) args() int {
	c := r.call()
	if c < 0 {
		return 0
	}
	n := 0
	for n+c+1 < len(r.chunks) && r.chunks[n+c+1].role == rArg {
		n++
	}
	return n
}

// key returns the key of a key=value argument, or nil for an argument without a key.
func (c chunk) key() []byte {
	if c.text[0] == '"' {
		return nil
	}
	if k, _, ok := bytes.Cut(c.text, []byte("=")); ok {
		return k
	}
	return nil
}

// sameTable reports whether two rows belong to one table: the same op, number of arguments
// and keys.
func sameTable(a, b *row) bool {
	ca, cb, n := a.call(), b.call(), a.args()
	if ca < 0 || ca != cb || a.indent != b.indent || !bytes.Equal(a.chunks[ca].text, b.chunks[cb].text) || n != b.args() {
		return false
	}
	for i := ca + 1; i <= ca+n; i++ {
		if !bytes.Equal(a.chunks[i].key(), b.chunks[i].key()) {
			return false
		}
	}
	return true
}

// widestCell is the greatest width of a column. Tables with a longer argument are not
// aligned.
const widestCell = 40

func alignTable(rows []row) {
	c, n := rows[0].call(), rows[0].args()
	width := make([]int, c+n+1)
	numbers := make([]bool, c+n+1) // columns of numbers, which are aligned to the right
	for col := range width {
		numbers[col] = col > c
		for i := range rows {
			t := rows[i].chunks[col].text
			width[col] = max(width[col], diag.Width(string(t)))
			numbers[col] = numbers[col] && isNumber(string(bytes.TrimSuffix(t, []byte(";"))))
		}
		if width[col] > widestCell {
			return
		}
	}
	for i := range rows {
		for col := range width {
			t := &rows[i].chunks[col].text
			pad := bytes.Repeat([]byte(" "), width[col]-diag.Width(string(*t)))
			if numbers[col] {
				*t = append(pad, *t...)
			} else {
				*t = append(*t, pad...)
			}
		}
	}
}

// deepest is the greatest indentation in columns. Without a limit, a small file with
// deeply nested braces would become a large one.
const deepest = 80

func (p *printer) bytes() []byte {
	var b []byte
	for _, r := range p.rows {
		if r.blank {
			b = append(b, '\n')
		}
		b = append(b, strings.Repeat(" ", min(r.indent, deepest))...)
		for i, c := range r.chunks {
			if i > 0 {
				b = append(b, ' ')
			}
			b = append(b, c.text...)
		}
		b = bytes.TrimRight(b, " ")
		if r.comment != "" {
			if len(r.chunks) > 0 {
				b = append(b, "  "...)
			} else {
				b = append(b, strings.Repeat(" ", min(r.indent, deepest))...)
			}
			b = append(b, r.comment...)
		}
		b = append(b, '\n')
	}
	return b
}
