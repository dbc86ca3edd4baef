package arrays

import (
	"errors"
	"io"
	"sync"
)

// Strided returns the elements of a view in row-major order: of a transposed array, for
// example. src holds size bytes of elements of width bytes; element i of the view is at
// offset + the sum of i[a]*stride[a], in elements. The caller has checked that the view is
// inside src. When the view is first read, src is read to memory as a whole.
func Strided(src io.ReaderAt, size int64, width int, offset int64, shape []int, stride []int64) io.ReaderAt {
	return &strided{width: width, offset: offset, shape: shape, stride: stride, load: sync.OnceValues(func() ([]byte, error) {
		b := make([]byte, size)
		n, err := src.ReadAt(b, 0)
		if n == len(b) {
			err = nil
		} else if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return b, err
	})}
}

type strided struct {
	width  int
	offset int64
	shape  []int
	stride []int64
	load   func() ([]byte, error)
}

// ReadAt implements io.ReaderAt for whole elements.
func (s *strided) ReadAt(p []byte, off int64) (int, error) {
	b, err := s.load()
	if err != nil {
		return 0, err
	}
	w := int64(s.width)
	if off%w != 0 || int64(len(p))%w != 0 {
		return 0, errors.New("a part of an element is asked for")
	}
	index := make([]int, len(s.shape))
	left := off / w
	for a := len(s.shape) - 1; a >= 0; a-- {
		index[a] = int(left % int64(s.shape[a]))
		left /= int64(s.shape[a])
	}
	if left > 0 {
		return 0, io.EOF
	}
	at := s.offset
	for a, i := range index {
		at += int64(i) * s.stride[a]
	}
	for n := 0; n < len(p); n += s.width {
		copy(p[n:n+s.width], b[at*w:])
		a := len(index) - 1
		for ; a >= 0; a-- {
			at += s.stride[a]
			if index[a]++; index[a] < s.shape[a] {
				break
			}
			at -= s.stride[a] * int64(s.shape[a])
			index[a] = 0
		}
		if a < 0 && n+s.width < len(p) {
			return n + s.width, io.EOF
		}
	}
	return len(p), nil
}
