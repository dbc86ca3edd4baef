package autodiff

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Cut divides a network, some parts of which are frozen, in two at one value: trunk
// computes that value from the input, and top the outputs from that value, its only input.
// Training changes nothing in trunk, and nothing in it is random. Of all such values it
// takes the last. Both have the params of g by the same names. Heads that lead to no
// weight that is trained are in neither.
//
// It returns an error if there is no such value but the input itself, or if g does not have
// exactly one input and one output.
func Cut(g *ir.Graph, freeze []string) (trunk, top *ir.Graph, err error) {
	if len(g.Inputs) != 1 || len(g.Outputs) != 1 {
		return nil, nil, fmt.Errorf("%s has %d inputs and %d outputs; only a network with one of each can be cut", g.Name, len(g.Inputs), len(g.Outputs))
	}
	g = g.Clone()
	opt := Options{Freeze: freeze}
	if _, err := trained(g, opt); err != nil {
		return nil, nil, err
	}
	at := lastFixed(g, opt)
	if at == g.Inputs[0] {
		return nil, nil, fmt.Errorf("%s: there is no layer before which all is frozen: what is trained, or is random (dropout), reads the input itself", g.Name)
	}
	trunk = g.Clone()
	trunk.Outputs, trunk.Heads, trunk.Updates = []*ir.Value{trunk.Value(at.Name)}, nil, nil
	r := ir.Rewrite(trunk, "cut")
	r.Sweep()
	if err := r.Finish(); err != nil {
		return nil, nil, err
	}
	top = g.Clone()
	r = ir.Rewrite(top, "cut")
	in := r.Input("features", at.Type)
	r.Replace(top.Value(at.Name), in)
	r.Sweep()
	top.Inputs = []*ir.Value{in}
	return trunk, top, r.Finish()
}

// lastFixed is the last value that is the same in every step and that everything else
// needs from the input.
func lastFixed(g *ir.Graph, opt Options) *ir.Value {
	changes := map[*ir.Value]bool{}
	for _, p := range g.Params {
		changes[p] = p.Param.Kind != ir.Constant && !opt.frozen(p)
	}
	for _, n := range g.Nodes {
		if d, ok := n.Op.(ops.Dropout); ok && d.P > 0 {
			changes[n.Out[0]] = true
		}
	}
	g.Downstream(changes)
	needed := map[*ir.Node]bool{}
	var need func(v *ir.Value)
	need = func(v *ir.Value) {
		if n := v.Def; n != nil && !needed[n] {
			needed[n] = true
			for _, in := range n.In {
				need(in)
			}
		}
	}
	for _, v := range g.Roots() {
		need(v)
	}
	best := g.Inputs[0]
	for _, n := range slices.Backward(g.Nodes) {
		if !needed[n] {
			continue
		}
		for _, v := range n.Out {
			if !changes[v] && divides(g, needed, changes, v) {
				return v
			}
		}
	}
	return best
}

// divides reports whether the nodes that change from step to step depend on the input
// through v only.
func divides(g *ir.Graph, needed map[*ir.Node]bool, changes map[*ir.Value]bool, v *ir.Value) bool {
	beside := map[*ir.Value]bool{g.Inputs[0]: true} // computed from the input without v
	reaches := false                                // v is computed from the input
	for _, n := range g.Nodes {
		if !needed[n] || !slices.ContainsFunc(n.In, func(x *ir.Value) bool { return beside[x] }) {
			continue
		}
		for _, o := range n.Out {
			switch {
			case o == v:
				reaches = true
			case changes[o]:
				return false
			default:
				beside[o] = true
			}
		}
	}
	for _, o := range g.Roots() {
		if beside[o] {
			return false
		}
	}
	return reaches
}
