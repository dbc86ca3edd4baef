package cpu

import (
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// squares is where a kernel leaves the sums of squares of the gradient that it writes, a
// number a task, if the only one of the unit has its norm taken as it is: nil if not.
func (c *call) squares(e *plan.Emitter, k plan.Kernel) *plan.Tensor {
	t := c.l.train
	if !t.normed[c.Wrote[0]] {
		return nil
	}
	t.summed[c.Wrote[0]] = true
	return t.moreSquares(e, k.Tasks(c.l.batch))
}

// moreSquares is the place of n more sums of squares. The array that they are a part of
// grows until the norm is taken.
func (t *training) moreSquares(e *plan.Emitter, n int) *plan.Tensor {
	if t.sums == nil {
		t.sums = e.Temp("squares", plan.Packed, 0, 1, 1)
	}
	t.sums.C += n
	return t.sums.Part(t.sums.C-n, n)
}

// What comes between gradient and optimizer.

func globalNorm(op ops.GlobalNorm, n *ir.Node, c *call) error {
	return c.layouts("norm", needs(packed, len(c.Read)), []plan.Need{planar}, func(e *plan.Emitter) error {
		t := c.l.train
		for i, g := range e.In {
			if k := (kernel.SquareSums{N: g.C}); !t.summed[c.Read[i]] {
				e.Step(k, list(g), list(t.moreSquares(e, k.Len())))
			}
		}
		e.Step(kernel.NormOfSums{N: t.sums.C}, list(t.sums), e.Out)
		t.sums = nil
		return nil
	})
}

func clipNorm(op ops.ClipNorm, n *ir.Node, c *call) error {
	err := c.layouts("clip", []plan.Need{packed, planar}, []plan.Need{packed}, func(e *plan.Emitter) error {
		e.Step(kernel.ClipNorm{N: e.Out[0].C, Bound: float32(op.Bound)}, e.In, e.Out)
		return nil
	})
	c.choice.InPlace = []int{1}
	return err
}

func clipValue(op ops.ClipValue, n *ir.Node, c *call) error {
	err := c.layouts("clip", []plan.Need{packed}, []plan.Need{packed}, func(e *plan.Emitter) error {
		e.Step(kernel.ClipValue{N: e.Out[0].C, Bound: float32(op.Bound)}, e.In, e.Out)
		return nil
	})
	c.choice.InPlace = []int{1}
	return err
}

func penaltyDx(op ops.PenaltyDx, n *ir.Node, c *call) error {
	w := c.Param(0)
	if w == nil {
		return unsupported("a penalty on what is no param")
	}
	err := c.layouts("penalty", []plan.Need{packed}, []plan.Need{packed}, func(e *plan.Emitter) error {
		e.Step(kernel.Penalty{N: e.Out[0].C, L1: float32(op.L1), L2: float32(op.L2)}, list(e.Param(w), e.In[0]), e.Out)
		return nil
	})
	c.choice.InPlace = []int{1}
	return err
}

// Optimizers change params in place.

func (c *call) optimizer(algo string, into []*ir.Value, emit func(*plan.Emitter) error) error {
	for _, v := range into {
		if v.Param == nil {
			return unsupported("an optimizer of what is no param: %s", v.Name)
		}
	}
	in := []plan.Need{packed, planar, planar}[:len(c.Read)]
	err := c.layouts(algo, in, needs(packed, len(c.Wrote)), emit)
	c.choice.Into, c.choice.Last = into, true
	return err
}

func sgd(op ops.SGD, n *ir.Node, c *call) error {
	into := append([]*ir.Value{n.In[0]}, n.In[3:]...)
	return c.optimizer("sgd", into, func(e *plan.Emitter) error {
		e.Step(kernel.SGD{N: e.Out[0].C, Momentum: float32(op.Momentum), Nesterov: op.Nesterov, Decay: float32(op.Decay), LR: rate(op.LR)}, e.In, e.Out)
		return nil
	})
}

// rate is the factor on a learning rate as kernels store it: 0 means 1.
func rate(lr float64) float32 {
	if lr == 0 {
		return 1e-38 // frozen
	}
	return float32(lr)
}

func rmsProp(op ops.RMSProp, n *ir.Node, c *call) error {
	into := append([]*ir.Value{n.In[0]}, n.In[3:]...)
	return c.optimizer("rmsprop", into, func(e *plan.Emitter) error {
		out := list(e.Out[0], nil, e.Out[1]) // velocity second
		if len(e.Out) > 2 {
			out[1] = e.Out[2]
		}
		e.Step(kernel.RMSProp{N: e.Out[0].C, Rho: float32(op.Rho), Eps: float32(op.Eps), Momentum: float32(op.Momentum), Decay: float32(op.Decay), LR: rate(op.LR), Torch: op.Torch}, e.In, out)
		return nil
	})
}

func adam(op ops.Adam, n *ir.Node, c *call) error {
	into := append([]*ir.Value{n.In[0]}, n.In[4:]...)
	return c.optimizer("adam", into, func(e *plan.Emitter) error {
		e.Step(kernel.Adam{N: e.Out[0].C, Beta1: float32(op.Beta1), Beta2: float32(op.Beta2), Eps: float32(op.Eps), Decay: float32(op.Decay), Decoupled: op.Decoupled,
			LR: rate(op.LR)}, e.In, e.Out)
		return nil
	})
}

func maxNorm(op ops.MaxNorm, n *ir.Node, c *call) error {
	into := c.l.train.updates[n.Out[0]]
	by := c.l.train.packing[n.Out[0]].By
	k := kernel.MaxNormPacked{Bound: float32(op.Bound)}
	switch f := by.(type) {
	case kernel.Conv:
		if f.Groups > 1 {
			return unsupported("a bound on the norm of the weights of a grouped convolution")
		}
		k.Blocks = kernel.Blocks(f.OC())
	case kernel.Depthwise:
		return unsupported("a bound on the norm of the weights of a grouped convolution")
	case kernel.Dense:
		k.Blocks = kernel.Blocks(f.Out.C)
	}
	if into == nil || k.Blocks == 0 || len(c.Read) != 1 {
		return unsupported("a bound on the norm of what is no weight")
	}
	return c.optimizer("bound on norm", []*ir.Value{into}, func(e *plan.Emitter) error {
		k.K = e.Out[0].C / (k.Blocks * kernel.Block)
		e.Step(k, e.In, e.Out)
		return nil
	})
}

func average(op ops.Average, n *ir.Node, c *call) error {
	return c.optimizer("average", []*ir.Value{n.In[0]}, func(e *plan.Emitter) error {
		at := e.Temp("rate", plan.Packed, 1, 1, 1)
		e.Step(kernel.AverageRate{Decay: op.Decay}, e.In[1:], list(at))
		e.Step(kernel.Average{N: e.Out[0].C}, list(e.In[0], at), e.Out)
		return nil
	})
}
