package compress

import (
	"fmt"
	"math"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// Reader is a layer that reads the output channels of another layer.
type Reader struct {
	// Value is what it reads, before a dropout.
	Value *ir.Value
	// The first channel begins at the element At of axis 1, each has so many.
	At, Each int
	node     *ir.Node
}

// spread says where the channels of a layer's output go.
type spread struct {
	readers []Reader
	norms   []*ir.Node // batch norms on the way
	starts  []int      // where the channels begin in each of norms
}

// follow finds what reads the output channels of a layer. ok is false if an op that mixes channels
// or an output of the network does.
func (l *Layer) follow() (s spread, ok bool) {
	users := l.g.Users()
	roots := map[*ir.Value]bool{}
	for _, v := range l.g.Roots() {
		roots[v] = true
	}
	var visit func(v, shown *ir.Value, at, each int) bool
	visit = func(v, shown *ir.Value, at, each int) bool {
		if roots[v] || len(users[v]) == 0 {
			return false
		}
		for _, n := range users[v] {
			if slices.Index(n.In, v) != lastIndex(n.In, v) {
				return false
			}
			next, at, each := n.Out[0], at, each
			switch op := n.Op.(type) {
			case ops.Conv:
				if n.In[0] != v || op.Groups != 1 || !l.own(n.In[1], users) {
					return false
				}
				s.readers = append(s.readers, Reader{shown, at, each, n})
				continue
			case ops.Dense:
				if n.In[0] != v || !l.own(n.In[1], users) {
					return false
				}
				s.readers = append(s.readers, Reader{shown, at, each, n})
				continue
			case ops.BatchNorm:
				if n.In[0] != v || each != 1 {
					return false
				}
				for _, p := range n.In[1:] {
					if !l.own(p, users) {
						return false
					}
				}
				s.norms, s.starts = append(s.norms, n), append(s.starts, at)
			case ops.Dropout:
				next = shown
			case ops.MaxPool, ops.AvgPool, ops.GlobalAvgPool:
			case ops.Flatten:
				if len(v.Type.Shape) == 4 {
					size := v.Type.Shape[2] * v.Type.Shape[3]
					at, each = at*size, each*size
				}
			case ops.Concat:
				if op.Axis != 1 {
					return false
				}
				for _, x := range n.In[:slices.Index(n.In, v)] {
					at += x.Type.Shape[1]
				}
			default:
				if ops.ActOf(n.Op) == ops.ActNone {
					return false
				}
			}
			if !visit(n.Out[0], next, at, each) {
				return false
			}
		}
		return true
	}
	return s, visit(l.node.Out[0], l.node.Out[0], 0, 1)
}

// own reports whether a value is a param with elements that one node alone reads.
func (l *Layer) own(v *ir.Value, users map[*ir.Value][]*ir.Node) bool {
	return v.Param != nil && l.g.Data[v.Name] != nil && len(users[v]) == 1
}

func lastIndex(list []*ir.Value, v *ir.Value) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == v {
			return i
		}
	}
	return -1
}

// Readers returns what reads the output channels of the layer, nil if they cannot be removed.
func (l *Layer) Readers() []Reader {
	if s, ok := l.follow(); ok && (len(l.node.In) < 3 || l.own(l.node.In[2], l.g.Users())) {
		return s.readers
	}
	return nil
}

// Scores returns for each output channel of the layer how much its readers get from it: the root of
// the sum, over the readers, of its mean square times the square of the norm of the weights that
// multiply it. squares has, for each reader, the mean square of each element of axis 1 of its Value. A
// channel that is always 0, or that all readers ignore, has score 0.
func (l *Layer) Scores(readers []Reader, squares [][]float64) []float64 {
	scores := make([]float64, l.outs())
	for i, r := range readers {
		w := l.g.Data[r.node.In[1].Name]
		ins := w.Shape[1]
		k := len(w.Data) / (w.Shape[0] * ins)
		norm := make([]float64, ins)
		for j, x := range w.Data {
			norm[j/k%ins] += float64(x) * float64(x)
		}
		for j := range scores {
			for e := range r.Each {
				at := r.At + j*r.Each + e
				scores[j] += squares[i][at] * norm[at]
			}
		}
	}
	for j, s := range scores {
		scores[j] = math.Sqrt(s)
	}
	return scores
}

// Prunings lists the numbers of channels that could stay: multiples of block, and those that matter
// at all if these are fewer.
func (l *Layer) Prunings(scores []float64, readers []Reader, block int) []Option {
	order := slices.Clone(scores)
	slices.Sort(order)
	slices.Reverse(order)
	total, alive := 0.0, 0
	for _, s := range order {
		total += s * s
		if s > 1e-6*order[0] {
			alive++
		}
	}
	kept := ranks(l.outs(), block)
	if alive > 0 && alive < l.outs() && !slices.Contains(kept, alive) {
		kept = append(kept, alive)
	}
	var list []Option
	for _, n := range kept {
		rest := 0.0
		for _, s := range order[n:] {
			rest += s * s
		}
		e := 0.0
		if total > 0 {
			e = math.Sqrt(rest / total)
		}
		list = append(list, Option{Change{l.Name, Prune, [2]int{n}}, e, l.prunedMACs(readers, n)})
	}
	return frontier(list)
}

// prunedMACs returns the multiply-accumulates of the layer and its readers with n channels.
func (l *Layer) prunedMACs(readers []Reader, n int) int64 {
	macs := l.MACs() / int64(l.outs()) * int64(n)
	for _, r := range readers {
		w := r.node.In[1].Type.Shape
		places := int64(1)
		if len(w) == 4 {
			places = int64(r.node.Out[0].Type.Bind(1).Shape.Size() / w[0])
		}
		macs += places * int64(w.Size()/w[1]*(w[1]-(l.outs()-n)*r.Each))
	}
	return macs
}

// Parts returns what pruning makes faster, each as a graph of its own: the layer and its readers,
// with n channels of the layer. The weights have no elements.
func (l *Layer) Parts(readers []Reader, n int) ([]*ir.Graph, error) {
	first, err := alone(l.node, n, l.ins())
	parts := []*ir.Graph{first}
	for _, r := range readers {
		if err != nil {
			break
		}
		w := r.node.In[1].Type.Shape
		var p *ir.Graph
		p, err = alone(r.node, w[0], w[1]-(l.outs()-n)*r.Each)
		parts = append(parts, p)
	}
	return parts, err
}

// Alone returns the layer as a graph of its own, in which it has the same name.
func (l *Layer) Alone() (*ir.Graph, error) {
	g, err := alone(l.node, l.outs(), l.ins())
	if err == nil {
		g.Data[g.Params[0].Name] = l.weight
	}
	return g, err
}

// alone builds a graph of one node, with other numbers of outputs and inputs.
func alone(n *ir.Node, outs, ins int) (*ir.Graph, error) {
	b := ir.NewBuilder("layer")
	in, w := n.In[0].Type, append(ir.Shape{}, n.In[1].Type.Shape...)
	in.Shape = append(ir.Shape{}, in.Shape...)
	in.Shape[1], w[0], w[1] = ins, outs, ins
	args := []*ir.Value{b.Input("x", in), b.Param("w", w, ir.Param{Init: ir.Init{Kind: ir.InitHe}})}
	if len(n.In) > 2 {
		args = append(args, b.Param("b", ir.Shape{outs}, ir.Param{Init: ir.Init{Kind: ir.InitConstant}}))
	}
	y, err := b.Add(n.Out[0].Name, n.Op, args...)
	if err != nil {
		return nil, err
	}
	b.Graph().Outputs = y.Out
	return b.Graph(), nil
}

// cut says which elements of one axis of a param go.
type cut struct {
	v    *ir.Value
	axis int
}

// prune removes the channels with the least scores from a graph.
func prune(g *ir.Graph, changes []Change, scores map[string][]float64) error {
	gone := map[cut]map[int]bool{}
	var order []cut
	remove := func(v *ir.Value, axis, from, n int) {
		c := cut{v, axis}
		if gone[c] == nil {
			gone[c] = map[int]bool{}
			order = append(order, c)
		}
		for i := range n {
			gone[c][from+i] = true
		}
	}
	layers := map[string]*Layer{}
	for _, l := range Layers(g) {
		layers[l.Name] = l
	}
	for _, c := range changes {
		if c.Method != Prune {
			continue
		}
		l := layers[c.Layer]
		if l == nil || l.Readers() == nil || c.Rank[0] < 1 || c.Rank[0] > l.outs() || len(scores[c.Layer]) != l.outs() {
			return fmt.Errorf("%s: the channels cannot be removed", c)
		}
		s, _ := l.follow()
		for _, j := range least(scores[c.Layer], l.outs()-c.Rank[0]) {
			for _, v := range l.node.In[1:] {
				remove(v, 0, j, 1)
			}
			for i, n := range s.norms {
				for _, v := range n.In[1:] {
					remove(v, 0, s.starts[i]+j, 1)
				}
			}
			for _, r := range s.readers {
				remove(r.node.In[1], 1, r.At+j*r.Each, r.Each)
			}
		}
	}
	if len(order) == 0 {
		return nil
	}
	for _, c := range order {
		if len(gone[c]) == c.v.Type.Shape[c.axis] {
			return fmt.Errorf("%s would lose all channels", c.v.Name)
		}
		x := without(g.Data[c.v.Name], c.axis, gone[c])
		g.Data[c.v.Name], c.v.Type.Shape = x, append(ir.Shape{}, x.Shape...)
	}
	return infer(g)
}

// least returns the indices of the n least scores, in order. Of equal ones, the last go.
func least(scores []float64, n int) []int {
	index := make([]int, len(scores))
	for i := range index {
		index[i] = len(scores) - 1 - i
	}
	slices.SortStableFunc(index, func(a, b int) int {
		switch {
		case scores[a] < scores[b]:
			return -1
		case scores[a] > scores[b]:
			return 1
		}
		return 0
	})
	list := index[:n]
	slices.Sort(list)
	return list
}

// without returns a tensor without some elements of an axis.
func without(x *tensor.F32, axis int, gone map[int]bool) *tensor.F32 {
	shape := slices.Clone(x.Shape)
	shape[axis] -= len(gone)
	inner := 1
	for _, n := range x.Shape[axis+1:] {
		inner *= n
	}
	y := tensor.Make[float32](shape)
	at := 0
	for i := range len(x.Data) / inner {
		if !gone[i%x.Shape[axis]] {
			at += copy(y.Data[at:], x.Data[i*inner:(i+1)*inner])
		}
	}
	return y
}

// infer sets the types of all values again, after those of params have changed.
func infer(g *ir.Graph) error {
	for _, n := range g.Nodes {
		in := make([]ir.Type, len(n.In))
		for i, v := range n.In {
			in[i] = v.Type
		}
		out, err := n.Op.Infer(in)
		if err != nil {
			return fmt.Errorf("%s: %w", n.Out[0].Name, err)
		}
		for i, t := range out {
			n.Out[i].Type = t
		}
	}
	return ir.Verify(g)
}
