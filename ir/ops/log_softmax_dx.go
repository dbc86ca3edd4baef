package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[LogSoftmaxDx]("log_softmax_dx", "Gradient of log_softmax.",
	ir.Example{Op: LogSoftmaxDx{Axis: 1}, In: shapes("Nx5x2x1", "Nx5x2x1")},
	ir.Example{Op: LogSoftmaxDx{Axis: 1}, In: shapes("Nx5"), Violates: 1},
	ir.Example{Op: LogSoftmaxDx{Axis: 1}, In: shapes("Nx5", "Nx6"), Violates: 2},
	ir.Example{Op: LogSoftmaxDx{Axis: 4}, In: shapes("Nx5", "Nx5"), Violates: 3},
).ForGradients()

// LogSoftmaxDx is dy - exp(y) * sum of dy, with the sum along the axis.
//
// Constraints:
//
//	(1) operands dy and y, the output of log_softmax
//	(2) both have the same shape
//	(3) axis is an axis of both, but not the symbolic batch
type LogSoftmaxDx struct {
	Axis int `dsl:"axis,default=1"`
}

// Operands are dy and y.
func (LogSoftmaxDx) Operands() []string { return gradYSig.names() }

// Infer returns the shape of dy.
func (s LogSoftmaxDx) Infer(in []ir.Type) ([]ir.Type, error) {
	out, err := inferGrad("log_softmax_dx", gradYSig, in)
	if err != nil {
		return nil, err
	}
	if err := inferAxis("log_softmax_dx", s.Axis, in[0].Shape); err != nil {
		return nil, ir.Violation("log_softmax_dx", 3, 0, "axis %d of %v does not exist or is the batch", s.Axis, in[0].Shape)
	}
	return out, nil
}

// Eval computes the formula.
func (s LogSoftmaxDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dy, y := in[0], in[1]
	dx := dy.Clone()
	lines(dy.Shape, s.Axis, func(first, step, n int) {
		sum := 0.0
		for i := range n {
			sum += dy.Data[first+i*step]
		}
		for i := range n {
			at := first + i*step
			dx.Data[at] -= math.Exp(y.Data[at]) * sum
		}
	})
	return []*tensor.Tensor{dx}, nil
}

// Cost is an estimate.
func (LogSoftmaxDx) Cost(_, out []ir.Type) ir.Cost { return ops1(11, out[0]) }
