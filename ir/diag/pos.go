// Package diag represents and prints error messages about a text: what is wrong, where,
// why, and how to correct it.
//
// A [Diagnostic] is one problem: a code that `incc explain` explains, a summary, the
// exact span, related places, and if possible a fix. A [List] holds all problems of a
// text. A [Renderer] prints them for people, with source lines and carets;
// [List.WriteJSON] prints them for tools, one JSON object on each line.
package diag

import "strconv"

// Pos is a place in a source text. Line and Col count from 1, Col in bytes. The zero
// Pos means that there is no place.
type Pos struct {
	File string
	Line int
	Col  int
}

// IsValid reports whether p is a place, that is, has a line.
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

// Span is a part of one line: Len bytes from Pos.
type Span struct {
	Pos
	Len int
}

// To returns the span from the start of s to the end of t. If t is on another line or
// ends before s does, it returns s.
func (s Span) To(t Span) Span {
	if s.File != t.File || s.Line != t.Line || t.Col+t.Len < s.Col+s.Len {
		return s
	}
	s.Len = t.Col + t.Len - s.Col
	return s
}

// After returns the empty span at the end of s.
func (s Span) After() Span {
	s.Col += s.Len
	s.Len = 0
	return s
}

// Before returns the empty span at the start of s.
func (s Span) Before() Span {
	s.Len = 0
	return s
}
