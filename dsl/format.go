package dsl

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/incc-lang/incc/ir/diag"
)

// Format is the text in its one layout. Where the text has errors, they are the
// answer.
func Format(path string, src []byte) ([]byte, diag.List) {
	f, l := Parse(path, src)
	if l.HasErrors() {
		return nil, l
	}
	return f.Format(), l
}

// Format is the file in its one layout. The file must have been parsed without
// errors.
func (f *File) Format() []byte {
	p := &printer{src: f.Src, role: f.role}
	p.flow(f.toks)
	p.lay()
	p.align()
	return p.bytes()
}

// chunk is what is written without blanks inside.
type chunk struct {
	text []byte
	role role
}

// row is a line of the formatted text.
type row struct {
	indent  int
	chunks  []chunk
	comment string // behind the chunks, or alone
	blank   bool   // an empty line before it
	more    bool   // continues the statement of the row before
}

type printer struct {
	src    []byte
	role   []role
	flowed []flowed
	rows   []row
}

// flowed is a token and its surroundings.
type flowed struct {
	token
	role  role
	text  string
	lines int       // line breaks before it
	semi  bool      // a ; before it
	multi bool      // of a brace: its contents are on lines of their own
	after tokenKind // the token before it, comments ignored
	ahead tokenKind // the token after it, comments ignored
	in    int       // the { around it, -1 without; of a } its partner
}

// flow drops line breaks and semicolons from the tokens and remembers where they
// were. An arrow at the end of a line moves to where the pipeline goes on, behind
// the comments between.
func (p *printer) flow(toks []token) {
	p.flowed = make([]flowed, 0, len(toks))
	var held *flowed // an arrow that waits for the token behind it
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
			// Braces around a part on several lines are on several lines too.
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
		indent int // of statements
		label  int // width of the current statement's label with its colon and blank
	}
	levels := []level{{}}
	top := func() *level { return &levels[len(levels)-1] }
	breakNext := false // behind the { of a part on several lines
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

// inline reports whether token i is in braces on one line, and a ; separates it from the
// branch before.
func (p *printer) inline(i int) bool {
	f := p.flowed[i]
	return f.in >= 0 && f.in != i-1 && f.kind != tClose && !p.flowed[f.in].multi
}

// glued reports whether there is no blank between a and b.
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

// align puts neighbouring rows that are lines of a table into columns, and the
// = of neighbouring assignments below each other.
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

// assigns is the number of chunks before the = of an assignment, 0 where r is
// none.
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

// widestName is the longest name that others are padded to; longer ones stick
// out rather than push a whole graph to the right.
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

// width is how many columns the first n chunks take.
func (r *row) width(n int) int {
	w := n - 1
	for _, c := range r.chunks[:n] {
		w += utf8.RuneCount(c.text)
	}
	return w
}

// call is the index of the chunk of the row's first call, -1 where the row does
// not begin with one.
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

// args is the number of arguments of the row's first call.
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

// key returns the key of a key=value argument, nil if it has none.
func (c chunk) key() []byte {
	if c.text[0] == '"' {
		return nil
	}
	if k, _, ok := bytes.Cut(c.text, []byte("=")); ok {
		return k
	}
	return nil
}

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

// widestCell is the longest argument that makes a column; a table with a longer
// one stays as it is.
const widestCell = 40

func alignTable(rows []row) {
	c, n := rows[0].call(), rows[0].args()
	width := make([]int, c+n+1)
	numbers := make([]bool, c+n+1) // to the right
	for col := range width {
		numbers[col] = col > c
		for i := range rows {
			t := rows[i].chunks[col].text
			width[col] = max(width[col], utf8.RuneCount(t))
			numbers[col] = numbers[col] && isNumber(string(bytes.TrimSuffix(t, []byte(";"))))
		}
		if width[col] > widestCell {
			return
		}
	}
	for i := range rows {
		for col := range width {
			t := &rows[i].chunks[col].text
			pad := bytes.Repeat([]byte(" "), width[col]-utf8.RuneCount(*t))
			if numbers[col] {
				*t = append(pad, *t...)
			} else {
				*t = append(*t, pad...)
			}
		}
	}
}

// deepest is the column beyond which nothing is indented: more could not be
// read, and a small file nested deeply would become a large one.
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
