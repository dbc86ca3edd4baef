package onnx_test

import (
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
)

// loopBody makes the graph of a Loop with one value that turns hand on, v, and its outputs: the
// condition, the next v, and those of scans.
func loopBody(cond, next string, scans []string, tensors []*onnxpb.TensorProto, nodes ...*onnxpb.NodeProto) *onnxpb.GraphProto {
	typed := func(name string, t onnxpb.TensorProto_DataType, scalar bool) *onnxpb.ValueInfoProto {
		v := declare(name, "1")
		v.Type.GetTensorType().ElemType = int32(t)
		if v.Type.GetTensorType().Shape = nil; scalar {
			v.Type.GetTensorType().Shape = &onnxpb.TensorShapeProto{}
		}
		return v
	}
	g := &onnxpb.GraphProto{Name: "body", Node: nodes, Initializer: tensors,
		Input:  []*onnxpb.ValueInfoProto{typed("i", onnxpb.TensorProto_INT64, true), typed("go", onnxpb.TensorProto_BOOL, true), typed("v", onnxpb.TensorProto_FLOAT, false)},
		Output: []*onnxpb.ValueInfoProto{typed(cond, onnxpb.TensorProto_BOOL, true), typed(next, onnxpb.TensorProto_FLOAT, false)}}
	for _, s := range scans {
		g.Output = append(g.Output, typed(s, onnxpb.TensorProto_FLOAT, false))
	}
	return g
}

// TestImportLoop compares loops whose turns are known with ONNX Runtime.
func TestImportLoop(t *testing.T) {
	ort := onnxtest.StartORT(t)
	real := onnxpb.TensorProto_FLOAT
	half := &onnxpb.TensorProto{Name: "half", DataType: int32(real), FloatData: []float32{0.5}}
	yes := &onnxpb.TensorProto{Name: "yes", DataType: int32(onnxpb.TensorProto_BOOL), Int32Data: []int32{1}}
	toFloat := attribute("to", int(real))
	decay := []*onnxpb.NodeProto{op("Constant", "", "h", attribute("value", half)), op("Mul", "v h", "m"), op("Cast", "i", "f", toFloat), op("Add", "m f", "a"), op("Add", "a x", "next")}
	with := func(last ...*onnxpb.NodeProto) []*onnxpb.NodeProto {
		return append(decay[:len(decay):len(decay)], last...)
	}
	for name, c := range map[string]struct {
		in    string
		body  *onnxpb.GraphProto
		after []*onnxpb.NodeProto
		outs  string
	}{
		"a number of turns": {"five _ x", loopBody("more", "next", nil, nil, with(op("Identity", "go", "more"))...), nil, "y"},
		"a condition, too":  {"five yes x", loopBody("more", "next", nil, nil, with(op("Identity", "go", "more"))...), nil, "y"},
		"an early end":      {"five yes x", loopBody("more", "next", nil, []*onnxpb.TensorProto{scalarInt("two", 2)}, with(op("Less", "i two", "more"))...), nil, "y"},
		"rows of results": {"five yes x", loopBody("more", "next", []string{"s"}, nil, with(op("Identity", "go", "more"), op("Relu", "a", "s"))...),
			[]*onnxpb.NodeProto{op("ReduceMax", "rows", "most", attribute("axes", []int64{0}), attribute("keepdims", 0)), op("Mul", "last most", "y")}, "last rows"},
	} {
		nodes := append([]*onnxpb.NodeProto{op("Loop", c.in, c.outs, attribute("body", c.body))}, c.after...)
		agrees(t, ort, name, foreignModel(17, "Nx4x6x5", []*onnxpb.TensorProto{scalarInt("five", 5), yes}, nodes...), 3, 4, 6, 5)
	}
}

// TestLoopRefused: a loop whose condition depends on the input, or with too many turns, is refused
// once, with the reason.
func TestLoopRefused(t *testing.T) {
	depends := []*onnxpb.NodeProto{op("Relu", "v", "next"), op("ReduceMax", "next", "m", attribute("keepdims", 0)), op("Cast", "m", "more", attribute("to", int(onnxpb.TensorProto_BOOL)))}
	plain := []*onnxpb.NodeProto{op("Relu", "v", "next"), op("Identity", "go", "more")}
	for name, c := range map[string]struct {
		turns int64
		nodes []*onnxpb.NodeProto
	}{
		"the condition depends on the input": {5, depends},
		"too many turns":                     {1 << 40, plain},
		"many turns":                         {5000, plain},
		"no turns":                           {-1, plain},
	} {
		m := foreignModel(17, "Nx4", []*onnxpb.TensorProto{scalarInt("n", c.turns)}, op("Loop", "n _ x", "y", attribute("body", loopBody("more", "next", nil, nil, c.nodes...))))
		_, err := onnx.Import(&onnx.Model{Proto: m})
		if err == nil || strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), "node 0 (Loop): a loop is supported only if") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
