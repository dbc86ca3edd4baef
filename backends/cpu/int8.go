package cpu

import (
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// A quantized value lies in the layout Bytes where a kernel for bytes computes or reads it, and in
// blocks of float32s where others do. Whichever is missing, the planner copies.

// grid is a quantize whose whole numbers are bytes: signed ones are moved by 128.
type grid struct {
	scale float32
	zero  int
}

func gridOf(v *ir.Value) (grid, bool) {
	q, ok := ops.Grid(v)
	return gridOfOp(q), ok
}

func gridOfOp(q ops.Quantize) grid {
	g := grid{float32(q.Scale), q.Zero}
	if q.Signed {
		g.zero += 128
	}
	return g
}

// limits are the least and the greatest byte behind an activation; ok is false for activations that
// are more than limits.
func (g grid) limits(a ops.Act) (low, high int, ok bool) {
	switch a {
	case ops.ActNone:
		return 0, 255, true
	case ops.ActReLU:
		return g.zero, 255, true
	case ops.ActReLU6:
		six := ops.Quantize{Scale: float64(g.scale), Zero: g.zero}.Whole(6, g.scale)
		return g.zero, six, true
	}
	return 0, 0, false
}

// bytes sets a choice whose operands are all bytes.
func (c *call) bytes(algo string, emit func(*plan.Emitter) error) error {
	own := plan.Need{Layout: plan.Bytes}
	c.choice = plan.Choice{Algo: algo, In: needs(own, len(c.Read)), Out: needs(own, len(c.Wrote)), Emit: emit}
	return nil
}

// copyBytes is Copy where one of the layouts is Bytes.
func copyBytes(src, dst *plan.Tensor) plan.Kernel {
	v := dst.Value
	if v == nil {
		v = src.Value
	}
	g, ok := gridOf(v)
	c, h, w := dst.C, dst.H, dst.W
	in, out := view(src), view(dst)
	switch {
	case src.Layout == dst.Layout:
		return kernel.CopyInt8{C: c, H: h, W: w, From: src.Lane(), To: dst.Lane(), In: in, Out: out}
	case !ok || src.Lane() != 0 || dst.Lane() != 0:
		return nil
	case src.Layout == plan.Blocked:
		return kernel.Quantize{C: c, H: h, W: w, Scale: g.scale, Zero: g.zero, In: in, Out: out}
	case dst.Layout == plan.Blocked:
		return kernel.Dequantize{C: c, H: h, W: w, Scale: g.scale, Zero: g.zero, In: in, Out: out}
	case dst.Layout == plan.Planar:
		return kernel.DequantizeNCHW{C: c, H: h, W: w, Scale: g.scale, Zero: g.zero, In: in, Out: out}
	}
	return nil
}

func quantize(op ops.Quantize, n *ir.Node, c *call) error {
	if len(n.In) != 1 || len(c.Read) != 1 {
		return unsupported("a quantize of a weight with a scale for each output channel, where it is not the weight of a layer")
	}
	if c.l.train != nil {
		return unsupported("a quantized network cannot be trained")
	}
	g := gridOfOp(op)
	if have, ok := gridOf(n.In[0]); ok && have == g && c.In[0].Layout == plan.Bytes {
		c.choice = plan.Choice{Views: []int{0}} // rounded already
		return nil
	}
	ch, h, w := chw(n.In[0])
	c.choice = plan.Choice{Algo: "quantize", In: []plan.Need{blocked}, Out: []plan.Need{{Layout: plan.Bytes}}}
	c.choice.Emit = func(e *plan.Emitter) error {
		e.Step(kernel.Quantize{C: ch, H: h, W: w, Scale: g.scale, Zero: g.zero, In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out)
		return nil
	}
	return nil
}

// int8Conv plans a convolution or dense layer on bytes, if its input and its weights are quantized
// and there is a kernel for it.
func (c *call) int8Conv(k kernel.Conv, ih, iw int, weight, bias *ir.Value) bool {
	n := c.l.known[weight]
	if n == nil || c.l.train != nil || c.Pool != nil || c.Residual >= 0 || len(c.Wrote) != 1 {
		return false
	}
	q, ok := n.Op.(ops.Quantize)
	if !ok || len(n.In) != 2 || !q.Signed || n.In[0].Param == nil || n.In[1].Param == nil {
		return false
	}
	from := c.Read[0]
	if c.Before != nil {
		from = c.Before.Out[0]
	}
	in, ok := gridOf(from)
	border := plan.Border{k.PH, k.PW, max(0, (k.H-1)*k.SH-k.PH+(k.KH-1)*k.DH-(ih-1)), max(0, (k.W-1)*k.SW-k.PW+(k.KW-1)*k.DW-(iw-1))}
	if !ok || k.IC/k.Groups*k.KH*k.KW > kernel.MaxInt8Depth {
		return false
	}
	quads := c.Before != nil && c.In[0].Layout == plan.Planar && k.DW == 1
	need := plan.Need{Layout: plan.Bytes, Border: border}
	if quads {
		need = planar
	} else if c.Before != nil || in.zero != 0 && border != (plan.Border{}) {
		return false
	}
	oc, _, _ := chw(c.Wrote[0])
	do := kernel.ConvInt8{IC: k.IC, C: oc, H: k.H, W: k.W, KH: k.KH, KW: k.KW, SH: k.SH, SW: k.SW, DH: k.DH, DW: k.DW, PH: k.PH, PW: k.PW,
		InScale: in.scale, InZero: in.zero}
	if k.Groups > 1 {
		if k.Groups != k.IC || oc != k.IC || quads || c.Quantize == nil || !kernel.DepthwiseInt8Fits(do) {
			return false
		}
		do.IC = 1
	}
	out := plan.Need{Layout: plan.Bytes}
	if c.Quantize != nil {
		g := gridOfOp(c.Quantize.Op.(ops.Quantize))
		do.OutScale, do.Zero = g.scale, g.zero
		if do.Low, do.High, c.rounds = g.limits(c.Acts[0]); !c.rounds {
			return false
		}
	} else {
		out, do.Real, do.ReLU = blocked, true, c.Acts[0] == ops.ActReLU
		if c.Acts[0] != ops.ActReLU && c.Acts[0] != ops.ActNone {
			return false
		}
	}
	c.before = quads
	algo := "int8"
	if k.Groups > 1 {
		algo = "int8 depthwise"
	}
	c.choice = plan.Choice{Algo: algo, In: []plan.Need{need}, Out: []plan.Need{out}}
	c.choice.Emit = func(e *plan.Emitter) error {
		do, read := do, e.In
		do.In, do.Out = view(e.In[0]), view(e.Out[0])
		if quads {
			var convert kernel.QuantizeQuads
			convert, do = do.FromPlanes(ih, iw, do.In)
			t := e.Temp("quads", plan.Packed, convert.Len(e.Batch()), 1, 1)
			e.Step(convert, e.In, list(t))
			read = list(t)
		}
		if k.Groups > 1 {
			int8Step(e, kernel.DepthwiseInt8{Conv: do}.Split(), read, n, bias)
		} else {
			int8Step(e, do.Split(), read, n, bias)
		}
		return nil
	}
	return true
}

// int8Layer is a kernel with weights of eight bits.
type int8Layer interface {
	plan.Kernel
	PackedLen() int
	BiasLen() int
}

// int8Step adds the step of a layer whose weight is what the quantize n makes of a param.
func int8Step(e *plan.Emitter, do int8Layer, read []*plan.Tensor, n *ir.Node, bias *ir.Value) {
	of := []*ir.Value{n.In[0], n.In[1]}
	withBias := of
	if bias != nil {
		withBias = append(withBias[:2:2], bias)
	}
	e.Step(do, read, e.Out,
		plan.WeightRef{Params: of, How: kernel.PackInt8Weight, Len: do.PackedLen()},
		plan.WeightRef{Params: withBias, How: kernel.PackInt8Bias, Len: do.BiasLen()},
		plan.WeightRef{Params: of[1:], How: kernel.PackInt8Scale, Len: do.BiasLen()})
}

// addInt8 plans the sum of two quantized values that is quantized itself.
func (c *call) addInt8() bool {
	if len(c.Node.In) != 2 || len(c.Read) != 2 || c.Shift != nil || !c.Read[0].Type.Shape.Equal(c.Read[1].Type.Shape) {
		return false
	}
	a, okA := gridOf(c.Read[0])
	b, okB := gridOf(c.Read[1])
	g := gridOfOp(c.Quantize.Op.(ops.Quantize))
	low, high, ok := g.limits(c.Acts[0])
	if !ok || !okA || !okB {
		return false
	}
	c.rounds = true
	ch, h, w := chw(c.Wrote[0])
	_ = c.bytes("int8 add", func(e *plan.Emitter) error {
		e.Step(kernel.AddInt8{C: ch, H: h, W: w, ScaleA: a.scale / g.scale, ScaleB: b.scale / g.scale, ZeroA: a.zero, ZeroB: b.zero, Zero: g.zero, Low: low, High: high,
			A: view(e.In[0]), B: view(e.In[1]), Out: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
	return true
}
