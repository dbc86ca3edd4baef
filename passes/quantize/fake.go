package quantize

import (
	"fmt"
	"math"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// StepSuffix follows the name of a weight in the name of the param that holds its steps, one for each
// output channel, and that of a value in the name of the param with its step.
const StepSuffix = "/step"

// Trained lists the convolutions without groups and the dense layers that a training with quantized layers quantizes:
// those that lead to the output, but for the first and the last, whose weights no other layer reads.
func Trained(g *ir.Graph) []*ir.Node {
	leads := map[*ir.Value]bool{}
	for _, v := range g.Outputs {
		leads[v] = true
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		n := g.Nodes[i]
		if slices.ContainsFunc(n.Out, func(v *ir.Value) bool { return leads[v] }) {
			for _, v := range n.In {
				leads[v] = true
			}
		}
	}
	users := g.Users()
	l := slices.DeleteFunc(Layers(g), func(n *ir.Node) bool { return !leads[n.Out[0]] || Depthwise(n) })
	if len(l) < 3 {
		return nil
	}
	return slices.DeleteFunc(l[1:len(l)-1], func(n *ir.Node) bool { return len(users[n.In[1]]) > 1 })
}

// Fake readies a network, whose batch norms are not folded, for a training with quantized layers: it
// puts a fake_quantize behind the points, with a step for each group that is a weight of its own, and
// adds a param with the steps of each layer's weight, which no op reads (Weights rounds by them). The
// weights of layers must have values.
func Fake(g *ir.Graph, layers []*ir.Node, points []Point, ranges []Range) error {
	r := ir.Rewrite(g, "quantize")
	steps := map[int]*ir.Value{}
	rounded := slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return onGrid(p, points) })
	for _, p := range rounded {
		if p.Group >= len(ranges) {
			return fmt.Errorf("no range of %s is known", p.Value.Name)
		}
		signed, step := stepFor(ranges[p.Group])
		if steps[p.Group] == nil {
			v := r.Param(p.Value.Name+StepSuffix, ir.Shape{1}, ir.Param{Kind: ir.Weight, Init: ir.Init{Kind: ir.InitConstant, A: 1}, LR: 1})
			g.Data[v.Name] = tensor.Of([]float32{step}, 1)
			steps[p.Group] = v
		}
		if err := fakeBehind(r, p.Value, steps[p.Group], signed); err != nil {
			return err
		}
	}
	for _, n := range layers {
		w, err := NewWeights(g, n)
		if err != nil {
			return err
		}
		v := r.Param(w.Name+StepSuffix, ir.Shape{w.Rows}, ir.Param{Kind: ir.State, Init: ir.Init{Kind: ir.InitConstant, A: 1}, LR: 1})
		g.Data[v.Name] = tensor.Of(w.Steps(g.Data[w.Name].Data), w.Rows)
	}
	return r.Finish()
}

// onGrid reports whether the elements of a point are taken from other points of its group as they are.
func onGrid(p Point, points []Point) bool {
	n := p.Value.Def
	if n == nil {
		return false
	}
	switch n.Op.(type) {
	case ops.Flatten, ops.Dropout, ops.MaxPool, ops.Concat:
		return !slices.ContainsFunc(n.In, func(v *ir.Value) bool { return !slices.Contains(points, Point{v, p.Group}) })
	}
	return false
}

// fakeBehind lets all readers of a value read its fake_quantize.
func fakeBehind(r *ir.Rewriter, v, step *ir.Value, signed bool) error {
	if v.Def != nil {
		r.For(v.Def)
	}
	readers := slices.Clone(r.Users(v))
	factor := 1 / math.Sqrt(float64(v.Type.Shape.Size())*255)
	n, err := r.Add(v.Name+"/fake_quantize", ops.FakeQuantize{Signed: signed, Factor: factor}, v, step)
	if err != nil {
		return err
	}
	for _, m := range readers {
		in := slices.Clone(m.In)
		for i, x := range in {
			if x == v {
				in[i] = n.Out[0]
			}
		}
		r.SetIn(m, in...)
	}
	return nil
}

// stepFor is the step of a range, and whether its numbers are signed.
func stepFor(x Range) (signed bool, step float32) {
	if x.Low >= 0 {
		step = float32(x.High / 255)
	} else {
		signed, step = true, float32(math.Max(-x.Low/128, x.High/127))
	}
	if !(step > 0) || math.IsInf(float64(step), 0) {
		step = 1
	}
	return signed, step
}

// RangeOf is the range that a step of a fake_quantize stands for.
func RangeOf(q ops.FakeQuantize, step float32) Range {
	low, high := q.Limits()
	s := float64(max(step, ops.MinStep))
	return Range{Low: float64(low) * s, High: float64(high) * s}
}

// Weights rounds the weight of a layer while it is trained.
type Weights struct {
	Name  string // of the weight
	Rows  int    // output channels
	pairs pairing
}

// NewWeights returns the rounding of the weight of a layer.
func NewWeights(g *ir.Graph, n *ir.Node) (Weights, error) {
	v := n.In[1]
	if g.Data[v.Name] == nil {
		return Weights{}, fmt.Errorf("weight %s has no values", v.Name)
	}
	return Weights{Name: v.Name, Rows: v.Type.Shape[0], pairs: pairingOf(n)}, nil
}

// Steps returns steps for weights, by their squared error.
func (w Weights) Steps(x []float32) []float32 {
	row := len(x) / w.Rows
	l := make([]float32, w.Rows)
	for o := range l {
		most := float32(0)
		for _, v := range x[o*row : (o+1)*row] {
			most = max(most, v, -v)
		}
		if l[o] = w.pairs.scale(x[o*row:(o+1)*row], most/maxWhole); l[o] == 0 {
			l[o] = 1
		}
	}
	return l
}

// Round writes to y what x is with steps.
func (w Weights) Round(y, x, steps []float32) {
	row := len(x) / w.Rows
	for o, s := range steps {
		for i, q := range w.pairs.whole(x[o*row:(o+1)*row], s) {
			y[o*row+i] = float32(q) * s
		}
	}
}

// Step does the part of a training step that rounding leaves to do: x are the weights, rounded those
// that the step computed with, and after what the optimizer made of these. What the optimizer added goes
// to the weights that are not beyond the limits (the straight-through estimator, Bengio 2013); the
// steps move by its product with their derivative (LSQ, Esser 2020, equation 3), times
// 1/sqrt(127 * weights of a channel). With SGD this is the gradient descent of the paper.
func (w Weights) Step(x, steps, rounded, after []float32) {
	row := len(x) / w.Rows
	factor := 1 / math.Sqrt(float64(row)*maxWhole)
	for o, s := range steps {
		moved := 0.0
		for i := o * row; i < (o+1)*row; i++ {
			d := after[i] - rounded[i]
			v, q := float64(x[i]/s), float64(rounded[i]/s)
			if math.Abs(math.RoundToEven(v)) > maxWhole {
				moved += float64(d) * math.Copysign(maxWhole, v)
				continue
			}
			moved += float64(d) * (q - v)
			x[i] += d
		}
		change := min(max(moved*factor, -0.1*float64(s)), 0.1*float64(s))
		steps[o] = float32(float64(s) + change)
	}
}
