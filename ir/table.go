package ir

import "reflect"

// Table is a backend's own list of what it does with each op: typed rows,
// readable from top to bottom. C is whatever the rows need (an emitter, a
// planner).
type Table[C any] struct {
	rows map[reflect.Type]func(Op, *Node, C) error
}

// Row is one op's entry in a Table.
type Row[C any] struct {
	typ reflect.Type
	f   func(Op, *Node, C) error
}

// For makes a row from a function over one op's type.
func For[T Op, C any](f func(op T, n *Node, c C) error) Row[C] {
	return Row[C]{reflect.TypeFor[T](), func(op Op, n *Node, c C) error { return f(op.(T), n, c) }}
}

// NewTable returns the table of the rows; an op that has two is a bug and
// panics while the package initializes.
func NewTable[C any](rows ...Row[C]) *Table[C] {
	t := &Table[C]{map[reflect.Type]func(Op, *Node, C) error{}}
	for _, r := range rows {
		if t.rows[r.typ] != nil {
			panic("ir: two rows for " + r.typ.String())
		}
		t.rows[r.typ] = r.f
	}
	return t
}

// Has reports whether the op has a row.
func (t *Table[C]) Has(op Op) bool { return t.rows[reflect.TypeOf(op)] != nil }

// Missing names the defined ops that have no row.
func (t *Table[C]) Missing() []string {
	var m []string
	for _, d := range Defs() {
		if t.rows[d.typ] == nil {
			m = append(m, d.Name)
		}
	}
	return m
}

// Do runs the row of the node's op. ok is false where there is none.
func (t *Table[C]) Do(n *Node, c C) (ok bool, err error) {
	f := t.rows[reflect.TypeOf(n.Op)]
	if f == nil {
		return false, nil
	}
	return true, f(n.Op, n, c)
}
