package onnx

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
	"github.com/incc-lang/incc/ir/ops"
)

// maxTailConstant is the largest number of elements of a constant in the text of a program.
const maxTailConstant = 4096

// tailEncoder writes nodes as steps of a program, and keeps what is known about its values.
type tailEncoder struct {
	im     *importer
	ids    map[string]int // the numbers of the values, by their names
	bounds []bound        // of the values, by their numbers
}

// operands adds the operands of the program: computed values, and weights. Real numbers become
// one operand if there are too many.
func (e *tailEncoder) operands(p *nodes.NodeProgram, reads, weights []string) ([]*ir.Value, error) {
	var computed, params, floats []*ir.Value
	var names, packed []string
	for i, s := range slices.Concat(reads, weights) {
		v, err := e.im.typed(s)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q: %w", s, err)
		case i >= len(reads):
			params = append(params, v)
		case v.Type.DType == ir.F32 && len(reads) > maxTailReads:
			floats, packed = append(floats, v), append(packed, s)
		default:
			computed, names = append(computed, v), append(names, s)
		}
	}
	all := slices.Concat(computed, params)
	if len(floats) > 0 {
		all = append(all, e.im.joined(floats))
	}
	if n := len(computed) + min(1, len(floats)); n > maxTailReads || len(all) > ops.MaxNodeOperands {
		return nil, fmt.Errorf("%d computed values (at most %d are possible) and %d large constants (at most %d)", n, maxTailReads, len(params), ops.MaxNodeOperands-n)
	}
	for i, v := range slices.Concat(computed, params) {
		e.define([]string{slices.Concat(names, weights)[i]}, operandBound(v))
	}
	if len(floats) == 0 {
		return all, nil
	}
	from := e.define(nil, operandBound(all[len(all)-1]))
	at := 0
	for i, v := range floats {
		n := v.Type.Shape.Size()
		part := e.define(nil, bound{kind: nodes.NodeFloat, dims: []int{n}})
		p.Steps = append(p.Steps,
			nodes.NodeStep{Op: "Slice", In: []nodes.NodeRef{{Value: from}}, Attrs: nodes.NodeAttrs{"axes": "0", "starts": nodes.NodeInts(at), "ends": nodes.NodeInts(at + n)}, Outs: 1},
			nodes.NodeStep{Op: "Reshape", In: []nodes.NodeRef{{Value: part}}, Attrs: nodes.NodeAttrs{"shape": nodes.NodeInts(v.Type.Shape...)}, Outs: 1})
		e.define(packed[i:i+1], operandBound(v))
		at += n
	}
	return all, e.im.b.Err()
}

func operandBound(v *ir.Value) bound {
	t := ops.NodeTypeOf(v.Type)
	return bound{kind: t.Kind, dims: slices.Clone(t.Shape)}
}

// joined returns a vector of the elements of values.
func (im *importer) joined(vs []*ir.Value) *ir.Value {
	flat := make([]*ir.Value, len(vs))
	for i, v := range vs {
		flat[i] = im.op(ops.Node{Type: "Reshape", Attrs: "shape:-1"}, v)
	}
	for len(flat) > 1 {
		n := min(len(flat), maxTailReads)
		flat = append([]*ir.Value{im.op(ops.Node{Type: "Concat", Attrs: "axis:0"}, flat[:n]...)}, flat[n:]...)
	}
	return flat[0]
}

// value returns the number of a value. A constant becomes a step.
func (e *tailEncoder) value(p *nodes.NodeProgram, name string) (int, error) {
	if id, ok := e.ids[name]; ok {
		return id, nil
	}
	if !e.im.constant(name) {
		return 0, fmt.Errorf("%q is not available: the node that computes it is not supported", name)
	}
	return e.constant(p, name, e.im.known[name])
}

// constant adds a constant as a step.
func (e *tailEncoder) constant(p *nodes.NodeProgram, name string, v value) (int, error) {
	d, ok := dtypeOf(v.elem)
	if !ok {
		return 0, fmt.Errorf("%q holds %v, which the IR does not compute with", name, v.elem)
	}
	a := &nodes.NodeArray{NodeType: nodes.NodeType{Kind: nodes.NodeKindOf(d.String()), Shape: dimsOf(v.shape)}}
	if v.ints != nil {
		for _, x := range v.ints {
			if a.Data = append(a.Data, float64(x)); x != int64(float64(x)) && x < 1<<62 {
				return 0, fmt.Errorf("%q holds the integer %d, which is not computed exactly", name, x)
			}
		}
	} else if v.floats != nil {
		f, err := v.floats.get(e.im.m.Weights)
		if err != nil {
			return 0, err
		}
		for _, x := range f {
			a.Data = append(a.Data, float64(x))
		}
	}
	if len(a.Data) != a.Len() || len(a.Data) > maxTailConstant {
		return 0, fmt.Errorf("%q has %d elements: constants of at most %d are supported behind sizes that are known only at run time", name, a.Len(), maxTailConstant)
	}
	b := bound{kind: a.Kind, dims: a.Shape, exact: true, elements: a.Data}
	if a.Kind.Integer() {
		b.ints = slices.Clone(a.Data)
	}
	p.Steps = append(p.Steps, nodes.NodeStep{Op: "Const", Outs: 1, Const: a})
	return e.define([]string{name}, b), nil
}

// define numbers results and returns the number of the first.
func (e *tailEncoder) define(names []string, bs ...bound) int {
	at := len(e.bounds)
	for i, b := range bs {
		if i < len(names) && names[i] != "" {
			e.ids[names[i]] = at + i
		}
		e.bounds = append(e.bounds, b)
	}
	return at
}

// node adds a node as a step.
func (e *tailEncoder) node(p *nodes.NodeProgram, n *onnxpb.NodeProto) error {
	n, err := floatNode(n)
	if err != nil {
		return err
	}
	switch n.OpType {
	case "Constant":
		vs, err := inferConstant(&node{NodeProto: n})
		if err != nil || len(vs) != 1 {
			return errors.Join(err, errors.New("the constant has no elements"))
		}
		_, err = e.constant(p, n.Output[0], vs[0])
		return err
	case "If":
		return e.branches(p, n)
	}
	s, err := e.step(p, n)
	if err != nil {
		return err
	}
	bs, err := e.infer(&s)
	if err != nil {
		return err
	}
	if len(bs) < len(n.Output) {
		return fmt.Errorf("%d results (want %d)", len(bs), len(n.Output))
	}
	p.Steps = append(p.Steps, s)
	e.define(n.Output, bs[:s.Outs]...)
	return nil
}

// step makes a step of a node.
func (e *tailEncoder) step(p *nodes.NodeProgram, n *onnxpb.NodeProto) (s nodes.NodeStep, err error) {
	if !nodes.HasNodeStep(n.OpType) {
		return s, errors.New("the IR has no such op")
	}
	s = nodes.NodeStep{Op: n.OpType, Attrs: nodes.NodeAttrs{}, Outs: max(1, len(n.Output))}
	for _, a := range n.Attribute {
		if n.OpType == "ConstantOfShape" && a.Name == "value" {
			if err := fillValue(s.Attrs, a.T); err != nil {
				return s, err
			}
			continue
		}
		if err := nodeAttr(s.Attrs, n.OpType, a); err != nil {
			return s, err
		}
	}
	if n.OpType == "RoiAlign" && e.im.opset < 16 {
		s.Attrs["coordinate_transformation_mode"] = "output_half_pixel"
	}
	if countsOutputs[n.OpType] && len(n.Output) > 1 && n.Output[1] != "" {
		s.Attrs["outputs"] = "2"
	}
	for i, name := range n.Input {
		ref := nodes.NodeRef{Value: -1}
		for _, r := range constInputs[n.OpType] {
			if r.input == i {
				ref.Attr = r.attr
			}
		}
		if name == "" || ref.Attr == "roi" && s.Attrs["coordinate_transformation_mode"] != "tf_crop_and_resize" {
			if ref.Attr == "" {
				s.In = append(s.In, ref)
			}
			continue
		}
		if ref.Value, err = e.value(p, name); err != nil {
			return s, err
		}
		if ref.Attr != "" && slices.Equal(e.bounds[ref.Value].dims, []int{0}) { // such as sizes that are left out
			continue
		}
		s.In = append(s.In, ref)
	}
	return s, nil
}

// fillValue sets the attributes of a ConstantOfShape.
func fillValue(attrs nodes.NodeAttrs, t *onnxpb.TensorProto) error {
	if t == nil {
		return errors.New("value holds no tensor")
	}
	v := tensorValue(t)
	d, ok := dtypeOf(v.elem)
	switch {
	case ok && v.floats != nil:
		f, err := v.floats.get(nil)
		if err != nil || len(f) != 1 {
			return errors.New("value must be a single element")
		}
		attrs["value"] = nodes.NodeFloats(float64(f[0]))
	case ok && len(v.ints) == 1:
		attrs["value"] = nodes.NodeInts(v.ints[0])
	default:
		return errors.New("value must be a single element")
	}
	attrs["to"] = d.String()
	return nil
}

// branches makes a step of an If with the steps of both of its graphs.
func (e *tailEncoder) branches(p *nodes.NodeProgram, n *onnxpb.NodeProto) error {
	if len(n.Input) != 1 {
		return errors.New("the condition is missing")
	}
	cond, err := e.value(p, n.Input[0])
	if err != nil {
		return err
	}
	s := nodes.NodeStep{Op: "If", Attrs: nodes.NodeAttrs{}, Outs: len(n.Output), In: []nodes.NodeRef{{Value: cond}}}
	var results [2][]bound
	for i, name := range []string{"then_branch", "else_branch"} {
		g := (&node{NodeProto: n}).attr(name).GetG()
		if g == nil || len(g.Output) != len(n.Output) {
			return fmt.Errorf("%s is missing, or has another number of results", name)
		}
		block, bs, err := e.body(g)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		results[i] = bs
		if i == 0 {
			s.Then = block
		} else {
			s.Else = block
		}
	}
	var bs []bound
	for i := range n.Output {
		b, err := results[0][i].union(results[1][i])
		if err != nil {
			return err
		}
		bs = append(bs, b)
	}
	p.Steps = append(p.Steps, s)
	e.define(n.Output, bs...)
	return nil
}

// body makes a program of a graph inside of a node. Its values are forgotten afterwards.
func (e *tailEncoder) body(g *onnxpb.GraphProto) (*nodes.NodeProgram, []bound, error) {
	before, ids := len(e.bounds), maps.Clone(e.ids)
	defer func() { e.bounds, e.ids = e.bounds[:before], ids }()
	p := &nodes.NodeProgram{}
	for _, t := range g.Initializer {
		t, err := floatTensor(t)
		if err != nil {
			return nil, nil, err
		}
		if _, err := e.constant(p, t.Name, tensorValue(t)); err != nil {
			return nil, nil, err
		}
	}
	for _, n := range g.Node {
		if err := e.node(p, n); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", tailName(n), err)
		}
	}
	var bs []bound
	for _, o := range g.Output {
		id, err := e.value(p, o.Name)
		if err != nil {
			return nil, nil, err
		}
		p.Return = append(p.Return, id)
		bs = append(bs, e.bounds[id])
	}
	return p, bs, nil
}
