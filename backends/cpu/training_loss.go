package cpu

import (
	"slices"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Losses.

func crossEntropy(op ops.CrossEntropy, n *ir.Node, c *call) error {
	if c.l.train == nil {
		return unsupported("a loss, outside of training")
	}
	ch, _, _ := chw(n.In[0])
	if len(n.In) > 2 || op.Gamma > 0 {
		return weightedCrossEntropy(op, n, c)
	}
	return c.layouts("loss", []plan.Need{blocked, planar}, []plan.Need{planar}, func(e *plan.Emitter) error {
		e.Step(kernel.CrossEntropy{C: ch, Smoothing: float32(op.Smoothing), In: view(e.In[0])}, e.In, e.Out)
		return nil
	})
}

func crossEntropyDx(op ops.CrossEntropyDx, n *ir.Node, c *call) error {
	ch, _, _ := chw(n.In[1])
	if len(n.In) > 3 || op.Gamma > 0 {
		return weightedCrossEntropyDx(op, n, c)
	}
	k := kernel.CrossEntropyBackward{C: ch, Smoothing: float32(op.Smoothing)}
	in := []plan.Need{blocked, planar}
	dloss := c.Param(0)
	if dloss == nil {
		in = append([]plan.Need{planar}, in...)
	}
	return c.layouts("loss gradient", in, []plan.Need{blocked}, func(e *plan.Emitter) error {
		k.In, k.Out = view(e.In[len(e.In)-2]), view(e.Out[0])
		from := e.In
		if dloss != nil {
			from = append(list(e.Param(dloss)), from...)
		}
		e.Step(k, from, e.Out)
		return nil
	})
}

// weightedCrossEntropy is crossEntropy with weights of the classes, which are a
// constant, or gamma.
func weightedCrossEntropy(op ops.CrossEntropy, n *ir.Node, c *call) error {
	ch, _, _ := chw(n.In[0])
	if len(n.In) > 2 && c.Param(2) == nil {
		return unsupported("weights of classes that are computed")
	}
	return c.layouts("loss", []plan.Need{blocked, planar}, []plan.Need{planar}, func(e *plan.Emitter) error {
		in := e.In
		if len(n.In) > 2 {
			in = append(slices.Clone(in), e.Param(n.In[2]))
		}
		e.Step(kernel.WeightedCrossEntropy{C: ch, Smoothing: float32(op.Smoothing), Gamma: float32(op.Gamma), In: view(e.In[0])}, in, e.Out)
		return nil
	})
}

func weightedCrossEntropyDx(op ops.CrossEntropyDx, n *ir.Node, c *call) error {
	ch, _, _ := chw(n.In[1])
	if len(n.In) > 3 && c.Param(3) == nil {
		return unsupported("weights of classes that are computed")
	}
	need := []plan.Need{blocked, planar}
	dloss := c.Param(0)
	if dloss == nil {
		need = append([]plan.Need{planar}, need...)
	}
	return c.layouts("loss gradient", need, []plan.Need{blocked}, func(e *plan.Emitter) error {
		in := e.In
		if dloss != nil {
			in = append(list(e.Param(dloss)), in...)
		}
		if len(n.In) > 3 {
			in = append(slices.Clone(in), e.Param(n.In[3]))
		}
		e.Step(kernel.WeightedCrossEntropyBackward{C: ch, Smoothing: float32(op.Smoothing), Gamma: float32(op.Gamma), In: view(e.In[len(e.In)-2]), Out: view(e.Out[0])}, in, e.Out)
		return nil
	})
}

// sumOfScalars is the sum of the node's operands by weight: losses.
func (c *call) sumOfScalars(weights ...float64) error {
	if len(c.Node.In) != len(weights) || len(weights) > 4 {
		return unsupported("a sum of %d losses", len(weights))
	}
	var k kernel.WeightedSum
	for i, w := range weights {
		k.Weights[i] = float32(w)
	}
	return c.scalars("sum", k)
}

// scalars is a kernel whose operands are the node's, numbers that are computed or params.
func (c *call) scalars(algo string, k plan.Kernel) error {
	switch {
	case len(c.Read) == 0:
		return unsupported("an op on params alone: fold it first")
	case len(c.Read) < len(c.Node.In) && c.l.train == nil:
		return unsupported("a param beside a number that is computed")
	}
	return c.layouts(algo, needs(planar, len(c.Read)), []plan.Need{planar}, func(e *plan.Emitter) error {
		var from []*plan.Tensor
		read := 0
		for _, v := range c.Node.In {
			if v.Param != nil {
				from = append(from, e.Param(v))
				continue
			}
			from = append(from, e.In[read])
			read++
		}
		e.Step(k, from, e.Out)
		return nil
	})
}
