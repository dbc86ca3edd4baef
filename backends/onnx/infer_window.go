package onnx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// This file infers the types of convolutions and pools.

// spatial holds the window attributes that convolutions and pools share, one number for
// each axis of space.
type spatial struct {
	kernel, stride, dilation, begin, end []int64
	auto                                 string
	ceil                                 bool
}

func (n *node) spatial(kernel []int64) (s spatial, err error) {
	r := len(kernel)
	s.kernel = kernel
	list := func(name string, length int, def, low int64) []int64 {
		a := n.attr(name)
		if a == nil || len(a.Ints) == 0 {
			return slices.Repeat([]int64{def}, length)
		}
		if len(a.Ints) != length {
			err = fmt.Errorf("%s has %d numbers, want %d", name, len(a.Ints), length)
			return slices.Repeat([]int64{def}, length)
		}
		for _, v := range a.Ints {
			if v < low || v > maxDim {
				err = fmt.Errorf("%s=%v: %d is not within %d..%d", name, a.Ints, v, low, maxDim)
			}
		}
		return a.Ints
	}
	s.stride = list("strides", r, 1, 1)
	s.dilation = list("dilations", r, 1, 1)
	pads := list("pads", 2*r, 0, 0)
	s.begin, s.end = pads[:r], pads[r:]
	for _, k := range kernel {
		if k < 1 || k > maxDim {
			err = fmt.Errorf("kernel_shape=%v: %d is not within 1..%d", kernel, k, maxDim)
		}
	}
	s.ceil = n.int("ceil_mode", 0) != 0
	if a := n.attr("auto_pad"); a != nil {
		s.auto = string(a.S)
	}
	switch s.auto {
	case "", "NOTSET":
		s.auto = ""
	case "VALID", "SAME_UPPER", "SAME_LOWER":
		if a := n.attr("pads"); a != nil && err == nil {
			err = fmt.Errorf("auto_pad=%s and pads are both given", s.auto)
		}
	default:
		err = fmt.Errorf("auto_pad=%q is none of NOTSET, VALID, SAME_UPPER, SAME_LOWER", s.auto)
	}
	return s, err
}

// out returns the sizes of the output along the axes of space.
func (s spatial) out(in []axis) ([]axis, error) {
	out := make([]axis, len(in))
	for i, a := range in {
		if a.n == 0 {
			continue
		}
		if strings.HasPrefix(s.auto, "SAME") {
			out[i].n = (a.n + s.stride[i] - 1) / s.stride[i]
			continue
		}
		window := (s.kernel[i]-1)*s.dilation[i] + 1
		padded := a.n + s.begin[i] + s.end[i]
		if padded < window {
			return nil, fmt.Errorf("a window of %d does not fit into %d (%d plus padding) along axis %d", window, padded, a.n, i+2)
		}
		out[i].n = (padded-window)/s.stride[i] + 1
		if s.ceil && (padded-window)%s.stride[i] != 0 && out[i].n*s.stride[i] < a.n+s.begin[i] {
			out[i].n++
		}
	}
	return out, nil
}

func inferConv(n *node) ([]value, error) {
	x, w := n.in[0], n.in[1]
	if !x.ranked() || !w.ranked() {
		return n.unknown(), nil
	}
	if len(x.shape) < 3 || len(x.shape) != len(w.shape) {
		return nil, fmt.Errorf("input %s and weights %s must have the same rank, 3 or more", shapeString(x.shape), shapeString(w.shape))
	}
	group := n.int("group", 1)
	if group < 1 {
		return nil, fmt.Errorf("group=%d (want 1 or more)", group)
	}
	if c, i := x.shape[1].n, w.shape[1].n; c > 0 && i > 0 && c != i*group {
		return nil, fmt.Errorf("the weights %s with group=%d need %d channels, but the input %s has %d", shapeString(w.shape), group, i*group, shapeString(x.shape), c)
	}
	if o := w.shape[0].n; o > 0 && o%group != 0 {
		return nil, fmt.Errorf("%d filters do not divide into %d groups", o, group)
	}
	kernel := make([]int64, len(w.shape)-2)
	for i, a := range w.shape[2:] {
		if kernel[i] = a.n; a.n == 0 {
			return n.unknown(), nil
		}
	}
	if a := n.attr("kernel_shape"); a != nil && !slices.Equal(a.Ints, kernel) {
		return nil, fmt.Errorf("kernel_shape=%v, but the weights are %s", a.Ints, shapeString(w.shape))
	}
	if n.has(2) {
		if b := n.in[2]; b.ranked() && (len(b.shape) != 1 || !b.shape[0].fits(w.shape[0])) {
			return nil, fmt.Errorf("the bias is %s, want %v", shapeString(b.shape), w.shape[0])
		}
	}
	s, err := n.spatial(kernel)
	if err != nil {
		return nil, err
	}
	out, err := s.out(x.shape[2:])
	if err != nil {
		return nil, err
	}
	return n.one(append([]axis{x.shape[0], w.shape[0]}, out...)), nil
}

func inferPool(n *node) ([]value, error) {
	x := n.in[0]
	if !x.ranked() {
		return n.unknown(), nil
	}
	kernel := n.attr("kernel_shape").Ints
	if len(x.shape) < 3 || len(kernel) != len(x.shape)-2 {
		return nil, fmt.Errorf("kernel_shape=%v does not fit an input of %s", kernel, shapeString(x.shape))
	}
	s, err := n.spatial(kernel)
	if err != nil {
		return nil, err
	}
	for i, k := range kernel {
		if s.begin[i] >= k || s.end[i] >= k {
			return nil, fmt.Errorf("padding %d and %d along axis %d is not smaller than the kernel, %d: a window would contain only padding",
				s.begin[i], s.end[i], i+2, k)
		}
	}
	out, err := s.out(x.shape[2:])
	if err != nil {
		return nil, err
	}
	vs := n.one(append([]axis{x.shape[0], x.shape[1]}, out...))
	if len(n.Output) > 1 {
		vs = append(vs, value{elem: onnxpb.TensorProto_INT64, shape: vs[0].shape})
	}
	return vs, nil
}

func inferGlobalPool(n *node) ([]value, error) {
	x := n.in[0]
	if !x.ranked() {
		return n.unknown(), nil
	}
	if len(x.shape) < 3 {
		return nil, fmt.Errorf("input %s has no height and width", shapeString(x.shape))
	}
	out := slices.Clone(x.shape)
	for i := range out[2:] {
		out[2+i] = axis{n: 1}
	}
	return n.one(out), nil
}
