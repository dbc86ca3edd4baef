package ort

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Shape is the shape of a tensor.
type Shape []int64

// NewShape returns a shape with the given dimensions.
func NewShape(dimensions ...int64) Shape { return Shape(dimensions) }

// maxElements is the largest number of elements of a tensor.
const maxElements = 1 << 31

// FlattenedSize returns the number of elements of a tensor with the shape; 0 for a shape
// without dimensions, as in onnxruntime_go.
func (s Shape) FlattenedSize() int64 {
	if len(s) == 0 {
		return 0
	}
	n := int64(1)
	for _, d := range s {
		n *= d
	}
	return n
}

// BadShapeDimensionError is returned if a dimension is not positive.
type BadShapeDimensionError struct {
	DimensionIndex int
	DimensionSize  int64
}

func (e *BadShapeDimensionError) Error() string {
	return fmt.Sprintf("dimension %d of the shape has the invalid value %d", e.DimensionIndex, e.DimensionSize)
}

// Validate returns an error if the shape is empty, has dimensions below 1, or has too many
// elements.
func (s Shape) Validate() error {
	if len(s) == 0 {
		return errors.New("the shape has no dimensions")
	}
	n := int64(1)
	for i, d := range s {
		if d < 1 {
			return &BadShapeDimensionError{i, d}
		}
		if d > maxElements/n {
			return fmt.Errorf("shape %v has more than %d elements", s, int64(maxElements))
		}
		n *= d
	}
	return nil
}

// Clone returns a copy.
func (s Shape) Clone() Shape { return slices.Clone(s) }

// Equals reports whether two shapes are equal.
func (s Shape) Equals(other Shape) bool { return slices.Equal(s, other) }

func (s Shape) String() string {
	l := make([]string, len(s))
	for i, d := range s {
		l[i] = strconv.FormatInt(d, 10)
	}
	return "[" + strings.Join(l, " ") + "]"
}

func (s Shape) ints() []int {
	l := make([]int, len(s))
	for i, d := range s {
		l[i] = int(d)
	}
	return l
}

// FloatData, IntData and TensorData are the types of the elements of tensors.
type (
	FloatData interface{ ~float32 | ~float64 }
	IntData   interface {
		~int8 | ~uint8 | ~int16 | ~uint16 | ~int32 | ~uint32 | ~int64 | ~uint64
	}
	TensorData interface{ FloatData | IntData | ~bool }
)

// Value is a tensor of any type.
type Value interface {
	GetShape() Shape
	DataType() TensorElementDataType
	GetONNXType() ONNXType
	ZeroContents()
	Destroy() error

	floats() ([]float32, error)            // the elements, to be read
	set(from []float32, shape Shape) error // replaces the elements
}

// Tensor is an array with elements of one type.
type Tensor[T TensorData] struct {
	shape Shape
	data  []T
}

// NewTensor returns a tensor with the elements in data, in row-major order. It keeps data: a
// change of it is a change of the tensor. data may be longer than the shape.
func NewTensor[T TensorData](s Shape, data []T) (*Tensor[T], error) {
	if !IsInitialized() {
		return nil, NotInitializedError
	}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("invalid tensor shape: %w", err)
	}
	n := s.FlattenedSize()
	if n > int64(len(data)) {
		return nil, fmt.Errorf("the tensor's shape (%v) needs %d elements, but only %d were given", s, n, len(data))
	}
	return &Tensor[T]{s.Clone(), data[:n]}, nil
}

// NewEmptyTensor returns a tensor of zeros.
func NewEmptyTensor[T TensorData](s Shape) (*Tensor[T], error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("invalid tensor shape: %w", err)
	}
	return NewTensor(s, make([]T, s.FlattenedSize()))
}

// GetData returns the elements. They may be changed.
func (t *Tensor[T]) GetData() []T { return t.data }

// GetShape returns a copy of the shape.
func (t *Tensor[T]) GetShape() Shape { return t.shape.Clone() }

// ZeroContents sets all elements to zero.
func (t *Tensor[T]) ZeroContents() { clear(t.data) }

// Clone returns a copy with elements of its own.
func (t *Tensor[T]) Clone() (*Tensor[T], error) { return NewTensor(t.shape, slices.Clone(t.data)) }

// Destroy lets go of the elements.
func (t *Tensor[T]) Destroy() error {
	t.shape, t.data = nil, nil
	return nil
}

// DataType returns the type of the elements.
func (t *Tensor[T]) DataType() TensorElementDataType { return GetTensorElementDataType[T]() }

// exact is the largest whole number up to which float32 holds all of them.
const exact = 1 << 24

func (t *Tensor[T]) floats() ([]float32, error) {
	if data, ok := any(t.data).([]float32); ok {
		return data, nil
	}
	out := make([]float32, len(t.data))
	integer := t.DataType().integer()
	for i, x := range t.data {
		v := toFloat(x)
		if integer && math.Abs(v) > exact {
			return nil, fmt.Errorf("element %d is %v: incc computes with float32, which holds whole numbers up to 2^24", i, x)
		}
		out[i] = float32(v)
	}
	return out, nil
}

func (t *Tensor[T]) set(from []float32, shape Shape) error {
	if !t.shape.Equals(shape) {
		return fmt.Errorf("the tensor has shape %v, the output %v", t.shape, shape)
	}
	if data, ok := any(t.data).([]float32); ok {
		copy(data, from)
		return nil
	}
	for i, v := range from {
		setFloat(&t.data[i], v)
	}
	return nil
}

func toFloat[T TensorData](x T) float64 {
	v := reflect.ValueOf(x)
	switch {
	case v.CanFloat():
		return v.Float()
	case v.CanInt():
		return float64(v.Int())
	case v.CanUint():
		return float64(v.Uint())
	case v.Bool():
		return 1
	}
	return 0
}

func setFloat[T TensorData](x *T, f float32) {
	v := reflect.ValueOf(x).Elem()
	switch {
	case v.CanFloat():
		v.SetFloat(float64(f))
	case v.CanInt():
		v.SetInt(int64(f))
	case v.CanUint():
		v.SetUint(uint64(f))
	default:
		v.SetBool(f != 0)
	}
}

// TensorElementDataType is the type of the elements of a tensor; the numbers are those of
// ONNX.
type TensorElementDataType int

// The types of elements.
const (
	TensorElementDataTypeUndefined TensorElementDataType = iota
	TensorElementDataTypeFloat
	TensorElementDataTypeUint8
	TensorElementDataTypeInt8
	TensorElementDataTypeUint16
	TensorElementDataTypeInt16
	TensorElementDataTypeInt32
	TensorElementDataTypeInt64
	TensorElementDataTypeString
	TensorElementDataTypeBool
	TensorElementDataTypeFloat16
	TensorElementDataTypeDouble
	TensorElementDataTypeUint32
	TensorElementDataTypeUint64
)

func (t TensorElementDataType) String() string {
	names := []string{"undefined", "float", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "double", "uint32", "uint64"}
	if t < 0 || int(t) >= len(names) {
		return fmt.Sprintf("type %d", int(t))
	}
	return names[t]
}

func (t TensorElementDataType) integer() bool {
	switch t {
	case TensorElementDataTypeFloat, TensorElementDataTypeDouble, TensorElementDataTypeFloat16:
		return false
	}
	return true
}

// GetTensorElementDataType returns the type of T.
func GetTensorElementDataType[T TensorData]() TensorElementDataType {
	var x T
	return map[reflect.Kind]TensorElementDataType{
		reflect.Float32: TensorElementDataTypeFloat, reflect.Float64: TensorElementDataTypeDouble, reflect.Bool: TensorElementDataTypeBool,
		reflect.Int8: TensorElementDataTypeInt8, reflect.Uint8: TensorElementDataTypeUint8, reflect.Int16: TensorElementDataTypeInt16,
		reflect.Uint16: TensorElementDataTypeUint16, reflect.Int32: TensorElementDataTypeInt32, reflect.Uint32: TensorElementDataTypeUint32,
		reflect.Int64: TensorElementDataTypeInt64, reflect.Uint64: TensorElementDataTypeUint64,
	}[reflect.TypeOf(x).Kind()]
}
