package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[HardSigmoid]("hardsigmoid", "A sigmoid of straight lines: min(max(alpha*x + beta, 0), 1) (Howard 2019, MobileNetV3).",
	ir.Example{Op: HardSigmoid{Alpha: hardSlope, Beta: hardShift}, In: shapes("Nx3x4x2")},
	ir.Example{Op: HardSigmoid{Alpha: 0.2, Beta: 0.4}, In: shapes("Nx5")},
	ir.Example{Op: HardSigmoid{Alpha: hardSlope, Beta: hardShift}, In: shapes("i64:N"), Violates: 1},
	ir.Example{Op: HardSigmoid{Alpha: math.NaN()}, In: shapes("Nx3"), Violates: 2},
	ir.Example{Op: HardSigmoid{Alpha: 1, Beta: math.Inf(1)}, In: shapes("Nx3"), Violates: 2},
)

// HardSigmoid is min(max(alpha*x + beta, 0), 1). By default alpha is 1/6 and beta 1/2, as
// in MobileNetV3 (Howard 2019, section 5.2) and PyTorch; ONNX and old versions of Keras
// have 0.2 in place of 1/6. Its derivative at the corners is 0.
//
// Constraints:
//
//	(1) one operand x, of any shape
//	(2) alpha and beta are finite
type HardSigmoid struct {
	Alpha float64 `dsl:"alpha,default=0.16666666666666666"`
	Beta  float64 `dsl:"beta,default=0.5"`
}

// Operands is x.
func (HardSigmoid) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (h HardSigmoid) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("hardsigmoid", in); err != nil {
		return nil, err
	}
	if !finite(h.Alpha, h.Beta) {
		return nil, ir.Violation("hardsigmoid", 2, -1, "alpha=%g and beta=%g (want finite numbers)", h.Alpha, h.Beta)
	}
	return like(in[0]), nil
}

// Eval applies the function to each element.
func (h HardSigmoid) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return each(in[0], func(x float64) float64 { return hardSigmoid(x, h.Alpha, h.Beta) }), nil
}

// Cost is an estimate.
func (HardSigmoid) Cost(_, out []ir.Type) ir.Cost { return ops1(4, out[0]) }

// Grad is hardsigmoid_dx, which reads the output.
func (h HardSigmoid) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(HardSigmoidDx(h), dy[0], n.Out[0])}
}
