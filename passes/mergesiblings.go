package passes

import (
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// MergeSiblings joins the parallel 1x1 convolutions that read one value into one
// convolution. Its filters are theirs, concatenated; slices of its output replace their
// outputs. Other readers of the value (the pool of an Inception module, a 3x3 branch) do
// not matter. It does so if the cost model estimates a lower cost. If the pass is asked for
// by name, slices cost nothing in this estimate.
//
// If the activations differ (a convolution that commute-avgpool moved before its pool has
// none), the merged convolution has no activation, and there is one after each slice.
var MergeSiblings = Pass{
	Name:     "merge-siblings",
	Doc:      "joins parallel 1x1 convolutions that read the same value into one, whose output is sliced",
	Ref:      "Szegedy 2015, figure 2b; Jia 2019 (TASO), section 2",
	Contract: Rounding,
	After: []Constraint{
		{"cse", "equal convolutions should become one and not be concatenated"},
		{"commute-avgpool", "the convolution that it moves before a pool can then be merged with its siblings"},
		{"fold-linear", "after the merge, a 1x1 convolution reads a slice and not a convolution"},
	},
	Run: func(r *ir.Rewriter, o Options) error {
		if w, ok := o.Cost.(Work); ok && o.step.Named() {
			// The user asked for the pass by name: merge even if the slices cost more than the
			// merge saves.
			w.Copies = false
			o.Cost = w
		}
		st := statics{}
		type key struct {
			x  *ir.Value
			op ops.Conv
		}
		groups := map[key][]linear{}
		var order []key
		for _, n := range r.Graph().Nodes {
			l, ok := asConv(n)
			if !ok || l.kernel() != (ir.HW{1, 1}) || l.conv.Groups != 1 || !l.static(st) || st.has(n.In[0]) {
				continue
			}
			op := l.conv
			op.Act, op.Dilation = ops.ActNone, ir.HW{1, 1} // dilation has no effect on a 1x1 kernel
			k := key{n.In[0], op}
			if groups[k] == nil {
				order = append(order, k)
			}
			groups[k] = append(groups[k], l)
		}
		for _, k := range order {
			best := cheapest(o, k.x.Type, k.op, groups[k])
			if len(best) > 1 {
				merge(r, k.op, best)
			}
		}
		return nil
	},
}

// cheapest returns the siblings whose merge saves most by the cost model: all of them, or
// those with one activation. It returns nil if no merge saves anything.
func cheapest(o Options, x ir.Type, op ops.Conv, ls []linear) []linear {
	if len(ls) < 2 {
		return nil
	}
	sets := [][]linear{ls}
	for _, a := range append(ops.Acts(), ops.ActNone) {
		var same []linear
		for _, l := range ls {
			if l.act == a {
				same = append(same, l)
			}
		}
		if len(same) > 1 && len(same) < len(ls) {
			sets = append(sets, same)
		}
	}
	var best []linear
	most := 0.0
	for _, s := range sets {
		if saved := saves(o, x, op, s); saved > most {
			best, most = s, saved
		}
	}
	return best
}

// saves returns the cost that a merge saves: the cost of the siblings, minus the cost of
// the merged convolution, its slices and the activations after them. It is -1 if they
// cannot be merged.
func saves(o Options, x ir.Type, op ops.Conv, ls []linear) float64 {
	saved, outs := 0.0, 0
	for _, l := range ls {
		saved += o.priceNode(l.n)
		outs += l.outs()
	}
	act, bias := shared(ls)
	op.Act = act
	w := ls[0].weight.Type.Shape
	in := []ir.Type{x, ir.Float(outs, w[1], 1, 1)}
	if bias {
		in = append(in, ir.Float(outs))
	}
	c, y, ok := o.price(op, in...)
	if !ok {
		return -1
	}
	saved -= c
	at := 0
	for _, l := range ls {
		c, part, ok := o.price(ops.Slice{Axis: 1, Start: at, Stop: at + l.outs()}, y)
		if !ok {
			return -1
		}
		saved -= c
		at += l.outs()
		if l.act != act {
			c, _, _ := o.price(l.act.Op(), part)
			saved -= c
		}
	}
	return saved
}

// shared returns the activation of the siblings, ActNone if they differ, and whether any of
// them has a bias.
func shared(ls []linear) (act ops.Act, bias bool) {
	act = ls[0].act
	for _, l := range ls {
		if l.act != act {
			act = ops.ActNone
		}
		bias = bias || l.bias != nil
	}
	return act, bias
}

func merge(r *ir.Rewriter, op ops.Conv, ls []linear) {
	r.For(ls[0].n)
	act, bias := shared(ls)
	op.Act = act
	name := mergedName(ls)
	ws := make([]*ir.Value, len(ls))
	bs := make([]*ir.Value, len(ls))
	for i, l := range ls {
		ws[i], bs[i] = l.weight, l.bias
		if bias && l.bias == nil {
			bs[i] = r.Fill(layerName(l)+"/zero", 0, l.outs())
		}
	}
	in := []*ir.Value{ls[0].n.In[0], add(r, name+"/weight", ops.Concat{Axis: 0}, ws...)}
	if bias {
		in = append(in, add(r, name+"/bias", ops.Concat{Axis: 0}, bs...))
	}
	y := add(r, name, op, in...)
	at := 0
	for _, l := range ls {
		r.For(l.n)
		out := l.n.Out[0]
		part := add(r, out.Name+"/slice", ops.Slice{Axis: 1, Start: at, Stop: at + l.outs()}, y)
		at += l.outs()
		if l.act != act {
			part = add(r, out.Name+"/act", l.act.Op(), part)
		}
		succeed(r, out, part)
	}
}

// mergedName returns the path that the siblings have in common, followed by
// conv_1x1_merged.
func mergedName(ls []linear) string {
	dir := strings.Split(ls[0].n.Out[0].Name, "/")
	dir = dir[:len(dir)-1]
	for _, l := range ls[1:] {
		p := strings.Split(l.n.Out[0].Name, "/")
		n := 0
		for n < len(dir) && n < len(p)-1 && dir[n] == p[n] {
			n++
		}
		dir = dir[:n]
	}
	return strings.Join(append(dir, "conv_1x1_merged"), "/")
}
