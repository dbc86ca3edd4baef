package onnx

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// DecodeTensor decodes a file that contains one TensorProto, such as input_0.pb in the test
// data of ONNX. The tensor must hold real numbers, integers or bools, and must not have external data.
func DecodeTensor(b []byte) (shape []int, data []float32, err error) {
	t := &onnxpb.TensorProto{}
	if err := proto.Unmarshal(b, t); err != nil {
		return nil, nil, fmt.Errorf("not an ONNX tensor: %w", err)
	}
	if t.DataLocation == onnxpb.TensorProto_EXTERNAL {
		return nil, nil, fmt.Errorf("the data of tensor %q are in another file", t.Name)
	}
	if _, err := elements(t.Dims); err != nil {
		return nil, nil, fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	for _, d := range t.Dims {
		shape = append(shape, int(d))
	}
	switch dt := onnxpb.TensorProto_DataType(t.DataType); {
	case integral(dt):
		v, err := integers(t)
		for _, x := range v {
			if f := float32(x); float64(f) >= 1<<63 || int64(f) != x {
				return nil, nil, fmt.Errorf("tensor %q holds the integer %d: float32, in which inputs are given, does not hold it exactly", t.Name, x)
			}
			data = append(data, float32(x))
		}
		return shape, data, err
	case isFloat(dt) && dt != onnxpb.TensorProto_FLOAT:
		if t, err = asFloat(t); err != nil {
			return nil, nil, err
		}
	}
	data, err = Floats(t)
	return shape, data, err
}
