package data

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
)

// The IDX format of the MNIST files: two zero bytes, the type of the elements (8
// for bytes), the number of axes, each axis as a big-endian 32-bit number, then
// the elements.

// maxIDX bounds the elements of one file: four times those of MNIST's largest.
const maxIDX = 1 << 28

// ReadIDX reads one array of bytes. Not more than it declares is read, and it is
// an error where there is less or more.
func ReadIDX(r io.Reader) (shape []int, data []uint8, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, nil, fmt.Errorf("no IDX header: %w", err)
	}
	if head[0] != 0 || head[1] != 0 || head[2] != 8 || head[3] < 1 || head[3] > 4 {
		return nil, nil, fmt.Errorf("not an IDX file of bytes: it begins with % x", head)
	}
	n := 1
	for range int(head[3]) {
		var d [4]byte
		if _, err := io.ReadFull(r, d[:]); err != nil {
			return nil, nil, fmt.Errorf("IDX header is cut off: %w", err)
		}
		x := binary.BigEndian.Uint32(d[:])
		if x == 0 || x > maxIDX || n > maxIDX/int(x) {
			return nil, nil, fmt.Errorf("IDX file declares an axis of %d; at most %d elements are read", x, maxIDX)
		}
		n *= int(x)
		shape = append(shape, int(x))
	}
	// What is declared is not believed: memory grows with what arrives.
	data, err = io.ReadAll(io.LimitReader(r, int64(n)+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) < n {
		return nil, nil, fmt.Errorf("IDX file is cut off: %d of %d elements", len(data), n)
	}
	if len(data) > n {
		return nil, nil, fmt.Errorf("IDX file goes on after its %d elements", n)
	}
	return shape, data, nil
}

// readIDXFile reads NAME or NAME.gz of a folder.
func readIDXFile(dir fs.FS, name string) (shape []int, data []uint8, err error) {
	f, err := dir.Open(name)
	gz := false
	if err != nil {
		var err2 error
		if f, err2 = dir.Open(name + ".gz"); err2 != nil {
			return nil, nil, fmt.Errorf("neither %s nor %s.gz: %w", name, name, err)
		}
		gz = true
	}
	defer f.Close()
	var r io.Reader = bufio.NewReaderSize(f, 1<<16)
	if gz {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, fmt.Errorf("%s.gz: %w", name, err)
		}
		r = z
	}
	shape, data, err = ReadIDX(r)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return shape, data, err
}

// ReadMNIST reads the four files of MNIST, or of a set in the same files such as
// Fashion-MNIST, from a folder; each may be compressed.
func ReadMNIST(dir fs.FS) (*Source, error) {
	part := func(prefix string) (*Set, error) {
		shape, pixels, err := readIDXFile(dir, prefix+"-images-idx3-ubyte")
		if err != nil {
			return nil, err
		}
		lshape, labels, err := readIDXFile(dir, prefix+"-labels-idx1-ubyte")
		if err != nil {
			return nil, err
		}
		if len(shape) != 3 || len(lshape) != 1 || lshape[0] != shape[0] {
			return nil, fmt.Errorf("%s: images of shape %v, labels of shape %v", prefix, shape, lshape)
		}
		s := &Set{C: 1, H: shape[1], W: shape[2], Pixels: pixels, Classes: 10, Labels: make([]int32, len(labels))}
		for i, l := range labels {
			s.Labels[i] = int32(l)
		}
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", prefix, err)
		}
		return s, nil
	}
	train, err := part("train")
	if err != nil {
		return nil, err
	}
	test, err := part("t10k")
	if err != nil {
		return nil, err
	}
	return &Source{Train: train, Test: test}, nil
}
