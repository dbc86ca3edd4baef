// Package autodiff turns the graph of a network into a graph of a training step: it adds
// loss, gradients and optimizer as ordinary nodes, so that the same passes, plan and
// kernels serve training and inference.
//
// [Gradients] is reverse accumulation (Linnainmaa 1976; Griewank 2008, section
// 3.2): every op builds its own gradient as graph ([ir.Differ]), and a value that
// is read several times sums what comes back. [Train] puts it to work: training
// forms of batch norm and dropout, cross-entropy on the logits, heads by weight,
// and where a recipe's optimizer is given, the updates.
package autodiff

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Gradients adds to a graph the gradients of a scalar with respect to some of
// its values and returns them; a value that does not lead to the scalar has none.
// New nodes take position and part of the node that they differentiate, and are
// named by it. Only nodes between the values and the scalar are differentiated;
// a gradient of an operand that is not asked for may remain for Sweep to remove.
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
		for j, g := range d.Grad(b, n, dy) {
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
