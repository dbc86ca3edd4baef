// Package form rewrites graphs of fixed shapes, as many ONNX models are, so that the
// executor can run them. The executor wants a batch as the first axis of every
// value: either the first axis of the graph becomes the batch (Batched), or the
// whole graph becomes one image, with an axis of 1 in front of every value (Single),
// for graphs that compute across their first axis.
package form

import (
	"errors"
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// ErrNone is wrapped where a graph has no such form.
var ErrNone = errors.New("the executor cannot run it")

// All lists the forms, the better first. Each returns the new graph and the batch
// that it must run with; inputs and outputs have the same elements in the same order.
var All = []func(*ir.Graph) (*ir.Graph, int, error){Batched, Single}

// Batched makes the first axis, which all inputs must share, the batch. Ops treat a
// symbolic batch like a number or refuse it, so the graph computes the same.
func Batched(g *ir.Graph) (*ir.Graph, int, error) {
	n := 0
	for _, in := range g.Inputs {
		s := in.Type.Shape
		if len(s) == 0 || n != 0 && s[0] != n {
			return nil, 0, fmt.Errorf("inputs share no first axis: %w", ErrNone)
		}
		n = s[0]
	}
	b, values := begin(g)
	for _, in := range g.Inputs {
		s := slices.Clone(in.Type.Shape)
		s[0] = ir.Batch
		values[in] = b.Input(in.Name, ir.Type{DType: in.Type.DType, Shape: s})
	}
	for _, node := range g.Nodes {
		in := mapped(values, node.In)
		op := node.Op
		if r, ok := op.(ops.Reshape); ok {
			s, err := r.Shape.Shape()
			if err != nil {
				return nil, 0, err
			}
			if x := in[0].Type.Shape; len(s) > 0 && len(x) > 0 && x[0] == ir.Batch && s[0] == n {
				s[0] = ir.Batch
				op = ops.Reshape{Shape: ir.DimsOf(s)}
			}
		}
		if err := add(b, values, node, op, in, func(s ir.Shape) ir.Shape { return s.Bind(max(n, 1)) }); err != nil {
			return nil, 0, err
		}
	}
	return b.Graph(), max(n, 1), end(b, g, values)
}

// Single puts an axis of 1 in front of every value. Ops on feature maps have no
// such form.
func Single(g *ir.Graph) (*ir.Graph, int, error) {
	b, values := begin(g)
	for _, in := range g.Inputs {
		values[in] = b.Input(in.Name, ir.Type{DType: in.Type.DType, Shape: front(in.Type.Shape)})
	}
	for _, node := range g.Nodes {
		in := mapped(values, node.In)
		if !slices.ContainsFunc(in, func(v *ir.Value) bool { return v.Param == nil }) { // it would get no axis in front
			return nil, 0, fmt.Errorf("%s of params alone, fold it first: %w", ir.Name(node.Op), ErrNone)
		}
		out := node.Out[0].Type.Shape
		rank := len(node.In[0].Type.Shape)
		op := node.Op
		switch o := op.(type) {
		case ops.ReLU, ops.Sigmoid, ops.Tanh, ops.Clip, ops.SiLU, ops.HardSwish, ops.HardSigmoid, ops.GELU, ops.LeakyReLU, ops.Sqrt, ops.Scale, ops.Dropout:
		case ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Max:
			for i := range in {
				in[i] = aligned(b, in[i], out)
			}
		case ops.Softmax:
			op = ops.Softmax{Axis: behind(o.Axis, rank)}
		case ops.LogSoftmax:
			op = ops.LogSoftmax{Axis: behind(o.Axis, rank)}
		case ops.Concat:
			op = ops.Concat{Axis: behind(o.Axis, rank)}
		case ops.Slice:
			o.Axis = behind(o.Axis, rank)
			op = o
		case ops.Split:
			o.Axis = behind(o.Axis, rank)
			op = o
		case ops.Reduce:
			axes, err := o.Axes.List()
			if err != nil {
				return nil, 0, err
			}
			for i := range axes {
				axes[i] = behind(axes[i], rank)
			}
			for i := 0; len(axes) < rank && len(o.Axes) == 0; i++ {
				axes = append(axes, 1+i)
			}
			if rank == 0 {
				return nil, 0, fmt.Errorf("a reduction of a number: %w", ErrNone)
			}
			o.Axes = ir.IntsOf(axes...)
			op = o
		case ops.Transpose:
			perm, err := o.Perm.List()
			if err != nil {
				return nil, 0, err
			}
			for i := range perm {
				perm[i] = behind(perm[i], rank)
			}
			op = ops.Transpose{Perm: ir.IntsOf(append([]int{0}, perm...)...)}
		case ops.Reshape, ops.Flatten:
			op = ops.Reshape{Shape: ir.DimsOf(front(out))}
		case ops.MatMul:
			y, err := matMul(b, g, node, in, o)
			if err != nil {
				return nil, 0, err
			}
			values[node.Out[0]] = y
			continue
		default:
			return nil, 0, fmt.Errorf("%s of shapes without a batch: %w", ir.Name(op), ErrNone)
		}
		if err := add(b, values, node, op, in, func(s ir.Shape) ir.Shape { return s[1:] }); err != nil {
			return nil, 0, err
		}
	}
	return b.Graph(), 1, end(b, g, values)
}

// matMul is a product with a weight as a convolution of 1x1, along the rows of a
// map of width 1.
func matMul(b *ir.Builder, g *ir.Graph, node *ir.Node, in []*ir.Value, o ops.MatMul) (*ir.Value, error) {
	w := node.In[1]
	if node.In[0].Param != nil || w.Param == nil || g.Data[w.Name] == nil {
		return nil, fmt.Errorf("a product of two activations: %w", ErrNone)
	}
	s := w.Type.Shape
	k, p := s[0], s[1]
	data := g.Data[w.Name].Data
	if o.TransB {
		k, p = p, k
	} else {
		t := make([]float32, len(data))
		for i := range k {
			for j := range p {
				t[j*k+i] = data[i*p+j]
			}
		}
		data = t
	}
	x := in[0]
	if !o.TransA {
		x = b.Do(ops.Transpose{Perm: "0,2,1"}, x)
	}
	m := node.Out[0].Type.Shape[0]
	x = b.Do(ops.Reshape{Shape: ir.DimsOf(ir.Shape{1, k, m, 1})}, x)
	one := ir.HW{1, 1}
	x = b.Do(ops.Conv{Stride: one, Dilation: one, Groups: 1}, x, b.Const(w.Name, tensor.Of(data, p, k, 1, 1)))
	x = b.Do(ops.Transpose{Perm: "0,2,1"}, b.Do(ops.Reshape{Shape: ir.DimsOf(ir.Shape{1, p, m})}, x))
	return x, b.Err()
}

// begin is a builder of another form of a graph, and the new value of each old
// one.
func begin(g *ir.Graph) (*ir.Builder, map[*ir.Value]*ir.Value) {
	b, values := ir.NewBuilder(g.Name), map[*ir.Value]*ir.Value{}
	for _, p := range g.Params {
		v := b.Param(p.Name, p.Type.Shape, *p.Param)
		v.Type.DType = p.Type.DType
		if d := g.Data[p.Name]; d != nil {
			b.Graph().Data[v.Name] = d
		}
		values[p] = v
	}
	return b, values
}

func mapped(values map[*ir.Value]*ir.Value, vs []*ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(vs))
	for i, v := range vs {
		out[i] = values[v]
	}
	return out
}

// add adds the new form of a node; original makes the old shape of a new one.
func add(b *ir.Builder, values map[*ir.Value]*ir.Value, node *ir.Node, op ir.Op, in []*ir.Value, original func(ir.Shape) ir.Shape) error {
	if b.Err() != nil {
		return fmt.Errorf("%w: %w", b.Err(), ErrNone)
	}
	x, err := b.Add(node.Out[0].Name, op, in...)
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrNone)
	}
	for i, v := range x.Out {
		if s := original(v.Type.Shape); !s.Equal(node.Out[i].Type.Shape) {
			return fmt.Errorf("%s would be %v and not %v: %w", ir.Name(op), s, node.Out[i].Type.Shape, ErrNone)
		}
		values[node.Out[i]] = v
	}
	return nil
}

func end(b *ir.Builder, g *ir.Graph, values map[*ir.Value]*ir.Value) error {
	b.Graph().Outputs = mapped(values, g.Outputs)
	return b.Err()
}

func front(s ir.Shape) ir.Shape { return append(ir.Shape{1}, s...) }

// behind is an axis after one was put in front.
func behind(axis, rank int) int {
	if axis < 0 {
		axis += rank
	}
	return axis + 1
}

// maxSpread bounds the elements of a constant that is written out at its
// broadcast shape.
const maxSpread = 1 << 22

// aligned gives an operand of an elementwise op the rank of the result, out, with
// an axis in front. Constants are written out: then there is nothing to broadcast.
func aligned(b *ir.Builder, v *ir.Value, out ir.Shape) *ir.Value {
	if v.Param == nil {
		s := append(slices.Repeat(ir.Shape{1}, 1+len(out)-(len(v.Type.Shape)-1)), v.Type.Shape[1:]...)
		if s.Equal(v.Type.Shape) {
			return v
		}
		return b.Do(ops.Reshape{Shape: ir.DimsOf(s)}, v)
	}
	data := b.Graph().Data[v.Name]
	if data == nil || out.Size() > maxSpread {
		return v
	}
	s := append(slices.Repeat(ir.Shape{1}, len(out)-len(v.Type.Shape)), v.Type.Shape...)
	full := make([]float32, out.Size())
	at := make([]int, len(out))
	for i := range full {
		j := 0
		for a, d := range s {
			if j *= d; d > 1 {
				j += at[a]
			}
		}
		full[i] = data.Data[j]
		for a := len(out) - 1; a >= 0; a-- {
			if at[a]++; at[a] < out[a] {
				break
			}
			at[a] = 0
		}
	}
	return b.Const(v.Name, tensor.Of(full, front(out)...))
}
