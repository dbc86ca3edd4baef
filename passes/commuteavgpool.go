package passes

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// CommuteAvgPool moves a 1x1 convolution before the average pool that it reads. This is
// possible because the convolution is linear over channels and the pool is linear over
// pixels. Afterwards the pool has fewer channels, and merge-siblings can merge the
// convolution with its siblings.
//
// mean(W*x + b) = W*mean(x) + b holds if the pool's weights sum to one. With include_pad
// they do not at the border, so then the bias is added after the pool. The activation
// is always applied after the pool.
var CommuteAvgPool = Pass{
	Name:     "commute-avgpool",
	Doc:      "moves a 1x1 convolution before the average pool that it reads, if that costs less",
	Ref:      "linearity; the module of Szegedy 2016, figure 5",
	Contract: Rounding,
	After: []Constraint{
		{"fold-bn", "otherwise the batch norm of a moved convolution would be after the pool, and could not be folded into the weights"},
	},
	Run: func(r *ir.Rewriter, o Options) error {
		st := statics{}
		for _, n := range r.Nodes() {
			// There may be another pool before this one.
			for n != nil {
				n = commuteOnce(r, o, st, n)
			}
		}
		return nil
	},
}

// commuteOnce moves the convolution n before the average pool that it reads, if that
// costs less. It returns the node of the moved convolution, or nil if n was not moved.
func commuteOnce(r *ir.Rewriter, o Options, st statics, n *ir.Node) *ir.Node {
	l, ok := asConv(n)
	if !ok || l.kernel() != (ir.HW{1, 1}) || l.conv.Groups != 1 || l.conv.Stride != (ir.HW{1, 1}) || l.conv.Pad != (ir.Pads{}) || !l.static(st) {
		return nil
	}
	p := n.In[0].Def
	if p == nil || soleUser(r, n.In[0]) != n {
		return nil
	}
	if op, ok := p.Op.(ops.AvgPool); ok && commutePays(o, l, p, op) {
		return commute(r, l, p, op)
	}
	return nil
}

func commutePays(o Options, l linear, p *ir.Node, pool ops.AvgPool) bool {
	before := o.priceNode(p) + o.priceNode(l.n)
	conv := l.conv
	conv.Act = ops.ActNone
	in := []ir.Type{p.In[0].Type, l.weight.Type}
	if l.bias != nil && keepsMeans(pool) {
		in = append(in, l.bias.Type)
	}
	after, y, ok := o.price(conv, in...)
	if !ok {
		return false
	}
	c, y, ok := o.price(pool, y)
	if !ok {
		return false
	}
	after += c
	if l.bias != nil && !keepsMeans(pool) {
		c, _, ok := o.price(ops.Add{}, y, ir.Float(1, l.outs(), 1, 1))
		if !ok {
			return false
		}
		after += c
	}
	if l.act != ops.ActNone {
		c, _, _ := o.price(l.act.Op(), y)
		after += c
	}
	return after < before
}

func commute(r *ir.Rewriter, l linear, p *ir.Node, pool ops.AvgPool) *ir.Node {
	r.For(l.n)
	name := l.n.Out[0].Name
	conv := l.conv
	conv.Act = ops.ActNone
	in := []*ir.Value{p.In[0], l.weight}
	inside := l.bias != nil && keepsMeans(pool)
	if inside {
		in = append(in, l.bias)
	}
	moved := add(r, name+"/linear", conv, in...)
	y := add(r, name+"/pooled", pool, moved)
	if l.bias != nil && !inside {
		y = add(r, name+"/biased", ops.Add{}, y, alongAxis(r, l.bias, 4, 1))
	}
	if l.act != ops.ActNone {
		y = add(r, name+"/act", l.act.Op(), y)
	}
	succeed(r, l.n.Out[0], y)
	r.Remove(l.n, p)
	return moved.Def
}
