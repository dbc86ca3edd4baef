package decompile

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// normEps is the epsilon of batch normalization that stands for a product or a sum. The
// variance is 1 - normEps, so that the root in the denominator is 1.
const normEps = 1e-5

// constantsToNorms replaces the product of a value and a constant for each channel, and the
// sum of both, by batch normalization with gamma or beta: a net has no constants, and trains
// these two. The results differ from those before by rounding.
func constantsToNorms(g *ir.Graph) error {
	r := ir.Rewrite(g, "decompile")
	for _, n := range r.Nodes() {
		if len(n.In) != 2 || n.In[0].Param != nil == (n.In[1].Param != nil) {
			continue
		}
		x, k := n.In[0], n.In[1]
		if x.Param != nil {
			x, k = k, x
		}
		s := x.Type.Shape
		if len(s) != 4 || !n.Out[0].Type.Equal(x.Type) {
			continue
		}
		values := perChannel(g, k, s[1])
		if values == nil {
			continue
		}
		gamma, beta := 1.0, 0.0
		var to *float64
		switch n.Op.(type) {
		case ops.Mul:
			to = &gamma
		case ops.Add:
			to = &beta
		case ops.Sub:
			if n.In[0] != x {
				continue
			}
			to = &beta
			for i := range values {
				values[i] = -values[i]
			}
		default:
			continue
		}
		r.For(n)
		in := []*ir.Value{x}
		for _, q := range []struct {
			name string
			kind ir.Kind
			of   *float64
		}{{"gamma", ir.Weight, &gamma}, {"beta", ir.Weight, &beta}, {"mean", ir.State, nil}, {"variance", ir.State, nil}} {
			data := make([]float32, s[1])
			for i := range data {
				switch {
				case q.of != nil && q.of == to:
					data[i] = float32(values[i])
				case q.of != nil:
					data[i] = float32(*q.of)
				case q.name == "variance":
					data[i] = 1 - normEps
				}
			}
			v := r.Param(n.Out[0].Name+"/"+q.name, ir.Shape{s[1]}, ir.Param{Kind: q.kind, LR: 1})
			g.Data[v.Name] = tensor.Of(data, s[1])
			in = append(in, v)
		}
		r.Replace(n.Out[0], r.Do(ops.BatchNorm{Eps: normEps, Momentum: 0.9}, in...))
	}
	r.Sweep()
	return r.Finish()
}
