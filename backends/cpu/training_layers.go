package cpu

import (
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Gradients of the rest.

func maxPoolDx(op ops.MaxPoolDx, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.Out[0])
	_, h, w := chw(n.In[0])
	k := kernel.MaxPoolBackward{ReLU: c.Masked, Sums: c.Summed, H: h, W: w, IH: ih, IW: iw, KH: op.Kernel[0], KW: op.Kernel[1], SH: op.Stride[0], SW: op.Stride[1],
		PH: op.Pad[0], PW: op.Pad[1], Indexed: c.Indexed}
	err := c.summed("max pool gradient", 0, k.Partials(), func(e *plan.Emitter, to []*plan.Tensor) {
		k.C, k.DY, k.X, k.DX = c.lanes(ch), view(e.In[0]), view(e.In[1]), view(e.Out[0])
		e.Step(c.block(k), e.In, to)
	})
	if c.Indexed {
		c.choice.In[1] = c.indices()
	}
	return err
}

// summed is byBlock for a gradient whose kernel may also leave sums over pixels: parts
// sums for each channel block of an image. A step behind it adds them up.
func (c *call) summed(algo string, inPlace, parts int, emit func(e *plan.Emitter, to []*plan.Tensor)) error {
	err := c.byBlock(algo, inPlace, func(e *plan.Emitter) error {
		if !c.Summed {
			emit(e, e.Out)
			return nil
		}
		ch, _, _ := chw(c.Wrote[0])
		k := kernel.ChannelSums{C: ch, Partials: parts, N16: e.Out[0].Layout == plan.N16}
		sums := e.Temp("sums", plan.Packed, k.Len(c.l.batch), 1, 1)
		emit(e, list(e.Out[0], sums))
		e.Step(k, list(sums), e.Out[1:])
		return nil
	})
	if c.Summed {
		c.choice.Out[1] = packed
	}
	return err
}

func avgPoolDx(op ops.AvgPoolDx, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.Out[0])
	_, h, w := chw(n.In[0])
	return c.byBlock("average pool gradient", 0, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.AvgPoolBackward{C: c.lanes(ch), H: h, W: w, IH: ih, IW: iw, KH: op.Kernel[0], KW: op.Kernel[1], SH: op.Stride[0], SW: op.Stride[1],
			PH: op.Pad[0], PW: op.Pad[1], PB: op.Pad[2], PR: op.Pad[3], IncludePad: op.IncludePad, DY: view(e.In[0]), DX: view(e.Out[0])}), e.In, e.Out)
		return nil
	})
}

func globalAvgPoolDx(op ops.GlobalAvgPoolDx, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.Out[0])
	return c.byBlock("average pool gradient", 0, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.AvgPoolBackward{C: c.lanes(ch), H: 1, W: 1, IH: ih, IW: iw, KH: ih, KW: iw, SH: 1, SW: 1, DY: view(e.In[0]), DX: view(e.Out[0])}), e.In, e.Out)
		return nil
	})
}

func reluDx(op ops.ReLUDx, n *ir.Node, c *call) error { return c.actGradient(kernel.ActReLU, 0, 0) }
func sigmoidDx(op ops.SigmoidDx, n *ir.Node, c *call) error {
	return c.actGradient(kernel.ActSigmoid, 0, 0)
}
func tanhDx(op ops.TanhDx, n *ir.Node, c *call) error { return c.actGradient(kernel.ActTanh, 0, 0) }
func siluDx(op ops.SiLUDx, n *ir.Node, c *call) error { return c.actGradient(kernel.ActSiLU, 0, 0) }
func hardSwishDx(op ops.HardSwishDx, n *ir.Node, c *call) error {
	return c.actGradient(kernel.ActHardSwish, 0, 0)
}
func clipDx(op ops.ClipDx, n *ir.Node, c *call) error {
	return c.actGradient(kernel.ActClip, op.Min, op.Max)
}
func hardSigmoidDx(op ops.HardSigmoidDx, n *ir.Node, c *call) error {
	return c.actGradient(kernel.ActHardSigmoid, op.Alpha, op.Beta)
}
func geluDx(op ops.GELUDx, n *ir.Node, c *call) error {
	return c.actGradient(act(ops.ActOf(ops.GELU(op))), 0, 0)
}
func leakyReLUDx(op ops.LeakyReLUDx, n *ir.Node, c *call) error {
	return c.actGradient(kernel.ActLeakyReLU, op.Alpha, 0)
}

// actGradient is the gradient of an activation with the parameters a and b of
// kernel.ActBackward.
func (c *call) actGradient(act kernel.Act, a, b float64) error {
	ch, h, w := chw(c.Wrote[0])
	k := kernel.ActBackward{Act: act, A: float32(a), B: float32(b), Sums: c.Summed, H: h, W: w}
	return c.summed(act.String()+" gradient", 1, k.Partials(), func(e *plan.Emitter, to []*plan.Tensor) {
		k.C, k.DY, k.Y, k.DX = c.lanes(ch), view(e.In[0]), view(e.In[1]), view(e.Out[0])
		e.Step(c.block(k), e.In, to)
	})
}

func lrnDx(op ops.LRNDx, n *ir.Node, c *call) error {
	ch, h, w := chw(n.Out[0])
	return c.blocked("lrn gradient", 1, func(e *plan.Emitter) error {
		e.Step(kernel.LRNBackward{C: ch, H: h, W: w, Size: op.Size, Alpha: float32(op.Alpha), Beta: float32(op.Beta), K: float32(op.K),
			DY: view(e.In[0]), X: view(e.In[1]), DX: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
}

func maxoutDx(op ops.MaxoutDx, n *ir.Node, c *call) error {
	ch, h, w := chw(n.In[0])
	return c.blocked("maxout gradient", 2, func(e *plan.Emitter) error {
		e.Step(kernel.MaxoutBackward{C: ch, Pieces: op.Pieces, H: h, W: w, DY: view(e.In[0]), X: view(e.In[1]), DX: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
}

func softmaxDx(op ops.SoftmaxDx, n *ir.Node, c *call) error { return c.softmaxGradient(op.Axis, false) }
func logSoftmaxDx(op ops.LogSoftmaxDx, n *ir.Node, c *call) error {
	return c.softmaxGradient(op.Axis, true)
}

func (c *call) softmaxGradient(axis int, log bool) error {
	if axis != 1 {
		return unsupported("the gradient of a softmax over axis %d", axis)
	}
	ch, h, w := chw(c.Wrote[0])
	return c.blocked("softmax gradient", 1, func(e *plan.Emitter) error {
		e.Step(kernel.SoftmaxBackward{C: ch, H: h, W: w, Log: log, DY: view(e.In[0]), Y: view(e.In[1]), DX: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
}

// sliceDx puts dy among zeros.
func sliceDx(op ops.SliceDx, n *ir.Node, c *call) error {
	if op.Axis != 1 {
		return unsupported("the gradient of a slice of axis %d", op.Axis)
	}
	ch, h, w := chw(n.Out[0])
	return c.byBlock("slice gradient", 0, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.Pad{C: c.lanes(ch), H: h, W: w, Out: view(e.Out[0])}), nil, e.Out)
		part := e.Out[0].Part(op.Start, e.In[0].C)
		e.Step(c.l.Copy(e.In[0], part), e.In, list(part))
		return nil
	})
}

// Batch normalization and dropout.

func batchNormTrain(op ops.BatchNormTrain, n *ir.Node, c *call) error {
	ch, h, w := chw(n.In[0])
	for i := 1; i < 5; i++ {
		if c.Param(i) == nil {
			return unsupported("operand %s is computed, not a param", n.In[i].Name)
		}
	}
	in, algo := needs(blocked, len(c.Read)), "batch norm"
	act := act(c.Acts[0])
	if c.Residual >= 0 {
		algo += ", add"
	}
	if act != kernel.ActNone {
		algo += ", " + act.String()
	}
	err := c.layouts(algo, in, []plan.Need{blocked, packed, packed, packed, packed}, func(e *plan.Emitter) error {
		k := kernel.BatchNormTrain{C: ch, H: h, W: w, Eps: float32(op.Eps), In: view(e.In[0]), Out: view(e.Out[0]), Act: act}
		if c.Residual >= 0 {
			k.Residual, k.Res = true, view(e.In[c.Residual])
		}
		e.Step(k, e.In, e.Out[:3], plan.WeightRef{At: e.Param(n.In[1])}, plan.WeightRef{At: e.Param(n.In[2])})
		if c.l.train.again[n] {
			return nil
		}
		e.Step(kernel.BatchNormRunning{C: ch, Pixels: h * w, Momentum: float32(op.Momentum)}, e.Out[1:3], e.Out[3:])
		return nil
	})
	if c.Residual >= 0 {
		c.choice.InPlace = []int{1 + c.Residual, 0, 0, 0, 0}
	}
	if !c.l.train.again[n] {
		c.choice.Into = []*ir.Value{nil, nil, nil, n.In[3], n.In[4]}
	}
	return err
}

func batchNormDx(op ops.BatchNormDx, n *ir.Node, c *call) error {
	ch, h, w := chw(n.In[0])
	if c.Param(2) == nil {
		return unsupported("operand %s is computed, not a param", n.In[2].Name)
	}
	k, algo := kernel.BatchNormBackward{C: ch, H: h, W: w, Eps: float32(op.Eps)}, "batch norm gradient"
	var beta *ir.Value
	if a := c.NormAct; a != nil {
		if beta = a.In[0].Def.In[2]; beta.Param == nil {
			return unsupported("operand %s is computed, not a param", beta.Name)
		}
		switch op := a.Op.(type) {
		case ops.Clip:
			k.Act, k.A, k.B = kernel.ActClip, float32(op.Min), float32(op.Max)
		default:
			k.Act = kernel.ActReLU
		}
		algo += ", " + k.Act.String()
	}
	err := c.layouts(algo, []plan.Need{blocked, blocked, packed, packed}, []plan.Need{blocked, packed, packed}, func(e *plan.Emitter) error {
		k.DY, k.X, k.DX = view(e.In[0]), view(e.In[1]), view(e.Out[0])
		weights := []plan.WeightRef{{At: e.Param(n.In[2])}}
		if beta != nil {
			weights = append(weights, plan.WeightRef{At: e.Param(beta)})
		}
		e.Step(k, e.In, e.Out, weights...)
		return nil
	})
	c.choice.InPlace = []int{1, 0, 0}
	return err
}

func dropoutTrain(op ops.DropoutTrain, n *ir.Node, c *call) error {
	ch, h, w := chw(n.In[0])
	err := c.layouts("dropout", []plan.Need{blocked, planar}, []plan.Need{blocked}, func(e *plan.Emitter) error {
		e.Step(kernel.Dropout{C: ch, H: h, W: w, Key: op.Key(), Below: op.Threshold(), Scale: float32(1 / (1 - op.P)), In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
	c.choice.InPlace = []int{1}
	return err
}
