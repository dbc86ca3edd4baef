package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[SliceDx]("slice_dx", "Gradient of slice: dy, extended with zeros.",
	ir.Example{Op: SliceDx{Axis: 1, Start: 1, Size: 5}, In: shapes("Nx2x3x2")},
	ir.Example{Op: SliceDx{Axis: 1, Start: 1, Size: 5}, In: nil, Violates: 1},
	ir.Example{Op: SliceDx{Axis: 0, Start: 1, Size: 5}, In: shapes("Nx2x3x2"), Violates: 2},
	ir.Example{Op: SliceDx{Axis: 1, Start: 4, Size: 5}, In: shapes("Nx2x3x2"), Violates: 3},
).ForGradients()

// SliceDx is a tensor with the extent size along the axis: dy from start on, zeros
// elsewhere.
//
// Constraints:
//
//	(1) one operand dy
//	(2) axis is an axis of dy, but not the symbolic batch
//	(3) start is not negative; start + the extent of dy along the axis is at most size
type SliceDx struct {
	Axis  int `dsl:"axis,default=1"`
	Start int `dsl:"start"`
	Size  int `dsl:"size"`
}

var gradSig = sig("dy")

// Operands is dy.
func (SliceDx) Operands() []string { return gradSig.names() }

// Infer returns the shape of dy with the extent size along the axis.
func (s SliceDx) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := gradSig.check("slice_dx", in); err != nil {
		return nil, err
	}
	out := append(ir.Shape{}, in[0].Shape...)
	if err := inferAxis("slice_dx", s.Axis, out); err != nil {
		return nil, err
	}
	if !bounded(0, s.Start, s.Size) || s.Start+out[s.Axis] > s.Size {
		return nil, ir.Violation("slice_dx", 3, 0, "%d elements from %d on do not fit into %d", out[s.Axis], s.Start, s.Size)
	}
	out[s.Axis] = s.Size
	return like(ir.Float(out...)), nil
}

// Eval copies dy.
func (s SliceDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	shape := append([]int(nil), in[0].Shape...)
	shape[s.Axis] = s.Size
	dx := tensor.New(shape...)
	outer, n, inner := around(in[0].Shape, s.Axis)
	for i := range outer {
		copy(dx.Data[(i*s.Size+s.Start)*inner:], in[0].Data[i*n*inner:][:n*inner])
	}
	return []*tensor.Tensor{dx}, nil
}
