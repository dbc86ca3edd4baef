package autodiff

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// frozen reports whether a param keeps its value.
func (o *Options) frozen(v *ir.Value) bool { return ir.UnderAny(v.Name, o.Freeze) }

// rate is the factor on the learning rate of a weight.
func (o *Options) rate(v *ir.Value) float64 { return ir.RateOf(v, o.Rates) }

// trained lists the weights that are not frozen. It takes the heads that lead to none of
// them off the graph: their losses are the same in every step but for dropout.
func trained(g *ir.Graph, opt Options) ([]*ir.Value, error) {
	var weights []*ir.Value
	active, norms := map[*ir.Value]bool{}, map[*ir.Value]bool{}
	for _, n := range g.Nodes {
		if _, ok := n.Op.(ops.BatchNorm); ok && opt.FreezeNorms {
			norms[n.In[1]], norms[n.In[2]] = true, true
		}
	}
	for _, p := range g.Params {
		if p.Param.Kind == ir.Weight && !opt.frozen(p) && !norms[p] {
			weights = append(weights, p)
			active[p] = true
		}
	}
	g.Downstream(active)
	if opt.Optimizer != nil && active[g.Outputs[0]] && !g.Trains(opt.Freeze, opt.Rates) {
		return nil, fmt.Errorf("%s: the factor on the learning rate is 0 for all weights before the output that are not frozen, so nothing would be trained: raise a by= of the rate statements or an lr= of the layers", g.Name)
	}
	if len(opt.Freeze) == 0 {
		return weights, nil
	}
	if !active[g.Outputs[0]] {
		return nil, fmt.Errorf("%s: all weights before the output are frozen, so nothing would be trained: freeze fewer parts", g.Name)
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
