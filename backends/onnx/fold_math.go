package onnx

import "math"

// This file computes operators of constants that calculate: functions of one and of two numbers,
// reductions, and batch normalization.

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
