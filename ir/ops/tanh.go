package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Tanh]("tanh", "Hyperbolic tangent.",
	ir.Example{Op: Tanh{}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Tanh{}, In: shapes("Nx5")},
	ir.Example{Op: Tanh{}, In: shapes("i64:N"), Violates: 1},
)

// Tanh is tanh(x) (LeCun 1998, appendix A, without its scaling).
//
// Constraints:
//
//	(1) one operand x, of any shape
type Tanh struct{}

// Operands is x.
func (Tanh) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (Tanh) Infer(in []ir.Type) ([]ir.Type, error) { return inferUnary("tanh", in) }

// Eval applies the function to each element.
func (Tanh) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	y := in[0].Clone()
	ActTanh.apply(y.Data)
	return []*tensor.Tensor{y}, nil
}

// Cost is an estimate.
func (Tanh) Cost(_, out []ir.Type) ir.Cost { return ops1(4, out[0]) }

// Grad is tanh_dx, which reads the output.
func (Tanh) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(TanhDx{}, dy[0], n.Out[0])}
}
