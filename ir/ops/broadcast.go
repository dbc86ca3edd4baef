package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// broadcast returns the shape to which two shapes broadcast by numpy's rule: they are
// aligned at the last axis, and axes of extent 1 stretch. An axis of extent 1 stretches
// to the symbolic batch; no other number fits it. ok is false if the shapes do not fit.
func broadcast(a, b ir.Shape) (ir.Shape, bool) {
	n := max(len(a), len(b))
	r := make(ir.Shape, n)
	for i := range n {
		x, y := 1, 1
		if j := i - n + len(a); j >= 0 {
			x = a[j]
		}
		if j := i - n + len(b); j >= 0 {
			y = b[j]
		}
		switch {
		case x == y || y == 1:
			r[i] = x
		case x == 1:
			r[i] = y
		default:
			return nil, false
		}
	}
	return r, true
}

// inferBroadcast implements Infer for elementwise ops with several operands. Their
// constraint 2 is that the operands broadcast.
func inferBroadcast(op string, s signature, in []ir.Type) ([]ir.Type, error) {
	if err := s.check(op, in); err != nil {
		return nil, err
	}
	out := in[0].Shape
	for i, t := range in[1:] {
		r, ok := broadcast(out, t.Shape)
		if !ok {
			v := broadcastViolation(op, i+1, out, t.Shape)
			if len(out) == 4 && len(t.Shape) == 4 && (out[2] != t.Shape[2] || out[3] != t.Shape[3]) {
				v = v.WithHelp("heights and widths must agree: %dx%d against %dx%d", out[2], out[3], t.Shape[2], t.Shape[3])
			}
			return nil, v
		}
		out = r
	}
	return like(ir.Float(out...)), nil
}

func broadcastViolation(op string, operand int, a, b ir.Shape) *ir.ConstraintError {
	return ir.Violation(op, 2, operand, "shapes %v and %v do not fit: each axis must be the same or 1", a, b)
}

// expand returns x stretched to a shape. It returns x itself if x has that shape.
func expand(x *tensor.Tensor, shape []int) *tensor.Tensor {
	if ir.Shape(shape).Equal(x.Shape) {
		return x
	}
	r := tensor.Make[float64](shape)
	at := stretched(x.Shape, shape)
	for i := range r.Data {
		r.Data[i] = x.Data[at.of(i)]
	}
	return r
}

// places maps the index of an element in one array to the index in another array with
// other strides. A stride of 0 repeats an element along an axis.
type places struct{ dims, strides []int }

// stretched maps the elements of an array of the given shape to those of an array of
// shape small, which broadcasts to it.
func stretched(small, shape []int) places {
	p := places{shape, make([]int, len(shape))}
	s := tensor.Strides(small)
	for i, d := range small {
		if j := i + len(shape) - len(small); d != 1 {
			p.strides[j] = s[i]
		}
	}
	return p
}

func (p places) of(i int) int {
	o := 0
	for a := len(p.dims) - 1; a >= 0; a-- {
		o += i % p.dims[a] * p.strides[a]
		i /= p.dims[a]
	}
	return o
}

// zip applies an elementwise binary function to the operands, from the first to the
// last.
func zip(in []*tensor.Tensor, f func(a, b float64) float64) []*tensor.Tensor {
	shape := ir.Shape(in[0].Shape)
	for _, x := range in[1:] {
		shape, _ = broadcast(shape, x.Shape)
	}
	r := expand(in[0], shape).Clone()
	for _, x := range in[1:] {
		for i, v := range expand(x, shape).Data {
			r.Data[i] = f(r.Data[i], v)
		}
	}
	return []*tensor.Tensor{r}
}

// sumTo sums v over the axes along which an operand of the given shape was stretched.
// This is the gradient of broadcasting.
func sumTo(b *ir.Builder, v *ir.Value, shape ir.Shape) *ir.Value {
	have := v.Type.Shape
	if have.Equal(shape) {
		return v
	}
	var axes []int
	for i, d := range have {
		j := i - len(have) + len(shape)
		if j < 0 || (shape[j] == 1 && d != 1) {
			axes = append(axes, i)
		}
	}
	if len(axes) > 0 {
		v = b.Do(Reduce{Kind: ReduceSum, Axes: ir.IntsOf(axes...), Keep: true}, v)
	}
	if len(have) != len(shape) {
		v = b.Do(Reshape{Shape: ir.DimsOf(shape)}, v)
	}
	return v
}
