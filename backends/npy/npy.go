// Package npy reads and writes NumPy's .npy files, each of which contains one array of
// numbers. It is safe for untrusted files: a bad file gives an error, and the memory it
// allocates is proportional to the size of the file.
package npy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir/tensor"
)

const magic = "\x93NUMPY"

// maxHeader is the largest size of a header in bytes. NumPy itself reads 10,000.
const maxHeader = 1 << 16

// Array is an array whose header has been read, but not its elements.
type Array struct {
	Shape   []int
	Type    string // of the elements, as NumPy writes it, such as <f4
	Fortran bool   // whether the first index changes fastest (column-major)

	r       io.Reader
	n       int                  // number of elements
	decode  func([]byte) float64 // decodes an element
	element int                  // bytes of an element
}

// Open reads the header of a file of size bytes. It returns an error if the array does not
// take exactly the rest of the file, or has no elements.
func Open(r io.Reader, size int64) (*Array, error) {
	a, begin, err := Header(r, size)
	if err != nil {
		return nil, err
	}
	a.r = r
	if err := a.setType(); err != nil {
		return nil, err
	}
	if slices.Contains(a.Shape, 0) {
		return nil, fmt.Errorf("the array has no elements: its shape is %v", a.Shape)
	}
	n, most := int64(1), min(int64(math.MaxInt/8), (size-begin)/int64(a.element))
	for _, d := range a.Shape {
		if int64(d) > most/n {
			return nil, fmt.Errorf("shape %v of %s does not fit in a file of %d bytes", a.Shape, a.Type, size)
		}
		n *= int64(d)
	}
	if rest := size - begin - n*int64(a.element); rest != 0 {
		return nil, fmt.Errorf("%d bytes follow the array of shape %v (want a file of one array)", rest, a.Shape)
	}
	a.n = int(n)
	return a, nil
}

// Header reads the header of a file of size bytes: the shape, the type and the order of the
// elements, which begin at byte begin. It does not check that the type is supported or that
// the elements are there. Read must not be called.
func Header(r io.Reader, size int64) (a *Array, begin int64, err error) {
	text, begin, err := readHeader(r, size)
	if err != nil {
		return nil, 0, err
	}
	if a, err = parseHeader(text); err != nil {
		return nil, 0, fmt.Errorf("the header of the NumPy file %w", err)
	}
	return a, begin, nil
}

// readHeader returns the text of the header and the byte offset of the elements.
func readHeader(r io.Reader, size int64) (text string, begin int64, err error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:10]); err != nil || string(head[:6]) != magic {
		return "", 0, errors.New("not a NumPy file: it does not begin with \\x93NUMPY and a version")
	}
	n, begin := int64(binary.LittleEndian.Uint16(head[8:])), int64(10)
	switch head[6] {
	case 1:
	case 2, 3:
		if _, err := io.ReadFull(r, head[10:]); err != nil {
			return "", 0, errors.New("the NumPy file is cut off in its header")
		}
		n, begin = int64(binary.LittleEndian.Uint32(head[8:])), 12
	default:
		return "", 0, fmt.Errorf("NumPy file of version %d (want 1, 2 or 3)", head[6])
	}
	if n > maxHeader || n > size-begin {
		return "", 0, fmt.Errorf("the NumPy file declares a header of %d bytes (%d follow, at most %d are read)", n, max(size-begin, 0), maxHeader)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", 0, errors.New("the NumPy file is cut off in its header")
	}
	return string(b), begin + n, nil
}

// setType sets decode and element by the type of the elements. It returns an error for a
// type that is not supported.
func (a *Array) setType() error {
	t := a.Type
	var order binary.ByteOrder = binary.LittleEndian
	if t != "" && strings.ContainsRune("<>=|", rune(t[0])) {
		switch t[0] {
		case '>':
			order = binary.BigEndian
		case '=':
			order = binary.NativeEndian
		}
		t = t[1:]
	}
	switch t {
	case "f4":
		a.element, a.decode = 4, func(b []byte) float64 { return float64(math.Float32frombits(order.Uint32(b))) }
	case "f8":
		a.element, a.decode = 8, func(b []byte) float64 { return math.Float64frombits(order.Uint64(b)) }
	case "i1":
		a.element, a.decode = 1, func(b []byte) float64 { return float64(int8(b[0])) }
	case "i2":
		a.element, a.decode = 2, func(b []byte) float64 { return float64(int16(order.Uint16(b))) }
	case "i4":
		a.element, a.decode = 4, func(b []byte) float64 { return float64(int32(order.Uint32(b))) }
	case "i8":
		a.element, a.decode = 8, func(b []byte) float64 { return float64(int64(order.Uint64(b))) }
	case "u1", "b1":
		a.element, a.decode = 1, func(b []byte) float64 { return float64(b[0]) }
	case "u2":
		a.element, a.decode = 2, func(b []byte) float64 { return float64(order.Uint16(b)) }
	case "u4":
		a.element, a.decode = 4, func(b []byte) float64 { return float64(order.Uint32(b)) }
	case "u8":
		a.element, a.decode = 8, func(b []byte) float64 { return float64(order.Uint64(b)) }
	default:
		return fmt.Errorf("NumPy elements of type %q (want float32, float64, bool, or integers of 8 to 64 bits)", a.Type)
	}
	return nil
}

// Kind returns the kind of the elements: 'f' for floats, 'i' and 'u' for integers with and
// without a sign, 'b' for truth values.
func (a *Array) Kind() byte { return strings.TrimLeft(a.Type, "<>=|")[0] }

// Read reads the elements and returns the array in C order (row-major), whichever order the
// file has. It can be called once.
func (a *Array) Read() (*tensor.Tensor, error) {
	t := tensor.New(a.Shape...)
	next := func(int) int { return 0 }
	if a.Fortran {
		next = fortran(a.Shape)
	}
	buf := make([]byte, 8192)
	at := 0
	for done := 0; done < a.n; {
		k := min(a.n-done, len(buf)/a.element)
		if _, err := io.ReadFull(a.r, buf[:k*a.element]); err != nil {
			return nil, fmt.Errorf("the NumPy file is cut off: %w", err)
		}
		for i := range k {
			x := a.decode(buf[i*a.element:])
			if a.Fortran {
				t.Data[at] = x
				at = next(at)
			} else {
				t.Data[done+i] = x
			}
		}
		done += k
	}
	return t, nil
}

// fortran returns a function for visiting an array in Fortran order: from the offset of an
// element in C order it returns the offset of the next element.
func fortran(shape []int) func(at int) int {
	stride := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		stride[i] = n
		n *= shape[i]
	}
	index := make([]int, len(shape))
	return func(at int) int {
		for i := range index {
			at += stride[i]
			if index[i]++; index[i] < shape[i] {
				break
			}
			at -= stride[i] * shape[i]
			index[i] = 0
		}
		return at
	}
}

// Write writes an array of float32 as a file of version 1.
func Write(w io.Writer, t *tensor.F32) error {
	b := bufio.NewWriterSize(w, 1<<16)
	shape := make([]string, len(t.Shape))
	for i, d := range t.Shape {
		shape[i] = strconv.Itoa(d)
	}
	list := strings.Join(shape, ", ")
	if len(shape) == 1 {
		list += ","
	}
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", list)
	// Blanks make the header end at a multiple of 64 bytes of the file.
	const before = len(magic) + 4
	head += strings.Repeat(" ", 63-(before+len(head))%64) + "\n"
	if len(head) > math.MaxUint16 {
		return fmt.Errorf("%d dimensions are too many for a NumPy file", len(shape))
	}
	fixed := binary.LittleEndian.AppendUint16([]byte(magic+"\x01\x00"), uint16(len(head)))
	// The writer remembers its first error, which Flush returns.
	_, _ = b.Write(fixed)
	_, _ = b.WriteString(head)
	var le [4]byte
	for _, x := range t.Data {
		binary.LittleEndian.PutUint32(le[:], math.Float32bits(x))
		_, _ = b.Write(le[:])
	}
	return b.Flush()
}
