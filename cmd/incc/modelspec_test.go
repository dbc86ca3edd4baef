package main

import (
	"bytes"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// bareModel is a command of scripts, bare FROM TO [open|channels_last]: it writes a copy of an
// ONNX model without metadata. With open, the model leaves the batch, height and width of its
// picture open; with channels_last, its picture has the channels last.
func bareModel(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: bare FROM TO [open|channels_last]")
	}
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	m, err := onnx.Decode(b)
	ts.Check(err)
	m.MetadataProps = nil
	if len(args) > 2 && args[2] == "open" {
		for i, name := range []string{"N", "", "H", "W"} {
			if name != "" {
				m.Graph.Input[0].Type.GetTensorType().Shape.Dim[i].Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: name}
			}
		}
		m.Graph.ValueInfo = nil
	}
	if len(args) > 2 && args[2] == "channels_last" {
		in := m.Graph.Input[0]
		dims := in.Type.GetTensorType().Shape.Dim
		in.Type.GetTensorType().Shape.Dim = []*onnxpb.TensorShapeProto_Dimension{dims[0], dims[2], dims[3], dims[1]}
		perm := &onnxpb.AttributeProto{Name: "perm", Type: onnxpb.AttributeProto_INTS, Ints: []int64{0, 3, 1, 2}}
		name := in.Name
		in.Name = "pixels"
		node := &onnxpb.NodeProto{OpType: "Transpose", Input: []string{"pixels"}, Output: []string{name}, Attribute: []*onnxpb.AttributeProto{perm}}
		m.Graph.Node = append([]*onnxpb.NodeProto{node}, m.Graph.Node...)
	}
	var out bytes.Buffer
	_, err = (&onnx.Model{Proto: m}).WriteTo(&out)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), out.Bytes(), 0o644))
}
