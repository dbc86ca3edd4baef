package passes

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// FoldBN folds batch norms into weights. If possible it changes the weights of the layer
// before the batch norm. Otherwise it changes those of the convolutions after it, which
// must not have padding, because a padding zero is not normalized. Otherwise it replaces
// the batch norm by a product and a sum.
//
// With s = gamma / sqrt(variance + eps) and t = beta - mean * s, batch norm is x*s + t
// for each channel. So the layer before it gets the weights w*s and the bias b*s + t.
var FoldBN = Pass{
	Name:      "fold-bn",
	Doc:       "folds batch norms into the weights before or after them, or replaces them by a scale and a shift",
	Ref:       "Ioffe 2015, section 3.1 and algorithm 2; Jacob 2018, section 3.2",
	Contract:  Rounding,
	Inference: true,
	After: []Constraint{
		{"drop-dropout", "a dropout between a convolution and a batch norm would prevent the folding"},
		{"stack-3x3", "a redesign copies the layer's batch norm, which fold-bn would remove"},
		{"factorize", "a redesign copies the layer's batch norm, which fold-bn would remove"},
	},
	Run: func(r *ir.Rewriter, o Options) error {
		f := &bnFolder{r: r, st: statics{}, eps: map[float64][]*ir.Value{}}
		for _, n := range r.Nodes() {
			if op, ok := n.Op.(ops.BatchNorm); ok && f.static(n) {
				f.fold(n, op)
			}
		}
		return nil
	},
}

type bnFolder struct {
	r   *ir.Rewriter
	st  statics
	eps map[float64][]*ir.Value
	// path lists the values that before visited.
	path []*ir.Value
}

// static reports whether the batch norm's params are static and x is not. If x is static
// too, const-fold evaluates the whole batch norm.
func (f *bnFolder) static(n *ir.Node) bool {
	for _, v := range n.In[1:] {
		if !f.st.has(v) {
			return false
		}
	}
	return !f.st.has(n.In[0])
}

// affine is x*scale + shift for each channel.
type affine struct{ scale, shift *ir.Value }

func (f *bnFolder) fold(n *ir.Node, op ops.BatchNorm) {
	r, x := f.r, n.In[0]
	r.For(n)
	f.path = f.path[:0]
	if pieces, ok := f.before(x, 0); ok {
		forget(r, f.path...)
		// x has one reader, so it is not an output, and replace cannot return false.
		replace(r, n.Out[0], x)
		r.Remove(n)
		a := f.affine(n, op)
		for _, p := range pieces {
			f.absorb(p, a)
		}
		return
	}
	if ls, ok := f.behind(n); ok {
		forget(r, n.Out[0])
		replace(r, n.Out[0], x)
		r.Remove(n)
		a := f.affine(n, op)
		for _, l := range ls {
			f.absorbBefore(l, a)
		}
		return
	}
	a := f.affine(n, op)
	rank := len(x.Type.Shape)
	y := add(r, n.Out[0].Name+"/scaled", ops.Mul{}, x, alongAxis(r, a.scale, rank, 1))
	y = add(r, n.Out[0].Name+"/shifted", ops.Add{}, y, alongAxis(r, a.shift, rank, 1))
	succeed(r, n.Out[0], y)
	r.Remove(n)
}

// affine adds the nodes that compute s and t.
func (f *bnFolder) affine(n *ir.Node, op ops.BatchNorm) affine {
	r := f.r
	gamma, beta, mean, variance := n.In[1], n.In[2], n.In[3], n.In[4]
	sum := append([]*ir.Value{variance}, f.epsilon(op.Eps)...)
	s := r.Do(ops.Div{}, gamma, r.Do(ops.Sqrt{}, r.Do(ops.Add{}, sum...)))
	t := r.Do(ops.Sub{}, beta, r.Do(ops.Mul{}, mean, s))
	return affine{s, t}
}

// epsilon returns one or two constants whose sum is x. Constants are float32. If x, such as
// 1e-3, is not exact in float32, the second constant is the rounding error, which matters
// for a variance near 0.
func (f *bnFolder) epsilon(x float64) []*ir.Value {
	if f.eps[x] == nil {
		f.eps[x] = []*ir.Value{f.r.Fill("bn_eps", x, 1)}
		if rest := x - float64(float32(x)); rest != 0 {
			f.eps[x] = append(f.eps[x], f.r.Fill("bn_eps_rest", rest, 1))
		}
	}
	return f.eps[x]
}

// piece is a range of output channels of a layer. They are the channels of the batch norm
// from at on.
type piece struct {
	l      linear
	lo, hi int // channels lo..hi-1 of the layer
	at     int // first channel of the batch norm
}

// before returns the layers that compute x, if all of them can absorb an affine map of
// x's channels. The first channel of x is channel at of the batch norm. Every value
// between the layers and the batch norm must have a single reader.
func (f *bnFolder) before(x *ir.Value, at int) ([]piece, bool) {
	r := f.r
	if soleUser(r, x) == nil || x.Def == nil {
		return nil, false
	}
	f.path = append(f.path, x)
	if l, ok := asLinear(x.Def); ok {
		if l.act != ops.ActNone || !l.static(f.st) {
			return nil, false
		}
		return []piece{{l, 0, l.outs(), at}}, true
	}
	switch op := x.Def.Op.(type) {
	case ops.Concat:
		if op.Axis != 1 {
			return nil, false
		}
		var ps []piece
		for _, v := range x.Def.In {
			p, ok := f.before(v, at)
			if !ok {
				return nil, false
			}
			ps = append(ps, p...)
			at += v.Type.Shape[1]
		}
		return ps, true
	case ops.Slice:
		return f.beforeCut(x.Def, at)
	case ops.AvgPool, ops.GlobalAvgPool:
		if keepsMeans(op) {
			return f.before(x.Def.In[0], at)
		}
	}
	return nil, false
}

// beforeCut is before for a slice of a layer's channels. No other reader of the layer may
// read these channels.
func (f *bnFolder) beforeCut(cut *ir.Node, at int) ([]piece, bool) {
	src := cut.In[0]
	own, ok := cut.Op.(ops.Slice)
	l, is := asLinear(src.Def)
	if !ok || own.Axis != 1 || !is || l.act != ops.ActNone || !l.static(f.st) || f.r.IsRoot(src) {
		return nil, false
	}
	for _, u := range f.r.Users(src) {
		s, ok := u.Op.(ops.Slice)
		if !ok || s.Axis != 1 || (u != cut && s.Start < own.Stop && own.Start < s.Stop) {
			return nil, false
		}
	}
	f.path = append(f.path, src)
	return []piece{{l, own.Start, own.Stop, at}}, true
}

// absorb multiplies the filters and the bias of a piece by the scale, and adds the shift to
// the bias.
func (f *bnFolder) absorb(p piece, a affine) {
	r := f.r
	// Look at the node again: absorbing another piece of the same layer has changed it.
	l, _ := asLinear(p.l.n)
	r.For(l.n)
	n := p.hi - p.lo
	s, t := cutVector(r, a.scale, p.at, p.at+n), cutVector(r, a.shift, p.at, p.at+n)
	// The layer's other channels are multiplied by 1 and get the shift 0.
	s, t = f.widen(s, p, 1), f.widen(t, p, 0)
	name := layerName(l)
	w := add(r, name+"/weight.bn", ops.Mul{}, l.weight, alongAxis(r, s, len(l.weight.Type.Shape), 0))
	b := t
	if l.bias != nil {
		b = add(r, name+"/bias.bn", ops.Add{}, r.Do(ops.Mul{}, l.bias, s), t)
	} else if t.Param == nil {
		t.Name = r.Fresh(name + "/bias.bn")
	}
	l.set(r, w, b)
}

func cutVector(r *ir.Rewriter, v *ir.Value, lo, hi int) *ir.Value {
	if lo == 0 && hi == v.Type.Shape[0] {
		return v
	}
	return r.Do(ops.Slice{Axis: 0, Start: lo, Stop: hi}, v)
}

func (f *bnFolder) widen(v *ir.Value, p piece, x float64) *ir.Value {
	var parts []*ir.Value
	if p.lo > 0 {
		parts = append(parts, f.r.Fill(layerName(p.l)+"/fill", x, p.lo))
	}
	parts = append(parts, v)
	if rest := p.l.outs() - p.hi; rest > 0 {
		parts = append(parts, f.r.Fill(layerName(p.l)+"/fill", x, rest))
	}
	if len(parts) == 1 {
		return v
	}
	return f.r.Do(ops.Concat{Axis: 0}, parts...)
}

// behind returns the layers that read a batch norm, if all of its readers are layers that
// can absorb an affine map of their input channels.
func (f *bnFolder) behind(n *ir.Node) ([]linear, bool) {
	y := n.Out[0]
	if f.r.IsRoot(y) {
		return nil, false
	}
	var ls []linear
	for _, u := range f.r.Users(y) {
		l, ok := asLinear(u)
		if !ok || u.In[0] != y || !l.static(f.st) {
			return nil, false
		}
		if l.isConv && (l.conv.Groups != 1 || l.conv.Pad != ir.Pads{}) {
			return nil, false
		}
		ls = append(ls, l)
	}
	return ls, len(ls) > 0
}

// absorbBefore folds an affine map of the layer's input into the layer: it multiplies the
// weights of each input channel by its scale, and adds the weighted sum of the shifts to
// the bias.
func (f *bnFolder) absorbBefore(l linear, a affine) {
	r := f.r
	r.For(l.n)
	rank := len(l.weight.Type.Shape)
	name := layerName(l)
	axes := ir.IntsOf(1)
	if rank == 4 {
		axes = ir.IntsOf(1, 2, 3)
	}
	b := r.Do(ops.Reduce{Kind: ops.ReduceSum, Axes: axes}, r.Do(ops.Mul{}, l.weight, alongAxis(r, a.shift, rank, 1)))
	if l.bias != nil {
		b = add(r, name+"/bias.bn", ops.Add{}, l.bias, b)
	}
	w := add(r, name+"/weight.bn", ops.Mul{}, l.weight, alongAxis(r, a.scale, rank, 1))
	l.set(r, w, b)
}
