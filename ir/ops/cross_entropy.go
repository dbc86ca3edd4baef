package ops

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[CrossEntropy]("cross_entropy", "Mean softmax cross-entropy of logits, with label smoothing (Szegedy 2016, section 7).",
	ir.Example{Op: CrossEntropy{}, In: shapes("Nx5", "i64:N")},
	ir.Example{Op: CrossEntropy{Smoothing: 0.1}, In: shapes("Nx5", "i64:N")},
	ir.Example{Op: CrossEntropy{}, In: shapes("Nx5", "N"), Violates: 1},
	ir.Example{Op: CrossEntropy{}, In: shapes("Nx5", "i64:4"), Violates: 2},
	ir.Example{Op: CrossEntropy{Smoothing: 1}, In: shapes("Nx5", "i64:N"), Violates: 3},
)

// CrossEntropy is the mean over n of -sum over c of q[n,c] * log_softmax(logits)[n,c].
// The target distribution is q[n,c] = (1-smoothing) * [c is the label of n] +
// smoothing / C (Szegedy 2016, section 7).
//
// Constraints:
//
//	(1) operands logits[N,C] and labels[N], which are i64
//	(2) both have the same N
//	(3) 0 <= smoothing < 1
//
// Eval returns an error for a label outside of 0..C-1.
type CrossEntropy struct {
	Smoothing float64 `dsl:"smoothing"`
}

var crossEntropySig = sig("logits:NC labels:N/i64")

// Operands are logits and labels.
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
		return nil, ir.Violation("cross_entropy", 3, -1, "smoothing %g is not within 0..1, 1 excluded", c.Smoothing)
	}
	return like(ir.Float()), nil
}

// target returns q for a class, given a valid label.
func (c CrossEntropy) target(label, class, classes int) float64 {
	q := c.Smoothing / float64(classes)
	if class == label {
		q += 1 - c.Smoothing
	}
	return q
}

// checkLabels returns the labels as ints, or an error if one is not in 0..classes-1.
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

// Eval computes the formula.
func (c CrossEntropy) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	n, classes := in[0].Shape[0], in[0].Shape[1]
	labels, err := checkLabels(in[1], classes)
	if err != nil {
		return nil, err
	}
	l := logSoftmax(in[0], 1)
	sum := 0.0
	for i, v := range l.Data {
		sum -= c.target(labels[i/classes], i%classes, classes) * v
	}
	return []*tensor.Tensor{tensor.Scalar(sum / float64(n))}, nil
}

// Cost is an estimate in which exp counts as eight operations.
func (CrossEntropy) Cost(in, _ []ir.Type) ir.Cost { return ops1(12, in[0]) }

// Grad is cross_entropy_dx.
func (c CrossEntropy) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(CrossEntropyDx(c), dy[0], n.In[0], n.In[1]), nil}
}
