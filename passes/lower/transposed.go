package lower

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// mostTurned bounds the weights of the convolution that a transposed convolution becomes, in
// multiples of its own weights: where the stride is larger than the kernel, most would be zeros.
const mostTurned = 4

// transposed replaces a transposed convolution by a convolution that computes, for every pixel of
// the input, the pixels of the output that begin there, as channels; a shuffle of pixels (Shi
// 2016), which puts them side by side; and a slice for the padding. With stride s, output s*t+r
// is a sum over the inputs t-j with the elements s*j+r of the kernel.
func transposed(l *lowering, n *ir.Node, op ops.Node) *ir.Value {
	types := make([]ir.Type, len(n.In))
	for i, v := range n.In {
		types[i] = v.Type
	}
	t, ok := ops.TransposedOf(op, types)
	if ok && l.train {
		return l.gradient(t, n)
	}
	if !ok || t.Dilation != (ir.HW{1, 1}) || n.In[1].Param == nil || len(n.In) > 2 && n.In[2].Param == nil {
		return nil
	}
	x, f, out := n.In[0].Type.Shape, n.In[1].Type.Shape, n.Out[0].Type.Shape
	var taps, size ir.HW // inputs that reach an output; the size of the convolution's result
	for a := range 2 {
		taps[a] = (f[2+a] + t.Stride[a] - 1) / t.Stride[a]
		size[a] = x[2+a] + taps[a] - 1
		if out[2+a]+t.Pad[a] > size[a]*t.Stride[a] {
			return nil // output padding adds pixels that no input reaches
		}
	}
	if turned := f[0] * f[1] * taps[0] * t.Stride[0] * taps[1] * t.Stride[1]; turned > mostTurned*f.Size()+1<<16 {
		return nil
	}
	m, area := f[1]*t.Groups, t.Stride[0]*t.Stride[1]
	in := []*ir.Value{n.In[0], l.turned(n.In[1], t, taps)}
	if len(n.In) > 2 {
		b := n.In[2]
		in = append(in, l.fold(l.repeated(b, area), b, l.Prefix+"bias"))
	}
	around := ir.Pads{taps[0] - 1, taps[1] - 1, taps[0] - 1, taps[1] - 1}
	y := l.Do(ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Pad: around, Groups: t.Groups}, in...)
	if area > 1 {
		y = l.reshape(y, x[0], m, t.Stride[0], t.Stride[1], size[0], size[1])
		y = l.reshape(l.transpose(y, 0, 1, 4, 2, 5, 3), x[0], m, size[0]*t.Stride[0], size[1]*t.Stride[1])
	}
	for a := range 2 {
		if t.Pad[a] > 0 || out[2+a] < size[a]*t.Stride[a] {
			y = l.Do(ops.Slice{Axis: 2 + a, Start: t.Pad[a], Stop: t.Pad[a] + out[2+a]}, y)
		}
	}
	return y
}

// gradient returns a transposed convolution as the gradient of a convolution. A convolution of each
// channel with the weight 1 adds the bias.
func (l *lowering) gradient(t ops.Transposed, n *ir.Node) *ir.Value {
	out := n.Out[0].Type.Shape
	y := l.Do(ops.ConvDx{Stride: t.Stride, Pad: t.Pad, Dilation: t.Dilation, Groups: t.Groups, In: ir.HW{out[2], out[3]}}, n.In[:2]...)
	if len(n.In) > 2 {
		one := l.Fill(l.Prefix+"ones", 1, out[1], 1, 1, 1)
		y = l.Do(ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: out[1]}, y, one, n.In[2])
	}
	return y
}

// turned returns the weights of that convolution: taps in the opposite order, with zeros where the
// kernel has no element.
func (l *lowering) turned(w *ir.Value, t ops.Transposed, taps ir.HW) *ir.Value {
	f := w.Type.Shape
	y := w
	if more := (ir.HW{taps[0]*t.Stride[0] - f[2], taps[1]*t.Stride[1] - f[3]}); more != (ir.HW{}) {
		y = l.Do(ops.Pad{Pad: ir.Pads{0, 0, more[0], more[1]}}, y)
	}
	y = l.reshape(y, t.Groups, f[0]/t.Groups, f[1], taps[0], t.Stride[0], taps[1], t.Stride[1])
	y = l.transpose(y, 0, 2, 4, 6, 1, 3, 5)
	for a := range 2 {
		if axis := 5 + a; taps[a] > 1 {
			var parts []*ir.Value
			for i := taps[a] - 1; i >= 0; i-- {
				parts = append(parts, l.Do(ops.Slice{Axis: axis, Start: i, Stop: i + 1}, y))
			}
			y = l.Do(ops.Concat{Axis: axis}, parts...)
		}
	}
	y = l.reshape(y, t.Groups*f[1]*t.Stride[0]*t.Stride[1], f[0]/t.Groups, taps[0], taps[1])
	return l.fold(y, w, l.Prefix+"weight")
}

// repeated returns every element of a vector several times in a row.
func (l *lowering) repeated(v *ir.Value, times int) *ir.Value {
	if times == 1 {
		return v
	}
	n := v.Type.Shape[0]
	column := l.reshape(v, n, 1)
	parts := make([]*ir.Value, times)
	for i := range parts {
		parts[i] = column
	}
	return l.reshape(l.Do(ops.Concat{Axis: 1}, parts...), n*times)
}

// depthToSpace moves channels into blocks of pixels (Shi 2016).
func depthToSpace(l *lowering, n *ir.Node, op ops.Node) *ir.Value {
	s := n.In[0].Type.Shape
	b, crd, ok := ops.ShuffleOf(op)
	if !ok || len(s) != 4 {
		return nil
	}
	c := s[1] / (b * b)
	split, perm := []int{s[0], b, b, c, s[2], s[3]}, []int{0, 3, 4, 1, 5, 2}
	if crd {
		split, perm = []int{s[0], c, b, b, s[2], s[3]}, []int{0, 1, 4, 2, 5, 3}
	}
	return l.reshape(l.transpose(l.reshape(n.In[0], split...), perm...), s[0], c, s[2]*b, s[3]*b)
}
