package lsp

import (
	"bytes"
	"sort"
	"unicode/utf8"

	"github.com/incc-lang/incc/ir/diag"
)

// text is the content of a document with its lines.
type text struct {
	src    []byte
	starts []int // of the lines
	utf8   bool  // positions count bytes, not UTF-16 units
}

func newText(src []byte, utf8 bool) *text {
	t := &text{src: src, starts: []int{0}, utf8: utf8}
	for i, c := range src {
		if c == '\n' {
			t.starts = append(t.starts, i+1)
		}
	}
	return t
}

// line returns a line without its line break.
func (t *text) line(i int) []byte {
	if i < 0 || i >= len(t.starts) {
		return nil
	}
	end := len(t.src)
	if i+1 < len(t.starts) {
		end = t.starts[i+1] - 1
	}
	return bytes.TrimSuffix(t.src[t.starts[i]:end], []byte("\r"))
}

// offset returns the byte of a position. Positions behind a line's or the text's end mean
// that end.
func (t *text) offset(p position) int {
	if p.Line < 0 {
		return 0
	}
	if p.Line >= len(t.starts) {
		return len(t.src)
	}
	line, at := t.line(p.Line), t.starts[p.Line]
	if t.utf8 {
		return at + min(max(p.Character, 0), len(line))
	}
	units := 0
	for i, r := range string(line) {
		if units >= p.Character {
			return at + i
		}
		units += utf16Len(r)
	}
	return at + len(line)
}

func utf16Len(r rune) int {
	if r >= 0x10000 {
		return 2
	}
	return 1
}

// position returns the place of a byte.
func (t *text) position(offset int) position {
	offset = min(max(offset, 0), len(t.src))
	line := sort.SearchInts(t.starts, offset+1) - 1
	b := t.src[t.starts[line]:offset]
	if t.utf8 {
		return position{line, len(b)}
	}
	units := 0
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		units += utf16Len(r)
		b = b[n:]
	}
	return position{line, units}
}

// start returns the first byte of a span. The language counts columns of the first line
// behind a byte order mark.
func (t *text) start(s diag.Span) int {
	if !s.IsValid() || s.Line > len(t.starts) {
		return 0
	}
	at := t.starts[s.Line-1] + s.Col - 1
	if s.Line == 1 && bytes.HasPrefix(t.src, []byte("\xef\xbb\xbf")) {
		at += 3
	}
	return min(at, len(t.src))
}

// span returns the range of a span.
func (t *text) span(s diag.Span) textRange {
	at := t.start(s)
	return textRange{t.position(at), t.position(at + s.Len)}
}

// between returns the range from the start of a span to the end of another.
func (t *text) between(from, to diag.Span) textRange {
	return textRange{t.position(t.start(from)), t.position(t.start(to) + to.Len)}
}

// change returns the text after an edit of the editor.
func (t *text) change(c contentChange) *text {
	if c.Range == nil {
		return newText([]byte(c.Text), t.utf8)
	}
	from, to := t.offset(c.Range.Start), t.offset(c.Range.End)
	if to < from {
		from, to = to, from
	}
	src := make([]byte, 0, len(t.src)-(to-from)+len(c.Text))
	src = append(append(append(src, t.src[:from]...), c.Text...), t.src[to:]...)
	return newText(src, t.utf8)
}

// whole is the range of the whole text.
func (t *text) whole() textRange { return textRange{position{}, t.position(len(t.src))} }
