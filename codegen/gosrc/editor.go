package gosrc

import (
	"go/token"
	"slices"
)

// editor replaces parts of a Go file.
type editor struct {
	fset  *token.FileSet
	src   []byte
	edits []edit
}

type edit struct {
	from, to int // in bytes
	text     string
}

// replace replaces what is between two places. Edits may be within one another; then the outer
// one counts.
func (e *editor) replace(from, to token.Pos, text string) {
	e.edits = append(e.edits, edit{e.fset.Position(from).Offset, e.fset.Position(to).Offset, text})
}

func (e *editor) bytes() []byte {
	slices.SortFunc(e.edits, func(a, b edit) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	var out []byte
	at := 0
	for _, x := range e.edits {
		if x.from < at {
			continue
		}
		out = append(append(out, e.src[at:x.from]...), x.text...)
		at = x.to
	}
	return append(out, e.src[at:]...)
}
