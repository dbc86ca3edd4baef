package onnx

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// FixImage returns a model whose picture has c channels, height h and width w in pixels,
// where the input of m leaves them open. The picture is the one input of four axes, batch
// first, in either order of the axes: channels first, or channels last as Keras has them. It
// returns an error if m has no such input, or if m has another size. It does not change m.
func FixImage(m *Model, c, h, w int) (*Model, error) {
	g := m.Proto.GetGraph()
	at, err := imageInput(g)
	if err != nil {
		return nil, err
	}
	in := proto.CloneOf(g.Input[at])
	dims := in.GetType().GetTensorType().GetShape().GetDim()
	want := []int{c, h, w}
	if last := dims[3].GetDimValue(); last == int64(c) && dims[1].GetDimValue() != int64(c) {
		want = []int{h, w, c}
	}
	for i, n := range want {
		d := dims[i+1]
		if v, ok := d.Value.(*onnxpb.TensorShapeProto_Dimension_DimValue); ok && v.DimValue > 0 {
			if v.DimValue != int64(n) {
				return nil, fmt.Errorf("axis %d of input %q is %d, not %d: the model has a fixed size", i+1, in.Name, v.DimValue, n)
			}
			continue
		}
		if n < 1 || n > maxDim {
			return nil, fmt.Errorf("%d is not a size within 1..%d", n, maxDim)
		}
		d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)}
	}
	r := &Model{Proto: shallow(m.Proto), Weights: m.Weights}
	r.Proto.Graph = shallow(g)
	r.Proto.Graph.Input = append([]*onnxpb.ValueInfoProto(nil), g.Input...)
	r.Proto.Graph.Input[at] = in
	return forgetShapes(r)
}

// ImageOpen reports whether a model has one input of four axes and leaves its height, width
// or channels open. FixImage fixes them.
func ImageOpen(m *Model) bool {
	g := m.Proto.GetGraph()
	at, err := imageInput(g)
	if err != nil {
		return false
	}
	for _, d := range g.Input[at].GetType().GetTensorType().GetShape().GetDim()[1:] {
		if d.GetDimValue() <= 0 {
			return true
		}
	}
	return false
}

// imageInput returns the index of the one input of four axes that is no weight.
func imageInput(g *onnxpb.GraphProto) (int, error) {
	weights := map[string]bool{}
	for _, t := range g.GetInitializer() {
		weights[t.Name] = true
	}
	at := -1
	for i, in := range g.GetInput() {
		if weights[in.Name] || len(in.GetType().GetTensorType().GetShape().GetDim()) != 4 {
			continue
		}
		if at >= 0 {
			return 0, fmt.Errorf("the model has several inputs of four axes: %q and %q", g.Input[at].Name, in.Name)
		}
		at = i
	}
	if at < 0 {
		return 0, errors.New("the model has no input of four axes")
	}
	return at, nil
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
