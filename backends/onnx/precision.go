package onnx

import (
	"maps"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// Precisions returns the types of real numbers other than FLOAT in which a model computes with
// its inputs, in the order of their names. ImportWith makes networks that compute in float32 from
// all models. Weights that a Cast turns into FLOAT do not count, nor does arithmetic on sizes.
func Precisions(m *Model) []string {
	g := m.Proto.GetGraph()
	p := &precision{types: map[string]onnxpb.TensorProto_DataType{}, data: map[string]bool{}, found: map[string]bool{}}
	for _, v := range g.GetInput() {
		p.types[v.Name] = onnxpb.TensorProto_DataType(v.GetType().GetTensorType().GetElemType())
		p.data[v.Name] = true
	}
	for _, t := range g.GetInitializer() {
		p.types[t.Name] = onnxpb.TensorProto_DataType(t.DataType)
		delete(p.data, t.Name)
	}
	p.nodes(g.GetNode())
	return slices.Sorted(maps.Keys(p.found))
}

// PrecisionNote says how a network computes that ImportWith makes from a model, where that differs
// from the types of the model, else "".
func PrecisionNote(m *Model) string {
	var more, fewer []string
	for _, t := range Precisions(m) {
		if t == onnxpb.TensorProto_DOUBLE.String() {
			fewer = append(fewer, t)
		} else {
			more = append(more, t)
		}
	}
	var how []string
	if fewer != nil {
		how = append(how, "fewer digits than "+strings.Join(fewer, " and "))
	}
	if more != nil {
		how = append(how, "more digits than "+strings.Join(more, " and "))
	}
	if how == nil {
		return ""
	}
	return "the model computes in " + strings.Join(append(fewer, more...), " and ") +
		"; the network computes in float32, with " + strings.Join(how, " and ")
}

// precision follows the types of values through a model.
type precision struct {
	types map[string]onnxpb.TensorProto_DataType
	data  map[string]bool // values that depend on the elements of the inputs
	found map[string]bool
}

// copies lists operators that compute no number: they move elements, or turn them into others
// without a loss.
var copies = map[string]bool{"Identity": true, "Reshape": true, "Flatten": true, "Squeeze": true, "Unsqueeze": true, "Transpose": true,
	"Concat": true, "Split": true, "Slice": true, "Gather": true, "Expand": true, "Tile": true, "Pad": true, "Dropout": true, "Cast": true,
	"CastLike": true, "If": true, "Loop": true, "Scan": true, "DepthToSpace": true, "SpaceToDepth": true}

// wholeResults lists operators whose results are integers or bools for operands of real numbers.
var wholeResults = map[string]bool{"Shape": true, "Size": true, "ArgMax": true, "ArgMin": true, "NonZero": true, "NonMaxSuppression": true,
	"Equal": true, "Less": true, "LessOrEqual": true, "Greater": true, "GreaterOrEqual": true, "IsNaN": true, "IsInf": true,
	"QuantizeLinear": true, "DynamicQuantizeLinear": true}

func (p *precision) nodes(list []*onnxpb.NodeProto) {
	for _, n := range list {
		for _, a := range n.Attribute {
			if a.G != nil {
				p.nodes(a.G.Node)
			}
		}
		of, data := onnxpb.TensorProto_UNDEFINED, false
		for _, s := range n.Input {
			if t := p.types[s]; of == onnxpb.TensorProto_UNDEFINED && isFloat(t) {
				of = t
			}
			data = data || p.data[s]
		}
		data = data && n.OpType != "Shape" && n.OpType != "Size"
		to := p.result(n, of)
		// A Cast to fewer digits rounds, which the network does not.
		rounds := strings.HasPrefix(n.OpType, "Cast") && to != of && to != onnxpb.TensorProto_DOUBLE
		for _, t := range []onnxpb.TensorProto_DataType{of, to} {
			if data && isFloat(t) && t != onnxpb.TensorProto_FLOAT && (!copies[n.OpType] || rounds && t == to) {
				p.found[t.String()] = true
			}
		}
		for _, s := range n.Output {
			p.types[s] = to
			if data {
				p.data[s] = true
			}
		}
	}
}

// result returns the type of the results of a node. of is that of its first operand of real
// numbers.
func (p *precision) result(n *onnxpb.NodeProto, of onnxpb.TensorProto_DataType) onnxpb.TensorProto_DataType {
	switch {
	case wholeResults[n.OpType]:
		return onnxpb.TensorProto_INT64
	case n.OpType == "CastLike" && len(n.Input) == 2:
		return p.types[n.Input[1]]
	}
	for _, a := range n.Attribute {
		switch {
		case a.Name == "to" || a.Name == "dtype":
			return onnxpb.TensorProto_DataType(a.I)
		case a.Name == "value" && a.T != nil && strings.HasPrefix(n.OpType, "Constant"):
			return onnxpb.TensorProto_DataType(a.T.DataType)
		}
	}
	return of
}
