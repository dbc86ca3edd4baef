package lower

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// standardized returns (x - mean) / sqrt(variance + eps), with mean and variance over axes.
func (l *lowering) standardized(x *ir.Value, eps float64, axes ...int) *ir.Value {
	over := ops.Reduce{Kind: ops.ReduceMean, Axes: ir.IntsOf(axes...), Keep: true}
	x = l.Do(ops.Sub{}, x, l.Do(over, x))
	v := l.Do(over, l.Do(ops.Mul{}, x, x))
	return l.Do(ops.Div{}, x, l.Do(ops.Sqrt{}, l.Do(ops.Add{}, v, l.number(eps, len(x.Type.Shape)))))
}

// affine returns y times a scale for each channel plus a bias.
func (l *lowering) affine(y *ir.Value, scale, bias *ir.Value) *ir.Value {
	shape := make([]int, len(y.Type.Shape)-1)
	for i := range shape {
		shape[i] = 1
	}
	shape[0] = y.Type.Shape[1]
	return l.Do(ops.Add{}, l.Do(ops.Mul{}, y, l.reshape(scale, shape...)), l.reshape(bias, shape...))
}

func instanceNorm(l *lowering, n *ir.Node, op ops.Node) *ir.Value {
	eps, ok := ops.EpsilonOf(op)
	rank := len(n.In[0].Type.Shape)
	if !ok || rank < 3 {
		return nil
	}
	var axes []int
	for a := 2; a < rank; a++ {
		axes = append(axes, a)
	}
	return l.affine(l.standardized(n.In[0], eps, axes...), n.In[1], n.In[2])
}

func groupNorm(l *lowering, n *ir.Node, op ops.Node) *ir.Value {
	s := n.In[0].Type.Shape
	eps, ok := ops.EpsilonOf(op)
	groups, okGroups := ops.GroupsOf(op)
	if !ok || !okGroups || len(s) < 3 || groups < 1 || s[1]%groups != 0 {
		return nil
	}
	y := l.standardized(l.reshape(n.In[0], s[0], groups, ir.Shape(s[1:]).Size()/groups, 1), eps, 2, 3)
	if n.In[1].Type.Shape.Size() == groups && groups != s[1] { // until opset 20: one factor for each group
		return l.reshape(l.affine(y, n.In[1], n.In[2]), s...)
	}
	return l.affine(l.reshape(y, s...), n.In[1], n.In[2])
}

// prelu computes relu(x) - slope relu(-x), where slope is a weight (He 2015).
func prelu(l *lowering, n *ir.Node, _ ops.Node) *ir.Value {
	x := n.In[0]
	below := l.Do(ops.Mul{}, l.Do(ops.ReLU{}, l.Do(ops.Scale{By: -1}, x)), n.In[1])
	return l.Do(ops.Sub{}, l.Do(ops.ReLU{}, x), below)
}
