package onnx

import (
	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// This file makes models whose declarations say more about shapes.

// InferOutputs returns a model in which the outputs that are declared without a type have
// the inferred type. It does not change m.
func InferOutputs(m *Model) (*Model, error) {
	up, _, err := upgrade(m)
	if err != nil {
		return nil, err
	}
	known := newVerifier(up).values
	p := &onnxpb.ModelProto{IrVersion: m.Proto.IrVersion, OpsetImport: m.Proto.OpsetImport, MetadataProps: m.Proto.MetadataProps, Functions: m.Proto.Functions}
	g := m.Proto.Graph
	p.Graph = &onnxpb.GraphProto{Name: g.Name, DocString: g.DocString, Input: g.Input, Node: g.Node, Initializer: g.Initializer, SparseInitializer: g.SparseInitializer, ValueInfo: g.ValueInfo}
	for _, o := range g.Output {
		v, ok := known[o.Name]
		if ok && v.ranked() && o.Type == nil {
			o = valueInfo(o.Name, v)
		}
		p.Graph.Output = append(p.Graph.Output, o)
	}
	return &Model{Proto: p, Weights: m.Weights}, nil
}

func valueInfo(name string, v value) *onnxpb.ValueInfoProto {
	s := &onnxpb.TensorShapeProto{}
	for _, a := range v.shape {
		d := &onnxpb.TensorShapeProto_Dimension{}
		switch {
		case a.n > 0:
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: a.n}
		case a.sym != "":
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: a.sym}
		}
		s.Dim = append(s.Dim, d)
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(v.elem), Shape: s}}}}
}

// Bind returns a model in which all symbolic sizes are n, so that a model for any batch
// becomes a model for a batch of n images. It does not change m.
func Bind(m *Model, n int) *Model {
	bind := func(list []*onnxpb.ValueInfoProto) []*onnxpb.ValueInfoProto {
		var bound []*onnxpb.ValueInfoProto
		for _, v := range list {
			v = proto.CloneOf(v)
			for i, d := range v.GetType().GetTensorType().GetShape().GetDim() {
				if d.GetDimParam() != "" || i == 0 && d.GetDimValue() <= 0 {
					d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)}
				}
			}
			bound = append(bound, v)
		}
		return bound
	}
	g := m.Proto.GetGraph()
	return &Model{Weights: m.Weights, Proto: &onnxpb.ModelProto{IrVersion: m.Proto.IrVersion, OpsetImport: m.Proto.OpsetImport, Functions: m.Proto.Functions,
		Graph: &onnxpb.GraphProto{Name: g.GetName(), Node: g.GetNode(), Initializer: g.GetInitializer(), SparseInitializer: g.GetSparseInitializer(),
			Input: bind(g.GetInput()), Output: bind(g.GetOutput()), ValueInfo: bind(g.GetValueInfo())}}}
}
