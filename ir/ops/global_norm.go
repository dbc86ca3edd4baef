package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[GlobalNorm]("global_norm", "Euclidean norm of all elements of all operands.",
	ir.Example{Op: GlobalNorm{}, In: shapes("4x3x2x2", "4", "5x4")},
	ir.Example{Op: GlobalNorm{}, In: nil, Violates: 1},
).ForGradients()

// GlobalNorm is the square root of the sum of the squares of all elements of all
// operands. clip_norm compares it with its bound (Pascanu 2013, section 3.2). It is not
// finite if any element is not finite.
//
// Constraints:
//
//	(1) one or more operands
type GlobalNorm struct{}

// Operands is x, repeated.
func (GlobalNorm) Operands() []string { return concatSig.names() }

// Infer returns a scalar.
func (GlobalNorm) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := concatSig.check("global_norm", in); err != nil {
		return nil, err
	}
	return like(ir.Float()), nil
}

// Eval computes the formula.
func (GlobalNorm) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	s := 0.0
	for _, x := range in {
		s += squares(x.Data)
	}
	return []*tensor.Tensor{tensor.Scalar(math.Sqrt(s))}, nil
}

// Cost is a square for each element.
func (GlobalNorm) Cost(in, _ []ir.Type) (c ir.Cost) {
	for _, t := range in {
		c.Ops += int64(t.Shape.Size())
	}
	return c
}
