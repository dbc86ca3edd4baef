// Package ref is the reference interpreter: it evaluates one op after another in float64,
// with the op's own Eval. It is slow and simple; tests compare every pass, kernel and
// backend with it.
package ref

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// Options of a run.
type Options struct {
	// Keep lists further values to return, such as those of labelled parts.
	Keep []*ir.Value
	// Seed is the seed for drawing the params that have no data.
	Seed int64
	// Each is called with every value when it has been computed. It may change the
	// tensor, and later nodes then read the changed one.
	Each func(*ir.Value, *tensor.Tensor)
}

// Run evaluates the graph. inputs are the values of g.Inputs, in order; their batch size
// is that of the run. The result maps values of the graph to tensors: outputs, heads,
// the new values of updated params (under Update.Value) and those in Options.Keep.
func Run(g *ir.Graph, inputs []*tensor.Tensor, opt Options) (map[*ir.Value]*tensor.Tensor, error) {
	if len(inputs) != len(g.Inputs) {
		return nil, fmt.Errorf("%s has %d inputs, %d were given", g.Name, len(g.Inputs), len(inputs))
	}
	env := map[*ir.Value]*tensor.Tensor{}
	batch := ir.Batch
	for i, v := range g.Inputs {
		s := v.Type.Shape
		if len(inputs[i].Shape) != len(s) {
			return nil, fmt.Errorf("input %s is %v, a tensor of shape %v was given", v.Name, s, ir.Shape(inputs[i].Shape))
		}
		for a, d := range s {
			have := inputs[i].Shape[a]
			if d == ir.Batch {
				if batch == ir.Batch {
					batch = have
				}
				d = batch
			}
			if have != d {
				return nil, fmt.Errorf("input %s is %v, a tensor of shape %v was given", v.Name, s, ir.Shape(inputs[i].Shape))
			}
		}
		env[v] = inputs[i]
	}
	last := map[*ir.Value]int{}
	for i, n := range g.Nodes {
		for _, v := range n.In {
			last[v] = i
		}
	}
	const end = 1 << 30
	for _, v := range append(g.Roots(), opt.Keep...) {
		last[v] = end
	}
	in := make([]*tensor.Tensor, 0, 8)
	for i, n := range g.Nodes {
		in = in[:0]
		for _, v := range n.In {
			if env[v] == nil && v.Param != nil {
				env[v] = Param(g, v, opt.Seed)
			}
			if env[v] == nil {
				return nil, fmt.Errorf("%s reads %s before it is computed", n.Out[0].Name, v.Name)
			}
			in = append(in, env[v])
		}
		out, err := n.Op.Eval(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Out[0].Name, err)
		}
		for j, v := range n.Out {
			if want := v.Type.Shape.Bind(batch); !want.Equal(out[j].Shape) {
				return nil, fmt.Errorf("%s: %s was inferred as %v but evaluates to %v", v.Name, ir.Name(n.Op), want, ir.Shape(out[j].Shape))
			}
			if opt.Each != nil {
				opt.Each(v, out[j])
			}
			env[v] = out[j]
		}
		for _, v := range n.In {
			if last[v] == i {
				delete(env, v)
			}
		}
		for _, v := range n.Out {
			if _, used := last[v]; !used {
				delete(env, v)
			}
		}
	}
	res := map[*ir.Value]*tensor.Tensor{}
	for _, v := range append(g.Roots(), opt.Keep...) {
		if env[v] == nil && v.Param != nil {
			env[v] = Param(g, v, opt.Seed)
		}
		res[v] = env[v]
	}
	return res, nil
}

// Param returns the elements of a param in float64: its data, or if it has none, the
// elements drawn from its init.
func Param(g *ir.Graph, v *ir.Value, seed int64) *tensor.Tensor {
	if d := g.Data[v.Name]; d != nil {
		return tensor.Widen(d)
	}
	return tensor.Widen(ir.Draw(v.Name, v.Type.Shape, v.Param.Init, seed))
}
