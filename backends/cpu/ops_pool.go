package cpu

import (
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Windows.

func maxPool(op ops.MaxPool, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.In[0])
	_, h, w := chw(n.Out[0])
	if c.In[0].Layout == plan.Bytes {
		return c.bytes("max pool", func(e *plan.Emitter) error {
			e.Step(kernel.MaxPoolInt8{C: ch, H: h, W: w, IH: ih, IW: iw, KH: op.Kernel[0], KW: op.Kernel[1], SH: op.Stride[0], SW: op.Stride[1],
				PH: op.Pad[0], PW: op.Pad[1], In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out)
			return nil
		})
	}
	err := c.byBlock("max pool", 0, func(e *plan.Emitter) error {
		k := kernel.MaxPool{C: c.lanes(ch), H: h, W: w, IH: ih, IW: iw, KH: op.Kernel[0], KW: op.Kernel[1], SH: op.Stride[0], SW: op.Stride[1],
			PH: op.Pad[0], PW: op.Pad[1], In: view(e.In[0]), Out: view(e.Out[0])}
		if c.Indices {
			k.Indices, k.IndexReLU = view(e.Out[1]), c.IndexReLU
		}
		e.Step(c.block(k), e.In, e.Out)
		return nil
	})
	if c.Indices {
		c.choice.Out[1] = c.indices()
	}
	return err
}

// indices is how a max pool leaves what its gradient needs of its input.
func (c *call) indices() plan.Need {
	if c.layout() == plan.N16 {
		return plan.Need{Layout: plan.N16Indices}
	}
	return plan.Need{Layout: plan.Indices}
}

func avgPool(op ops.AvgPool, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.In[0])
	_, h, w := chw(n.Out[0])
	return c.byBlock("average pool", 0, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.AvgPool{C: c.lanes(ch), H: h, W: w, IH: ih, IW: iw, KH: op.Kernel[0], KW: op.Kernel[1], SH: op.Stride[0], SW: op.Stride[1],
			PH: op.Pad[0], PW: op.Pad[1], PB: op.Pad[2], PR: op.Pad[3], IncludePad: op.IncludePad, In: view(e.In[0]), Out: view(e.Out[0])}), e.In, e.Out)
		return nil
	})
}

func globalAvgPool(op ops.GlobalAvgPool, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.In[0])
	return c.byBlock("average pool", 0, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.AvgPool{C: c.lanes(ch), H: 1, W: 1, IH: ih, IW: iw, KH: ih, KW: iw, SH: 1, SW: 1, In: view(e.In[0]), Out: view(e.Out[0])}), e.In, e.Out)
		return nil
	})
}
