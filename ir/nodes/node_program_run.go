package nodes

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

func nodeAddPrograms() { nodeOps["Program"] = nodePlanProgram }

// nodeProgramLen is the largest number of elements that the steps of one run may make: 512 MiB.
const nodeProgramLen = 1 << 26

// nodePlanProgram has the attributes program, kinds and bounds: the kind of each result, and the
// shape that it has at most. A result is laid out in that shape; what the run does not fill is 0.
// The last result, sizes, has a row for each of the others with its shape in this run.
func nodePlanProgram(p *NodePlan) error {
	prog, err := ParseNodeProgram(p.attrs["program"], len(p.In))
	if err != nil {
		return err
	}
	var most [][]int
	for _, w := range strings.Split(p.attrs["bounds"], ",") {
		shape, err := nodeParseDims(w)
		if err != nil {
			return fmt.Errorf("bounds: %w", err)
		}
		most = append(most, shape)
	}
	kinds := strings.Split(p.attrs["kinds"], ",")
	if len(kinds) != len(most) || len(prog.Return) != len(most) {
		return fmt.Errorf("%d results, %d kinds and %d bounds", len(prog.Return), len(kinds), len(most))
	}
	axes := 1
	for i, shape := range most {
		k := NodeKindOf(kinds[i])
		if k == NodeNone {
			return fmt.Errorf("kind %q", kinds[i])
		}
		p.result(k, shape...)
		axes = max(axes, len(shape))
	}
	p.result(NodeInt64, len(most), axes)
	p.units = 1
	for _, t := range slices.Concat(p.In, p.Out) {
		p.work = min(p.work+16*t.Len(), math.MaxInt32)
	}
	p.fails = func(x, y [][]float64) error { return p.interpret(prog, x, y) }
	return nil
}

// nodeRun is a run of a program.
type nodeRun struct {
	values []NodeArray
	left   int // elements that may still be made
	exact  bool
}

// interpret runs the program and lays its results out.
func (p *NodePlan) interpret(prog *NodeProgram, x, y [][]float64) error {
	r := &nodeRun{left: nodeProgramLen, exact: p.exact}
	for i, t := range p.In {
		r.values = append(r.values, NodeArray{t, x[i]})
	}
	for i := range y {
		clear(y[i])
	}
	if err := r.block(prog); err != nil {
		return err
	}
	sizes, axes := y[len(y)-1], p.Out[len(y)-1].Shape[1]
	for i, v := range prog.Return {
		a, bound := r.values[v], p.Out[i]
		if a.Kind != bound.Kind || len(a.Shape) != len(bound.Shape) {
			return fmt.Errorf("result %d is %v %v (want %v and at most %v)", i, a.Kind, a.Shape, bound.Kind, bound.Shape)
		}
		for j, d := range a.Shape {
			if d > bound.Shape[j] {
				return fmt.Errorf("result %d has the shape %v, which is larger than %v", i, a.Shape, bound.Shape)
			}
			sizes[i*axes+j] = float64(d)
		}
		nodeLay(a, y[i], bound.Shape)
	}
	return nil
}

// nodeLay copies an array into the corner of a larger one.
func nodeLay(a NodeArray, dst []float64, shape []int) {
	if len(a.Data) == 0 {
		return
	}
	w := newNodeWalk(a.Shape)
	w.step[0] = nodeSteps(shape)
	w.seek(0)
	for _, v := range a.Data {
		dst[w.at[0]] = v
		w.next()
	}
}

// block runs the steps of a program; its values stay.
func (r *nodeRun) block(prog *NodeProgram) error {
	for i := range prog.Steps {
		s := &prog.Steps[i]
		out, err := r.step(s)
		if err != nil {
			return err
		}
		if len(out) < s.Outs {
			return fmt.Errorf("%s has %d results (want %d)", s.Op, len(out), s.Outs)
		}
		r.values = append(r.values, out[:s.Outs]...)
	}
	return nil
}

func (r *nodeRun) step(s *NodeStep) ([]NodeArray, error) {
	switch {
	case s.Const != nil:
		return []NodeArray{*s.Const}, nil
	case s.Op == "If":
		return r.branch(s)
	}
	var in []NodeArray
	attrs, shared := s.Attrs, true
	for _, ref := range s.In {
		switch {
		case ref.Value < 0:
			in = append(in, NodeArray{})
		case ref.Attr == "":
			in = append(in, r.values[ref.Value])
		default:
			if shared { // the step keeps its own
				attrs, shared = NodeAttrs{}, false
				maps.Copy(attrs, s.Attrs)
			}
			text, err := nodeAttrOf(r.values[ref.Value])
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", s.Op, ref.Attr, err)
			}
			attrs[ref.Attr] = text
		}
	}
	out, err := nodeStepOf(s, attrs, in, r.exact, r.take)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Op, err)
	}
	return out, nil
}

// take counts elements that a step makes.
func (r *nodeRun) take(n int) error {
	if n > r.left {
		return fmt.Errorf("%w: more than %d elements", errNodeMemory, nodeProgramLen)
	}
	r.left -= n
	return nil
}

var errNodeMemory = errors.New("the steps with sizes of the run need too much memory")

// nodeAttrOf returns an array as the value of an attribute.
func nodeAttrOf(a NodeArray) (string, error) {
	if len(a.Data) > 1<<16 {
		return "", fmt.Errorf("%d elements decide about a shape", len(a.Data))
	}
	if a.Kind == NodeFloat {
		return NodeFloats(a.Data...), nil
	}
	list := make([]int, len(a.Data))
	for i, v := range a.Data {
		list[i] = int(nodeClamp(v, math.MinInt32, math.MaxInt32)) // bounds such as the largest INT64
	}
	return NodeInts(list...), nil
}

// branch runs one of the blocks of an If.
func (r *nodeRun) branch(s *NodeStep) ([]NodeArray, error) {
	if len(s.In) != 1 || s.In[0].Value < 0 || len(r.values[s.In[0].Value].Data) != 1 {
		return nil, errors.New("the condition of an If must have one element")
	}
	prog := s.Else
	if r.values[s.In[0].Value].Data[0] != 0 {
		prog = s.Then
	}
	before := len(r.values)
	if err := r.block(prog); err != nil {
		return nil, err
	}
	var out []NodeArray
	for _, v := range prog.Return {
		out = append(out, r.values[v])
	}
	r.values = r.values[:before]
	return out, nil
}

// nodeStepOf computes a step. take is called with the number of elements before they are made.
func nodeStepOf(s *NodeStep, attrs NodeAttrs, in []NodeArray, exact bool, take func(n int) error) ([]NodeArray, error) {
	if f := nodeDynamic[s.Op]; f != nil {
		return f(&nodeCall{attrs: attrs, in: in, take: take})
	}
	if s.Op == "Split" {
		var err error
		if attrs, err = nodeSplitSizes(attrs, in, s.Outs); err != nil {
			return nil, err
		}
	}
	types, x := make([]NodeType, len(in)), make([][]float64, len(in))
	for i, a := range in {
		types[i], x[i] = a.NodeType, a.Data
	}
	for len(types) > 0 && types[len(types)-1].Kind == NodeNone {
		types, x = types[:len(types)-1], x[:len(x)-1]
	}
	p, err := planNode(s.Op, attrs, types, exact, true)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, t := range p.Out {
		n += t.Len()
	}
	if err := take(n); err != nil {
		return nil, err
	}
	y, err := p.Eval(x)
	if err != nil {
		return nil, err
	}
	out := make([]NodeArray, len(y))
	for i, t := range p.Out {
		out[i] = NodeArray{t, y[i]}
	}
	return out, nil
}

// nodeSplitSizes adds equal sizes to the attributes of a Split that has none.
func nodeSplitSizes(attrs NodeAttrs, in []NodeArray, outs int) (NodeAttrs, error) {
	if _, ok := attrs["split"]; ok || len(in) == 0 {
		return attrs, nil
	}
	with := NodeAttrs{}
	maps.Copy(with, attrs)
	p := NodePlan{attrs: attrs}
	axis, err := p.axisOf("axis", 0, len(in[0].Shape))
	if err != nil {
		return nil, err
	}
	n := in[0].Shape[axis]
	size := (n + outs - 1) / outs
	sizes := make([]int, outs)
	for i := range sizes {
		sizes[i] = max(0, min(size, n-i*size))
	}
	with["split"] = NodeInts(sizes...)
	return with, nil
}
