package cpu

import (
	"slices"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Places.

func concat(op ops.Concat, n *ir.Node, c *call) error {
	axis := op.Axis
	if axis < 0 {
		axis += len(n.Out[0].Type.Shape)
	}
	if axis < 1 || len(c.Read) != len(n.In) {
		return unsupported("a concat over axis %d, or of params", op.Axis)
	}
	if axis == 1 {
		own := plan.Need{Layout: c.layout()}
		if _, ok := ops.Grid(c.Wrote[0]); ok && !slices.ContainsFunc(c.In, func(t *plan.Tensor) bool { return t.Layout != plan.Bytes }) {
			own = plan.Need{Layout: plan.Bytes}
		}
		c.choice = plan.Choice{Join: true, In: needs(own, len(c.Read)), Out: needs(own, 1)}
		return nil
	}
	// The axis trades places with the channels, over which planes are joined.
	s := n.Out[0].Type.Shape
	return c.planar("concat", func(e *plan.Emitter) error {
		all := e.Temp("axes", plan.Planar, s[axis], 1, s.Size()/s[axis])
		at := 0
		for i, v := range n.In {
			p := permuteOf(v.Type.Shape)
			p.Perm[0], p.Perm[axis-1] = axis-1, 0
			d := v.Type.Shape[axis]
			part := all.Part(at, d)
			at += d
			p.InN, p.OutN = view(e.In[i]).N, view(all).N
			e.Step(p, e.In[i:i+1], list(part))
		}
		e.Step(tradeBack(s, axis, view(all).N, view(e.Out[0]).N), list(all), e.Out)
		return nil
	})
}

// tradeBack undoes the exchange of the channels with another axis of a shape.
func tradeBack(s ir.Shape, axis, inN, outN int) kernel.Permute {
	p := permuteOf(s)
	p.Dims[0], p.Dims[axis-1] = p.Dims[axis-1], p.Dims[0]
	p.Perm[0], p.Perm[axis-1] = axis-1, 0
	p.InN, p.OutN = inN, outN
	return p
}

func slice(op ops.Slice, n *ir.Node, c *call) error {
	return c.slices(op.Axis, []int{op.Start})
}

func split(op ops.Split, n *ir.Node, c *call) error {
	var starts []int
	at := 0
	sizes, err := op.Sizes.List()
	if err != nil {
		return err
	}
	for _, s := range sizes {
		starts = append(starts, at)
		at += s
	}
	return c.slices(op.Axis, starts)
}

// slices are views where they begin with a block and end with one; otherwise
// channels are copied.
func (c *call) slices(axis int, starts []int) error {
	s := c.Read[0].Type.Shape
	if axis < 0 {
		axis += len(s)
	}
	if axis < 1 {
		return unsupported("a slice of the batch")
	}
	if axis > 1 {
		return c.planar("slice", func(e *plan.Emitter) error {
			all := e.Temp("axes", plan.Planar, s[axis], 1, s.Size()/s[axis])
			p := permuteOf(s)
			p.Perm[0], p.Perm[axis-1] = axis-1, 0
			p.InN, p.OutN = view(e.In[0]).N, view(all).N
			e.Step(p, e.In, list(all))
			for i, v := range c.Wrote {
				part := all.Part(starts[i], v.Type.Shape[axis])
				e.Step(tradeBack(v.Type.Shape, axis, view(all).N, view(e.Out[i]).N), list(part), e.Out[i:i+1])
			}
			return nil
		})
	}
	if c.In[0].Layout == plan.Planar || c.In[0].Layout == plan.N16 {
		c.choice = plan.Choice{Views: starts}
		return nil
	}
	aligned := true
	for i, v := range c.Wrote {
		end := starts[i] + v.Type.Shape[1]
		aligned = aligned && starts[i]%kernel.Block == 0 && (end%kernel.Block == 0 || end == s[1])
	}
	if aligned {
		c.choice = plan.Choice{Views: starts}
		return nil
	}
	return c.blocked("copy", 0, func(e *plan.Emitter) error {
		for i, t := range e.Out {
			part := e.In[0].Part(starts[i], t.C)
			e.Step(c.l.Copy(part, t), list(part), list(t))
		}
		return nil
	})
}

func flatten(op ops.Flatten, n *ir.Node, c *call) error { return c.reshape() }
func reshape(op ops.Reshape, n *ir.Node, c *call) error { return c.reshape() }

// reshape is free for vectors under another name, and for row-major values.
func (c *call) reshape() error {
	if len(c.Read) == 0 {
		return unsupported("a reshape of a param: fold it first")
	}
	if t := c.l.train; t != nil && (t.pixels[c.Read[0]] || t.pixels[c.Wrote[0]]) {
		return c.pixels()
	} else if t != nil && t.flat[c.Wrote[0]] {
		c.choice = plan.Choice{In: []plan.Need{{Layout: plan.N16}}, Views: []int{0}}
		return nil
	}
	c1, h1, w1 := chw(c.Read[0])
	c2, h2, w2 := chw(c.Wrote[0])
	c.choice = plan.Choice{Views: []int{0}}
	if c1 != c2 || h1 != h2 || w1 != w2 {
		if c.l.lanes && c.In[0].Layout != plan.Planar && (h1*w1 == 1 || h2*w2 == 1) {
			return c.n16Reshape()
		}
		c.choice.In = []plan.Need{planar}
	}
	return nil
}

func dropout(op ops.Dropout, n *ir.Node, c *call) error {
	c.choice = plan.Choice{Views: []int{0}}
	return nil
}

func pad(op ops.Pad, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.In[0])
	_, h, w := chw(n.Out[0])
	return c.byBlock("pad", 0, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.Pad{C: c.lanes(ch), H: h, W: w, IH: ih, IW: iw, PH: op.Pad[0], PW: op.Pad[1], Value: float32(op.Value),
			In: view(e.In[0]), Out: view(e.Out[0])}), e.In, e.Out)
		return nil
	})
}

func transpose(op ops.Transpose, n *ir.Node, c *call) error {
	if c.Resized != [2]*ir.Value{} {
		return c.resample()
	}
	perm, err := op.Perm.List()
	if err != nil {
		return err
	}
	if len(perm) == 0 || perm[0] != 0 || len(perm)-1 > kernel.MaxAxes {
		return unsupported("a transposition of the batch, or of more than %d axes", kernel.MaxAxes+1)
	}
	p := permuteOf(n.In[0].Type.Shape)
	for i := range p.Axes {
		p.Perm[i] = perm[i+1] - 1
	}
	return c.planar("transpose", func(e *plan.Emitter) error {
		p.InN, p.OutN = view(e.In[0]).N, view(e.Out[0]).N
		e.Step(p, e.In, e.Out)
		return nil
	})
}

// resample resizes maps. A result that leaves the program is computed as planes.
func (c *call) resample() error {
	ch, ih, iw := chw(c.Read[0])
	_, h, w := chw(c.Wrote[0])
	k := kernel.Resample{C: ch, IH: ih, IW: iw, H: h, W: w, Rows: c.Resized[0] != nil, Cols: c.Resized[1] != nil,
		Planar: c.Final || c.In[0].Layout == plan.Planar}
	layout := blocked
	if k.Planar {
		layout = planar
	}
	c.choice = plan.Choice{Algo: "resample", In: []plan.Need{layout}, Out: []plan.Need{layout}, Emit: func(e *plan.Emitter) error {
		k.In, k.Out = view(e.In[0]), view(e.Out[0])
		var ws [2]plan.WeightRef
		if k.Rows {
			ws[0] = plan.WeightRef{Params: c.Resized[:1], How: kernel.PackWeight, Len: k.PackedLen()}
		}
		if k.Cols {
			ws[1] = plan.WeightRef{Params: c.Resized[1:], How: kernel.PackBias, Len: k.BiasLen()}
		}
		e.Step(k, e.In, e.Out, ws[:]...)
		return nil
	}}
	return nil
}

func reduce(op ops.Reduce, n *ir.Node, c *call) error {
	axes, err := op.Axes.List()
	if err != nil {
		return err
	}
	s := n.In[0].Type.Shape
	if c.l.train != nil && op.Kind == ops.ReduceSum && !op.Keep && (op.Axes == "0,2,3" || op.Axes == "0" && len(s) == 2) {
		return c.sumOfPixels()
	}
	k := kernel.Reduce{Op: map[string]kernel.ReduceOp{"sum": kernel.ReduceSum, "mean": kernel.ReduceMean, "max": kernel.ReduceMax}[string(op.Kind)], Axes: len(s) - 1}
	if len(s) < 2 || k.Axes > kernel.MaxAxes {
		return unsupported("a reduction of %v", s)
	}
	for i := range k.Axes {
		k.Dims[i] = s[i+1]
	}
	if len(axes) == 0 {
		axes = []int{0}
	}
	for _, a := range axes {
		if a < 1 {
			return unsupported("a reduction over the batch")
		}
		k.Over[a-1] = true
	}
	return c.planar("reduce", func(e *plan.Emitter) error {
		k.InN, k.OutN = view(e.In[0]).N, view(e.Out[0]).N
		e.Step(k, e.In, e.Out)
		return nil
	})
}
