package onnx

import (
	"fmt"
	"maps"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// This file puts the graphs of an If and of a Loop in the place of the node, where constants decide
// which of them run and how often.

// inliner puts the nodes of a graph in the place of a node.
type inliner struct {
	v     *verifier
	n     *onnxpb.NodeProto
	where string
	names map[string]string // of the values of the graph, in the graph around it
}

func newInliner(v *verifier, n *onnxpb.NodeProto, where string) *inliner {
	return &inliner{v: v, n: n, where: where, names: map[string]string{}}
}

// own returns a new name for a value of the graph.
func (l *inliner) own(s string) string {
	if s != "" {
		l.names[s] = fmt.Sprintf("%s/%s/%d", l.n.Output[0], s, l.v.inlined)
	}
	return l.names[s]
}

// use returns the name of a value that the graph reads. Values around it keep their names.
func (l *inliner) use(s string) string {
	if r, ok := l.names[s]; ok {
		return r
	}
	return s
}

// weights defines the initializers of the graph. It returns false if one cannot be read.
func (l *inliner) weights(g *onnxpb.GraphProto) bool {
	for _, t := range g.Initializer {
		t, err := floatTensor(t)
		if err != nil {
			return false
		}
		l.v.define(l.where, l.own(t.Name), tensorValue(t))
	}
	return true
}

// nodes adds the nodes of the graph for which only holds. It returns false if one cannot be read.
func (l *inliner) nodes(g *onnxpb.GraphProto, only func(*onnxpb.NodeProto) bool) bool {
	for i, b := range g.Node {
		if !only(b) {
			continue
		}
		b, err := floatNode(b)
		if err != nil {
			return false
		}
		c := shallow(b)
		c.Input, c.Output = nil, nil
		for _, s := range b.Input {
			c.Input = append(c.Input, l.use(s))
		}
		for _, s := range b.Output {
			c.Output = append(c.Output, l.own(s))
		}
		l.v.node(c, l.where+", "+nodeName(b, i), nil)
	}
	return true
}

// result makes an output of the node from a value.
func (l *inliner) result(i int, from string) {
	if i < len(l.n.Output) && l.n.Output[i] != "" {
		l.v.node(&onnxpb.NodeProto{OpType: "Identity", Input: []string{from}, Output: []string{l.n.Output[i]}}, l.where, nil)
	}
}

func anyNode(*onnxpb.NodeProto) bool { return true }

// branch replaces an If whose condition is known by the nodes of the branch that it takes.
// It returns false if the condition is not known, or if the branch declares weights that
// are not FLOAT or integers.
func (v *verifier) branch(n *onnxpb.NodeProto, x *node, where string) bool {
	if len(x.in) != 1 || len(x.in[0].ints) != 1 {
		return false
	}
	name := "else_branch"
	if x.in[0].ints[0] != 0 {
		name = "then_branch"
	}
	a := x.attr(name)
	if a == nil || a.G == nil || len(a.G.Output) != len(n.Output) {
		return false
	}
	if v.inlined += len(a.G.Node) + 1; v.inlined > maxNodes {
		return false
	}
	l := newInliner(v, n, where)
	if !l.weights(a.G) || !l.nodes(a.G, anyNode) {
		return false
	}
	for i, o := range a.G.Output {
		l.result(i, l.use(o.Name))
	}
	return true
}

// maxUnrolled is the largest number of nodes that take the place of a Loop.
const maxUnrolled = 20_000

// unroll replaces a Loop by the nodes of its turns. It returns false, and adds nothing, if the
// number of turns is not known, or too large, or if it is not known after each turn whether the
// condition holds.
func (v *verifier) unroll(n *onnxpb.NodeProto, x *node, where string) bool {
	a := x.attr("body")
	turns, ok := x.constInts(0)
	if a == nil || a.G == nil || !ok || len(turns) != 1 || len(n.Output) == 0 {
		return false
	}
	if cond, ok := x.constInts(1); x.has(1) && (!ok || len(cond) != 1 || cond[0] == 0) {
		return false
	}
	g, each := a.G, int64(len(a.G.Node)+len(a.G.Output)+1)
	carried := len(n.Input) - 2
	if turns[0] < 1 || turns[0] > maxUnrolled/each || carried < 0 || len(g.Input) != carried+2 || len(g.Output) < carried+1 || len(n.Output) > len(g.Output)-1 {
		return false
	}
	if v.inlined += int(each * turns[0]); v.inlined > maxNodes {
		return false
	}
	nodes, problems := len(v.nodes), len(v.problems)
	l := newInliner(v, n, where)
	if !l.weights(g) || !l.turns(g, int(turns[0]), n.Input[2:]) {
		v.nodes, v.problems = v.nodes[:nodes], v.problems[:problems]
		return false
	}
	return true
}

// turns adds the nodes of all turns of a Loop and makes its outputs. state are the values that
// every turn hands to the next. Each turn has names of its own; constants are made once.
func (l *inliner) turns(g *onnxpb.GraphProto, turns int, state []string) bool {
	v, carried := l.v, len(state)
	if !l.nodes(g, func(n *onnxpb.NodeProto) bool { return n.OpType == "Constant" }) {
		return false
	}
	shared := l.names
	scans := make([][]string, len(g.Output)-1-carried)
	for i := range turns {
		v.inlined++ // a part of the names
		l.names = maps.Clone(shared)
		v.define(l.where, l.own(g.Input[0].Name), value{elem: onnxpb.TensorProto_INT64, shape: []axis{}, ints: []int64{int64(i)}})
		v.define(l.where, l.own(g.Input[1].Name), value{elem: onnxpb.TensorProto_BOOL, shape: []axis{}, ints: []int64{1}})
		for j, s := range state {
			l.names[g.Input[2+j].Name] = s
		}
		if !l.nodes(g, func(n *onnxpb.NodeProto) bool { return n.OpType != "Constant" }) {
			return false
		}
		next := make([]string, carried)
		for j := range next {
			next[j] = l.use(g.Output[1+j].Name)
		}
		state = next
		for j := range scans {
			scans[j] = append(scans[j], l.use(g.Output[1+carried+j].Name))
		}
		more := v.values[l.use(g.Output[0].Name)]
		if len(more.ints) != 1 {
			return false
		}
		if more.ints[0] == 0 {
			break
		}
	}
	for j, s := range state {
		l.result(j, s)
	}
	for j, list := range scans {
		l.result(carried+j, l.stack(list))
	}
	return true
}

// stack joins values along a new first axis.
func (l *inliner) stack(list []string) string {
	zero := l.own("axes of stack")
	l.v.define(l.where, zero, value{elem: onnxpb.TensorProto_INT64, shape: numbers(1), ints: []int64{0}})
	join := &onnxpb.NodeProto{OpType: "Concat", Attribute: []*onnxpb.AttributeProto{attrInt("axis", 0)}}
	for _, s := range list {
		l.v.inlined++
		row := l.own("row of stack")
		l.v.node(&onnxpb.NodeProto{OpType: "Unsqueeze", Input: []string{s, zero}, Output: []string{row}}, l.where, nil)
		join.Input = append(join.Input, row)
	}
	join.Output = []string{l.own("stack")}
	l.v.node(join, l.where, nil)
	return join.Output[0]
}
