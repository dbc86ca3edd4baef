// Package lower replaces layers that are operators of ONNX (ops.Node) by ops that executors
// compute quickly: a transposed convolution by a convolution and a shuffle of pixels, a resizing
// by products with matrices, a normalization by the formula that defines it.
//
// A network keeps these layers as long as people and other programs read it: in its text, in
// ONNX, in PyTorch. Executors lower them before they plan.
package lower

import (
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// Graph returns a graph that computes the same, up to rounding, without the layers that this
// package replaces. It returns g itself if it has none. What is too large or too general to be
// replaced stays. The copy shares the elements of weights with g.
func Graph(g *ir.Graph) (*ir.Graph, error) { return replace(g, false) }

// Training is Graph for a network that is going to be trained: all ops have gradients, and weights
// stay params. The weights of a transposed convolution are those of the convolution whose gradient
// it is.
func Training(g *ir.Graph) (*ir.Graph, error) { return replace(g, true) }

func replace(g *ir.Graph, train bool) (*ir.Graph, error) {
	if !slices.ContainsFunc(g.Nodes, func(n *ir.Node) bool { return rules[typeOf(n)] != nil }) {
		return g, nil
	}
	r := ir.Rewrite(g.Clone(), "lower")
	l := &lowering{Rewriter: r, train: train}
	for _, n := range r.Nodes() {
		rule := rules[typeOf(n)]
		if train && untrained[typeOf(n)] {
			continue
		}
		if rule == nil || n.Op.(ops.Node).Kinds != "" || len(n.Out) != 1 || len(n.In[0].Type.Shape) == 0 {
			continue
		}
		r.For(n)
		if y := rule(l, n, n.Op.(ops.Node)); y != nil {
			r.Replace(n.Out[0], y)
		}
		if err := r.Err(); err != nil {
			return nil, err
		}
	}
	r.Sweep()
	return r.Graph(), r.Finish()
}

// Has reports whether Graph may replace nodes of an operator.
func Has(op string) bool { return rules[op] != nil }

func typeOf(n *ir.Node) string {
	op, _ := n.Op.(ops.Node)
	return op.Type
}

// rule returns a value that equals the result of a node, nil if it cannot replace the node.
type rule func(l *lowering, n *ir.Node, op ops.Node) *ir.Value

var rules = map[string]rule{
	"ConvTranspose":         transposed,
	"Resize":                resize,
	"Pad":                   pad,
	"DepthToSpace":          depthToSpace,
	"InstanceNormalization": instanceNorm,
	"GroupNormalization":    groupNorm,
	"PRelu":                 prelu,
}

// untrained are the layers that no executor trains: their weights are stretched over the map, and a
// step of training has no kernel for the gradient of that. Training through them is an error.
var untrained = map[string]bool{"InstanceNormalization": true, "GroupNormalization": true, "PRelu": true}

type lowering struct {
	*ir.Rewriter
	train  bool
	mapped int // elements of the matrices so far
}

// fold returns a param with the elements of a value that depends on a param alone, if that has
// elements now; else it returns the value, which executors compute when they pack the weights.
func (l *lowering) fold(v, from *ir.Value, name string) *ir.Value {
	g := l.Graph()
	if l.train || from.Param == nil || g.Data[from.Name] == nil {
		return v
	}
	memo := map[*ir.Value]*tensor.Tensor{from: tensor.Widen(g.Data[from.Name])}
	var eval func(v *ir.Value) *tensor.Tensor
	eval = func(v *ir.Value) *tensor.Tensor {
		if t := memo[v]; t != nil {
			return t
		}
		var in []*tensor.Tensor
		for _, x := range v.Def.In {
			t := eval(x)
			if t == nil {
				return nil
			}
			in = append(in, t)
		}
		out, err := v.Def.Op.Eval(in)
		if err != nil {
			l.Fail(err)
			return nil
		}
		memo[v] = out[0]
		return out[0]
	}
	t := eval(v)
	if t == nil {
		return v
	}
	p := *from.Param
	w := l.Param(name, v.Type.Shape, p)
	g.Data[w.Name] = tensor.Round(t)
	return w
}

// reshape returns v with a shape.
func (l *lowering) reshape(v *ir.Value, s ...int) *ir.Value {
	if v.Type.Shape.Equal(s) {
		return v
	}
	return l.Do(ops.Reshape{Shape: ir.DimsOf(ir.Shape(s))}, v)
}

func (l *lowering) transpose(v *ir.Value, perm ...int) *ir.Value {
	return l.Do(ops.Transpose{Perm: ir.IntsOf(perm...)}, v)
}

// number returns a constant that broadcasts over a value with some axes.
func (l *lowering) number(x float64, rank int) *ir.Value {
	return l.Const(l.Prefix+"number", tensor.Of([]float32{float32(x)}, slices.Repeat([]int{1}, rank)...))
}
