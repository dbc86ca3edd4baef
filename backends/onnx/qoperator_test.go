package onnx

import (
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// TestUnfoldQ: an operator whose scales are not constant, or with channels last, stays as it is, and so does
// one that lacks inputs: the importer then names it. Without such operators the model is the same.
func TestUnfoldQ(t *testing.T) {
	node := func(op string, inputs string, attrs ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
		return &onnxpb.NodeProto{OpType: op, Input: strings.Split(inputs, " "), Output: []string{"y"}, Attribute: attrs}
	}
	unfolded := func(n *onnxpb.NodeProto) string {
		m := &Model{Proto: &onnxpb.ModelProto{Graph: &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{n}}}}
		var l []string
		for _, n := range unfoldQ(m).Proto.Graph.Node {
			l = append(l, n.OpType)
		}
		return strings.Join(l, " ")
	}
	for _, c := range []struct {
		n    *onnxpb.NodeProto
		want string
	}{
		{node("QLinearAdd", "a s z b s z t z"), "DequantizeLinear DequantizeLinear Add QuantizeLinear"},
		{node("QLinearMul", "a s z a s z t z"), "DequantizeLinear Mul QuantizeLinear"},
		{node("QGemm", "a s z b s z"), "DequantizeLinear DequantizeLinear Gemm"},
		{node("QLinearConcat", "t z a s z b s z"), "DequantizeLinear DequantizeLinear Concat QuantizeLinear"},
		{node("QLinearGlobalAveragePool", "a s z t z", attrInt("channels_last", 1)), "QLinearGlobalAveragePool"},
		{node("QLinearConv", "a s z b s z t z bias"), "QLinearConv"},
		{node("QLinearConv", "a s z b s"), "QLinearConv"},
		{node("QLinearConcat", "t z a s"), "QLinearConcat"},
		{node("QLinearSoftmax", "a s z t z", attrInt("axis", 1), attrInt("opset", 13)), "DequantizeLinear Softmax QuantizeLinear"},
	} {
		got := unfolded(c.n)
		if !strings.HasSuffix(got, c.want) {
			t.Errorf("%s %v becomes %q, want %q", c.n.OpType, c.n.Input, got, c.want)
		}
	}
	named := node("QLinearAdd", "a s z b s z t z")
	named.Name = "sum"
	relu := &onnxpb.NodeProto{OpType: "Relu", Input: []string{"y"}, Output: []string{"r"}}
	u := unfoldQ(&Model{Proto: &onnxpb.ModelProto{Graph: &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{named, relu}}}})
	for i, n := range u.Proto.Graph.Node { // messages name the nodes of the file
		want := `node "sum" (QLinearAdd)`
		if n.OpType == "Relu" {
			want = "node 1 (Relu)"
		}
		if got := u.nameOf(n, i); got != want {
			t.Errorf("node %d, a %s, is called %s, want %s", i, n.OpType, got, want)
		}
	}
	m := &Model{Proto: &onnxpb.ModelProto{Graph: &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{node("Add", "a b")}}}}
	if unfoldQ(m) != m {
		t.Error("a model without such operators is changed")
	}
}
