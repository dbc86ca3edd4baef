package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Scale]("scale", "Multiplies by a number (residual scaling: Szegedy 2017, section 3.3).",
	ir.Example{Op: Scale{By: 0.17}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Scale{By: -2}, In: shapes("Nx3")},
	ir.Example{Op: Scale{By: 1}, In: nil, Violates: 1},
	ir.Example{Op: Scale{By: math.Inf(1)}, In: shapes("Nx3"), Violates: 2},
)

// Scale is by * x.
//
// Constraints:
//
//	(1) one operand x
//	(2) by is finite
type Scale struct {
	By float64 `dsl:"by"`
}

// Operands is x.
func (Scale) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (s Scale) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("scale", in); err != nil {
		return nil, err
	}
	if math.IsNaN(s.By) || math.IsInf(s.By, 0) {
		return nil, ir.Violation("scale", 2, -1, "by=%g is not a finite number", s.By)
	}
	return like(in[0]), nil
}

// Eval multiplies.
func (s Scale) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	y := in[0].Clone()
	for i := range y.Data {
		y.Data[i] *= s.By
	}
	return []*tensor.Tensor{y}, nil
}

// Cost is one multiplication for each element.
func (Scale) Cost(_, out []ir.Type) ir.Cost { return ops1(1, out[0]) }

// Grad multiplies dy by the same number.
func (s Scale) Grad(b *ir.Builder, _ *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(s, dy[0])}
}
