package hdf5

import (
	"bytes"
	"io"
	"sync"
)

// layout is where the elements of an array are.
type layout struct {
	version int
	at      uint64   // of the elements or the index of chunks
	rank    int      // of chunks: that of the array and one for the bytes of an element
	chunk   []uint64 // the shape of a chunk, and the bytes of an element
	index   int      // version 4: the kind of index
	single  uint64   // version 4: the size of the one chunk, 0 for unfiltered
	mask    uint32   // and the filters that it goes without
}

// Kinds of indexes of chunks, in version 4.
const (
	indexTree1    = 0 // of versions before
	indexSingle   = 1
	indexImplicit = 2
	indexFixed    = 3
)

// chunked reads the layout of a chunked array, versions 3 and 4.
func (l *layout) chunked(c *cursor) error {
	if l.version == 3 {
		l.rank = c.byte()
		l.at = c.addr()
		for range l.rank {
			l.chunk = append(l.chunk, c.uint(4))
		}
		return c.err()
	}
	flags := c.byte()
	l.rank = c.byte()
	n := c.byte()
	if n > 8 {
		return c.fail("lengths of %d bytes", n)
	}
	for range l.rank {
		l.chunk = append(l.chunk, c.uint(n))
	}
	switch l.index = c.byte(); l.index {
	case indexSingle:
		if flags&2 != 0 {
			l.single, l.mask = c.uint(8), uint32(c.uint(4))
		}
	case indexImplicit:
	case indexFixed:
		c.byte() // bits of a page
	default:
		return c.fail("chunks of an array that can grow, with an index of kind %d, are not read: write the array with a fixed shape", l.index)
	}
	l.at = c.addr()
	return c.err()
}

// chunk is a chunk in the file.
type chunk struct {
	at, size uint64
	mask     uint32 // a bit for each filter that it goes without
	begin    []uint64
}

// chunks returns the elements of a chunked array of n bytes. All of them are read to memory
// when the first is asked for.
func (o *Object) chunks(c *cursor, l layout, n int64, width int, shape []uint64) (io.ReaderAt, error) {
	if l.rank != len(shape)+1 || l.chunk[len(shape)] != uint64(width) {
		return nil, c.fail("its chunks have %d axes and elements of %d bytes, the array %d and %d", l.rank-1, l.chunk[max(l.rank-1, 0)], len(shape), width)
	}
	bytesOf := uint64(1)
	for i, d := range l.chunk {
		if d == 0 || d > 1<<32 || bytesOf > 1<<32 {
			return nil, c.fail("its chunks have the shape %v", l.chunk)
		}
		if bytesOf *= d; i < len(shape) && d > 4*max(shape[i], 1)+1024 {
			return nil, c.fail("its chunks of %v are much larger than the array of %v", l.chunk, shape)
		}
	}
	if bytesOf > uint64(o.f.size+32<<20) {
		return nil, c.fail("its chunks of %d bytes are larger than a file of %d bytes may have", bytesOf, o.f.size)
	}
	if o.f.array -= n; o.f.array < 0 {
		return nil, c.fail("the chunked arrays of the file take more than twice its %d bytes and 64 MiB", o.f.size)
	}
	filters, err := o.filters()
	if err != nil {
		return nil, err
	}
	want := uint64(1) // at most the elements of the array
	for i, d := range shape {
		want *= (d + l.chunk[i] - 1) / l.chunk[i]
	}
	if o.f.chunks -= int64(want); o.f.chunks < 0 {
		return nil, c.fail("%d chunks are too many for a file of %d bytes", want, o.f.size)
	}
	list, err := o.f.chunkList(l, bytesOf, len(filters) > 0, shape)
	if err != nil {
		return nil, err
	}
	if uint64(len(list)) != want {
		return nil, c.fail("%d of %d chunks were written", len(list), want)
	}
	load := sync.OnceValues(func() ([]byte, error) {
		out := make([]byte, n)
		for _, k := range list {
			b, err := o.f.unfilter(k, filters, int(bytesOf), width)
			if err != nil {
				return nil, err
			}
			place(out, shape, b, l.chunk[:len(shape)], k.begin, uint64(width))
		}
		return out, nil
	})
	return lazy(load), nil
}

// lazy is an array that is read to memory when it is first asked for.
type lazy func() ([]byte, error)

// ReadAt implements io.ReaderAt.
func (l lazy) ReadAt(p []byte, off int64) (int, error) {
	b, err := l()
	if err != nil {
		return 0, err
	}
	return bytes.NewReader(b).ReadAt(p, off)
}

// chunkList lists the chunks of an array.
func (f *File) chunkList(l layout, size uint64, filtered bool, shape []uint64) (list []chunk, err error) {
	if l.at == undefined {
		return nil, nil
	}
	add := func(k chunk) error {
		if k.at > uint64(f.size) || k.size > uint64(f.size)-k.at {
			return blockError(k.at, "chunk", "%d bytes are not inside the file, which has %d", k.size, f.size)
		}
		list = append(list, k)
		return nil
	}
	switch l.index {
	case indexSingle:
		k := chunk{at: l.at, size: size, mask: l.mask, begin: make([]uint64, len(shape))}
		if filtered {
			k.size = l.single
		}
		return list, add(k)
	case indexImplicit:
		for begin := range starts(shape, l.chunk) {
			if err := add(chunk{at: l.at + size*uint64(len(list)), size: size, begin: begin}); err != nil {
				return nil, err
			}
		}
		return list, nil
	case indexFixed:
		return list, f.fixedArray(l, size, filtered, shape, add)
	}
	seen := map[uint64]bool{} // no chunk stands twice
	err = f.tree1(l.at, 1, 8+8*l.rank, maxDepth, func(key *cursor, child uint64) error {
		k := chunk{at: child, size: key.uint(4), mask: uint32(key.uint(4))}
		id := uint64(0)
		for i, d := range shape {
			at := key.uint(8)
			if at%l.chunk[i] != 0 || at >= d {
				return key.fail("a chunk begins at %d of an axis of %d", at, d)
			}
			k.begin = append(k.begin, at)
			id = id*(d/l.chunk[i]+1) + at/l.chunk[i]
		}
		if seen[id] {
			return key.fail("a chunk stands twice")
		}
		seen[id] = true
		return add(k)
	})
	return list, err
}

// starts yields where chunks begin, in row-major order.
func starts(shape, size []uint64) func(yield func([]uint64) bool) {
	return func(yield func([]uint64) bool) {
		at := make([]uint64, len(shape))
		for {
			if !yield(append([]uint64{}, at...)) {
				return
			}
			i := len(at) - 1
			for ; i >= 0; i-- {
				if at[i] += size[i]; at[i] < shape[i] {
					break
				}
				at[i] = 0
			}
			if i < 0 {
				return
			}
		}
	}
}

// fixedArray lists the chunks of a fixed array (section III.A.4, "Fixed Array").
func (f *File) fixedArray(l layout, size uint64, filtered bool, shape []uint64, add func(chunk) error) error {
	c, err := f.block(l.at, 28, "FAHD")
	if err != nil {
		return err
	}
	c.bytes(2) // version and kind
	entry, pageBits, n, at := c.byte(), c.byte(), c.uint(8), c.addr()
	least := 8
	if filtered {
		least = 8 + 1 + 4
	}
	if entry < least || entry > 24 || pageBits > 40 {
		return c.fail("its elements have %d bytes", entry)
	}
	if n > 1<<pageBits {
		return c.fail("it has pages, which are not read: write fewer chunks")
	}
	if n > uint64(f.size) {
		return c.fail("it has %d elements", n)
	}
	if c, err = f.block(at, 14+n*uint64(entry), "FADB"); err != nil {
		return err
	}
	c.bytes(10) // version, kind and the address of the header
	for begin := range starts(shape, l.chunk) {
		k := chunk{at: c.addr(), size: size, begin: begin}
		if filtered {
			k.size, k.mask = c.uint(entry-12), uint32(c.uint(4))
		}
		if err := c.err(); err != nil {
			return err
		}
		if err := add(k); err != nil {
			return err
		}
	}
	return nil
}

// place copies the elements of a chunk to their places in the array.
func place(out []byte, shape []uint64, b []byte, size, begin []uint64, width uint64) {
	if len(shape) == 0 {
		copy(out, b[:width])
		return
	}
	last := len(shape) - 1
	at := make([]uint64, len(shape)) // inside the chunk
	for {
		var from, to uint64
		inside := true
		for i := range shape {
			from, to = from*size[i]+at[i], to*shape[i]+begin[i]+at[i]
			inside = inside && begin[i]+at[i] < shape[i]
		}
		if inside {
			n := min(size[last], shape[last]-begin[last])
			copy(out[to*width:(to+n)*width], b[from*width:(from+n)*width])
		}
		i := last - 1
		for ; i >= 0; i-- {
			if at[i]++; at[i] < size[i] && begin[i]+at[i] < shape[i] {
				break
			}
			at[i] = 0
		}
		if i < 0 {
			return
		}
	}
}
