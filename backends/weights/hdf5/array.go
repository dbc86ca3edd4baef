package hdf5

import (
	"bytes"
	"io"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/backends/weights/arrays"
)

// Classes of layouts (section IV.A.2.i).
const (
	layoutCompact    = 0
	layoutContiguous = 1
	layoutChunked    = 2
)

// IsArray reports whether an object is an array.
func (o *Object) IsArray() bool {
	for _, m := range o.messages {
		if m.kind == msgLayout {
			return true
		}
	}
	return false
}

// Array returns an array of numbers, without a name. It returns an error for other elements.
func (o *Object) Array() (arrays.Array, error) {
	var a arrays.Array
	typ, shape, err := o.typed()
	if err != nil {
		return a, err
	}
	for _, d := range shape {
		if d > arrays.MaxElements {
			return a, blockError(o.at, "array", "it has an axis of %d", d)
		}
		a.Shape = append(a.Shape, int(d))
	}
	n, err := arrays.Elements(a.Shape)
	if err != nil {
		return a, blockError(o.at, "array", "%v", err)
	}
	a.DType = typ.dtype
	if a.DType == "" && typ.class == classOpaque && typ.size == 2 {
		a.DType = o.opaque()
	}
	if a.DType == "" {
		return a, blockError(o.at, "array", "its elements are not numbers of a known type (class %d, %d bytes)", typ.class, typ.size)
	}
	c, err := o.message(msgLayout, "layout")
	if err == nil && c == nil {
		err = blockError(o.at, "array", "it has no layout")
	}
	if err != nil {
		return a, err
	}
	if n == 0 {
		a.Data = bytes.NewReader(nil)
		return a, nil
	}
	if a.Data, err = o.data(c, n*int64(typ.size), typ.size, shape); err == nil && typ.big && typ.size > 1 {
		a.Data = &swapped{src: a.Data, width: typ.size}
	}
	return a, err
}

// typed returns the type and the shape of an array.
func (o *Object) typed() (typ datatype, shape []uint64, err error) {
	c, err := o.message(msgDatatype, "datatype")
	if err == nil && c == nil {
		err = blockError(o.at, "array", "it has no datatype")
	}
	if err != nil {
		return typ, nil, err
	}
	if typ, err = readDatatype(c); err != nil {
		return typ, nil, err
	}
	if c, err = o.message(msgDataspace, "dataspace"); err == nil && c == nil {
		err = blockError(o.at, "array", "it has no dataspace")
	}
	if err != nil {
		return typ, nil, err
	}
	shape, ok, err := readDataspace(c)
	if err == nil && !ok {
		err = blockError(o.at, "array", "it has no elements")
	}
	return typ, shape, err
}

// data returns the elements of an array of n bytes.
func (o *Object) data(c *cursor, n int64, width int, shape []uint64) (io.ReaderAt, error) {
	version := c.byte()
	var class int
	l := layout{version: version}
	switch version {
	case 1, 2:
		l.rank = c.byte()
		class = c.byte()
		c.bytes(5)
		if class != layoutCompact {
			l.at = c.addr()
		}
		for range l.rank {
			l.chunk = append(l.chunk, c.uint(4))
		}
		if class == layoutCompact {
			return o.compact(c, c.uint(4), n)
		}
	case 3, 4:
		class = c.byte()
		switch class {
		case layoutCompact:
			return o.compact(c, c.uint(2), n)
		case layoutContiguous:
			l.at = c.addr()
		case layoutChunked:
			if err := l.chunked(c); err != nil {
				return nil, err
			}
		}
	default:
		return nil, c.fail("it is of version %d (want 1 to 4)", version)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	switch class {
	case layoutContiguous:
		if l.at == undefined {
			return nil, c.fail("the elements were never written")
		}
		if l.at > uint64(o.f.size) || uint64(n) > uint64(o.f.size)-l.at {
			return nil, c.fail("%d bytes at byte %d are not inside the file, which has %d", n, l.at, o.f.size)
		}
		return io.NewSectionReader(o.f.src, int64(l.at), n), nil
	case layoutChunked:
		return o.chunks(c, l, n, width, shape)
	}
	return nil, c.fail("layout %d is not read", class)
}

// compact returns elements that are inside the object header.
func (o *Object) compact(c *cursor, size uint64, n int64) (io.ReaderAt, error) {
	if size != uint64(n) || size > uint64(c.left()) {
		return nil, c.fail("the elements take %d bytes, the layout has %d, and room for %d", n, size, c.left())
	}
	return bytes.NewReader(c.bytes(int(n))), c.err()
}

// swapped reverses the bytes of elements.
type swapped struct {
	src   io.ReaderAt
	width int
}

// ReadAt implements io.ReaderAt for whole elements.
func (s *swapped) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.src.ReadAt(p, off)
	for i := 0; i+s.width <= n; i += s.width {
		for a, b := i, i+s.width-1; a < b; a, b = a+1, b-1 {
			p[a], p[b] = p[b], p[a]
		}
	}
	return n, err
}

// opaque returns the type of elements that NumPy has no type for. Keras names it in an
// attribute.
func (o *Object) opaque() (d safetensors.DType) {
	if list, _, err := o.Strings("dtype"); err == nil && len(list) == 1 && list[0] == "bfloat16" {
		d = safetensors.BF16
	}
	return d
}
