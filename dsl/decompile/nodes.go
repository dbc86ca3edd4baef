package decompile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
	"github.com/incc-lang/incc/ir/ops"
)

// This file reads operators of ONNX that are layers of the language.

// canonical returns the operator of a node with its attributes in the form that the language
// writes, the op itself if it has no such form.
func canonical(n *ir.Node) ir.Op {
	op, ok := n.Op.(ops.Node)
	if !ok {
		return n.Op
	}
	types := make([]ir.Type, len(n.In))
	for i, v := range n.In {
		types[i] = v.Type
	}
	switch op.Type {
	case "ConvTranspose":
		if t, ok := ops.TransposedOf(op, types); ok {
			return t.Node()
		}
	case "Resize":
		if r, ok := ops.ResizingOf(op, types); ok {
			s := types[0].Shape
			return r.Simplify(ir.HW{s[2], s[3]}).Node()
		}
	case "DepthToSpace":
		if b, crd, ok := ops.ShuffleOf(op); ok {
			return ops.Shuffle(b, crd)
		}
	case "Pad":
		if p, mode, ok := ops.PaddingOf(op, types); ok && len(n.In) == 1 {
			return ops.Padding(p, mode)
		}
	case "InstanceNormalization":
		if eps, ok := ops.EpsilonOf(op); ok && op.Kinds == "" {
			return ops.InstanceNorm(eps)
		}
	case "GroupNormalization":
		eps, ok := ops.EpsilonOf(op)
		groups, okGroups := ops.GroupsOf(op)
		if ok && okGroups && op.Kinds == "" && n.In[1].Type.Shape.Size() == n.In[0].Type.Shape[1] {
			return ops.GroupNorm(groups, eps)
		}
	}
	if op.Kinds == "" && op.Attrs == "" {
		switch op.Type {
		case "Add":
			return ops.Add{}
		case "Sub":
			return ops.Sub{}
		case "Mul":
			return ops.Mul{}
		case "Div":
			return ops.Div{}
		}
	}
	return op
}

// operator makes a stage of an operator of ONNX. ok is false if there is no layer for it.
func (l *layerer) operator(c *cursor, s *stage, op ops.Node) (ok bool) {
	n := c.list[0].node
	types := make([]ir.Type, len(n.In))
	for i, v := range n.In {
		types[i] = v.Type
		if (v.Param != nil) != (i > 0) {
			return false
		}
	}
	switch op.Type {
	case "ConvTranspose":
		t, ok := ops.TransposedOf(op, types)
		if !ok {
			return false
		}
		c.take(s)
		l.convTranspose(c, s, t, n)
		return true
	case "Resize":
		r, ok := ops.ResizingOf(op, types)
		if !ok || !resizeFields(s, r) {
			return false
		}
		c.take(s)
		return true
	case "DepthToSpace":
		b, crd, ok := ops.ShuffleOf(op)
		if !ok {
			return false
		}
		c.take(s)
		s.op = "pixel_shuffle"
		s.set("#0", itoa(b))
		order := "dcr"
		if crd {
			order = "crd"
		}
		s.set("order", order)
		return true
	case "Pad":
		p, mode, ok := ops.PaddingOf(op, types)
		if !ok || len(n.In) > 1 {
			return false
		}
		c.take(s)
		s.op = "pad"
		s.set("pad", p.String())
		s.set("mode", mode)
		return true
	case "PRelu":
		x, slope := types[0].Shape, types[1].Shape
		want := ir.Shape{x[1]}
		for range len(x) - 2 {
			want = append(want, 1)
		}
		if op.Attrs != "" || !slope.Equal(want) && !slope.Equal(ir.Shape{1}) {
			return false
		}
		c.take(s)
		s.op, s.params = "prelu", n.In[1:]
		s.set("shared", onOff(!slope.Equal(want)))
		return true
	case "InstanceNormalization", "GroupNormalization":
		return l.statistics(c, s, op, n)
	}
	return false
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func (l *layerer) convTranspose(c *cursor, s *stage, t ops.Transposed, n *ir.Node) {
	x, w := n.In[0].Type.Shape, n.In[1].Type.Shape
	s.op = "conv_transpose"
	s.params = append(s.params, n.In[1:]...)
	k := ir.HW{w[2], w[3]}
	s.set("kernel", k.String())
	s.set("stride", hw(t.Stride))
	s.set("units", itoa(w[1]*t.Groups))
	pads, more := []string{t.Pad.String()}, []string{hw(t.Out)}
	if same := (ops.Transposed{Stride: t.Stride, Dilation: t.Dilation, Groups: t.Groups}).Same(ir.HW{x[2], x[3]}, k, false); same == t {
		pads = append(pads, "same")
		if t.Pad != (ir.Pads{}) && (t.Pad[0] != t.Pad[2] || t.Pad[1] != t.Pad[3] || t.Out != (ir.HW{})) {
			slices.Reverse(pads)
			more = append([]string{"0"}, more...)
		}
	}
	s.set("pad", pads...)
	s.set("output_pad", more...)
	s.set("dilation", hw(t.Dilation))
	groups := []string{itoa(t.Groups)}
	if t.Groups == x[1] && x[1] > 1 {
		groups = []string{"depthwise", itoa(t.Groups)}
	}
	s.set("groups", groups...)
	l.finish(c, s, len(n.In) > 2, 0)
}

// resizeFields sets the fields of a resizing; it returns false if the language cannot say it.
func resizeFields(s *stage, r ops.Resizing) bool {
	s.op = "resize"
	switch by := r.By; {
	case by == [2]float64{}:
		s.set("to", r.To.String())
	case by[0] == by[1]:
		s.set("by", numberText(by[0]))
	case by[0] == float64(int(by[0])) && by[1] == float64(int(by[1])):
		s.set("by", ir.HW{int(by[0]), int(by[1])}.String())
	default:
		return false
	}
	s.set("mode", map[string]string{"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}[r.Mode])
	if usual := map[bool]string{true: "asymmetric", false: "half_pixel"}[r.Mode == "nearest"]; r.Coords != usual {
		s.set("coords", r.Coords)
	}
	if r.Mode == "nearest" {
		s.set("round", r.Nearest)
	}
	if r.Mode == "cubic" {
		s.set("cubic", numberText(r.Cubic))
	}
	return true
}

// statistics makes a stage of a normalization by statistics of the input.
func (l *layerer) statistics(c *cursor, s *stage, op ops.Node, n *ir.Node) bool {
	eps, ok := ops.EpsilonOf(op)
	x := n.In[0].Type.Shape
	if !ok || eps <= 0 || len(x) != 4 || n.In[1].Type.Shape.Size() != x[1] {
		return false
	}
	s.op = "instance_norm"
	if op.Type == "GroupNormalization" {
		groups, ok := ops.GroupsOf(op)
		if !ok {
			return false
		}
		s.op = "group_norm"
		s.set("#0", itoa(groups))
	}
	c.take(s)
	s.params = append(s.params, n.In[1:]...)
	s.set("eps", numberText(eps))
	s.set("act", l.act(c, s))
	return true
}

// anyNode makes a stage of an operator that the language has no layer for. It returns an error if
// the language cannot say its operands either.
func (l *layerer) anyNode(c *cursor, s *stage, p *piece) error {
	n := p.node
	op, ok := n.Op.(ops.Node)
	if !ok {
		name := map[ir.Op]string{ops.Sub{}: "Sub", ops.Div{}: "Div", ops.Mul{}: "Mul", ops.Add{}: "Add"}[n.Op]
		if name == "" {
			return fmt.Errorf("a pipeline has no %s", opName(n.Op))
		}
		op = ops.Node{Type: name}
	}
	attrs, err := nodes.ParseNodeAttrs(op.Attrs)
	if err != nil || op.Kinds != "" || len(op.Omitted()) > 0 {
		return fmt.Errorf("a pipeline has no %s of integers, or with operands left out", opName(n.Op))
	}
	s.op = "node"
	s.set("#0", op.Type)
	if len(attrs) > 0 {
		s.set("attrs", strconv.Quote(attrs.String()))
	}
	var shapes []string
	for _, v := range n.In {
		switch {
		case v.Param == nil && len(shapes) > 0, v.Param != nil && (len(v.Type.Shape) == 0 || v.Type.DType != ir.F32):
			return fmt.Errorf("a pipeline has no %s whose first operand is constant", opName(n.Op))
		case v.Param != nil:
			shapes = append(shapes, v.Type.Shape.String())
			s.params = append(s.params, v)
		}
	}
	if shapes != nil {
		s.set("weights", strings.Join(shapes, ","))
	}
	for _, b := range p.branches {
		q, err := l.seq(b)
		if err != nil {
			return err
		}
		if len(q.stages) == 0 {
			q.stages = []*stage{{op: "identity"}}
		}
		s.body = append(s.body, q)
	}
	c.list = c.list[1:]
	s.out = n.Out[0]
	return nil
}

// groupNorms recognizes group normalization as PyTorch exports it: instance normalization of a
// value whose groups are channels, then a scale and an offset for each channel.
func groupNorms(r *ir.Rewriter) {
	g := r.Graph()
	for _, n := range r.Nodes() {
		op, ok := n.Op.(ops.Node)
		if !ok || op.Type != "InstanceNormalization" || op.Kinds != "" {
			continue
		}
		eps, ok := ops.EpsilonOf(op)
		before, s := n.In[0].Def, n.In[0].Type.Shape
		if !ok || before == nil || !reshapes(before) || len(s) < 3 || !allEqual(g, n.In[1], 1) || !allEqual(g, n.In[2], 0) {
			continue
		}
		x := before.In[0]
		after := only(r, n.Out[0])
		if after == nil || !reshapes(after) || !after.Out[0].Type.Equal(x.Type) || len(x.Type.Shape) != 4 || x.Type.Shape[1]%s[1] != 0 || x.Type.Shape[0] != s[0] {
			continue
		}
		channels := x.Type.Shape[1]
		last, values := after.Out[0], [2][]float64{}
		for i, want := range []ir.Op{ops.Mul{}, ops.Add{}} {
			next := only(r, last)
			if next == nil || next.Op != want || len(next.In) != 2 {
				continue
			}
			k := next.In[1]
			if k == last {
				k = next.In[0]
			}
			if k.Param == nil {
				continue
			}
			if values[i] = perChannel(g, k, channels, false); values[i] != nil {
				last = next.Out[0]
			}
		}
		r.For(n)
		var in []*ir.Value
		for i, name := range []string{"gamma", "beta"} {
			if values[i] == nil {
				values[i] = slices.Repeat([]float64{float64(1 - i)}, channels)
			}
			in = append(in, weight(r, r.Prefix+name, ir.Weight, float32s(values[i])))
		}
		r.Replace(last, r.Do(ops.GroupNorm(s[1], eps), append([]*ir.Value{x}, in...)...))
	}
}

// only returns the one node that reads a value, nil if there are several or if the value is a
// result of the network.
func only(r *ir.Rewriter, v *ir.Value) *ir.Node {
	if users := r.Users(v); len(users) == 1 && !r.IsRoot(v) {
		return users[0]
	}
	return nil
}

func reshapes(n *ir.Node) bool {
	switch op := n.Op.(type) {
	case ops.Reshape, ops.Flatten:
		return true
	case ops.Node:
		return op.Type == "Reshape"
	}
	return false
}

// allEqual reports whether all elements of a param are x.
func allEqual(g *ir.Graph, v *ir.Value, x float32) bool {
	if v.Param == nil {
		return false
	}
	d := elements(g, v)
	return d != nil && !slices.ContainsFunc(d.Data, func(e float32) bool { return e != x })
}

// vectors gives constants without axes one axis, as the language writes weights.
func vectors(r *ir.Rewriter) {
	g := r.Graph()
	for _, n := range r.Nodes() {
		switch n.Op.(type) {
		case ops.Add, ops.Sub, ops.Mul, ops.Div:
		default:
			continue
		}
		in, changed := slices.Clone(n.In), false
		for i, v := range in {
			if v.Param == nil || len(v.Type.Shape) > 0 || i == 0 {
				continue
			}
			if d := elements(g, v); d != nil && len(n.Out[0].Type.Shape) > 0 {
				in[i] = weight(r, v.Name, ir.Weight, slices.Clone(d.Data))
				changed = true
			}
		}
		if changed {
			r.SetIn(n, in...)
		}
	}
}
