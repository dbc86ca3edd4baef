package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[MaxPoolDx]("maxpool_dx", "Gradient of maxpool.",
	ir.Example{Op: MaxPoolDx{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}, Ceil: true}, In: shapes("Nx2x3x3", "Nx2x6x7")},
	ir.Example{Op: MaxPoolDx{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}}, In: shapes("Nx2x3x3"), Violates: 1},
	ir.Example{Op: MaxPoolDx{Kernel: ir.HW{3, 3}, Stride: ir.HW{0, 2}}, In: shapes("Nx2x3x3", "Nx2x6x7"), Violates: 2},
	ir.Example{Op: MaxPoolDx{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}}, In: shapes("Nx2x3x3", "Nx2x6x7"), Violates: 3},
).ForGradients()

// MaxPoolDx adds each dy to the element that was the maximum of its window; if several
// were, to the first of them in row-major order. Gradients of overlapping windows add
// up.
//
// Constraints:
//
//	(1) operands dy and x, the input of maxpool
//	(2) maxpool accepts x
//	(3) dy has the shape of maxpool's output
type MaxPoolDx struct {
	Kernel ir.HW   `dsl:"kernel"`
	Stride ir.HW   `dsl:"stride,default=1x1"`
	Pad    ir.Pads `dsl:"pad"`
	Ceil   bool    `dsl:"ceil"`
}

// Operands are dy and x.
func (MaxPoolDx) Operands() []string { return gradXSig.names() }

// Infer returns the shape of x.
func (m MaxPoolDx) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferInput("maxpool_dx", MaxPool(m), in)
}

// Eval finds the largest element of each window again.
func (m MaxPoolDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dy, x := in[0], in[1]
	dx := tensor.New(x.Shape...)
	MaxPool(m).each(x, dy.Shape, func(at, out int) { dx.Data[at] += dy.Data[out] })
	return []*tensor.Tensor{dx}, nil
}

// Cost is one comparison for each element of a window.
func (m MaxPoolDx) Cost(in, _ []ir.Type) ir.Cost { return ops1(m.Kernel[0]*m.Kernel[1], in[0]) }
