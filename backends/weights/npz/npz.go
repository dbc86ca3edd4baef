// Package npz reads the archives of NumPy arrays that numpy.savez and
// numpy.savez_compressed write.
package npz

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/npy"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/backends/weights/arrays"
	"github.com/incc-lang/incc/backends/weights/zipfile"
	"github.com/incc-lang/incc/ir/diag"
)

// types maps NumPy's types of elements, without the byte order, to those of arrays.
var types = map[string]safetensors.DType{"f2": safetensors.F16, "f4": safetensors.F32, "f8": safetensors.F64,
	"i1": safetensors.I8, "i2": safetensors.I16, "i4": safetensors.I32, "i8": safetensors.I64,
	"u1": safetensors.U8, "u2": safetensors.U16, "u4": safetensors.U32, "u8": safetensors.U64, "b1": safetensors.Bool}

// Open returns the arrays of an archive of size bytes, in the order of the archive. Their
// names are those of the members without .npy. It returns an error for big-endian numbers
// and for Python objects, which are pickles.
func Open(src io.ReaderAt, size int64) ([]arrays.Array, error) {
	z, err := zipfile.Open(src, size)
	if err != nil {
		return nil, err
	}
	var list []arrays.Array
	for _, f := range z.Members() {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			return nil, fmt.Errorf("not an archive of NumPy arrays: it has the member %s", diag.Quote(f.Name))
		}
		data, err := z.At(f)
		if err != nil {
			return nil, err
		}
		a, err := open(data, int64(f.UncompressedSize64))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", diag.Quote(name), err)
		}
		a.Name = name
		list = append(list, a)
	}
	return list, nil
}

// open reads the header of an array of size bytes, with its header.
func open(data io.ReaderAt, size int64) (arrays.Array, error) {
	var none arrays.Array
	h, begin, err := npy.Header(io.NewSectionReader(data, 0, size), size)
	if err != nil {
		return none, err
	}
	a := arrays.Array{Shape: h.Shape}
	order, kind := byte('='), h.Type
	if kind != "" && strings.IndexByte("<>=|", kind[0]) >= 0 {
		order, kind = kind[0], kind[1:]
	}
	if a.DType = types[kind]; a.DType == "" {
		if strings.HasPrefix(kind, "O") {
			return none, fmt.Errorf("the array holds Python objects, which only code can make; incc never runs code from a file")
		}
		return none, fmt.Errorf("elements of type %s are not supported (want float16, float32, float64, bool, or integers)", diag.Quote(h.Type))
	}
	if order == '>' && a.DType.Size() > 1 {
		return none, fmt.Errorf("the numbers are big-endian: convert them in Python: x.astype(x.dtype.newbyteorder('<'))")
	}
	n, err := arrays.Elements(a.Shape)
	if err != nil {
		return none, err
	}
	if a.Bytes() != size-begin {
		return none, fmt.Errorf("shape %v of %s needs %d bytes, the member has %d", a.Shape, h.Type, a.Bytes(), size-begin)
	}
	elements := io.NewSectionReader(data, begin, a.Bytes())
	a.Data = elements
	if h.Fortran && len(a.Shape) > 1 && n > 0 {
		stride, step := make([]int64, len(a.Shape)), int64(1)
		for i, d := range a.Shape {
			stride[i] = step
			step *= int64(d)
		}
		a.Shape = slices.Clone(a.Shape)
		a.Data = arrays.Strided(elements, a.Bytes(), a.DType.Size(), 0, a.Shape, stride)
	}
	return a, nil
}
