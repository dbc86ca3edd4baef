package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Slice]("slice", "Part of a value along an axis.",
	ir.Example{Op: Slice{Axis: 1, Start: 1, Stop: 3}, In: shapes("Nx4x3x2")},
	ir.Example{Op: Slice{Axis: 3, Start: 0, Stop: 1}, In: shapes("Nx4x3x2")},
	ir.Example{Op: Slice{Axis: 1, Start: 1, Stop: 3}, In: nil, Violates: 1},
	ir.Example{Op: Slice{Axis: 4, Start: 1, Stop: 3}, In: shapes("Nx4x3x2"), Violates: 2},
	ir.Example{Op: Slice{Axis: 1, Start: 1, Stop: 5}, In: shapes("Nx4x3x2"), Violates: 3},
)

// Slice is the elements start..stop-1 along an axis.
//
// Constraints:
//
//	(1) one operand x
//	(2) axis is an axis of x, but not the symbolic batch
//	(3) 0 <= start < stop <= extent of the axis
type Slice struct {
	Axis  int `dsl:"axis,default=1"`
	Start int `dsl:"start"`
	Stop  int `dsl:"stop"`
}

// Operands is x.
func (Slice) Operands() []string { return unarySig.names() }

// Infer returns the shape of x with the extent stop-start along the axis.
func (s Slice) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("slice", in); err != nil {
		return nil, err
	}
	out := append(ir.Shape{}, in[0].Shape...)
	if err := inferAxis("slice", s.Axis, out); err != nil {
		return nil, err
	}
	if s.Start < 0 || s.Start >= s.Stop || s.Stop > out[s.Axis] {
		return nil, ir.Violation("slice", 3, 0, "start=%d and stop=%d are not within axis %d of %v (want 0 <= start < stop <= its extent)", s.Start, s.Stop, s.Axis, in[0].Shape)
	}
	out[s.Axis] = s.Stop - s.Start
	return like(ir.Float(out...)), nil
}

// Eval copies the elements.
func (s Slice) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return []*tensor.Tensor{cut(in[0], s.Axis, s.Start, s.Stop)}, nil
}

// cut returns a copy of the elements start..stop-1 along an axis.
func cut(x *tensor.Tensor, axis, start, stop int) *tensor.Tensor {
	shape := append([]int(nil), x.Shape...)
	shape[axis] = stop - start
	y := tensor.New(shape...)
	outer, n, inner := around(x.Shape, axis)
	w := (stop - start) * inner
	for i := range outer {
		copy(y.Data[i*w:][:w], x.Data[(i*n+start)*inner:])
	}
	return y
}

// Grad is slice_dx.
func (s Slice) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(SliceDx{Axis: s.Axis, Start: s.Start, Size: n.In[0].Type.Shape[s.Axis]}, dy[0])}
}
