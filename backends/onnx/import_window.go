package onnx

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// This file imports convolutions and pools.

// window2D returns the kernel, stride, dilation and padding of a convolution or pool over
// one or two axes. It resolves auto_pad. A window over one axis gets width 1.
func (n *node) window2D(kernel []int64) (k, stride, dilation ir.HW, pad ir.Pads, err error) {
	x := n.in[0].shape
	rows := len(x) == 3 && len(kernel) == 1
	if !rows && (len(x) != 4 || len(kernel) != 2) {
		return k, stride, dilation, pad, fmt.Errorf("input is %s (want batch, channels, and one or two axes of space)", shapeString(x))
	}
	s, err := n.spatial(kernel)
	if err != nil {
		return k, stride, dilation, pad, err
	}
	if rows {
		k[1], stride[1], dilation[1] = 1, 1, 1
	}
	for a := range len(kernel) {
		k[a], stride[a], dilation[a] = int(s.kernel[a]), int(s.stride[a]), int(s.dilation[a])
		pad[a], pad[2+a] = int(s.begin[a]), int(s.end[a])
		if strings.HasPrefix(s.auto, "SAME") {
			in := int(x[2+a].n)
			if in == 0 {
				return k, stride, dilation, pad, fmt.Errorf("auto_pad=%s needs axes with known sizes", s.auto)
			}
			total := max(0, ((in+stride[a]-1)/stride[a]-1)*stride[a]+(k[a]-1)*dilation[a]+1-in)
			pad[a], pad[2+a] = total/2, total-total/2
			if s.auto == "SAME_LOWER" {
				pad[a], pad[2+a] = pad[2+a], pad[a]
			}
		}
	}
	return k, stride, dilation, pad, nil
}

func importConv(im *importer, n *node) error {
	var kernel []int64
	for _, a := range n.in[1].shape[min(2, len(n.in[1].shape)):] {
		kernel = append(kernel, a.n)
	}
	_, stride, dilation, pad, err := n.window2D(kernel)
	if err != nil {
		return err
	}
	if x, more, ok := im.padBefore(n, 0); ok {
		vs := []*ir.Value{x}
		for i := 1; i < len(n.Input) && n.has(i); i++ {
			v, err := im.value(n.Input[i], ir.Weight)
			if err != nil {
				return err
			}
			vs = append(vs, v)
		}
		return im.add(ops.Conv{Stride: stride, Pad: pad.Plus(more), Dilation: dilation, Groups: int(n.int("group", 1))}, vs...)
	}
	return im.windowed(ops.Conv{Stride: stride, Pad: pad, Dilation: dilation, Groups: int(n.int("group", 1))}, 0, 1, 2)
}

// windowed adds a convolution or pool. If its input has only one axis of space, it adds an
// axis of size 1 (the width) before and removes it after.
func (im *importer) windowed(op ir.Op, inputs ...int) error {
	n := im.node
	if len(n.in[0].shape) != 3 {
		return im.apply(op, inputs...)
	}
	var vs []*ir.Value
	for _, i := range inputs {
		if !n.has(i) {
			continue
		}
		v, err := im.value(n.Input[i], ir.Weight)
		if err != nil {
			return err
		}
		if len(v.Type.Shape) == 3 {
			v = im.op(ops.Reshape{Shape: ir.DimsOf(append(append(ir.Shape{}, v.Type.Shape...), 1))}, v)
		}
		vs = append(vs, v)
	}
	y := im.op(op, vs...)
	if err := im.b.Err(); err != nil {
		return err
	}
	return im.finish(im.op(ops.Reshape{Shape: ir.DimsOf(y.Type.Shape[:3])}, y))
}

func importMaxPool(im *importer, n *node) error {
	k, stride, dilation, pad, err := n.window2D(n.attr("kernel_shape").Ints)
	if err != nil {
		return err
	}
	if len(n.Output) > 1 && n.Output[1] != "" && im.reads(n.Output[1]) {
		return fmt.Errorf("the second output, indices %q, is used: this is not supported", n.Output[1])
	}
	ceil := n.int("ceil_mode", 0) != 0
	if dilation != (ir.HW{1, 1}) {
		return im.dilatedMaxPool(n, k, stride, dilation, pad)
	}
	if x, more, ok := im.padBefore(n, math.Inf(-1)); ok && !ceil {
		sum := pad.Plus(more)
		if sum[0] < k[0] && sum[2] < k[0] && sum[1] < k[1] && sum[3] < k[1] {
			return im.add(ops.MaxPool{Kernel: k, Stride: stride, Pad: sum}, x)
		}
	}
	return im.windowed(ops.MaxPool{Kernel: k, Stride: stride, Pad: pad, Ceil: ceil}, 0)
}

// dilatedMaxPool takes the maximum of slices, one for each element of the window.
func (im *importer) dilatedMaxPool(n *node, k, stride, dilation ir.HW, pad ir.Pads) error {
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	out, err := im.typeOf(n.Output[0])
	if err != nil {
		return err
	}
	if len(x.Type.Shape) != 4 || k[0]*k[1] > maxPieces {
		return fmt.Errorf("dilations of a window of %v over %v are not supported", k, x.Type.Shape)
	}
	for a := range 2 { // rounding sizes up takes more padding
		pad[2+a] = max(pad[2+a], (out.Shape[2+a]-1)*stride[a]+(k[a]-1)*dilation[a]+1-x.Type.Shape[2+a]-pad[a])
	}
	if pad != (ir.Pads{}) {
		x = im.op(ops.Pad{Pad: pad, Value: -math.MaxFloat32}, x)
	}
	var parts []*ir.Value
	for i := range k[0] {
		for j := range k[1] {
			y := x
			for a, at := range []int{i * dilation[0], j * dilation[1]} {
				rows := make([]int, out.Shape[2+a])
				for r := range rows {
					rows[r] = at + r*stride[a]
				}
				if y, err = im.take(y, 2+a, rows, "window"); err != nil {
					return err
				}
			}
			parts = append(parts, y)
		}
	}
	if len(parts) == 1 {
		return im.finish(parts[0])
	}
	return im.finish(im.op(ops.Max{}, parts...))
}

// padBefore returns the input of a constant padding whose result is the first input of a
// node, if the value fits: a convolution or pool can take over the padding. A pool for the
// maximum (value -Inf) takes over a padding with 0 after a ReLU.
func (im *importer) padBefore(n *node, value float64) (x *ir.Value, p ir.Pads, ok bool) {
	v := im.values[n.Input[0]]
	if v == nil || v.Def == nil || len(v.Type.Shape) != 4 {
		return nil, p, false
	}
	op, isPad := v.Def.Op.(ops.Pad)
	if !isPad {
		return nil, p, false
	}
	x = v.Def.In[0]
	ok = op.Value == value
	if math.IsInf(value, -1) {
		relu := false
		if x.Def != nil {
			_, relu = x.Def.Op.(ops.ReLU)
		}
		ok = op.Value <= -math.MaxFloat32 || op.Value == 0 && relu
	}
	return x, op.Pad, ok
}

// importAveragePool does not support ceil_mode with count_include_pad, because runtimes
// disagree whether the padding that ceil_mode adds counts.
func importAveragePool(im *importer, n *node) error {
	k, stride, dilation, pad, err := n.window2D(n.attr("kernel_shape").Ints)
	if err != nil {
		return err
	}
	if dilation != (ir.HW{1, 1}) {
		return errors.New("dilations are not supported")
	}
	ceil, include := n.int("ceil_mode", 0) != 0, n.int("count_include_pad", 0) != 0
	if ceil && include && pad != (ir.Pads{}) {
		return errors.New("ceil_mode with count_include_pad: runtimes disagree about what it means")
	}
	if x, more, ok := im.padBefore(n, 0); ok && !ceil && (include || pad == (ir.Pads{})) {
		sum := pad.Plus(more)
		if sum[0] < k[0] && sum[2] < k[0] && sum[1] < k[1] && sum[3] < k[1] {
			return im.add(ops.AvgPool{Kernel: k, Stride: stride, Pad: sum, IncludePad: true}, x)
		}
	}
	return im.windowed(ops.AvgPool{Kernel: k, Stride: stride, Pad: pad, Ceil: ceil, IncludePad: include}, 0)
}
