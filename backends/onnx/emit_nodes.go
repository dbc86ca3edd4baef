package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
	"github.com/incc-lang/incc/ir/ops"
)

// writeNode writes a node as the operator that it is.
func writeNode(op ops.Node, n *ir.Node, e *emitter) error {
	if err := groupScales(op, n, e); err != nil {
		return err
	}
	s, ok := schemaOf(op.Type, e.opset)
	if op.Type == "Program" {
		return errors.New("it computes sizes that are known only at run time, which are not written: keep the file that the network comes from")
	}
	if !ok {
		if all := schemas[op.Type]; len(all) > 0 && all[0].since > e.opset {
			return fmt.Errorf("ONNX has the operator %s from opset %d on: write that opset (--opset)", op.Type, all[0].since)
		}
		return fmt.Errorf("ONNX has no operator %s", op.Type)
	}
	if op.Type == "Resize" && e.opset < 18 && strings.Contains(op.Attrs, "axes:") {
		var err error
		if op, err = oldResize(op, n.In[0].Type.Shape, n.Out[0].Type.Shape); err != nil {
			return err
		}
	}
	given, err := nodes.ParseNodeAttrs(op.Attrs)
	if err != nil {
		return err
	}
	in, err := e.nodeInputs(op, n, given, s)
	if err != nil {
		return err
	}
	var attrs []*onnxpb.AttributeProto
	for _, f := range strings.Fields(s.attrs) {
		name, kind, _ := strings.Cut(strings.TrimSuffix(f, "!"), ":")
		text, ok := given[name]
		if name == "dtype" || name == "output_dtype" {
			text, ok = given["to"]
			delete(given, "to")
		}
		delete(given, name)
		if !ok {
			continue
		}
		a, err := writeAttr(name, kind, text)
		if err != nil {
			return err
		}
		attrs = append(attrs, a)
	}
	delete(given, "outputs")
	if op.Type == "QuantizeLinear" {
		delete(given, "to") // the zero point has the type
	}
	for name := range given {
		return fmt.Errorf("%s has no attribute %s at opset %d", op.Type, name, e.opset)
	}
	x := e.add(op.Type, in, e.result(n.Out[0]), attrs...)
	for _, v := range n.Out[1:] {
		x.Output = append(x.Output, e.result(v))
	}
	return nil
}

// groupScales returns an error for a group normalization whose scales another opset means: for
// each group until 20, for each channel from 21 on.
func groupScales(op ops.Node, n *ir.Node, e *emitter) error {
	if op.Type != "GroupNormalization" {
		return nil
	}
	if channels := n.In[0].Type.Shape[1]; (n.In[1].Type.Shape.Size() == channels) != (e.opset >= 21) {
		return fmt.Errorf("GroupNormalization has scales for each channel from opset 21 on (--opset 21), and for each group before; here are %v for %v", n.In[1].Type.Shape, n.In[0].Type.Shape)
	}
	return nil
}

// nodeInputs returns the names of the inputs: operands, "" for those that are left out, and
// constants for attributes that are inputs in ONNX.
func (e *emitter) nodeInputs(op ops.Node, n *ir.Node, given nodes.NodeAttrs, s schema) ([]string, error) {
	var constants []constInput
	for _, r := range constInputs[op.Type] {
		if !strings.Contains(" "+s.attrs, " "+r.attr+":") {
			constants = append(constants, r)
		}
	}
	omitted := op.Omitted()
	delete(given, "omit")
	var in []string
	at, operand := 0, 0
	for i := range s.inMin + 16 {
		j := slices.IndexFunc(constants, func(r constInput) bool { return r.input == i })
		if j >= 0 {
			name := ""
			if text, ok := given[constants[j].attr]; ok {
				var err error
				if name, err = e.constant(constants[j], text); err != nil {
					return nil, err
				}
				delete(given, constants[j].attr)
			}
			in = append(in, name)
			continue
		}
		if slices.Contains(omitted, operand) {
			in, operand = append(in, ""), operand+1
			continue
		}
		operand++
		if at < len(n.In) {
			in = append(in, e.as[n.In[at]])
			at++
		} else {
			in = append(in, "")
		}
	}
	for len(in) > 0 && in[len(in)-1] == "" {
		in = in[:len(in)-1]
	}
	return in, nil
}

// constant adds a constant for an attribute.
func (e *emitter) constant(r constInput, text string) (string, error) {
	words := strings.Split(text, ",")
	if r.attr == "roi" || r.attr == "scales" {
		var list []float32
		for _, w := range words {
			v, err := strconv.ParseFloat(w, 64)
			if err != nil {
				return "", fmt.Errorf("%s=%q", r.attr, text)
			}
			list = append(list, float32(v))
		}
		return e.floats(r.attr, ir.Shape{len(list)}, list...), nil
	}
	var list []int
	for _, w := range words {
		v, err := strconv.Atoi(w)
		if err != nil {
			return "", fmt.Errorf("%s=%q", r.attr, text)
		}
		list = append(list, v)
	}
	name := e.ints(r.attr, list...)
	t := e.out.Initializer[len(e.out.Initializer)-1]
	if r.rank == 0 {
		t.Dims = nil
	}
	if r.attr == "condition" {
		t.DataType, t.RawData = int32(onnxpb.TensorProto_BOOL), nil
		for _, v := range list {
			t.RawData = append(t.RawData, byte(v))
		}
	}
	return name, nil
}

// writeAttr makes an attribute of the type that the schema names.
func writeAttr(name, kind, text string) (*onnxpb.AttributeProto, error) {
	a := &onnxpb.AttributeProto{Name: name}
	bad := fmt.Errorf("attribute %s=%q is not %s", name, text, kind)
	switch kind {
	case "STRING":
		a.Type, a.S = onnxpb.AttributeProto_STRING, []byte(text)
	case "INT":
		a.Type = onnxpb.AttributeProto_INT
		if d, ok := ir.ParseDType(text); ok {
			a.I = int64(elemTypes[d])
			return a, nil
		}
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, bad
		}
		a.I = v
	case "INTS":
		a.Type = onnxpb.AttributeProto_INTS
		for _, w := range strings.Split(text, ",") {
			v, err := strconv.ParseInt(w, 10, 64)
			if err != nil {
				return nil, bad
			}
			a.Ints = append(a.Ints, v)
		}
	case "FLOAT":
		a.Type = onnxpb.AttributeProto_FLOAT
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, bad
		}
		a.F = float32(v)
	default:
		return nil, bad
	}
	return a, nil
}

// integers adds a constant of integers or bools.
func (e *emitter) integers(name string, t ir.Type, data []float32) {
	x := &onnxpb.TensorProto{Name: name, DataType: int32(elemTypes[t.DType])}
	for _, d := range t.Shape {
		x.Dims = append(x.Dims, int64(d))
	}
	for _, f := range data {
		b := binary.LittleEndian.AppendUint64(nil, uint64(int64(f)))
		x.RawData = append(x.RawData, b[:t.DType.Bytes()]...)
	}
	e.out.Initializer = append(e.out.Initializer, x)
}
