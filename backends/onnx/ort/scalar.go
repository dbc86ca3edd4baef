package ort

import "fmt"

// Scalar is a value without dimensions.
type Scalar[T TensorData] struct{ data []T }

// NewScalar returns a scalar.
func NewScalar[T TensorData](data T) (*Scalar[T], error) {
	if !IsInitialized() {
		return nil, NotInitializedError
	}
	return &Scalar[T]{[]T{data}}, nil
}

// NewEmptyScalar returns a scalar that is zero.
func NewEmptyScalar[T TensorData]() (*Scalar[T], error) {
	var zero T
	return NewScalar(zero)
}

// GetData returns the value, zero after Destroy.
func (s *Scalar[T]) GetData() (value T) {
	if len(s.data) > 0 {
		value = s.data[0]
	}
	return value
}

// Set changes the value.
func (s *Scalar[T]) Set(value T) { s.data = []T{value} }

// GetShape returns nil, as in onnxruntime_go.
func (s *Scalar[T]) GetShape() Shape { return nil }

// ZeroContents sets the value to zero.
func (s *Scalar[T]) ZeroContents() { clear(s.data) }

// Destroy lets go of the value.
func (s *Scalar[T]) Destroy() error {
	s.data = nil
	return nil
}

// DataType returns the type of the value.
func (s *Scalar[T]) DataType() TensorElementDataType { return GetTensorElementDataType[T]() }

// GetONNXType returns ONNXTypeTensor.
func (s *Scalar[T]) GetONNXType() ONNXType { return ONNXTypeTensor }

func (s *Scalar[T]) floats() ([]float32, error) { return (&Tensor[T]{Shape{1}, s.data}).floats() }

func (s *Scalar[T]) set(from []float32, shape Shape) error {
	if len(from) != 1 {
		return fmt.Errorf("the value is a scalar, the output has shape %v", shape)
	}
	return (&Tensor[T]{Shape{1}, s.data}).set(from, Shape{1})
}

// ONNXType is the kind of a value.
type ONNXType int

// The kinds, with the numbers of ONNX Runtime. All values of this package are tensors.
const (
	ONNXTypeUnknown ONNXType = iota
	ONNXTypeTensor
	ONNXTypeSequence
	ONNXTypeMap
	ONNXTypeOpaque
	ONNXTypeSparseTensor
	ONNXTypeOptional
)

func (t ONNXType) String() string {
	names := []string{"UNKNOWN", "TENSOR", "SEQUENCE", "MAP", "OPAQUE", "SPARSE_TENSOR", "OPTIONAL"}
	if t < 0 || int(t) >= len(names) {
		return fmt.Sprintf("Unknown ONNX type: %d", int(t))
	}
	return "ONNX_TYPE_" + names[t]
}

// GetONNXType returns ONNXTypeTensor.
func (t *Tensor[T]) GetONNXType() ONNXType { return ONNXTypeTensor }
