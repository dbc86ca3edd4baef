package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Clip]("clip", "Limits values to min..max; act=relu6 is clip 0 6 (Krizhevsky 2010).",
	ir.Example{Op: Clip{Min: 0, Max: 6}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Clip{Min: -0.5, Max: 0.25}, In: shapes("Nx5")},
	ir.Example{Op: Clip{Min: 0, Max: 6}, In: shapes("i64:N"), Violates: 1},
	ir.Example{Op: Clip{Min: 1, Max: 1}, In: shapes("Nx3"), Violates: 2},
	ir.Example{Op: Clip{Max: math.Inf(1)}, In: shapes("Nx3"), Violates: 2},
)

// Clip is min where x <= min, max where x >= max, otherwise x. With min 0 and max 6 it is
// ReLU6 (Krizhevsky 2010, Convolutional Deep Belief Networks on CIFAR-10). Its derivative
// at min and max is 0. NaN propagates.
//
// Constraints:
//
//	(1) one operand x, of any shape
//	(2) min and max are finite, and min is below max
type Clip struct {
	Min float64 `dsl:"min"`
	Max float64 `dsl:"max"`
}

// Operands is x.
func (Clip) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (c Clip) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("clip", in); err != nil {
		return nil, err
	}
	if !(c.Min < c.Max) || math.IsInf(c.Min, 0) || math.IsInf(c.Max, 0) {
		return nil, ir.Violation("clip", 2, -1, "min=%g and max=%g (want finite numbers, min below max)", c.Min, c.Max)
	}
	return like(in[0]), nil
}

// Eval applies the function to each element.
func (c Clip) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return each(in[0], func(x float64) float64 { return clip(x, c.Min, c.Max) }), nil
}

// Cost is an estimate.
func (Clip) Cost(_, out []ir.Type) ir.Cost { return ops1(2, out[0]) }

// Grad is clip_dx, which reads the output.
func (c Clip) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(ClipDx(c), dy[0], n.Out[0])}
}
