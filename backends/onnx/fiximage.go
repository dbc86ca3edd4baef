package onnx

import (
	"errors"
	"fmt"

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
