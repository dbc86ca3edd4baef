package onnx

import (
	"errors"
	"fmt"
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

// foldMoves computes operators that only move elements. index returns, for each output, the
// position of each of its elements in the data inputs, joined in order.
func foldMoves(index func(*node, []value) ([][]int, error)) func(*folder, *node, []value) error {
	return func(_ *folder, n *node, outs []value) error {
		at, err := index(n, outs)
		if err != nil || at == nil {
			return err
		}
		sources := 1
		if n.OpType == "Concat" {
			sources = len(n.Input)
		}
		var ints []integer
		var fs reals
		wide := n.isWide()
		for i := range sources {
			if f, ok := n.reals(i); ok {
				for j := 0; wide && j < len(f.narrow); j++ {
					fs.wide = append(fs.wide, f.at(j))
				}
				fs.narrow = append(fs.narrow, f.narrow...)
			} else if s, ok := n.constIntegers(i); ok {
				ints = append(ints, s...)
			} else {
				return nil
			}
		}
		for o := range outs {
			if fs.narrow != nil || n.in[0].floats != nil {
				d := newReals(len(at[o]), wide)
				for i, j := range at[o] {
					d.set(i, fs.at(j))
				}
				outs[o].floats = d.floats()
				continue
			}
			d := make([]integer, len(at[o]))
			for i, j := range at[o] {
				d[i] = ints[j]
			}
			outs[o] = outs[o].withIntegers(d)
		}
		return nil
	}
}

// strided returns the positions that an array of the given sizes visits, where a step along
// axis i moves by strides[i].
func strided(dims, strides []int, from int) []int {
	size := 1
	for _, d := range dims {
		size *= d
	}
	at := make([]int, size)
	count := make([]int, len(dims))
	pos := from
	for i := range at {
		at[i] = pos
		for a := len(dims) - 1; a >= 0; a-- {
			pos += strides[a]
			if count[a]++; count[a] < dims[a] {
				break
			}
			pos -= strides[a] * dims[a]
			count[a] = 0
		}
	}
	return at
}

// rowMajor returns the distance of neighbours along each axis.
func rowMajor(dims []int) []int {
	s := make([]int, len(dims))
	step := 1
	for i := len(dims) - 1; i >= 0; i-- {
		s[i] = step
		step *= dims[i]
	}
	return s
}

func gatherIndex(n *node, outs []value) ([][]int, error) {
	idx, ok := n.constInts(1)
	x := dimsOf(n.in[0].shape)
	axis, err := normAxis(n.int("axis", 0), len(x))
	if !ok || err != nil {
		return nil, err
	}
	inner, outer := 1, 1
	for _, d := range x[axis+1:] {
		inner *= d
	}
	for _, d := range x[:axis] {
		outer *= d
	}
	size, _ := countOf(outs[0].shape)
	at := make([]int, 0, size)
	for o := range outer {
		for _, j := range idx {
			if j < 0 {
				j += int64(x[axis])
			}
			if j < 0 || j >= int64(x[axis]) {
				return nil, fmt.Errorf("index %d is out of range for an axis of %d", j, x[axis])
			}
			for i := range inner {
				at = append(at, (o*x[axis]+int(j))*inner+i)
			}
		}
	}
	return [][]int{at}, nil
}

func concatIndex(n *node, outs []value) ([][]int, error) {
	axis, err := normAxis(n.int("axis", 0), len(outs[0].shape))
	if err != nil {
		return nil, err
	}
	outer := 1
	for _, a := range outs[0].shape[:axis] {
		outer *= int(a.n)
	}
	size, _ := countOf(outs[0].shape)
	at := make([]int, 0, size)
	for o := range outer {
		from := 0
		for _, v := range n.in {
			count, _ := countOf(v.shape)
			row := int(count) / max(1, outer)
			for i := range row {
				at = append(at, from+o*row+i)
			}
			from += int(count)
		}
	}
	return [][]int{at}, nil
}

func sliceIndex(n *node, outs []value) ([][]int, error) {
	starts, ok := n.constInts(1)
	axes, okAxes := n.constInts(3)
	steps, okSteps := n.constInts(4)
	if !ok || n.has(3) && !okAxes || n.has(4) && !okSteps {
		return nil, nil
	}
	x := dimsOf(n.in[0].shape)
	strides, from := rowMajor(x), 0
	for i, lo := range starts {
		a, step := int64(i), int64(1)
		if n.has(3) {
			a = axes[i]
		}
		if n.has(4) {
			step = steps[i]
		}
		axis, err := normAxis(a, len(x))
		if err != nil {
			return nil, err
		}
		d := int64(x[axis])
		if lo < 0 {
			lo = max(lo, -d) + d
		}
		lo = min(lo, d)
		if step < 0 {
			lo = min(lo, d-1)
		}
		from += int(lo) * strides[axis]
		if outs[0].shape[axis].n > 1 { // else the step is not used, and may be very large
			strides[axis] *= int(step)
		}
	}
	return [][]int{strided(dimsOf(outs[0].shape), strides, from)}, nil
}

func transposeIndex(n *node, outs []value) ([][]int, error) {
	x := dimsOf(n.in[0].shape)
	s := rowMajor(x)
	strides := make([]int, len(x))
	a := n.attr("perm")
	for i := range strides {
		if strides[i] = s[len(s)-1-i]; a != nil {
			strides[i] = s[a.Ints[i]]
		}
	}
	return [][]int{strided(dimsOf(outs[0].shape), strides, 0)}, nil
}

// broadcastStrides returns the strides with which an array visits the elements of one that
// is stretched to its shape.
func broadcastStrides(small, shape []int) []int {
	s, strides := rowMajor(small), make([]int, len(shape))
	for i, d := range small {
		if d != 1 {
			strides[len(shape)-len(small)+i] = s[i]
		}
	}
	return strides
}

func expandIndex(n *node, outs []value) ([][]int, error) {
	x, y := dimsOf(n.in[0].shape), dimsOf(outs[0].shape)
	return [][]int{strided(y, broadcastStrides(x, y), 0)}, nil
}

func tileIndex(n *node, outs []value) ([][]int, error) {
	x, y := dimsOf(n.in[0].shape), dimsOf(outs[0].shape)
	s := rowMajor(x)
	at := make([]int, len(strided(y, make([]int, len(y)), 0)))
	t := rowMajor(y)
	for i := range at {
		rest := i
		for a := range y {
			at[i] += rest / t[a] % x[a] * s[a]
			rest %= t[a]
		}
	}
	return [][]int{at}, nil
}

func splitIndex(n *node, outs []value) ([][]int, error) {
	x := dimsOf(n.in[0].shape)
	axis, err := normAxis(n.int("axis", 0), len(x))
	if err != nil {
		return nil, err
	}
	s, from := rowMajor(x), 0
	var at [][]int
	for _, o := range outs {
		at = append(at, strided(dimsOf(o.shape), s, from))
		from += int(o.shape[axis].n) * s[axis]
	}
	return at, nil
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

// foldUnary lists functions of one number.
var foldUnary = map[string]func(float64) float64{
	"Exp": math.Exp, "Log": math.Log, "Sqrt": math.Sqrt, "Floor": math.Floor, "Ceil": math.Ceil, "Round": math.RoundToEven,
	"Sin": math.Sin, "Cos": math.Cos, "Erf": math.Erf, "Tanh": math.Tanh,
	"Reciprocal": func(x float64) float64 { return 1 / x },
	"Sigmoid":    func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
	"Relu":       func(x float64) float64 { return max(0, x) },
	"Neg":        func(x float64) float64 { return -x },
	"Abs":        math.Abs,
	"Sign": func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x
	},
	"Not": func(x float64) float64 { return 1 - x },
}

func foldUnaryFloat(fn func(float64) float64) func(*folder, *node, []value) error {
	return func(_ *folder, n *node, outs []value) error {
		if f, ok := n.reals(0); ok {
			d := newReals(len(f.narrow), f.wide != nil)
			for i := range f.narrow {
				d.set(i, fn(f.at(i)))
			}
			outs[0].floats = d.floats()
			return nil
		}
		ints, ok := n.constIntegers(0)
		if !ok {
			return nil
		}
		s := make([]integer, len(ints))
		for i, v := range ints {
			order, known := v.compare(number(0))
			switch {
			case n.OpType == "Neg":
				s[i] = v.times(number(-1))
			case n.OpType == "Not" && known:
				s[i] = truth(order == 0)
			case n.OpType == "Sign" && known:
				s[i] = number(int64(order))
			case n.OpType == "Abs" && known && order >= 0:
				s[i] = v
			case n.OpType == "Abs" && known:
				s[i] = v.times(number(-1))
			default:
				s[i] = anything
			}
		}
		outs[0] = outs[0].withIntegers(s)
		return nil
	}
}

// foldBinary lists functions of two numbers. The results of comparisons are bools.
var foldBinary = map[string]struct {
	floats func(a, b float64) float64
	ints   func(a, b integer) integer
}{
	"Add": {func(a, b float64) float64 { return a + b }, integer.plus},
	"Sum": {func(a, b float64) float64 { return a + b }, integer.plus},
	"Sub": {func(a, b float64) float64 { return a - b }, func(a, b integer) integer { return a.plus(b.times(number(-1))) }},
	"Mul": {func(a, b float64) float64 { return a * b }, integer.times},
	"Div": {func(a, b float64) float64 { return a / b }, integer.over},
	"Pow": {math.Pow, func(a, b integer) integer {
		if !a.isNumber() || !b.isNumber() || b.c < 0 || b.c > 62 {
			return anything
		}
		p := number(1)
		for range b.c {
			v, ok := product64(p.c, a.c)
			if !ok {
				return anything
			}
			p = number(v)
		}
		return p
	}},
	"Mod":   {math.Mod, integer.mod},
	"Min":   {func(a, b float64) float64 { return min(a, b) }, func(a, b integer) integer { return pick(a, b, -1) }},
	"Max":   {func(a, b float64) float64 { return max(a, b) }, func(a, b integer) integer { return pick(a, b, 1) }},
	"Equal": {func(a, b float64) float64 { return indicator(a == b) }, func(a, b integer) integer { return order(a, b, func(c int) bool { return c == 0 }) }},
	"Less":  {func(a, b float64) float64 { return indicator(a < b) }, func(a, b integer) integer { return order(a, b, func(c int) bool { return c < 0 }) }},
	"LessOrEqual": {func(a, b float64) float64 { return indicator(a <= b) }, func(a, b integer) integer {
		return order(a, b, func(c int) bool { return c <= 0 })
	}},
	"Greater": {func(a, b float64) float64 { return indicator(a > b) }, func(a, b integer) integer { return order(a, b, func(c int) bool { return c > 0 }) }},
	"GreaterOrEqual": {func(a, b float64) float64 { return indicator(a >= b) }, func(a, b integer) integer {
		return order(a, b, func(c int) bool { return c >= 0 })
	}},
	"And": {nil, func(a, b integer) integer { return logic(a, b, func(x, y bool) bool { return x && y }) }},
	"Or":  {nil, func(a, b integer) integer { return logic(a, b, func(x, y bool) bool { return x || y }) }},
	"Xor": {nil, func(a, b integer) integer { return logic(a, b, func(x, y bool) bool { return x != y }) }},
}

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// pick returns the one of two integers that is larger (sign 1) or smaller (sign -1).
func pick(a, b integer, sign int) integer {
	c, ok := a.compare(b)
	switch {
	case !ok:
		return anything
	case c*sign >= 0:
		return a
	}
	return b
}

func order(a, b integer, is func(int) bool) integer {
	c, ok := a.compare(b)
	if !ok {
		return anything
	}
	return truth(is(c))
}

func logic(a, b integer, is func(x, y bool) bool) integer {
	if !a.isNumber() || !b.isNumber() {
		return anything
	}
	return truth(is(a.c != 0, b.c != 0))
}

// foldElementwise computes functions of two or more operands, which broadcast.
func foldElementwise(f *folder, n *node, outs []value) error {
	fn := foldBinary[n.OpType]
	at := foldPositions(n, outs[0])
	size := len(at[0])
	if _, ok := n.constFloats(0); ok {
		acc := make([]float64, size)
		for i := range n.in {
			d, ok := n.reals(i)
			if !ok || fn.floats == nil || n.OpType == "Mod" && n.int("fmod", 0) == 0 {
				return nil
			}
			for j, k := range at[i] {
				if i == 0 {
					acc[j] = d.at(k)
				} else {
					acc[j] = fn.floats(acc[j], d.at(k))
				}
			}
		}
		if integral(outs[0].elem) {
			s := make([]integer, size)
			for i, v := range acc {
				s[i] = number(int64(v))
			}
			outs[0] = outs[0].withIntegers(s)
			return nil
		}
		d := newReals(size, n.isWide())
		for i, v := range acc {
			d.set(i, v)
		}
		outs[0].floats = d.floats()
		return nil
	}
	acc := make([]integer, size)
	for i := range n.in {
		d, ok := n.constIntegers(i)
		if !ok || n.OpType == "Mod" && n.int("fmod", 0) != 0 {
			return nil
		}
		for j, k := range at[i] {
			if i == 0 {
				acc[j] = d[k]
			} else {
				acc[j] = fn.ints(acc[j], d[k])
			}
		}
	}
	outs[0] = outs[0].withIntegers(acc)
	return nil
}

// foldReductions lists the reductions of integers and numbers.
var foldReductions = map[string]bool{"ReduceSum": true, "ReduceProd": true, "ReduceMax": true, "ReduceMin": true, "ReduceMean": true}

func foldReduce(_ *folder, n *node, outs []value) error {
	gone, err := n.reducedAxes()
	if err != nil || gone == nil {
		return err
	}
	x := dimsOf(n.in[0].shape)
	if size, ok := countOf(n.in[0].shape); !ok || size == 0 {
		return nil
	}
	// The strides of the result, 0 along the reduced axes.
	strides, step := make([]int, len(x)), 1
	for i := len(x) - 1; i >= 0; i-- {
		if !gone[i] {
			strides[i] = step
			step *= x[i]
		}
	}
	at := strided(x, strides, 0)
	count := float64(len(at) / step)
	if f, ok := n.reals(0); ok {
		acc, seen := make([]float64, step), make([]bool, step)
		for i, j := range at {
			v := f.at(i)
			switch {
			case !seen[j]:
				acc[j], seen[j] = v, true
			case n.OpType == "ReduceProd":
				acc[j] *= v
			case n.OpType == "ReduceMax":
				acc[j] = max(acc[j], v)
			case n.OpType == "ReduceMin":
				acc[j] = min(acc[j], v)
			default:
				acc[j] += v
			}
		}
		d := newReals(step, f.wide != nil)
		for i, v := range acc {
			if n.OpType == "ReduceMean" {
				v /= count
			}
			d.set(i, v)
		}
		outs[0].floats = d.floats()
		return nil
	}
	s, ok := n.constIntegers(0)
	if !ok || n.OpType == "ReduceMean" {
		return nil
	}
	acc, seen := make([]integer, step), make([]bool, step)
	for i, j := range at {
		switch {
		case !seen[j]:
			acc[j], seen[j] = s[i], true
		case n.OpType == "ReduceProd":
			acc[j] = acc[j].times(s[i])
		case n.OpType == "ReduceMax":
			acc[j] = pick(acc[j], s[i], 1)
		case n.OpType == "ReduceMin":
			acc[j] = pick(acc[j], s[i], -1)
		default:
			acc[j] = acc[j].plus(s[i])
		}
	}
	outs[0] = outs[0].withIntegers(acc)
	return nil
}

// foldBatchNorm computes a batch normalization of weights, with which exporters write weight
// standardization (Qiao 2019). With training_mode=1 the statistics are those of the input.
func foldBatchNorm(_ *folder, n *node, outs []value) error {
	var in [5][]float32
	for i := range in {
		var ok bool
		if in[i], ok = n.constFloats(i); !ok {
			return nil
		}
	}
	x := dimsOf(n.in[0].shape)
	c, inner := x[1], 1
	for _, d := range x[2:] {
		inner *= d
	}
	eps := n.float("epsilon", 1e-5)
	y := make([]float32, len(in[0]))
	for ch := range c {
		mean, variance := float64(in[3][ch]), float64(in[4][ch])
		each := func(do func(i int)) {
			for b := range x[0] {
				for i := range inner {
					do((b*c+ch)*inner + i)
				}
			}
		}
		if n.int("training_mode", 0) != 0 {
			mean, variance = 0, 0
			count := float64(x[0] * inner)
			each(func(i int) { mean += float64(in[0][i]) / count })
			each(func(i int) { variance += (float64(in[0][i]) - mean) * (float64(in[0][i]) - mean) / count })
		}
		scale := float64(in[1][ch]) / math.Sqrt(variance+eps)
		each(func(i int) { y[i] = float32((float64(in[0][i])-mean)*scale + float64(in[2][ch])) })
	}
	outs[0].floats = &floats{data: y}
	return nil
}
