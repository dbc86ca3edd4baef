package onnx

import (
	"errors"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// errTransposed is wrapped by what importConvTranspose leaves to a node.
var errTransposed = errors.New("this transposed convolution is no convolution with a shuffle of pixels")

// importConvTranspose imports a transposed convolution with constant weights over two axes as a
// convolution that computes, for every pixel of the input, the s x s pixels of the output that
// begin there, as channels; a shuffle of pixels (Shi 2016), which puts them side by side; and a
// slice for the padding. With stride s, output s*t+r is a sum over inputs t-j with the elements
// s*j+r of the kernel.
func importConvTranspose(im *importer, n *node) error {
	weights, ok := n.constFloats(1)
	f := dimsOf(n.in[1].shape)
	if !ok || len(f) != 4 || len(n.in[0].shape) != 4 {
		return errTransposed
	}
	if a := n.attr("output_shape"); a != nil {
		return errTransposed
	}
	if a := string(attrText(n.attr("auto_pad"))); a != "" && a != "NOTSET" && a != "VALID" {
		return errTransposed
	}
	_, stride, dilation, pad, err := n.window2D([]int64{int64(f[2]), int64(f[3])})
	if err != nil {
		return err
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	out, err := im.typeOf(n.Output[0])
	if err != nil {
		return err
	}
	t := transposedConv{f: f, groups: int(n.int("group", 1)), stride: stride}
	for a := range 2 {
		t.taps[a] = (f[2+a] + stride[a] - 1) / stride[a]
		t.size[a] = x.Type.Shape[2+a] + t.taps[a] - 1
		if out.Shape[2+a]+pad[a] > t.size[a]*stride[a] {
			return errTransposed // output_padding adds pixels that no input reaches
		}
	}
	if dilation != (ir.HW{1, 1}) || t.groups < 1 || f[0]%t.groups != 0 || t.len() > 4*len(weights)+maxInts {
		return errTransposed
	}
	in := []*ir.Value{x, im.b.Param(safeName(n.Input[1]), t.shape(), ir.Param{Kind: ir.Weight, LR: 1, Decay: 1})}
	im.b.Graph().Data[in[1].Name] = tensor.Of(t.turn(weights), t.shape()...)
	if n.has(2) {
		bias, ok := n.constFloats(2)
		if !ok {
			return errTransposed
		}
		b := im.b.Param(safeName(n.Input[2]), ir.Shape{len(bias) * stride[0] * stride[1]}, ir.Param{Kind: ir.Weight, LR: 1})
		repeated := make([]float32, b.Type.Shape[0])
		for i := range repeated {
			repeated[i] = bias[i/(stride[0]*stride[1])]
		}
		im.b.Graph().Data[b.Name] = tensor.Of(repeated, len(repeated))
		in = append(in, b)
	}
	around := ir.Pads{t.taps[0] - 1, t.taps[1] - 1, t.taps[0] - 1, t.taps[1] - 1}
	y := im.op(ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Pad: around, Groups: t.groups}, in...)
	if stride != (ir.HW{1, 1}) {
		s := x.Type.Shape
		m := f[1] * t.groups
		y = im.op(ops.Reshape{Shape: ir.DimsOf(ir.Shape{s[0], m, stride[0], stride[1], t.size[0], t.size[1]})}, y)
		y = im.op(ops.Transpose{Perm: "0,1,4,2,5,3"}, y)
		y = im.op(ops.Reshape{Shape: ir.DimsOf(ir.Shape{s[0], m, t.size[0] * stride[0], t.size[1] * stride[1]})}, y)
	}
	for a := range 2 {
		if size := out.Shape[2+a]; pad[a] > 0 || size < t.size[a]*stride[a] {
			y = im.op(ops.Slice{Axis: 2 + a, Start: pad[a], Stop: pad[a] + size}, y)
		}
	}
	return im.finish(y)
}

// transposedConv is a transposed convolution with weights f (channels, filters of a group, height and
// width).
type transposedConv struct {
	f      []int
	groups int
	stride ir.HW
	taps   ir.HW // how many inputs reach an output, along each axis
	size   ir.HW // of the convolution's result
}

// shape is the shape of the weights of the convolution.
func (t transposedConv) shape() ir.Shape {
	return ir.Shape{t.f[1] * t.groups * t.stride[0] * t.stride[1], t.f[0] / t.groups, t.taps[0], t.taps[1]}
}

func (t transposedConv) len() int { return t.shape().Size() }

// turn returns the weights of the convolution: taps in the opposite order, with zeros where the
// kernel has no element.
func (t transposedConv) turn(w []float32) []float32 {
	s := t.shape()
	out := make([]float32, 0, t.len())
	area := t.stride[0] * t.stride[1]
	for o := range s[0] {
		filter, ry, rx := o/area, o%area/t.stride[1], o%t.stride[1]
		group, m := filter/t.f[1], filter%t.f[1]
		for c := range s[1] {
			for v := range s[2] {
				for u := range s[3] {
					y, x := t.stride[0]*(t.taps[0]-1-v)+ry, t.stride[1]*(t.taps[1]-1-u)+rx
					if y >= t.f[2] || x >= t.f[3] {
						out = append(out, 0)
						continue
					}
					out = append(out, w[(((group*s[1]+c)*t.f[1]+m)*t.f[2]+y)*t.f[3]+x])
				}
			}
		}
	}
	return out
}
