package decompile

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// This file replaces constants, which a net does not have, by weights of layers. The results
// differ from those before by rounding.

// normEps is the epsilon of batch normalization that stands for a product or a sum. The
// variance is 1 - normEps, so that the root in the denominator is 1.
const normEps = 1e-5

// constants converts the nodes of a graph that have a constant operand to layers.
func constants(g *ir.Graph) error {
	r := ir.Rewrite(g, "decompile")
	groupNorms(r)
	made := map[*ir.Node]bool{} // the norms that constants became
	for _, n := range r.Nodes() {
		r.For(n)
		if foldConstant(r, n) || hardSwish(r, n) || matrix(r, n) || len(n.In) != 2 || n.In[0].Param != nil == (n.In[1].Param != nil) {
			continue
		}
		x, k := n.In[0], n.In[1]
		if x.Param != nil {
			x, k = k, x
		}
		if !n.Out[0].Type.Equal(x.Type) {
			continue
		}
		switch n.Op.(type) {
		case ops.Mul:
			if values := channelValues(g, k, x); values != nil {
				made[norm(r, n, x, values, nil)] = true
			}
		case ops.Add, ops.Sub:
			values := channelValues(g, k, x)
			if _, sub := n.Op.(ops.Sub); sub {
				if n.In[0] != x {
					continue
				}
				for i := range values {
					values[i] = -values[i]
				}
			}
			if values != nil && !addBias(r, n, x, values, made) {
				norm(r, n, x, nil, values)
			}
		}
	}
	vectors(r)
	r.Sweep()
	return r.Finish()
}

// channelValues returns the elements of a constant for each channel of x, whose first axis
// is the batch and whose second are the channels.
func channelValues(g *ir.Graph, k, x *ir.Value) []float64 {
	s := x.Type.Shape
	switch len(s) {
	case 2:
		return perChannel(g, k, s[1], true)
	case 4:
		return perChannel(g, k, s[1], false)
	}
	return nil
}

// foldConstant computes a node whose operands are all constant. It reports whether it did.
func foldConstant(r *ir.Rewriter, n *ir.Node) bool {
	g := r.Graph()
	if len(n.Out) != 1 || n.Out[0].Type.DType != ir.F32 || n.Out[0].Type.Shape.Symbolic() || len(n.In) == 0 {
		return false
	}
	var in []*tensor.Tensor
	size := 0
	for _, v := range n.In {
		if v.Param == nil {
			return false
		}
		d := elements(g, v)
		if d == nil {
			return false
		}
		in = append(in, tensor.Widen(d))
		size += v.Type.Shape.Size()
	}
	if n.Out[0].Type.Shape.Size() > 2*size {
		return false
	}
	out, err := n.Op.Eval(in)
	if err != nil {
		return false
	}
	p := r.Param(n.In[0].Name, n.Out[0].Type.Shape, *n.In[0].Param)
	g.Data[p.Name] = tensor.Round(out[0])
	r.Replace(n.Out[0], p)
	return true
}

// elements returns the elements of a weight, nil if they are not known.
func elements(g *ir.Graph, v *ir.Value) *tensor.F32 {
	d := g.Data[v.Name]
	if d == nil && v.Param.Init.Kind == ir.InitConstant {
		d = filled(v)
	}
	return d
}

// matrix replaces the product of vectors and a matrix of weights by a dense layer. It
// reports whether it did.
func matrix(r *ir.Rewriter, n *ir.Node) bool {
	op, ok := n.Op.(ops.MatMul)
	if !ok || op.TransA || n.In[0].Param != nil || n.In[1].Param == nil || len(n.In[0].Type.Shape) != 2 || len(n.In[1].Type.Shape) != 2 {
		return false
	}
	w := n.In[1]
	d := elements(r.Graph(), w)
	if d == nil {
		return false
	}
	if !op.TransB {
		s := w.Type.Shape
		t := make([]float32, len(d.Data))
		for i := range s[0] {
			for j := range s[1] {
				t[j*s[0]+i] = d.Data[i*s[1]+j]
			}
		}
		w = r.Param(w.Name, ir.Shape{s[1], s[0]}, *w.Param)
		r.Graph().Data[w.Name] = tensor.Of(t, s[1], s[0])
	}
	w.Param.Kind = ir.Weight
	r.Replace(n.Out[0], r.Do(ops.Dense{}, n.In[0], w))
	return true
}

// hardSwish recognizes clip(x + 3, 0, 6) / 6 and its product with x, as Keras writes them. It
// reports whether it replaced the node.
func hardSwish(r *ir.Rewriter, n *ir.Node) bool {
	switch op := n.Op.(type) {
	case ops.Scale:
		if math.Abs(op.By-1.0/6) > 1e-7 || n.In[0].Def == nil || n.In[0].Def.Op != ops.ActReLU6.Op() {
			return false
		}
		// By now the sum is a norm, or a bias of the layer before; then nothing is recognized.
		sum := n.In[0].Def.In[0].Def
		if sum == nil || ir.Name(sum.Op) != "batchnorm" {
			return false
		}
		for i, want := range []float32{1, 3, 0, 1 - normEps} {
			d := r.Graph().Data[sum.In[1+i].Name]
			if d == nil {
				return false
			}
			for _, x := range d.Data {
				if x != want {
					return false
				}
			}
		}
		r.Replace(n.Out[0], r.Do(ops.ActHardSigmoid.Op(), sum.In[0]))
		return true
	case ops.Mul:
		for i, v := range n.In {
			if v.Def != nil && v.Def.Op == ops.ActHardSigmoid.Op() && v.Def.In[0] == n.In[1-i] {
				r.Replace(n.Out[0], r.Do(ops.ActHardSwish.Op(), n.In[1-i]))
				return true
			}
		}
	}
	return false
}

// addBias adds values to what the layer before a node computes: to its beta if constants
// became that, else as its bias. It reports whether it did.
func addBias(r *ir.Rewriter, n *ir.Node, x *ir.Value, values []float64, made map[*ir.Node]bool) bool {
	d := x.Def
	if d == nil || len(r.Users(x)) != 1 || r.IsRoot(x) {
		return false
	}
	g := r.Graph()
	if made[d] {
		old := g.Data[d.In[2].Name].Data
		for i := range old {
			old[i] += float32(values[i])
		}
		r.Replace(n.Out[0], x)
		return true
	}
	switch d.Op.(type) {
	case ops.Conv, ops.Dense:
	default:
		return false
	}
	if len(d.In) != 2 || constantTo(values) {
		return false
	}
	b := weight(r, d.In[1].Name+"/bias", ir.Weight, float32s(values))
	r.Replace(n.Out[0], r.Do(d.Op, d.In[0], d.In[1], b))
	return true
}

// constantTo reports whether all values are 3: such a sum is a part of hardSwish.
func constantTo(values []float64) bool {
	for _, v := range values {
		if v != 3 {
			return false
		}
	}
	return true
}

func float32s(values []float64) []float32 {
	data := make([]float32, len(values))
	for i, v := range values {
		data[i] = float32(v)
	}
	return data
}

// weight adds a weight with one axis.
func weight(r *ir.Rewriter, name string, kind ir.Kind, data []float32) *ir.Value {
	v := r.Param(name, ir.Shape{len(data)}, ir.Param{Kind: kind, LR: 1})
	r.Graph().Data[v.Name] = tensor.Of(data, len(data))
	return v
}

// scaledNorm multiplies the gamma and beta of the batch normalization that computes x by
// values, as the pair of layers in Caffe means it. It returns nil if x is no such result.
func scaledNorm(r *ir.Rewriter, n *ir.Node, x *ir.Value, values []float64) *ir.Node {
	d := x.Def
	if d == nil || values == nil || len(r.Users(x)) != 1 || r.IsRoot(x) {
		return nil
	}
	op, ok := d.Op.(ops.BatchNorm)
	if !ok {
		return nil
	}
	in := []*ir.Value{d.In[0]}
	for _, v := range d.In[1:3] {
		old := elements(r.Graph(), v)
		if old == nil {
			return nil
		}
		data := make([]float32, len(values))
		for i := range data {
			data[i] = float32(float64(old.Data[i]) * values[i])
		}
		in = append(in, weight(r, v.Name, ir.Weight, data))
	}
	y := r.Do(op, append(in, d.In[3:]...)...)
	r.Replace(n.Out[0], y)
	return y.Def
}

// norm replaces a node by batch normalization of x with the given gamma and beta; nil stands
// for ones and zeros.
func norm(r *ir.Rewriter, n *ir.Node, x *ir.Value, gamma, beta []float64) *ir.Node {
	if y := scaledNorm(r, n, x, gamma); y != nil {
		return y
	}
	c := x.Type.Shape[1]
	fill := func(values []float64, v float32) []float32 {
		if values != nil {
			return float32s(values)
		}
		data := make([]float32, c)
		for i := range data {
			data[i] = v
		}
		return data
	}
	name := n.Out[0].Name + "/"
	y := r.Do(ops.BatchNorm{Eps: normEps, Momentum: 0.9}, x,
		weight(r, name+"gamma", ir.Weight, fill(gamma, 1)), weight(r, name+"beta", ir.Weight, fill(beta, 0)),
		weight(r, name+"mean", ir.State, fill(nil, 0)), weight(r, name+"variance", ir.State, fill(nil, 1-normEps)))
	r.Replace(n.Out[0], y)
	return y.Def
}
