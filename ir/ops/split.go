package ops

import (
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Split]("split", "Cuts a value along an axis into several.",
	ir.Example{Op: Split{Axis: 1, Sizes: "1,3,2"}, In: shapes("Nx6x3x2")},
	ir.Example{Op: Split{Axis: 2, Sizes: "3"}, In: shapes("Nx6x3x2")},
	ir.Example{Op: Split{Axis: 1, Sizes: "1,3,2"}, In: nil, Violates: 1},
	ir.Example{Op: Split{Axis: -1, Sizes: "1,3,2"}, In: shapes("Nx6x3x2"), Violates: 2},
	ir.Example{Op: Split{Axis: 1, Sizes: "1,5,0"}, In: shapes("Nx6x3x2"), Violates: 3},
	ir.Example{Op: Split{Axis: 1, Sizes: "1,3,1"}, In: shapes("Nx6x3x2"), Violates: 4},
)

// Split cuts x along an axis into pieces of the given sizes. It is the inverse of
// concat.
//
// Constraints:
//
//	(1) one operand x
//	(2) axis is an axis of x, but not the symbolic batch
//	(3) there are 1 to 64 sizes, each at least 1
//	(4) the sizes add up to the extent of the axis
type Split struct {
	Axis  int     `dsl:"axis,default=1"`
	Sizes ir.Ints `dsl:"sizes"`
}

// Operands is x.
func (Split) Operands() []string { return unarySig.names() }

// Infer returns a shape for each size.
func (s Split) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("split", in); err != nil {
		return nil, err
	}
	x := in[0].Shape
	if err := inferAxis("split", s.Axis, x); err != nil {
		return nil, err
	}
	sizes, err := s.Sizes.List()
	if err != nil || len(sizes) < 1 || len(sizes) > ir.MaxOutputs || !bounded(1, sizes...) {
		return nil, ir.Violation("split", 3, -1, "sizes %q must be 1 to %d numbers of at least 1", string(s.Sizes), ir.MaxOutputs)
	}
	sum := 0
	out := make([]ir.Type, len(sizes))
	for i, d := range sizes {
		sum += d
		t := like(in[0])[0]
		t.Shape[s.Axis] = d
		out[i] = t
	}
	if sum != x[s.Axis] {
		return nil, ir.Violation("split", 4, 0, "sizes %s add up to %d, axis %d of %v is %d", string(s.Sizes), sum, s.Axis, x, x[s.Axis])
	}
	return out, nil
}

// Eval copies the pieces.
func (s Split) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	sizes, err := s.Sizes.List()
	if err != nil {
		return nil, err
	}
	at := 0
	out := make([]*tensor.Tensor, len(sizes))
	for i, d := range sizes {
		out[i] = cut(in[0], s.Axis, at, at+d)
		at += d
	}
	return out, nil
}

// Grad is a concat of the outputs' gradients. If not all outputs lead to the loss, it is
// the sum of the gradients of those that do, each extended with zeros to the shape of x.
func (s Split) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	if !slices.Contains(dy, nil) {
		return []*ir.Value{b.Do(Concat{Axis: s.Axis}, dy...)}
	}
	var parts []*ir.Value
	at := 0
	for i, d := range dy {
		if d != nil {
			parts = append(parts, b.Do(SliceDx{Axis: s.Axis, Start: at, Size: n.In[0].Type.Shape[s.Axis]}, d))
		}
		at += n.Out[i].Type.Shape[s.Axis]
	}
	switch len(parts) {
	case 0:
		return []*ir.Value{nil}
	case 1:
		return parts
	}
	return []*ir.Value{b.Do(Add{}, parts...)}
}
