package ir

import "reflect"

// Table maps each op to a function of a backend. C is the type of the context that
// the functions need, such as an emitter or a planner.
type Table[C any] struct {
	rows map[reflect.Type]func(Op, *Node, C) error
}

// Row is one op's entry in a Table.
type Row[C any] struct {
	typ reflect.Type
	f   func(Op, *Node, C) error
}

// For makes the row of one op from a function that takes the op's Go type.
func For[T Op, C any](f func(op T, n *Node, c C) error) Row[C] {
	return Row[C]{reflect.TypeFor[T](), func(op Op, n *Node, c C) error { return f(op.(T), n, c) }}
}

// NewTable returns a table of the rows. It panics if an op has two rows. Tables are
// package variables, so this bug shows when the program starts.
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

// Do calls the function for the node's op. ok is false if the op has no row.
func (t *Table[C]) Do(n *Node, c C) (ok bool, err error) {
	f := t.rows[reflect.TypeOf(n.Op)]
	if f == nil {
		return false, nil
	}
	return true, f(n.Op, n, c)
}
