package cpu

import (
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// maxDx is the gradient of max over two or three activations of one shape; one of
// more is written as several, and one that stretches an operand has no kernel.
func maxDx(op ops.MaxDx, n *ir.Node, c *call) error {
	k := kernel.MaxBackward{Operands: len(n.In) - 1}
	if k.Operands > len(k.X) || len(c.Read) != len(n.In) {
		return unsupported("the gradient of a maximum of %d operands, or of params", k.Operands)
	}
	for _, v := range n.In {
		if !v.Type.Shape.Equal(n.In[0].Type.Shape) {
			return unsupported("the gradient of a maximum that stretches %s", v.Name)
		}
	}
	k.C, k.H, k.W = chw(n.In[0])
	return c.blocked("max gradient", 0, func(e *plan.Emitter) error {
		k.DY = view(e.In[0])
		for i := range k.Operands {
			k.X[i], k.DX[i] = view(e.In[1+i]), view(e.Out[i])
		}
		e.Step(k, e.In, e.Out)
		return nil
	})
}
