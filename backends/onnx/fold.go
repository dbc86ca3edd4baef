package onnx

import (
	"errors"
	"math"
	"slices"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// This file computes nodes whose inputs are constants, or shapes that depend on symbols only.
// Exporters write such nodes where a program asks for the shape of a tensor, and where it
// computes weights.

// folder computes nodes within a bound of memory.
type folder struct {
	left int64 // bytes that may still be allocated
}

// foldBase is the number of bytes that folding may allocate for any file, foldFactor the
// number of further bytes for each byte of its weights.
const (
	foldBase   = 24 << 20
	foldFactor = 3
)

func newFolder(g *onnxpb.GraphProto) *folder {
	n := int64(0)
	for _, t := range g.Initializer {
		if d, err := elements(t.Dims); err == nil && t.DataLocation != onnxpb.TensorProto_EXTERNAL {
			n += 4 * d
		}
	}
	return &folder{left: foldBase + foldFactor*n}
}

// fold sets the elements of the outputs of a node that can be computed. outs are the
// inferred outputs. It leaves them unknown where memory would not suffice.
func (f *folder) fold(n *node, outs []value) error {
	if foldRamp(n, outs) {
		return nil
	}
	do := foldTable[n.OpType]
	if do == nil || len(outs) == 0 {
		return nil
	}
	for i := range n.Input {
		if n.given[i] && n.in[i].ints == nil && n.in[i].syms == nil && n.in[i].floats == nil {
			return nil
		}
	}
	for _, o := range outs {
		size, ok := countOf(o.shape)
		if !ok {
			if n.OpType == "NonZero" && len(n.in[0].ints) <= maxInts {
				continue
			}
			return nil
		}
		if integral(o.elem) && size > maxInts {
			return nil
		}
		bytes := 20 + 8*int64(len(n.Input)) // positions, sums and results in float64
		switch {
		case foldShares[n.OpType]:
			bytes = 0
		case integral(o.elem):
			bytes = 96
		case n.OpType == "BatchNormalization":
			bytes = 4
		}
		if bytes*size > f.left {
			return nil
		}
		f.left -= bytes * size
	}
	return do(f, n, outs)
}

// countOf returns the number of elements of a shape of numbers.
func countOf(s []axis) (int64, bool) {
	if s == nil {
		return 0, false
	}
	n := int64(1)
	for _, a := range s {
		if a.n == 0 && !a.none {
			return 0, false
		}
		if n *= a.n; n > maxElements {
			return 0, false
		}
	}
	return n, true
}

func dimsOf(s []axis) []int {
	d := make([]int, len(s))
	for i, a := range s {
		d[i] = int(a.n)
	}
	return d
}

// foldShares lists the operators whose result has the same elements in the same order.
var foldShares = map[string]bool{"Identity": true, "Reshape": true, "Unsqueeze": true, "Squeeze": true, "Flatten": true, "Dropout": true}

// foldTable maps operators to the functions that compute them.
var foldTable map[string]func(*folder, *node, []value) error

func init() { // a literal would be long
	foldTable = map[string]func(*folder, *node, []value) error{
		"Cast": foldCast, "CastLike": foldCast,
		"Range": foldRange, "Where": foldWhere, "NonZero": foldNonZero, "ConstantOfShape": foldConstantOfShape,
		"BatchNormalization": foldBatchNorm,
	}
	for op := range foldShares {
		foldTable[op] = foldShare
	}
	for op, index := range map[string]func(*node, []value) ([][]int, error){
		"Gather": gatherIndex, "Concat": concatIndex, "Slice": sliceIndex, "Transpose": transposeIndex, "Expand": expandIndex,
		"Tile": tileIndex, "Split": splitIndex,
	} {
		foldTable[op] = foldMoves(index)
	}
	for op, fn := range foldUnary {
		foldTable[op] = foldUnaryFloat(fn)
	}
	for op := range foldBinary {
		foldTable[op] = foldElementwise
	}
	for op := range foldReductions {
		foldTable[op] = foldReduce
	}
}

func foldShare(_ *folder, n *node, outs []value) error {
	outs[0].ints, outs[0].syms, outs[0].floats = n.in[0].ints, n.in[0].syms, n.in[0].floats
	if f, ok := n.constFloats(0); ok && n.OpType != "Identity" {
		outs[0].floats = &floats{data: f}
		if n.OpType != "Cast" || n.castsWide() {
			outs[0].floats.wide = n.constWide(0)
		}
	}
	return nil
}

func foldCast(_ *folder, n *node, outs []value) error {
	to := outs[0].elem
	f, float := n.reals(0)
	ints, integers := n.constIntegers(0)
	switch {
	case float && n.castsWide() && f.wide == nil:
		d := newReals(len(f.narrow), true)
		for i := range f.narrow {
			d.set(i, f.at(i))
		}
		outs[0].floats = d.floats()
	case float && isFloat(to) || integers && n.in[0].elem == to:
		return foldShare(nil, n, outs)
	case float && integral(to):
		s := make([]integer, len(f.narrow))
		for i := range s {
			v := f.at(i)
			switch {
			case to == onnxpb.TensorProto_BOOL:
				s[i] = truth(v != 0)
			case !(math.Abs(v) < 1<<62): // C++ does not define the result
				return nil
			default:
				s[i] = wrap(int64(v), to)
			}
		}
		outs[0] = outs[0].withIntegers(s)
	case integers && integral(to):
		s := make([]integer, len(ints))
		for i, v := range ints {
			switch {
			case to == onnxpb.TensorProto_BOOL:
				if c, ok := v.compare(number(0)); ok {
					s[i] = truth(c != 0)
				} else {
					s[i] = anything
				}
			case v.isNumber():
				s[i] = wrap(v.c, to)
			case to == onnxpb.TensorProto_INT64 || to == onnxpb.TensorProto_INT32:
				s[i] = v // sizes are small
			default:
				s[i] = anything
			}
		}
		outs[0] = outs[0].withIntegers(s)
	case integers && isFloat(to) && n.in[0].syms == nil:
		d := newReals(len(ints), n.castsWide())
		for i, v := range ints {
			d.set(i, float64(v.c))
			d.narrow[i] = float32(v.c) // rounded once
		}
		outs[0].floats = d.floats()
	}
	return nil
}

// wrap returns the lowest bits of v as an element of a type.
func wrap(v int64, to onnxpb.TensorProto_DataType) integer {
	switch to {
	case onnxpb.TensorProto_INT32:
		v = int64(int32(v))
	case onnxpb.TensorProto_INT16:
		v = int64(int16(v))
	case onnxpb.TensorProto_INT8:
		v = int64(int8(v))
	case onnxpb.TensorProto_UINT32:
		v = int64(uint32(v))
	case onnxpb.TensorProto_UINT16:
		v = int64(uint16(v))
	case onnxpb.TensorProto_UINT8:
		v = int64(uint8(v))
	case onnxpb.TensorProto_BOOL:
		return truth(v != 0)
	}
	return number(v)
}

func foldRange(_ *folder, n *node, outs []value) error {
	size, _ := countOf(outs[0].shape)
	if start, step, length, ok := n.floatRange(); ok && length == size {
		d := newReals(int(size), n.isWide())
		for i := range d.narrow {
			d.set(i, start+float64(i)*step)
		}
		outs[0].floats = d.floats()
		return nil
	}
	var at [3]integer
	for i := range at {
		s, ok := n.constIntegers(i)
		if !ok || len(s) != 1 {
			return nil
		}
		at[i] = s[0]
	}
	s := make([]integer, size)
	for i := range s {
		s[i] = at[0].plus(at[2].times(number(int64(i))))
	}
	outs[0] = outs[0].withIntegers(s)
	return nil
}

// foldPositions returns, for each input of an elementwise operator, the position in it of every
// element of the result.
func foldPositions(n *node, out value) [][]int {
	y := dimsOf(out.shape)
	at := make([][]int, len(n.in))
	for i, v := range n.in {
		at[i] = strided(y, broadcastStrides(dimsOf(v.shape), y), 0)
	}
	return at
}

func foldWhere(_ *folder, n *node, outs []value) error {
	cond, ok := n.constIntegers(0)
	if !ok {
		return nil
	}
	at := foldPositions(n, outs[0])
	if a, ok := n.reals(1); ok {
		b, ok := n.reals(2)
		d := newReals(len(at[0]), n.isWide())
		for i := range d.narrow {
			c := cond[at[0][i]]
			switch {
			case !ok || !c.isNumber():
				return nil
			case c.c != 0:
				d.set(i, a.at(at[1][i]))
			default:
				d.set(i, b.at(at[2][i]))
			}
		}
		outs[0].floats = d.floats()
		return nil
	}
	a, ok1 := n.constIntegers(1)
	b, ok2 := n.constIntegers(2)
	if !ok1 || !ok2 {
		return nil
	}
	s := make([]integer, len(at[0]))
	for i := range s {
		c, x, y := cond[at[0][i]], a[at[1][i]], b[at[2][i]]
		switch {
		case x == y || c.isNumber() && c.c != 0:
			s[i] = x
		case c.isNumber():
			s[i] = y
		default:
			s[i] = anything
		}
	}
	outs[0] = outs[0].withIntegers(s)
	return nil
}

func foldNonZero(_ *folder, n *node, outs []value) error {
	size, ok := countOf(n.in[0].shape)
	if !ok || size > maxInts || len(n.in[0].shape) == 0 {
		return nil
	}
	ints, isInts := n.constIntegers(0)
	f, _ := n.constFloats(0)
	dims := rowMajor(dimsOf(n.in[0].shape))
	rows := make([][]integer, len(dims))
	for i := range int(size) {
		switch {
		case isInts && !ints[i].isNumber():
			return nil
		case isInts && ints[i].c == 0 || !isInts && f[i] == 0:
			continue
		}
		rest := i
		for a, d := range dims {
			rows[a] = append(rows[a], number(int64(rest/d)))
			rest %= d
		}
	}
	outs[0].shape = numbers(int64(len(rows)), int64(len(rows[0])))
	outs[0] = outs[0].withIntegers(slices.Concat(rows...))
	return nil
}

func foldConstantOfShape(_ *folder, n *node, outs []value) error {
	size, _ := countOf(outs[0].shape)
	v := value{elem: onnxpb.TensorProto_FLOAT, floats: &floats{data: []float32{0}}}
	if a := n.attr("value"); a != nil {
		v = tensorValue(a.T)
	}
	switch {
	case v.floats != nil:
		f, err := v.floats.get(nil)
		if err != nil || len(f) != 1 {
			return errors.New("value must be a single element")
		}
		outs[0].floats = &floats{data: slices.Repeat(f, int(size))}
	case len(v.ints) == 1:
		outs[0].ints = slices.Repeat(v.ints, int(size))
		if size == 0 {
			outs[0].ints = []int64{}
		}
	}
	return nil
}
