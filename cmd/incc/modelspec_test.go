package main

import (
	"bytes"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// bareModel is a command of scripts, bare FROM TO [open]: it writes a copy of an ONNX model
// without metadata. With open, the model leaves the batch, height and width of its picture
// open.
func bareModel(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: bare FROM TO [open]")
	}
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	m, err := onnx.Decode(b)
	ts.Check(err)
	m.MetadataProps = nil
	if len(args) > 2 {
		for i, name := range []string{"N", "", "H", "W"} {
			if name != "" {
				m.Graph.Input[0].Type.GetTensorType().Shape.Dim[i].Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: name}
			}
		}
		m.Graph.ValueInfo = nil
	}
	var out bytes.Buffer
	_, err = (&onnx.Model{Proto: m}).WriteTo(&out)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), out.Bytes(), 0o644))
}
