package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[SiLU]("silu", "Sigmoid-weighted linear unit, x * sigmoid(x), also called swish (Elfwing 2018).",
	ir.Example{Op: SiLU{}, In: shapes("Nx3x4x2")},
	ir.Example{Op: SiLU{}, In: shapes("Nx5")},
	ir.Example{Op: SiLU{}, In: shapes("i64:N"), Violates: 1},
)

// SiLU is x * sigmoid(x) (Elfwing 2018; swish in Ramachandran 2017).
//
// Constraints:
//
//	(1) one operand x, of any shape
type SiLU struct{}

// Operands is x.
func (SiLU) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (SiLU) Infer(in []ir.Type) ([]ir.Type, error) { return inferUnary("silu", in) }

// Eval applies the function to each element.
func (SiLU) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return each(in[0], silu), nil
}

// Cost is an estimate.
func (SiLU) Cost(_, out []ir.Type) ir.Cost { return ops1(5, out[0]) }

// Grad is silu_dx, which reads the input.
func (SiLU) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(SiLUDx{}, dy[0], n.In[0])}
}
