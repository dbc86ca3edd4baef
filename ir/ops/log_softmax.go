package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[LogSoftmax]("log_softmax", "Logarithm of softmax.",
	ir.Example{Op: LogSoftmax{Axis: 1}, In: shapes("Nx5")},
	ir.Example{Op: LogSoftmax{Axis: 2}, In: shapes("Nx3x4x2")},
	ir.Example{Op: LogSoftmax{Axis: 1}, In: nil, Violates: 1},
	ir.Example{Op: LogSoftmax{Axis: -1}, In: shapes("Nx5"), Violates: 2},
)

// LogSoftmax is x - log(sum of exp(x)) along an axis, by default axis 1 (the channels).
//
// Constraints:
//
//	(1) one operand x
//	(2) axis is an axis of x, but not the symbolic batch
type LogSoftmax struct {
	Axis int `dsl:"axis,default=1"`
}

// Operands is x.
func (LogSoftmax) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (s LogSoftmax) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("log_softmax", in); err != nil {
		return nil, err
	}
	if err := inferAxis("log_softmax", s.Axis, in[0].Shape); err != nil {
		return nil, err
	}
	return like(in[0]), nil
}

// Eval subtracts.
func (s LogSoftmax) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return []*tensor.Tensor{logSoftmax(in[0], s.Axis)}, nil
}

// Cost is an estimate in which exp counts as eight operations.
func (LogSoftmax) Cost(_, out []ir.Type) ir.Cost { return ops1(11, out[0]) }

// Grad is log_softmax_dx, which reads the output.
func (s LogSoftmax) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(LogSoftmaxDx(s), dy[0], n.Out[0])}
}
