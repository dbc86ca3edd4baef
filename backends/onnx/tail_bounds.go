package onnx

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir/nodes"
)

// This file finds out how large the values of a tail can become.

// bound is what is known about a value of a tail: its kind, and how large it can become.
type bound struct {
	kind     nodes.NodeKind
	dims     []int     // the sizes of the axes, at most
	ints     []float64 // its elements, at most, if they are integers from 0 on; nil if nothing is known
	exact    bool      // the value is a constant
	elements []float64 // of a constant
}

// maxTailLen is the largest number of elements that an output of a tail can have.
const maxTailLen = 1 << 24

func (b bound) fits() bool {
	n := 1
	for _, d := range b.dims {
		if d > 0 && n > maxTailLen/d {
			return false
		}
		n *= max(d, 1)
	}
	return true
}

// shape returns the sizes as the attribute bounds of a program has them. A size is at least 1.
func (b bound) shape() string {
	if len(b.dims) == 0 {
		return "scalar"
	}
	words := make([]string, len(b.dims))
	for i, d := range b.dims {
		words[i] = strconv.Itoa(max(d, 1))
	}
	return strings.Join(words, "x")
}

// union returns a bound for either of two values.
func (b bound) union(c bound) (bound, error) {
	if b.kind != c.kind || len(b.dims) != len(c.dims) {
		return b, fmt.Errorf("the branches compute %v of %d axes and %v of %d axes: the result must have the same in both", b.kind, len(b.dims), c.kind, len(c.dims))
	}
	r := bound{kind: b.kind}
	for i := range b.dims {
		r.dims = append(r.dims, max(b.dims[i], c.dims[i]))
	}
	return r, nil
}

// stretching lists the operators whose operands are stretched to each other's shapes.
var stretching = []string{"Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Mean", "Where", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor",
	"BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"}

// infer returns bounds of the results of a step.
func (e *tailEncoder) infer(s *nodes.NodeStep) ([]bound, error) {
	var in []bound
	for _, r := range s.In {
		if r.Attr == "" && r.Value >= 0 {
			in = append(in, e.bounds[r.Value])
		} else if r.Attr == "" {
			in = append(in, bound{})
		}
	}
	if f := boundRules[s.Op]; f != nil {
		return f(s, in)
	}
	if slices.Contains(stretching, s.Op) {
		return stretchedBound(s, in)
	}
	attrs, err := e.boundAttrs(s, in)
	if err != nil {
		return nil, err
	}
	var types []nodes.NodeType
	for _, b := range in {
		types = append(types, nodes.NodeType{Kind: b.kind, Shape: b.dims})
	}
	for len(types) > 0 && types[len(types)-1].Kind == nodes.NodeNone {
		types = types[:len(types)-1]
	}
	if s.Op == "Concat" {
		types = alike(types, attrs)
	}
	out, err := nodes.InferNode(s.Op, attrs, types)
	if err != nil {
		return nil, err
	}
	bs := make([]bound, len(out))
	for i, t := range out {
		bs[i] = bound{kind: t.Kind, dims: t.Shape}
	}
	if len(bs) == 1 {
		bs[0].ints = movedInts(s.Op, attrs, in, bs[0].dims)
	}
	return bs, nil
}

// alike makes the axes of operands of a Concat, but that of the attribute, equally long.
func alike(types []nodes.NodeType, attrs nodes.NodeAttrs) []nodes.NodeType {
	axis, err := strconv.Atoi(attrs["axis"])
	if err != nil || len(types) == 0 {
		return types
	}
	rank := len(types[0].Shape)
	if axis < 0 {
		axis += rank
	}
	most := slices.Clone(types[0].Shape)
	for _, t := range types {
		if len(t.Shape) != rank {
			return types
		}
		for a, d := range t.Shape {
			most[a] = max(most[a], d)
		}
	}
	out := slices.Clone(types)
	for i, t := range out {
		out[i].Shape = slices.Clone(most)
		if axis >= 0 && axis < rank {
			out[i].Shape[axis] = t.Shape[axis]
		}
	}
	return out
}

// boundAttrs returns the attributes of a step, where the operands that become attributes have
// their largest elements.
func (e *tailEncoder) boundAttrs(s *nodes.NodeStep, in []bound) (nodes.NodeAttrs, error) {
	attrs := nodes.NodeAttrs{}
	maps.Copy(attrs, s.Attrs)
	open := ""
	for _, r := range s.In {
		if r.Attr == "" {
			continue
		}
		b := e.bounds[r.Value]
		switch {
		case b.exact && b.kind == nodes.NodeFloat:
			attrs[r.Attr] = nodes.NodeFloats(b.elements...)
		case b.exact:
			attrs[r.Attr] = boundInts(b.elements)
		case b.ints != nil:
			attrs[r.Attr] = boundInts(b.ints)
			open = r.Attr
		default:
			attrs[r.Attr], open = "", r.Attr
		}
	}
	if open == "" {
		return attrs, nil
	}
	unknown := attrs[open] == ""
	switch {
	case s.Op == "Slice" || s.Op == "Compress": // nothing is left out at most
		if s.Op == "Slice" {
			return nodes.NodeAttrs{"starts": "0", "ends": strconv.Itoa(math.MaxInt32), "axes": "0"}, rankError(in)
		}
		attrs["condition"] = boundInts(slices.Repeat([]float64{1}, longest(in)))
		return attrs, nil
	case s.Op == "TopK":
		axis := boundAxis(attrs, "axis", -1, in)
		k := in[0].dims[axis]
		if v, err := strconv.Atoi(attrs["k"]); err == nil {
			k = min(k, v)
		}
		attrs["k"] = strconv.Itoa(k)
		return attrs, nil
	case s.Op == "Reshape" && !unknown, s.Op == "Expand" && !unknown, s.Op == "Tile" && !unknown:
		return attrs, nil
	}
	return nil, fmt.Errorf("%s is computed at run time: there is no bound for the size of the result", open)
}

func rankError(in []bound) error {
	if len(in) == 0 || len(in[0].dims) == 0 {
		return errors.New("the operand has no axes")
	}
	return nil
}

func longest(in []bound) int {
	return min(int(boundLen(in[0])), 1<<16) // a Compress without axis works on all elements
}

// boundAxis returns the number of an axis; 0 if it does not exist.
func boundAxis(attrs nodes.NodeAttrs, name string, def int, in []bound) int {
	if v, err := strconv.Atoi(attrs[name]); err == nil {
		def = v
	}
	rank := len(in[0].dims)
	if def < 0 {
		def += rank
	}
	return max(0, min(def, rank-1))
}

func boundInts(list []float64) string {
	ints := make([]int64, len(list))
	for i, v := range list {
		ints[i] = int64(min(max(v, math.MinInt32), math.MaxInt32))
	}
	return nodes.NodeInts(ints...)
}

// stretchedBound is the rule of operators whose operands are stretched.
func stretchedBound(s *nodes.NodeStep, in []bound) ([]bound, error) {
	rank := 0
	for _, b := range in {
		rank = max(rank, len(b.dims))
	}
	dims := slices.Repeat([]int{1}, rank)
	var ones []nodes.NodeType
	for _, b := range in {
		for i, d := range b.dims {
			at := rank - len(b.dims) + i
			if dims[at] == 1 || d == 0 {
				dims[at] = d
			} else if d != 1 {
				dims[at] = max(dims[at], d)
			}
		}
		ones = append(ones, nodes.NodeType{Kind: b.kind, Shape: slices.Repeat([]int{1}, len(b.dims))})
	}
	out, err := nodes.InferNode(s.Op, s.Attrs, ones)
	if err != nil {
		return nil, err
	}
	return []bound{{kind: out[0].Kind, dims: dims, ints: combinedInts(s.Op, in, dims)}}, nil
}

// combinedInts returns bounds of the elements of a result of two lists of integers.
func combinedInts(op string, in []bound, dims []int) []float64 {
	if op == "Where" && len(in) == 3 { // either of two
		op, in = "Max", in[1:]
	}
	if len(in) != 2 || in[0].ints == nil || in[1].ints == nil {
		return nil
	}
	n := 1
	for _, d := range dims {
		n *= d
	}
	a, b := in[0].ints, in[1].ints
	out := make([]float64, n)
	for i := range out {
		if len(a) == 0 || len(b) == 0 {
			return nil
		}
		x, y := a[i%len(a)], b[i%len(b)]
		if len(a) != n && len(a) != 1 || len(b) != n && len(b) != 1 || x < 0 || y < 0 {
			return nil
		}
		switch {
		case op == "Add":
			out[i] = x + y
		case op == "Mul":
			out[i] = x * y
		case op == "Min":
			out[i] = min(x, y)
		case op == "Max":
			out[i] = max(x, y)
		case op == "Div" && in[1].exact && y > 0:
			out[i] = math.Trunc(x / y)
		default:
			return nil
		}
	}
	return out
}

// movedInts returns bounds of the elements of a result that has some of those of the operands.
func movedInts(op string, attrs nodes.NodeAttrs, in []bound, dims []int) []float64 {
	if len(in) == 0 {
		return nil
	}
	x := in[0].ints
	for i, b := range in {
		if b.ints == nil && !(op == "Gather" && i == 1) {
			return nil
		}
	}
	switch op {
	case "Identity", "Cast", "Unsqueeze", "Squeeze", "Reshape":
		return x
	case "Gather":
		var out []float64
		for _, v := range in[1].elements {
			if v < 0 {
				v += float64(len(x))
			}
			if !in[1].exact || len(in[0].dims) != 1 || v < 0 || int(v) >= len(x) {
				return nil
			}
			out = append(out, x[int(v)])
		}
		return out
	case "Concat":
		if len(dims) != 1 {
			return nil
		}
		var out []float64
		for _, b := range in {
			out = append(out, b.ints...)
		}
		return out
	case "ReduceMin", "ReduceMax", "ReduceSum", "ReduceProd":
		return reducedInts(op, x, dims)
	}
	return nil
}

// reducedInts returns a bound of a reduction of all elements.
func reducedInts(op string, x []float64, dims []int) []float64 {
	n := 1
	for _, d := range dims {
		n *= d
	}
	if n != 1 || len(x) == 0 || slices.Min(x) < 0 {
		return nil
	}
	r := x[0]
	for _, v := range x[1:] {
		switch op {
		case "ReduceMin":
			r = min(r, v)
		case "ReduceMax":
			r = max(r, v)
		case "ReduceSum":
			r += v
		default:
			r *= v
		}
	}
	return []float64{r}
}

// boundRules are the rules of the operators that only programs have.
var boundRules = map[string]func(s *nodes.NodeStep, in []bound) ([]bound, error){
	"Shape": func(s *nodes.NodeStep, in []bound) ([]bound, error) {
		if len(in) != 1 {
			return nil, errors.New("one operand is wanted")
		}
		rank := len(in[0].dims)
		clamp := func(name string, def int) int {
			if v, err := strconv.Atoi(s.Attrs[name]); err == nil {
				def = v
			}
			if def < 0 {
				def += rank
			}
			return min(max(def, 0), rank)
		}
		lo, hi := clamp("start", 0), clamp("end", rank)
		b := bound{kind: nodes.NodeInt64, dims: []int{max(0, hi-lo)}, ints: []float64{}}
		for _, d := range in[0].dims[lo:max(lo, hi)] {
			b.ints = append(b.ints, float64(d))
		}
		return []bound{b}, nil
	},
	"Size": func(s *nodes.NodeStep, in []bound) ([]bound, error) {
		if len(in) != 1 {
			return nil, errors.New("one operand is wanted")
		}
		return []bound{{kind: nodes.NodeInt64, dims: []int{}, ints: []float64{boundLen(in[0])}}}, nil
	},
	"NonZero": func(s *nodes.NodeStep, in []bound) ([]bound, error) {
		if len(in) != 1 {
			return nil, errors.New("one operand is wanted")
		}
		return []bound{{kind: nodes.NodeInt64, dims: []int{len(in[0].dims), int(boundLen(in[0]))}}}, nil
	},
	"ConstantOfShape": func(s *nodes.NodeStep, in []bound) ([]bound, error) {
		if len(in) != 1 || in[0].ints == nil {
			return nil, errors.New("there is no bound for the shape")
		}
		b := bound{kind: nodes.NodeFloat, dims: []int{}}
		if to := s.Attrs["to"]; to != "" {
			b.kind = nodes.NodeKindOf(to)
		}
		for _, v := range in[0].ints {
			b.dims = append(b.dims, int(min(v, math.MaxInt32)))
		}
		if v, err := strconv.ParseFloat(s.Attrs["value"], 64); err == nil && v >= 0 && b.kind.Integer() && boundLen(b) <= nodes.NodeMaxAxes {
			b.ints = slices.Repeat([]float64{v}, int(boundLen(b)))
		}
		return []bound{b}, nil
	},
	"Range": func(s *nodes.NodeStep, in []bound) ([]bound, error) {
		if len(in) != 3 || len(in[1].ints) != 1 || !in[0].exact || !in[2].exact || len(in[0].elements) != 1 || len(in[2].elements) != 1 || in[2].elements[0] <= 0 {
			return nil, errors.New("there is no bound for the number of elements")
		}
		n := math.Ceil((in[1].ints[0] - in[0].elements[0]) / in[2].elements[0])
		return []bound{{kind: in[1].kind, dims: []int{int(min(max(n, 0), math.MaxInt32))}}}, nil
	},
	"NonMaxSuppression": func(s *nodes.NodeStep, in []bound) ([]bound, error) {
		if len(in) < 2 || len(in[0].dims) != 3 || len(in[1].dims) != 3 {
			return nil, errors.New("boxes and scores must have three axes")
		}
		n := float64(in[0].dims[1])
		if len(in) > 2 && in[2].exact && len(in[2].elements) == 1 {
			n = min(n, max(in[2].elements[0], 0))
		}
		n *= float64(in[1].dims[0]) * float64(in[1].dims[1])
		return []bound{{kind: nodes.NodeInt64, dims: []int{int(min(n, math.MaxInt32)), 3}}}, nil
	},
}

func boundLen(b bound) float64 {
	n := 1.0
	for _, d := range b.dims {
		n *= float64(d)
	}
	return min(n, math.MaxInt32)
}
