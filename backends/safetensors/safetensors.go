// Package safetensors reads and writes weights in the safetensors format, and files so that
// a crash leaves the old one or the new one. It uses only the standard library; its code is
// part of the runtime of generated packages.
//
// The format: eight bytes with the length of a header, little endian;
// the header, a JSON object from names to dtype, shape and offsets; the data. A
// file is data and cannot run code.
//
// The reader is strict: the header has at most 100 MB and nothing but what the
// format knows, no key occurs twice, the tensors' bytes follow each other without
// gap or overlap from the first byte of the data to the last, dtype times shape
// is the number of bytes, and numbers that are read as float32 are finite.
//
// Files of [WriteTensors] and [SaveTensors] have a checksum in their metadata, which
// [Tensors.Verify] compares with the data.
package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Limits of what the reader accepts.
const (
	maxHeader  = 100_000_000
	maxTensors = 100_000
	maxRank    = 8
	maxName    = 1024
)

// DType is the element type of a tensor, by the format's name.
type DType string

// The element types of the format. F64, F16 and BF16 are converted where float32s
// are asked for, and so is I8 with scales (ScaleSuffix); the others can be had as bytes.
const (
	F32  DType = "F32"
	F64  DType = "F64"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
	U64  DType = "U64"
	I32  DType = "I32"
	U32  DType = "U32"
	I16  DType = "I16"
	U16  DType = "U16"
	I8   DType = "I8"
	U8   DType = "U8"
	Bool DType = "BOOL"
)

// Size is the number of bytes of an element, 0 for an unknown type.
func (d DType) Size() int {
	switch d {
	case F64, I64, U64:
		return 8
	case F32, I32, U32:
		return 4
	case F16, BF16, I16, U16:
		return 2
	case I8, U8, Bool:
		return 1
	}
	return 0
}

// TensorInfo is a tensor as the header of a file has it.
type TensorInfo struct {
	Name  string
	DType DType
	Shape []int

	begin, end int64 // bytes, from the begin of the data on
}

// Elements is the product of the shape.
func (t TensorInfo) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Tensors is a safetensors file, opened for reading. It is safe for concurrent
// use.
type Tensors struct {
	meta   map[string]string
	list   []TensorInfo // in the order of their data
	byName map[string]int
	src    io.ReaderAt
	mem    []byte // the data, if it is in memory
	base   int64  // of the data in src
}

// ParseTensors opens a file that is in memory, such as an embedded one.
func ParseTensors(file []byte) (*Tensors, error) {
	t, err := OpenTensors(readerAt(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	t.mem = file[t.base:]
	return t, nil
}

type readerAt []byte

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(r)) {
		return 0, io.EOF
	}
	n := copy(p, r[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// OpenTensors reads and checks the header of a file of size bytes. The data are
// read when asked for.
func OpenTensors(src io.ReaderAt, size int64) (*Tensors, error) {
	fail := func(err error) (*Tensors, error) { return nil, fmt.Errorf("safetensors: %w", err) }
	var head [8]byte
	if size < int64(len(head)) {
		return fail(fmt.Errorf("the file has %d bytes, not even the 8 that every file begins with", size))
	}
	if err := readFull(src, head[:], 0); err != nil {
		return fail(err)
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > maxHeader {
		return fail(fmt.Errorf("the header claims %d bytes, more than the %d allowed; is this a safetensors file?", n, maxHeader))
	}
	if int64(n) > size-8 {
		return fail(fmt.Errorf("the header claims %d bytes, but only %d follow; the file is cut short", n, size-8))
	}
	header := make([]byte, n)
	if err := readFull(src, header, 8); err != nil {
		return fail(err)
	}
	t := &Tensors{src: src, base: 8 + int64(n), byName: map[string]int{}}
	if err := t.parse(header); err != nil {
		return fail(err)
	}
	if err := t.place(size - t.base); err != nil {
		return fail(err)
	}
	return t, nil
}

func readFull(src io.ReaderAt, p []byte, off int64) error {
	n, err := src.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at %d: %w", len(p), off, err)
}

// parse reads the header.
func (t *Tensors) parse(header []byte) error {
	if !utf8.Valid(header) {
		return errors.New("the header is not UTF-8")
	}
	p := &headerParser{in: header}
	if len(header) == 0 || header[0] != '{' {
		return errors.New("the header does not begin with {")
	}
	seenMeta := false
	err := p.object(func(name string) error {
		if name == "__metadata__" {
			if seenMeta {
				return errors.New("__metadata__ occurs twice")
			}
			seenMeta = true
			t.meta = map[string]string{}
			return p.object(func(key string) error {
				if _, twice := t.meta[key]; twice {
					return fmt.Errorf("metadata %.200q occurs twice", key)
				}
				v, err := p.str()
				t.meta[key] = v
				return err
			})
		}
		if _, twice := t.byName[name]; twice {
			return fmt.Errorf("tensor %q occurs twice", name)
		}
		if len(t.list) == maxTensors {
			return fmt.Errorf("more than %d tensors", maxTensors)
		}
		info, err := p.info(name)
		if err != nil {
			return fmt.Errorf("tensor %.200q: %w", name, err)
		}
		t.byName[name] = len(t.list)
		t.list = append(t.list, info)
		return nil
	})
	if err != nil {
		return fmt.Errorf("header, byte %d: %w", p.at, err)
	}
	p.space()
	if p.at != len(p.in) {
		return fmt.Errorf("header, byte %d: something follows the closing }", p.at)
	}
	return nil
}

// place checks that the tensors fill size bytes of data, each byte once.
func (t *Tensors) place(size int64) error {
	sort.SliceStable(t.list, func(a, b int) bool {
		x, y := &t.list[a], &t.list[b]
		return x.begin < y.begin || x.begin == y.begin && x.end < y.end
	})
	at := int64(0)
	for i := range t.list {
		info := &t.list[i]
		t.byName[info.Name] = i
		if info.begin > at {
			return fmt.Errorf("tensor %q begins at byte %d of the data, bytes %d to %d belong to nobody", info.Name, info.begin, at, info.begin-1)
		}
		if info.begin < at {
			return fmt.Errorf("tensor %q begins at byte %d of the data, where tensor %q is", info.Name, info.begin, t.list[i-1].Name)
		}
		at = info.end
	}
	if at != size {
		return fmt.Errorf("the tensors take %d bytes, the file holds %d", at, size)
	}
	return nil
}

// Metadata is the file's own table of strings; do not change it.
func (t *Tensors) Metadata() map[string]string { return t.meta }

// All lists the tensors in the order of their data; do not change it.
func (t *Tensors) All() []TensorInfo { return t.list }

// Info is the tensor of that name.
func (t *Tensors) Info(name string) (TensorInfo, bool) {
	i, ok := t.byName[name]
	if !ok {
		return TensorInfo{}, false
	}
	return t.list[i], true
}

// Match compares names and shapes with those that a network wants, and tells all
// that is wrong, up to a limit. What else is in the file does not matter.
func (t *Tensors) Match(want []TensorInfo) error {
	var bad []string
	for _, w := range want {
		switch have, ok := t.Info(w.Name); {
		case !ok:
			bad = append(bad, fmt.Sprintf("%q is not in the file", w.Name))
		case !slices.Equal(have.Shape, w.Shape):
			bad = append(bad, fmt.Sprintf("%q is %v in the file, %v in the network", w.Name, have.Shape, w.Shape))
		}
	}
	const most = 20
	switch n := len(bad); {
	case n == 0:
		return nil
	case n > most:
		return fmt.Errorf("%s and %d more", strings.Join(bad[:most], ", "), n-most)
	}
	return errors.New(strings.Join(bad, ", "))
}

func (t *Tensors) find(name string) (*TensorInfo, error) {
	i, ok := t.byName[name]
	if !ok {
		return nil, fmt.Errorf("safetensors: there is no tensor %q", name)
	}
	return &t.list[i], nil
}

// Bytes is the data of a tensor of any type, little endian. It may be the file's
// own memory; do not change it.
func (t *Tensors) Bytes(name string) ([]byte, error) {
	info, err := t.find(name)
	if err != nil {
		return nil, err
	}
	return t.bytes(info)
}

func (t *Tensors) bytes(info *TensorInfo) ([]byte, error) {
	if t.mem != nil {
		return t.mem[info.begin:info.end:info.end], nil
	}
	b := make([]byte, info.end-info.begin)
	if err := readFull(t.src, b, t.base+info.begin); err != nil {
		return nil, fmt.Errorf("safetensors: tensor %q: %w", info.Name, err)
	}
	return b, nil
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Float32s is the data of a tensor as float32s, all finite. It may be the file's
// own memory; do not change it.
func (t *Tensors) Float32s(name string) ([]float32, error) {
	info, err := t.find(name)
	if err != nil {
		return nil, err
	}
	if v := t.floats(info); v != nil {
		return v, finite(info.Name, v, 0)
	}
	v := make([]float32, info.Elements())
	return v, t.ReadInto(v, name)
}

// floats is the memory of a tensor where that holds float32s as they are, else nil.
func (t *Tensors) floats(info *TensorInfo) []float32 {
	if info.DType == F32 && littleEndian && t.mem != nil && info.begin < info.end {
		b := t.mem[info.begin:info.end]
		if p := unsafe.Pointer(&b[0]); uintptr(p)%4 == 0 {
			return unsafe.Slice((*float32)(p), len(b)/4)
		}
	}
	return nil
}

// Source says how to read the elements of a tensor, in row-major order.
type Source struct {
	N     int                               // elements
	Data  []float32                         // all of them, where they lie in memory as float32s; else nil
	Check func(v []float32, at int) error   // says which of v, Data from number at on, is not finite
	Read  func(dst []float32, at int) error // without Data: reads and checks those from number at on
}

// Source returns how to read a tensor.
func (t *Tensors) Source(name string) (Source, error) {
	info, err := t.find(name)
	if err != nil {
		return Source{}, err
	}
	s := Source{N: info.Elements()}
	if s.Data = t.floats(info); s.Data != nil {
		s.Check = func(v []float32, at int) error { return finite(info.Name, v, at) }
	} else {
		s.Read = func(dst []float32, at int) error { return t.read(dst, info, at) }
	}
	return s, nil
}

// ReadInto writes the data of a tensor into dst, which has its length. All are
// finite, or an error says which is not.
func (t *Tensors) ReadInto(dst []float32, name string) error {
	info, err := t.find(name)
	if err != nil {
		return err
	}
	if len(dst) != info.Elements() {
		return fmt.Errorf("safetensors: tensor %q has %d elements (%v), %d are wanted", name, info.Elements(), info.Shape, len(dst))
	}
	return t.read(dst, info, 0)
}

// ReadAt writes the elements of a tensor from number at on into dst, in row-major
// order. All are finite, or an error says which is not.
func (t *Tensors) ReadAt(dst []float32, name string, at int) error {
	info, err := t.find(name)
	if err != nil {
		return err
	}
	if n := info.Elements(); at < 0 || len(dst) > n-at {
		return fmt.Errorf("safetensors: tensor %q has %d elements (%v); %d from number %d on are wanted", name, n, info.Shape, len(dst), at)
	}
	return t.read(dst, info, at)
}

func (t *Tensors) read(dst []float32, info *TensorInfo, first int) error {
	convert := converters[info.DType]
	var scales []float32
	row := max(1, info.Elements()/max(1, append(info.Shape, 1)[0]))
	if info.DType == I8 {
		var err error
		if scales, err = t.scales(info); err != nil {
			return err
		}
	} else if convert == nil {
		return fmt.Errorf("safetensors: tensor %q holds %s, not floating-point numbers", info.Name, info.DType)
	}
	size := info.DType.Size()
	asIs := info.DType == F32 && littleEndian
	const chunk = 1 << 16
	var buf []byte
	for done := 0; done < len(dst); {
		n := min(chunk, len(dst)-done)
		at := info.begin + int64((first+done)*size)
		d := dst[done : done+n]
		var b []byte
		switch {
		case t.mem != nil:
			b = t.mem[at : at+int64(n*size)]
		case asIs:
			b = floatBytes(d)
		default:
			if buf == nil {
				buf = make([]byte, n*size)
			}
			b = buf[:n*size]
		}
		if t.mem == nil {
			if err := readFull(t.src, b, t.base+at); err != nil {
				return fmt.Errorf("safetensors: tensor %.200q: %w", info.Name, err)
			}
		}
		switch {
		case scales != nil:
			widenScaled(d, b, scales, row, first+done)
		case !asIs:
			convert(d, b)
		case t.mem != nil:
			copy(floatBytes(d), b)
		}
		if err := finite(info.Name, d, first+done); err != nil {
			return err
		}
		done += n
	}
	return nil
}

// finite returns an error if an element of v, which begins with number first of a tensor, is
// infinite or NaN: then x-x is not 0. Four sums run side by side, since a sum waits for the
// one before.
func finite(name string, v []float32, first int) error {
	var a, b, c, d float32
	i := 0
	for ; i+4 <= len(v); i += 4 {
		w := v[i : i+4 : i+4]
		a += w[0] - w[0]
		b += w[1] - w[1]
		c += w[2] - w[2]
		d += w[3] - w[3]
	}
	for ; i < len(v); i++ {
		a += v[i] - v[i]
	}
	if a+b+c+d == 0 {
		return nil
	}
	for i, x := range v {
		if x-x != 0 {
			return fmt.Errorf("safetensors: element %d of tensor %q is %v as float32; weights must be finite", first+i, name, x)
		}
	}
	return nil
}

var converters = map[DType]func(dst []float32, src []byte){
	F32: func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	},
	F64: func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	},
	BF16: func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	},
	F16: func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = fromF16(binary.LittleEndian.Uint16(src[2*i:]))
		}
	},
}

// fromF16 converts an IEEE 754 half-precision number, which is exact.
func fromF16(h uint16) float32 {
	sign, e, m := uint32(h&0x8000)<<16, uint32(h>>10)&31, uint32(h)&0x3ff
	switch e {
	case 0:
		x := float32(m) * 0x1p-24
		return math.Float32frombits(math.Float32bits(x) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	}
	return math.Float32frombits(sign | (e+112)<<23 | m<<13)
}
