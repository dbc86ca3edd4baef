package decompile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// sameGraph returns an error unless the outputs and heads of two graphs are the same
// expressions of the input and the weights. names has the name in a of each weight of b.
func sameGraph(a, b *ir.Graph, names map[string]string) error {
	a, err := normalize(a)
	if err != nil {
		return err
	}
	if b, err = normalize(b); err != nil {
		return err
	}
	x := expressions(a, func(name string) string { return name })
	y := expressions(b, func(name string) string { return names[name] })
	outs := func(g *ir.Graph, of map[*ir.Value]key) []key {
		var list []key
		for _, v := range g.All() {
			list = append(list, of[v])
		}
		slices.SortFunc(list[1:], func(a, b key) int { return slices.Compare(a[:], b[:]) })
		return list
	}
	p, q := outs(a, x), outs(b, y)
	if !slices.Equal(p, q) {
		return errors.New("the text describes another network; this is a bug in incc")
	}
	return nil
}

// key is the hash of an expression.
type key [sha256.Size]byte

// expressions returns a hash of how each value of a graph is computed. The order of the
// operands of a sum, product or maximum of two does not count.
func expressions(g *ir.Graph, name func(string) string) map[*ir.Value]key {
	of := make(map[*ir.Value]key, len(g.Nodes))
	for i, v := range g.Inputs {
		of[v] = sha256.Sum256(fmt.Appendf(nil, "input %d %v", i, v.Type))
	}
	for _, v := range g.Params {
		of[v] = sha256.Sum256(fmt.Appendf(nil, "param %q %v", name(v.Name), v.Type))
	}
	for _, n := range g.Nodes {
		var in []key
		for _, v := range n.In {
			in = append(in, of[v])
		}
		switch n.Op.(type) {
		case ops.Add, ops.Mul, ops.Max:
			if len(in) == 2 {
				slices.SortFunc(in, func(a, b key) int { return slices.Compare(a[:], b[:]) })
			}
		}
		text := []byte(ir.FormatOp(sameOp(n)))
		for _, k := range in {
			text = append(text, k[:]...)
		}
		for i, v := range n.Out {
			of[v] = sha256.Sum256(append(text, byte(i)))
		}
	}
	return of
}

// sameOp returns the op of a node in a form that is equal for ops that compute the same.
func sameOp(n *ir.Node) ir.Op {
	if op, ok := n.Op.(ops.AvgPool); ok && op.Pad == (ir.Pads{}) && !op.Ceil {
		op.IncludePad = false
		return op
	}
	return n.Op
}

// filled returns the elements of a weight that is constant.
func filled(v *ir.Value) *tensor.F32 {
	data := make([]float32, v.Type.Shape.Size())
	for i := range data {
		data[i] = float32(v.Param.Init.A)
	}
	return tensor.Of(data, v.Type.Shape...)
}
