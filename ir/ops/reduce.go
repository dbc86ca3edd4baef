package ops

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Reduce]("reduce", "Sum, mean or maximum over axes.",
	ir.Example{Op: Reduce{Kind: ReduceSum, Axes: "0,2,3"}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Reduce{Kind: ReduceMean, Axes: "1,3", Keep: true}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Reduce{Kind: ReduceMax, Axes: "1"}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Reduce{Kind: ReduceMean}, In: shapes("Nx3")},
	ir.Example{Op: Reduce{Kind: ReduceMax, Keep: true}, In: shapes("2x3")},
	ir.Example{Op: Reduce{Kind: ReduceSum, Axes: "0"}, In: nil, Violates: 1},
	ir.Example{Op: Reduce{Kind: ReduceSum, Axes: "1,1"}, In: shapes("Nx3"), Violates: 2},
	ir.Example{Op: Reduce{Kind: "median", Axes: "1"}, In: shapes("Nx3"), Violates: 3},
)

// ReduceKind is the function that reduce computes: sum, mean or max.
type ReduceKind string

// The kinds.
const (
	ReduceSum  ReduceKind = "sum"
	ReduceMean ReduceKind = "mean"
	ReduceMax  ReduceKind = "max"
)

// MarshalText prints the name.
func (k ReduceKind) MarshalText() ([]byte, error) { return []byte(k), nil }

// UnmarshalText reads a name.
func (k *ReduceKind) UnmarshalText(b []byte) error {
	if !ReduceKind(b).valid() {
		return fmt.Errorf("unknown reduction %q (want sum, mean or max)", b)
	}
	*k = ReduceKind(b)
	return nil
}

func (k ReduceKind) valid() bool { return k == ReduceSum || k == ReduceMean || k == ReduceMax }

// Reduce is the sum, the mean or the maximum over some axes, or over all axes if axes is
// empty. With keep, these axes remain with extent 1; otherwise they are removed. NaN
// propagates.
//
// Constraints:
//
//	(1) one operand x
//	(2) axes are axes of x, each at most once
//	(3) kind is sum, mean or max
type Reduce struct {
	Kind ReduceKind `dsl:"kind,default=sum"`
	Axes ir.Ints    `dsl:"axes"`
	Keep bool       `dsl:"keep"`
}

// Operands is x.
func (Reduce) Operands() []string { return unarySig.names() }

// Infer returns the shape of x without the axes, or with keep, with 1 in their place.
func (r Reduce) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("reduce", in); err != nil {
		return nil, err
	}
	x := in[0].Shape
	axes, err := r.axes(len(x))
	if err != nil {
		return nil, ir.Violation("reduce", 2, -1, "axes %q of a shape with %d axes, %v: want each at most once, from 0 to %d", string(r.Axes), len(x), x, len(x)-1)
	}
	if !r.Kind.valid() {
		return nil, ir.Violation("reduce", 3, -1, "unknown reduction %q", string(r.Kind)).WithHelp("use sum, mean or max")
	}
	return like(ir.Float(r.shape(x, axes)...)), nil
}

// Over lists the axes of a value of that rank that are reduced: Axes, or all if it is empty.
func (r Reduce) Over(rank int) ([]int, error) {
	axes, err := r.Axes.List()
	if err == nil && len(axes) == 0 {
		for i := range rank {
			axes = append(axes, i)
		}
	}
	return axes, err
}

// axes reports, for each of rank axes, whether it is reduced.
func (r Reduce) axes(rank int) ([]bool, error) {
	list, err := r.Over(rank)
	if err != nil {
		return nil, err
	}
	gone := make([]bool, rank)
	for _, a := range list {
		if a < 0 || a >= rank || gone[a] {
			return nil, fmt.Errorf("axis %d", a)
		}
		gone[a] = true
	}
	return gone, nil
}

func (r Reduce) shape(x []int, gone []bool) ir.Shape {
	out := ir.Shape{}
	for i, d := range x {
		switch {
		case !gone[i]:
			out = append(out, d)
		case r.Keep:
			out = append(out, 1)
		}
	}
	return out
}

// groups returns the shape of the output, a map from the index of an element of x to the
// index of the output that it belongs to, and the number of elements for each output.
func (r Reduce) groups(x []int) (shape ir.Shape, to places, count int, err error) {
	gone, err := r.axes(len(x))
	if err != nil {
		return nil, places{}, 0, err
	}
	shape = r.shape(x, gone)
	kept := slices.Clone(x)
	count = 1
	for i, g := range gone {
		if g {
			count *= x[i]
			kept[i] = 1
		}
	}
	return shape, stretched(kept, x), count, nil
}

// Eval visits the elements of x in order.
func (r Reduce) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	x := in[0]
	shape, to, count, err := r.groups(x.Shape)
	if err != nil {
		return nil, err
	}
	y := tensor.New(shape...)
	if r.Kind == ReduceMax {
		for i, at := range r.first(x, to, len(y.Data)) {
			y.Data[i] = x.Data[at]
		}
		return []*tensor.Tensor{y}, nil
	}
	for i, v := range x.Data {
		y.Data[to.of(i)] += v
	}
	if r.Kind == ReduceMean {
		for i := range y.Data {
			y.Data[i] /= float64(count)
		}
	}
	return []*tensor.Tensor{y}, nil
}

// first returns, for each of n outputs, the index of the largest of its elements of x,
// and of the first one if there are several.
func (r Reduce) first(x *tensor.Tensor, to places, n int) []int {
	best := make([]int, n)
	for i := range best {
		best[i] = -1
	}
	for i, v := range x.Data {
		if o := to.of(i); best[o] < 0 || above(v, x.Data[best[o]]) {
			best[o] = i
		}
	}
	return best
}

// Cost is one operation for each element.
func (Reduce) Cost(in, _ []ir.Type) ir.Cost { return ops1(1, in[0]) }

// Grad is reduce_dx.
func (r Reduce) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(ReduceDx(r), dy[0], n.In[0])}
}
