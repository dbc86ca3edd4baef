package onnx

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// oldestImport is the oldest opset that Import supports. Before it, broadcasting was an
// attribute.
const oldestImport = 7

// upgrade converts a model of opset 7 to 12 to opset 13, in which axes, bounds and similar
// parameters are inputs instead of attributes. It returns a new model and true. It returns
// a model of opset 13 or newer unchanged, and false. The meaning of Softmax also changed in
// opset 13, but its form did not; the importer handles that (importer.old).
func upgrade(m *Model) (up *Model, old bool, err error) {
	if m.Proto.GetGraph() == nil {
		return m, false, nil
	}
	at := slices.IndexFunc(m.Proto.OpsetImport, func(o *onnxpb.OperatorSetIdProto) bool { return o.Domain == "" || o.Domain == "ai.onnx" })
	if at < 0 || m.Proto.OpsetImport[at].Version >= minOpset {
		return m, false, nil
	}
	opset := m.Proto.OpsetImport[at].Version
	if opset < oldestImport {
		return nil, false, fmt.Errorf("opset %d is not supported (want %d to %d): convert the model to a newer one", opset, oldestImport, newestOpset)
	}
	g := m.Proto.Graph
	u := &upgrader{names: map[string]bool{}, g: &onnxpb.GraphProto{Name: g.Name, DocString: g.DocString, Input: g.Input, Output: g.Output, ValueInfo: g.ValueInfo,
		Initializer: slices.Clone(g.Initializer), SparseInitializer: g.SparseInitializer}}
	for _, t := range g.Initializer {
		u.names[t.Name] = true
	}
	for _, v := range g.Input {
		u.names[v.Name] = true
	}
	for _, n := range g.Node {
		for _, o := range n.Output {
			u.names[o] = true
		}
	}
	for i, n := range g.Node {
		x, err := u.node(n)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", nodeName(n, i), err)
		}
		u.g.Node = append(u.g.Node, x)
	}
	opsets := slices.Clone(m.Proto.OpsetImport)
	opsets[at] = &onnxpb.OperatorSetIdProto{Version: minOpset}
	return &Model{Weights: m.Weights, Proto: &onnxpb.ModelProto{IrVersion: max(m.Proto.IrVersion, MinIR(minOpset)), OpsetImport: opsets, Graph: u.g,
		ProducerName: m.Proto.ProducerName, MetadataProps: m.Proto.MetadataProps, Functions: m.Proto.Functions}}, true, nil
}

type upgrader struct {
	g     *onnxpb.GraphProto
	names map[string]bool
}

// attributesToInputs lists, for each operator, the attributes of old opsets that became
// inputs, in the order of the inputs.
var attributesToInputs = map[string][]struct {
	attr  string
	input int
}{
	"Slice":     {{"starts", 1}, {"ends", 2}, {"axes", 3}},
	"Pad":       {{"pads", 1}, {"value", 2}},
	"Clip":      {{"min", 1}, {"max", 2}},
	"Squeeze":   {{"axes", 1}},
	"Unsqueeze": {{"axes", 1}},
	"Split":     {{"split", 1}},
	"ReduceSum": {{"axes", 1}},
	"Dropout":   {{"ratio", 1}},
}

// nearestSimple is the nearest_mode of opsets before 11, which did not say: ONNX Runtime rounds
// up where a size shrinks, and else down.
const nearestSimple = "simple"

// resize converts an Upsample, or a Resize of opset 10, which has the inputs x and scales.
func (u *upgrader) resize(n *onnxpb.NodeProto) (*onnxpb.NodeProto, error) {
	x := &onnxpb.NodeProto{Name: n.Name, OpType: "Resize", DocString: n.DocString, Output: n.Output, Attribute: []*onnxpb.AttributeProto{
		{Name: "coordinate_transformation_mode", Type: onnxpb.AttributeProto_STRING, S: []byte("asymmetric")},
		{Name: "nearest_mode", Type: onnxpb.AttributeProto_STRING, S: []byte(nearestSimple)}}}
	in := n.Input
	for _, a := range n.Attribute {
		switch {
		case a.Name == "scales" && len(in) == 1 && len(a.Floats) > 0:
			t := &onnxpb.TensorProto{Name: u.fresh(n.Output, a.Name), DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{int64(len(a.Floats))}, FloatData: a.Floats}
			u.g.Initializer = append(u.g.Initializer, t)
			in = []string{in[0], t.Name}
		case a.Name == "mode" && a.Type == onnxpb.AttributeProto_STRING:
			b := shallow(a)
			if string(a.S) == "bilinear" {
				b.S = []byte("linear")
			}
			x.Attribute = append(x.Attribute, b)
		default:
			return nil, fmt.Errorf("attribute %q is not supported here", a.Name)
		}
	}
	if len(in) != 2 {
		return nil, fmt.Errorf("%d inputs and scales (want two)", len(in))
	}
	x.Input = []string{in[0], "", in[1]}
	return x, nil
}

func (u *upgrader) node(n *onnxpb.NodeProto) (*onnxpb.NodeProto, error) {
	if (n.Domain == "" || n.Domain == "ai.onnx") && (n.OpType == "Upsample" || n.OpType == "Resize" && len(n.Input) == 2) {
		return u.resize(n)
	}
	rows := attributesToInputs[n.OpType]
	if n.Domain != "" && n.Domain != "ai.onnx" || rows == nil && n.OpType != "BatchNormalization" {
		return n, nil
	}
	x := &onnxpb.NodeProto{Name: n.Name, OpType: n.OpType, Domain: n.Domain, DocString: n.DocString, Input: slices.Clone(n.Input), Output: n.Output}
	for _, a := range n.Attribute {
		if a.Name == "spatial" && n.OpType == "BatchNormalization" {
			if a.I != 1 {
				return nil, fmt.Errorf("spatial=%d is not supported (want 1)", a.I)
			}
			continue
		}
		row := slices.IndexFunc(rows, func(r struct {
			attr  string
			input int
		}) bool {
			return r.attr == a.Name
		})
		if row < 0 {
			x.Attribute = append(x.Attribute, a)
			continue
		}
		t := &onnxpb.TensorProto{Name: u.fresh(n.Output, a.Name)}
		switch a.Type {
		case onnxpb.AttributeProto_INTS:
			if len(a.Ints) == 0 {
				return nil, fmt.Errorf("attribute %q is empty", a.Name)
			}
			t.DataType, t.Dims, t.Int64Data = int32(onnxpb.TensorProto_INT64), []int64{int64(len(a.Ints))}, a.Ints
		case onnxpb.AttributeProto_FLOAT:
			t.DataType, t.FloatData = int32(onnxpb.TensorProto_FLOAT), []float32{a.F}
		default:
			return nil, fmt.Errorf("attribute %q is %v, which is not supported here", a.Name, a.Type)
		}
		for len(x.Input) <= rows[row].input {
			x.Input = append(x.Input, "")
		}
		if x.Input[rows[row].input] != "" {
			return nil, fmt.Errorf("%s is given both as an attribute and as an input", a.Name)
		}
		x.Input[rows[row].input] = t.Name
		u.g.Initializer = append(u.g.Initializer, t)
	}
	return x, nil
}

func (u *upgrader) fresh(outputs []string, attr string) string {
	base := attr
	if len(outputs) > 0 {
		base = outputs[0] + "/" + attr
	}
	name := base
	for i := 2; u.names[name]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	u.names[name] = true
	return name
}
