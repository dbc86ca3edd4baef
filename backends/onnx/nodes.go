package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// This file converts operators that have no op of their own to nodes (ops.Node) and back.

// constInput is an input that must be a constant, because it decides about the shape of a
// result. It becomes an attribute of the node.
type constInput struct {
	input int
	attr  string
	one   bool // a number, not a list
	rank  int  // of the constant that Emit writes
}

// constInputs lists, for each operator, the inputs that become attributes. A reduction has its
// axes as an attribute or as an input, by opset.
var constInputs = map[string][]constInput{
	"Slice":         {{1, "starts", false, 1}, {2, "ends", false, 1}, {3, "axes", false, 1}, {4, "steps", false, 1}},
	"Pad":           {{1, "pads", false, 1}, {3, "axes", false, 1}},
	"Reshape":       {{1, "shape", false, 1}},
	"Expand":        {{1, "shape", false, 1}},
	"Tile":          {{1, "repeats", false, 1}},
	"TopK":          {{1, "k", true, 1}},
	"Squeeze":       {{1, "axes", false, 1}},
	"Unsqueeze":     {{1, "axes", false, 1}},
	"OneHot":        {{1, "depth", true, 0}},
	"CumSum":        {{1, "axis", true, 0}},
	"CumProd":       {{1, "axis", true, 0}},
	"Trilu":         {{1, "k", true, 0}},
	"CenterCropPad": {{1, "shape", false, 1}},
	"Col2Im":        {{1, "image_shape", false, 1}, {2, "block_shape", false, 1}},
	"AffineGrid":    {{1, "size", false, 1}},
	"MaxUnpool":     {{2, "output_shape", false, 1}},
	"Compress":      {{1, "condition", false, 1}},
	"Resize":        {{1, "roi", false, 1}, {2, "scales", false, 1}, {3, "sizes", false, 1}},
	"Split":         {{1, "split", false, 1}},
}

func init() {
	for _, op := range []string{"Sum", "Mean", "Prod", "Max", "Min", "L1", "L2", "SumSquare", "LogSum", "LogSumExp"} {
		constInputs["Reduce"+op] = []constInput{{1, "axes", false, 1}}
	}
}

// elemTypes maps the types of elements of the IR to those of ONNX.
var elemTypes = map[ir.DType]onnxpb.TensorProto_DataType{
	ir.F32: onnxpb.TensorProto_FLOAT, ir.I64: onnxpb.TensorProto_INT64, ir.I32: onnxpb.TensorProto_INT32, ir.Bool: onnxpb.TensorProto_BOOL,
	ir.U8: onnxpb.TensorProto_UINT8, ir.I8: onnxpb.TensorProto_INT8, ir.I16: onnxpb.TensorProto_INT16, ir.U16: onnxpb.TensorProto_UINT16,
	ir.U32: onnxpb.TensorProto_UINT32, ir.U64: onnxpb.TensorProto_UINT64,
}

// dtypeOf returns the type of elements in the IR; ok is false if there is none.
func dtypeOf(t onnxpb.TensorProto_DataType) (d ir.DType, ok bool) {
	if isFloat(t) {
		return ir.F32, true
	}
	for d, e := range elemTypes {
		if e == t {
			return d, true
		}
	}
	return 0, false
}

// countsOutputs lists the operators whose further outputs are computed only if they are wanted.
var countsOutputs = map[string]bool{"MaxPool": true, "Dropout": true, "SoftmaxCrossEntropyLoss": true}

// ignoredAttrs lists attributes that do not change what a node computes.
var ignoredAttrs = map[string]bool{"stash_type": true, "seed": true, "saturate": true, "sorted": true, "round_mode": true, "precision": true, "num_outputs": true, "spatial": true}

// asNode returns the node that an operator becomes, and which of its inputs are operands.
func (n *node) asNode() (op ops.Node, operands []int, err error) {
	if !nodes.HasNode(n.OpType) || n.OpType == "Slope" || n.OpType == "Scale" {
		return op, nil, errors.New("the IR has no such op")
	}
	attrs := nodes.NodeAttrs{}
	for _, a := range n.Attribute {
		if err := nodeAttr(attrs, n.OpType, a); err != nil {
			return op, nil, err
		}
	}
	if n.OpType == "CastLike" || n.OpType == "Cast" && attrs["to"] == "" {
		return op, nil, errors.New("the type is not known")
	}
	if n.OpType == "RoiAlign" && n.opset < 16 { // which had no such attribute
		attrs["coordinate_transformation_mode"] = "output_half_pixel"
	}
	rows := constInputs[n.OpType]
	for _, r := range rows {
		if !n.has(r.input) {
			continue
		}
		if err := n.constAttr(attrs, r); err != nil {
			return op, nil, err
		}
	}
	if countsOutputs[n.OpType] && len(n.Output) > 1 && n.Output[1] != "" {
		attrs["outputs"] = "2"
	}
	var omit []int
	at := 0
	for i := range n.Input {
		if slices.ContainsFunc(rows, func(r constInput) bool { return r.input == i }) {
			continue
		}
		if n.has(i) {
			operands = append(operands, i)
		} else {
			omit = append(omit, at)
		}
		at++
	}
	for len(omit) > 0 && omit[len(omit)-1] == at-1 { // at the end
		omit, at = omit[:len(omit)-1], at-1
	}
	if len(omit) > 0 {
		attrs["omit"] = nodes.NodeInts(omit...)
	}
	var types []ir.Type
	for _, i := range operands {
		d, ok := dtypeOf(n.in[i].elem)
		if !ok {
			return op, nil, fmt.Errorf("%v values are not supported", n.in[i].elem)
		}
		types = append(types, ir.Type{DType: d})
	}
	return ops.Node{Type: n.OpType, Attrs: attrs.String(), Kinds: ops.NodeKinds(types)}, operands, nil
}

// constAttr makes an attribute of an input.
func (n *node) constAttr(attrs nodes.NodeAttrs, r constInput) error {
	if r.attr == "roi" && string(attrText(n.attr("coordinate_transformation_mode"))) != "tf_crop_and_resize" {
		return nil
	}
	if list, ok := n.constInts(r.input); ok {
		if r.one && len(list) != 1 {
			return fmt.Errorf("%s has %d elements (want one)", r.attr, len(list))
		}
		for i, v := range list { // bounds such as the largest INT64
			list = slices.Clone(list)
			list[i] = min(max(v, -1<<31), 1<<31-1)
		}
		attrs[r.attr] = nodes.NodeInts(list...)
		if len(list) == 0 {
			delete(attrs, r.attr)
		}
		return nil
	}
	if list, ok := n.constFloats(r.input); ok {
		var wide []float64
		for _, v := range list {
			wide = append(wide, shortest(v))
		}
		if attrs[r.attr] = nodes.NodeFloats(wide...); len(list) == 0 {
			delete(attrs, r.attr)
		}
		return nil
	}
	return fmt.Errorf("%s must be a constant: it decides about the shape of the result", r.attr)
}

func attrText(a *onnxpb.AttributeProto) []byte {
	if a == nil {
		return nil
	}
	return a.S
}

// nodeAttr adds an attribute of an operator to those of a node.
func nodeAttr(attrs nodes.NodeAttrs, op string, a *onnxpb.AttributeProto) error {
	name := a.Name
	switch {
	case ignoredAttrs[name]:
		return nil
	case name == "to", name == "dtype", name == "output_dtype":
		if name != "to" && a.I == 0 {
			return nil
		}
		d, ok := dtypeOf(onnxpb.TensorProto_DataType(a.I))
		if !ok {
			return fmt.Errorf("%s=%v is not supported", name, onnxpb.TensorProto_DataType(a.I))
		}
		attrs["to"] = d.String()
		return nil
	}
	switch a.Type {
	case onnxpb.AttributeProto_INT:
		attrs[name] = strconv.FormatInt(a.I, 10)
	case onnxpb.AttributeProto_INTS:
		attrs[name] = nodes.NodeInts(a.Ints...)
	case onnxpb.AttributeProto_FLOAT:
		attrs[name] = nodes.NodeFloats(shortest(a.F))
	case onnxpb.AttributeProto_FLOATS:
		var wide []float64
		for _, v := range a.Floats {
			wide = append(wide, shortest(v))
		}
		attrs[name] = nodes.NodeFloats(wide...)
	case onnxpb.AttributeProto_STRING:
		if strings.ContainsAny(string(a.S), ";:") || len(a.S) > 256 {
			return fmt.Errorf("attribute %s=%q is not supported", name, a.S)
		}
		attrs[name] = strings.ReplaceAll(string(a.S), " ", "")
	default:
		return fmt.Errorf("attribute %s of type %v is not supported", name, a.Type)
	}
	return nil
}

// importNode imports an operator as a node.
func (im *importer) importNode() error {
	n := im.node
	if n.OpType == "Split" { // an opset has the number of parts, others their sizes
		return im.splitNode(n)
	}
	if len(n.Input) > 4 && (n.OpType == "Sum" || n.OpType == "Max" || n.OpType == "Min" || n.OpType == "Concat") {
		return im.foldNode(n)
	}
	op, operands, err := n.asNode()
	if err != nil {
		return err
	}
	var vs []*ir.Value
	for _, i := range operands {
		v, err := im.typed(n.Input[i])
		if err != nil {
			return err
		}
		vs = append(vs, v)
	}
	if len(vs) == 0 {
		return errors.New("a node without operands that is no constant")
	}
	return im.add(op, vs...)
}

// splitNode takes the sizes from the outputs.
func (im *importer) splitNode(n *node) error {
	axis, err := normAxis(n.int("axis", 0), len(n.in[0].shape))
	if err != nil {
		return err
	}
	var sizes []int
	for _, o := range n.Output {
		t, err := im.typeOf(o)
		if err != nil || axis >= len(t.Shape) {
			return errors.New("the sizes must be constants")
		}
		sizes = append(sizes, t.Shape[axis])
	}
	x, err := im.typed(n.Input[0])
	if err != nil {
		return err
	}
	return im.add(ops.Node{Type: "Split", Attrs: nodes.NodeAttrs{"axis": strconv.Itoa(axis), "split": nodes.NodeInts(sizes...)}.String(), Kinds: ops.NodeKinds([]ir.Type{x.Type})}, x)
}

// foldNode makes several nodes of one that has more operands than a node can have.
func (im *importer) foldNode(n *node) error {
	op, operands, err := n.asNode()
	if err != nil {
		return err
	}
	y, err := im.typed(n.Input[operands[0]])
	if err != nil {
		return err
	}
	for _, i := range operands[1:] {
		v, err := im.typed(n.Input[i])
		if err != nil {
			return err
		}
		op.Kinds = ops.NodeKinds([]ir.Type{y.Type, v.Type})
		if err := im.add(op, y, v); err != nil {
			return err
		}
		y = im.values[n.Output[0]]
	}
	return nil
}

// typed is value for any type of elements: constants of integers and bools become params, too.
func (im *importer) typed(name string) (*ir.Value, error) {
	k := im.known[name]
	if im.values[name] != nil || k.elem == onnxpb.TensorProto_FLOAT || k.elem == onnxpb.TensorProto_UNDEFINED {
		return im.value(name, ir.Weight)
	}
	d, ok := dtypeOf(k.elem)
	if !ok {
		return nil, fmt.Errorf("%q holds %v, which the IR does not compute with", name, k.elem)
	}
	ints := k.ints
	if ints == nil {
		for _, t := range im.m.Proto.Graph.Initializer {
			if t.Name == name {
				var err error
				if ints, err = integersUpTo(t, maxElements); err != nil {
					return nil, err
				}
			}
		}
	}
	shape := ir.Shape(dimsOf(k.shape))
	if ints == nil || shape.Check() != nil || len(ints) != shape.Size() {
		return nil, fmt.Errorf("%q is not available: the node that computes it is not supported", name)
	}
	data := make([]float32, len(ints))
	for i, v := range ints {
		if data[i] = float32(v); int64(data[i]) != v {
			return nil, fmt.Errorf("%q holds %d: constants of more than 24 bits are not supported", name, v)
		}
	}
	v := im.b.Const(safeName(name), tensor.Of(data, shape...))
	v.Type.DType = d
	im.values[name] = v
	return v, nil
}

// plain reports whether a node reads and writes real numbers only, apart from inputs that become
// attributes.
func (im *importer) plain(n *node) bool {
	for i := range n.Input {
		index := slices.ContainsFunc(constInputs[n.OpType], func(r constInput) bool { return r.input == i }) || n.OpType == "Gather" && i == 1
		if n.has(i) && !index && n.in[i].elem != onnxpb.TensorProto_FLOAT && n.in[i].elem != onnxpb.TensorProto_UNDEFINED && n.OpType != "Dropout" {
			return false
		}
	}
	e := im.known[n.Output[0]].elem
	return e == onnxpb.TensorProto_FLOAT || e == onnxpb.TensorProto_UNDEFINED
}

// nodeTypes infers the types of the outputs of an operator that becomes a node, and their
// elements if all operands are constants. It returns nil if it cannot.
func (v *verifier) nodeTypes(n *node) ([]value, error) {
	op, operands, err := n.asNode()
	if err != nil {
		return nil, nil
	}
	var types []ir.Type
	sym, constant := "", true
	for _, i := range operands {
		x := n.in[i]
		d, ok := dtypeOf(x.elem)
		if !ok || !x.ranked() {
			return nil, nil
		}
		t := ir.Type{DType: d, Shape: ir.Shape{}}
		for _, a := range x.shape {
			switch {
			case a.n > 0:
				t.Shape = append(t.Shape, int(a.n))
			case a.sym == "" || sym != "" && a.sym != sym:
				return nil, nil
			default:
				sym = a.sym
				t.Shape = append(t.Shape, ir.Batch)
			}
		}
		if t.Shape.Check() != nil {
			return nil, nil
		}
		types = append(types, t)
		constant = constant && (x.ints != nil || x.floats != nil)
	}
	out, err := op.Infer(types)
	if err != nil {
		return nil, err
	}
	vs := make([]value, len(out))
	size := 0
	for i, t := range out {
		vs[i] = value{elem: elemTypes[t.DType], shape: []axis{}}
		for _, d := range t.Shape {
			if d == ir.Batch {
				vs[i].shape = append(vs[i].shape, axis{sym: sym})
			} else {
				vs[i].shape = append(vs[i].shape, axis{n: int64(d)})
			}
		}
		size += t.Shape.Size()
	}
	if constant && sym == "" && size <= maxInts && len(operands) > 0 {
		v.computeNode(n, op, operands, types, vs)
	}
	return vs, nil
}

// maxFolded bounds the operations of all nodes that are computed while a model is read.
const maxFolded = 1 << 28

// computeNode sets the elements of results whose operands are constants, within the folder's
// bound of memory.
func (v *verifier) computeNode(n *node, op ops.Node, operands []int, types []ir.Type, vs []value) {
	var in []*tensor.Tensor
	for j, i := range operands {
		if v.folder.left -= 16 * int64(types[j].Shape.Size()); v.folder.left < 0 {
			return
		}
		x := tensor.New(types[j].Shape...)
		if list, ok := n.constInts(i); ok && len(list) == len(x.Data) {
			for k, e := range list {
				x.Data[k] = float64(e)
			}
		} else if list, ok := n.constFloats(i); ok && len(list) == len(x.Data) {
			for k, e := range list {
				x.Data[k] = float64(e)
			}
		} else {
			return
		}
		in = append(in, x)
	}
	p, err := op.Plan(types, 1, true)
	if err != nil {
		return
	}
	if v.folded += int64(p.Ops()); v.folded > maxFolded {
		return
	}
	out, err := op.Eval(in)
	if err != nil {
		return
	}
	for i, y := range out {
		if vs[i].elem == onnxpb.TensorProto_FLOAT {
			vs[i].floats = &floats{data: tensor.Round(y).Data}
			continue
		}
		list := make([]int64, len(y.Data))
		for k, e := range y.Data {
			if list[k] = int64(e); float64(list[k]) != e {
				return
			}
		}
		vs[i].ints = list
	}
}
