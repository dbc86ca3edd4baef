package onnx

import (
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// sinkTransposes moves the transpositions of a graph towards its outputs, so that opposite
// ones cancel. Exporters of Keras write them, because its channels are the last axis. It
// returns g itself if that does not save any.
func sinkTransposes(g *ir.Graph) (*ir.Graph, error) {
	before := transposed(g)
	if before == 0 {
		return g, nil
	}
	s := &sinker{b: ir.NewBuilder(g.Name), old: g, at: map[*ir.Value]turned{}, made: map[*ir.Value]*ir.Value{}}
	for _, v := range g.Inputs {
		s.at[v] = turned{v: s.b.Input(v.Name, v.Type)}
	}
	for _, p := range g.Params {
		v := s.b.Param(p.Name, p.Type.Shape, *p.Param)
		v.Type.DType = p.Type.DType
		if d := g.Data[p.Name]; d != nil {
			s.b.Graph().Data[v.Name] = d
		}
		s.at[p] = turned{v: v}
	}
	for _, n := range g.Nodes {
		if err := s.node(n); err != nil {
			return nil, err
		}
	}
	h := s.b.Graph()
	for _, v := range g.Outputs {
		w, err := s.straight(v)
		if err != nil {
			return nil, err
		}
		h.Outputs = append(h.Outputs, w)
	}
	h.Doc, h.Recipe = g.Doc, g.Recipe
	r := ir.Rewrite(h, "import")
	r.Sweep()
	if err := r.Finish(); err != nil {
		return nil, err
	}
	if transposed(h) >= before {
		return g, nil
	}
	return h, nil
}

// transposed returns the number of elements that the transpositions of a graph move.
func transposed(g *ir.Graph) int {
	n := 0
	for _, x := range g.Nodes {
		if _, ok := x.Op.(ops.Transpose); ok {
			n += x.Out[0].Type.Shape.Size()
		}
	}
	return n
}

// turned is a value of the new graph; the old value is v with its axes in the order perm, as
// in ops.Transpose. A perm of nil keeps the order.
type turned struct {
	v    *ir.Value
	perm []int
}

type sinker struct {
	b    *ir.Builder
	old  *ir.Graph
	at   map[*ir.Value]turned
	made map[*ir.Value]*ir.Value // old values whose transposition has been added
}

// straight returns the new value that is equal to an old one. It adds the transposition.
func (s *sinker) straight(old *ir.Value) (*ir.Value, error) {
	t := s.at[old]
	if t.perm == nil {
		return t.v, nil
	}
	if v := s.made[old]; v != nil {
		return v, nil
	}
	n, err := s.b.Add(old.Name, ops.Transpose{Perm: ir.IntsOf(t.perm...)}, t.v)
	if err != nil {
		return nil, err
	}
	s.made[old] = n.Out[0]
	return n.Out[0], nil
}

// compose returns the order of axes of two transpositions, p and then q; nil for none.
func compose(p, q []int) []int {
	r := slices.Clone(q)
	for i, a := range q {
		if p != nil {
			r[i] = p[a]
		}
	}
	for i, a := range r {
		if i != a {
			return r
		}
	}
	return nil
}

func inverse(p []int) []int {
	r := make([]int, len(p))
	for i, a := range p {
		r[a] = i
	}
	return r
}

// elementwise lists the ops of one operand that treat all elements alike.
var elementwise = map[string]bool{"relu": true, "sigmoid": true, "tanh": true, "sqrt": true, "scale": true, "dropout": true, "clip": true,
	"hardsigmoid": true, "hardswish": true, "silu": true, "gelu": true, "leaky_relu": true}

// node adds the new form of a node.
func (s *sinker) node(n *ir.Node) error {
	x := s.at[n.In[0]]
	switch op := n.Op.(type) {
	case ops.Transpose:
		perm, err := op.Perm.List()
		if err != nil {
			return err
		}
		s.at[n.Out[0]] = turned{x.v, compose(x.perm, perm)}
		return nil
	case ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Max:
		if ok, err := s.join(n); ok || err != nil {
			return err
		}
	case ops.Concat:
		if x.perm != nil && !slices.ContainsFunc(n.In, func(v *ir.Value) bool { return !slices.Equal(s.at[v].perm, x.perm) }) {
			return s.keep(n, ops.Concat{Axis: x.perm[op.Axis]}, x.perm)
		}
	case ops.Softmax:
		if a := axisOf(op.Axis, x.perm); a >= 0 {
			return s.keep(n, ops.Softmax{Axis: a}, x.perm)
		}
	case ops.Slice:
		if a := axisOf(op.Axis, x.perm); a >= 0 {
			op.Axis = a
			return s.keep(n, op, x.perm)
		}
	case ops.Split:
		if a := axisOf(op.Axis, x.perm); a >= 0 {
			op.Axis = a
			return s.keep(n, op, x.perm)
		}
	case ops.Reduce:
		if x.perm != nil && op.Axes != "" {
			return s.reduce(n, op, x)
		}
	case ops.Pad:
		if p := x.perm; p != nil && p[2] == 2 && p[3] == 3 {
			return s.keep(n, op, p)
		}
	case ops.GlobalAvgPool:
		if x.perm != nil && x.perm[0] == 0 && x.perm[1] == 1 {
			return s.keep(n, op, nil)
		}
	case ops.Flatten, ops.Reshape:
		// Axes of size 1 may have any place.
		if x.perm != nil && x.perm[0] == 0 && inOrder(x) {
			return s.keep(n, op, nil)
		}
	default:
		if x.perm != nil && len(n.In) == 1 && elementwise[ir.Name(op)] {
			return s.keep(n, op, x.perm)
		}
	}
	return s.plain(n)
}

// axisOf returns the axis of the new value that is an axis of the old one, -1 if the axes are
// in the same order.
func axisOf(axis int, perm []int) int {
	if perm == nil {
		return -1
	}
	if axis < 0 {
		axis += len(perm)
	}
	return perm[axis]
}

// inOrder reports whether a transposition leaves the elements in their order in memory.
func inOrder(t turned) bool {
	last := -1
	for _, a := range t.perm {
		if t.v.Type.Shape[a] == 1 {
			continue
		}
		if a < last {
			return false
		}
		last = a
	}
	return true
}

// keep adds an op on the new operands; its results are turned by perm.
func (s *sinker) keep(n *ir.Node, op ir.Op, perm []int) error {
	in := make([]*ir.Value, len(n.In))
	for i, v := range n.In {
		in[i] = s.at[v].v
	}
	return s.add(n, op, in, perm)
}

// plain adds a node on the operands in their old order of axes.
func (s *sinker) plain(n *ir.Node) error {
	in := make([]*ir.Value, len(n.In))
	for i, v := range n.In {
		var err error
		if in[i], err = s.straight(v); err != nil {
			return err
		}
	}
	return s.add(n, n.Op, in, nil)
}

func (s *sinker) add(n *ir.Node, op ir.Op, in []*ir.Value, perm []int) error {
	x, err := s.b.Add(n.Out[0].Name, op, in...)
	if err != nil {
		return err
	}
	for i, v := range x.Out {
		if old := n.Out[i].Name; i > 0 && v.Name != old { // Add knows the name of the first only
			v.Name = s.b.Fresh(old)
		}
		s.at[n.Out[i]] = turned{v, perm}
	}
	return nil
}

// reduce adds a reduction over the axes of the new operand. The mean over height and width is
// a global pool.
func (s *sinker) reduce(n *ir.Node, op ops.Reduce, x turned) error {
	axes, err := op.Axes.List()
	if err != nil {
		return err
	}
	gone := make([]bool, len(x.perm))
	for i, a := range axes {
		axes[i] = x.perm[a]
		gone[x.perm[a]] = true
	}
	perm := x.perm
	if !op.Keep { // the axes that are left, numbered anew
		perm = nil
		rank := 0
		number := make([]int, len(gone))
		for i, g := range gone {
			if number[i] = rank; !g {
				rank++
			}
		}
		for _, a := range x.perm {
			if !gone[a] {
				perm = append(perm, number[a])
			}
		}
		perm = compose(nil, perm)
	}
	slices.Sort(axes)
	if op.Kind == ops.ReduceMean && slices.Equal(gone, []bool{false, false, true, true}) && x.v.Type.Shape[0] == ir.Batch {
		y, err := s.b.Add(n.Out[0].Name, ops.GlobalAvgPool{}, x.v)
		if err != nil {
			return err
		}
		if op.Keep {
			s.at[n.Out[0]] = turned{y.Out[0], perm}
			return nil
		}
		return s.add(n, ops.Flatten{}, y.Out, perm)
	}
	op.Axes = ir.IntsOf(axes...)
	return s.add(n, op, []*ir.Value{x.v}, perm)
}

// join adds an elementwise op of several operands, if one of them has the shape of the result
// and is turned, and the others can be turned likewise. It returns false if not.
func (s *sinker) join(n *ir.Node) (bool, error) {
	out := n.Out[0].Type.Shape
	var perm []int
	for _, v := range n.In {
		if t := s.at[v]; t.perm != nil && v.Type.Shape.Equal(out) {
			perm = t.perm
			break
		}
	}
	if perm == nil {
		return false, nil
	}
	in := make([]*ir.Value, len(n.In))
	for i, v := range n.In {
		t := s.at[v]
		switch {
		case slices.Equal(t.perm, perm) && t.perm != nil:
			in[i] = t.v
		case v.Param != nil && s.old.Data[v.Name] != nil:
			in[i] = s.turnParam(v, perm)
		case len(v.Type.Shape) == len(out) && 16*v.Type.Shape.Size() <= out.Size(): // such as a gate
			w, err := s.straight(v)
			if err != nil {
				return false, err
			}
			x, err := s.b.Add(v.Name, ops.Transpose{Perm: ir.IntsOf(inverse(perm)...)}, w)
			if err != nil {
				return false, err
			}
			in[i] = x.Out[0]
		default:
			return false, nil
		}
	}
	return true, s.add(n, n.Op, in, perm)
}

// turnParam returns a param whose transposition by perm is p, where p has the rank of perm by
// axes of 1 in front.
func (s *sinker) turnParam(p *ir.Value, perm []int) *ir.Value {
	shape := append(slices.Repeat(ir.Shape{1}, len(perm)-len(p.Type.Shape)), p.Type.Shape...)
	inv := inverse(perm)
	turnedShape, strides := make(ir.Shape, len(perm)), make([]int, len(perm))
	from := rowMajor(shape)
	for i, a := range inv {
		turnedShape[i], strides[i] = shape[a], from[a]
	}
	data := s.old.Data[p.Name].Data
	moved := make([]float32, len(data))
	for i, j := range strided(turnedShape, strides, 0) {
		moved[i] = data[j]
	}
	v := s.b.Param(p.Name, turnedShape, *p.Param)
	v.Type.DType = p.Type.DType
	s.b.Graph().Data[v.Name] = tensor.Of(moved, turnedShape...)
	return v
}
