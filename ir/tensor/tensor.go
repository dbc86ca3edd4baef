// Package tensor has dense arrays: a shape, and the elements in row-major order. The
// reference interpreter computes with float64 ([Tensor]); weights are float32 ([F32]).
package tensor

import (
	"fmt"
	"math"
)

// Elem is the type of an array's elements.
type Elem interface{ float32 | float64 }

// Dense is an n-dimensional array in row-major order; len(Data) is the product
// of Shape, and the rank 0 array has one element.
type Dense[T Elem] struct {
	Shape []int
	Data  []T
}

// Tensor is the type that the reference interpreter computes with. Integers (class
// indices) are float64s with a whole value.
type Tensor = Dense[float64]

// F32 is the type in which weights are stored.
type F32 = Dense[float32]

// Size returns the number of elements of a shape: the product of its axes, 1 for rank 0.
func Size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// New returns a zero array of the shape.
func New(shape ...int) *Tensor { return Make[float64](shape) }

// Make returns a zero array of the shape. It copies shape.
func Make[T Elem](shape []int) *Dense[T] {
	return &Dense[T]{Shape: append([]int(nil), shape...), Data: make([]T, Size(shape))}
}

// Of returns an array of the given elements. It keeps data and does not copy it. It
// panics if the length of data is not the product of the shape, which is a bug of the
// caller.
func Of[T Elem](data []T, shape ...int) *Dense[T] {
	if len(data) != Size(shape) {
		panic(fmt.Sprintf("tensor: %d elements for shape %v", len(data), shape))
	}
	return &Dense[T]{Shape: append([]int(nil), shape...), Data: data}
}

// Scalar returns an array of rank 0.
func Scalar(v float64) *Tensor { return &Tensor{Data: []float64{v}} }

// Clone returns a copy.
func (t *Dense[T]) Clone() *Dense[T] {
	return &Dense[T]{Shape: append([]int(nil), t.Shape...), Data: append([]T(nil), t.Data...)}
}

// Reshape returns an array of another shape that shares t's elements. It panics if the
// number of elements differs.
func (t *Dense[T]) Reshape(shape ...int) *Dense[T] { return Of(t.Data, shape...) }

// Index returns the position in Data of the element at the given indices.
func (t *Dense[T]) Index(ix ...int) int {
	o := 0
	for i, d := range t.Shape {
		o = o*d + ix[i]
	}
	return o
}

// At returns the element at the given indices.
func (t *Dense[T]) At(ix ...int) T { return t.Data[t.Index(ix...)] }

// Set sets the element at the given indices.
func (t *Dense[T]) Set(v T, ix ...int) { t.Data[t.Index(ix...)] = v }

// Widen returns a float64 copy.
func Widen(t *F32) *Tensor {
	r := Make[float64](t.Shape)
	for i, v := range t.Data {
		r.Data[i] = float64(v)
	}
	return r
}

// Round returns a float32 copy. Each element is rounded to the nearest float32, ties to
// even.
func Round(t *Tensor) *F32 {
	r := Make[float32](t.Shape)
	for i, v := range t.Data {
		r.Data[i] = float32(v)
	}
	return r
}

// Strides returns, for each axis, the distance in Data between neighbouring elements.
func Strides(shape []int) []int {
	s := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = n
		n *= shape[i]
	}
	return s
}

// MaxDiff returns the largest |a-b| and the largest |b|. The difference is infinite if
// one element is NaN and the other is not, or if the numbers of elements differ.
func MaxDiff[T Elem](a, b *Dense[T]) (diff, scale float64) {
	if len(a.Data) != len(b.Data) {
		return math.Inf(1), 0
	}
	for i := range a.Data {
		x, y := float64(a.Data[i]), float64(b.Data[i])
		if !math.IsNaN(y) {
			scale = math.Max(scale, math.Abs(y))
		}
		if x == y || (math.IsNaN(x) && math.IsNaN(y)) {
			continue
		}
		d := math.Abs(x - y)
		if math.IsNaN(d) {
			d = math.Inf(1)
		}
		diff = math.Max(diff, d)
	}
	return diff, scale
}
