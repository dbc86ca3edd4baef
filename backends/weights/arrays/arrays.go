// Package arrays joins arrays of numbers from files of any format into one table of
// tensors that can be read like a safetensors file. Nothing is copied: the elements are
// read when they are asked for, a piece at a time.
package arrays

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/incc-lang/incc/backends/safetensors"
)

// Array is an array of numbers in a file.
type Array struct {
	Name  string
	DType safetensors.DType
	Shape []int
	Data  io.ReaderAt // the elements, little endian, in row-major order
}

// Bytes returns the number of bytes that the elements take.
func (a Array) Bytes() int64 {
	n := int64(a.DType.Size())
	for _, d := range a.Shape {
		n *= int64(d)
	}
	return n
}

// Limits of arrays, those of package safetensors: the rank, and the number of elements.
const (
	MaxRank     = 8
	MaxElements = 1 << 31
)

// Elements returns the product of a shape. It returns an error if the shape exceeds a limit
// or has a negative length.
func Elements(shape []int) (int64, error) {
	if len(shape) > MaxRank {
		return 0, fmt.Errorf("%d axes (want at most %d)", len(shape), MaxRank)
	}
	n := int64(1)
	for _, d := range shape {
		if d < 0 || int64(d) > MaxElements {
			return 0, fmt.Errorf("shape %v has an axis of %d", shape, d)
		}
		if n *= int64(d); n > MaxElements {
			return 0, fmt.Errorf("shape %v has more than %d elements", shape, int64(MaxElements))
		}
	}
	return n, nil
}

// Tensors returns the arrays as tensors, in their order. meta is the metadata of the table
// and may be nil. Reading is safe for concurrent use if reading each array is. It returns an
// error if two arrays share a name, or if the limits of package safetensors are exceeded.
func Tensors(meta map[string]string, list []Array) (*safetensors.Tensors, error) {
	var infos []safetensors.TensorInfo
	f := &file{}
	at := int64(0)
	for _, a := range list {
		if _, err := Elements(a.Shape); err != nil {
			return nil, fmt.Errorf("%.200q: %w", a.Name, err)
		}
		infos = append(infos, safetensors.TensorInfo{Name: a.Name, DType: a.DType, Shape: a.Shape})
		f.begin = append(f.begin, at)
		f.data = append(f.data, a.Data)
		at += a.Bytes()
	}
	var head bytes.Buffer
	// The writer checks names and writes the header. It returns an error when it is closed,
	// since no data follow.
	if _, err := safetensors.NewTensorWriter(&head, meta, infos); err != nil {
		return nil, err
	}
	f.head = head.Bytes()
	f.size = at
	return safetensors.OpenTensors(f, int64(len(f.head))+at)
}

// file is a safetensors file that is put together when it is read.
type file struct {
	head  []byte
	begin []int64 // of each array in the data
	data  []io.ReaderAt
	size  int64 // of the data
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if h := int64(len(f.head)); off < h {
		n = copy(p, f.head[off:])
		off += int64(n)
	}
	at := off - int64(len(f.head))
	for n < len(p) {
		if at >= f.size {
			return n, io.EOF
		}
		// The last array that begins at or before at. Arrays without elements begin where
		// the next one does, so it is not one of them.
		i := sort.Search(len(f.begin), func(i int) bool { return f.begin[i] > at }) - 1
		end := f.size
		if i+1 < len(f.begin) {
			end = f.begin[i+1]
		}
		k := int(min(int64(len(p)-n), end-at))
		m, err := f.data[i].ReadAt(p[n:n+k], at-f.begin[i])
		n, at = n+m, at+int64(m)
		if m < k {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	return n, nil
}

// Of returns the tensors of a safetensors file of size bytes, which src reads, as arrays.
func Of(t *safetensors.Tensors, src io.ReaderAt, size int64) []Array {
	var list []Array
	at := size
	for _, info := range slices.Backward(t.All()) { // in the order of their data, without gaps
		a := Array{Name: info.Name, DType: info.DType, Shape: info.Shape}
		at -= a.Bytes()
		a.Data = io.NewSectionReader(src, at, a.Bytes())
		list = append(list, a)
	}
	slices.Reverse(list)
	return list
}
