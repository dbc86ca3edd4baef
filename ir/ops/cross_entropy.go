package ops

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[CrossEntropy]("cross_entropy", "Mean softmax cross-entropy of logits, with label smoothing (Szegedy 2016, section 7), weights of classes, or as focal loss (Lin 2017).",
	ir.Example{Op: CrossEntropy{}, In: shapes("Nx5", "i64:N")},
	ir.Example{Op: CrossEntropy{Smoothing: 0.1}, In: shapes("Nx5", "i64:N", "5")},
	ir.Example{Op: CrossEntropy{Gamma: 2}, In: shapes("Nx5", "i64:N", "5")},
	ir.Example{Op: CrossEntropy{}, In: shapes("Nx5", "N"), Violates: 1},
	ir.Example{Op: CrossEntropy{}, In: shapes("Nx5", "i64:4"), Violates: 2},
	ir.Example{Op: CrossEntropy{Smoothing: 1}, In: shapes("Nx5", "i64:N"), Violates: 3},
	ir.Example{Op: CrossEntropy{}, In: shapes("Nx5", "i64:N", "4"), Violates: 4},
	ir.Example{Op: CrossEntropy{Gamma: -1}, In: shapes("Nx5", "i64:N"), Violates: 5},
	ir.Example{Op: CrossEntropy{Gamma: 2, Smoothing: 0.1}, In: shapes("Nx5", "i64:N"), Violates: 5},
)

// CrossEntropy is the mean of the losses of the images. The loss of image n is
//
//	-sum over c of weights[c] * q[n,c] * log p[n,c]
//
// where p is the softmax of the logits and q the target distribution, q[n,c] =
// (1-smoothing) * [c is the label of n] + smoothing / C (Szegedy 2016, section 7). With
// gamma above 0 it is the focal loss (Lin 2017) of the label l:
//
//	-weights[l] * (1 - p[n,l])^gamma * log p[n,l]
//
// The mean is weighted: the sum of the losses is divided by the sum of the weights of
// the labels, as PyTorch's cross_entropy does it. Without the operand weights all are 1.
//
// Constraints:
//
//	(1) operands logits[N,C], labels[N], which are i64, and optionally weights[C]
//	(2) logits and labels have the same N
//	(3) 0 <= smoothing < 1
//	(4) weights has C elements
//	(5) gamma >= 0, and gamma or smoothing is 0
//
// Eval returns an error for a label outside of 0..C-1.
type CrossEntropy struct {
	Smoothing float64 `dsl:"smoothing"`
	Gamma     float64 `dsl:"gamma"`
}

var crossEntropySig = sig("logits:NC labels:N/i64 weights?:C")

// Operands are logits, labels and weights of the classes.
func (CrossEntropy) Operands() []string { return crossEntropySig.names() }

// Infer returns a scalar.
func (c CrossEntropy) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := crossEntropySig.check("cross_entropy", in); err != nil {
		return nil, err
	}
	if in[0].Shape[0] != in[1].Shape[0] {
		return nil, ir.Violation("cross_entropy", 2, 1, "logits are %v and labels are %v: the numbers of images differ", in[0].Shape, in[1].Shape)
	}
	if !(c.Smoothing >= 0 && c.Smoothing < 1) {
		return nil, ir.Violation("cross_entropy", 3, -1, "smoothing=%g (want at least 0 and below 1)", c.Smoothing)
	}
	if len(in) > 2 && in[2].Shape[0] != in[0].Shape[1] {
		return nil, ir.Violation("cross_entropy", 4, 2, "%d weights for %d classes", in[2].Shape[0], in[0].Shape[1])
	}
	if !(c.Gamma >= 0) || math.IsInf(c.Gamma, 0) {
		return nil, ir.Violation("cross_entropy", 5, -1, "gamma %g is not 0 or more", c.Gamma)
	}
	if c.Gamma > 0 && c.Smoothing > 0 {
		return nil, ir.Violation("cross_entropy", 5, -1, "gamma %g and smoothing %g exclude each other", c.Gamma, c.Smoothing)
	}
	return like(ir.Float()), nil
}

// target returns q, for a valid label.
func (c CrossEntropy) target(label, class, classes int) float64 {
	q := c.Smoothing / float64(classes)
	if class == label {
		q += 1 - c.Smoothing
	}
	return q
}

// checkLabels returns the labels as ints.
func checkLabels(labels *tensor.Tensor, classes int) ([]int, error) {
	r := make([]int, len(labels.Data))
	for i, v := range labels.Data {
		r[i] = int(v)
		if float64(r[i]) != v || r[i] < 0 || r[i] >= classes {
			return nil, fmt.Errorf("label %d is %g, not one of the %d classes 0..%d", i, v, classes, classes-1)
		}
	}
	return r, nil
}

// classWeights returns the weights of the classes and the sum of those of the labels.
// in are the operands of cross_entropy.
func classWeights(in []*tensor.Tensor, labels []int) (weights []float64, sum float64) {
	weights = make([]float64, in[0].Shape[1])
	for c := range weights {
		weights[c] = 1
		if len(in) > 2 {
			weights[c] = in[2].Data[c]
		}
	}
	for _, l := range labels {
		sum += weights[l]
	}
	return weights, sum
}

// Eval is the formula.
func (c CrossEntropy) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	classes := in[0].Shape[1]
	labels, err := checkLabels(in[1], classes)
	if err != nil {
		return nil, err
	}
	weights, of := classWeights(in, labels)
	logs := logSoftmax(in[0], 1)
	sum := 0.0
	for n, label := range labels {
		if c.Gamma > 0 {
			l := logs.Data[n*classes+label]
			sum -= weights[label] * math.Pow(-math.Expm1(l), c.Gamma) * l
			continue
		}
		for k, l := range logs.Data[n*classes : (n+1)*classes] {
			sum -= weights[k] * c.target(label, k, classes) * l
		}
	}
	return []*tensor.Tensor{tensor.Scalar(sum / of)}, nil
}

// Cost is an estimate, exp as eight.
func (CrossEntropy) Cost(in, _ []ir.Type) ir.Cost { return ops1(12, in[0]) }

// Grad is cross_entropy_dx.
func (c CrossEntropy) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	dx := b.Do(CrossEntropyDx(c), append([]*ir.Value{dy[0]}, n.In...)...)
	return append([]*ir.Value{dx}, make([]*ir.Value, len(n.In)-1)...)
}
