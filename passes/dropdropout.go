package passes

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// DropDropout removes dropout. In inference it is the identity, because training already
// scales the activations.
var DropDropout = Pass{
	Name:      "drop-dropout",
	Doc:       "removes dropout, which is the identity in inference",
	Ref:       "Srivastava 2014, section 10 (inverted dropout)",
	Contract:  Exact,
	Inference: true,
	Run: func(r *ir.Rewriter, o Options) error {
		var gone []*ir.Node
		for _, n := range r.Graph().Nodes {
			if _, ok := n.Op.(ops.Dropout); ok && replace(r, n.Out[0], n.In[0]) {
				gone = append(gone, n)
			}
		}
		if len(gone) > 0 {
			r.Remove(gone...)
		}
		return nil
	},
}
