package onnx_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

func TestDecodeTensor(t *testing.T) {
	float, int64s := int32(onnxpb.TensorProto_FLOAT), int32(onnxpb.TensorProto_INT64)
	for _, c := range []struct {
		what string
		t    *onnxpb.TensorProto
		want []float32 // nil where it is to be refused
	}{
		{"raw floats", &onnxpb.TensorProto{Dims: []int64{1, 2}, DataType: float, RawData: []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}}, []float32{1, -2}},
		{"floats", &onnxpb.TensorProto{Dims: []int64{2}, DataType: float, FloatData: []float32{3, 4}}, []float32{3, 4}},
		{"integers", &onnxpb.TensorProto{Dims: []int64{2}, DataType: int64s, Int64Data: []int64{5, -6}}, []float32{5, -6}},
		{"an integer that float32 does not hold", &onnxpb.TensorProto{Dims: []int64{1}, DataType: int64s, Int64Data: []int64{1<<24 + 1}}, nil},
		{"the largest integer", &onnxpb.TensorProto{Dims: []int64{1}, DataType: int64s, Int64Data: []int64{1<<63 - 1}}, nil},
		{"too few bytes", &onnxpb.TensorProto{Dims: []int64{1 << 20, 1 << 20}, DataType: float, RawData: []byte{0, 0, 0, 0}}, nil},
		{"negative axis", &onnxpb.TensorProto{Dims: []int64{-1}, DataType: float, FloatData: []float32{1}}, nil},
		{"another type", &onnxpb.TensorProto{Dims: []int64{1}, DataType: int32(onnxpb.TensorProto_STRING), StringData: [][]byte{{1}}}, nil},
		{"external", &onnxpb.TensorProto{Dims: []int64{1}, DataType: float, DataLocation: onnxpb.TensorProto_EXTERNAL}, nil},
	} {
		b, err := proto.Marshal(c.t)
		if err != nil {
			t.Fatal(err)
		}
		shape, data, err := onnx.DecodeTensor(b)
		switch {
		case c.want == nil && err == nil:
			t.Errorf("%s: read as %v %v", c.what, shape, data)
		case c.want != nil && (err != nil || !slices.Equal(data, c.want) || len(shape) != len(c.t.Dims)):
			t.Errorf("%s: %v %v, %v", c.what, shape, data, err)
		}
	}
	if _, _, err := onnx.DecodeTensor([]byte{0xff, 0xff}); err == nil {
		t.Error("two bytes were read as a tensor")
	}
}
