// Package diag says what is wrong with a text, where, why, and how to mend it.
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

// Span is a stretch of one line: Len bytes from Pos.
type Span struct {
	Pos
	Len int
}
