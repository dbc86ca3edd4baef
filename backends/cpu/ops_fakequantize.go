package cpu

import (
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// fakeQuantize rounds activations in a training, and where its network is evaluated.
func fakeQuantize(op ops.FakeQuantize, n *ir.Node, c *call) error {
	step := c.Param(1)
	if step == nil || len(c.Read) != 1 {
		return unsupported("a fake_quantize of a param, or with a step that is computed")
	}
	low, high := op.Limits()
	ch, h, w := chw(n.Out[0])
	return c.layouts("fake quantize", []plan.Need{blocked}, []plan.Need{blocked}, func(e *plan.Emitter) error {
		ref := plan.WeightRef{Params: []*ir.Value{step}, How: kernel.PackBlocked, Arg: 1, Len: kernel.Block}
		if c.l.train != nil {
			ref = plan.WeightRef{At: e.Param(step)}
		}
		e.Step(kernel.FakeQuantize{C: ch, H: h, W: w, Low: low, High: high, In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out, ref)
		return nil
	})
}

func fakeQuantizeDx(op ops.FakeQuantizeDx, n *ir.Node, c *call) error {
	step := c.Param(2)
	if step == nil || c.l.train == nil || len(c.Read) != 2 {
		return unsupported("the gradient of a fake_quantize with a step that is computed")
	}
	low, high := ops.FakeQuantize(op).Limits()
	factor := op.Factor
	if factor == 0 {
		factor = 1
	}
	ch, h, w := chw(n.Out[0])
	return c.layouts("fake quantize gradient", []plan.Need{blocked, blocked}, []plan.Need{blocked, packed}, func(e *plan.Emitter) error {
		k := kernel.FakeQuantizeBackward{C: ch, H: h, W: w, Low: low, High: high, DY: view(e.In[0]), X: view(e.In[1]), DX: view(e.Out[0])}
		sums := e.Temp("sums", plan.Packed, k.Tasks(c.l.batch), 1, 1)
		e.Step(k, e.In, list(e.Out[0], sums), plan.WeightRef{At: e.Param(step)})
		e.Step(kernel.FakeQuantizeStep{Of: k, Factor: factor}, list(sums), e.Out[1:])
		return nil
	})
}
