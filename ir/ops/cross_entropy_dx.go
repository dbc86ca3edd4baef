package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[CrossEntropyDx]("cross_entropy_dx", "Gradient of cross_entropy.",
	ir.Example{Op: CrossEntropyDx{Smoothing: 0.1}, In: shapes("scalar", "Nx5", "i64:N")},
	ir.Example{Op: CrossEntropyDx{}, In: shapes("1", "Nx5", "i64:N"), Violates: 1},
	ir.Example{Op: CrossEntropyDx{}, In: shapes("scalar", "Nx5", "i64:4"), Violates: 2},
	ir.Example{Op: CrossEntropyDx{Smoothing: -1}, In: shapes("scalar", "Nx5", "i64:N"), Violates: 3},
).ForGradients()

// CrossEntropyDx is dloss * (softmax(logits) - q) / N, with the target distribution q of
// CrossEntropy.
//
// Constraints:
//
//	(1) operands dloss (a scalar), logits[N,C] and labels[N], which are i64
//	(2) the last two have the same N
//	(3) 0 <= smoothing < 1
type CrossEntropyDx struct {
	Smoothing float64 `dsl:"smoothing"`
}

var crossEntropyDxSig = sig("dloss:scalar logits:NC labels:N/i64")

// Operands are dloss, logits and labels.
func (CrossEntropyDx) Operands() []string { return crossEntropyDxSig.names() }

// Infer returns the shape of logits.
func (c CrossEntropyDx) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := crossEntropyDxSig.check("cross_entropy_dx", in); err != nil {
		return nil, err
	}
	if _, err := CrossEntropy(c).Infer(in[1:]); err != nil {
		num := 2
		if v, ok := err.(*ir.ConstraintError); ok {
			num = v.Num
		}
		return nil, ir.Violation("cross_entropy_dx", num, -1, "%v", err)
	}
	return like(in[1]), nil
}

// Eval computes the formula.
func (c CrossEntropyDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	n, classes := in[1].Shape[0], in[1].Shape[1]
	labels, err := checkLabels(in[2], classes)
	if err != nil {
		return nil, err
	}
	dx := logSoftmax(in[1], 1)
	for i, v := range dx.Data {
		dx.Data[i] = in[0].Data[0] / float64(n) * (math.Exp(v) - CrossEntropy(c).target(labels[i/classes], i%classes, classes))
	}
	return []*tensor.Tensor{dx}, nil
}

// Cost is an estimate in which exp counts as eight operations.
func (CrossEntropyDx) Cost(in, _ []ir.Type) ir.Cost { return ops1(13, in[1]) }
