package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[GlobalAvgPool]("gap", "Mean of each feature map (Lin 2014, section 3.2).",
	ir.Example{Op: GlobalAvgPool{}, In: shapes("Nx3x4x5")},
	ir.Example{Op: GlobalAvgPool{}, In: shapes("Nx3"), Violates: 1},
)

// GlobalAvgPool is the mean over H and W (Lin 2014, section 3.2).
//
// Constraints:
//
//	(1) one operand x[N,C,H,W]
type GlobalAvgPool struct{}

// Operands is x.
func (GlobalAvgPool) Operands() []string { return mapSig.names() }

// Infer returns [N,C,1,1].
func (GlobalAvgPool) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := mapSig.check("gap", in); err != nil {
		return nil, err
	}
	return like(ir.Float(in[0].Shape[0], in[0].Shape[1], 1, 1)), nil
}

// Eval computes a sum and a division.
func (GlobalAvgPool) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	x := in[0]
	area := x.Shape[2] * x.Shape[3]
	y := tensor.New(x.Shape[0], x.Shape[1], 1, 1)
	for i := range y.Data {
		for _, v := range x.Data[i*area : (i+1)*area] {
			y.Data[i] += v
		}
		y.Data[i] /= float64(area)
	}
	return []*tensor.Tensor{y}, nil
}

// Cost is one addition for each element.
func (GlobalAvgPool) Cost(in, _ []ir.Type) ir.Cost { return ops1(1, in[0]) }

// Window is the whole map.
func (GlobalAvgPool) Window(in []ir.Type) (kernel, stride, dilation ir.HW) {
	return ir.HW{in[0].Shape[2], in[0].Shape[3]}, ir.HW{1, 1}, ir.HW{1, 1}
}

// Grad is gap_dx.
func (GlobalAvgPool) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	x := n.In[0].Type.Shape
	return []*ir.Value{b.Do(GlobalAvgPoolDx{In: ir.HW{x[2], x[3]}}, dy[0])}
}
