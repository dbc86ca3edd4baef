package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[HardSwish]("hardswish", "x * hardsigmoid(x), a swish of straight lines (Howard 2019, MobileNetV3).",
	ir.Example{Op: HardSwish{}, In: shapes("Nx3x4x2")},
	ir.Example{Op: HardSwish{}, In: shapes("Nx5")},
	ir.Example{Op: HardSwish{}, In: shapes("i64:N"), Violates: 1},
)

// HardSwish is x * min(max(x/6 + 1/2, 0), 1) (Howard 2019, section 5.2).
//
// Constraints:
//
//	(1) one operand x, of any shape
type HardSwish struct{}

// Operands is x.
func (HardSwish) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (HardSwish) Infer(in []ir.Type) ([]ir.Type, error) { return inferUnary("hardswish", in) }

// Eval applies the function to each element.
func (HardSwish) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return each(in[0], hardSwish), nil
}

// Cost is an estimate.
func (HardSwish) Cost(_, out []ir.Type) ir.Cost { return ops1(5, out[0]) }

// Grad is hardswish_dx, which reads the input.
func (HardSwish) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(HardSwishDx{}, dy[0], n.In[0])}
}
