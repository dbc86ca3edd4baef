package passes

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// FoldLinear joins two layers without an activation between them into one, if that costs
// less: a convolution and a 1x1 convolution after it, two dense layers, or a layer and a
// constant factor after it, or a factor or a summand for each of its channels (the bias of a
// product, or the layer scale of Touvron 2021).
//
// B(A x + a) + b = (B A) x + (B a + b). The second convolution is a matrix over channels,
// so the first may have any padding, stride and dilation. The second must not have
// padding: its padding is 0, while the joined convolution would compute A 0 + a there.
var FoldLinear = Pass{
	Name:     "fold-linear",
	Doc:      "joins two layers without an activation between them into one, and folds constant factors into weights",
	Ref:      "linearity; Ding 2021 (diverse branch block), section 3.2, transform III",
	Contract: Rounding,
	// In training, every step would compute the product of weights again.
	Inference: true,
	After: []Constraint{
		{"fold-bn", "a batch norm between the two layers would prevent the folding"},
		{"factorize", "what a linear factorization splits would be multiplied out again"},
	},
	Run: func(r *ir.Rewriter, o Options) error {
		// Of three layers, joining the last two may pay although joining the first two
		// does not. So repeat until nothing changes. Each fold removes a layer, so this ends.
		for changed := -1; changed != r.Changed; {
			changed = r.Changed
			f := linearFolder{r, o, statics{}}
			for _, n := range r.Nodes() {
				f.visit(n)
			}
		}
		return nil
	},
}

type linearFolder struct {
	r  *ir.Rewriter
	o  Options
	st statics
}

func (f linearFolder) visit(n *ir.Node) {
	if op, ok := n.Op.(ops.Scale); ok {
		f.scale(n, op)
		return
	}
	if f.perChannel(n) {
		return
	}
	b, ok := asLinear(n)
	if !ok || !b.static(f.st) || soleUser(f.r, n.In[0]) != n {
		return
	}
	a, ok := asLinear(n.In[0].Def)
	if !ok || a.isConv != b.isConv || a.act != ops.ActNone || !a.static(f.st) {
		return
	}
	if b.isConv && (b.kernel() != (ir.HW{1, 1}) || b.conv.Pad != (ir.Pads{}) || a.conv.Groups != 1 || b.conv.Groups != 1) {
		return
	}
	f.pair(a, b)
}

// scale folds a constant factor into the weights and the bias of the layer before it.
func (f linearFolder) scale(n *ir.Node, op ops.Scale) {
	r := f.r
	l, ok := asLinear(n.In[0].Def)
	if !ok || l.act != ops.ActNone || !l.static(f.st) || soleUser(r, n.In[0]) == nil {
		return
	}
	forget(r, n.In[0])
	replace(r, n.Out[0], n.In[0])
	r.For(l.n)
	name := layerName(l)
	w := add(r, name+"/weight.scaled", op, l.weight)
	b := l.bias
	if b != nil {
		b = add(r, name+"/bias.scaled", op, b)
	}
	l.set(r, w, b)
	r.Remove(n)
}

// pair replaces the layers a and b by one layer with the weights B A, if the cost model
// estimates that it costs less than both.
func (f linearFolder) pair(a, b linear) {
	r, o := f.r, f.o
	shape := append(ir.Shape{b.outs()}, a.weight.Type.Shape[1:]...)
	var op ir.Op = ops.Dense{Act: b.act}
	if a.isConv {
		c := a.conv
		c.Act = b.act
		c.Stride = ir.HW{a.conv.Stride[0] * b.conv.Stride[0], a.conv.Stride[1] * b.conv.Stride[1]}
		op = c
	}
	in := []ir.Type{a.n.In[0].Type, ir.Float(shape...)}
	if a.bias != nil || b.bias != nil {
		in = append(in, ir.Float(b.outs()))
	}
	cost, out, ok := o.price(op, in...)
	if !ok || !out.Equal(b.n.Out[0].Type) || cost >= o.priceNode(a.n)+o.priceNode(b.n) {
		return
	}
	r.For(b.n)
	mid, name := a.outs(), layerName(b)
	flat := reshape(r, b.weight, b.outs(), mid)
	w := r.Do(ops.MatMul{}, flat, reshape(r, a.weight, mid, a.weight.Type.Shape.Size()/mid))
	if a.isConv {
		w = add(r, name+"/weight.linear", ops.Reshape{Shape: ir.DimsOf(shape)}, w)
	}
	bias := b.bias
	if a.bias != nil {
		bias = reshape(r, r.Do(ops.MatMul{}, flat, reshape(r, a.bias, mid, 1)), b.outs())
		if b.bias != nil {
			bias = add(r, name+"/bias.linear", ops.Add{}, bias, b.bias)
		}
	}
	vals := []*ir.Value{a.n.In[0], w}
	if bias != nil {
		vals = append(vals, bias)
	}
	y := add(r, b.n.Out[0].Name+"/linear", op, vals...)
	succeed(r, b.n.Out[0], y)
	r.Remove(a.n, b.n)
}
