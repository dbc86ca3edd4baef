package passes

import (
	"reflect"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// CostModel estimates the cost of a node from its op and the types of its operands and
// results, so that passes can estimate nodes that do not exist yet. The unit does not
// matter, but costs of nodes are added.
type CostModel interface {
	Cost(op ir.Op, in, out []ir.Type) float64
}

// Work is the default cost model: multiply-accumulates + bytes/8, for one image. The bytes
// are those of operands (weights included) and results. A core of today's machines moves
// about one byte from memory in the time of eight multiply-accumulates; since much of the
// data is in caches, a byte counts as one eighth of a multiply-accumulate.
type Work struct {
	// Copies says that slices, splits and concats copy their bytes, and that activations
	// read and write memory again, as in an interpreter of ONNX. Without Copies they cost
	// nothing: incc's executor implements them as views or fuses them to convolutions.
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

// free lists the ops that cost nothing without Copies: views, dropout, and (below)
// activations that are fused to a convolution.
var free = map[reflect.Type]bool{
	reflect.TypeFor[ops.Slice]():   true,
	reflect.TypeFor[ops.Split]():   true,
	reflect.TypeFor[ops.Concat]():  true,
	reflect.TypeFor[ops.Reshape](): true,
	reflect.TypeFor[ops.Flatten](): true,
	reflect.TypeFor[ops.Dropout](): true,
}

func init() {
	for _, a := range ops.Acts() {
		free[reflect.TypeOf(a.Op())] = true
	}
}

// price infers the result of op and estimates its cost. ok is false if the op does not
// accept the operands.
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

// priceNode estimates the cost of an existing node.
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
