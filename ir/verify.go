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
	var found []*Problem
	var at *Value
	bad := func(format string, args ...any) *Problem {
		p := &Problem{Value: at, Msg: fmt.Sprintf(format, args...)}
		found = append(found, p)
		return p
	}
	names := map[string]bool{}
	known := map[*Value]bool{}
	add := func(v *Value) {
		at = v
		if v.Name == "" {
			bad("a value has no name")
		}
		if names[v.Name] {
			bad("two values are called %s", v.Name)
		}
		names[v.Name] = true
		known[v] = true
		if err := v.Type.Shape.Check(); err != nil {
			bad("%s: %v", v.Name, err)
		}
	}
	for _, v := range g.Inputs {
		add(v)
		if v.Def != nil || v.Param != nil {
			bad("input %s is also a param or the output of a node", v.Name)
		}
	}
	for _, v := range g.Params {
		add(v)
		if v.Param == nil || v.Def != nil {
			bad("param %s is not marked as a param, or is the output of a node", v.Name)
			continue
		}
		if v.Type.Shape.Symbolic() {
			bad("param %s has the batch among its axes: %v", v.Name, v.Type)
		}
		switch d := g.Data[v.Name]; {
		case d != nil && !slices.Equal(d.Shape, v.Type.Shape):
			bad("param %s has shape %v, but its data has shape %v", v.Name, v.Type, Shape(d.Shape))
		case d != nil && len(d.Data) != tensor.Size(d.Shape):
			bad("param %s has shape %v, but its data has %d elements", v.Name, v.Type, len(d.Data))
		case d == nil && v.Param.Kind == Constant && v.Param.Init.Kind != InitConstant:
			bad("constant %s has no data", v.Name).NoData = true
		case d == nil && v.Param.Init.Kind == "":
			bad("param %s has neither data nor an initialization", v.Name).NoData = true
		case d == nil && !v.Param.Init.known():
			bad("param %s has no data, and its initialization %s is unknown", v.Name, v.Param.Init).NoData = true
		}
	}
	for i, n := range g.Nodes {
		at = nil
		if len(n.Out) == 0 {
			bad("node %d (%s) has no output", i, Name(n.Op))
			continue
		}
		at = n.Out[0]
		if DefOf(n.Op) == nil {
			bad("%s: op %T was never defined", n.Out[0].Name, n.Op)
		}
		types := make([]Type, len(n.In))
		ok := true
		for j, v := range n.In {
			if v == nil || !known[v] {
				name := "a missing operand"
				if v != nil {
					name = v.Name
				}
				bad("%s reads %s, which is not computed before it", n.Out[0].Name, name)
				ok = false
				continue
			}
			types[j] = v.Type
		}
		for j, v := range n.Out {
			add(v)
			if v.Def != n || v.Index != j {
				bad("the fields Def and Index of %s do not name the node that computes it", v.Name)
			}
		}
		if !ok {
			continue
		}
		at = n.Out[0]
		out, err := n.Op.Infer(types)
		if err != nil {
			bad("%s: %v", n.Out[0].Name, err)
			continue
		}
		if len(out) != len(n.Out) {
			bad("%s: %s has %d outputs, not %d", n.Out[0].Name, Name(n.Op), len(out), len(n.Out))
			continue
		}
		for j, t := range out {
			if !t.Equal(n.Out[j].Type) {
				bad("%s has type %v, but %s computes type %v", n.Out[j].Name, n.Out[j].Type, Name(n.Op), t)
			}
		}
	}
	at = nil
	for _, v := range g.Roots() {
		if v == nil || !known[v] {
			bad("an output is not a value of the graph")
		}
	}
	updated := map[*Value]bool{}
	for _, u := range g.Updates {
		at = nil
		if u.Param == nil || u.Param.Param == nil || !known[u.Param] {
			bad("an update changes a value that is not a param of the graph")
			continue
		}
		at = u.Param
		if u.Param.Param.Kind == Constant {
			bad("%s is a %v and cannot be updated", u.Param.Name, Constant)
		}
		if updated[u.Param] {
			bad("%s is updated twice", u.Param.Name)
		}
		updated[u.Param] = true
		if u.Value != nil && !u.Param.Type.Equal(u.Value.Type) {
			bad("update of %s (%v) by %s (%v): the types differ", u.Param.Name, u.Param.Type, u.Value.Name, u.Value.Type)
		}
	}
	at = nil
	for _, p := range g.Parts {
		if p.Out == nil || !known[p.Out] {
			bad("the result of part %s is not a value of the graph", p.Name)
		}
	}
	return found
}
