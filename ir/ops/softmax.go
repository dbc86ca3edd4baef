package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Softmax]("softmax", "exp(x) divided by its sum along an axis.",
	ir.Example{Op: Softmax{Axis: 1}, In: shapes("Nx5")},
	ir.Example{Op: Softmax{Axis: 1}, In: shapes("Nx3x2x2")},
	ir.Example{Op: Softmax{Axis: 3}, In: shapes("Nx3x2x4")},
	ir.Example{Op: Softmax{Axis: 1}, In: nil, Violates: 1},
	ir.Example{Op: Softmax{Axis: 2}, In: shapes("Nx5"), Violates: 2},
)

// Softmax is exp(x) / sum of exp(x) along an axis, by default axis 1, the channels
// (Bridle 1990). The maximum along the axis is subtracted from x first, so that exp does
// not overflow.
//
// Constraints:
//
//	(1) one operand x
//	(2) axis is an axis of x, but not the symbolic batch
type Softmax struct {
	Axis int `dsl:"axis,default=1"`
}

// Operands is x.
func (Softmax) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (s Softmax) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("softmax", in); err != nil {
		return nil, err
	}
	if err := inferAxis("softmax", s.Axis, in[0].Shape); err != nil {
		return nil, err
	}
	return like(in[0]), nil
}

// Eval computes exp of log_softmax.
func (s Softmax) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	y := logSoftmax(in[0], s.Axis)
	for i, v := range y.Data {
		y.Data[i] = math.Exp(v)
	}
	return []*tensor.Tensor{y}, nil
}

// logSoftmax returns x - max - log(sum(exp(x - max))) along an axis.
func logSoftmax(x *tensor.Tensor, axis int) *tensor.Tensor {
	y := x.Clone()
	lines(x.Shape, axis, func(first, step, n int) {
		top := x.Data[argmax(x.Data, first, step, n)]
		sum := 0.0
		for i := range n {
			sum += math.Exp(x.Data[first+i*step] - top)
		}
		for i := range n {
			// Subtract top first: if it is huge, top + log(sum) would round to top.
			y.Data[first+i*step] = (x.Data[first+i*step] - top) - math.Log(sum)
		}
	})
	return y
}

// lines calls f for each line of elements along an axis, with the index of its first
// element, the distance between neighbours and their number.
func lines(shape []int, axis int, f func(first, step, n int)) {
	outer, n, inner := around(shape, axis)
	for i := range outer {
		for j := range inner {
			f(i*n*inner+j, inner, n)
		}
	}
}

// Cost is an estimate in which exp counts as eight operations.
func (Softmax) Cost(_, out []ir.Type) ir.Cost { return ops1(11, out[0]) }

// Grad is softmax_dx, which reads the output.
func (s Softmax) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(SoftmaxDx(s), dy[0], n.Out[0])}
}
