package cpu

import (
	"slices"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

func maxout(op ops.Maxout, n *ir.Node, c *call) error {
	ch, h, w := chw(n.Out[0])
	return c.blocked("maxout", 0, func(e *plan.Emitter) error {
		e.Step(kernel.Maxout{C: ch, Pieces: op.Pieces, H: h, W: w, In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
}

// Elementwise.

func relu(op ops.ReLU, n *ir.Node, c *call) error       { return c.activation(kernel.ActReLU, 0, 0) }
func sigmoid(op ops.Sigmoid, n *ir.Node, c *call) error { return c.activation(kernel.ActSigmoid, 0, 0) }
func tanh(op ops.Tanh, n *ir.Node, c *call) error       { return c.activation(kernel.ActTanh, 0, 0) }
func silu(op ops.SiLU, n *ir.Node, c *call) error       { return c.activation(kernel.ActSiLU, 0, 0) }
func hardSwish(op ops.HardSwish, n *ir.Node, c *call) error {
	return c.activation(kernel.ActHardSwish, 0, 0)
}

func clip(op ops.Clip, n *ir.Node, c *call) error {
	if ops.ActOf(op) == ops.ActReLU6 {
		return c.activation(kernel.ActReLU6, 0, 0)
	}
	return c.activation(kernel.ActClip, op.Min, op.Max)
}

func hardSigmoid(op ops.HardSigmoid, n *ir.Node, c *call) error {
	return c.activation(kernel.ActHardSigmoid, op.Alpha, op.Beta)
}

func gelu(op ops.GELU, n *ir.Node, c *call) error {
	return c.activation(act(ops.ActOf(op)), 0, 0)
}

func leakyReLU(op ops.LeakyReLU, n *ir.Node, c *call) error {
	return c.activation(kernel.ActLeakyReLU, op.Alpha, 0)
}

// activation applies an activation with the parameters A and B of kernel.Activation.
func (c *call) activation(act kernel.Act, a, b float64) error {
	ch, h, w := chw(c.Read[0])
	return c.byBlock(act.String(), 1, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.Activation{Act: act, A: float32(a), B: float32(b), C: c.lanes(ch), H: h, W: w, In: view(e.In[0]), Out: view(e.Out[0])}), e.In, e.Out)
		return nil
	})
}

func scale(op ops.Scale, n *ir.Node, c *call) error {
	if len(n.Out[0].Type.Shape) == 0 {
		return c.sumOfScalars(op.By)
	}
	ch, h, w := chw(n.In[0])
	return c.byBlock("scale", 1, func(e *plan.Emitter) error {
		k := kernel.Binary{Op: kernel.OpMul, Stretch: kernel.ByScalar, C: c.lanes(ch), H: h, W: w, A: view(e.In[0]), Out: view(e.Out[0])}
		e.Step(c.block(k), e.In, e.Out, plan.WeightRef{How: kernel.PackFill, Arg: op.By, Len: kernel.Block})
		return nil
	})
}

func add(op ops.Add, n *ir.Node, c *call) error { return c.binary(kernel.OpAdd, "add") }
func sub(op ops.Sub, n *ir.Node, c *call) error { return c.binary(kernel.OpSub, "sub") }
func mul(op ops.Mul, n *ir.Node, c *call) error {
	if c.Shift != nil {
		return c.affine()
	}
	return c.binary(kernel.OpMul, "mul")
}
func maximum(op ops.Max, n *ir.Node, c *call) error { return c.binary(kernel.OpMax, "max") }

// div is a multiplication where the divisor is a param.
func div(op ops.Div, n *ir.Node, c *call) error {
	if c.Param(1) != nil {
		return c.binary(kernel.OpMul, "div")
	}
	if n.In[0].Param != nil || !n.In[0].Type.Shape.Equal(n.Out[0].Type.Shape) {
		return unsupported("a division of %v by an activation, %v", n.In[0].Type.Shape, n.In[1].Type.Shape)
	}
	return c.binary(kernel.OpDiv, "div")
}

// sumOfGradients is the sum of what several layers add to the gradient of a weight that they share.
func (c *call) sumOfGradients() error {
	if len(c.Read) != len(c.Node.In) {
		return unsupported("the sum of a gradient and a param")
	}
	return c.layouts("sum", needs(packed, len(c.Read)), []plan.Need{packed}, func(e *plan.Emitter) error {
		sum := e.In[0]
		for _, t := range e.In[1:] {
			e.Step(kernel.Penalty{N: e.Out[0].C, L2: 1}, list(sum, t), e.Out) // t + 1*sum
			sum = e.Out[0]
		}
		return nil
	})
}

// binary folds the operands of an elementwise op from the left, as the reference
// does. One of a pair may be stretched; a param lies among the weights.
func (c *call) binary(op kernel.BinaryOp, algo string) error {
	if c.Quantize != nil && op == kernel.OpAdd && c.addInt8() {
		return nil
	}
	out := c.Wrote[0].Type.Shape
	if len(out) == 0 {
		if done, err := c.binaryOfScalars(op); done {
			return err
		}
	}
	if len(c.Read) == 0 {
		return unsupported("an op on params alone: fold it first")
	}
	if c.l.train != nil && op == kernel.OpAdd && c.l.train.packing[c.Wrote[0]].Len > 0 {
		return c.sumOfGradients()
	}
	last := kernel.ActNone
	if len(c.Acts) > 0 {
		last = act(c.Acts[0])
	}
	if len(c.Node.In) == 1 {
		if last != kernel.ActNone {
			return c.activation(last, 0, 0)
		}
		c.choice = plan.Choice{Views: []int{0}}
		return nil
	}
	// The operand of the output's own shape comes first: it is the one that is not
	// stretched.
	first := slices.IndexFunc(c.Node.In, func(v *ir.Value) bool { return v.Param == nil && v.Type.Shape.Equal(out) })
	if first < 0 {
		return unsupported("broadcasting %v and %v, neither of which has the shape of the result", c.Node.In[0].Type.Shape, c.Node.In[1].Type.Shape)
	}
	if len(c.Node.In) > 2 && first > 0 && op == kernel.OpSub {
		return unsupported("a difference of %d operands", len(c.Node.In))
	}
	ch, h, w := chw(c.Wrote[0])
	at, rest, err := c.operands(first)
	if err != nil {
		return err
	}
	how := kernel.PackBlocked
	if algo == "div" {
		how = kernel.PackReciprocal
	}
	layout := c.byBlock
	for _, o := range rest {
		// N16 are not filled with one of an image's elements: its channels only are
		// stretched. And quotients of what lanes without an image hold are not finite.
		if o.param == nil && (o.stretch == kernel.ByPixel || o.stretch == kernel.ByScalar) || algo == "div" {
			layout = c.blocked
		}
	}
	return layout(algo, at+1, func(e *plan.Emitter) error {
		a := e.In[at]
		for i, o := range rest {
			k := kernel.Binary{Op: op, Swap: first > 0, Stretch: o.stretch, C: c.lanes(ch), H: h, W: w, A: view(a), Out: view(e.Out[0])}
			if i == len(rest)-1 {
				k.Act = last
			}
			if o.param == nil {
				k.B = view(e.In[o.read])
				in := list(a, e.In[o.read])
				if c.Masked && i == len(rest)-1 {
					y := e.In[len(e.In)-1]
					k.Masked, k.Y, in = true, view(y), append(in, y)
				}
				e.Step(c.block(k), in, e.Out)
			} else {
				bc, bh, bw := ch, h, w
				if o.stretch != kernel.BySame {
					bc, bh, bw = paramCHW(o.param.Type.Shape, len(out))
				}
				k.B = kernel.View{C: bh * bw * kernel.Block, H: bw * kernel.Block}
				e.Step(c.block(k), list(a), e.Out, plan.WeightRef{Params: []*ir.Value{o.param}, How: how, Arg: float64(bh * bw),
					Len: kernel.Blocks(c.lanes(bc)) * kernel.Block * bh * bw})
			}
			a = e.Out[0]
		}
		return nil
	})
}

// binaryOfScalars computes a binary op of numbers without axes; done is false for those that have no
// kernel of their own.
func (c *call) binaryOfScalars(op kernel.BinaryOp) (done bool, err error) {
	switch {
	case op == kernel.OpAdd:
		return true, c.sumOfScalars(slices.Repeat([]float64{1}, len(c.Node.In))...)
	case op == kernel.OpSub && len(c.Node.In) == 2:
		return true, c.sumOfScalars(1, -1)
	case op == kernel.OpMul && len(c.Node.In) == 2:
		return true, c.scalars("product", kernel.Product{})
	}
	return false, nil
}

// operand is an operand of a binary op, behind that of the output's own shape.
type operand struct {
	read    int       // index into Read
	param   *ir.Value // nil for a value that is read
	stretch kernel.Broadcast
}

// operands returns the index into Read of operand first, and the other operands.
func (c *call) operands(first int) (at int, rest []operand, err error) {
	read, out := 0, c.Wrote[0].Type.Shape
	for i, v := range c.Node.In {
		o := operand{read: read, param: v}
		if v.Param == nil {
			o.param = nil
			read++
		}
		if i == first {
			at = o.read
			continue
		}
		var ok bool
		if o.stretch, ok = stretch(v.Type.Shape, out, v.Param != nil); !ok {
			return 0, nil, unsupported("broadcasting %v to %v", v.Type.Shape, out)
		}
		rest = append(rest, o)
	}
	return at, rest, nil
}

// paramCHW is the shape of a param that is one operand of a broadcast to a shape of some axes,
// aligned to the right as numpy does: C alone for a vector beside vectors.
func paramCHW(s ir.Shape, axes int) (c, h, w int) {
	full := append(slices.Repeat(ir.Shape{1}, max(0, axes-len(s))), s...)
	if axes == 2 {
		return full[1], 1, 1
	}
	return full[1], full[2], full[3]
}

// stretch says how shape s is broadcast to out; ok is false where no kernel does.
func stretch(s, out ir.Shape, param bool) (b kernel.Broadcast, ok bool) {
	if s.Equal(out) {
		return kernel.BySame, true
	}
	full := slices.Repeat(ir.Shape{1}, max(0, len(out)-len(s)))
	full = append(full, s...)
	if len(out) != 2 && len(out) != 4 || len(full) != len(out) {
		return 0, false
	}
	// Params of a row of W elements beside maps would be the last axis: they are
	// laid out as C x H x W, so it is only free where H and W agree or are 1.
	if param && full[0] != 1 || !param && full[0] != out[0] {
		return 0, false
	}
	full, out = full[1:], out[1:]
	ones := func(s ir.Shape) bool { return s.Size() == 1 }
	switch {
	case full.Equal(out):
		return kernel.BySame, true
	case ones(full):
		return kernel.ByScalar, true
	case full[0] == out[0] && ones(full[1:]):
		return kernel.ByChannel, true
	case full[0] == 1 && full[1:].Equal(out[1:]):
		return kernel.ByPixel, true
	}
	return 0, false
}

func sqrt(op ops.Sqrt, n *ir.Node, c *call) error { return c.activation(kernel.ActSqrt, 0, 0) }
