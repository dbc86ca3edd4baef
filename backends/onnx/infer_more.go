package onnx

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// This file infers the types of operators that compute with shapes, and of other operators
// that only exporters write.

func (a integer) String() string {
	switch {
	case a.sym == "":
		return strconv.FormatInt(a.c, 10)
	case a.k == 1 && a.c == 0 || a == anything:
		return a.sym
	}
	return fmt.Sprintf("%d*%s%+d", a.k, a.sym, a.c)
}

func integersString(s []integer) string {
	t := make([]string, len(s))
	for i, a := range s {
		t[i] = a.String()
	}
	return "[" + strings.Join(t, " ") + "]"
}

// constIntegers returns the elements of an input that is a constant of integers, some of
// which may depend on symbols.
func (n *node) constIntegers(input int) ([]integer, bool) {
	if !n.has(input) {
		return nil, false
	}
	return n.in[input].integers()
}

// integers returns the elements of a constant of integers.
func (v value) integers() ([]integer, bool) {
	switch {
	case v.syms != nil:
		return v.syms, true
	case v.ints == nil || len(v.ints) > maxInts:
		return nil, false
	}
	s := make([]integer, len(v.ints))
	for i, c := range v.ints {
		s[i] = number(c)
	}
	return s, true
}

// withIntegers returns v with the given elements.
func (v value) withIntegers(s []integer) value {
	v.ints, v.syms, v.floats = nil, nil, nil
	if slices.ContainsFunc(s, func(a integer) bool { return !a.isNumber() }) {
		v.syms = s
		return v
	}
	v.ints = make([]int64, len(s))
	for i, a := range s {
		v.ints[i] = a.c
	}
	return v
}

func inferShapeOf(n *node) ([]value, error) {
	x := n.in[0]
	v := value{elem: onnxpb.TensorProto_INT64, shape: []axis{{}}}
	if !x.ranked() {
		return []value{v}, nil
	}
	r := int64(len(x.shape))
	clamp := func(name string, def int64) int64 {
		a := n.int(name, def)
		if a < 0 {
			a += r
		}
		return max(0, min(a, r))
	}
	lo := clamp("start", 0)
	hi := max(lo, clamp("end", r))
	s := make([]integer, 0, r)
	for _, a := range x.shape[lo:hi] {
		s = append(s, sizeOf(a))
	}
	v.shape = numbers(hi - lo)
	return []value{v.withIntegers(s)}, nil
}

func inferSize(n *node) ([]value, error) {
	v := value{elem: onnxpb.TensorProto_INT64, shape: []axis{}}
	size := number(1)
	if !n.in[0].ranked() {
		size = anything
	}
	for _, a := range n.in[0].shape {
		size = size.times(sizeOf(a))
	}
	return []value{v.withIntegers([]integer{size})}, nil
}

func inferCast(n *node) ([]value, error) {
	to := onnxpb.TensorProto_DataType(n.int("to", 0))
	if n.OpType == "CastLike" {
		to = n.in[1].elem
	}
	if bitsOf[to] == 0 && to != onnxpb.TensorProto_STRING && n.OpType == "Cast" {
		return nil, fmt.Errorf("to=%d is not an element type", to)
	}
	return []value{{elem: to, shape: n.in[0].shape}}, nil
}

// inferCompare infers an elementwise operator with a result of bools.
func inferCompare(n *node) ([]value, error) {
	out, err := inferBroadcast(n)
	if err == nil {
		out[0].elem = onnxpb.TensorProto_BOOL
	}
	return out, err
}

func inferBool(n *node) ([]value, error) {
	return []value{{elem: onnxpb.TensorProto_BOOL, shape: n.in[0].shape}}, nil
}

func inferWhere(n *node) ([]value, error) {
	v := value{elem: n.in[1].elem}
	if n.in[1].elem != n.in[2].elem {
		return nil, fmt.Errorf("input 1 is %v, but input 2 is %v", n.in[1].elem, n.in[2].elem)
	}
	v.shape = n.in[0].shape
	for _, x := range n.in[1:] {
		if v.shape == nil || x.shape == nil {
			return []value{{elem: v.elem}}, nil
		}
		var err error
		if v.shape, err = broadcast(v.shape, x.shape); err != nil {
			return nil, err
		}
	}
	return []value{v}, nil
}

func inferExpand(n *node) ([]value, error) {
	target, ok := n.constIntegers(1)
	if !n.in[0].ranked() || !ok {
		return n.unknown(), nil
	}
	if len(target) > maxRank {
		return nil, fmt.Errorf("%d axes (want at most %d)", len(target), maxRank)
	}
	to := make([]axis, len(target))
	for i, t := range target {
		if t.isNumber() && (t.c < 0 || t.c > maxDim) {
			return nil, fmt.Errorf("shape %s: %d is not within 0..%d", integersString(target), t.c, maxDim)
		}
		to[i] = t.axis()
	}
	out, err := broadcast(n.in[0].shape, to)
	if err != nil {
		return nil, err
	}
	return n.one(out), nil
}

// floatRange returns the start, the step and the length of a Range of real numbers that are
// constants.
func (n *node) floatRange() (start, step float64, length int64, ok bool) {
	var at [3]float64
	for i := range at {
		f, ok := n.reals(i)
		if !ok || len(f.narrow) != 1 {
			return 0, 0, 0, false
		}
		at[i] = f.at(0)
	}
	size := math.Ceil((at[1] - at[0]) / at[2])
	if !(size >= 1 && size <= maxInts) {
		return 0, 0, 0, false
	}
	return at[0], at[2], int64(size), true
}

func inferRange(n *node) ([]value, error) {
	v := n.in[0]
	out := value{elem: v.elem, shape: []axis{{}}}
	if _, _, length, ok := n.floatRange(); ok {
		out.shape[0] = axis{n: length}
		return []value{out}, nil
	}
	var at [3]integer
	for i := range at {
		s, ok := n.constIntegers(i)
		if !ok || len(s) != 1 {
			return []value{out}, nil
		}
		at[i] = s[0]
	}
	if !at[2].isNumber() || at[2].c == 0 || at[2].c == math.MinInt64 {
		return []value{out}, nil
	}
	length := at[1].plus(at[0].times(number(-1)))
	switch {
	case length.isNumber() && at[2].c > 0:
		length = number(ceilDiv(length.c, at[2].c))
	case length.isNumber():
		length = number(ceilDiv(-length.c, -at[2].c))
	case at[2].c != 1:
		length = anything
	}
	if length.isNumber() && length.c > maxDim {
		return nil, fmt.Errorf("%d elements (want at most %d)", length.c, maxDim)
	}
	out.shape[0] = length.axis()
	return []value{out}, nil
}

func inferNonZero(n *node) ([]value, error) {
	v := value{elem: onnxpb.TensorProto_INT64}
	if r := len(n.in[0].shape); n.in[0].ranked() {
		v.shape = []axis{{n: int64(r), none: r == 0}, {}}
	}
	return []value{v}, nil
}

// inferArg infers ArgMax and ArgMin, which reduce one axis.
func inferArg(n *node) ([]value, error) {
	v := value{elem: onnxpb.TensorProto_INT64}
	if !n.in[0].ranked() {
		return []value{v}, nil
	}
	at, err := normAxis(n.int("axis", 0), len(n.in[0].shape))
	if err != nil {
		return nil, err
	}
	v.shape = slices.Clone(n.in[0].shape)
	if v.shape[at] = (axis{n: 1}); n.int("keepdims", 1) == 0 {
		v.shape = slices.Delete(v.shape, at, at+1)
	}
	return []value{v}, nil
}

// inferNorm infers normalizations. LayerNormalization may have further outputs, the mean and
// the inverse of the standard deviation.
func inferNorm(n *node) ([]value, error) {
	out := n.one(n.in[0].shape)
	for range len(n.Output) - 1 {
		out = append(out, value{elem: n.in[0].elem})
	}
	return out, nil
}

// resizeFactors returns the factor and the size of each axis of the result of a Resize. A
// nil result means that they are not known.
func (n *node) resizeFactors() (scales []float64, sizes []axis, err error) {
	x := n.in[0].shape
	if x == nil {
		return nil, nil, nil
	}
	axes := make([]int, 0, len(x))
	if a := n.attr("axes"); a != nil {
		for _, at := range a.Ints {
			i, err := normAxis(at, len(x))
			if err != nil {
				return nil, nil, err
			}
			axes = append(axes, i)
		}
	} else {
		for i := range x {
			axes = append(axes, i)
		}
	}
	scales, sizes = slices.Repeat([]float64{1}, len(x)), slices.Clone(x)
	if s, ok := n.constIntegers(3); ok && len(s) > 0 {
		if len(s) != len(axes) {
			return nil, nil, fmt.Errorf("%d sizes for %d axes", len(s), len(axes))
		}
		for i, at := range axes {
			if s[i].isNumber() && (s[i].c < 1 || s[i].c > maxDim) {
				return nil, nil, fmt.Errorf("sizes %s: %d is not within 1..%d", integersString(s), s[i].c, maxDim)
			}
			sizes[at] = s[i].axis()
			if x[at].n > 0 {
				scales[at] = float64(sizes[at].n) / float64(x[at].n)
			}
		}
		return scales, sizes, nil
	}
	f, ok := n.constFloats(2)
	if !ok {
		return nil, nil, nil
	}
	if len(f) != len(axes) {
		return nil, nil, fmt.Errorf("%d scales for %d axes", len(f), len(axes))
	}
	for i, at := range axes {
		scales[at] = float64(f[i])
		switch size := math.Floor(float64(float32(x[at].n) * f[i])); {
		case f[i] == 1:
		case x[at].n == 0:
			sizes[at] = axis{}
		case !(size >= 1 && size <= maxDim):
			return nil, nil, fmt.Errorf("a scale of %g for an axis of %v", f[i], x[at])
		default:
			sizes[at] = axis{n: int64(size)}
		}
	}
	return scales, sizes, nil
}

func inferResize(n *node) ([]value, error) {
	if a := n.attr("keep_aspect_ratio_policy"); a != nil && string(a.S) != "stretch" {
		return n.unknown(), nil
	}
	_, sizes, err := n.resizeFactors()
	if err != nil {
		return nil, err
	}
	return n.one(sizes), nil
}
