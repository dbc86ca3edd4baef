package passes

import (
	"reflect"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// CostModel prices a node by its op and the types of its operands and results,
// so that passes can price nodes that do not exist. The unit is the model's own;
// it must add up.
type CostModel interface {
	Cost(op ir.Op, in, out []ir.Type) float64
}

// Work is the default cost model: multiply-accumulates + bytes/8, for one image,
// weights included in the bytes. A core with the FMA rate and memory bandwidth of
// today's machines moves about a byte in the time of eight multiply-accumulates;
// halfway caches make it one eighth.
type Work struct {
	// Copies says that slices, splits and concats move their bytes and that
	// activations pass over memory once more, as in an interpreter of ONNX.
	// Without it they are free: views, and epilogues of the convolution.
	Copies bool
}

// Cost implements CostModel.
func (w Work) Cost(op ir.Op, in, out []ir.Type) float64 {
	if !w.Copies && free[reflect.TypeOf(op)] {
		return 0
	}
	var bytes int64
	bind := func(ts []ir.Type) []ir.Type {
		b := make([]ir.Type, len(ts))
		for i, t := range ts {
			b[i] = t.Bind(1)
			bytes += t.Bytes()
		}
		return b
	}
	in, out = bind(in), bind(out)
	c := float64(bytes) / 8
	if x, ok := op.(ir.Coster); ok {
		c += float64(x.Cost(in, out).MACs)
	}
	return c
}

// free are the views and what a convolution does on its way out.
var free = map[reflect.Type]bool{
	reflect.TypeFor[ops.Slice]():   true,
	reflect.TypeFor[ops.Split]():   true,
	reflect.TypeFor[ops.Concat]():  true,
	reflect.TypeFor[ops.Reshape](): true,
	reflect.TypeFor[ops.Flatten](): true,
	reflect.TypeFor[ops.Dropout](): true,
	reflect.TypeFor[ops.ReLU]():    true,
	reflect.TypeFor[ops.Sigmoid](): true,
	reflect.TypeFor[ops.Tanh]():    true,
}

// price infers the results of op and prices it; ok is false where the op refuses
// the operands.
func (o Options) price(op ir.Op, in ...ir.Type) (cost float64, out ir.Type, ok bool) {
	res, err := op.Infer(in)
	if err != nil || len(res) == 0 {
		return 0, ir.Type{}, false
	}
	for _, t := range res {
		if t.Shape.Check() != nil {
			return 0, ir.Type{}, false
		}
	}
	return o.cost().Cost(op, in, res), res[0], true
}

func (o Options) cost() CostModel {
	if o.Cost != nil {
		return o.Cost
	}
	return Work{}
}

// priceNode prices a node as it stands.
func (o Options) priceNode(n *ir.Node) float64 {
	return o.cost().Cost(n.Op, types(n.In), types(n.Out))
}

func types(vs []*ir.Value) []ir.Type {
	ts := make([]ir.Type, len(vs))
	for i, v := range vs {
		ts[i] = v.Type
	}
	return ts
}
