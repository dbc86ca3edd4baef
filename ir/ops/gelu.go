package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[GELU]("gelu", "Gaussian error linear unit, x times the normal distribution up to x (Hendrycks 2016).",
	ir.Example{Op: GELU{}, In: shapes("Nx3x4x2")},
	ir.Example{Op: GELU{Tanh: true}, In: shapes("Nx5")},
	ir.Example{Op: GELU{}, In: shapes("i64:N"), Violates: 1},
)

// GELU is x * P(X <= x) for a standard normal X: x/2 * (1 + erf(x/sqrt(2))) (Hendrycks
// 2016). With tanh it is the approximation of section 2 there,
// x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715*x**3))).
//
// Constraints:
//
//	(1) one operand x, of any shape
type GELU struct {
	Tanh bool `dsl:"tanh"`
}

// Operands is x.
func (GELU) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (GELU) Infer(in []ir.Type) ([]ir.Type, error) { return inferUnary("gelu", in) }

// Eval applies the function to each element.
func (g GELU) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return each(in[0], func(x float64) float64 { return gelu(x, g.Tanh) }), nil
}

// Cost is an estimate.
func (GELU) Cost(_, out []ir.Type) ir.Cost { return ops1(12, out[0]) }

// Grad is gelu_dx, which reads the input.
func (g GELU) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(GELUDx(g), dy[0], n.In[0])}
}
