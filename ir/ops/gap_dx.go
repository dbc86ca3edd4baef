package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[GlobalAvgPoolDx]("gap_dx", "Gradient of gap.",
	ir.Example{Op: GlobalAvgPoolDx{In: ir.HW{4, 5}}, In: shapes("Nx3x1x1")},
	ir.Example{Op: GlobalAvgPoolDx{In: ir.HW{4, 5}}, In: shapes("Nx3"), Violates: 1},
	ir.Example{Op: GlobalAvgPoolDx{}, In: shapes("Nx3x1x1"), Violates: 2},
	ir.Example{Op: GlobalAvgPoolDx{In: ir.HW{4, 5}}, In: shapes("Nx3x1x2"), Violates: 3},
).ForGradients()

// GlobalAvgPoolDx is dy / (H*W) for each element of the map.
//
// Constraints:
//
//	(1) one operand dy[N,C,1,1]
//	(2) in is at least 1x1
//	(3) dy has height and width 1
type GlobalAvgPoolDx struct {
	In ir.HW `dsl:"in"` // height and width of dx
}

// Operands is dy.
func (GlobalAvgPoolDx) Operands() []string { return mapGradSig.names() }

// Infer returns [N,C,H,W].
func (g GlobalAvgPoolDx) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := mapGradSig.check("gap_dx", in); err != nil {
		return nil, err
	}
	dy := in[0].Shape
	if !bounded(1, g.In[:]...) {
		return nil, ir.Violation("gap_dx", 2, -1, "in=%v must be at least 1x1", g.In)
	}
	if dy[2] != 1 || dy[3] != 1 {
		return nil, ir.Violation("gap_dx", 3, 0, "dy is %v, want height and width 1", dy)
	}
	return like(ir.Float(dy[0], dy[1], g.In[0], g.In[1])), nil
}

// Eval writes dy / (H*W) to each element of the map.
func (g GlobalAvgPoolDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dy := in[0]
	dx := tensor.New(dy.Shape[0], dy.Shape[1], g.In[0], g.In[1])
	area := g.In[0] * g.In[1]
	for i := range dx.Data {
		dx.Data[i] = dy.Data[i/area] / float64(area)
	}
	return []*tensor.Tensor{dx}, nil
}

// Cost is one write for each element.
func (GlobalAvgPoolDx) Cost(_, out []ir.Type) ir.Cost { return ops1(1, out[0]) }
