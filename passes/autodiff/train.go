package autodiff

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/lower"
)

// Options of Train.
type Options struct {
	Smoothing float64 // label smoothing (Szegedy 2016, section 7)
	// ClassWeights are the weights of the classes in the loss; nil for ones.
	ClassWeights []float64
	// Mix says that pictures are mixed in pairs (mixup, CutMix): the loss is the mean of
	// the losses for both labels, weighted by the shares of the two pictures.
	Mix bool
	// Gamma, if above 0, makes the loss the focal loss (Lin 2017).
	Gamma float64
	Seed  int64 // of the dropout masks
	// Optimizer computes the updates of the weights. If it is nil, there are no updates,
	// and the gradients are outputs.
	Optimizer *recipe.Optimizer
	Regular   recipe.Regularize
	Clip      recipe.Clip
	// Average also computes an average of every trained weight and every running
	// statistic: Kind "polyak" is the mean over all steps, "ema" an exponential average,
	// "" none.
	Average recipe.Average
	// Norm adds an output: the global norm of the gradients before clipping. It is not
	// finite if an element of a gradient is not.
	Norm bool
	// Freeze names parts of the network (ir.Under) that keep their weights, and the
	// running statistics of their batch norms, which compute as in inference.
	Freeze []string
	// FreezeNorms lets all batch norms keep their weights and running statistics, and compute as in
	// inference.
	FreezeNorms bool
	// Rates scale the learning rates of parts.
	Rates []recipe.Rate
	// Recompute says which values are computed twice to save memory.
	Recompute Recompute
}

// FromRecipe returns the options for the first epoch of a train block. Weights of classes
// that are to be balanced depend on the images: the caller sets them.
func FromRecipe(t *recipe.Train) Options {
	o := t.Optimizer
	return Options{Mix: recipe.MixingOf(t.Augment).On(), Smoothing: t.Loss.Smoothing, ClassWeights: t.Loss.Weights.Values, Gamma: t.Loss.Gamma, Seed: t.Run.Seed, Optimizer: &o, Regular: t.Regular, Clip: t.Clip, Average: t.Average, Norm: true,
		Freeze: t.Frozen(0), Rates: t.Rates}
}

// Training is a training graph and its values. The outputs of the graph are, in this order:
// Loss, Logits, Norm if Options.Norm is set, and without an optimizer the gradients in the
// order of the params.
type Training struct {
	Graph  *ir.Graph
	Labels *ir.Value   // input, i64[N]
	Others *ir.Value   // input, i64[N], the labels of the pictures mixed in; nil without Options.Mix
	Share  *ir.Value   // input, a scalar, the share of Labels in the loss; that of Others is 1 - Share; nil without Options.Mix
	Step   *ir.Value   // input, the step's number as a scalar i64, from 0; nil if nothing reads it
	Rate   *ir.Value   // input, the learning rate, a scalar; nil without an optimizer
	Loss   *ir.Value   // the weighted sum of Losses, a scalar
	Losses []*ir.Value // the losses of the output and of each head, without their weights
	Logits *ir.Value   // the logits of the main output, [N,C]
	Norm   *ir.Value   // nil unless asked for
	// Grads maps each weight of Graph to its gradient, before penalties and clipping. A
	// weight that does not lead to the loss has no entry.
	Grads map[*ir.Value]*ir.Value
	// Slots are the State params that the optimizer added, such as velocities.
	Slots []*ir.Value
	// Averages maps each weight or running statistic to the State param that holds its
	// average.
	Averages map[*ir.Value]*ir.Value
}

// Train returns the training graph of a network. It does not change g.
//
//   - The loss is the softmax cross-entropy of the logits; a softmax at the end of the
//     network is left out. The loss of each head is added, times its weight (0.3 in
//     Szegedy 2015, section 5).
//   - With Options.Mix each loss is Share * loss(Labels) + (1-Share) * loss(Others), as in
//     the papers on mixup (Zhang 2018) and CutMix (Yun 2019). Without weights of classes
//     this is the cross-entropy with the labels mixed by the same shares. Weights of classes
//     divide the loss for each label by the sum of its weights.
//   - batchnorm becomes batchnorm_train, and its running statistics get updates. A
//     batchnorm whose statistics are constants or frozen does not change.
//   - dropout becomes dropout_train, also in frozen parts (as in Keras; PyTorch leaves it
//     to the user). Its mask depends on its name and the seed.
//   - Frozen weights have no gradient, and nothing is computed that only their gradients
//     need. A head that leads only to frozen weights is left out of the loss.
//   - The gradient of a weight has the weight's name followed by .grad.
//   - With an optimizer, every weight that leads to the loss gets an update. The
//     optimizer's slots are State params, named after the weight followed by .velocity,
//     .square or .mean; its average is named likewise with .average.
//
// It returns an error if the network does not have exactly one output, if an output is not
// one number for each class, if an op has no gradient, or if every weight is frozen.
func Train(g *ir.Graph, opt Options) (*Training, error) {
	if len(g.Outputs) != 1 {
		return nil, fmt.Errorf("%s has %d outputs; training needs exactly one", g.Name, len(g.Outputs))
	}
	low, err := lower.Training(g)
	if err != nil {
		return nil, err
	}
	if low == g {
		low = g.Clone()
	}
	t := &Training{Graph: low, Averages: map[*ir.Value]*ir.Value{}}
	g = t.Graph
	r := ir.Rewrite(g, "autodiff")
	t.Labels = r.Input("labels", ir.Type{DType: ir.I64, Shape: ir.Shape{ir.Batch}})
	if opt.Mix {
		t.Others = r.Input("other_labels", ir.Type{DType: ir.I64, Shape: ir.Shape{ir.Batch}})
		t.Share = r.Input("share", ir.Float())
	}
	weights, err := trained(g, opt)
	if err != nil {
		return nil, err
	}
	if err := t.forward(r, opt); err != nil {
		return nil, err
	}
	if err := t.loss(r, opt); err != nil {
		return nil, err
	}
	grads, err := Gradients(r.Builder, t.Loss, weights)
	if err != nil {
		return nil, err
	}
	t.Grads = grads
	named := map[*ir.Value]bool{}
	for _, w := range weights {
		// One value may be the gradient of two weights; it keeps its first name.
		if d := grads[w]; d != nil && !named[d] && d.Def != nil {
			d.Name = r.Fresh(w.Name + ".grad")
			named[d] = true
		}
	}
	g.Outputs, g.Heads = []*ir.Value{t.Loss, t.Logits}, nil
	t.update(r, opt, weights)
	if err := r.Err(); err != nil {
		return nil, err
	}
	r.Sweep()
	if err := r.Finish(); err != nil {
		return nil, err
	}
	return t, t.recompute(opt.Recompute)
}

// step returns the input that holds the step's number. It adds the input at the first call.
func (t *Training) step(r *ir.Rewriter) *ir.Value {
	if t.Step == nil {
		t.Step = r.Input("step", ir.Type{DType: ir.I64, Shape: ir.Shape{}})
	}
	return t.Step
}

// forward replaces batch norm and dropout by their training forms.
func (t *Training) forward(r *ir.Rewriter, opt Options) error {
	updated := map[*ir.Value]*ir.Node{}
	for _, n := range t.Graph.Nodes {
		name := n.Out[0].Name
		switch op := n.Op.(type) {
		case ops.BatchNorm:
			mean, variance := n.In[3], n.In[4]
			if opt.FreezeNorms || !isState(mean) || !isState(variance) || opt.frozen(mean) && opt.frozen(variance) {
				continue
			}
			if m := updated[mean]; m != nil {
				return fmt.Errorf("%s and %s share the running mean %s, but only one batch norm can update it", m.Out[0].Name, name, mean.Name)
			}
			updated[mean] = n
			r.SetOp(n, ops.BatchNormTrain(op))
			for i := 1; i < 5; i++ {
				n.Out = append(n.Out, &ir.Value{Name: r.Fresh(fmt.Sprintf("%s.%d", name, i)), Type: mean.Type, Def: n, Index: i})
			}
			t.Graph.Updates = append(t.Graph.Updates, ir.Update{Param: mean, Value: n.Out[3]}, ir.Update{Param: variance, Value: n.Out[4]})
		case ops.Dropout:
			if op.P == 0 {
				continue
			}
			r.SetOp(n, ops.DropoutTrain{P: op.P, Seed: int(opt.Seed), Layer: name})
			r.SetIn(n, n.In[0], t.step(r))
		}
	}
	return nil
}

func isState(v *ir.Value) bool { return v.Param != nil && v.Param.Kind == ir.State }

// loss adds the losses of the output and the heads.
func (t *Training) loss(r *ir.Rewriter, opt Options) error {
	g := t.Graph
	var weights *ir.Value
	if len(opt.ClassWeights) > 0 {
		for class, w := range opt.ClassWeights {
			if !(w > 0) || math.IsInf(w, 0) {
				return fmt.Errorf("the loss gives class %d the weight %g, want a number above 0", class, w)
			}
		}
		weights = r.Const("class_weights", tensor.Round(tensor.Of(opt.ClassWeights, len(opt.ClassWeights))))
	}
	one := func(v *ir.Value, weight float64) (logits, weighted *ir.Value, err error) {
		r.Prefix = v.Name + "/"
		logits, err = Logits(r.Builder, v)
		if err != nil {
			return nil, nil, err
		}
		if n := len(opt.ClassWeights); n > 0 && n != logits.Type.Shape[1] {
			return nil, nil, fmt.Errorf("the loss has weights for %d classes, output %s gives %d", n, v.Name, logits.Type.Shape[1])
		}
		against := func(labels *ir.Value) *ir.Value {
			in := []*ir.Value{logits, labels}
			if weights != nil {
				in = append(in, weights)
			}
			return r.Do(ops.CrossEntropy{Smoothing: opt.Smoothing, Gamma: opt.Gamma}, in...)
		}
		l := against(t.Labels)
		if opt.Mix {
			others := against(t.Others)
			l = r.Do(ops.Add{}, others, r.Do(ops.Mul{}, r.Do(ops.Sub{}, l, others), t.Share))
		}
		t.Losses = append(t.Losses, l)
		if weight != 1 {
			l = r.Do(ops.Scale{By: weight}, l)
		}
		return logits, l, nil
	}
	logits, main, err := one(g.Outputs[0], 1)
	if err != nil {
		return err
	}
	t.Logits = logits
	terms := []*ir.Value{main}
	for _, h := range g.Heads {
		_, l, err := one(h.Value, h.Weight)
		if err != nil {
			return err
		}
		terms = append(terms, l)
	}
	t.Loss = terms[0]
	if len(terms) > 1 {
		r.Prefix = ""
		t.Loss = r.Do(ops.Add{}, terms...)
	}
	if err := r.Err(); err != nil {
		return err
	}
	t.Loss.Name = r.Fresh("loss")
	return nil
}

// BeforeSoftmax returns the operand of the softmax or log_softmax that computes v, [N,C] or
// [N,C,1,1]. It returns v if there is no such op.
func BeforeSoftmax(v *ir.Value) *ir.Value {
	x := v
	if x.Def != nil {
		// gap -> softmax -> flatten is the same as gap -> flatten -> softmax.
		if _, ok := x.Def.Op.(ops.Flatten); ok && trailing(x.Def.In[0]) != nil {
			x = x.Def.In[0]
		}
	}
	if l := trailing(x); l != nil {
		return l
	}
	return v
}

// Logits returns the result of BeforeSoftmax as [N,C], flattened if necessary. It returns an
// error for other shapes.
func Logits(b *ir.Builder, v *ir.Value) (*ir.Value, error) {
	x := BeforeSoftmax(v)
	s := x.Type.Shape
	switch {
	case len(s) == 2 && s[1] != ir.Batch:
		return x, nil
	case len(s) == 4 && s[2] == 1 && s[3] == 1:
		return b.Do(ops.Flatten{}, x), b.Err()
	}
	return nil, fmt.Errorf("output %s is %v: cross-entropy needs one number for each class, NxC or NxCx1x1; end the network with fc or gap", v.Name, s)
}

// trailing returns the operand of the softmax or log_softmax over the classes that computes
// v, nil if another op computes v.
func trailing(v *ir.Value) *ir.Value {
	if v.Def == nil {
		return nil
	}
	switch op := v.Def.Op.(type) {
	case ops.Softmax:
		if op.Axis == 1 {
			return v.Def.In[0]
		}
	case ops.LogSoftmax:
		if op.Axis == 1 {
			return v.Def.In[0]
		}
	}
	return nil
}
