// Package ir is the intermediate representation of a network: a graph of ops and typed
// values, with weights and state as values of their own. Package dsl builds it from a
// text; package ops defines the ops and package ref evaluates them; passes rewrite the
// graph, and backends turn it into files or run it.
package ir

import (
	"slices"

	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/tensor"
)

// Graph is a network. Nodes are in topological order. Every value is an input, a
// param, or an output of exactly one node.
type Graph struct {
	Name    string
	Doc     string // the comment at the head of the spec
	Inputs  []*Value
	Outputs []*Value
	Heads   []Head
	Params  []*Value // weights, state and constants; Value.Param.Kind tells them apart
	Updates []Update
	Nodes   []*Node
	Parts   []Part
	// Data holds the elements of params that have been drawn, trained, loaded or
	// folded, by the param's name. A param without an entry has the elements that
	// its Init describes.
	Data   map[string]*tensor.F32
	Recipe *recipe.Recipe // never nil in a graph that a Builder made
}

// Head is an output of an auxiliary classifier. It adds to the loss in training
// and is removed for inference (Szegedy 2015, section 5).
type Head struct {
	Value  *Value
	Weight float64 // weight of its loss; the weight of the main output's loss is 1
}

// Update says that Value becomes the new content of Param after a training step.
type Update struct {
	Param, Value *Value
}

// Part is a labelled part of the spec and its result.
type Part struct {
	Name string // the label: 3a
	Out  *Value
	Pos  diag.Pos
}

// Node is an op applied to values.
type Node struct {
	Op   Op
	In   []*Value
	Out  []*Value
	Pos  diag.Pos // the place in the spec that it comes from
	By   string   // the pass that made it, empty for the front end
	Part string   // the label of the part of the spec that it belongs to, if any
}

// Value is a tensor that the network reads or computes.
type Value struct {
	Name  string // the path of labels and blocks, then op and kernel: 3a/inception/conv_3x3
	Type  Type
	Def   *Node  // nil for inputs and params
	Index int    // index among Def.Out
	Param *Param // nil except for params
}

// Kind is the kind of a param: weight, state or constant.
type Kind uint8

const (
	Weight   Kind = iota // trained
	State                // changed only by Updates: running statistics, optimizer slots
	Constant             // never changes
)

func (k Kind) String() string { return [...]string{"weight", "state", "const"}[k] }

// Param describes a weight, state or constant, besides its type.
type Param struct {
	Kind    Kind
	Init    Init
	LR      float64 // factor on the learning rate, 1 by default
	Decay   float64 // factor on the weight decay; by default 1 for conv and fc weights, 0 for the rest
	MaxNorm float64 // bound on the Euclidean norm of the weights of one output, 0 for none
	Pos     diag.Pos
}

// All returns the outputs, followed by the values of the heads.
func (g *Graph) All() []*Value {
	vs := append([]*Value(nil), g.Outputs...)
	for _, h := range g.Heads {
		vs = append(vs, h.Value)
	}
	return vs
}

// Roots returns every value that must be computed: outputs, heads and updates.
func (g *Graph) Roots() []*Value {
	vs := g.All()
	for _, u := range g.Updates {
		vs = append(vs, u.Value)
	}
	return vs
}

// Value returns the value with the given name, nil if there is none. It searches
// the whole graph; build a map to look up many names.
func (g *Graph) Value(name string) *Value {
	var found *Value
	g.EachValue(func(v *Value) {
		if v.Name == name {
			found = v
		}
	})
	return found
}

// EachValue calls f for inputs, params and the outputs of nodes, in order.
func (g *Graph) EachValue(f func(*Value)) {
	for _, v := range g.Inputs {
		f(v)
	}
	for _, v := range g.Params {
		f(v)
	}
	for _, n := range g.Nodes {
		for _, v := range n.Out {
			f(v)
		}
	}
}

// Users maps each value to the nodes that read it, in the order of the graph. A
// node that reads a value twice is listed once.
func (g *Graph) Users() map[*Value][]*Node {
	m := make(map[*Value][]*Node, len(g.Nodes))
	for _, n := range g.Nodes {
		for _, v := range n.In {
			if v != nil {
				m[v] = addReader(m[v], n)
			}
		}
	}
	return m
}

// addReader adds n to a list of readers. A node that reads an operand twice is
// added twice in a row, so comparing it with the last reader keeps it unique.
func addReader(to []*Node, n *Node) []*Node {
	if len(to) > 0 && to[len(to)-1] == n {
		return to
	}
	return append(to, n)
}

// Clone returns a copy of the graph. The copy shares only the arrays in Data and
// the recipe with the original.
func (g *Graph) Clone() *Graph {
	c := *g
	m := make(map[*Value]*Value)
	cp := func(v *Value, def *Node) *Value {
		if v == nil {
			return nil
		}
		w := *v
		w.Type.Shape = slices.Clone(v.Type.Shape)
		w.Def = def
		if v.Param != nil {
			p := *v.Param
			w.Param = &p
		}
		m[v] = &w
		return &w
	}
	mapped := func(vs []*Value) []*Value {
		r := make([]*Value, len(vs))
		for i, v := range vs {
			r[i] = m[v]
		}
		return r
	}
	c.Inputs, c.Params = nil, nil
	for _, v := range g.Inputs {
		c.Inputs = append(c.Inputs, cp(v, nil))
	}
	for _, v := range g.Params {
		c.Params = append(c.Params, cp(v, nil))
	}
	c.Nodes = make([]*Node, len(g.Nodes))
	for i, n := range g.Nodes {
		k := *n
		k.In = mapped(n.In)
		k.Out = make([]*Value, len(n.Out))
		for j, v := range n.Out {
			k.Out[j] = cp(v, &k)
		}
		c.Nodes[i] = &k
	}
	c.Outputs = mapped(g.Outputs)
	c.Heads = append([]Head(nil), g.Heads...)
	for i, h := range c.Heads {
		c.Heads[i].Value = m[h.Value]
	}
	c.Updates = append([]Update(nil), g.Updates...)
	for i, u := range c.Updates {
		c.Updates[i] = Update{m[u.Param], m[u.Value]}
	}
	c.Parts = append([]Part(nil), g.Parts...)
	for i, p := range c.Parts {
		c.Parts[i].Out = m[p.Out]
	}
	c.Data = make(map[string]*tensor.F32, len(g.Data))
	for k, v := range g.Data {
		c.Data[k] = v
	}
	return &c
}
