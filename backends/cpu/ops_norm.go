package cpu

import (
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Channels.

func lrn(op ops.LRN, n *ir.Node, c *call) error {
	ch, h, w := chw(n.In[0])
	return c.blocked("lrn", 1, func(e *plan.Emitter) error {
		e.Step(kernel.LRN{C: ch, H: h, W: w, Size: op.Size, Alpha: float32(op.Alpha), Beta: float32(op.Beta), K: float32(op.K),
			In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
}

func batchNorm(op ops.BatchNorm, n *ir.Node, c *call) error {
	for i := 1; i < 5; i++ {
		if c.Param(i) == nil {
			return unsupported("operand %s is computed, not a param", n.In[i].Name)
		}
	}
	ch, h, w := chw(n.In[0])
	return c.byBlock("affine", 1, func(e *plan.Emitter) error {
		k := kernel.Affine{C: c.lanes(ch), H: h, W: w, Act: act(c.Acts[0]), In: view(e.In[0]), Out: view(e.Out[0])}
		if c.l.train == nil {
			e.Step(c.block(k), e.In, e.Out,
				plan.WeightRef{Params: n.In[1:5], How: kernel.PackBNScale, Arg: op.Eps, Len: k.PackedLen()},
				plan.WeightRef{Params: n.In[1:5], How: kernel.PackBNShift, Arg: op.Eps, Len: k.BiasLen()})
			return nil
		}
		// The params of a training step are where they can be set between steps.
		fold := kernel.BatchNormFold{C: ch, Repeat: c.lanes(ch) / ch, Eps: op.Eps}
		scale, shift := e.Temp("scale", plan.Packed, fold.PackedLen(), 1, 1), e.Temp("shift", plan.Packed, fold.PackedLen(), 1, 1)
		e.Step(fold, []*plan.Tensor{e.Param(n.In[1]), e.Param(n.In[2]), e.Param(n.In[3]), e.Param(n.In[4])}, []*plan.Tensor{scale, shift})
		e.Step(c.block(k), e.In, e.Out, plan.WeightRef{At: scale}, plan.WeightRef{At: shift})
		return nil
	})
}

// affine is the product with a param and the sum with another, both with one number for each
// channel.
func (c *call) affine() error {
	ch, h, w := chw(c.Wrote[0])
	scale := c.Param(0)
	if scale == nil {
		scale = c.Param(1)
	}
	return c.byBlock("affine", 1, func(e *plan.Emitter) error {
		k := kernel.Affine{C: c.lanes(ch), H: h, W: w, Act: act(c.Acts[0]), In: view(e.In[0]), Out: view(e.Out[0])}
		ref := func(p *ir.Value) plan.WeightRef {
			return plan.WeightRef{Params: []*ir.Value{p}, How: kernel.PackBlocked, Arg: 1, Len: k.PackedLen()}
		}
		e.Step(c.block(k), e.In, e.Out, ref(scale), ref(c.Shift))
		return nil
	})
}

// channelNorm is layer normalization over channels.
func (c *call) channelNorm() error {
	ch, h, w := chw(c.Wrote[0])
	return c.blocked("layer norm", 1, func(e *plan.Emitter) error {
		var ws []plan.WeightRef
		if c.Norm.Scale != nil {
			for _, p := range []*ir.Value{c.Norm.Scale, c.Norm.Shift} {
				ws = append(ws, plan.WeightRef{Params: []*ir.Value{p}, How: kernel.PackBlocked, Arg: 1, Len: kernel.Blocks(ch) * kernel.Block})
			}
		}
		e.Step(kernel.ChannelNorm{C: ch, H: h, W: w, Eps: float32(c.Norm.Eps), In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out, ws...)
		return nil
	})
}

func softmax(op ops.Softmax, n *ir.Node, c *call) error       { return c.softmax(op.Axis, false) }
func logSoftmax(op ops.LogSoftmax, n *ir.Node, c *call) error { return c.softmax(op.Axis, true) }

// softmax over another axis than the channels goes by way of arrays whose axes
// have traded places.
func (c *call) softmax(axis int, log bool) error {
	s := c.Read[0].Type.Shape
	if axis < 0 {
		axis += len(s)
	}
	if axis == 1 {
		ch, h, w := chw(c.Read[0])
		return c.blocked("softmax", 1, func(e *plan.Emitter) error {
			e.Step(kernel.Softmax{C: ch, H: h, W: w, Log: log, In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out)
			return nil
		})
	}
	if axis < 1 {
		return unsupported("a softmax over the batch")
	}
	p := permuteOf(s)
	p.Perm[0], p.Perm[axis-1] = axis-1, 0
	ch, w := s[axis], s.Size()/s[axis]
	return c.planar("softmax", func(e *plan.Emitter) error {
		a, b := e.Temp("axes", plan.Planar, ch, 1, w), e.Temp("blocks", plan.Blocked, ch, 1, w)
		d := e.Temp("planes", plan.Planar, ch, 1, w)
		p.InN, p.OutN = view(e.In[0]).N, view(a).N
		e.Step(p, e.In, list(a))
		e.Step(c.l.Copy(a, b), list(a), list(b))
		e.Step(kernel.Softmax{C: ch, H: 1, W: w, Log: log, In: view(b), Out: view(b)}, list(b), list(b))
		e.Step(c.l.Copy(b, d), list(b), list(d))
		back := p
		back.Dims[0], back.Dims[axis-1] = p.Dims[axis-1], p.Dims[0]
		back.InN, back.OutN = view(d).N, view(e.Out[0]).N
		e.Step(back, list(d), e.Out)
		return nil
	})
}

// permuteOf is the identity permutation of a shape's axes, without the batch.
func permuteOf(s ir.Shape) kernel.Permute {
	p := kernel.Permute{Axes: len(s) - 1}
	for i := range p.Axes {
		p.Dims[i], p.Perm[i] = s[i+1], i
	}
	return p
}
