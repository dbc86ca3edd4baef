package cpu

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
	"github.com/incc-lang/incc/ir/ops"
)

// wideNeed is the layout of all operands and results of a node.
var wideNeed = plan.Need{Layout: plan.Wide}

// general reports whether a unit must be computed as a node: it reads or writes values that are
// no maps or vectors of images.
func (l *lowering) general(u *plan.Unit) bool {
	other := func(v *ir.Value) bool { return plan.General(v, l.symbolic) }
	return l.train == nil && (slices.ContainsFunc(u.Read, other) || slices.ContainsFunc(u.Wrote, other))
}

func node(op ops.Node, n *ir.Node, c *call) error {
	x, y := n.In[0].Type, n.Out[0].Type
	if _, err := nodes.NodeFunc(op.Type, op.Attrs); err == nil && len(c.Read) == 1 && len(n.In) == 1 && x.DType == ir.F32 && y.DType == ir.F32 {
		return c.pointwise(op)
	}
	return c.node(op, n)
}

// pointwise sets a choice of a function of one number, for maps and vectors of images.
func (c *call) pointwise(op ops.Node) error {
	ch, h, w := chw(c.Read[0])
	return c.blocked(op.Type, 1, func(e *plan.Emitter) error {
		e.Step(kernel.Pointwise{Op: op.Type, Attrs: op.Attrs, C: ch, H: h, W: w, In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
}

// asNodes computes the nodes of a unit one after another, each by an operator that does the same
// as its op.
func (c *call) asNodes() error {
	var list []nodeStep
	inside := map[*ir.Value]bool{}
	for _, n := range c.Nodes {
		op, ok := n.Op.(ops.Node)
		if !ok {
			op, ok = nodeOf(n)
		}
		if !ok {
			return unsupported("%s of %v: the first axis must be the batch", ir.Name(n.Op), n.In[0].Type)
		}
		s, err := c.nodeStep(op, n)
		if err != nil {
			return err
		}
		list = append(list, s)
		for _, v := range n.Out {
			inside[v] = true
		}
	}
	for _, s := range list {
		for _, v := range s.reads {
			if !inside[v] && !slices.Contains(c.Read, v) {
				return unsupported("%s", ir.Name(c.Node.Op))
			}
		}
	}
	return c.nodeSteps(list)
}

// node sets a choice of one step of package nodes.
func (c *call) node(op ops.Node, n *ir.Node) error {
	s, err := c.nodeStep(op, n)
	if err != nil {
		return err
	}
	return c.nodeSteps([]nodeStep{s})
}

// nodeStep is a step of package nodes: the kernel, what it reads, and what it writes.
type nodeStep struct {
	kernel        kernel.Node
	reads, params []*ir.Value
	weights       int // elements of the params
	writes        []*ir.Value
}

func (c *call) nodeStep(op ops.Node, n *ir.Node) (s nodeStep, err error) {
	attrs, err := nodes.ParseNodeAttrs(op.Attrs)
	if err != nil {
		return s, err
	}
	delete(attrs, "omit")
	var types []ir.Type
	for _, v := range n.In {
		types = append(types, v.Type)
	}
	out, err := op.Infer(types)
	if err != nil {
		return s, unsupported("%v", err)
	}
	if !slices.EqualFunc(out, n.Out, func(t ir.Type, v *ir.Value) bool { return t.Equal(v.Type) }) {
		return s, unsupported("%s computes %v", op.Type, out)
	}
	k := &s.kernel
	k.Op, k.Attrs, s.writes = op.Type, attrs.String(), n.Out
	omitted, at := op.Omitted(), 0
	for _, v := range n.In {
		for slices.Contains(omitted, at) {
			at++
		}
		if at >= len(k.In) {
			return s, unsupported("%d operands of %s", len(n.In), op.Type)
		}
		k.In[at] = nodeOperand(v.Type)
		if v.Param != nil {
			k.In[at].Weight, k.In[at].At = true, s.weights
			s.params, s.weights = append(s.params, v), s.weights+v.Type.Shape.Size()
		} else {
			i := slices.Index(s.reads, v)
			if i < 0 {
				i, s.reads = len(s.reads), append(s.reads, v)
			}
			k.In[at].At = i
		}
		at++
	}
	if len(s.reads) > len(kernel.Args{}.In) || len(n.Out) > len(k.Out) {
		return s, unsupported("%d operands that are computed, and %d results, of %s", len(s.reads), len(n.Out), op.Type)
	}
	if len(s.params) > 0 && c.l.train != nil {
		return s, unsupported("training through %s with weights", op.Type)
	}
	for i, v := range n.Out {
		k.Out[i] = nodeOperand(v.Type)
	}
	return s, nil
}

// nodeSteps sets a choice of steps of package nodes.
func (c *call) nodeSteps(list []nodeStep) error {
	c.choice = plan.Choice{Algo: list[0].kernel.Op, In: needs(wideNeed, len(c.Read)), Out: needs(wideNeed, len(c.Wrote))}
	c.choice.Emit = func(e *plan.Emitter) error {
		at := map[*ir.Value]*plan.Tensor{}
		for i, v := range c.Read {
			at[v] = e.In[i]
		}
		for i, v := range c.Wrote {
			at[v] = e.Out[i]
		}
		for _, s := range list {
			var in, out []*plan.Tensor
			for _, v := range s.reads {
				in = append(in, at[v])
			}
			for _, v := range s.writes {
				if at[v] == nil {
					at[v] = e.Temp(s.kernel.Op, plan.Wide, v.Type.Shape.Size(), 1, 1)
				}
				out = append(out, at[v])
			}
			var ws []plan.WeightRef
			if len(s.params) > 0 {
				ws = append(ws, plan.WeightRef{Params: s.params, How: kernel.PackWide, Len: 2 * s.weights})
			}
			e.Step(s.kernel, in, out, ws...)
		}
		return nil
	}
	return nil
}

func nodeOperand(t ir.Type) kernel.NodeOperand {
	o := kernel.NodeOperand{Kind: ops.NodeTypeOf(t).Kind, Axes: len(t.Shape)}
	copy(o.Dims[:], t.Shape)
	return o
}

// nodeOf returns the operator that computes what an op of the IR does; ok is false if there is
// none.
func nodeOf(n *ir.Node) (o ops.Node, ok bool) {
	attrs := nodes.NodeAttrs{}
	simple := func(name string) (ops.Node, bool) {
		var types []ir.Type
		for _, v := range n.In {
			types = append(types, v.Type)
		}
		return ops.Node{Type: name, Attrs: attrs.String(), Kinds: ops.NodeKinds(types)}, true
	}
	float := func(name string, x float64) { attrs[name] = nodes.NodeFloats(x) }
	switch op := n.Op.(type) {
	case ops.ReLU:
		return simple("Relu")
	case ops.Sigmoid:
		return simple("Sigmoid")
	case ops.Tanh:
		return simple("Tanh")
	case ops.Sqrt:
		return simple("Sqrt")
	case ops.SiLU:
		return simple("Swish")
	case ops.HardSwish:
		return simple("HardSwish")
	case ops.Dropout:
		return simple("Identity")
	case ops.HardSigmoid:
		float("alpha", op.Alpha)
		float("beta", op.Beta)
		return simple("HardSigmoid")
	case ops.LeakyReLU:
		float("alpha", op.Alpha)
		return simple("LeakyRelu")
	case ops.GELU:
		if op.Tanh {
			attrs["approximate"] = "tanh"
		}
		return simple("Gelu")
	case ops.Clip:
		float("min", op.Min)
		float("max", op.Max)
		return simple("Clip")
	case ops.Scale:
		float("by", op.By)
		return simple("Scale")
	case ops.Add:
		return simple("Sum")
	case ops.Max:
		return simple("Max")
	case ops.Sub:
		return simple("Sub")
	case ops.Mul:
		return simple("Mul")
	case ops.Div:
		return simple("Div")
	case ops.BatchNorm:
		float("epsilon", op.Eps)
		return simple("BatchNormalization")
	case ops.GlobalAvgPool:
		return simple("GlobalAveragePool")
	}
	return nodeOfShape(n, attrs, simple)
}

// nodeOfShape is nodeOf for products and ops that have to do with axes.
func nodeOfShape(n *ir.Node, attrs nodes.NodeAttrs, simple func(string) (ops.Node, bool)) (o ops.Node, ok bool) {
	axis := func(a int) { attrs["axis"] = fmt.Sprint(a) }
	flag := func(name string, on bool) {
		if on {
			attrs[name] = "1"
		}
	}
	switch op := n.Op.(type) {
	case ops.MatMul:
		flag("transA", op.TransA)
		flag("transB", op.TransB)
		return simple("Gemm")
	case ops.Dense:
		flag("transB", true)
		if op.Act != ops.ActNone {
			return o, false
		}
		return simple("Gemm")
	case ops.Conv:
		if op.Act != ops.ActNone {
			return o, false
		}
		attrs["strides"], attrs["dilations"], attrs["pads"] = nodes.NodeInts(op.Stride[:]...), nodes.NodeInts(op.Dilation[:]...), nodes.NodeInts(op.Pad[:]...)
		attrs["group"] = fmt.Sprint(op.Groups)
		return simple("Conv")
	case ops.Softmax:
		axis(op.Axis)
		return simple("Softmax")
	case ops.LogSoftmax:
		axis(op.Axis)
		return simple("LogSoftmax")
	case ops.Concat:
		axis(op.Axis)
		return simple("Concat")
	case ops.Split:
		axis(op.Axis)
		attrs["split"] = string(op.Sizes)
		return simple("Split")
	case ops.Slice:
		attrs["axes"], attrs["starts"], attrs["ends"] = fmt.Sprint(op.Axis), fmt.Sprint(op.Start), fmt.Sprint(op.Stop)
		return simple("Slice")
	case ops.Flatten:
		return simple("Flatten")
	case ops.Transpose:
		attrs["perm"] = string(op.Perm)
		return simple("Transpose")
	case ops.Pad:
		p := op.Pad
		attrs["pads"], attrs["value"] = nodes.NodeInts(0, 0, p[0], p[1], 0, 0, p[2], p[3]), nodes.NodeFloats(op.Value)
		return simple("Pad")
	case ops.Reshape:
		shape := slices.Clone(n.Out[0].Type.Shape)
		for i, d := range shape {
			if d == ir.Batch {
				shape[i] = -1
			}
		}
		attrs["shape"] = nodes.NodeInts(shape...)
		return simple("Reshape")
	case ops.Reduce:
		attrs["axes"] = string(op.Axes)
		if !op.Keep {
			attrs["keepdims"] = "0"
		}
		return simple(map[ops.ReduceKind]string{ops.ReduceSum: "ReduceSum", ops.ReduceMean: "ReduceMean", ops.ReduceMax: "ReduceMax"}[op.Kind])
	}
	return o, false
}
