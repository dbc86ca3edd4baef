package passes

import "github.com/incc-lang/incc/ir"

// DropHeads removes auxiliary classifiers. Only training needs them: they add gradients in
// the middle of the network.
var DropHeads = Pass{
	Name:      "drop-heads",
	Doc:       "removes auxiliary classifiers, which only training needs",
	Ref:       "Szegedy 2015, section 5",
	Contract:  Signature,
	Inference: true,
	Run: func(r *ir.Rewriter, o Options) error {
		g := r.Graph()
		if !o.KeepHeads && len(g.Heads) > 0 {
			r.Changed += len(g.Heads)
			g.Heads = nil
		}
		return nil
	},
}
