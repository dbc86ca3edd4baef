package autodiff

import (
	"errors"
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
)

// update adds clipping, penalties and the optimizer. Without an optimizer it makes the
// gradients outputs.
func (t *Training) update(r *ir.Rewriter, opt Options, weights []*ir.Value) {
	g := t.Graph
	statistics := slices.Clone(g.Updates) // the running statistics of batch norms
	var trained, grads []*ir.Value
	for _, w := range weights {
		if d := t.Grads[w]; d != nil {
			trained, grads = append(trained, w), append(grads, d)
		}
	}
	r.Pos, r.Part, r.Prefix = t.Loss.Def.Pos, "", "optimizer/"
	if len(grads) > 0 && (opt.Norm || opt.Clip.Norm > 0) {
		norm := r.Do(ops.GlobalNorm{}, grads...)
		if opt.Norm {
			t.Norm = norm
			g.Outputs = append(g.Outputs, norm)
		}
		if opt.Clip.Norm > 0 && opt.Optimizer != nil {
			for i, d := range grads {
				r.Prefix = trained[i].Name + "/"
				grads[i] = r.Do(ops.ClipNorm{Bound: opt.Clip.Norm}, d, norm)
			}
		}
	}
	if opt.Optimizer == nil {
		g.Outputs = append(g.Outputs, grads...)
		return
	}
	t.Rate = r.Input("rate", ir.Float())
	for i, w := range trained {
		p := w.Param
		r.Pos, r.Prefix = p.Pos, w.Name+"/"
		d := grads[i]
		if opt.Clip.Value > 0 {
			d = r.Do(ops.ClipValue{Bound: opt.Clip.Value}, d)
		}
		if pen := (ops.PenaltyDx{L1: opt.Regular.L1 * p.Decay, L2: opt.Regular.L2 * p.Decay}); pen != (ops.PenaltyDx{}) {
			d = r.Do(pen, w, d)
		}
		out := t.optimize(r, *opt.Optimizer, w, d, opt.rate(w))
		bound := p.MaxNorm
		if bound == 0 && p.Decay > 0 {
			bound = opt.Regular.MaxNorm
		}
		if bound > 0 && len(w.Type.Shape) > 0 {
			out = r.Do(ops.MaxNorm{Bound: bound}, out)
		}
		g.Updates = append(g.Updates, ir.Update{Param: w, Value: out})
		t.average(r, opt.Average, w, out)
	}
	// With averaged weights, activations have other means and variances than with the last
	// weights. So the running statistics are averaged too.
	for _, u := range statistics {
		r.Pos, r.Prefix = u.Param.Param.Pos, u.Param.Name+"/"
		t.average(r, opt.Average, u.Param, u.Value)
	}
}

// average adds the running average of a weight or a running statistic w, whose new value is
// out.
func (t *Training) average(r *ir.Rewriter, a recipe.Average, w, out *ir.Value) {
	op := ops.Average{Decay: 1}
	switch a.Kind {
	case "":
		return
	case "polyak":
	case "ema":
		op.Decay = a.Decay
	default:
		r.Fail(fmt.Errorf("unknown average %q (want polyak or ema)", a.Kind))
		return
	}
	s := t.state(r, w, "average")
	t.Averages[w] = s
	t.Graph.Updates = append(t.Graph.Updates, ir.Update{Param: s, Value: r.Do(op, s, out, t.step(r))})
}

// state adds a State param with the shape of a weight. Its initial elements are 0.
func (t *Training) state(r *ir.Rewriter, w *ir.Value, name string) *ir.Value {
	return r.Param(w.Name+"."+name, w.Type.Shape, ir.Param{Kind: ir.State, Init: ir.Init{Kind: ir.InitConstant}, LR: 1, Pos: w.Param.Pos})
}

// optimize adds the optimizer's step for the weight w with the gradient d, and the updates
// of its slots. rate is the factor on the learning rate. It returns the new weight.
func (t *Training) optimize(r *ir.Rewriter, o recipe.Optimizer, w, d *ir.Value, rate float64) *ir.Value {
	p := w.Param
	in := []*ir.Value{w, d, t.Rate}
	var slots []*ir.Value
	slot := func(name string) { slots = append(slots, t.state(r, w, name)) }
	decay := o.Decay * p.Decay
	var op ir.Op
	if !(o.Eps > 0) && slices.Contains([]string{"adam", "adamw", "rmsprop", "rmsprop_torch"}, o.Kind) {
		r.Fail(fmt.Errorf("%s eps=%g (want a number above 0, such as 1e-8): the update divides by eps where a gradient has always been 0", o.Kind, o.Eps))
		return w
	}
	switch o.Kind {
	case "sgd", "nesterov":
		if o.Momentum > 0 {
			slot("velocity")
		}
		op = ops.SGD{Momentum: o.Momentum, Nesterov: o.Kind == "nesterov", Decay: decay, LR: rate}
	case "rmsprop", "rmsprop_torch":
		slot("square")
		if o.Momentum > 0 {
			slot("velocity")
		}
		op = ops.RMSProp{Rho: o.Rho, Eps: o.Eps, Momentum: o.Momentum, Decay: decay, LR: rate, Torch: o.Kind == "rmsprop_torch"}
	case "adam", "adamw":
		in = append(in, t.step(r))
		slot("mean")
		slot("square")
		op = ops.Adam{Beta1: o.Beta1, Beta2: o.Beta2, Eps: o.Eps, Decay: decay, Decoupled: o.Kind == "adamw", LR: rate}
	case "":
		r.Fail(errors.New("the recipe names no optimizer: add a line such as \"sgd lr=0.01 momentum=0.9\" to train"))
		return w
	default:
		r.Fail(fmt.Errorf("unknown optimizer %q (want sgd, nesterov, rmsprop, rmsprop_torch, adam or adamw)", o.Kind))
		return w
	}
	out := r.DoN(op, append(in, slots...)...)
	for i, s := range slots {
		t.Graph.Updates = append(t.Graph.Updates, ir.Update{Param: s, Value: out[i+1]})
	}
	t.Slots = append(t.Slots, slots...)
	return out[0]
}
