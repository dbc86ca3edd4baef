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
	ir.Example{Op: CrossEntropyDx{Smoothing: 0.1}, In: shapes("scalar", "Nx5", "i64:N", "5")},
	ir.Example{Op: CrossEntropyDx{Gamma: 2}, In: shapes("scalar", "Nx5", "i64:N", "5")},
	ir.Example{Op: CrossEntropyDx{}, In: shapes("scalar", "Nx5", "i64:N", "6"), Violates: 4},
	ir.Example{Op: CrossEntropyDx{Gamma: -2}, In: shapes("scalar", "Nx5", "i64:N"), Violates: 5},
).ForGradients()

// CrossEntropyDx is the gradient of CrossEntropy with respect to the logits. With the
// target distribution q and the softmax p it is, for image n and class k,
//
//	dloss / sum of the labels' weights * (p[k] * sum over c of weights[c] * q[c] - weights[k] * q[k])
//
// and for the focal loss of the label l
//
//	dloss / sum of the labels' weights * weights[l] * g * (p[k] - [k is l]),
//	g = (1 - p[l])^gamma - gamma * p[l] * (1 - p[l])^(gamma-1) * log p[l]
//
// Constraints:
//
//	(1) operands dloss (a scalar), logits[N,C], labels[N], which are i64, and optionally weights[C]
//	(2) logits and labels have the same N
//	(3) 0 <= smoothing < 1
//	(4) weights has C elements
//	(5) gamma >= 0, and gamma or smoothing is 0
type CrossEntropyDx struct {
	Smoothing float64 `dsl:"smoothing"`
	Gamma     float64 `dsl:"gamma"`
}

var crossEntropyDxSig = sig("dloss:scalar logits:NC labels:N/i64 weights?:C")

// Operands are dloss, logits, labels and weights of the classes.
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
	classes := in[1].Shape[1]
	labels, err := checkLabels(in[2], classes)
	if err != nil {
		return nil, err
	}
	weights, of := classWeights(in[1:], labels)
	dx := logSoftmax(in[1], 1)
	for n, label := range labels {
		row := dx.Data[n*classes : (n+1)*classes]
		f := in[0].Data[0] / of
		if c.Gamma > 0 {
			f *= weights[label] * focalSlope(row[label], c.Gamma)
			for k, v := range row {
				if row[k] = f * math.Exp(v); k == label {
					row[k] = f * math.Expm1(v) // p - 1
				}
			}
			continue
		}
		all := 1.0 // the q add up to 1
		if len(in) > 3 {
			all = 0
			for k := range row {
				all += weights[k] * CrossEntropy(c).target(label, k, classes)
			}
		}
		for k, v := range row {
			row[k] = f * (math.Exp(v)*all - weights[k]*CrossEntropy(c).target(label, k, classes))
		}
	}
	return []*tensor.Tensor{dx}, nil
}

// focalSlope is (1-p)^gamma - gamma * p * (1-p)^(gamma-1) * log p, with p the probability
// of the label, of which the logarithm is given.
func focalSlope(log, gamma float64) float64 {
	rest := -math.Expm1(log) // 1 - p
	if rest == 0 {
		return 0 // the limit: log p goes to 0 as fast as 1 - p
	}
	return math.Pow(rest, gamma) - gamma*math.Exp(log)*math.Pow(rest, gamma-1)*log
}

// Cost is an estimate in which exp counts as eight operations.
func (CrossEntropyDx) Cost(in, _ []ir.Type) ir.Cost { return ops1(13, in[1]) }
