package onnx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
)

// This file prepares a model for Import. Exporters and tools leave things in models that are
// wrong or superfluous but do not change what the model computes.

// prepare returns a copy of a model that
//
//   - has only the nodes and the initializers that the outputs need,
//   - declares no values but the inputs,
//   - has FLOAT in place of FLOAT16, BFLOAT16 and DOUBLE,
//   - names the first axis of every input without a number alike, as the batch,
//   - has the sizes of ImportOptions.Input in place of symbols.
//
// The copy shares nodes and tensors with m.
func (o ImportOptions) prepare(m *Model) (*Model, error) {
	g := m.Proto.GetGraph()
	if g == nil {
		return m, nil
	}
	c := &onnxpb.GraphProto{Name: g.Name, DocString: g.DocString}
	needed := map[string]bool{}
	for _, v := range g.Output {
		needed[v.Name] = true
		c.Output = append(c.Output, &onnxpb.ValueInfoProto{Name: v.Name})
	}
	live := make([]bool, len(g.Node))
	for i := len(g.Node) - 1; i >= 0; i-- {
		n := g.Node[i]
		if live[i] = slices.ContainsFunc(n.Output, func(s string) bool { return needed[s] }); live[i] {
			readsOf(n, func(s string) { needed[s] = true })
		}
	}
	for i, n := range g.Node {
		if !live[i] {
			continue
		}
		n, err := floatNode(n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", nodeName(n, i), err)
		}
		c.Node = append(c.Node, n)
	}
	weights := map[string]bool{}
	for _, t := range g.Initializer {
		weights[t.Name] = true
		if !needed[t.Name] {
			continue
		}
		t, err := floatTensor(t)
		if err != nil {
			return nil, err
		}
		c.Initializer = append(c.Initializer, t)
	}
	for _, t := range g.SparseInitializer {
		if needed[t.GetValues().GetName()] {
			c.SparseInitializer = append(c.SparseInitializer, t)
		}
	}
	if err := o.inputs(c, g.Input, weights); err != nil {
		return nil, err
	}
	p := shallow(m.Proto)
	p.Graph = c
	return &Model{Proto: p, Weights: m.Weights}, nil
}

// readsOf calls f with each value that a node reads, also in its subgraphs.
func readsOf(n *onnxpb.NodeProto, f func(string)) {
	for _, s := range n.Input {
		f(s)
	}
	for _, a := range n.Attribute {
		graphs := a.Graphs
		if a.G != nil {
			graphs = append(graphs[:len(graphs):len(graphs)], a.G)
		}
		for _, g := range graphs {
			for _, b := range g.Node {
				readsOf(b, f)
			}
			for _, v := range g.Output {
				f(v.Name)
			}
		}
	}
}

// floatNode returns a node in which FLOAT takes the place of other types of real numbers, in
// tensors and in the attribute to of a Cast.
func floatNode(n *onnxpb.NodeProto) (*onnxpb.NodeProto, error) {
	for i, a := range n.Attribute {
		var b *onnxpb.AttributeProto
		switch {
		case a.T != nil && isFloat(onnxpb.TensorProto_DataType(a.T.DataType)) && a.T.DataType != int32(onnxpb.TensorProto_FLOAT):
			t, err := asFloat(a.T)
			if err != nil {
				return n, err
			}
			b = &onnxpb.AttributeProto{Name: a.Name, Type: a.Type, T: t}
		case a.Name == "to" && n.OpType == "Cast" && isFloat(onnxpb.TensorProto_DataType(a.I)) && a.I != int64(onnxpb.TensorProto_FLOAT):
			b = &onnxpb.AttributeProto{Name: a.Name, Type: a.Type, I: int64(onnxpb.TensorProto_FLOAT)}
			if a.I == int64(onnxpb.TensorProto_DOUBLE) {
				b.DocString = wideCast
			}
		default:
			continue
		}
		n = shallow(n)
		n.Attribute = slices.Clone(n.Attribute)
		n.Attribute[i] = b
	}
	return n, nil
}

// inputs adds the inputs to c, with the sizes that are known.
func (o ImportOptions) inputs(c *onnxpb.GraphProto, inputs []*onnxpb.ValueInfoProto, weights map[string]bool) error {
	batch := ""
	for _, in := range inputs {
		if d := in.GetType().GetTensorType().GetShape().GetDim(); !weights[in.Name] && len(d) > 0 && d[0].GetDimValue() <= 0 && batch == "" {
			batch = d[0].GetDimParam()
		}
	}
	if batch == "" {
		batch = "N"
	}
	used := len(o.Input) == 0
	var open []string
	for _, in := range inputs {
		if weights[in.Name] { // the default of an input: the input is not one of the network
			continue
		}
		v := declaredValue(in)
		if !v.ranked() {
			c.Input = append(c.Input, in)
			continue
		}
		if isFloat(v.elem) {
			v.elem = onnxpb.TensorProto_FLOAT
		}
		sized := len(o.Input) > 0 && len(v.shape) == len(o.Input)+1
		used = used || sized
		var symbols []string
		for i := range v.shape {
			a := &v.shape[i]
			switch {
			case i == 0 && a.n == 0:
				*a = axis{sym: batch}
			case i == 0:
			case sized && a.n > 0 && a.n != int64(o.Input[i-1]):
				return fmt.Errorf("input %q is %s: it cannot take %v", in.Name, shapeString(v.shape), o.Input)
			case sized:
				*a = axis{n: int64(o.Input[i-1])}
			case a.n == 0 && a.sym == "":
				*a = axis{sym: fmt.Sprintf("%s.%d", in.Name, i)}
			}
			if i > 0 && a.n == 0 && a.sym != batch {
				symbols = append(symbols, a.sym)
			}
		}
		if len(symbols) > 0 {
			open = append(open, fmt.Sprintf("%q is %s", in.Name, shapeString(v.shape)))
		}
		c.Input = append(c.Input, valueInfo(in.Name, v))
	}
	switch {
	case !used:
		return fmt.Errorf("no input has %d axes after the batch, as %v has", len(o.Input), o.Input)
	case len(open) > 0:
		return &OpenSizesError{Inputs: open}
	}
	return nil
}

// OpenSizesError says that sizes of inputs other than the batch are not numbers in the model.
// ImportOptions.Input gives them.
type OpenSizesError struct {
	Inputs []string // such as: "x" is Nx3xHxW
}

func (e *OpenSizesError) Error() string {
	return fmt.Sprintf("input %s: the sizes after the batch must be numbers: give them, such as 3x224x224 for channels, height and width", strings.Join(e.Inputs, ", "))
}

// ImportOptions says how ImportWith reads a model.
type ImportOptions struct {
	// Input holds the sizes of the axes of the input after the batch, such as 3x224x224. It
	// is needed if the model has symbols for them, and must agree with the sizes that are
	// numbers. It applies to every input with that many axes.
	Input ir.Shape
	// FixedBatch keeps the number of images of a model that was exported for a fixed
	// number. Otherwise the result is for any number of images, if the model computes each
	// image by itself.
	FixedBatch bool
	// Layers keeps the layers that package lower replaces, such as transposed convolutions and
	// resizing, for a reader. Executors lower them.
	Layers bool
}
