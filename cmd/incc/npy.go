package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"strings"
	"unsafe"

	"codeberg.org/sbinet/npyio/npy"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// readNPY reads a NumPy file of float32, float64, int64, int32 or uint8 in C
// order.
func readNPY(path string) (t *tensor.Tensor, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	r, err := npy.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("not a NumPy file: %w", err)
	}
	d := r.Header.Descr
	if d.Fortran {
		return nil, errors.New("the array is in Fortran order; save numpy.ascontiguousarray(x)")
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	n := int64(1)
	for _, x := range d.Shape {
		if x < 0 || (x > 0 && n > math.MaxInt32/int64(x)) {
			return nil, fmt.Errorf("shape %v is too large", d.Shape)
		}
		n *= int64(x)
	}
	if n == 0 || n > fi.Size() {
		return nil, fmt.Errorf("shape %v does not fit a file of %d bytes", d.Shape, fi.Size())
	}
	t = tensor.New(d.Shape...)
	switch strings.Trim(d.Type, "'<|=") {
	case "f4":
		err = readAs[float32](r, t)
	case "f8":
		err = readAs[float64](r, t)
	case "i8":
		err = readAs[int64](r, t)
	case "i4":
		err = readAs[int32](r, t)
	case "u1":
		err = readAs[uint8](r, t)
	default:
		err = fmt.Errorf("elements of type %s; want float32, float64, int64, int32 or uint8 in little endian", d.Type)
	}
	return t, err
}

func readAs[T float32 | float64 | int64 | int32 | uint8](r *npy.Reader, t *tensor.Tensor) error {
	s := make([]T, len(t.Data))
	if err := r.Read(&s); err != nil {
		return err
	}
	if len(s) != len(t.Data) {
		return fmt.Errorf("%d elements for shape %v", len(s), ir.Shape(t.Shape))
	}
	for i, v := range s {
		t.Data[i] = float64(v)
	}
	return nil
}

// writeNPY writes a float32 NumPy file. The library takes the shape from the
// type of a nested array, so one is made for the occasion.
func writeNPY(w io.Writer, t *tensor.F32) error {
	typ := reflect.TypeFor[float32]()
	for i := len(t.Shape) - 1; i >= 0; i-- {
		typ = reflect.ArrayOf(t.Shape[i], typ)
	}
	return npy.Write(w, reflect.NewAt(typ, unsafe.Pointer(&t.Data[0])).Elem().Interface())
}
