package decompile

import (
	"errors"
	"fmt"
	"slices"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// piece is a node of a pipeline, with the branches that it joins. Nodes that make one layer
// are joined into one stage later.
type piece struct {
	node     *ir.Node
	from     *ir.Value  // in place of a node: the value with a name that a pipeline begins with
	branches [][]*piece // in the order of the operands; nil for a node with one input
}

// pipeliner finds the pipelines of a graph. A pipeline leads from one value to another, and
// each value in it is read only inside of it.
type pipeliner struct {
	g     *ir.Graph
	idom  map[*ir.Value]*ir.Value // the last value that every path from the input goes through
	depth map[*ir.Value]int       // number of such values
	seen  map[*ir.Node]int        // how often a node was written
	again int                     // number of nodes that were written a second time
	left  int                     // number of nodes that may still be written
	named map[*ir.Value]bool      // values that lines end with, and that others read by name
}

func newPipeliner(g *ir.Graph) *pipeliner {
	return &pipeliner{g: g, idom: map[*ir.Value]*ir.Value{}, depth: map[*ir.Value]int{}, seen: map[*ir.Node]int{}, left: 2*len(g.Nodes) + 64}
}

// maxAgain is how many nodes without weights may be written in more than one branch.
const maxAgain = 64

// deepest is how deep branches may nest.
const deepest = dsl.MaxNesting / 4

// inputs returns the operands of a node that are not weights, each once.
func inputs(n *ir.Node) []*ir.Value {
	var vs []*ir.Value
	for _, v := range n.In {
		if v != nil && v.Param == nil && !slices.Contains(vs, v) {
			vs = append(vs, v)
		}
	}
	return vs
}

// findPipelines returns the pieces from the input of a graph to its first output, and those
// of the other outputs by the value that they begin with.
func findPipelines(g *ir.Graph) (main []*piece, heads map[*ir.Value][][]*piece, order []*ir.Value, err error) {
	p := newPipeliner(g)
	if len(g.Inputs) != 1 {
		return nil, nil, nil, fmt.Errorf("it has %d inputs", len(g.Inputs))
	}
	if err := p.dominators(); err != nil {
		return nil, nil, nil, err
	}
	if p.nest() {
		return findPipelines(g)
	}
	in := g.Inputs[0]
	main, err = p.between(in, g.Outputs[0], 0)
	if err != nil {
		return nil, nil, nil, err
	}
	trunk := map[*ir.Value]bool{in: true}
	for _, s := range main {
		trunk[s.node.Out[0]] = true
	}
	heads = map[*ir.Value][][]*piece{}
	for _, out := range g.Outputs[1:] {
		if !out.Type.Equal(g.Outputs[0].Type) {
			return nil, nil, nil, errors.New("its outputs have different shapes, so that they are not classifiers of one kind")
		}
		from := out
		for from != nil && (from == out || !trunk[from]) {
			from = p.idom[from]
		}
		if from == nil {
			return nil, nil, nil, errors.New("it has an output that does not depend on the input")
		}
		h, err := p.between(from, out, 0)
		if err != nil {
			return nil, nil, nil, err
		}
		if heads[from] == nil {
			order = append(order, from)
		}
		heads[from] = append(heads[from], h)
	}
	return main, heads, order, nil
}

// dominators fills idom and depth.
func (p *pipeliner) dominators() error {
	in := p.g.Inputs[0]
	p.depth[in] = 1
	for _, n := range p.g.Nodes {
		if op, ok := n.Op.(ops.Node); ok && op.Type == "Program" {
			return errors.New("it ends with outputs whose sizes are known only at run time, such as boxes")
		}
		if len(n.Out) != 1 {
			return fmt.Errorf("%s has %d results", opName(n.Op), len(n.Out))
		}
		ins := inputs(n)
		if len(ins) == 0 {
			return fmt.Errorf("%s computes with weights alone", opName(n.Op))
		}
		d := p.commonOf(ins)
		if d == nil && p.named == nil || d != nil && p.depth[d] == 0 {
			return errors.New("a part of it does not depend on the input")
		}
		if p.named[n.Out[0]] {
			p.depth[n.Out[0]] = 1 // paths begin with it
			continue
		}
		p.idom[n.Out[0]], p.depth[n.Out[0]] = d, p.depth[d]+1
	}
	return nil
}

// nest makes neighbouring operands of a concat a concat of their own where they have a
// layer in common that the other operands do not read: exporters join nested concats. It
// reports whether it changed the graph.
func (p *pipeliner) nest() bool {
	var list []*ir.Node
	b := ir.Extend(p.g)
	changed := false
	for _, n := range p.g.Nodes {
		op, ok := n.Op.(ops.Concat)
		if !ok || len(n.In) < 3 {
			list = append(list, n)
			continue
		}
		start := p.idom[n.Out[0]]
		var in []*ir.Value
		for i := 0; i < len(n.In); {
			d, j := n.In[i], i+1
			for ; j < len(n.In); j++ {
				c := p.common(d, n.In[j])
				if c == nil || c == start || p.depth[c] <= p.depth[start] {
					break
				}
				d = c
			}
			if j-i < 2 || j-i == len(n.In) {
				in = append(in, n.In[i:j]...)
				i = j
				continue
			}
			types := make([]ir.Type, 0, j-i)
			for _, v := range n.In[i:j] {
				types = append(types, v.Type)
			}
			t, err := op.Infer(types)
			if err != nil {
				return false
			}
			m := &ir.Node{Op: op, In: slices.Clone(n.In[i:j]), Part: n.Part, Pos: n.Pos}
			m.Out = []*ir.Value{{Name: b.Fresh(n.Out[0].Name + "/inner"), Type: t[0], Def: m}}
			list = append(list, m)
			in = append(in, m.Out[0])
			changed = true
			i = j
		}
		n.In = in
		list = append(list, n)
	}
	p.g.Nodes = list
	return changed
}

// common returns the last value that all paths to a and to b go through.
func (p *pipeliner) common(a, b *ir.Value) *ir.Value {
	for a != b {
		if a == nil || b == nil {
			return nil
		}
		if p.depth[a] < p.depth[b] {
			a, b = b, a
		}
		a = p.idom[a]
	}
	return a
}

// commonOf is common for several values.
func (p *pipeliner) commonOf(list []*ir.Value) *ir.Value {
	d := list[0]
	for _, v := range list[1:] {
		d = p.common(d, v)
	}
	return d
}

// between returns the pieces from one value to another. All paths to the second must go
// through the first. Without a first value, the pieces begin with values that have names.
func (p *pipeliner) between(from, to *ir.Value, depth int) ([]*piece, error) {
	if depth > deepest {
		return nil, fmt.Errorf("its branches nest deeper than %d", deepest)
	}
	var list []*piece
	for v := to; v != from; {
		if from == nil && p.isSource(v) && (v != to || depth > 0) {
			list = append(list, &piece{from: v})
			break
		}
		if v.Def == nil {
			return nil, fmt.Errorf("%s is read in a branch that does not begin with it", v.Name)
		}
		n := v.Def
		if err := p.write(n); err != nil {
			return nil, err
		}
		s := &piece{node: n}
		list = append(list, s)
		if !joins(n) {
			v = inputs(n)[0]
			continue
		}
		if err := checkJoin(n); err != nil {
			return nil, err
		}
		start := p.idom[v]
		if p.named[v] { // which begins paths of its own
			start = nil
			ins := inputs(n)
			if d := p.commonOf(ins); d != nil {
				start = d
			}
		}
		for _, o := range n.In {
			if o.Param != nil {
				continue // a weight of an operator
			}
			b, err := p.between(start, o, depth+1)
			if err != nil {
				return nil, err
			}
			s.branches = append(s.branches, b)
		}
		if v = start; v == nil {
			break
		}
	}
	slices.Reverse(list)
	return list, nil
}

// opName returns the name of an op, or of the ONNX operator that has no op.
func opName(op ir.Op) string {
	if n, ok := op.(ops.Node); ok {
		return n.Type
	}
	return ir.Name(op)
}

// write counts a node. A node with weights can be written only once, another one rarely
// more often.
func (p *pipeliner) write(n *ir.Node) error {
	p.seen[n]++
	if p.left--; p.left < 0 {
		return errors.New("its branches share too many layers")
	}
	if p.seen[n] == 1 {
		return nil
	}
	p.again++
	if len(n.In) != len(inputs(n)) || joins(n) || p.again > maxAgain || p.named != nil {
		return &nameError{n.Out[0]}
	}
	return nil
}

// joins reports whether a node joins branches.
func joins(n *ir.Node) bool {
	computed := 0
	for _, v := range n.In {
		if v != nil && v.Param == nil {
			computed++
		}
	}
	return computed > 1
}

// checkJoin returns an error if a pipeline cannot say a join.
func checkJoin(n *ir.Node) error {
	if op, ok := n.Op.(ops.Concat); ok && axisOf(op.Axis, len(n.Out[0].Type.Shape)) < 1 {
		return errors.New("a pipeline has no concat of images")
	}
	if _, ok := n.Op.(ops.Node); ok {
		return nil // it may have weights
	}
	for _, v := range n.In {
		if v.Param != nil {
			return fmt.Errorf("a pipeline has no %s with a constant (%s)", ir.Name(n.Op), v.Name)
		}
	}
	return nil
}
