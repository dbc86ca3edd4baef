// Package autodiff turns the graph of a network into a graph of a training step: it adds
// loss, gradients and optimizer as ordinary nodes, so that the same passes, plan and
// kernels serve training and inference.
//
// [Gradients] computes gradients by reverse accumulation (Linnainmaa 1976; Griewank 2008,
// section 3.2). Every op adds the nodes of its own gradient ([ir.Differ]). The gradient of a
// value with several readers is the sum of what they contribute. [Train] builds the whole
// step: it replaces batch norm and dropout by their training forms, adds the cross-entropy
// of the logits and the weighted losses of the heads, the gradients, and the updates by an
// optimizer.
package autodiff

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Gradients adds nodes that compute the gradients of a scalar with respect to the values in
// of, and returns these gradients. A value that does not lead to the scalar has no entry.
// New nodes get the position, the part and a name from the node that they differentiate.
// Only nodes between the values and the scalar are differentiated. Some new nodes may
// compute gradients that nothing needs; Sweep removes them. Gradients returns an error if
// loss is not a scalar, or if an op on the way has no gradient.
func Gradients(b *ir.Builder, loss *ir.Value, of []*ir.Value) (map[*ir.Value]*ir.Value, error) {
	if len(loss.Type.Shape) != 0 || loss.Type.DType != ir.F32 {
		return nil, fmt.Errorf("the gradient of %s cannot be taken: it is %v, not a scalar", loss.Name, loss.Type)
	}
	nodes := append([]*ir.Node(nil), b.Graph().Nodes...)
	active := map[*ir.Value]bool{}
	for _, v := range of {
		active[v] = true
	}
	for _, n := range nodes {
		for _, v := range n.In {
			if active[v] {
				for _, o := range n.Out {
					active[o] = true
				}
				break
			}
		}
	}
	if !active[loss] {
		return map[*ir.Value]*ir.Value{}, nil
	}
	pos, part, prefix := b.Pos, b.Part, b.Prefix
	defer func() { b.Pos, b.Part, b.Prefix = pos, part, prefix }()

	terms := map[*ir.Value][]*ir.Value{loss: {b.Fill(loss.Name+".grad", 1)}}
	grads := map[*ir.Value]*ir.Value{}
	sum := func(v *ir.Value) *ir.Value {
		if g, ok := grads[v]; ok {
			return g
		}
		var g *ir.Value
		switch t := terms[v]; len(t) {
		case 0:
		case 1:
			g = t[0]
		default:
			g = b.Do(ops.Add{}, t...)
		}
		grads[v] = g
		return g
	}
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		if !active[n.Out[0]] {
			continue
		}
		b.Pos, b.Part, b.Prefix = n.Pos, n.Part, n.Out[0].Name+"/"
		dy := make([]*ir.Value, len(n.Out))
		reached := false
		for j, o := range n.Out {
			dy[j] = sum(o)
			reached = reached || dy[j] != nil
		}
		if !reached {
			continue
		}
		d, ok := n.Op.(ir.Differ)
		if !ok {
			return nil, fmt.Errorf("%s: %s has no gradient", n.Out[0].Name, ir.Name(n.Op))
		}
		grad := d.Grad
		if isFixedNorm(n, active) {
			grad = fixedNormGrad
		}
		for j, g := range grad(b, n, dy) {
			if v := n.In[j]; g != nil && active[v] {
				terms[v] = append(terms[v], g)
			}
		}
		if err := b.Err(); err != nil {
			return nil, fmt.Errorf("gradient of %s (%s): %w", n.Out[0].Name, ir.Name(n.Op), err)
		}
	}
	r := map[*ir.Value]*ir.Value{}
	for _, v := range of {
		b.Prefix = v.Name + "/"
		if g := sum(v); g != nil {
			r[v] = g
		}
	}
	return r, b.Err()
}

// isFixedNorm reports whether a node is a batch norm of which only x is differentiated:
// one that keeps its weights and statistics.
func isFixedNorm(n *ir.Node, active map[*ir.Value]bool) bool {
	_, ok := n.Op.(ops.BatchNorm)
	return ok && !slices.ContainsFunc(n.In[1:], func(v *ir.Value) bool { return active[v] })
}

// fixedNormGrad is the gradient dy * gamma / sqrt(variance + eps) of such a batch norm:
// the batch norm of dy with beta and mean 0.
func fixedNormGrad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	zero := b.Fill(n.Out[0].Name+"/zero", 0, n.In[1].Type.Shape...)
	return []*ir.Value{b.Do(n.Op, dy[0], n.In[1], zero, zero, n.In[4]), nil, nil, nil, nil}
}
