package onnx

import (
	"math"
	"slices"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// ONNX Runtime's quantize_static writes a network in one of two forms. The QDQ form has the usual
// operators between DequantizeLinear and QuantizeLinear, the QOperator form operators that compute on
// whole numbers, such as QLinearConv. unfoldQ makes the first of the second: the numbers are
// the same, and the importer reads that form.

// qForm describes an operator on whole numbers by the places of its inputs.
type qForm struct {
	op       string // the operator on real numbers
	operands []int  // the first input of each triple: a tensor, its scale, its zero point
	bias     int    // the input with a bias of 32 bits, in steps of the product of the operands' scales; -1 for none
	result   int    // the input with the scale of the output, its zero point follows
	attrs    []string
}

var qForms = map[string]qForm{
	"QLinearConv":              {"Conv", []int{0, 3}, 8, 6, []string{"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"}},
	"QLinearMatMul":            {"MatMul", []int{0, 3}, -1, 6, nil},
	"QGemm":                    {"Gemm", []int{0, 3}, 6, 7, []string{"alpha", "transA", "transB"}},
	"QLinearAdd":               {"Add", []int{0, 3}, -1, 6, nil},
	"QLinearMul":               {"Mul", []int{0, 3}, -1, 6, nil},
	"QLinearAveragePool":       {"AveragePool", []int{0}, -1, 3, []string{"auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"}},
	"QLinearGlobalAveragePool": {"GlobalAveragePool", []int{0}, -1, 3, nil},
	"QLinearSigmoid":           {"Sigmoid", []int{0}, -1, 3, nil},
	"QLinearLeakyRelu":         {"LeakyRelu", []int{0}, -1, 3, []string{"alpha"}},
	"QLinearSoftmax":           {"Softmax", []int{0}, -1, 3, []string{"axis"}},
}

// scaleAxis returns the axis of operand i that a vector of scales belongs to: the rows of the first operand of
// a matrix product, the columns of the second, the output channels of a convolution's weights.
func (f qForm) scaleAxis(n *onnxpb.NodeProto, i int) int64 {
	switch f.op {
	case "MatMul":
		return int64(i) - 2
	case "Gemm":
		if transposed := (&node{NodeProto: n}).int([2]string{"transA", "transB"}[i], 0) != 0; transposed == (i == 0) {
			return 1
		}
	}
	return 0
}

// qMoves are operators that move whole numbers, or choose among them.
var qMoves = map[string]bool{"MaxPool": true, "Flatten": true, "Reshape": true, "Transpose": true, "Squeeze": true, "Unsqueeze": true, "Identity": true, "Dropout": true}

// qScale is the scale and the zero point of a tensor of whole numbers, by the names of their values.
type qScale struct{ scale, zero string }

type unfolder struct {
	g            *onnxpb.GraphProto
	initializers map[string]*onnxpb.TensorProto
	names        map[string]bool
	whole        map[string]qScale // the tensors that operators of the form compute
	real         map[string]string // by the name of such a tensor, the name of its real numbers
	origin       map[string]string // by the first output of a node, the node of the file, for messages
	at           string            // the node that is being unfolded, for messages
}

// unfoldQ returns a model in the QDQ form, and m itself if it has no operators on whole numbers. An
// operator that it does not know stays as it is.
func unfoldQ(m *Model) *Model {
	g := m.Proto.GetGraph()
	if g == nil || !slices.ContainsFunc(g.Node, func(n *onnxpb.NodeProto) bool {
		_, ok := qForms[n.OpType]
		return ok || n.OpType == "QLinearConcat"
	}) {
		return m
	}
	u := &unfolder{initializers: map[string]*onnxpb.TensorProto{}, names: map[string]bool{}, whole: map[string]qScale{}, real: map[string]string{}, origin: map[string]string{},
		g: &onnxpb.GraphProto{Name: g.Name, DocString: g.DocString, Input: g.Input, Output: g.Output, Initializer: slices.Clone(g.Initializer), SparseInitializer: g.SparseInitializer}}
	for _, t := range g.Initializer {
		u.initializers[t.Name], u.names[t.Name] = t, true
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
		u.at = nodeName(n, i)
		if !u.node(n) {
			u.append(n)
		}
	}
	return &Model{Weights: m.Weights, origin: u.origin, Proto: &onnxpb.ModelProto{IrVersion: m.Proto.IrVersion, OpsetImport: m.Proto.OpsetImport, Graph: u.g,
		ProducerName: m.Proto.ProducerName, MetadataProps: m.Proto.MetadataProps, Functions: m.Proto.Functions}}
}

// node unfolds a node, and reports false if it stays as it is.
func (u *unfolder) node(n *onnxpb.NodeProto) bool {
	if len(n.Output) != 1 {
		return false
	}
	f, ok := qForms[n.OpType]
	switch {
	case n.OpType == "QuantizeLinear" && len(n.Input) == 3:
		u.whole[n.Output[0]] = qScale{n.Input[1], n.Input[2]}
		return false
	case qMoves[n.OpType] && len(n.Input) > 0:
		s, whole := u.whole[n.Input[0]]
		if whole {
			u.computed(n, n.OpType, append([]string{u.dequantized(n.Input[0], s, 0)}, n.Input[1:]...), s, n.Attribute)
		}
		return whole
	case n.OpType == "QLinearConcat" && len(n.Input) >= 5 && len(n.Input)%3 == 2:
		var in []string
		for i := 2; i < len(n.Input); i += 3 {
			in = append(in, u.dequantized(n.Input[i], qScale{n.Input[i+1], n.Input[i+2]}, 0))
		}
		u.computed(n, "Concat", in, qScale{n.Input[0], n.Input[1]}, n.Attribute)
		return true
	case !ok || len(n.Input) < 3*len(f.operands) || (&node{NodeProto: n}).int("channels_last", 0) != 0:
		return false
	}
	var in []string
	for i, at := range f.operands {
		in = append(in, u.dequantized(n.Input[at], qScale{n.Input[at+1], n.Input[at+2]}, f.scaleAxis(n, i)))
	}
	if f.bias >= 0 && len(n.Input) > f.bias && n.Input[f.bias] != "" {
		b, ok := u.bias(n, f)
		if !ok {
			return false
		}
		in = append(in, b)
	}
	attrs := slices.DeleteFunc(slices.Clone(n.Attribute), func(a *onnxpb.AttributeProto) bool { return !slices.Contains(f.attrs, a.Name) })
	var to qScale
	if len(n.Input) > f.result+1 {
		to = qScale{n.Input[f.result], n.Input[f.result+1]}
	}
	u.computed(n, f.op, in, to, attrs)
	return true
}

// computed adds an operator on real numbers and a QuantizeLinear of its result, which has the name of
// n's output. Without a scale the result stays real.
func (u *unfolder) computed(n *onnxpb.NodeProto, op string, in []string, s qScale, attrs []*onnxpb.AttributeProto) {
	out := n.Output[0]
	if s.scale == "" {
		u.add(n.Name, op, in, out, attrs...)
		return
	}
	real := u.fresh(out + "_real")
	u.add(n.Name, op, in, real, attrs...)
	u.add("", "QuantizeLinear", []string{real, s.scale, s.zero}, out)
	u.whole[out] = s
}

// dequantized returns the name of the real numbers of a tensor of whole numbers. A constant vector of scales
// lies along the given axis.
func (u *unfolder) dequantized(name string, s qScale, axis int64) string {
	if have := u.real[name]; have != "" {
		return have
	}
	real := u.fresh(name + "_real")
	in := []string{name, s.scale, s.zero}
	if s.zero == "" {
		in = in[:2]
	}
	var attrs []*onnxpb.AttributeProto
	if t := u.initializers[s.scale]; t != nil && len(t.Dims) == 1 && t.Dims[0] > 1 {
		attrs = append(attrs, attrInt("axis", int(axis)))
	}
	u.add("", "DequantizeLinear", in, real, attrs...)
	u.real[name] = real
	return real
}

// bias adds the real numbers of a bias. The scales must be constant.
func (u *unfolder) bias(n *onnxpb.NodeProto, f qForm) (string, bool) {
	var scales [2][]float32
	for i, at := range f.operands {
		t := u.initializers[n.Input[at+1]]
		if t == nil {
			return "", false
		}
		x, err := Floats(t)
		if err != nil || len(x) == 0 {
			return "", false
		}
		scales[i] = x
	}
	product := &onnxpb.TensorProto{Name: u.fresh(n.Input[f.bias] + "_scale"), DataType: int32(onnxpb.TensorProto_FLOAT)}
	for _, w := range scales[1] {
		p := scales[0][0] * w
		if math.IsInf(float64(p), 0) {
			return "", false
		}
		product.FloatData = append(product.FloatData, p)
	}
	if len(scales[1]) > 1 {
		product.Dims = []int64{int64(len(scales[1]))}
	}
	u.g.Initializer = append(u.g.Initializer, product)
	u.initializers[product.Name] = product
	return u.dequantized(n.Input[f.bias], qScale{scale: product.Name}, 0), true
}

func (u *unfolder) add(name, op string, in []string, out string, attrs ...*onnxpb.AttributeProto) {
	u.append(&onnxpb.NodeProto{Name: name, OpType: op, Input: in, Output: []string{out}, Attribute: attrs})
}

// append adds a node that is, or is made of, the node that is being unfolded.
func (u *unfolder) append(n *onnxpb.NodeProto) {
	if len(n.Output) > 0 {
		u.origin[n.Output[0]] = u.at
	}
	u.g.Node = append(u.g.Node, n)
}

// nameOf names a node of a model for messages: as nodeName, or the node of the file that it was
// made of.
func (m *Model) nameOf(n *onnxpb.NodeProto, i int) string {
	if len(n.Output) > 0 {
		if name := m.origin[n.Output[0]]; name != "" {
			return name
		}
	}
	return nodeName(n, i)
}

// fresh returns a name that no value has.
func (u *unfolder) fresh(name string) string {
	for u.names[name] {
		name += "_"
	}
	u.names[name] = true
	return name
}
