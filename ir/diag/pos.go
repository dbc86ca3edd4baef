// Package diag represents and prints error messages about a text: what is wrong, where,
// why, and how to correct it.
//
// A [Diagnostic] carries one problem: a code that `incc explain` knows, a
// summary, the exact span, what else contributed, and where possible the fix.
// A [List] carries all problems of a text; a [Renderer] shows them with their
// source lines and carets, [List.WriteJSON] one JSON object a line.
package diag

import "strconv"

// Pos is a place in a source text. Line and Col count from 1, Col in bytes; the
// zero Pos is no place at all.
type Pos struct {
	File string
	Line int
	Col  int
}

// IsValid reports whether p is a place.
func (p Pos) IsValid() bool { return p.Line > 0 }

func (p Pos) String() string {
	if !p.IsValid() {
		if p.File == "" {
			return "-"
		}
		return p.File
	}
	s := strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
	if p.File != "" {
		s = p.File + ":" + s
	}
	return s
}

// before orders places by file, line and column.
func (p Pos) before(q Pos) bool {
	if p.File != q.File {
		return p.File < q.File
	}
	if p.Line != q.Line {
		return p.Line < q.Line
	}
	return p.Col < q.Col
}

// Span is a stretch of one line: Len bytes from Pos.
type Span struct {
	Pos
	Len int
}

// To is the span from the start of s to the end of t. Where t ends on another
// line, or before s, there is no such stretch and s itself is the answer.
func (s Span) To(t Span) Span {
	if s.File != t.File || s.Line != t.Line || t.Col+t.Len < s.Col+s.Len {
		return s
	}
	s.Len = t.Col + t.Len - s.Col
	return s
}

// After is the empty span right behind s.
func (s Span) After() Span {
	s.Col += s.Len
	s.Len = 0
	return s
}

// Before is the empty span right in front of s.
func (s Span) Before() Span {
	s.Len = 0
	return s
}
