package quantize

import (
	"math"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// reading is a layer that reads a value as some of its input channels, from the first one on.
type reading struct {
	layer *ir.Node
	first int
}

// Equalize gives the channels of activations ranges that are more alike, so that one scale serves
// them better: it divides the filter and the bias of a channel by a factor and multiplies what the next
// layers do with the channel by it (cross-layer equalization: Nagel 2019, section 4.1). The network
// computes the same, but for rounding. Weights have a scale for each filter here, so it is the ranges of the activations
// that are balanced against the weights that read them, as in SmoothQuant (Xiao 2022, section 4):
// the factor is sqrt(a/w) for the largest activation a and the largest weight w of a channel. most
// returns these activations of a layer's output; nil for none. The factors lie between 1/8 and 8.
// Equalize returns the number of layers whose outputs it changed.
func Equalize(g *ir.Graph, layers []*ir.Node, most func(v *ir.Value) []float32) int {
	users, changed := g.Users(), 0
	outputs := map[*ir.Value]bool{}
	for _, v := range g.Roots() {
		outputs[v] = true
	}
	for _, n := range layers {
		v := n.Out[0]
		reach := most(v)
		if reach == nil || !homogeneous(n) || len(users[n.In[1]]) > 1 || len(n.In) > 2 && len(users[n.In[2]]) > 1 {
			continue
		}
		readers, ok := readersOf(v, 0, users, outputs)
		if !ok || len(readers) == 0 {
			continue
		}
		factors := make([]float32, len(reach))
		for c, a := range reach {
			factors[c] = factor(a, largest(g, readers, c))
		}
		scaleOutputs(g, n, factors)
		for _, r := range readers {
			scaleInputs(g, r, factors)
		}
		changed++
	}
	return changed
}

// homogeneous reports whether the output of a layer is multiplied by what its filter and bias are.
func homogeneous(n *ir.Node) bool {
	act := ops.ActNone
	switch op := n.Op.(type) {
	case ops.Conv:
		act = op.Act
	case ops.Dense:
		act = op.Act
	}
	return act == ops.ActNone || act == ops.ActReLU
}

// readersOf lists the layers that read a value, also by way of pools and joins; false if anything else
// does.
func readersOf(v *ir.Value, first int, users map[*ir.Value][]*ir.Node, outputs map[*ir.Value]bool) ([]reading, bool) {
	if outputs[v] {
		return nil, false
	}
	var l []reading
	for _, n := range users[v] {
		at := first
		switch op := n.Op.(type) {
		case ops.Conv, ops.Dense:
			if !isLayer(n) || Depthwise(n) || n.In[0] != v || len(users[n.In[1]]) > 1 {
				return nil, false
			}
			l = append(l, reading{n, first})
			continue
		case ops.MaxPool, ops.AvgPool, ops.GlobalAvgPool, ops.Dropout, ops.ReLU:
		case ops.Flatten:
			if s := v.Type.Shape; len(s) != 4 || s[2]*s[3] != 1 {
				return nil, false
			}
		case ops.Concat:
			i := slices.Index(n.In, v)
			if op.Axis != 1 || slices.Contains(n.In[i+1:], v) {
				return nil, false
			}
			for _, x := range n.In[:i] {
				at += x.Type.Shape[1]
			}
		default:
			return nil, false
		}
		more, ok := readersOf(n.Out[0], at, users, outputs)
		if !ok {
			return nil, false
		}
		l = append(l, more...)
	}
	return l, true
}

// factor balances a channel's largest activation a and the largest weight w that reads it.
func factor(a, w float32) float32 {
	if !(a > 0) || !(w > 0) {
		return 1
	}
	return float32(min(max(math.Sqrt(float64(a/w)), 1.0/8), 8))
}

// column calls do with the weights by which a layer reads one of its input channels.
func column(g *ir.Graph, r reading, channel int, do func(w []float32)) {
	x := g.Data[r.layer.In[1].Name]
	inputs := x.Shape[1]
	inner := len(x.Data) / (x.Shape[0] * inputs)
	for o := range x.Shape[0] {
		do(x.Data[(o*inputs+r.first+channel)*inner:][:inner])
	}
}

// largest is the largest absolute value of the weights that read a channel.
func largest(g *ir.Graph, readers []reading, channel int) float32 {
	most := float32(0)
	for _, r := range readers {
		column(g, r, channel, func(w []float32) {
			for _, v := range w {
				most = max(most, v, -v)
			}
		})
	}
	return most
}

// scaleOutputs divides filters and biases by factors.
func scaleOutputs(g *ir.Graph, n *ir.Node, factors []float32) {
	for _, v := range n.In[1:] {
		x := cloned(g.Data[v.Name])
		row := len(x.Data) / len(factors)
		for i := range x.Data {
			x.Data[i] /= factors[i/row]
		}
		g.Data[v.Name] = x
	}
}

// scaleInputs multiplies by factors what a layer reads of some channels.
func scaleInputs(g *ir.Graph, r reading, factors []float32) {
	name := r.layer.In[1].Name
	g.Data[name] = cloned(g.Data[name])
	for c, f := range factors {
		column(g, r, c, func(w []float32) {
			for i := range w {
				w[i] *= f
			}
		})
	}
}

func cloned(x *tensor.F32) *tensor.F32 {
	return tensor.Of(slices.Clone(x.Data), x.Shape...)
}
