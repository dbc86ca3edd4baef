package passes

import (
	"math"
	"slices"
	"strconv"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// CSE computes equal expressions only once (common subexpression elimination). Two nodes
// are equal if their ops are equal and they read the same values.
var CSE = Pass{
	Name:     "cse",
	Doc:      "computes equal expressions only once, and keeps only one of equal constants",
	Contract: Exact,
	Run: func(r *ir.Rewriter, o Options) error {
		g := r.Graph()
		dedupConstants(r)
		ids := map[*ir.Value]int{}
		id := func(v *ir.Value) int {
			if _, ok := ids[v]; !ok {
				ids[v] = len(ids)
			}
			return ids[v]
		}
		type key struct {
			op ir.Op
			in string
		}
		seen := map[key]*ir.Node{}
		var text []byte
		for _, n := range g.Nodes {
			if draws(n) {
				continue
			}
			text = text[:0]
			for _, v := range n.In {
				text = append(strconv.AppendInt(text, int64(id(v)), 36), ' ')
			}
			k := key{n.Op, string(text)}
			first := seen[k]
			if first == nil {
				seen[k] = n
				continue
			}
			for i, v := range n.Out {
				if used := len(r.Users(v)) > 0 || r.IsRoot(v) || r.IsPart(v); used {
					replace(r, v, first.Out[i])
				}
			}
		}
		return nil
	},
}

// draws reports whether a node may draw random numbers, so that two equal nodes have
// different results.
func draws(n *ir.Node) bool {
	switch n.Op.(type) {
	case ops.Dropout, ops.DropoutTrain:
		return true
	}
	return false
}

// smallConstant is the largest number of elements of constants whose data is compared.
const smallConstant = 4096

func dedupConstants(r *ir.Rewriter) {
	g := r.Graph()
	type key struct {
		shape string
		fill  float64
	}
	fills := map[key]*ir.Value{}
	loaded := map[string][]*ir.Value{} // by shape
	used := g.Users()
	for _, v := range g.Params {
		if v.Param.Kind != ir.Constant || len(used[v]) == 0 {
			continue
		}
		shape := v.Type.Shape.String()
		d := g.Data[v.Name]
		if d == nil {
			k := key{shape, v.Param.Init.A}
			if fills[k] == nil {
				fills[k] = v
			} else {
				replace(r, v, fills[k])
			}
			continue
		}
		if len(d.Data) > smallConstant {
			continue
		}
		i := slices.IndexFunc(loaded[shape], func(w *ir.Value) bool { return sameBits(g.Data[w.Name], d) })
		if i < 0 {
			loaded[shape] = append(loaded[shape], v)
		} else {
			replace(r, v, loaded[shape][i])
		}
	}
}

func sameBits(a, b *tensor.F32) bool {
	return slices.EqualFunc(a.Data, b.Data, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}
