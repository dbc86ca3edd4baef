package ir

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// DType is the element type of a value.
type DType uint8

const (
	F32 DType = iota // activations, weights
	I64              // class indices, counters, places
	// The following occur only in models that were imported: between nodes (ops.Node).
	I32
	Bool
	U8
	I8
	I16
	U16
	U32
	U64
)

var dtypeNames = [...]string{"f32", "i64", "i32", "bool", "u8", "i8", "i16", "u16", "u32", "u64"}

func (d DType) String() string { return dtypeNames[d] }

// DTypeNames lists what DType.String prints.
func DTypeNames() []string { return slices.Clone(dtypeNames[:]) }

// ParseDType reads what DType.String prints.
func ParseDType(text string) (DType, bool) {
	i := slices.Index(dtypeNames[:], text)
	return DType(max(0, i)), i >= 0
}

// Bytes returns the size of an element.
func (d DType) Bytes() int64 { return [...]int64{4, 8, 4, 1, 1, 1, 2, 2, 4, 8}[d] }

// Range returns the least and the largest number of a type; of Bool 0 and 1.
func (d DType) Range() (lo, hi float64) {
	switch bits := float64(8 * d.Bytes()); d {
	case F32:
		return -math.MaxFloat32, math.MaxFloat32
	case Bool:
		return 0, 1
	case U8, U16, U32, U64:
		return 0, math.Exp2(bits) - 1
	default:
		return -math.Exp2(bits - 1), math.Exp2(bits-1) - 1
	}
}

// Batch in a Shape is the symbolic number of images, which is known only when the
// network runs. It prints as N.
const Batch = -1

// Shape is the extent of each axis: NxCxHxW for feature maps, NxK for the output of a
// dense layer, empty for a scalar.
type Shape []int

// WithoutBatch returns the shape of one image of a batch: without the first axis, if that is
// [Batch].
func (s Shape) WithoutBatch() Shape {
	if len(s) > 0 && s[0] == Batch {
		return s[1:]
	}
	return s
}

func (s Shape) String() string {
	if len(s) == 0 {
		return "scalar"
	}
	var b strings.Builder
	for i, d := range s {
		if i > 0 {
			b.WriteByte('x')
		}
		if d == Batch {
			b.WriteByte('N')
		} else {
			b.WriteString(strconv.Itoa(d))
		}
	}
	return b.String()
}

// Equal reports whether two shapes are the same, the symbolic batch included.
func (s Shape) Equal(t Shape) bool { return slices.Equal(s, t) }

// Bind returns the shape with the batch set to n.
func (s Shape) Bind(n int) Shape {
	r := slices.Clone(s)
	for i, d := range r {
		if d == Batch {
			r[i] = n
		}
	}
	return r
}

// Symbolic reports whether the batch is among the axes.
func (s Shape) Symbolic() bool { return slices.Contains(s, Batch) }

// Size returns the number of elements of one image: the product of all axes but
// the symbolic batch.
func (s Shape) Size() int {
	n := 1
	for _, d := range s {
		if d != Batch {
			n *= d
		}
	}
	return n
}

// MaxDim is the largest extent of an axis, MaxSize the largest number of elements, and
// MaxRank the largest number of axes. With these limits no product of extents
// overflows, and a short text cannot ask for all memory. On a 32-bit machine MaxSize
// is one less, the largest int.
const (
	MaxDim  = 1 << 24
	MaxSize = min(1<<31, math.MaxInt)
	MaxRank = 8
)

// Check returns an error if an axis is below 1 or above MaxDim, if there are more than
// MaxRank axes, or if there are more than MaxSize elements.
func (s Shape) Check() error {
	if len(s) > MaxRank {
		return fmt.Errorf("shape %v has %d axes, at most %d are possible", s, len(s), MaxRank)
	}
	n := int64(1)
	for i, d := range s {
		if d == Batch {
			continue
		}
		if d < 1 || d > MaxDim {
			return fmt.Errorf("axis %d of shape %v is %d, not within 1..%d", i, s, d, MaxDim)
		}
		if n *= int64(d); n > MaxSize {
			return fmt.Errorf("shape %v has more than %d elements", s, MaxSize)
		}
	}
	return nil
}

// Type is the element type and the shape of a value.
type Type struct {
	DType DType
	Shape Shape
}

// Float returns the type of float32 values of a shape.
func Float(shape ...int) Type { return Type{F32, shape} }

func (t Type) String() string {
	if t.DType == F32 {
		return t.Shape.String()
	}
	return t.DType.String() + ":" + t.Shape.String()
}

// Equal reports whether two types are the same.
func (t Type) Equal(u Type) bool { return t.DType == u.DType && t.Shape.Equal(u.Shape) }

// Bind returns the type with the batch set to n.
func (t Type) Bind(n int) Type { return Type{t.DType, t.Shape.Bind(n)} }

// Bytes returns the size of the value for one image, in bytes.
func (t Type) Bytes() int64 { return t.DType.Bytes() * int64(t.Shape.Size()) }

// ParseShape reads what Shape.String prints.
func ParseShape(text string) (Shape, error) {
	if text == "scalar" {
		return Shape{}, nil
	}
	var s Shape
	for _, w := range strings.Split(text, "x") {
		if w == "N" {
			s = append(s, Batch)
			continue
		}
		d, err := strconv.Atoi(w)
		if err != nil || strconv.Itoa(d) != w || d < 0 {
			return nil, fmt.Errorf("%q is not a shape: want numbers joined by x, such as 3x224x224, N for the batch", text)
		}
		s = append(s, d)
	}
	return s, s.Check()
}
