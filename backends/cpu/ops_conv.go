package cpu

import (
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Convolutions.

// planarChannels is up to how many channels of the network's input a convolution
// reads from planes: a block would be filled up with zeros.
const planarChannels = 8

func conv(op ops.Conv, n *ir.Node, c *call) error {
	w := c.Param(1)
	if w == nil {
		return unsupported("the weight %s is computed, not a param", n.In[1].Name)
	}
	x, y := n.In[0].Type.Shape, n.Out[0].Type.Shape
	k := kernel.Conv{IC: x[1], H: y[2], W: y[3], KH: w.Type.Shape[2], KW: w.Type.Shape[3],
		SH: op.Stride[0], SW: op.Stride[1], DH: op.Dilation[0], DW: op.Dilation[1], PH: op.Pad[0], PW: op.Pad[1], Groups: op.Groups}
	k.Planar = c.layout() == plan.Blocked && c.In[0].Layout == plan.Planar && x[1] <= planarChannels && op.Groups == 1
	if t := c.l.train; t != nil {
		f, ok := t.conv(w)
		if !ok || f.Planar && c.In[0].Layout != plan.Planar {
			return unsupported("the weight %s is used in several ways", w.Name)
		}
		k.Planar = f.Planar
	}
	return c.conv(k, c.layout(), x[2], x[3], w, c.Param(2))
}

// conv plans a convolution over maps of ih x iw: by which algorithm, and what it
// needs of its input's border.
func (c *call) conv(k kernel.Conv, layout plan.Layout, ih, iw int, weight, bias *ir.Value) error {
	if c.int8Conv(k, ih, iw, weight, bias) || c.Before != nil {
		return nil
	}
	for i, a := range c.Acts {
		ch, _, _ := chw(c.Wrote[i])
		k.Outputs[i] = kernel.Output{C: ch, Act: act(a)}
	}
	k.Residual = c.Residual >= 0
	k.Scale = float32(c.Scale)
	own := plan.Need{Layout: layout}
	in := plan.Need{Layout: own.Layout, Border: plan.Border{
		k.PH, k.PW, max(0, (k.H-1)*k.SH-k.PH+(k.KH-1)*k.DH-(ih-1)), max(0, (k.W-1)*k.SW-k.PW+(k.KW-1)*k.DW-(iw-1))}}
	if k.Planar {
		in.Layout = plan.Framed
		if in.Border == (plan.Border{}) {
			in.Layout = plan.Planar
		}
	}
	algo := c.l.algorithm(k, layout)
	if c.byTaps(k, ih, iw, weight, bias, c.l.Cost(algo.make(k, c.l.batch), c.l.batch).Seconds) {
		return nil
	}
	if c.Pool != nil && (algo.name != "winograd" || k.Outputs[0].Act > kernel.ActReLU) {
		c.choice = plan.Choice{Apart: true}
		return nil
	}
	c.choice = plan.Choice{Algo: algo.name, In: []plan.Need{in}, Out: needs(own, len(c.Wrote))}
	if c.Indices {
		c.choice.Out[1] = c.indices()
	}
	if k.Residual {
		c.choice.In = append(c.choice.In, own)
		c.choice.InPlace = []int{2}
	}
	c.choice.Emit = func(e *plan.Emitter) error {
		k.In = view(e.In[0])
		for i := range c.Acts {
			k.Outputs[i].View = view(e.Out[i])
		}
		if k.Residual {
			k.Res = view(e.In[1])
		}
		do := c.l.make(algo, k)
		if w, ok := do.(kernel.Winograd); ok && c.Pool != nil {
			if w.Pool = true; c.Indices {
				w.Indices = view(e.Out[1])
			}
			do = w
		}
		var ws []plan.WeightRef
		if c.l.train != nil {
			ws = []plan.WeightRef{{At: c.forwardWeights(e, do, e.Param(weight))}}
			if bias != nil {
				ws = append(ws, plan.WeightRef{At: e.Param(bias)})
			}
		} else {
			ws = []plan.WeightRef{{Params: []*ir.Value{weight}, How: kernel.PackWeight, Len: do.PackedLen()}}
			if bias != nil {
				ws = append(ws, plan.WeightRef{Params: []*ir.Value{bias}, How: kernel.PackBias, Len: do.BiasLen()})
			}
		}
		if do, ok := do.(kernel.DenseSplitK); ok {
			t := e.Temp("parts", plan.Packed, do.PartialsLen(c.l.batch), 1, 1)
			e.Step(do, e.In, list(t), ws...)
			e.Step(do.Sum(), list(t), e.Out)
			return nil
		}
		e.Step(do, e.In, e.Out, ws...)
		return nil
	}
	return nil
}

func dense(op ops.Dense, n *ir.Node, c *call) error {
	w := c.Param(1)
	if w == nil {
		return unsupported("the weight %s is computed, not a param", n.In[1].Name)
	}
	if t := c.l.train; t != nil && t.flat[c.Read[0]] {
		return c.flatDense(w, c.Param(2))
	}
	ic, h, wd := chw(c.Read[0])
	if len(c.Read[0].Type.Shape) == 2 {
		h, wd = 1, 1
	}
	layout := c.layout()
	if c.l.train != nil {
		layout = plan.Blocked
	}
	return c.conv(kernel.Conv{IC: ic, H: 1, W: 1, KH: h, KW: wd, SH: 1, SW: 1, DH: 1, DW: 1, Groups: 1}, layout, h, wd, w, c.Param(2))
}

// matMul is a dense layer where the second operand is a param.
func matMul(op ops.MatMul, n *ir.Node, c *call) error {
	w := c.Param(1)
	if c.l.train != nil {
		return c.denseGradient(op)
	}
	if w == nil || op.TransA || !n.In[0].Type.Shape.Symbolic() {
		return unsupported("a product of two activations")
	}
	ic, oc := n.In[0].Type.Shape[1], n.Out[0].Type.Shape[1]
	k := kernel.Conv{IC: ic, H: 1, W: 1, KH: 1, KW: 1, Outputs: [4]kernel.Output{{C: oc}}}
	how := kernel.PackTransposed
	if op.TransB {
		how = kernel.PackWeight
	}
	return c.blocked("dense", 0, func(e *plan.Emitter) error {
		k.In, k.Outputs[0].View = view(e.In[0]), view(e.Out[0])
		k = k.Split(c.l.batch)
		e.Step(k, e.In, e.Out, plan.WeightRef{Params: []*ir.Value{w}, How: how, Arg: float64(ic), Len: k.PackedLen()})
		return nil
	})
}
