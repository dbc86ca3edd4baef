package cpu

import (
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// denseGradient is one of the two products that are the gradients of a dense
// layer: dy * weight, or the transpose of dy times its input.
func (c *call) denseGradient(op ops.MatMul) error {
	n := c.Node
	if op.TransB {
		return unsupported("a product of two activations")
	}
	if op.TransA {
		d, ok := c.l.train.dense(n.Out[0])
		if !ok {
			return unsupported("a product that is no weight's gradient")
		}
		if flat := n.In[1]; c.l.train.flat[flat] {
			return c.layouts("backward weights", []plan.Need{blocked, {Layout: plan.N16}}, []plan.Need{packed}, func(e *plan.Emitter) error {
				d.C, d.H, d.W = chw(flat.Def.In[0])
				d.In, d.Out.View = view(e.In[1]), view(e.In[0])
				k := kernel.N16DenseBackwardWeights{Blocked: kernel.DenseBackwardWeights{Dense: d}}.Split(c.l.batch)
				e.Step(k, list(e.In[1], e.In[0]), list(e.Out[0], nil, c.squares(e, k)))
				return nil
			})
		}
		return c.layouts("backward weights", needs(blocked, 2), []plan.Need{packed}, func(e *plan.Emitter) error {
			d.In, d.Out.View = view(e.In[1]), view(e.In[0])
			k := kernel.DenseBackwardWeights{Dense: d}.Split(c.l.batch)
			e.Step(k, list(e.In[1], e.In[0]), list(e.Out[0], nil, c.squares(e, k)))
			return nil
		})
	}
	w := c.Param(1)
	if w == nil {
		return unsupported("a product of two activations")
	}
	d, ok := c.l.train.dense(w)
	if !ok {
		return unsupported("a product with a weight that is no dense layer's")
	}
	if c.l.Mapped(n.Out[0]) {
		return c.mappedGradient(w, d)
	}
	return c.layouts("backward data", []plan.Need{blocked}, []plan.Need{blocked}, func(e *plan.Emitter) error {
		d.In, d.Out.View = view(e.Out[0]), view(e.In[0])
		e.Step(kernel.DenseBackwardData{Dense: d}, e.In, e.Out, plan.WeightRef{At: e.Param(w)})
		return nil
	})
}

// mappedGradient is the gradient of a dense layer of weight w with respect to the maps in
// lanes that it takes for a vector.
func (c *call) mappedGradient(w *ir.Value, d kernel.Dense) error {
	lanes := plan.Need{Layout: plan.N16}
	algo := "backward data"
	if c.Masked {
		algo += ", relu"
	}
	err := c.layouts(algo, needs(lanes, len(c.Read)), needs(lanes, len(c.Wrote)), func(e *plan.Emitter) error {
		d.C, d.H, d.W = chw(c.Wrote[0])
		d.In, d.Out.View = view(e.Out[0]), view(e.In[0])
		k := kernel.N16DenseBackwardData{Dense: d, ReLU: c.Masked}
		if c.Masked {
			k.Y = view(e.In[1])
		}
		weight := plan.WeightRef{At: e.Param(w)}
		if !c.Summed {
			e.Step(k, e.In, e.Out, weight)
			return nil
		}
		sums := e.Temp("sums", plan.Packed, k.Sums().Len(c.l.batch), 1, 1)
		e.Step(k, e.In, list(e.Out[0], sums), weight)
		e.Step(k.Sums(), list(sums), e.Out[1:])
		return nil
	})
	if c.Summed {
		c.choice.Out[1] = packed
	}
	return err
}

// Mapped implements plan.Lowering.
func (l *lowering) Mapped(v *ir.Value) bool { return l.train != nil && l.train.mapped[v] }

// sumOfPixels is the gradient of a bias.
func (c *call) sumOfPixels() error {
	own := plan.Need{Layout: c.layout()}
	return c.layouts("backward bias", []plan.Need{own}, []plan.Need{packed}, func(e *plan.Emitter) error {
		sumPixels(e, e.In[0], e.Out[0])
		return nil
	})
}

// sumPixels emits the sum over images and pixels of maps.
func sumPixels(e *plan.Emitter, maps, sum *plan.Tensor) {
	ch, h, w := chw(maps.Value)
	k := plan.Kernel(kernel.SumPixels{C: ch, H: h, W: w, In: view(maps)})
	if maps.Layout == plan.N16 {
		k = kernel.N16SumPixels{C: ch, H: h, W: w, In: view(maps)}
	}
	e.Step(k, list(maps), list(sum))
}
