package onnx

import (
	"testing"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// TestFoldsInDouble imports models that compute constants in DOUBLE, which float32 does not hold,
// and the same in FLOAT. The results are those of ONNX Runtime 1.32.
func TestFoldsInDouble(t *testing.T) {
	op := func(name, out string, attrs []*onnxpb.AttributeProto, in ...string) *onnxpb.NodeProto {
		return &onnxpb.NodeProto{OpType: name, Input: in, Output: []string{out}, Attribute: attrs}
	}
	cast := func(out, in string, to onnxpb.TensorProto_DataType) *onnxpb.NodeProto {
		return op("Cast", out, []*onnxpb.AttributeProto{intAttr("to", int64(to))}, in)
	}
	run := func(real onnxpb.TensorProto_DataType) *ir.Graph {
		t.Helper()
		number := func(name string, v float64) *onnxpb.TensorProto {
			if real == onnxpb.TensorProto_DOUBLE {
				return &onnxpb.TensorProto{Name: name, DataType: int32(real), Dims: []int64{1}, DoubleData: []float64{v}}
			}
			return &onnxpb.TensorProto{Name: name, DataType: int32(real), Dims: []int64{1}, FloatData: []float32{float32(v)}}
		}
		whole := func(name string, v ...int64) *onnxpb.TensorProto {
			return &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_INT64), Dims: []int64{int64(len(v))}, Int64Data: v}
		}
		g := &onnxpb.GraphProto{Name: "g", Input: []*onnxpb.ValueInfoProto{testInfo("x", "1x192")}, Output: []*onnxpb.ValueInfoProto{testInfo("y", "?")},
			Initializer: []*onnxpb.TensorProto{number("scale", 0.125-1e-12), number("less", 1<<24), whole("axis", 1), whole("zero", 0), whole("large", 1<<24+1), whole("twice", 0, 0)},
			Node: []*onnxpb.NodeProto{
				op("Shape", "s", nil, "x"), op("Gather", "w", nil, "s", "axis"), cast("wr", "w", real), op("Mul", "m", nil, "wr", "scale"),
				op("Floor", "f", nil, "m"), cast("end", "f", onnxpb.TensorProto_INT64), op("Slice", "cut", nil, "x", "zero", "end", "axis"),
				cast("lr", "large", real), op("Gather", "l2", nil, "lr", "twice"), op("Sub", "d", nil, "l2", "less"), op("Concat", "c", []*onnxpb.AttributeProto{intAttr("axis", 0)}, "d", "d"),
				op("ReduceSum", "r", []*onnxpb.AttributeProto{intAttr("keepdims", 0)}, "c"), cast("add", "r", onnxpb.TensorProto_FLOAT), op("Add", "y", nil, "cut", "add"),
			}}
		h, err := ImportWith(&Model{Proto: &onnxpb.ModelProto{IrVersion: 8, Graph: g, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}}}, ImportOptions{FixedBatch: true})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for real, want := range map[onnxpb.TensorProto_DataType]struct {
		size  int
		added float64
	}{
		onnxpb.TensorProto_DOUBLE: {23, 4},
		onnxpb.TensorProto_FLOAT:  {24, 0},
	} {
		g := run(real)
		res, err := ref.Run(g, []*tensor.Tensor{tensor.New(1, 192)}, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		y := res[g.Outputs[0]]
		if len(y.Data) != want.size || y.Data[0] != want.added {
			t.Errorf("%v: %d elements, %g is added (want %d and %g)", real, len(y.Data), y.Data[0], want.size, want.added)
		}
		if g.Doc != "" {
			t.Errorf("%v: %q: the inputs are not computed with in DOUBLE", real, g.Doc)
		}
	}
}
