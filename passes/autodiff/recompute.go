package autodiff

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Recompute selects the values that a step computes a second time, right before the
// gradients that read them, instead of keeping them. A higher level takes less memory
// and more time; the results are the same bits.
type Recompute int

// The levels of Recompute.
const (
	// KeepAll computes nothing twice.
	KeepAll Recompute = iota
	// Cheap recomputes what needs no multiply-accumulates and whose operands are kept
	// anyway: batch norm, the activations after it, pools, LRN, dropout.
	Cheap
	// Segments and the levels after it keep only the values that pass from one segment
	// of the network to the next, and recompute those within segments (Chen 2016,
	// section 4). Each level doubles the size of the segments.
	Segments
	// MostRecomputed is the last level.
	MostRecomputed = Segments + 4
)

func (r Recompute) String() string {
	switch r {
	case KeepAll:
		return "nothing"
	case Cheap:
		return "what is cheap"
	}
	return fmt.Sprintf("segments of size %d", r.size())
}

// size is the least ratio of the memory of a segment's values to the memory of the
// values that leave it.
func (r Recompute) size() int64 { return 1 << (r - Segments) }

// recompute changes a finished training graph so that its gradients read recomputed
// values. For each value that the level drops, the nodes outside of the forward pass
// read a copy instead. Copies of nodes compute it from values that are kept, right
// before its first reader. Only the forward pass updates running statistics. A dropout
// mask depends on its layer and the step only, so its copy is the same.
func (t *Training) recompute(level Recompute) error {
	if level <= KeepAll {
		return nil
	}
	g := t.Graph
	forward := t.ownPass()
	drop := cheap(g, forward)
	if level >= Segments {
		drop = inner(g, forward, level.size())
	}
	r := ir.Rewrite(g, "recompute")
	again := map[*ir.Node]*ir.Node{}
	var order []*ir.Node
	var copied func(v *ir.Value) *ir.Value
	copied = func(v *ir.Value) *ir.Value {
		if v == nil || !drop[v.Def] {
			return v
		}
		c := again[v.Def]
		if c == nil {
			n := v.Def
			c = &ir.Node{Op: n.Op, Pos: n.Pos, By: r.By, Part: n.Part}
			for _, x := range n.In {
				c.In = append(c.In, copied(x))
			}
			for i, o := range n.Out {
				c.Out = append(c.Out, &ir.Value{Name: r.Fresh(o.Name + "/again"), Type: o.Type, Def: c, Index: i})
			}
			again[n] = c
			order = append(order, c)
		}
		return c.Out[v.Index]
	}
	nodes, users := r.Nodes(), g.Users()
	for _, n := range nodes {
		if !forward[n] {
			for i, v := range n.In {
				n.In[i] = copied(v)
			}
			// Copies that the readers of this node's result need come before this node.
			// The plan can then fuse node and reader, such as a convolution's gradient
			// and the ReLU mask before it; fused sums have an order of their own.
			for _, o := range n.Out {
				for _, u := range users[o] {
					for _, v := range u.In {
						copied(v)
					}
				}
			}
		}
		order = append(order, n)
	}
	g.Nodes = order
	r.Sweep()
	return r.Finish()
}

// ownPass returns the nodes of the forward pass: those that lead to the loss.
func (t *Training) ownPass() map[*ir.Node]bool {
	forward := map[*ir.Node]bool{}
	stack := []*ir.Value{t.Loss, t.Logits}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if v == nil || v.Def == nil || forward[v.Def] {
			continue
		}
		forward[v.Def] = true
		stack = append(stack, v.Def.In...)
	}
	return forward
}

// cheap returns the nodes that level Cheap recomputes.
func cheap(g *ir.Graph, forward map[*ir.Node]bool) map[*ir.Node]bool {
	wanted := map[*ir.Value]bool{} // values that nodes outside of the forward pass read
	for _, n := range g.Nodes {
		if !forward[n] {
			for _, v := range n.In {
				wanted[v] = true
			}
		}
	}
	drop := map[*ir.Node]bool{}
	for _, n := range g.Nodes {
		if !forward[n] || isView(n.Op) {
			continue
		}
		if c, ok := n.Op.(ir.Coster); ok && c.Cost(types(n.In), types(n.Out)).MACs > 0 {
			continue
		}
		drop[n] = !slices.ContainsFunc(n.In, func(v *ir.Value) bool { return v.Def != nil && !wanted[v] && !drop[v.Def] })
	}
	return drop
}

// isView reports whether the plan computes an op by placing its operands in memory, side by
// side or with another shape. Recomputing such a value would not save memory.
func isView(op ir.Op) bool {
	switch op.(type) {
	case ops.Concat, ops.Flatten, ops.Reshape:
		return true
	}
	return false
}

// inner divides the forward pass into segments and returns the nodes within them, which are
// recomputed. A segment ends where its values take at least size times as many bytes as the
// values that later nodes read. The last segment is not recomputed, because the backward
// pass begins with it.
func inner(g *ir.Graph, forward map[*ir.Node]bool, size int64) map[*ir.Node]bool {
	var nodes []*ir.Node
	last := map[*ir.Value]int{} // index of the last reader
	for _, n := range g.Nodes {
		if !forward[n] {
			continue
		}
		for _, v := range n.In {
			last[v] = len(nodes)
		}
		nodes = append(nodes, n)
	}
	drop, kept := map[*ir.Node]bool{}, map[*ir.Node]bool{}
	var keep func(n *ir.Node)
	keep = func(n *ir.Node) {
		if kept[n] {
			return
		}
		kept[n] = true
		if isView(n.Op) {
			for _, v := range n.In {
				if v.Def != nil {
					keep(v.Def)
				}
			}
		}
	}
	for _, n := range nodes {
		// Vectors take very little memory. Besides, a dense layer and its gradient must read
		// the same vector, because their weights are packed for its layout.
		if len(n.Out[0].Type.Shape) != 4 {
			keep(n)
		}
	}
	var crossing []*ir.Value
	begin, sum := 0, int64(0)
	for i, n := range nodes {
		crossing = slices.DeleteFunc(crossing, func(v *ir.Value) bool { return last[v] <= i })
		for _, o := range n.Out {
			if last[o] > i {
				crossing = append(crossing, o)
			}
			if !isView(n.Op) {
				sum += bytesOf(o)
			}
		}
		across, maps := int64(0), 0
		for _, v := range crossing {
			across += bytesOf(v)
			if len(v.Type.Shape) == 4 {
				maps++
			}
		}
		// If later nodes read several maps, this is the middle of a module or a residual
		// block: do not end a segment here.
		if size*across > sum || maps > 1 || i+1 == len(nodes) || completes(nodes[i+1], n) {
			continue
		}
		for _, n := range nodes[begin : i+1] {
			drop[n] = true
		}
		for _, v := range crossing {
			keep(v.Def)
		}
		begin, sum = i+1, 0
	}
	for n := range kept {
		delete(drop, n)
	}
	return drop
}

// completes reports whether n is an activation or a batch norm of the node before it.
func completes(n, front *ir.Node) bool {
	switch n.Op.(type) {
	case ops.ReLU, ops.Sigmoid, ops.Tanh, ops.Clip, ops.SiLU, ops.HardSwish, ops.HardSigmoid, ops.GELU, ops.LeakyReLU, ops.BatchNormTrain, ops.BatchNorm:
		return n.In[0].Def == front
	}
	return false
}

// bytesOf returns the size of a value for one image in bytes, and 0 if the value has no
// batch axis.
func bytesOf(v *ir.Value) int64 {
	if !v.Type.Shape.Symbolic() {
		return 0
	}
	return 4 * int64(v.Type.Shape.Size())
}

func types(vs []*ir.Value) []ir.Type {
	t := make([]ir.Type, len(vs))
	for i, v := range vs {
		if v != nil {
			t[i] = v.Type
		}
	}
	return t
}
