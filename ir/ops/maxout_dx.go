package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[MaxoutDx]("maxout_dx", "Gradient of maxout.",
	ir.Example{Op: MaxoutDx{Pieces: 2}, In: shapes("Nx3x4x3", "Nx6x4x3")},
	ir.Example{Op: MaxoutDx{Pieces: 2}, In: shapes("Nx3x4x3"), Violates: 1},
	ir.Example{Op: MaxoutDx{Pieces: 4}, In: shapes("Nx3x4x3", "Nx6x4x3"), Violates: 2},
	ir.Example{Op: MaxoutDx{Pieces: 2}, In: shapes("Nx2x4x3", "Nx6x4x3"), Violates: 3},
).ForGradients()

// MaxoutDx passes dy to the piece that was the maximum; if several were, to the first of
// them.
//
// Constraints:
//
//	(1) operands dy and x, the input of maxout
//	(2) maxout accepts x
//	(3) dy has the shape of maxout's output
type MaxoutDx struct {
	Pieces int `dsl:"k"`
}

// Operands are dy and x.
func (MaxoutDx) Operands() []string { return gradXSig.names() }

// Infer returns the shape of x.
func (m MaxoutDx) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferInput("maxout_dx", Maxout(m), in)
}

// inferInput implements Infer for gradients that have the operands dy and x and return
// the shape of x. It checks their constraints 1 to 3.
func inferInput(op string, forward ir.Op, in []ir.Type) ([]ir.Type, error) {
	if err := gradXSig.check(op, in); err != nil {
		return nil, err
	}
	y, err := forward.Infer(in[1:])
	if err != nil {
		return nil, ir.Violation(op, 2, 1, "%v", err)
	}
	if !y[0].Shape.Equal(in[0].Shape) {
		return nil, ir.Violation(op, 3, 0, "dy has shape %v, but the output of the forward op has shape %v", in[0].Shape, y[0].Shape)
	}
	return like(in[1]), nil
}

// Eval finds the largest piece of each unit again.
func (m MaxoutDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dy, x := in[0], in[1]
	dx := tensor.New(x.Shape...)
	Maxout(m).each(x.Shape, func(out, first, step int) {
		dx.Data[argmax(x.Data, first, step, m.Pieces)] += dy.Data[out]
	})
	return []*tensor.Tensor{dx}, nil
}

// Cost is one comparison for each piece.
func (m MaxoutDx) Cost(in, _ []ir.Type) ir.Cost { return ops1(1, in[1]) }
