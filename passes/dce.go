package passes

import "github.com/incc-lang/incc/ir"

// DCE removes nodes and params that are not needed (dead code elimination).
var DCE = Pass{
	Name:     "dce",
	Doc:      "removes nodes, params and data that no output, head or update needs",
	Contract: Exact,
	Run: func(r *ir.Rewriter, o Options) error {
		r.Sweep()
		return nil
	},
}
