package ops

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Reshape]("reshape", "The same elements, in order, with another shape.",
	ir.Example{Op: Reshape{Shape: "Nx1x14x14"}, In: shapes("Nx196")},
	ir.Example{Op: Reshape{Shape: "Nx6"}, In: shapes("Nx2x3")},
	ir.Example{Op: Reshape{Shape: "3x2"}, In: shapes("6")},
	ir.Example{Op: Reshape{Shape: "scalar"}, In: shapes("1x1")},
	ir.Example{Op: Reshape{Shape: "Nx6"}, In: nil, Violates: 1},
	ir.Example{Op: Reshape{Shape: "Nx6y"}, In: shapes("Nx2x3"), Violates: 2},
	ir.Example{Op: Reshape{Shape: "Nx7"}, In: shapes("Nx2x3"), Violates: 3},
)

// Reshape is the elements of x, in order, with another shape. An N in the shape is the
// batch: the number of elements divided by the product of the other axes.
//
// Constraints:
//
//	(1) one operand x
//	(2) the attribute shape is a valid shape; it and the shape of x have at most one N each
//	(3) both have the same number of elements, for any batch
type Reshape struct {
	Shape ir.Dims `dsl:"shape"`
}

// Operands is x.
func (Reshape) Operands() []string { return unarySig.names() }

// Infer returns the shape. If x has a number in place of N, the result has one too.
func (r Reshape) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("reshape", in); err != nil {
		return nil, err
	}
	x := in[0].Shape
	s, err := r.Shape.Shape()
	if err != nil || batches(s) > 1 || batches(x) > 1 {
		return nil, ir.Violation("reshape", 2, -1, "%q is not a shape for %v: want numbers joined by x, such as Nx1x14x14, with one N at most", string(r.Shape), x)
	}
	out, ok := r.bind(s, x)
	if !ok {
		return nil, ir.Violation("reshape", 3, 0, "%v and %v differ in their number of elements: %d and %d for each image", x, s, x.Size(), s.Size())
	}
	return like(ir.Float(out...)), nil
}

func batches(s ir.Shape) int {
	n := 0
	for _, d := range s {
		if d == ir.Batch {
			n++
		}
	}
	return n
}

// bind returns s for the elements of x. If x has no N but s has, the N of s becomes the
// number that fits. It returns false if the numbers of elements do not fit.
func (r Reshape) bind(s, x ir.Shape) (ir.Shape, bool) {
	switch {
	case x.Symbolic() == s.Symbolic():
		return s, x.Size() == s.Size()
	case x.Symbolic() || x.Size()%s.Size() != 0:
		return nil, false
	}
	return s.Bind(x.Size() / s.Size()), true
}

// Eval copies the elements.
func (r Reshape) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	s, err := r.Shape.Shape()
	if err != nil {
		return nil, err
	}
	s, ok := r.bind(s, in[0].Shape)
	if !ok {
		return nil, fmt.Errorf("reshape: %v cannot become %s", ir.Shape(in[0].Shape), r.Shape)
	}
	return []*tensor.Tensor{in[0].Clone().Reshape(s...)}, nil
}

// Grad reshapes dy to the shape of x.
func (Reshape) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(Reshape{Shape: ir.DimsOf(n.In[0].Type.Shape)}, dy[0])}
}
