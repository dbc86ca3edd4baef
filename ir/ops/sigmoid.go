package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Sigmoid]("sigmoid", "Logistic function 1/(1+exp(-x)).",
	ir.Example{Op: Sigmoid{}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Sigmoid{}, In: shapes("Nx5")},
	ir.Example{Op: Sigmoid{}, In: shapes("i64:N"), Violates: 1},
)

// Sigmoid is 1 / (1 + exp(-x)).
//
// Constraints:
//
//	(1) one operand x, of any shape
type Sigmoid struct{}

// Operands is x.
func (Sigmoid) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (Sigmoid) Infer(in []ir.Type) ([]ir.Type, error) { return inferUnary("sigmoid", in) }

// Eval applies the function to each element.
func (Sigmoid) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	y := in[0].Clone()
	ActSigmoid.apply(y.Data)
	return []*tensor.Tensor{y}, nil
}

// Cost is an estimate.
func (Sigmoid) Cost(_, out []ir.Type) ir.Cost { return ops1(4, out[0]) }

// Grad is sigmoid_dx, which reads the output.
func (Sigmoid) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(SigmoidDx{}, dy[0], n.Out[0])}
}
