package hdf5

import (
	"slices"
	"strings"
)

// maxMessages is the largest number of messages of an object.
const maxMessages = 100_000

// Types of messages in object headers (section IV.A.2).
const (
	msgDataspace    = 0x01
	msgLinkInfo     = 0x02
	msgDatatype     = 0x03
	msgLink         = 0x06
	msgLayout       = 0x08
	msgFilters      = 0x0b
	msgAttribute    = 0x0c
	msgContinuation = 0x10
	msgSymbolTable  = 0x11
	msgAttrInfo     = 0x15
)

// message is a message of an object header.
type message struct {
	kind   int
	shared bool
	c      *cursor // its contents
}

// again returns the contents from their beginning.
func (m message) again() *cursor {
	c := *m.c
	c.at = 0
	return &c
}

// Object is a group or an array of the file.
type Object struct {
	f        *File
	at       uint64
	ordered  bool // messages have a creation order
	messages []message
}

// Root returns the root group.
func (f *File) Root() (*Object, error) { return f.object(f.root) }

// object reads an object header.
func (f *File) object(at uint64) (*Object, error) {
	o := &Object{f: f, at: at}
	b, err := f.read(at, 16, "object header")
	if err != nil {
		return nil, err
	}
	var more []uint64 // addresses and lengths of continuations
	if string(b[:4]) == "OHDR" {
		more, err = o.version2(at)
	} else {
		more, err = o.version1(at, b)
	}
	if err != nil {
		return nil, err
	}
	v2 := string(b[:4]) == "OHDR"
	for len(more) > 0 {
		at, n := more[0], more[1]
		more = more[2:]
		var next []uint64
		var c *cursor
		if v2 {
			c, err = f.block(at, n, "OCHK")
			if err == nil {
				c.b = c.b[:max(c.at, len(c.b)-4)] // without the checksum
			}
		} else {
			var b []byte
			b, err = f.read(at, n, "continuation of an object header")
			c = &cursor{b: b, begin: at, what: "continuation of an object header"}
		}
		if err != nil {
			return nil, err
		}
		if next, err = o.collect(c, v2); err != nil {
			return nil, err
		}
		more = append(more, next...)
	}
	return o, nil
}

func (o *Object) version1(at uint64, head []byte) (more []uint64, err error) {
	c := &cursor{b: head, begin: at, what: "object header"}
	if v := c.byte(); v != 1 {
		return nil, c.fail("it is of version %d (want 1 or 2)", v)
	}
	c.bytes(7) // reserved, the number of messages, the number of references
	n := c.uint(4)
	b, err := o.f.read(at+16, n, c.what)
	if err != nil {
		return nil, err
	}
	return o.collect(&cursor{b: b, begin: at + 16, what: c.what}, false)
}

func (o *Object) version2(at uint64) (more []uint64, err error) {
	const longest = 4 + 2 + 16 + 4 + 8
	c, err := o.f.block(at, min(longest, uint64(o.f.size)-at), "OHDR")
	if err != nil {
		return nil, err
	}
	if v := c.byte(); v != 2 {
		return nil, c.fail("it is of version %d (want 1 or 2)", v)
	}
	flags := c.byte()
	if flags&0x20 != 0 {
		c.bytes(16) // times
	}
	if flags&0x10 != 0 {
		c.bytes(4) // when attributes move to a heap
	}
	n := c.uint(1 << (flags & 3))
	if err := c.err(); err != nil {
		return nil, err
	}
	begin := at + uint64(c.at)
	b, err := o.f.read(begin, n, c.what)
	if err != nil {
		return nil, err
	}
	o.ordered = flags&4 != 0
	return o.collect(&cursor{b: b, begin: begin, what: c.what}, true)
}

// collect lists the messages of a block, and returns the addresses and lengths of blocks that
// continue it.
func (o *Object) collect(c *cursor, v2 bool) (more []uint64, err error) {
	least := 8
	if v2 {
		least = 4
	}
	for c.left() >= least {
		m := message{}
		var size int
		if v2 {
			m.kind, size = c.byte(), c.u16()
			m.shared = c.byte()&2 != 0
			if o.ordered {
				c.bytes(2)
			}
		} else {
			m.kind, size = c.u16(), c.u16()
			m.shared = c.byte()&2 != 0
			c.bytes(3)
		}
		begin := c.begin + uint64(c.at)
		m.c = &cursor{b: c.bytes(size), begin: begin, what: "message of an object header"}
		if c.short {
			return nil, c.fail("a message of %d bytes is longer than the block", size)
		}
		if len(o.messages) == maxMessages {
			return nil, c.fail("it has more than %d messages", maxMessages)
		}
		if m.kind != msgContinuation {
			o.messages = append(o.messages, m)
			continue
		}
		at, n := m.c.addr(), m.c.uint(8)
		if err := m.c.err(); err != nil {
			return nil, err
		}
		more = append(more, at, n)
	}
	return more, nil
}

// message returns the contents of the message of a kind, or nil.
func (o *Object) message(kind int, what string) (*cursor, error) {
	for _, m := range o.messages {
		if m.kind != kind {
			continue
		}
		if m.shared {
			return nil, blockError(o.at, "object header", "a %s that objects share is not read", what)
		}
		c := m.again()
		c.what = what
		return c, nil
	}
	return nil, nil
}

// Link is an object of a group.
type Link struct {
	Name string

	at uint64
}

// IsGroup reports whether an object is a group.
func (o *Object) IsGroup() bool {
	return slices.ContainsFunc(o.messages, func(m message) bool {
		return m.kind == msgSymbolTable || m.kind == msgLinkInfo || m.kind == msgLink
	})
}

// Links lists the objects of a group by their names. Soft links and links to other files are
// left out.
func (o *Object) Links() ([]Link, error) {
	list, err := o.links()
	slices.SortStableFunc(list, func(a, b Link) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

func (o *Object) links() (list []Link, err error) {
	if c, err := o.message(msgSymbolTable, "symbol table message"); err != nil {
		return nil, err
	} else if c != nil {
		tree, heap := c.addr(), c.addr()
		if err := c.err(); err != nil {
			return nil, err
		}
		return o.f.symbolTable(tree, heap)
	}
	for _, m := range o.messages {
		if m.kind != msgLink {
			continue
		}
		if err := addLink(&list, m.again()); err != nil {
			return nil, err
		}
	}
	c, err := o.message(msgLinkInfo, "link info message")
	if c == nil || err != nil {
		return list, err
	}
	c.byte() // version
	if flags := c.byte(); flags&1 != 0 {
		c.bytes(8)
	}
	heap, tree := c.addr(), c.addr()
	if err := c.err(); err != nil {
		return nil, err
	}
	if heap == undefined || tree == undefined {
		return list, nil
	}
	err = o.f.dense(heap, tree, linkIDs, func(c *cursor) error { return addLink(&list, c) })
	return list, err
}

// addLink reads a link message. It adds the link if it is a hard one.
func addLink(list *[]Link, c *cursor) error {
	c.what = "link"
	if v := c.byte(); v != 1 {
		return c.fail("it is of version %d (want 1)", v)
	}
	flags := c.byte()
	kind := 0
	if flags&8 != 0 {
		kind = c.byte()
	}
	l := Link{}
	if flags&4 != 0 {
		c.bytes(8) // the order of creation
	}
	if flags&16 != 0 {
		c.byte() // the character set
	}
	n := c.uint(1 << (flags & 3))
	if n > uint64(c.left()) {
		return c.fail("its name has %d bytes, it has %d", n, c.left())
	}
	l.Name = string(c.bytes(int(n)))
	if kind != 0 {
		return c.err()
	}
	l.at = c.addr()
	*list = append(*list, l)
	return c.err()
}

// Open reads the object of a link.
func (o *Object) Open(l Link) (*Object, error) { return o.f.object(l.at) }

// Find returns the object of a group with a name, or nil.
func (o *Object) Find(name string) (*Object, error) {
	list, err := o.links()
	if err != nil {
		return nil, err
	}
	for _, l := range list {
		if l.Name == name {
			return o.Open(l)
		}
	}
	return nil, nil
}
