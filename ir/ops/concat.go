package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Concat]("concat", "Values joined along an axis (Szegedy 2015, section 4).",
	ir.Example{Op: Concat{Axis: 1}, In: shapes("Nx3x4x5", "Nx1x4x5", "Nx2x4x5")},
	ir.Example{Op: Concat{Axis: 3}, In: shapes("Nx3x4x5", "Nx3x4x1")},
	ir.Example{Op: Concat{Axis: 1}, In: shapes("Nx3")},
	ir.Example{Op: Concat{Axis: 1}, In: nil, Violates: 1},
	ir.Example{Op: Concat{Axis: 0}, In: shapes("Nx3x4x5", "Nx3x4x5"), Violates: 2},
	ir.Example{Op: Concat{Axis: 1}, In: shapes("Nx3x4x5", "Nx3x5x4"), Violates: 3},
)

// Concat joins its operands along an axis, in order.
//
// Constraints:
//
//	(1) one or more operands
//	(2) axis is an axis of the first operand, but not the symbolic batch
//	(3) the shapes differ only in that axis
type Concat struct {
	Axis int `dsl:"axis,default=1"`
}

var concatSig = sig("x...")

// Operands is x, repeated.
func (Concat) Operands() []string { return concatSig.names() }

// Infer returns the first shape, with the extents along the axis added up.
func (c Concat) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := concatSig.check("concat", in); err != nil {
		return nil, err
	}
	out := append(ir.Shape{}, in[0].Shape...)
	if err := inferAxis("concat", c.Axis, out); err != nil {
		return nil, err
	}
	for i, t := range in[1:] {
		s := append(ir.Shape{}, t.Shape...)
		if len(s) != len(out) {
			return nil, ir.Violation("concat", 3, i+1, "%v cannot be joined to %v: %d axes against %d", t.Shape, in[0].Shape, len(s), len(out))
		}
		d := s[c.Axis]
		s[c.Axis] = out[c.Axis]
		if d == ir.Batch || !s.Equal(out) {
			v := ir.Violation("concat", 3, i+1, "%v cannot be joined to %v along axis %d: another axis differs", t.Shape, in[0].Shape, c.Axis)
			if len(s) == 4 && c.Axis == 1 && (s[2] != out[2] || s[3] != out[3]) {
				v = v.WithHelp("branches must have one height and width: %dx%d against %dx%d; drop a stride, or give every branch the same", s[2], s[3], out[2], out[3])
			}
			return nil, v
		}
		out[c.Axis] += d
	}
	return like(ir.Float(out...)), nil
}

// Eval copies the operands.
func (c Concat) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	shape := append([]int(nil), in[0].Shape...)
	for _, x := range in[1:] {
		shape[c.Axis] += x.Shape[c.Axis]
	}
	y := tensor.New(shape...)
	outer, n, inner := around(shape, c.Axis)
	at := 0
	for _, x := range in {
		w := x.Shape[c.Axis] * inner
		for i := range outer {
			copy(y.Data[i*n*inner+at:][:w], x.Data[i*w:])
		}
		at += w
	}
	return []*tensor.Tensor{y}, nil
}

// Grad is a split of dy, or slices if a split cannot have that many outputs.
func (c Concat) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	if len(n.In) == 1 {
		return dy
	}
	if len(n.In) <= ir.MaxOutputs {
		sizes := make([]int, len(n.In))
		for i, v := range n.In {
			sizes[i] = v.Type.Shape[c.Axis]
		}
		return b.DoN(Split{Axis: c.Axis, Sizes: ir.IntsOf(sizes...)}, dy[0])[:len(n.In)]
	}
	r := make([]*ir.Value, len(n.In))
	at := 0
	for i, v := range n.In {
		d := v.Type.Shape[c.Axis]
		r[i] = b.Do(Slice{Axis: c.Axis, Start: at, Stop: at + d}, dy[0])
		at += d
	}
	return r
}
