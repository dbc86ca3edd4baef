package hdf5

import (
	"bytes"
)

// maxDepth is the largest depth of a B-tree.
const maxDepth = 32

// symbolTable lists the links of a group as HDF5 wrote them until 1.8: a B-tree of symbol
// table nodes, with names in a local heap (sections III.A.1, III.B and III.D).
func (f *File) symbolTable(tree, heap uint64) ([]Link, error) {
	c, err := f.block(heap, 32, "HEAP")
	if err != nil {
		return nil, err
	}
	c.bytes(4) // version
	size := c.uint(8)
	c.bytes(8) // free list
	names, err := f.read(c.addr(), size, "local heap")
	if err != nil {
		return nil, err
	}
	var list []Link
	err = f.tree1(tree, 0, 8, maxDepth, func(_ *cursor, child uint64) error {
		return f.symbols(child, names, &list)
	})
	return list, err
}

// symbols adds the links of a symbol table node.
func (f *File) symbols(at uint64, names []byte, list *[]Link) error {
	const entry = 40
	c, err := f.block(at, 8, "SNOD")
	if err != nil {
		return err
	}
	c.bytes(2) // version
	n := c.u16()
	b, err := f.read(at+8, uint64(n)*entry, c.what)
	if err != nil {
		return err
	}
	for i := range n {
		e := &cursor{b: b[i*entry : (i+1)*entry], begin: at + 8 + uint64(i)*entry, what: c.what}
		name, at, cache := e.addr(), e.addr(), e.u32()
		if name >= uint64(len(names)) {
			return e.fail("the name of a link is at %d of %d bytes of the heap", name, len(names))
		}
		text, _, ended := bytes.Cut(names[name:], []byte{0})
		if !ended {
			return e.fail("the name of a link does not end")
		}
		if f.left -= int64(len(text)); f.left < 0 {
			return e.fail("the names of links are longer than the file allows")
		}
		if cache != 2 && at != undefined { // 2: a soft link
			*list = append(*list, Link{Name: string(text), at: at})
		}
	}
	return nil
}

// tree1 visits the children of the leaves of a B-tree of version 1, with the key before each.
func (f *File) tree1(at uint64, kind, keyBytes, depth int, visit func(key *cursor, child uint64) error) error {
	c, err := f.block(at, 24, "TREE")
	if err != nil {
		return err
	}
	k, level, n := c.byte(), c.byte(), c.u16()
	if k != kind {
		return c.fail("it is of type %d (want %d)", k, kind)
	}
	if level >= depth {
		return c.fail("it is of level %d inside one of level %d", level, depth)
	}
	b, err := f.read(at+24, uint64(n)*uint64(keyBytes+8), c.what)
	if err != nil {
		return err
	}
	e := &cursor{b: b, begin: at + 24, what: c.what}
	for range n {
		key := &cursor{b: e.bytes(keyBytes), begin: e.begin + uint64(e.at), what: c.what}
		child := e.addr()
		if level > 0 {
			err = f.tree1(child, kind, keyBytes, level, visit)
		} else {
			err = visit(key, child)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
