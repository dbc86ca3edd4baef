package onnx

import (
	"errors"
	"fmt"
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

// folded reports whether something is known about the elements.
func (v value) folded() bool {
	return v.ints != nil || v.syms != nil || v.floats != nil || v.ramp != nil
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
