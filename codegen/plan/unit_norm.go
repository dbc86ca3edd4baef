package plan

import (
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Norm is layer normalization over the channels of every pixel. Scale and Shift have one number
// for each channel; both are nil if there is none.
type Norm struct {
	Eps          float64
	Scale, Shift *ir.Value
}

// norm returns the unit of a layer normalization over channels that begins with node n, the mean
// of its input, or nil. It is written as
//
//	d = x - mean(x); d / sqrt(mean(d*d) + eps) * scale + shift
func (f *fuser) norm(n *ir.Node) *Unit {
	if f.train || !f.mean(n) || len(n.In[0].Type.Shape) != 4 || n.In[0].Param != nil {
		return nil
	}
	x := n.In[0]
	sub := f.only(n.Out[0])
	if sub == nil || len(sub.In) != 2 || sub.In[0] != x || sub.In[1] != n.Out[0] {
		return nil
	}
	if _, ok := sub.Op.(ops.Sub); !ok {
		return nil
	}
	d := sub.Out[0]
	readers := slices.Compact(slices.Clone(f.users[d])) // the square reads it twice
	if f.roots[d] || len(readers) != 2 {
		return nil
	}
	square, div := readers[0], readers[1]
	if _, ok := square.Op.(ops.Mul); !ok {
		square, div = div, square
	}
	if _, ok := square.Op.(ops.Mul); !ok || len(square.In) != 2 || square.In[0] != d || square.In[1] != d {
		return nil
	}
	variance := f.only(square.Out[0])
	if variance == nil {
		return nil
	}
	nodes := []*ir.Node{n, sub, square, variance}
	sum, eps, ok := variance, 0.0, true
	if len(variance.In) == 3 { // the mean is a convolution, with eps for a bias
		mean := *variance
		mean.In = variance.In[:2]
		if eps, ok = f.number(variance.In[2]); !f.mean(&mean) {
			return nil
		}
	} else if f.mean(variance) {
		if sum = f.only(variance.Out[0]); sum == nil {
			return nil
		}
		eps, ok = f.plus(sum, variance.Out[0])
		nodes = append(nodes, sum)
	} else {
		return nil
	}
	root := f.only(sum.Out[0])
	if !ok || root == nil {
		return nil
	}
	if _, ok := root.Op.(ops.Sqrt); !ok || f.only(root.Out[0]) != div || len(div.In) != 2 || div.In[0] != d || div.In[1] != root.Out[0] {
		return nil
	}
	if _, ok := div.Op.(ops.Div); !ok || f.done[div] != nil {
		return nil
	}
	u := &Unit{Node: n, Nodes: append(nodes, root, div), Read: []*ir.Value{x}, Wrote: []*ir.Value{div.Out[0]},
		Residual: -1, Scale: 1, Norm: &Norm{Eps: eps}}
	f.normAffine(u)
	return u
}

// normAffine fuses the product with a scale and the sum with a shift behind a normalization.
func (f *fuser) normAffine(u *Unit) {
	mul := f.only(u.Wrote[0])
	if mul == nil {
		return
	}
	if _, ok := mul.Op.(ops.Mul); !ok {
		return
	}
	add := f.only(mul.Out[0])
	if add == nil {
		return
	}
	if _, ok := add.Op.(ops.Add); !ok {
		return
	}
	if scale, shift := perChannel(mul), perChannel(add); scale != nil && shift != nil {
		u.Norm.Scale, u.Norm.Shift = scale, shift
		u.Nodes, u.Wrote[0] = append(u.Nodes, mul, add), add.Out[0]
	}
}

// mean reports whether a node is the mean over the channels of a map: as an op, or as a
// convolution with equal weights.
func (f *fuser) mean(n *ir.Node) bool {
	switch op := n.Op.(type) {
	case ops.Reduce:
		return op.Kind == ops.ReduceMean && op.Axes == ir.IntsOf(1) && op.Keep
	case ops.Conv:
		if op.Stride != (ir.HW{1, 1}) || op.Pad != (ir.Pads{}) || op.Groups != 1 || op.Act != ops.ActNone || len(n.In) != 2 || n.In[1].Param == nil {
			return false
		}
		s := n.In[1].Type.Shape
		data := f.g.Data[n.In[1].Name]
		return s[0] == 1 && s[2] == 1 && s[3] == 1 && data != nil &&
			!slices.ContainsFunc(data.Data, func(x float32) bool { return x != float32(1/float64(s[1])) })
	}
	return false
}

// plus returns the constant number that a node adds to v.
func (f *fuser) plus(n *ir.Node, v *ir.Value) (x float64, ok bool) {
	if _, ok := n.Op.(ops.Add); !ok || len(n.In) != 2 || !n.Out[0].Type.Shape.Equal(v.Type.Shape) {
		return 0, false
	}
	if n.In[1] == v {
		return f.number(n.In[0])
	}
	return f.number(n.In[1])
}

// number returns the element of a constant that has only one.
func (f *fuser) number(v *ir.Value) (x float64, ok bool) {
	data := f.g.Data[v.Name]
	if v.Param == nil || v.Param.Kind != ir.Constant || data == nil || len(data.Data) != 1 {
		return 0, false
	}
	return float64(data.Data[0]), true
}
