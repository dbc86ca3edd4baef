package hdf5

import (
	"bytes"
	"strings"
)

// attribute is an attribute whose contents have not been read.
type attribute struct {
	name  string
	typ   datatype
	shape []uint64
	data  *cursor
}

// attributes calls visit for each attribute of an object.
func (o *Object) attributes(visit func(*attribute) error) error {
	each := func(c *cursor) error {
		a, err := readAttribute(c)
		if a == nil || err != nil {
			return err
		}
		return visit(a)
	}
	for _, m := range o.messages {
		if m.kind == msgAttribute && !m.shared {
			if err := each(m.again()); err != nil {
				return err
			}
		}
	}
	c, err := o.message(msgAttrInfo, "attribute info message")
	if c == nil || err != nil {
		return err
	}
	c.byte() // version
	if flags := c.byte(); flags&1 != 0 {
		c.bytes(2)
	}
	heap, tree := c.addr(), c.addr()
	if err := c.err(); err != nil {
		return err
	}
	if heap == undefined || tree == undefined {
		return nil
	}
	return o.f.dense(heap, tree, attrIDs, each)
}

// readAttribute reads an attribute message. It returns nil for an attribute whose type or
// shape is shared, or that has no elements.
func readAttribute(c *cursor) (*attribute, error) {
	c.what = "attribute"
	version, flags := c.byte(), c.byte()
	nameBytes, typeBytes, spaceBytes := c.u16(), c.u16(), c.u16()
	pad := func(n int) int { return n }
	switch version {
	case 1:
		flags = 0
		pad = func(n int) int { return (n + 7) / 8 * 8 }
	case 2:
	case 3:
		c.byte() // the character set of the name
	default:
		return nil, c.fail("it is of version %d (want 1 to 3)", version)
	}
	if flags&3 != 0 {
		return nil, nil
	}
	part := func(n int) *cursor {
		begin := c.begin + uint64(c.at)
		b := c.bytes(pad(n))
		return &cursor{b: b[:min(n, len(b))], begin: begin}
	}
	name, typ, space := part(nameBytes), part(typeBytes), part(spaceBytes)
	if err := c.err(); err != nil {
		return nil, err
	}
	a := &attribute{data: c}
	text, _, _ := bytes.Cut(name.b, []byte{0})
	a.name = string(text)
	var err error
	if a.typ, err = readDatatype(typ); err != nil {
		return nil, err
	}
	var ok bool
	if a.shape, ok, err = readDataspace(space); err != nil || !ok {
		return nil, err
	}
	return a, nil
}

// Strings returns the strings of an attribute: one, or those of a list. found is false if the
// object has no such attribute, or one without elements.
func (o *Object) Strings(name string) (list []string, found bool, err error) {
	err = o.attributes(func(a *attribute) error {
		if a.name != name {
			return nil
		}
		found = true
		list, err = o.f.strings(a)
		return err
	})
	return list, found, err
}

// maxStrings is the largest number of strings of an attribute.
const maxStrings = 1 << 20

func (f *File) strings(a *attribute) ([]string, error) {
	n := uint64(1)
	for _, d := range a.shape {
		if d > maxStrings {
			return nil, a.data.fail("it has an axis of %d", d)
		}
		if n *= d; n > maxStrings {
			return nil, a.data.fail("it has %d elements", n)
		}
	}
	if n == 0 {
		return nil, nil
	}
	width := uint64(16) // of the place of a string of variable length
	switch {
	case a.typ.class == classString:
		width = uint64(a.typ.size)
	case !a.typ.variable:
		return nil, a.data.fail("%q does not hold strings", a.name)
	}
	if width == 0 || n*width > uint64(a.data.left()) {
		return nil, a.data.fail("%q has %d strings of %d bytes, and room for %d bytes", a.name, n, width, a.data.left())
	}
	var list []string
	var total uint64
	for range n {
		b := a.data.bytes(int(width))
		if a.typ.variable {
			c := &cursor{b: b, begin: a.data.begin, what: a.data.what}
			length, heap, index := c.uint(4), c.addr(), c.u32()
			var err error
			if b, err = f.global(heap, index); err != nil {
				return nil, err
			}
			b = b[:min(length, uint64(len(b)))]
			if total += uint64(len(b)); total > uint64(f.size)+1<<20 {
				return nil, a.data.fail("the strings of %q are longer than the file", a.name)
			}
		}
		text, _, _ := bytes.Cut(b, []byte{0})
		list = append(list, strings.ToValidUTF8(string(text), "\ufffd"))
	}
	return list, nil
}

// global returns an object of a global heap (section III.E). The file keeps the last heap.
func (f *File) global(at uint64, index int) ([]byte, error) {
	if at == 0 {
		return nil, nil // an empty string
	}
	if f.lastHeap == nil || f.lastHeapAt != at {
		c, err := f.block(at, 16, "GCOL")
		if err != nil {
			return nil, err
		}
		c.bytes(4) // version
		b, err := f.read(at, c.uint(8), c.what)
		if err != nil {
			return nil, err
		}
		if len(b) < 16 {
			return nil, c.fail("it has %d bytes", len(b))
		}
		f.lastHeap, f.lastHeapAt = map[int][]byte{}, at
		c = &cursor{b: b, at: 16, begin: at, what: c.what}
		for c.left() >= 16 {
			i := c.u16()
			c.bytes(6) // references
			n := c.uint(8)
			if i == 0 { // what is free
				break
			}
			if n > uint64(c.left()) {
				return nil, c.fail("object %d has %d bytes, and room for %d", i, n, c.left())
			}
			f.lastHeap[i] = c.bytes(int(n))
			c.bytes(min(int(-n&7), c.left()))
		}
	}
	b, ok := f.lastHeap[index]
	if !ok {
		return nil, blockError(at, "global heap", "there is no object %d", index)
	}
	return b, nil
}
