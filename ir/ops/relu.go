package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[ReLU]("relu", "Rectified linear unit (Nair 2010).",
	ir.Example{Op: ReLU{}, In: shapes("Nx3x4x2")},
	ir.Example{Op: ReLU{}, In: shapes("Nx5")},
	ir.Example{Op: ReLU{}, In: shapes("i64:N"), Violates: 1},
)

// ReLU is max(x, 0) (Nair 2010, section 3). Its derivative at 0 is 0. NaN propagates.
//
// Constraints:
//
//	(1) one operand x, of any shape
type ReLU struct{}

// Operands is x.
func (ReLU) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (ReLU) Infer(in []ir.Type) ([]ir.Type, error) { return inferUnary("relu", in) }

// Eval applies the function to each element.
func (ReLU) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	y := in[0].Clone()
	ActReLU.apply(y.Data)
	return []*tensor.Tensor{y}, nil
}

// Cost is an estimate.
func (ReLU) Cost(_, out []ir.Type) ir.Cost { return ops1(1, out[0]) }

// Grad is relu_dx, which reads the output.
func (ReLU) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(ReLUDx{}, dy[0], n.Out[0])}
}
