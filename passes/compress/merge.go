package compress

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/passes"
)

// MergeLinear joins layers that follow each other without an activation where the cost model of the
// passes estimates that it pays, such as a redundant 1x1 reduction. The function stays the same, up
// to rounding. It returns the number of layers that are gone.
func MergeLinear(g *ir.Graph) (int, error) {
	before := count(g)
	_, err := passes.Run(g, passes.Pipeline{{Pass: &passes.FoldLinear}, {Pass: &passes.ConstFold}}, passes.Options{})
	return before - count(g), err
}

// count counts convolutions and dense layers.
func count(g *ir.Graph) int {
	n := 0
	for _, x := range g.Nodes {
		switch x.Op.(type) {
		case ops.Conv, ops.Dense:
			n++
		}
	}
	return n
}
