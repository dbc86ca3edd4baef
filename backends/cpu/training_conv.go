package cpu

import (
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Gradients of convolutions and dense layers.

func convDx(op ops.ConvDx, n *ir.Node, c *call) error {
	weight := c.Param(1)
	if weight == nil {
		return unsupported("the weight %s is computed, not a param", n.In[1].Name)
	}
	f, ok := c.l.train.conv(weight)
	if !ok || f.Planar {
		return unsupported("the gradient of the network's input")
	}
	y := n.In[0].Type.Shape
	f.H, f.W = y[2], y[3]
	need := plan.Need{Layout: c.layout()}
	for _, p := range kernel.ConvBackwardDataOf(f, op.In[0], op.In[1], kernel.View{}, kernel.View{}) {
		need.Border = plan.Border{max(need.Border[0], p.Conv.PH), max(need.Border[1], p.Conv.PW),
			max(need.Border[2], p.Conv.H-1-p.Conv.PH+(p.Conv.KH-1)*max(1, p.Conv.DH)-(y[2]-1)), max(need.Border[3], p.Conv.W-1-p.Conv.PW+(p.Conv.KW-1)*max(1, p.Conv.DW)-(y[3]-1))}
	}
	algo, in, out := "backward data", []plan.Need{need}, []plan.Need{{Layout: need.Layout}}
	if c.Residual >= 0 {
		return c.convDxSum(kernel.ConvBackwardDataOf(f, op.In[0], op.In[1], kernel.View{}, kernel.View{})[0].Conv, need, func(e *plan.Emitter) kernel.ConvBackwardData {
			return kernel.ConvBackwardDataOf(f, op.In[0], op.In[1], view(e.In[0]), view(e.Out[0]))[0]
		}, weight)
	}
	if c.Masked {
		algo, in = "backward data, relu", append(in, out[0])
	}
	if c.Summed {
		out = append(out, packed)
	}
	return c.layouts(algo, in, out, func(e *plan.Emitter) error {
		parts, summed := kernel.ConvBackwardDataOf(f, op.In[0], op.In[1], view(e.In[0]), view(e.Out[0])), false
		for _, p := range parts {
			at := func(t *plan.Tensor) *plan.Tensor { return t.Shift(p.Y*view(t).H + p.X*kernel.Block) }
			in, out := list(e.In[0]), list(at(e.Out[0]))
			if p.Conv.IC == 0 {
				none := e.Temp("none", plan.Packed, kernel.Block, 1, 1)
				do := plan.Kernel(p.Conv.Split(c.l.batch))
				if need.Layout == plan.N16 {
					do = makeN16Conv(p.Conv, c.l.batch)
				}
				e.Step(do, in, out, plan.WeightRef{At: none})
				continue
			}
			if c.Masked {
				p = p.Masked(view(e.In[1]))
				in = append(in, at(e.In[1]))
			}
			do, w := c.backwardData(e, p, weight)
			summer, ok := do.(interface{ Sums() kernel.ChannelSums })
			if !c.Summed || len(parts) > 1 || !ok {
				e.Step(do, in, out, w)
				continue
			}
			k := summer.Sums()
			sums := e.Temp("sums", plan.Packed, k.Len(c.l.batch), 1, 1)
			e.Step(do, in, append(out, sums), w)
			e.Step(k, list(sums), e.Out[1:])
			summed = true
		}
		if c.Summed && !summed {
			sumPixels(e, e.Out[0], e.Out[1])
		}
		return nil
	})
}

// convDxSum is a gradient of the data, of one part, with the sum with another gradient and the mask
// of the ReLU in front: one step where the convolution is direct. shape is that convolution without
// its views.
func (c *call) convDxSum(shape kernel.Conv, need plan.Need, part func(e *plan.Emitter) kernel.ConvBackwardData, weight *ir.Value) error {
	own := plan.Need{Layout: need.Layout}
	one := own.Layout == plan.Blocked && !c.l.train.depthwise(weight) && c.l.algorithm(shape, plan.Blocked).name == "direct"
	ch, h, w := chw(c.Wrote[0])
	err := c.layouts("backward data, add, relu", []plan.Need{need, own, own}, []plan.Need{own}, func(e *plan.Emitter) error {
		p := part(e)
		if one {
			do, w := c.backwardData(e, p.MaskedSum(view(e.In[1]), view(e.In[2])), weight)
			e.Step(do, e.In, e.Out, w)
			return nil
		}
		do, weights := c.backwardData(e, p, weight)
		e.Step(do, e.In[:1], e.Out, weights)
		sum := kernel.Binary{Op: kernel.OpAdd, C: c.lanes(ch), H: h, W: w, A: view(e.Out[0]), B: view(e.In[1]), Out: view(e.Out[0]), Masked: true, Y: view(e.In[2])}
		e.Step(c.block(sum), list(e.Out[0], e.In[1], e.In[2]), e.Out)
		return nil
	})
	if one {
		c.choice.InPlace = []int{2}
	}
	return err
}

// backwardData chooses the kernel of a part of the gradient of the data, and emits a step that
// turns the weights around for it.
func (c *call) backwardData(e *plan.Emitter, p kernel.ConvBackwardData, weight *ir.Value) (do worker, w plan.WeightRef) {
	switch {
	case c.l.train.depthwise(weight):
		do = makeDepthwise(p.Conv, c.l.batch)
		w.At = e.Temp("weights", plan.Packed, do.PackedLen(), 1, 1)
		e.Step(kernel.DepthwiseRepack{Repack: p.Repack}, list(e.Param(weight)), list(w.At))
	case c.layout() == plan.N16:
		do = makeN16Conv(p.Conv, c.l.batch)
		w.At = e.Temp("weights", plan.Packed, do.PackedLen(), 1, 1)
		e.Step(kernel.N16RepackOf(p.Repack), list(e.Param(weight)), list(w.At))
	default:
		t := e.Temp("weights", plan.Packed, p.Conv.PackedLen(), 1, 1)
		e.Step(p.Repack, list(e.Param(weight)), list(t))
		algo := direct
		if !p.Conv.Masked && (p.Conv.Outputs[0].Step == 0 || p.Conv.Outputs[0].Step == kernel.Block) {
			algo = c.l.algorithm(p.Conv, plan.Blocked)
		}
		if algo.name == "dense" {
			algo = direct
		}
		do = c.l.make(algo, p.Conv)
		w.At = c.forwardWeights(e, do, t)
	}
	return do, w
}

func convDw(op ops.ConvDw, n *ir.Node, c *call) error {
	f, ok := c.l.train.conv(n.Out[0])
	if !ok {
		return unsupported("a gradient of no weight")
	}
	x, y := n.In[1].Type.Shape, n.In[0].Type.Shape
	f.H, f.W = y[2], y[3]
	own := plan.Need{Layout: c.layout()}
	in := plan.Need{Layout: own.Layout, Border: plan.Border{
		f.PH, f.PW, max(0, (f.H-1)*f.SH-f.PH+(f.KH-1)*f.DH-(x[2]-1)), max(0, (f.W-1)*f.SW-f.PW+(f.KW-1)*f.DW-(x[3]-1))}}
	if f.Planar {
		in.Layout = plan.Framed
		if in.Border == (plan.Border{}) {
			in.Layout = plan.Planar
		}
	}
	dy := own
	if own.Layout == plan.Blocked {
		// Winograd's tiles reach farther than the gradient: into zeros, which are cheaper than
		// copies of such tiles.
		if wino, ok := c.l.gradient(f).(kernel.ConvBackwardWeightsWinograd); ok {
			ends, beside := wino.Border(x[2], x[3])
			in.Border[2], in.Border[3] = max(in.Border[2], ends[0]), max(in.Border[3], ends[1])
			dy.Border[2], dy.Border[3] = beside[0], beside[1]
		}
	}
	return c.layouts("backward weights", []plan.Need{dy, in}, []plan.Need{packed}, func(e *plan.Emitter) error {
		f.In, f.Outputs[0].View = view(e.In[1]), view(e.In[0])
		from := list(e.In[1], e.In[0])
		if own.Layout == plan.N16 {
			k := kernel.N16ConvBackwardWeights{Conv: kernel.N16Conv{Conv: f}}.Split(c.l.batch)
			c.sumOfParts(e, k, k.Count(c.l.batch), k.ImageBlocks*kernel.Block, from)
			return nil
		}
		batch := c.l.batch
		if c.l.train.depthwise(n.Out[0]) {
			k := kernel.DepthwiseBackwardWeights{Conv: f}.Split(batch)
			c.sumOfParts(e, k, k.Count(batch), k.Images, from)
			return nil
		}
		switch k := c.l.gradient(f).(type) {
		case kernel.ConvBackwardWeightsRows:
			c.sumOfParts(e, k, k.Count(batch), k.Images, from)
		case kernel.ConvBackwardWeightsWinograd:
			if n := k.Count(batch); n > 1 {
				c.sumOfParts(e, k, n, k.Parts.Images, from)
			} else {
				e.Step(k, from, list(e.Out[0], nil, c.squares(e, k)))
			}
		case kernel.ConvBackwardWeightsSplit:
			if n := k.Count(batch); n > 1 {
				c.sumOfParts(e, k, n, k.Images, from)
			} else {
				e.Step(k.Whole, from, list(e.Out[0], nil, c.squares(e, k.Whole)))
			}
		}
		return nil
	})
}

// gradient chooses the kernel of blocks for the gradient of a convolution's weights, whatever
// its views are: Winograd where that is predicted to be the fastest.
func (l *lowering) gradient(f kernel.Conv) plan.Kernel {
	direct, row := kernel.ConvBackwardWeights{Conv: f}.Split(l.batch), kernel.ConvBackwardWeightsRows{Conv: f}.Split(l.batch)
	best, least := plan.Kernel(direct), direct.Cost(l.batch).NS
	if row.Fits() {
		best, least = row, row.Cost(l.batch).NS
	}
	if wino := (kernel.ConvBackwardWeightsWinograd{Parts: direct, Padded: true}); wino.Fits() && !l.direct {
		if wino = wino.Split(l.batch); wino.Cost(l.batch).NS < least {
			best = wino
		}
	}
	return best
}

// sumOfParts emits a kernel that computes the gradient of a weight in parts, one for each
// group of images, and the kernel that adds the parts.
func (c *call) sumOfParts(e *plan.Emitter, k interface {
	plan.Kernel
	PackedLen() int
}, parts, images int, from []*plan.Tensor) {
	t := e.Temp("parts", plan.Packed, parts*k.PackedLen(), 1, 1)
	e.Step(k, from, list(t))
	sum := kernel.SumPartials{N: k.PackedLen(), Images: images}
	e.Step(sum, list(t), list(e.Out[0], c.squares(e, sum)))
}
