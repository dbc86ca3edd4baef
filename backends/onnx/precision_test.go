package onnx

import (
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// TestPrecisionNote says what models compute in: not for weights that a Cast turns into FLOAT, nor
// for arithmetic on sizes.
func TestPrecisionNote(t *testing.T) {
	const double, half, float, whole = 11, 10, 1, 7
	cast := func(in, out string, to int64) *onnxpb.NodeProto {
		return &onnxpb.NodeProto{OpType: "Cast", Input: []string{in}, Output: []string{out}, Attribute: []*onnxpb.AttributeProto{intAttr("to", to)}}
	}
	op := func(name, out string, in ...string) *onnxpb.NodeProto {
		return &onnxpb.NodeProto{OpType: name, Input: in, Output: []string{out}}
	}
	for name, c := range map[string]struct {
		input, weight int32
		nodes         []*onnxpb.NodeProto
		want          string
	}{
		"double":          {double, double, []*onnxpb.NodeProto{op("Add", "y", "x", "w")}, "the model computes in DOUBLE; the network computes in float32, with fewer digits than DOUBLE"},
		"half":            {half, half, []*onnxpb.NodeProto{op("Add", "y", "x", "w")}, "with more digits than FLOAT16"},
		"float":           {float, float, []*onnxpb.NodeProto{op("Add", "y", "x", "w")}, ""},
		"cast of weights": {float, half, []*onnxpb.NodeProto{cast("w", "v", float), op("Add", "y", "x", "v")}, ""},
		"cast and back":   {float, half, []*onnxpb.NodeProto{cast("x", "h", half), op("Add", "s", "h", "w"), cast("s", "y", float)}, "FLOAT16"},
		"a rounding":      {float, float, []*onnxpb.NodeProto{op("Relu", "r", "x"), cast("r", "h", half), cast("h", "y", float)}, "FLOAT16"},
		"wider and back":  {float, float, []*onnxpb.NodeProto{cast("x", "d", double), op("Identity", "e", "d"), cast("e", "y", float)}, ""},
		"both": {float, double, []*onnxpb.NodeProto{cast("x", "d", double), op("Mul", "e", "d", "w"), cast("e", "h", half), op("Exp", "i", "h"), cast("i", "y", float)},
			"computes in DOUBLE and FLOAT16; the network computes in float32, with fewer digits than DOUBLE and more digits than FLOAT16"},
		"sizes":       {float, double, []*onnxpb.NodeProto{op("Shape", "s", "x"), cast("s", "d", double), op("Mul", "e", "d", "w"), cast("e", "i", whole), op("Reshape", "y", "x", "i")}, ""},
		"comparisons": {float, float, []*onnxpb.NodeProto{op("Less", "b", "x", "w"), cast("b", "f", float), op("Add", "y", "f", "x")}, ""},
	} {
		input := testInfo("x", "Nx2")
		input.GetType().GetTensorType().ElemType = c.input
		m := &Model{Proto: &onnxpb.ModelProto{Graph: &onnxpb.GraphProto{Node: c.nodes, Input: []*onnxpb.ValueInfoProto{input},
			Initializer: []*onnxpb.TensorProto{{Name: "w", DataType: c.weight}}}}}
		got := PrecisionNote(m)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q (want %q)", name, got, c.want)
		}
	}
}
