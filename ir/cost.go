package ir

import (
	"math"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// Layer is one node in a Summary.
type Layer struct {
	Name   string
	Op     string // as the flat form prints it, cut where it is long
	Out    Type   // of the first output
	Params int64  // elements of the trained weights that this node is the first to read
	States int64  // elements of the state (running statistics of batch norm) that this node is the first to read
	Cost   Cost   // for one image
	Bytes  int64  // of all outputs, for one image
	RF     HW     // receptive field, in pixels of the input
	Jump   HW     // distance between the centres of the receptive fields of neighbouring elements, in pixels of the input
	Part   string
	Head   bool // only heads need this node
	Pos    diag.Pos
}

// Summary is the cost of a graph, for one image.
type Summary struct {
	Layers      []Layer
	Params      int64 // elements of the trained weights, without those that only heads read
	HeadParams  int64
	States      int64 // elements of running statistics and other state, without heads
	HeadStates  int64
	MACs        int64
	HeadMACs    int64
	Activations int64 // bytes of all values computed, without heads
	RF          HW    // of the last map that still has a height and a width, before global pooling
}

// Summarize computes parameters, multiply-accumulates, activation bytes and
// receptive fields.
//
// Height and width of a receptive field are separate numbers; one number would be
// wrong for 1x7 and 7x1 kernels. Along a path, each node does
// rf += (kernel-1)*dilation*jump and then jump *= stride; a layer that makes maps larger
// divides the jump. Where paths join, the maximum counts. After flattening, the field is the whole image.
func Summarize(g *Graph) Summary {
	main := mainValues(g)
	fields := map[*Value]field{}
	for _, v := range g.Inputs {
		fields[v] = field{[2]float64{1, 1}, [2]float64{1, 1}}
	}
	counted := map[*Value]bool{}
	var s Summary
	for _, n := range g.Nodes {
		r := Layer{Name: n.Out[0].Name, Op: shortened(FormatOp(n.Op)), Out: n.Out[0].Type, Part: n.Part, Pos: n.Pos, Head: true}
		for _, v := range n.Out {
			r.Head = r.Head && !main[v]
			r.Bytes += v.Type.Bytes()
		}
		r.count(n, counted)
		f := fieldOf(g, n, fields)
		r.RF, r.Jump = whole(f.rf), whole(f.jump)
		for _, v := range n.Out {
			fields[v] = f
		}
		if sh := n.Out[0].Type.Shape; !r.Head && len(sh) == 4 && (sh[2] > 1 || sh[3] > 1) {
			s.RF = r.RF
		}
		if r.Head {
			s.HeadParams += r.Params
			s.HeadStates += r.States
			s.HeadMACs += r.Cost.MACs
		} else {
			s.Params += r.Params
			s.States += r.States
			s.MACs += r.Cost.MACs
			s.Activations += r.Bytes
		}
		s.Layers = append(s.Layers, r)
	}
	return s
}

// mainValues returns the values on which the outputs depend. What else there is belongs to
// auxiliary heads.
func mainValues(g *Graph) map[*Value]bool {
	main := map[*Value]bool{}
	stack := append([]*Value(nil), g.Outputs...)
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if main[v] {
			continue
		}
		main[v] = true
		if v.Def != nil {
			stack = append(stack, v.Def.In...)
		}
	}
	return main
}

// count adds the params that n is the first to read, and the cost of n.
func (r *Layer) count(n *Node, counted map[*Value]bool) {
	for _, v := range n.In {
		if v.Param == nil || counted[v] {
			continue
		}
		counted[v] = true
		switch v.Param.Kind {
		case Weight:
			r.Params += int64(v.Type.Shape.Size())
		case State:
			r.States += int64(v.Type.Shape.Size())
		}
	}
	if c, ok := n.Op.(Coster); ok {
		r.Cost = c.Cost(bound(n.In), bound(n.Out))
	}
}

// bound returns types of values for one image.
func bound(values []*Value) []Type {
	types := make([]Type, len(values))
	for i, v := range values {
		types[i] = v.Type.Bind(1)
	}
	return types
}

// field is the receptive field of a value, and the distance in the image between the fields
// of two neighbours, which is less than 1 where a map is larger than the image.
type field struct{ rf, jump [2]float64 }

// whole returns pixels, rounded up.
func whole(f [2]float64) HW {
	const rounding = 1e-9
	return HW{int(math.Ceil(f[0] - rounding)), int(math.Ceil(f[1] - rounding))}
}

// fieldOf returns the receptive field of the outputs of n.
func fieldOf(g *Graph, n *Node, fields map[*Value]field) (f field) {
	for _, v := range n.In {
		if x, ok := fields[v]; ok {
			for a := range 2 {
				f.rf[a] = max(f.rf[a], x.rf[a])
				f.jump[a] = max(f.jump[a], x.jump[a])
			}
		}
	}
	if w, ok := n.Op.(Windower); ok {
		k, st, d := w.Window(bound(n.In))
		for a := range 2 {
			f.rf[a] += float64((k[a]-1)*d[a]) * f.jump[a]
			f.jump[a] *= float64(st[a])
		}
	}
	if r, ok := n.Op.(Resizer); ok {
		taps, by := r.Resizes(bound(n.In), bound(n.Out))
		for a := range 2 {
			f.rf[a] += float64(taps[a]-1) * f.jump[a]
			f.jump[a] /= by[a]
		}
	}
	if len(n.In) > 0 && len(n.In[0].Type.Shape) == 4 && len(n.Out[0].Type.Shape) == 2 && len(g.Inputs) > 0 {
		// Flattened: every element of what follows depends on the whole image.
		if sh := g.Inputs[0].Type.Shape; len(sh) == 4 {
			f = field{rf: [2]float64{max(f.rf[0], float64(sh[2])), max(f.rf[1], float64(sh[3]))}}
		}
	}
	return f
}

// longestOp is the length, in bytes, at which the text of an op is cut in a Layer.
const longestOp = 160

// shortened cuts a long text, such as a program of package nodes.
func shortened(s string) string {
	if len(s) <= longestOp {
		return s
	}
	return strings.ToValidUTF8(s[:longestOp], "") + "…"
}
