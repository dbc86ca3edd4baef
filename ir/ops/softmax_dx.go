package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[SoftmaxDx]("softmax_dx", "Gradient of softmax.",
	ir.Example{Op: SoftmaxDx{Axis: 1}, In: shapes("Nx5x2x1", "Nx5x2x1")},
	ir.Example{Op: SoftmaxDx{Axis: 1}, In: shapes("Nx5"), Violates: 1},
	ir.Example{Op: SoftmaxDx{Axis: 1}, In: shapes("Nx5", "Nx6"), Violates: 2},
	ir.Example{Op: SoftmaxDx{Axis: 4}, In: shapes("Nx5", "Nx5"), Violates: 3},
).ForGradients()

// SoftmaxDx is y * (dy - sum of dy * y), with the sum along the axis.
//
// Constraints:
//
//	(1) operands dy and y, the output of softmax
//	(2) both have the same shape
//	(3) axis is an axis of both, but not the symbolic batch
type SoftmaxDx struct {
	Axis int `dsl:"axis,default=1"`
}

// Operands are dy and y.
func (SoftmaxDx) Operands() []string { return gradYSig.names() }

// Infer returns the shape of dy.
func (s SoftmaxDx) Infer(in []ir.Type) ([]ir.Type, error) {
	out, err := inferGrad("softmax_dx", gradYSig, in)
	if err != nil {
		return nil, err
	}
	if err := inferAxis("softmax_dx", s.Axis, in[0].Shape); err != nil {
		return nil, ir.Violation("softmax_dx", 3, 0, "axis %d of %v does not exist or is the batch", s.Axis, in[0].Shape)
	}
	return out, nil
}

// Eval computes the formula.
func (s SoftmaxDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dy, y := in[0], in[1]
	dx := dy.Clone()
	lines(dy.Shape, s.Axis, func(first, step, n int) {
		sum := 0.0
		for i := range n {
			sum += dy.Data[first+i*step] * y.Data[first+i*step]
		}
		for i := range n {
			at := first + i*step
			dx.Data[at] = y.Data[at] * (dy.Data[at] - sum)
		}
	})
	return []*tensor.Tensor{dx}, nil
}

// Cost is an estimate.
func (SoftmaxDx) Cost(_, out []ir.Type) ir.Cost { return ops1(4, out[0]) }
