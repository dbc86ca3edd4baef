package data

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/files"
)

// The IDX format of the MNIST files: two zero bytes, the type of the elements (8
// for bytes), the number of axes, each axis as a big-endian 32-bit number, then
// the elements.

// maxPacked bounds the elements of a compressed file, whose size says little about
// them. The largest file of MNIST has a quarter of that.
const maxPacked = 192 << 20

// ReadIDX reads one array of at most limit bytes. It is an error where the file holds
// less than it declares, or more.
func ReadIDX(r io.Reader, limit int64) (shape []int, data []uint8, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, nil, fmt.Errorf("no IDX header: %w", err)
	}
	if head[0] != 0 || head[1] != 0 || head[2] != 8 || head[3] < 1 || head[3] > 4 {
		return nil, nil, fmt.Errorf("not an IDX file of bytes: it begins with % x (want 00 00 08 and the number of axes, 1 to 4)", head)
	}
	limit = min(limit, math.MaxInt)
	n := int64(1)
	for range int(head[3]) {
		var d [4]byte
		if _, err := io.ReadFull(r, d[:]); err != nil {
			return nil, nil, fmt.Errorf("IDX header is cut off: %w", err)
		}
		x := int64(binary.BigEndian.Uint32(d[:]))
		if x == 0 {
			return nil, nil, errors.New("IDX file declares an axis of length 0")
		}
		if x > limit/n {
			return nil, nil, fmt.Errorf("IDX file declares an axis of length %d, more than the file can hold (at most %d elements)", x, limit)
		}
		n *= x
		shape = append(shape, int(x))
	}
	data = make([]uint8, n)
	switch got, err := io.ReadFull(r, data); {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return nil, nil, fmt.Errorf("IDX file is cut off: %d of %d elements", got, n)
	case err != nil:
		return nil, nil, err
	}
	switch got, err := io.ReadFull(r, head[:1]); {
	case got > 0:
		return nil, nil, fmt.Errorf("IDX file goes on after its %d elements", n)
	case err != io.EOF:
		return nil, nil, err
	}
	return shape, data, nil
}

// readIDXFile reads the file NAME of a folder, which may be compressed and have a dot before its
// type: NAME-idx3-ubyte, NAME.idx3-ubyte, or one of them with .gz.
func readIDXFile(dir fs.FS, name string) (shape []int, data []uint8, err error) {
	dotted := name
	if at := strings.LastIndex(name, "-idx"); at >= 0 {
		dotted = name[:at] + "." + name[at+1:]
	}
	var f fs.File
	var size int64
	for _, try := range []string{name, name + ".gz", dotted, dotted + ".gz"} {
		if f, size, err = files.OpenFS(dir, try); !errors.Is(err, fs.ErrNotExist) {
			name = try
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("neither %s nor %s.gz: %w", name, name, err)
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	var r io.Reader = bufio.NewReaderSize(f, 1<<16)
	limit := size
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		// Deflate compresses 1,032 bytes to one at best.
		r, limit = z, min(1032*min(size, maxPacked), maxPacked)
	}
	shape, data, err = ReadIDX(r, limit)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return shape, data, err
}

// ReadMNIST reads the four files of MNIST, or of a set in the same files such as
// Fashion-MNIST and EMNIST, from a folder; each may be compressed. There are ten classes, or as
// many as the labels need: those of EMNIST's letters are 1 to 26.
func ReadMNIST(dir fs.FS) (*Source, error) {
	prefix, err := mnistPrefix(dir)
	if err != nil {
		return nil, err
	}
	train, err := readMNISTPart(dir, prefix+"train")
	if err != nil {
		return nil, err
	}
	second := "t10k"
	if prefix != "" {
		second = "test"
	}
	test, err := readMNISTPart(dir, prefix+second)
	if err != nil {
		return nil, err
	}
	classes := max(10, 1+int(slices.Max(train.Labels)), 1+int(slices.Max(test.Labels)))
	train.Classes, test.Classes = classes, classes
	return &Source{Train: train, Test: test}, nil
}

func readMNISTPart(dir fs.FS, name string) (*Set, error) {
	shape, pixels, err := readIDXFile(dir, name+"-images-idx3-ubyte")
	if err != nil {
		return nil, err
	}
	lshape, labels, err := readIDXFile(dir, name+"-labels-idx1-ubyte")
	if err != nil {
		return nil, err
	}
	if len(shape) != 3 || len(lshape) != 1 || lshape[0] != shape[0] {
		return nil, fmt.Errorf("%s: images of shape %v, labels of shape %v", name, shape, lshape)
	}
	s := &Set{C: 1, H: shape[1], W: shape[2], Pixels: pixels, Classes: 256, Labels: make([]int32, len(labels))}
	for i, l := range labels {
		s.Labels[i] = int32(l)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}
