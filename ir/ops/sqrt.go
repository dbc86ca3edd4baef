package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Sqrt]("sqrt", "Square root.",
	ir.Example{Op: Sqrt{}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Sqrt{}, In: shapes("5")},
	ir.Example{Op: Sqrt{}, In: shapes("i64:N"), Violates: 1},
)

// Sqrt is the square root of x; it is NaN for negative x. The pass fold-bn uses it for
// gamma / sqrt(variance + eps).
//
// Constraints:
//
//	(1) one operand x, of any shape
type Sqrt struct{}

// Operands is x.
func (Sqrt) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (Sqrt) Infer(in []ir.Type) ([]ir.Type, error) { return inferUnary("sqrt", in) }

// Eval applies the function to each element.
func (Sqrt) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	y := in[0].Clone()
	for i, x := range y.Data {
		y.Data[i] = math.Sqrt(x)
	}
	return []*tensor.Tensor{y}, nil
}

// Cost is one operation for each element.
func (Sqrt) Cost(_, out []ir.Type) ir.Cost { return ops1(1, out[0]) }

// Grad is dy / (2 sqrt(x)).
func (Sqrt) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(Div{}, b.Do(Scale{By: 0.5}, dy[0]), n.Out[0])}
}
