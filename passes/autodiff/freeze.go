package autodiff

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
)

// frozen reports whether a param keeps its value.
func (o *Options) frozen(v *ir.Value) bool { return ir.UnderAny(v.Name, o.Freeze) }

// rate is the factor on the learning rate of a weight.
func (o *Options) rate(v *ir.Value) float64 {
	by := v.Param.LR
	for _, r := range o.Rates {
		if ir.UnderAny(v.Name, r.Parts) {
			by *= r.By
		}
	}
	return by
}

// trained lists the weights that are not frozen. It takes the heads that lead to none of
// them off the graph: their losses are the same in every step but for dropout.
func trained(g *ir.Graph, opt Options) ([]*ir.Value, error) {
	var weights []*ir.Value
	active := map[*ir.Value]bool{}
	for _, p := range g.Params {
		if p.Param.Kind == ir.Weight && !opt.frozen(p) {
			weights = append(weights, p)
			active[p] = true
		}
	}
	if len(opt.Freeze) == 0 {
		return weights, nil
	}
	for _, n := range g.Nodes {
		for _, v := range n.In {
			if active[v] {
				for _, o := range n.Out {
					active[o] = true
				}
			}
		}
	}
	if !active[g.Outputs[0]] {
		return nil, fmt.Errorf("%s: freeze leaves no weight to train before the output: freeze fewer parts", g.Name)
	}
	var heads []ir.Head
	for _, h := range g.Heads {
		if active[h.Value] {
			heads = append(heads, h)
		}
	}
	g.Heads = heads
	return weights, nil
}
