package ir

import (
	"errors"
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir/tensor"
)

// Problem is a rule that a graph breaks.
type Problem struct {
	Value *Value // the value that has the problem; nil if it is not a single value
	Msg   string
	// NoData says that the value is a param that has no elements, and no
	// initialization to draw them from. A graph that is only printed or summarized may
	// have such params.
	NoData bool
}

func (p *Problem) Error() string { return ErrGraph.Error() + ": " + p.Msg }
func (p *Problem) Unwrap() error { return ErrGraph }

// Verify checks the rules for every graph: names are unique; nodes are in topological
// order; every value that is referred to belongs to the graph; types are those that
// the ops infer; data has the shape of its param; roots exist. It returns all problems,
// joined, or nil.
func Verify(g *Graph) error {
	var errs []error
	for _, p := range Problems(g) {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// Problems returns the problems that Verify joins.
func Problems(g *Graph) []*Problem {
	c := &checker{g: g, names: map[string]bool{}, known: map[*Value]bool{}}
	for _, v := range g.Inputs {
		c.value(v)
		if v.Def != nil || v.Param != nil {
			c.bad("input %s is also a param or the output of a node", v.Name)
		}
	}
	for _, v := range g.Params {
		c.value(v)
		c.param(v)
	}
	for i, n := range g.Nodes {
		c.at = nil
		if len(n.Out) == 0 {
			c.bad("node %d (%s) has no output", i, Name(n.Op))
			continue
		}
		c.node(n)
	}
	c.at = nil
	for _, v := range g.Roots() {
		if v == nil || !c.known[v] {
			c.bad("an output is not a value of the graph")
		}
	}
	c.updates()
	c.at = nil
	for _, p := range g.Parts {
		if p.Out == nil || !c.known[p.Out] {
			c.bad("the result of part %s is not a value of the graph", p.Name)
		}
	}
	return c.found
}

// checker collects the problems of a graph.
type checker struct {
	g     *Graph
	found []*Problem
	at    *Value // the value whose problems are being looked for
	names map[string]bool
	known map[*Value]bool // the values that were computed so far
}

func (c *checker) bad(format string, args ...any) *Problem {
	p := &Problem{Value: c.at, Msg: fmt.Sprintf(format, args...)}
	c.found = append(c.found, p)
	return p
}

// value checks the name and the shape of a value, which is known from here on.
func (c *checker) value(v *Value) {
	c.at = v
	if v.Name == "" {
		c.bad("a value has no name")
	}
	if c.names[v.Name] {
		c.bad("two values are called %s", v.Name)
	}
	c.names[v.Name] = true
	c.known[v] = true
	if err := v.Type.Shape.Check(); err != nil {
		c.bad("%s: %v", v.Name, err)
	}
}

// param checks what only a param has: its data or its initialization.
func (c *checker) param(v *Value) {
	if v.Param == nil || v.Def != nil {
		c.bad("param %s is not marked as a param, or is the output of a node", v.Name)
		return
	}
	if v.Type.Shape.Symbolic() {
		c.bad("param %s has the batch among its axes: %v", v.Name, v.Type)
	}
	switch d := c.g.Data[v.Name]; {
	case d != nil && !slices.Equal(d.Shape, v.Type.Shape):
		c.bad("param %s has shape %v, but its data has shape %v", v.Name, v.Type, Shape(d.Shape))
	case d != nil && len(d.Data) != tensor.Size(d.Shape):
		c.bad("param %s has shape %v, but its data has %d elements", v.Name, v.Type, len(d.Data))
	case d == nil && v.Param.Kind == Constant && v.Param.Init.Kind != InitConstant:
		c.bad("constant %s has no data", v.Name).NoData = true
	case d == nil && v.Param.Init.Kind == "":
		c.bad("param %s has neither data nor an initialization", v.Name).NoData = true
	case d == nil && !v.Param.Init.known():
		c.bad("param %s has no data, and its initialization %s is unknown", v.Name, v.Param.Init).NoData = true
	}
}

// node checks the operands of a node with at least one output, then the types of its
// outputs.
func (c *checker) node(n *Node) {
	first := n.Out[0]
	c.at = first
	if DefOf(n.Op) == nil {
		c.bad("%s: op %T was never defined", first.Name, n.Op)
	}
	types := make([]Type, len(n.In))
	ok := true
	for j, v := range n.In {
		if v == nil || !c.known[v] {
			name := "a missing operand"
			if v != nil {
				name = v.Name
			}
			c.bad("%s reads %s, which is not computed before it", first.Name, name)
			ok = false
			continue
		}
		types[j] = v.Type
	}
	for j, v := range n.Out {
		c.value(v)
		if v.Def != n || v.Index != j {
			c.bad("the fields Def and Index of %s do not name the node that computes it", v.Name)
		}
	}
	if !ok {
		return
	}
	c.at = first
	out, err := n.Op.Infer(types)
	if err != nil {
		c.bad("%s: %v", first.Name, err)
		return
	}
	if len(out) != len(n.Out) {
		c.bad("%s: %s has %d outputs, not %d", first.Name, Name(n.Op), len(out), len(n.Out))
		return
	}
	for j, t := range out {
		if !t.Equal(n.Out[j].Type) {
			c.bad("%s has type %v, but %s computes type %v", n.Out[j].Name, n.Out[j].Type, Name(n.Op), t)
		}
	}
}

// updates checks what a training step writes into the params.
func (c *checker) updates() {
	updated := map[*Value]bool{}
	for _, u := range c.g.Updates {
		c.at = nil
		if u.Param == nil || u.Param.Param == nil || !c.known[u.Param] {
			c.bad("an update changes a value that is not a param of the graph")
			continue
		}
		c.at = u.Param
		if u.Param.Param.Kind == Constant {
			c.bad("%s is a %v and cannot be updated", u.Param.Name, Constant)
		}
		if updated[u.Param] {
			c.bad("%s is updated twice", u.Param.Name)
		}
		updated[u.Param] = true
		if u.Value != nil && !u.Param.Type.Equal(u.Value.Type) {
			c.bad("update of %s (%v) by %s (%v): the types differ", u.Param.Name, u.Param.Type, u.Value.Name, u.Value.Type)
		}
	}
}
