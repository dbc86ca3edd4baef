package ir

import (
	"fmt"
	"slices"
)

// Rewriter changes a graph: it adds nodes in any order, replaces values by others
// and removes nodes. Finish restores the topological order and verifies the graph.
type Rewriter struct {
	*Builder
	users   map[*Value][]*Node // readers of each value; nil until Users is called, then kept up to date
	gone    map[*Node]bool     // removed nodes that are still in the graph's list
	Changed int                // number of rewrites, for the pass's report
}

// Rewrite returns a rewriter of g for the named pass.
func Rewrite(g *Graph, pass string) *Rewriter {
	r := &Rewriter{Builder: Extend(g)}
	r.By = pass
	r.sink = func(n *Node) { g.Nodes = append(g.Nodes, n); r.reads(n) }
	return r
}

// For gives new nodes the position and the part of an existing node n. The names that
// Do gives begin with the name of n's first output.
func (r *Rewriter) For(n *Node) *Rewriter {
	r.Pos, r.Part = n.Pos, n.Part
	if len(n.Out) > 0 {
		r.Prefix = n.Out[0].Name + "/"
	}
	return r
}

// Users returns the nodes that read v, each once.
func (r *Rewriter) Users(v *Value) []*Node {
	if r.users == nil {
		r.flush()
		r.users = r.g.Users()
	}
	return r.users[v]
}

// IsRoot reports whether v is an output, the value of a head, or the value of an
// update.
func (r *Rewriter) IsRoot(v *Value) bool { return slices.Contains(r.g.Roots(), v) }

// IsPart reports whether v is the result of a labelled part of the spec.
func (r *Rewriter) IsPart(v *Value) bool {
	return slices.ContainsFunc(r.g.Parts, func(p Part) bool { return p.Out == v })
}

// Replace makes everything that refers to old refer to new: nodes, outputs, heads,
// updates and parts. The types must be equal; otherwise Finish returns an error.
// Users know roots and parts by name. So if old is one of these and new, the result
// of a node, is not, the two values exchange their names.
func (r *Rewriter) Replace(old, new *Value) {
	if old == new {
		return
	}
	if !old.Type.Equal(new.Type) {
		r.Fail(fmt.Errorf("pass %s: cannot replace %s (%v) by %s (%v)", r.By, old.Name, old.Type, new.Name, new.Type))
		return
	}
	if (r.IsRoot(old) || r.IsPart(old)) && !r.IsRoot(new) && !r.IsPart(new) && new.Def != nil {
		old.Name, new.Name = new.Name, old.Name
	}
	readers := r.Users(old)
	delete(r.users, old)
	for _, n := range readers {
		if !slices.Contains(n.In, new) {
			r.users[new] = append(r.users[new], n)
		}
		for i, v := range n.In {
			if v == old {
				n.In[i] = new
			}
		}
	}
	for i, v := range r.g.Outputs {
		if v == old {
			r.g.Outputs[i] = new
		}
	}
	for i, h := range r.g.Heads {
		if h.Value == old {
			r.g.Heads[i].Value = new
		}
	}
	for i, u := range r.g.Updates {
		if u.Value == old {
			r.g.Updates[i].Value = new
		}
	}
	for i, p := range r.g.Parts {
		if p.Out == old {
			r.g.Parts[i].Out = new
		}
	}
	r.Changed++
}

// Remove removes nodes from the graph. Nothing may read their results any more when
// Finish is called. Graph().Nodes still holds the nodes until the next call of Nodes,
// Sweep or Finish: deleting them from the list one by one would take time that is
// quadratic in its length.
func (r *Rewriter) Remove(ns ...*Node) {
	if r.gone == nil {
		r.gone = map[*Node]bool{}
	}
	for _, n := range ns {
		r.gone[n] = true
		r.forgets(n)
	}
	r.Changed++
}

// Nodes returns a copy of the list of nodes, in order, without the removed ones.
func (r *Rewriter) Nodes() []*Node {
	r.flush()
	return slices.Clone(r.g.Nodes)
}

func (r *Rewriter) flush() {
	if len(r.gone) > 0 {
		r.g.Nodes = slices.DeleteFunc(r.g.Nodes, func(n *Node) bool { return r.gone[n] })
		r.gone = nil
	}
}

// SetOp gives a node another op, whose results must have the same types. It sets the
// node's By to the pass.
func (r *Rewriter) SetOp(n *Node, op Op) {
	n.Op, n.By = op, r.By
	r.Changed++
}

// SetIn gives a node other operands. It sets the node's By to the pass.
func (r *Rewriter) SetIn(n *Node, in ...*Value) {
	r.forgets(n)
	n.In, n.By = slices.Clone(in), r.By
	r.reads(n)
	r.Changed++
}

// reads and forgets keep users up to date. reads says that n now reads its operands;
// forgets says that it no longer does.
func (r *Rewriter) reads(n *Node) {
	if r.users == nil {
		return
	}
	for _, v := range n.In {
		if v != nil {
			r.users[v] = addReader(r.users[v], n)
		}
	}
}

func (r *Rewriter) forgets(n *Node) {
	if r.users == nil {
		return
	}
	for _, v := range n.In {
		r.users[v] = slices.DeleteFunc(r.users[v], func(u *Node) bool { return u == n })
	}
}

// Sweep removes the nodes and params that no root needs, and the parts whose value is
// removed. It keeps inputs. It returns the number of nodes and params removed.
func (r *Rewriter) Sweep() int {
	r.flush()
	g := r.g
	live := map[*Value]bool{}
	var mark func(v *Value)
	stack := g.Roots()
	mark = func(v *Value) {
		if v != nil && !live[v] {
			live[v] = true
			stack = append(stack, v)
		}
	}
	for _, v := range stack {
		live[v] = true
	}
	for _, u := range g.Updates {
		mark(u.Param)
	}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if v.Def != nil {
			for _, o := range v.Def.Out {
				live[o] = true
			}
			for _, i := range v.Def.In {
				mark(i)
			}
		}
	}
	before := len(g.Nodes) + len(g.Params)
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *Node) bool { return !live[n.Out[0]] })
	g.Params = slices.DeleteFunc(g.Params, func(v *Value) bool {
		if !live[v] {
			delete(g.Data, v.Name)
		}
		return !live[v]
	})
	g.Parts = slices.DeleteFunc(g.Parts, func(p Part) bool { return !live[p.Out] })
	r.users = nil
	gone := before - len(g.Nodes) - len(g.Params)
	r.Changed += gone
	return gone
}

// Finish sorts the nodes topologically, in the order of the spec where that is
// possible, and verifies the graph. It returns the first error of the rewrites if
// there was one.
func (r *Rewriter) Finish() error {
	r.flush()
	if r.err != nil {
		return r.err
	}
	if err := Sort(r.g); err != nil {
		return err
	}
	return Verify(r.g)
}

// Sort puts the nodes into topological order. Each node is preceded by the nodes that
// it needs; otherwise the old order remains. An error wraps ErrGraph.
func Sort(g *Graph) error {
	at := make(map[*Node]int, len(g.Nodes))
	for i, n := range g.Nodes {
		at[n] = i
	}
	done := make([]uint8, len(g.Nodes)) // 1 entered, 2 placed
	out := make([]*Node, 0, len(g.Nodes))
	type frame struct{ i, next int }
	for i := range g.Nodes {
		if done[i] != 0 {
			continue
		}
		stack := []frame{{i, 0}}
		done[i] = 1
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			n := g.Nodes[f.i]
			if f.next == len(n.In) {
				done[f.i] = 2
				out = append(out, n)
				stack = stack[:len(stack)-1]
				continue
			}
			v := n.In[f.next]
			f.next++
			if v == nil || v.Def == nil {
				continue
			}
			j, ok := at[v.Def]
			if !ok {
				return fmt.Errorf("%w: %s reads %s, whose node is not in the graph", ErrGraph, n.Out[0].Name, v.Name)
			}
			switch done[j] {
			case 0:
				done[j] = 1
				stack = append(stack, frame{j, 0})
			case 1:
				return fmt.Errorf("%w: %s depends on itself", ErrGraph, v.Name)
			}
		}
	}
	g.Nodes = out
	return nil
}
