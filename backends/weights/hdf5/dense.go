package hdf5

import "math/bits"

// Types of B-trees of version 2 that list objects of a fractal heap (section III.A.2), and the
// offset of the ID of the heap in their records.
const (
	linkIDs = 5 // by the hash of the name: hash, ID
	attrIDs = 8 // by the hash of the name: ID, flags, order, hash
)

// heap is a fractal heap (section III.G).
type heap struct {
	f           *File
	offsetBytes int    // of an offset in the heap
	lengthBytes int    // of a length in an ID
	width       int    // blocks of a row
	start       uint64 // bytes of a block of the first row
	maxDirect   uint64
	root        uint64
	rows        int // of the root, 0 if it is a direct block
}

// dense visits the objects of a fractal heap in the order of a B-tree of version 2.
func (f *File) dense(heapAt, tree uint64, kind int, visit func(*cursor) error) error {
	h, err := f.heap(heapAt)
	if err != nil {
		return err
	}
	return f.tree2(tree, kind, func(record *cursor) error {
		if kind == linkIDs {
			record.bytes(4)
		}
		c, err := h.object(record)
		if err != nil {
			return err
		}
		return visit(c)
	})
}

func (f *File) heap(at uint64) (*heap, error) {
	c, err := f.block(at, 142, "FRHP")
	if err != nil {
		return nil, err
	}
	h := &heap{f: f}
	c.bytes(3) // version, length of IDs
	if filters := c.u16(); filters != 0 {
		return nil, c.fail("compressed heaps are not read")
	}
	c.byte() // flags
	maxManaged := c.uint(4)
	c.bytes(96) // large objects, free space and counts
	h.width = c.u16()
	h.start, h.maxDirect = c.uint(8), c.uint(8)
	heapBits := c.u16()
	c.bytes(2) // rows that the root had at first
	h.root, h.rows = c.addr(), c.u16()
	h.offsetBytes = (heapBits + 7) / 8
	h.lengthBytes = min((bits.Len64(max(h.maxDirect, 1)-1)+7)/8, (bits.Len64(maxManaged)+7)/8)
	if err := c.err(); err != nil {
		return nil, err
	}
	if h.width < 1 || h.start < 1 || heapBits > 64 || h.start > h.maxDirect || h.maxDirect > 1<<40 {
		return nil, c.fail("the sizes of its blocks are not valid: rows of %d, %d to %d bytes", h.width, h.start, h.maxDirect)
	}
	return h, nil
}

// object returns the contents of the object with an ID.
func (h *heap) object(id *cursor) (*cursor, error) {
	if kind := id.byte() >> 4 & 3; kind != 0 {
		return nil, id.fail("large and tiny objects of a fractal heap are not read")
	}
	offset, n := id.uint(h.offsetBytes), id.uint(h.lengthBytes)
	if err := id.err(); err != nil {
		return nil, err
	}
	at, err := h.find(h.root, h.rows, offset, 0)
	if err != nil {
		return nil, err
	}
	b, err := h.f.read(at, n, "object of a fractal heap")
	return &cursor{b: b, begin: at, what: "object of a fractal heap"}, err
}

// maxBlock is the largest block of a heap that is read.
const maxBlock = 1 << 46

// rowBytes returns the size of the blocks of a row.
func (h *heap) rowBytes(row int) uint64 {
	size := h.start
	for range row - 1 {
		if size > maxBlock {
			break
		}
		size *= 2
	}
	return size
}

// find returns the place in the file of an offset inside a block of the heap: a direct block
// if it has no rows.
func (h *heap) find(block uint64, rows int, offset uint64, depth int) (uint64, error) {
	if block == undefined || depth > maxDepth {
		return 0, blockError(block, "fractal heap", "an object is in no block")
	}
	if rows == 0 {
		return block + offset, nil
	}
	head := uint64(13 + h.offsetBytes)
	var begin uint64 // of the row, in the block
	for row := range rows {
		size := h.rowBytes(row)
		if size > maxBlock {
			break
		}
		if all := size * uint64(h.width); offset >= begin+all {
			begin += all
			continue
		}
		i := (offset - begin) / size
		c, err := h.f.block(block, head, "FHIB")
		if err != nil {
			return 0, err
		}
		b, err := h.f.read(block+head+8*(uint64(row*h.width)+i), 8, c.what)
		if err != nil {
			return 0, err
		}
		below := 0
		if size > h.maxDirect { // an indirect block of that size
			if below = bits.Len64(size / (h.start * uint64(h.width))); below == 0 {
				return 0, c.fail("its blocks of %d bytes are too small", size)
			}
		}
		return h.find((&cursor{b: b}).addr(), below, offset-begin-i*size, depth+1)
	}
	return 0, blockError(block, "fractal heap", "offset %d is beyond its blocks", offset)
}

// tree2 visits the records of a B-tree of version 2.
func (f *File) tree2(at uint64, kind int, visit func(*cursor) error) error {
	c, err := f.block(at, 38, "BTHD")
	if err != nil {
		return err
	}
	c.byte() // version
	k := c.byte()
	t := tree2{f: f, kind: k, node: c.uint(4), record: c.u16(), visit: visit}
	depth := c.u16()
	c.bytes(2) // when nodes are split and merged
	root, n := c.addr(), c.u16()
	if k != kind {
		return c.fail("it is of type %d (want %d)", k, kind)
	}
	if depth > maxDepth || t.record < 1 {
		return c.fail("it has a depth of %d and records of %d bytes", depth, t.record)
	}
	if root == undefined {
		return c.err()
	}
	t.capacities(depth)
	return t.walk(root, n, depth)
}

// tree2 is a B-tree of version 2.
type tree2 struct {
	f        *File
	kind     int
	node     uint64 // bytes of a node
	record   int    // bytes of a record
	visit    func(*cursor) error
	count    int   // bytes of the number of records of a child
	subcount []int // bytes of the number of records below a child, by depth
}

// capacities computes the sizes of numbers of records: as many bytes as the largest number
// needs.
func (t *tree2) capacities(depth int) {
	wide := func(n uint64) int { return (bits.Len64(n) + 7) / 8 }
	most := (max(t.node, 10) - 10) / uint64(t.record) // of a leaf
	t.count = wide(most)
	all := most
	t.subcount = []int{0}
	for d := 1; d <= depth; d++ {
		pointer := uint64(8 + t.count + t.subcount[d-1])
		n := (max(t.node, 10+pointer) - 10 - pointer) / (uint64(t.record) + pointer)
		if hi, lo := bits.Mul64(n+1, all); hi == 0 && lo < 1<<62 {
			all = lo + n
		}
		t.subcount = append(t.subcount, wide(all))
	}
}

func (t *tree2) walk(at uint64, n, depth int) error {
	signature := "BTLF"
	if depth > 0 {
		signature = "BTIN"
	}
	c, err := t.f.block(at, t.node, signature)
	if err != nil {
		return err
	}
	c.bytes(2) // version and type
	records := make([]*cursor, 0, min(n, c.left()))
	for range n {
		b := c.bytes(t.record)
		if c.short {
			return c.err()
		}
		records = append(records, &cursor{b: b, begin: c.begin + uint64(c.at), what: c.what})
	}
	for i := 0; i <= n; i++ {
		if depth > 0 {
			child, m := c.addr(), int(c.uint(t.count))
			c.bytes(t.subcount[depth-1])
			if err := c.err(); err != nil {
				return err
			}
			if err := t.walk(child, m, depth-1); err != nil {
				return err
			}
		}
		if i < n {
			if err := t.visit(records[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
