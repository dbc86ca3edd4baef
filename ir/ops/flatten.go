package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Flatten]("flatten", "Joins all axes except the first into one, in the order C, H, W.",
	ir.Example{Op: Flatten{}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Flatten{}, In: shapes("Nx3")},
	ir.Example{Op: Flatten{}, In: nil, Violates: 1},
	ir.Example{Op: Flatten{}, In: shapes("N"), Violates: 2},
)

// Flatten joins all axes except the first: [N,C,H,W] becomes [N,C*H*W].
//
// Constraints:
//
//	(1) one operand x
//	(2) x has at least two axes; no axis except the first is the symbolic batch
type Flatten struct{}

// Operands is x.
func (Flatten) Operands() []string { return unarySig.names() }

// Infer returns [N,C*H*W].
func (Flatten) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("flatten", in); err != nil {
		return nil, err
	}
	x := in[0].Shape
	if len(x) < 2 || x[1:].Symbolic() {
		return nil, ir.Violation("flatten", 2, 0, "x is %v, want N and at least one axis of known size", x)
	}
	return like(ir.Float(x[0], x[1:].Size())), nil
}

// Eval copies the elements.
func (Flatten) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	x := in[0]
	return []*tensor.Tensor{x.Clone().Reshape(x.Shape[0], tensor.Size(x.Shape[1:]))}, nil
}

// Grad is a reshape.
func (Flatten) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(Reshape{Shape: ir.DimsOf(n.In[0].Type.Shape)}, dy[0])}
}
