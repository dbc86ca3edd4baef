package onnx

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// This file makes models whose inputs and outputs have more of their sizes declared.

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

// BindShapes returns a model whose inputs have the given shapes, by name. It returns an error
// if m has no such input, or if a size of it is a number and another one. It does not
// change m.
func BindShapes(m *Model, shapes map[string][]int) (*Model, error) {
	g := m.Proto.GetGraph()
	r := &Model{Proto: shallow(m.Proto), Weights: m.Weights}
	r.Proto.Graph = shallow(g)
	r.Proto.Graph.Input = nil
	bound := 0
	for _, in := range g.GetInput() {
		if shape, ok := shapes[in.Name]; ok {
			var err error
			if in, err = bindShape(in, shape); err != nil {
				return nil, err
			}
			bound++
		}
		r.Proto.Graph.Input = append(r.Proto.Graph.Input, in)
	}
	if bound < len(shapes) {
		for name := range shapes {
			if !slices.ContainsFunc(g.GetInput(), func(in *onnxpb.ValueInfoProto) bool { return in.Name == name }) {
				return nil, fmt.Errorf("the model has no input %q", name)
			}
		}
	}
	return forgetShapes(r)
}

// bindShape returns an input with a shape.
func bindShape(in *onnxpb.ValueInfoProto, shape []int) (*onnxpb.ValueInfoProto, error) {
	in = proto.CloneOf(in)
	t := in.GetType().GetTensorType()
	if t == nil {
		return nil, fmt.Errorf("input %q is no tensor", in.Name)
	}
	if t.Shape == nil {
		t.Shape = &onnxpb.TensorShapeProto{Dim: make([]*onnxpb.TensorShapeProto_Dimension, len(shape))}
	}
	if len(t.Shape.Dim) != len(shape) {
		return nil, fmt.Errorf("input %q has %d axes, not %d", in.Name, len(t.Shape.Dim), len(shape))
	}
	for i, n := range shape {
		if v := t.Shape.Dim[i].GetDimValue(); v > 0 && v != int64(n) {
			return nil, fmt.Errorf("axis %d of input %q is %d, not %d", i, in.Name, v, n)
		}
		if n < 1 || n > maxDim {
			return nil, fmt.Errorf("axis %d of input %q: %d is not a size within 1..%d", i, in.Name, n, maxDim)
		}
		t.Shape.Dim[i] = &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)}}
	}
	return in, nil
}

// forgetShapes drops the declared shapes of all values but the inputs, which may name sizes
// that are known now. Inference finds them again.
func forgetShapes(m *Model) (*Model, error) {
	g := m.Proto.Graph
	g.ValueInfo = nil
	outputs := g.Output
	g.Output = nil
	for _, o := range outputs {
		g.Output = append(g.Output, &onnxpb.ValueInfoProto{Name: o.Name, DocString: o.DocString})
	}
	return InferOutputs(m)
}
