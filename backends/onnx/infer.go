package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// axis is the size of an axis: a number, a symbol (such as the batch), or unknown.
type axis struct {
	n    int64  // 0 if the size is not a number above 0
	sym  string // "" if the size is not a symbol
	none bool   // the size is 0: the value has no elements
}

func (a axis) String() string {
	switch {
	case a.n > 0:
		return strconv.FormatInt(a.n, 10)
	case a.none:
		return "0"
	case a.sym != "":
		return a.sym
	}
	return "?"
}

func (a axis) known() bool { return a.n > 0 || a.none || a.sym != "" }

// fits reports whether two sizes can be equal. An unknown size fits every size.
func (a axis) fits(b axis) bool { return !a.known() || !b.known() || a == b }

// value is what shape inference knows about a tensor.
type value struct {
	elem  onnxpb.TensorProto_DataType // UNDEFINED if it is unknown
	shape []axis                      // nil if the rank is unknown
	// What is known about the elements, for constants. At most one of these is not nil.
	ints   []int64   // of integers and bools, where all are numbers
	syms   []integer // of integers and bools, where some depend on symbols
	floats *floats   // of FLOAT
	ramp   *ramp     // of integers whose first axis is a symbol
}

func (v value) ranked() bool { return v.shape != nil }

func shapeString(s []axis) string {
	if s == nil {
		return "unknown"
	}
	if len(s) == 0 {
		return "scalar"
	}
	t := make([]string, len(s))
	for i, a := range s {
		t[i] = a.String()
	}
	return strings.Join(t, "x")
}

func numbers(dims ...int64) []axis {
	s := make([]axis, len(dims))
	for i, d := range dims {
		s[i] = axis{n: d, none: d == 0}
	}
	return s
}

// node is a NodeProto with what is known about its inputs. Inference requires that it has
// passed schema.check.
type node struct {
	*onnxpb.NodeProto
	in    []value // for an omitted input, shape is nil and elem UNDEFINED
	given []bool  // false for an omitted input

	weights map[string][]float32 // Model.Weights
	opset   int64                // of the model
}

func (n *node) attr(name string) *onnxpb.AttributeProto {
	for _, a := range n.Attribute {
		if a.Name == name {
			return a
		}
	}
	return nil
}

func (n *node) int(name string, def int64) int64 {
	if a := n.attr(name); a != nil {
		return a.I
	}
	return def
}

func (n *node) has(input int) bool { return input < len(n.given) && n.given[input] }

// constInts returns the elements of an input that is a constant of integers. ok is false if they
// are not known.
func (n *node) constInts(input int) ([]int64, bool) {
	if !n.has(input) || n.in[input].ints == nil {
		return nil, false
	}
	return n.in[input].ints, true
}

// constFloats returns the elements of an input that is a constant of FLOAT. ok is false if
// they are not known.
func (n *node) constFloats(input int) ([]float32, bool) {
	if !n.has(input) || n.in[input].floats == nil {
		return nil, false
	}
	f, err := n.in[input].floats.get(n.weights)
	return f, err == nil
}

// unknown returns a result with the element type of the first input and an unknown shape.
func (n *node) unknown() []value { return []value{{elem: n.in[0].elem}} }

// one returns a result with the element type of the first input.
func (n *node) one(shape []axis) []value { return []value{{elem: n.in[0].elem, shape: shape}} }

// normAxis returns the number of an axis. A negative axis counts from the end. It returns an
// error if the axis does not exist.
func normAxis(a int64, rank int) (int, error) {
	if a < int64(-rank) || a >= int64(rank) {
		return 0, fmt.Errorf("axis %d does not exist in a value of rank %d", a, rank)
	}
	if a < 0 {
		a += int64(rank)
	}
	return int(a), nil
}

func inferSame(n *node) ([]value, error) {
	v := value{elem: n.in[0].elem, shape: n.in[0].shape}
	out := []value{v}
	if len(n.Output) > 1 { // Dropout's mask
		out = append(out, value{elem: onnxpb.TensorProto_BOOL, shape: v.shape})
	}
	return out, nil
}

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

func inferBatchNorm(n *node) ([]value, error) {
	x := n.in[0]
	if n.int("training_mode", 0) == 0 && len(n.Output) > 1 {
		return nil, errors.New("more than one output, which only training_mode=1 has")
	}
	if !x.ranked() {
		return n.unknown(), nil
	}
	if len(x.shape) < 2 {
		return nil, fmt.Errorf("input %s has no channels", shapeString(x.shape))
	}
	for i, name := range []string{"scale", "bias", "mean", "variance"} {
		if p := n.in[i+1]; p.ranked() && (len(p.shape) != 1 || !p.shape[0].fits(x.shape[1])) {
			return nil, fmt.Errorf("%s is %s, but the input %s has %v channels", name, shapeString(p.shape), shapeString(x.shape), x.shape[1])
		}
	}
	out := n.one(x.shape)
	for i := 1; i < len(n.Output); i++ {
		out = append(out, value{elem: n.in[min(2+i, 4)].elem, shape: []axis{x.shape[1]}})
	}
	return out, nil
}

func inferLRN(n *node) ([]value, error) {
	if s := n.int("size", 0); s < 1 {
		return nil, fmt.Errorf("size=%d (want 1 or more)", s)
	}
	if x := n.in[0]; x.ranked() && len(x.shape) < 3 {
		return nil, fmt.Errorf("input %s has no height and width", shapeString(x.shape))
	}
	return inferSame(n)
}

func inferSoftmax(n *node) ([]value, error) {
	if x := n.in[0]; x.ranked() {
		if _, err := normAxis(n.int("axis", -1), len(x.shape)); err != nil {
			return nil, err
		}
	}
	return inferSame(n)
}

func inferGemm(n *node) ([]value, error) {
	a, b := n.in[0], n.in[1]
	if !a.ranked() || !b.ranked() {
		return n.unknown(), nil
	}
	if len(a.shape) != 2 || len(b.shape) != 2 {
		return nil, fmt.Errorf("%s times %s: both must have rank 2", shapeString(a.shape), shapeString(b.shape))
	}
	m, k := a.shape[0], a.shape[1]
	if n.int("transA", 0) != 0 {
		m, k = k, m
	}
	k2, o := b.shape[0], b.shape[1]
	if n.int("transB", 0) != 0 {
		k2, o = o, k2
	}
	if !k.fits(k2) {
		return nil, fmt.Errorf("%s times %s: the inner sizes %v and %v differ", shapeString(a.shape), shapeString(b.shape), k, k2)
	}
	out := []axis{m, o}
	if n.has(2) && n.in[2].ranked() {
		c := n.in[2].shape
		s, err := broadcast(out, c)
		if err != nil || len(c) > 2 || !fit(s, out) {
			return nil, fmt.Errorf("input C, %s, does not broadcast to %s", shapeString(c), shapeString(out))
		}
	}
	return n.one(out), nil
}

func inferMatMul(n *node) ([]value, error) {
	a, b := n.in[0], n.in[1]
	if !a.ranked() || !b.ranked() {
		return n.unknown(), nil
	}
	if len(a.shape) < 2 || len(b.shape) < 2 {
		return nil, fmt.Errorf("%s times %s: both must have rank 2 or more", shapeString(a.shape), shapeString(b.shape))
	}
	m, k := a.shape[len(a.shape)-2], a.shape[len(a.shape)-1]
	k2, o := b.shape[len(b.shape)-2], b.shape[len(b.shape)-1]
	if !k.fits(k2) {
		return nil, fmt.Errorf("%s times %s: the inner sizes %v and %v differ", shapeString(a.shape), shapeString(b.shape), k, k2)
	}
	batch, err := broadcast(a.shape[:len(a.shape)-2], b.shape[:len(b.shape)-2])
	if err != nil {
		return nil, err
	}
	return n.one(append(batch, m, o)), nil
}

// broadcast returns the shape that two shapes broadcast to by NumPy's rules.
func broadcast(a, b []axis) ([]axis, error) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	off := len(a) - len(b)
	for i, y := range b {
		x := a[off+i]
		switch {
		case x == y || y.n == 1:
		case x.n == 1:
			out[off+i] = y
		case !x.known():
			// If y is a number other than 1, the result is y for every valid x.
			if y.n > 1 {
				out[off+i] = y
			}
		case !y.known():
			if x.n <= 1 {
				out[off+i] = axis{}
			}
		default:
			return nil, fmt.Errorf("%s and %s do not broadcast: %v against %v", shapeString(a), shapeString(b), x, y)
		}
	}
	return out, nil
}

func fit(a, b []axis) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].fits(b[i]) {
			return false
		}
	}
	return true
}

func inferBroadcast(n *node) ([]value, error) {
	out := n.in[0].shape
	for i, v := range n.in[1:] {
		if v.elem != n.in[0].elem && n.OpType != "Pow" {
			return nil, fmt.Errorf("input %d is %v, but the first is %v", i+1, v.elem, n.in[0].elem)
		}
		if out == nil || v.shape == nil {
			out = nil
			continue
		}
		var err error
		if out, err = broadcast(out, v.shape); err != nil {
			return nil, err
		}
	}
	return n.one(out), nil
}

func inferConcat(n *node) ([]value, error) {
	first := n.in[0]
	for i, v := range n.in {
		if v.elem != first.elem {
			return nil, fmt.Errorf("input %d is %v, but the first is %v", i, v.elem, first.elem)
		}
		if !v.ranked() {
			return n.unknown(), nil
		}
		if len(v.shape) != len(first.shape) {
			return nil, fmt.Errorf("input %d is %s, but the first is %s: the ranks differ", i, shapeString(v.shape), shapeString(first.shape))
		}
	}
	ax, err := normAxis(n.int("axis", 0), len(first.shape))
	if err != nil {
		return nil, err
	}
	out := slices.Clone(first.shape)
	for i, v := range n.in[1:] {
		for j := range out {
			switch {
			case j == ax && v.shape[j].none:
			case j == ax && out[j].none:
				out[j] = v.shape[j]
			case j == ax && (out[j].n == 0 || v.shape[j].n == 0):
				out[j] = axis{}
			case j == ax:
				out[j].n += v.shape[j].n
			case !out[j].fits(v.shape[j]):
				return nil, fmt.Errorf("input %d is %s, but the first is %s: they differ in an axis other than %d", i+1, shapeString(v.shape), shapeString(first.shape), ax)
			case !out[j].known():
				out[j] = v.shape[j]
			}
		}
	}
	if out[ax].n > maxDim {
		return nil, fmt.Errorf("axis %d becomes %d (at most %d)", ax, out[ax].n, maxDim)
	}
	return n.one(out), nil
}

func inferSlice(n *node) ([]value, error) {
	x := n.in[0]
	starts, ok1 := n.constInts(1)
	ends, ok2 := n.constInts(2)
	if !x.ranked() || !ok1 || !ok2 || n.has(3) && n.in[3].ints == nil || n.has(4) && n.in[4].ints == nil {
		return n.unknown(), nil
	}
	axes, _ := n.constInts(3)
	if !n.has(3) {
		for i := range starts {
			axes = append(axes, int64(i))
		}
	}
	steps, _ := n.constInts(4)
	if !n.has(4) {
		steps = slices.Repeat([]int64{1}, len(starts))
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || len(steps) != len(starts) {
		return nil, fmt.Errorf("%d starts, %d ends, %d axes, %d steps", len(starts), len(ends), len(axes), len(steps))
	}
	out := slices.Clone(x.shape)
	seen := map[int]bool{}
	for i, a := range axes {
		ax, err := normAxis(a, len(out))
		if err != nil {
			return nil, err
		}
		if seen[ax] {
			return nil, fmt.Errorf("axis %d is sliced twice", ax)
		}
		seen[ax] = true
		if steps[i] == 0 {
			return nil, errors.New("a step is 0")
		}
		d := out[ax].n
		if d == 0 {
			if starts[i] != 0 || ends[i] < math.MaxInt32 || steps[i] != 1 {
				out[ax] = axis{}
			}
			continue
		}
		lo, hi := starts[i], ends[i]
		if lo < 0 {
			lo = max(lo, -d) + d
		}
		if hi < 0 {
			hi = max(hi, -d-1) + d
		}
		if steps[i] > 0 {
			lo, hi = min(lo, d), min(max(hi, 0), d)
			out[ax].n = ceilDiv(hi-lo, steps[i])
		} else {
			lo, hi = min(lo, d-1), min(hi, d-1)
			if steps[i] == math.MinInt64 {
				return nil, errors.New("a step is -2^63")
			}
			out[ax].n = ceilDiv(lo-hi, -steps[i])
		}
		out[ax].none = out[ax].n == 0
	}
	return n.one(out), nil
}

func ceilDiv(a, b int64) int64 {
	if a <= 0 {
		return 0
	}
	return (a-1)/b + 1
}

func inferSplit(n *node) ([]value, error) {
	x := n.in[0]
	outs := make([]value, len(n.Output))
	for i := range outs {
		outs[i].elem = x.elem
	}
	num := n.attr("num_outputs")
	if num != nil && n.has(1) {
		return nil, errors.New("num_outputs and split are both given")
	}
	if num != nil && num.I != int64(len(n.Output)) {
		return nil, fmt.Errorf("num_outputs=%d with %d outputs", num.I, len(n.Output))
	}
	if !x.ranked() {
		return outs, nil
	}
	ax, err := normAxis(n.int("axis", 0), len(x.shape))
	if err != nil {
		return nil, err
	}
	sizes, known := n.constInts(1)
	total := x.shape[ax].n
	switch {
	case known && total > 0:
		left := total
		for _, s := range sizes {
			if s < 1 || s > left {
				return nil, fmt.Errorf("sizes %v do not fit an axis of %d", sizes, total)
			}
			left -= s
		}
		if left != 0 {
			return nil, fmt.Errorf("the sum of the sizes %v is %d less than the axis of %d", sizes, left, total)
		}
		if len(sizes) != len(n.Output) {
			return nil, fmt.Errorf("%d sizes for %d outputs", len(sizes), len(n.Output))
		}
	case known && len(sizes) != len(n.Output):
		return nil, fmt.Errorf("%d sizes for %d outputs", len(sizes), len(n.Output))
	case !n.has(1) && total > 0:
		k := int64(len(n.Output))
		if num == nil && total%k != 0 {
			return nil, fmt.Errorf("%d does not split into %d equal parts", total, k)
		}
		part := (total + k - 1) / k
		last := total - part*(k-1)
		if last < 1 {
			return nil, fmt.Errorf("%d does not split into %d parts of %d", total, k, part)
		}
		sizes = append(slices.Repeat([]int64{part}, int(k-1)), last)
		known = true
	}
	for i := range outs {
		outs[i].shape = slices.Clone(x.shape)
		outs[i].shape[ax] = axis{}
		if known && sizes[i] > 0 {
			outs[i].shape[ax].n = sizes[i]
		}
	}
	return outs, nil
}

// reducedAxes reports for each axis whether a reduction removes it. The result is nil if the
// axes are not known.
func (n *node) reducedAxes() ([]bool, error) {
	x := n.in[0]
	var axes []int64
	if a := n.attr("axes"); a != nil {
		axes = a.Ints
	} else if n.has(1) {
		var ok bool
		if axes, ok = n.constInts(1); !ok {
			return nil, nil
		}
	}
	if !x.ranked() {
		return nil, nil
	}
	gone := make([]bool, len(x.shape))
	if len(axes) == 0 && n.int("noop_with_empty_axes", 0) == 0 {
		for i := range gone {
			gone[i] = true
		}
	}
	for _, a := range axes {
		ax, err := normAxis(a, len(x.shape))
		if err != nil {
			return nil, err
		}
		if gone[ax] {
			return nil, fmt.Errorf("axis %d is reduced twice", ax)
		}
		gone[ax] = true
	}
	return gone, nil
}

func inferReduce(n *node) ([]value, error) {
	gone, err := n.reducedAxes()
	if gone == nil || err != nil {
		return n.unknown(), err
	}
	out := []axis{}
	for i, a := range n.in[0].shape {
		switch {
		case !gone[i]:
			out = append(out, a)
		case n.int("keepdims", 1) != 0:
			out = append(out, axis{n: 1})
		}
	}
	return n.one(out), nil
}

func inferPad(n *node) ([]value, error) {
	x := n.in[0]
	mode := "constant"
	if a := n.attr("mode"); a != nil {
		mode = string(a.S)
	}
	if !slices.Contains([]string{"constant", "reflect", "edge", "wrap"}, mode) {
		return nil, fmt.Errorf("mode=%q", mode)
	}
	pads, ok := n.constInts(1)
	if !x.ranked() || !ok || n.has(3) && n.in[3].ints == nil {
		return n.unknown(), nil
	}
	axes, _ := n.constInts(3)
	if !n.has(3) {
		for i := range x.shape {
			axes = append(axes, int64(i))
		}
	}
	if len(pads) != 2*len(axes) {
		return nil, fmt.Errorf("%d pads for %d axes (want two for each axis)", len(pads), len(axes))
	}
	out := slices.Clone(x.shape)
	for i, a := range axes {
		ax, err := normAxis(a, len(out))
		if err != nil {
			return nil, err
		}
		lo, hi := pads[i], pads[len(axes)+i]
		if lo < -maxDim || lo > maxDim || hi < -maxDim || hi > maxDim {
			return nil, fmt.Errorf("pads %d and %d along axis %d", lo, hi, ax)
		}
		switch d := out[ax].n; {
		case lo == 0 && hi == 0:
		case d == 0:
			out[ax] = axis{}
		case d+lo+hi < 1:
			return nil, fmt.Errorf("axis %d would be empty: its size is %d, its pads are %d and %d", ax, d, lo, hi)
		default:
			out[ax] = axis{n: d + lo + hi}
		}
	}
	return n.one(out), nil
}

func inferSqueeze(n *node) ([]value, error) {
	x := n.in[0]
	axes, ok := n.constInts(1)
	if !x.ranked() || n.has(1) && !ok {
		return n.unknown(), nil
	}
	drop := map[int]bool{}
	for i, a := range x.shape {
		if !n.has(1) && !a.known() {
			return n.unknown(), nil
		}
		drop[i] = !n.has(1) && a.n == 1
	}
	for _, a := range axes {
		ax, err := normAxis(a, len(x.shape))
		if err != nil {
			return nil, err
		}
		if x.shape[ax].n != 1 && x.shape[ax].known() {
			return nil, fmt.Errorf("axis %d of %s is not 1", ax, shapeString(x.shape))
		}
		drop[ax] = true
	}
	out := []axis{}
	for i, a := range x.shape {
		if !drop[i] {
			out = append(out, a)
		}
	}
	return n.one(out), nil
}

func inferUnsqueeze(n *node) ([]value, error) {
	x := n.in[0]
	axes, ok := n.constInts(1)
	if !x.ranked() || !ok {
		return n.unknown(), nil
	}
	rank := len(x.shape) + len(axes)
	if rank > maxRank {
		return nil, fmt.Errorf("%d axes (want at most %d)", rank, maxRank)
	}
	out := make([]axis, rank)
	for _, a := range axes {
		ax, err := normAxis(a, rank)
		if err != nil {
			return nil, err
		}
		if out[ax].n == 1 {
			return nil, fmt.Errorf("axis %d is added twice", ax)
		}
		out[ax] = axis{n: 1}
	}
	rest := x.shape
	for i := range out {
		if out[i].n == 0 {
			out[i], rest = rest[0], rest[1:]
		}
	}
	return n.one(out), nil
}

func inferPRelu(n *node) ([]value, error) {
	x, slope := n.in[0], n.in[1]
	if !x.ranked() || !slope.ranked() {
		return n.one(x.shape), nil
	}
	if s, err := broadcast(x.shape, slope.shape); err != nil || !fit(s, x.shape) {
		return nil, fmt.Errorf("the slope, %s, does not broadcast to %s", shapeString(slope.shape), shapeString(x.shape))
	}
	return n.one(x.shape), nil
}

func inferDepthToSpace(n *node) ([]value, error) {
	if a := n.attr("mode"); a != nil && string(a.S) != "DCR" && string(a.S) != "CRD" {
		return nil, fmt.Errorf("mode=%q is none of DCR, CRD", a.S)
	}
	return n.blocks(func(c, h, w, b int64) (int64, int64, int64, bool) { return c / (b * b), h * b, w * b, c%(b*b) == 0 })
}

func inferSpaceToDepth(n *node) ([]value, error) {
	if a := n.attr("mode"); a != nil && string(a.S) != "DCR" && string(a.S) != "CRD" {
		return nil, fmt.Errorf("mode=%q is none of DCR, CRD", a.S)
	}
	return n.blocks(func(c, h, w, b int64) (int64, int64, int64, bool) {
		return c * b * b, h / b, w / b, h%b == 0 && w%b == 0
	})
}

// blocks infers the shape of DepthToSpace and SpaceToDepth. f returns the new channels,
// height and width for a block size, and false if that does not divide them.
func (n *node) blocks(f func(c, h, w, b int64) (int64, int64, int64, bool)) ([]value, error) {
	x, b := n.in[0], n.int("blocksize", 0)
	if b < 1 || b > 1<<10 {
		return nil, fmt.Errorf("blocksize=%d", b)
	}
	if !x.ranked() {
		return n.unknown(), nil
	}
	if len(x.shape) != 4 {
		return nil, fmt.Errorf("input %s does not have channels, height and width", shapeString(x.shape))
	}
	for _, a := range x.shape[1:] {
		if a.n == 0 {
			return n.unknown(), nil
		}
	}
	c, h, w, ok := f(x.shape[1].n, x.shape[2].n, x.shape[3].n, b)
	if !ok || max(c, h, w) > maxDim {
		return nil, fmt.Errorf("blocksize=%d does not divide %s", b, shapeString(x.shape))
	}
	return n.one(append([]axis{x.shape[0]}, numbers(c, h, w)...)), nil
}

func inferGather(n *node) ([]value, error) {
	x, at := n.in[0], n.in[1]
	if !x.ranked() || !at.ranked() {
		return n.unknown(), nil
	}
	ax, err := normAxis(n.int("axis", 0), len(x.shape))
	if err != nil {
		return nil, err
	}
	if r := len(x.shape) - 1 + len(at.shape); r > maxRank {
		return nil, fmt.Errorf("%d axes (want at most %d)", r, maxRank)
	}
	return n.one(append([]axis{}, slices.Concat(x.shape[:ax], at.shape, x.shape[ax+1:])...)), nil
}

func inferTile(n *node) ([]value, error) {
	x := n.in[0]
	repeats, ok := n.constInts(1)
	if !x.ranked() || !ok {
		return n.unknown(), nil
	}
	if len(repeats) != len(x.shape) {
		return nil, fmt.Errorf("%d repeats do not fit %s", len(repeats), shapeString(x.shape))
	}
	out := slices.Clone(x.shape)
	for i, r := range repeats {
		switch {
		case r < 1 || r > maxDim || out[i].n > maxDim/r:
			return nil, fmt.Errorf("%d repeats of axis %d, %v", r, i, out[i])
		case out[i].n > 0:
			out[i].n *= r
		case r > 1:
			out[i] = axis{}
		}
	}
	if _, _, ok := product(out); !ok && !slices.ContainsFunc(out, func(a axis) bool { return !a.known() }) {
		return nil, fmt.Errorf("the result, %s, is too large", shapeString(out))
	}
	return n.one(out), nil
}

func inferConstantOfShape(n *node) ([]value, error) {
	v := value{elem: onnxpb.TensorProto_FLOAT}
	if a := n.attr("value"); a != nil {
		if a.T == nil {
			return nil, errors.New("value holds no tensor")
		}
		v.elem = onnxpb.TensorProto_DataType(a.T.DataType)
	}
	dims, ok := n.constInts(0)
	if !ok {
		return []value{v}, nil
	}
	if _, err := elements(dims); err != nil {
		return nil, err
	}
	v.shape = numbers(dims...)
	return []value{v}, nil
}

func inferTranspose(n *node) ([]value, error) {
	x := n.in[0]
	if !x.ranked() {
		return n.unknown(), nil
	}
	var perm []int64
	if a := n.attr("perm"); a != nil {
		perm = a.Ints
	} else {
		for i := range x.shape {
			perm = append(perm, int64(len(x.shape)-1-i))
		}
	}
	if len(perm) != len(x.shape) {
		return nil, fmt.Errorf("perm=%v does not fit rank %d", perm, len(x.shape))
	}
	out := make([]axis, len(perm))
	seen := map[int64]bool{}
	for i, p := range perm {
		if p < 0 || p >= int64(len(perm)) || seen[p] {
			return nil, fmt.Errorf("perm=%v is not a permutation", perm)
		}
		seen[p] = true
		out[i] = x.shape[p]
	}
	return n.one(out), nil
}

// product returns the product of sizes: of the numbers, and the sorted symbols. ok is false
// if a size is unknown or the product exceeds maxElements.
func product(s []axis) (n int64, syms []string, ok bool) {
	n = 1
	for _, a := range s {
		switch {
		case a.n > 0:
			if n *= a.n; n > maxElements {
				return 0, nil, false
			}
		case a.sym != "":
			syms = append(syms, a.sym)
		default:
			return 0, nil, false
		}
	}
	slices.Sort(syms)
	return n, syms, true
}

func inferFlatten(n *node) ([]value, error) {
	x := n.in[0]
	if !x.ranked() {
		return []value{{elem: x.elem, shape: []axis{{}, {}}}}, nil
	}
	at := n.int("axis", 1)
	if at < 0 {
		at += int64(len(x.shape))
	}
	if at < 0 || at > int64(len(x.shape)) {
		return nil, fmt.Errorf("axis %d does not exist in a value of rank %d", n.int("axis", 1), len(x.shape))
	}
	join := func(s []axis) axis {
		n, syms, ok := product(s)
		switch {
		case ok && len(syms) == 0:
			return axis{n: n}
		case ok && n == 1 && len(syms) == 1:
			return axis{sym: syms[0]}
		}
		return axis{}
	}
	return n.one([]axis{join(x.shape[:at]), join(x.shape[at:])}), nil
}

func inferReshape(n *node) ([]value, error) {
	x := n.in[0]
	target, ok := n.constIntegers(1)
	if !ok {
		return n.unknown(), nil
	}
	if len(target) > maxRank {
		return nil, fmt.Errorf("%d axes (want at most %d)", len(target), maxRank)
	}
	out := make([]axis, len(target))
	open := -1
	for i, t := range target {
		switch {
		case t == number(-1) && open >= 0:
			return nil, fmt.Errorf("shape %s has more than one -1", integersString(target))
		case t == number(-1):
			open = i
		case t == number(0) && n.int("allowzero", 0) == 0:
			if x.ranked() && i >= len(x.shape) {
				return nil, fmt.Errorf("shape %s keeps axis %d of a value of rank %d", integersString(target), i, len(x.shape))
			}
			if x.ranked() {
				out[i] = x.shape[i]
			}
		case t.isNumber() && (t.c < 0 || t.c > maxDim):
			return nil, fmt.Errorf("shape %s: %d is not within 1..%d", integersString(target), t.c, maxDim)
		default:
			out[i] = t.axis()
		}
	}
	if !x.ranked() {
		return n.one(out), nil
	}
	have, haveSyms, ok1 := product(x.shape)
	rest := out
	if open >= 0 {
		rest = slices.Concat(out[:open], out[open+1:])
	}
	want, wantSyms, ok2 := product(rest)
	if !ok1 || !ok2 {
		return n.one(out), nil
	}
	mismatch := fmt.Errorf("%s does not reshape to %s", shapeString(x.shape), integersString(target))
	switch {
	case open < 0:
		if have != want || !slices.Equal(haveSyms, wantSyms) {
			return nil, mismatch
		}
	case slices.Equal(haveSyms, wantSyms):
		if have%want != 0 || have/want > maxDim {
			return nil, mismatch
		}
		out[open] = axis{n: have / want}
	case len(wantSyms) == 0 && len(haveSyms) == 1 && have == want:
		out[open] = axis{sym: haveSyms[0]}
	case len(wantSyms) == 0 && have%want == 0:
		// The size is a multiple of a symbol, which an axis cannot express.
	default:
		return nil, mismatch
	}
	return n.one(out), nil
}

func inferConstant(n *node) ([]value, error) {
	if len(n.Attribute) != 1 {
		return nil, fmt.Errorf("%d attributes (want one)", len(n.Attribute))
	}
	a := n.Attribute[0]
	one := func(t onnxpb.TensorProto_DataType, dims ...int64) []value {
		return []value{{elem: t, shape: numbers(dims...)}}
	}
	switch a.Name {
	case "value":
		if a.T == nil {
			return nil, errors.New("value holds no tensor")
		}
		return []value{tensorValue(a.T)}, nil
	case "value_float":
		v := one(onnxpb.TensorProto_FLOAT)
		v[0].floats = &floats{data: []float32{a.F}}
		return v, nil
	case "value_floats":
		v := one(onnxpb.TensorProto_FLOAT, int64(len(a.Floats)))
		v[0].floats = &floats{data: a.Floats}
		return v, nil
	case "value_int":
		v := one(onnxpb.TensorProto_INT64)
		v[0].ints = []int64{a.I}
		return v, nil
	case "value_ints":
		v := one(onnxpb.TensorProto_INT64, int64(len(a.Ints)))
		v[0].ints = a.Ints
		if v[0].ints == nil {
			v[0].ints = []int64{}
		}
		return v, nil
	case "value_string":
		return one(onnxpb.TensorProto_STRING), nil
	case "value_strings":
		return one(onnxpb.TensorProto_STRING, int64(len(a.Strings))), nil
	}
	return []value{{}}, nil // a sparse tensor
}

// tensorValue returns what is known about a tensor that is in the file.
func tensorValue(t *onnxpb.TensorProto) value {
	v := value{elem: onnxpb.TensorProto_DataType(t.DataType), shape: numbers(t.Dims...)}
	switch {
	case v.elem == onnxpb.TensorProto_FLOAT:
		v.floats = &floats{tensor: t}
	case t.DataLocation == onnxpb.TensorProto_EXTERNAL:
	default:
		if ints, err := integers(t); err == nil {
			v.ints = ints
		}
	}
	return v
}
