package decompile

import (
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// normalize returns a copy of a graph in the ops that a net has: a split becomes slices, an
// activation inside of a convolution becomes an op of its own, and so on. The copy computes
// the same bits.
func normalize(g *ir.Graph) (*ir.Graph, error) {
	c := g.Clone()
	c.Parts, c.Updates = nil, nil
	r := ir.Rewrite(c, "decompile")
	for _, n := range r.Nodes() {
		r.For(n)
		if op := canonical(n); op != n.Op {
			r.SetOp(n, op)
		}
		switch op := n.Op.(type) {
		case ops.Concat:
			if axis := axisOf(op.Axis, len(n.Out[0].Type.Shape)); axis != op.Axis {
				r.SetOp(n, ops.Concat{Axis: axis})
			}
		case ops.Split:
			splitToSlices(r, n, op)
		case ops.Transpose:
			if t, ok := before(n); ok && undoes(op, t.Op) {
				r.Replace(n.Out[0], t.In[0])
			}
		case ops.Conv:
			if p, ok := before(n); ok && len(r.Users(n.In[0])) == 1 && !r.IsRoot(n.In[0]) {
				if pad, ok := p.Op.(ops.Pad); ok && pad.Value == 0 {
					op.Pad = op.Pad.Plus(pad.Pad)
					y := r.Do(op, append([]*ir.Value{p.In[0]}, n.In[1:]...)...)
					r.Replace(n.Out[0], y)
					n = y.Def
				}
			}
			if op.Act != ops.ActNone {
				act := op.Act
				op.Act = ops.ActNone
				activate(r, n, op, act)
			}
		case ops.Dense:
			if op.Act != ops.ActNone {
				activate(r, n, ops.Dense{}, op.Act)
			}
		case ops.Reshape:
			if s := n.Out[0].Type.Shape; len(s) == 2 && s[0] == ir.Batch && len(n.In[0].Type.Shape) > 1 && n.In[0].Type.Shape[0] == ir.Batch {
				r.SetOp(n, ops.Flatten{})
			}
		case ops.Reduce:
			reduceToLayer(r, n, op)
		case ops.BatchNorm:
			if !(op.Momentum >= 0 && op.Momentum < 1) {
				op.Momentum = 0.9 // only training has a use for it, and none for this one
				r.SetOp(n, op)
			}
		case ops.AvgPool:
			if op == (ops.AvgPool{Kernel: ir.HW{1, 1}, Stride: ir.HW{1, 1}, IncludePad: op.IncludePad}) {
				r.Replace(n.Out[0], n.In[0]) // an adaptive pool of a map that has the size already
			}
		case ops.MaxPool:
			if op.Ceil {
				r.SetOp(n, openCeil(op, n.In[0].Type.Shape, n.Out[0].Type.Shape))
			}
		}
	}
	nestConcats(r)
	r.Sweep()
	return c, r.Finish()
}

// unshare gives each layer weights of its own: a net cannot say that layers share one. It
// returns how many weights are copies now.
func unshare(g *ir.Graph) int {
	b := ir.Extend(g)
	used := map[*ir.Value]bool{}
	copies := 0
	for _, n := range g.Nodes {
		for i, v := range n.In {
			if v.Param == nil {
				continue
			}
			if used[v] {
				w := b.Param(v.Name, v.Type.Shape, *v.Param)
				if d := g.Data[v.Name]; d != nil {
					g.Data[w.Name] = d
				}
				n.In[i] = w
				copies++
			}
			used[v] = true
		}
	}
	return copies
}

// before returns the node that computes the first operand of a node.
func before(n *ir.Node) (*ir.Node, bool) { return n.In[0].Def, n.In[0].Def != nil }

// undoes reports whether a transposition after another op gives back the operand of that.
func undoes(t ops.Transpose, other ir.Op) bool {
	o, ok := other.(ops.Transpose)
	if !ok {
		return false
	}
	a, errA := o.Perm.List()
	b, errB := t.Perm.List()
	if errA != nil || errB != nil || len(a) != len(b) {
		return false
	}
	for i := range b {
		if b[i] < 0 || b[i] >= len(a) || a[b[i]] != i {
			return false
		}
	}
	return true
}

// splitToSlices replaces a split by a slice for each of its results.
func splitToSlices(r *ir.Rewriter, n *ir.Node, op ops.Split) {
	start := 0
	for _, v := range n.Out {
		size := v.Type.Shape[axisOf(op.Axis, len(v.Type.Shape))]
		r.Replace(v, r.Do(ops.Slice{Axis: op.Axis, Start: start, Stop: start + size}, n.In[0]))
		start += size
	}
}

func axisOf(axis, rank int) int {
	if axis < 0 {
		return axis + rank
	}
	return axis
}

// activate makes the activation of a node an op of its own. op is the node's op without it.
func activate(r *ir.Rewriter, n *ir.Node, op ir.Op, act ops.Act) {
	y := r.Do(op, n.In...)
	r.Replace(n.Out[0], r.Do(act.Op(), y))
}

// reduceToLayer replaces a reduction by maxout or gap, where it is one.
func reduceToLayer(r *ir.Rewriter, n *ir.Node, op ops.Reduce) {
	x := n.In[0]
	if op.Kind == ops.ReduceMean && op.Axes == "2,3" && len(x.Type.Shape) == 4 {
		y := r.Do(ops.GlobalAvgPool{}, x)
		if !op.Keep {
			y = r.Do(ops.Flatten{}, y)
		}
		r.Replace(n.Out[0], y)
		return
	}
	if x.Def == nil || op.Kind != ops.ReduceMax || op.Axes != "2" || op.Keep {
		return
	}
	if _, ok := x.Def.Op.(ops.Reshape); !ok {
		return
	}
	before, s := x.Def.In[0].Type.Shape, x.Type.Shape
	if len(s) != len(before)+1 || len(s) < 3 || s[0] != before[0] || s[1]*s[2] != before[1] || !slices.Equal(s[3:], before[2:]) {
		return
	}
	r.Replace(n.Out[0], r.Do(ops.Maxout{Pieces: s[2]}, x.Def.In[0]))
}

// openCeil returns a max pool without ceil that computes the same: the rows and columns
// that ceil adds are padding.
func openCeil(op ops.MaxPool, in, out ir.Shape) ops.MaxPool {
	p := op
	p.Ceil = false
	for a := range 2 {
		need := (out[2+a]-1)*op.Stride[a] + op.Kernel[a] - in[2+a] - op.Pad[a]
		p.Pad[2+a] = max(op.Pad[2+a], need)
	}
	if p.Pad[2] >= p.Kernel[0] || p.Pad[3] >= p.Kernel[1] {
		return op
	}
	if t, err := p.Infer([]ir.Type{ir.Float(in...)}); err != nil || !t[0].Shape.Equal(out) {
		return op
	}
	return p
}

// nestConcats makes a concat whose first operands are those of another concat read the
// result of that one. In a DenseNet each layer joins the results of all layers before it.
func nestConcats(r *ir.Rewriter) {
	byFirst := map[*ir.Value][]*ir.Node{}
	for _, n := range r.Nodes() {
		op, ok := n.Op.(ops.Concat)
		if !ok {
			continue
		}
		in := n.In
		best := (*ir.Node)(nil)
		list := byFirst[in[0]]
		for i := len(list) - 1; i >= max(0, len(list)-maxConcats); i-- {
			p := list[i]
			if p.Op == n.Op && len(p.In) < len(in) && (best == nil || len(p.In) > len(best.In)) && slices.Equal(p.In, in[:len(p.In)]) {
				best = p
			}
		}
		byFirst[in[0]] = append(list, &ir.Node{Op: op, In: slices.Clone(in), Out: n.Out})
		if best != nil {
			r.SetIn(n, append([]*ir.Value{best.Out[0]}, in[len(best.In):]...)...)
		}
	}
}

// maxConcats is how many concats with the same first operand are compared with another one.
const maxConcats = 256
