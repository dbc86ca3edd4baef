package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[LeakyReLU]("leaky_relu", "x where x is above 0, otherwise alpha*x (Maas 2013).",
	ir.Example{Op: LeakyReLU{Alpha: 0.01}, In: shapes("Nx3x4x2")},
	ir.Example{Op: LeakyReLU{Alpha: 0.25}, In: shapes("Nx5")},
	ir.Example{Op: LeakyReLU{Alpha: 0.01}, In: shapes("i64:N"), Violates: 1},
	ir.Example{Op: LeakyReLU{Alpha: -0.1}, In: shapes("Nx3"), Violates: 2},
	ir.Example{Op: LeakyReLU{Alpha: math.Inf(1)}, In: shapes("Nx3"), Violates: 2},
)

// LeakyReLU is x where x > 0, otherwise alpha * x (Maas 2013, section 2). Its derivative at
// 0 is alpha.
//
// Constraints:
//
//	(1) one operand x, of any shape
//	(2) alpha is finite, 0 or more
type LeakyReLU struct {
	Alpha float64 `dsl:"alpha,default=0.01"`
}

// Operands is x.
func (LeakyReLU) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (l LeakyReLU) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("leaky_relu", in); err != nil {
		return nil, err
	}
	if !finite(l.Alpha) || l.Alpha < 0 {
		return nil, ir.Violation("leaky_relu", 2, -1, "alpha=%g (want a finite number, 0 or more)", l.Alpha)
	}
	return like(in[0]), nil
}

// Eval applies the function to each element.
func (l LeakyReLU) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return each(in[0], func(x float64) float64 { return leaky(x, l.Alpha) }), nil
}

// Cost is an estimate.
func (LeakyReLU) Cost(_, out []ir.Type) ir.Cost { return ops1(2, out[0]) }

// Grad is leaky_relu_dx, which reads the output.
func (l LeakyReLU) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(LeakyReLUDx(l), dy[0], n.Out[0])}
}
