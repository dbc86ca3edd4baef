package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Transpose]("transpose", "Axes in another order.",
	ir.Example{Op: Transpose{Perm: "0,2,3,1"}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Transpose{Perm: "1,0"}, In: shapes("Nx3")},
	ir.Example{Op: Transpose{Perm: "2,0,3,1"}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Transpose{Perm: "1,0"}, In: nil, Violates: 1},
	ir.Example{Op: Transpose{Perm: "0,2,2,1"}, In: shapes("Nx3x4x2"), Violates: 2},
)

// Transpose is x with its axes in another order. Axis i of the result is axis perm[i] of
// x.
//
// Constraints:
//
//	(1) one operand x
//	(2) perm names each axis of x once
type Transpose struct {
	Perm ir.Ints `dsl:"perm"`
}

// Operands is x.
func (Transpose) Operands() []string { return unarySig.names() }

// perm returns the permutation, or nil if the attribute is not a permutation of rank
// axes.
func (t Transpose) perm(rank int) []int {
	p, err := t.Perm.List()
	if err != nil || len(p) != rank {
		return nil
	}
	seen := make([]bool, rank)
	for _, a := range p {
		if a < 0 || a >= rank || seen[a] {
			return nil
		}
		seen[a] = true
	}
	return p
}

// Infer returns the permuted shape.
func (t Transpose) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("transpose", in); err != nil {
		return nil, err
	}
	x := in[0].Shape
	p := t.perm(len(x))
	if p == nil && len(x) > 0 {
		return nil, ir.Violation("transpose", 2, -1, "perm %q does not name each axis of %v once", string(t.Perm), x)
	}
	out := make(ir.Shape, len(x))
	for i, a := range p {
		out[i] = x[a]
	}
	return like(ir.Float(out...)), nil
}

// Eval copies element by element.
func (t Transpose) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	x := in[0]
	p := t.perm(len(x.Shape))
	s := tensor.Strides(x.Shape)
	shape, strides := make([]int, len(p)), make([]int, len(p))
	for i, a := range p {
		shape[i], strides[i] = x.Shape[a], s[a]
	}
	y := tensor.New(shape...)
	from := places{shape, strides}
	for i := range y.Data {
		y.Data[i] = x.Data[from.of(i)]
	}
	return []*tensor.Tensor{y}, nil
}

// Grad is the inverse transposition.
func (t Transpose) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	p := t.perm(len(n.In[0].Type.Shape))
	inverse := make([]int, len(p))
	for i, a := range p {
		inverse[a] = i
	}
	return []*ir.Value{b.Do(Transpose{Perm: ir.IntsOf(inverse...)}, dy[0])}
}
