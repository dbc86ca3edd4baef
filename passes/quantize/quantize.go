// Package quantize makes a network that computes on integers of eight bits of a trained one, without
// training it again (post-training quantization: Jacob 2018; Nagel 2021, A White Paper on Neural
// Network Quantization). [Points] lists the values that are to be quantized; who has observed their
// ranges on some images calls [Apply], which adds quantize ops (ir/ops.Quantize) to the graph.
//
// The graph must have been optimized: with its batch norms folded and with all weights.
//
// Weights have a scale for each output channel and no zero point, activations one scale and a zero
// point, which is 0 behind a ReLU. The inputs of a concat share one scale, so that joining them
// moves bytes alone.
package quantize

import (
	"fmt"
	"math"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// Range is what the elements of a value lie in; elements outside are limited.
type Range struct{ Low, High float64 }

// Layers lists the convolutions and dense layers that can be quantized, in order.
func Layers(g *ir.Graph) []*ir.Node {
	var l []*ir.Node
	for _, n := range g.Nodes {
		if isLayer(n) {
			l = append(l, n)
		}
	}
	return l
}

// isLayer reports whether a node is a convolution without groups, a depthwise one of integers
// (Depthwise), or a dense layer, whose weight is a param.
func isLayer(n *ir.Node) bool {
	switch op := n.Op.(type) {
	case ops.Conv:
		if op.Groups != 1 && !Depthwise(n) {
			return false
		}
	case ops.Dense:
	default:
		return false
	}
	return len(n.In) > 1 && n.In[0].Param == nil && n.In[1].Param != nil && (len(n.In) < 3 || n.In[2].Param != nil)
}

// Depthwise reports whether a node is a convolution in which every channel has a filter of its own, of
// a size that executors have on integers: three or five columns without dilation, and strides of 1 or 2.
func Depthwise(n *ir.Node) bool {
	op, ok := n.Op.(ops.Conv)
	if !ok || op.Groups < 2 || len(n.In) < 2 || len(n.In[0].Type.Shape) != 4 {
		return false
	}
	w := n.In[1].Type.Shape
	return op.Groups == n.In[0].Type.Shape[1] && op.Groups == w[0] && (w[3] == 3 || w[3] == 5) && op.Dilation[1] == 1 && op.Stride[1] <= 2
}

// Point is a value that is to be quantized, and the group of values that share its scale.
type Point struct {
	Value *ir.Value
	Group int
}

// Points returns the values that become bytes if the layers become integer ones: what the layers
// read, and what it is computed from by pools, joins and sums. The order is that of the graph.
func Points(g *ir.Graph, layers []*ir.Node) []Point {
	need := map[*ir.Value]bool{}
	for _, n := range layers {
		need[n.In[0]] = true
	}
	parent := map[*ir.Value]*ir.Value{}
	var root func(v *ir.Value) *ir.Value
	root = func(v *ir.Value) *ir.Value {
		if p := parent[v]; p != nil {
			r := root(p)
			parent[v] = r
			return r
		}
		return v
	}
	share := func(a, b *ir.Value) {
		if a, b = root(a), root(b); a != b {
			parent[a] = b
		}
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		n := g.Nodes[i]
		if !need[n.Out[0]] {
			continue
		}
		switch op := n.Op.(type) {
		case ops.MaxPool, ops.Flatten, ops.Dropout:
			need[n.In[0]] = true
			share(n.In[0], n.Out[0])
		case ops.Concat:
			if op.Axis != 1 || slices.ContainsFunc(n.In, func(v *ir.Value) bool { return v.Param != nil }) {
				continue
			}
			for _, v := range n.In {
				need[v] = true
				share(v, n.Out[0])
			}
		case ops.ReLU:
			if add := n.In[0].Def; add != nil {
				needSum(add, need)
			}
		case ops.Add:
			needSum(n, need)
		}
	}
	var l []Point
	groups := map[*ir.Value]int{}
	g.EachValue(func(v *ir.Value) {
		if !need[v] {
			return
		}
		r := root(v)
		if _, ok := groups[r]; !ok {
			groups[r] = len(groups)
		}
		l = append(l, Point{v, groups[r]})
	})
	return l
}

// needSum asks for the operands of a sum of two maps.
func needSum(n *ir.Node, need map[*ir.Value]bool) {
	if _, ok := n.Op.(ops.Add); !ok || len(n.In) != 2 {
		return
	}
	a, b := n.In[0], n.In[1]
	if a.Param == nil && b.Param == nil && a.Type.Equal(b.Type) {
		need[a], need[b] = true, true
	}
}

// Options say how weights are rounded. The zero value is to the nearest.
type Options struct {
	// Moments are those of what layers read, by the names of their outputs. A layer without any is
	// rounded to the nearest.
	Moments map[string]*Moments
	Round   bool // choose the rounding of each weight by the moments (GPTQ, Frantar 2023)
	Bias    bool // subtract from each bias the mean of the error that rounding causes (Nagel 2019, section 4.2)
	// Scales are scales of weights, one for each output channel, by the names of the outputs of
	// layers. Others have the largest weight of the channel as 127.
	Scales map[string][]float32
}

// Apply quantizes layers of a graph. ranges has the range of each group of points. It changes the
// graph, whose weights it rounds.
func Apply(g *ir.Graph, layers []*ir.Node, points []Point, ranges []Range, opt Options) error {
	r := ir.Rewrite(g, "quantize")
	for _, p := range points {
		if p.Group >= len(ranges) {
			return fmt.Errorf("no range of %s is known", p.Value.Name)
		}
		q, err := gridFor(ranges[p.Group])
		if err != nil {
			return fmt.Errorf("%s: %w", p.Value.Name, err)
		}
		if p.Value.Def != nil {
			switch p.Value.Def.Op.(type) {
			case ops.Flatten, ops.Dropout:
				continue // the numbers of its input, in the same order
			}
			r.For(p.Value.Def)
		}
		readers := slices.Clone(r.Users(p.Value))
		n, err := r.Add(p.Value.Name+"/quantize", q, p.Value)
		if err != nil {
			return err
		}
		for _, m := range readers {
			in := slices.Clone(m.In)
			for i, v := range in {
				if v == p.Value {
					in[i] = n.Out[0]
				}
			}
			r.SetIn(m, in...)
		}
	}
	for _, n := range layers {
		if err := weight(r, g, n, opt); err != nil {
			return err
		}
	}
	return r.Finish()
}

// gridFor returns the quantize for a range: 0 is one of its numbers, exactly.
func gridFor(x Range) (ops.Quantize, error) {
	low, high := math.Min(x.Low, 0), math.Max(x.High, 0)
	if !(high-low > 0) {
		high = low + 1 // all zeros: any scale will do
	}
	scale := float64(float32((high - low) / 255))
	if math.IsInf(scale, 0) || math.IsNaN(scale) || scale == 0 {
		return ops.Quantize{}, fmt.Errorf("its elements lie in %g..%g, which has no scale", x.Low, x.High)
	}
	return ops.Quantize{Scale: scale, Zero: int(min(max(math.RoundToEven(-low/scale), 0), 255))}, nil
}

// weight rounds the weight of a layer to a scale for each output channel, and puts a quantize behind
// it.
func weight(r *ir.Rewriter, g *ir.Graph, n *ir.Node, opt Options) error {
	v := n.In[1]
	x := g.Data[v.Name]
	if x == nil {
		return fmt.Errorf("weight %s has no values", v.Name)
	}
	if users := r.Users(v); len(users) > 1 {
		return nil // it stays as it is: another layer reads it, too
	}
	rows := x.Shape[0]
	row := len(x.Data) / rows
	scales := tensor.Make[float32]([]int{rows})
	pairs, given := pairingOf(n), opt.Scales[n.Out[0].Name]
	for o := range rows {
		w := x.Data[o*row : (o+1)*row]
		most := float32(0)
		for _, w := range w {
			most = max(most, w, -w)
		}
		s := float32(0)
		if len(given) == rows && given[o] > 0 {
			s = max(given[o], biasScale(g, n, o))
		} else {
			s = pairs.scale(w, max(most/maxWhole, biasScale(g, n, o)))
		}
		if s == 0 {
			s = 1
		}
		scales.Data[o] = s
	}
	y := rounded(x, scales.Data, n, opt)
	if opt.Bias {
		correctBias(r, g, n, x, y, opt.Moments[n.Out[0].Name])
	}
	g.Data[v.Name] = y
	r.For(n)
	s := r.Const(v.Name+"/scale", scales)
	q, err := r.Add(v.Name+"/quantize", ops.Quantize{Scale: 1, Signed: true}, v, s)
	if err != nil {
		return err
	}
	r.SetIn(n, append([]*ir.Value{n.In[0], q.Out[0]}, n.In[2:]...)...)
	return nil
}

// rounded returns weights that are whole multiples of the scales of their rows.
func rounded(x *tensor.F32, scales []float32, n *ir.Node, opt Options) *tensor.F32 {
	y := tensor.Make[float32](x.Shape)
	row, pairs := len(x.Data)/len(scales), pairingOf(n)
	var whole []float64
	if m := opt.Moments[n.Out[0].Name]; opt.Round && m != nil && m.fits(x) {
		whole = m.round(x.Data, scales, pairs)
	} else {
		for o, s := range scales {
			whole = append(whole, pairs.whole(x.Data[o*row:(o+1)*row], s)...)
		}
	}
	for i, q := range whole {
		y.Data[i] = float32(q) * scales[i/row]
	}
	return y
}

// correctBias adds to a bias what the rounding of the weights x to y takes off the layer's mean
// output.
func correctBias(r *ir.Rewriter, g *ir.Graph, n *ir.Node, x, y *tensor.F32, m *Moments) {
	if m == nil || len(n.In) < 3 || !m.fits(x) || len(r.Users(n.In[2])) > 1 || g.Data[n.In[2].Name] == nil {
		return
	}
	mean := m.Mean()
	b := cloned(g.Data[n.In[2].Name])
	for o := range b.Data {
		from, size := m.row(o)
		lost := 0.0
		for k, v := range mean[from:][:size] {
			lost += v * (float64(x.Data[o*size+k]) - float64(y.Data[o*size+k]))
		}
		b.Data[o] += float32(lost)
	}
	g.Data[n.In[2].Name] = b
}

// biasScale is the least scale of the weights of output channel o with which the bias is below
// 2^30 steps of the products. Sums of products are below 2^30 as well, so those of both have 32 bits.
func biasScale(g *ir.Graph, n *ir.Node, o int) float32 {
	x, ok := ops.Grid(n.In[0])
	if !ok || len(n.In) < 3 || n.In[2].Param == nil || g.Data[n.In[2].Name] == nil {
		return 0
	}
	b := math.Abs(float64(g.Data[n.In[2].Name].Data[o]))
	return float32(b / (x.Scale * (1 << 30)))
}
