package ref

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// Condition gives every weight of the graph values with which a comparison of outputs
// finds errors in the network. Weights have He initialization; biases and the
// parameters of batch normalization are drawn at random. Then each layer is scaled so
// that for the input x its output has a standard deviation of 1.25 (a residual scaled
// by 0.1 then still has 0.125).
//
// Initial weights of a training would not do: activations get smaller from layer to
// layer, the softmax is almost uniform, and a network with a wrong padding, eps or
// order of channels passes the comparison.
//
// It returns the standard deviation of every computed value, by name, except for
// softmax and losses. Callers check that they lie in 0.1..10.
func Condition(g *ir.Graph, x *tensor.Tensor, seed int64) (map[string]float64, error) {
	drawn := map[string]bool{}
	draw := func(v *ir.Value, lo, hi float64) {
		if v == nil || v.Param == nil || v.Param.Kind == ir.Constant || drawn[v.Name] {
			return
		}
		drawn[v.Name] = true
		t := ir.Draw(v.Name, v.Type.Shape, ir.Init{Kind: ir.InitUniform, A: 1}, seed)
		for i, u := range t.Data {
			t.Data[i] = float32(lo + (hi-lo)*(float64(u)+1)/2)
		}
		g.Data[v.Name] = t
	}
	linear := map[*ir.Value]*ir.Node{} // output -> the layer whose weights scale it
	for _, n := range g.Nodes {
		switch name := ir.Name(n.Op); name {
		case "conv", "dense":
			w := n.In[1]
			if w.Param == nil {
				return nil, fmt.Errorf("%s: its weight is computed by a node (want a param)", n.Out[0].Name)
			}
			g.Data[w.Name] = ir.Draw(w.Name, w.Type.Shape, ir.Init{Kind: ir.InitHe}, seed)
			if len(n.In) > 2 {
				draw(n.In[2], -0.3, 0.3)
			}
			linear[n.Out[0]] = n
		case "batchnorm":
			draw(n.In[1], 0.5, 1.5)  // gamma
			draw(n.In[2], -0.4, 0.4) // beta
			draw(n.In[3], -0.4, 0.4) // mean
			draw(n.In[4], 0.5, 1.5)  // variance
		}
	}
	ir.Materialize(g, seed)
	std := map[string]float64{}
	_, err := Run(g, []*tensor.Tensor{x}, Options{Each: func(v *ir.Value, t *tensor.Tensor) {
		s := deviation(t)
		if n := linear[v]; n != nil && s > 0 {
			f := target / s
			scale := func(p *ir.Value) {
				d := g.Data[p.Name].Clone()
				for i := range d.Data {
					d.Data[i] = float32(float64(d.Data[i]) * f)
				}
				g.Data[p.Name] = d
			}
			for _, p := range n.In[1:] {
				scale(p)
			}
			for i := range t.Data {
				t.Data[i] *= f
			}
			s = target
		}
		switch ir.Name(v.Def.Op) {
		case "softmax", "log_softmax", "cross_entropy":
		default:
			std[v.Name] = s
		}
	}})
	return std, err
}

// target is the standard deviation of a layer's output after Condition.
const target = 1.25

func deviation(t *tensor.Tensor) float64 {
	var m, s float64
	n := float64(len(t.Data))
	for _, v := range t.Data {
		m += v / n
	}
	for _, v := range t.Data {
		s += (v - m) * (v - m) / n
	}
	return math.Sqrt(s)
}
