package ops_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// draw draws small random shapes.
type draw struct{ *rand.Rand }

func newDraw(seed uint64) draw { return draw{rand.New(rand.NewPCG(seed, 7))} }

func (r draw) in(lo, hi int) int { return lo + r.IntN(hi-lo+1) }
func (r draw) coin() bool        { return r.IntN(2) == 0 }
func (r draw) hw(lo, hi int) ir.HW {
	return ir.HW{r.in(lo, hi), r.in(lo, hi)}
}

func float(shape ...int) ir.Type { return ir.Float(shape...) }
func i64(shape ...int) ir.Type   { return ir.Type{DType: ir.I64, Shape: shape} }

const batch = ir.Batch

// shape returns a random shape of 1 to 4 axes, the first of which is the batch.
func (r draw) shape(least int) ir.Shape {
	s := ir.Shape{batch}
	for range r.in(least, 4) - 1 {
		s = append(s, r.in(1, 4))
	}
	return s
}

// broadcasts returns n shapes that broadcast.
func (r draw) broadcasts(n int) []ir.Type {
	full := r.shape(2)
	ts := make([]ir.Type, n)
	for i := range ts {
		s := append(ir.Shape{}, full...)
		for a := range s {
			if r.IntN(4) == 0 {
				s[a] = 1
			}
		}
		ts[i] = float(s[r.IntN(len(s)):]...)
	}
	ts[r.IntN(n)] = float(full...)
	return ts
}

// axis returns an axis that is not the batch.
func (r draw) axis(s ir.Shape) int { return r.in(1, len(s)-1) }

func (r draw) act() ops.Act {
	all := append(ops.Acts(), ops.ActNone)
	return all[r.IntN(len(all))]
}

func (r draw) pool() (k, s ir.HW, p ir.Pads, ceil bool, x ir.Type) {
	k, s = r.hw(1, 4), r.hw(1, 3)
	p = ir.Pads{r.IntN(k[0]), r.IntN(k[1]), r.IntN(k[0]), r.IntN(k[1])}
	h := max(1, k[0]-p[0]-p[2]) + r.IntN(4)
	w := max(1, k[1]-p[1]-p[3]) + r.IntN(4)
	return k, s, p, r.coin(), float(batch, r.in(1, 2), h, w)
}

func (r draw) norm() (ir.Type, []ir.Type) {
	s := r.shape(2)
	c := float(s[1])
	return float(s...), []ir.Type{c, c, c, c}
}

func (r draw) conv() (ir.Op, []ir.Type) {
	g, ic, oc := r.in(1, 3), r.in(1, 2), r.in(1, 2)
	k, d := r.hw(1, 3), r.hw(1, 2)
	if r.IntN(3) == 0 {
		k[r.IntN(2)] = 1
	}
	p := ir.Pads{r.IntN(4), r.IntN(4), r.IntN(4), r.IntN(4)}
	h := max(1, (k[0]-1)*d[0]+1-p[0]-p[2]) + r.IntN(4)
	w := max(1, (k[1]-1)*d[1]+1-p[1]-p[3]) + r.IntN(4)
	in := []ir.Type{float(batch, g*ic, h, w), float(g*oc, ic, k[0], k[1])}
	if r.coin() {
		in = append(in, float(g*oc))
	}
	return ops.Conv{Stride: r.hw(1, 3), Pad: p, Dilation: d, Groups: g, Act: r.act()}, in
}

// convDx returns the gradient of a random convolution's input.
func (r draw) convDx() (ir.Op, []ir.Type) {
	op, in := r.conv()
	y, err := op.Infer(in)
	if err != nil {
		panic(err)
	}
	c, x := op.(ops.Conv), in[0].Shape
	return ops.ConvDx{Stride: c.Stride, Pad: c.Pad, Dilation: c.Dilation, Groups: c.Groups, In: ir.HW{x[2], x[3]}}, []ir.Type{y[0], in[1]}
}

func unary(op ir.Op) func(draw) (ir.Op, []ir.Type) {
	return func(r draw) (ir.Op, []ir.Type) { return op, []ir.Type{float(r.shape(1)...)} }
}

func broadcasting(op ir.Op, most int) func(draw) (ir.Op, []ir.Type) {
	return func(r draw) (ir.Op, []ir.Type) { return op, r.broadcasts(r.in(2, most)) }
}

// random holds, for each op that has a gradient, a function that returns a random use.
var random = map[string]func(draw) (ir.Op, []ir.Type){
	"conv": draw.conv, "conv_dx": draw.convDx,
	"dense": func(r draw) (ir.Op, []ir.Type) {
		k, o := r.in(1, 5), r.in(1, 5)
		in := []ir.Type{float(batch, k), float(o, k)}
		if r.coin() {
			in = append(in, float(o))
		}
		return ops.Dense{Act: r.act()}, in
	},
	"matmul": func(r draw) (ir.Op, []ir.Type) {
		m := ops.MatMul{TransA: r.coin(), TransB: r.coin()}
		rows, k, cols := r.in(1, 4), r.in(1, 4), r.in(1, 4)
		a, b := []int{rows, k}, []int{k, cols}
		if m.TransA {
			a = []int{k, rows}
		}
		if m.TransB {
			b = []int{cols, k}
		}
		return m, []ir.Type{float(a...), float(b...)}
	},
	"relu": unary(ops.ReLU{}), "sigmoid": unary(ops.Sigmoid{}), "tanh": unary(ops.Tanh{}), "sqrt": unary(ops.Sqrt{}),
	"silu": unary(ops.SiLU{}), "hardswish": unary(ops.HardSwish{}),
	"clip": func(r draw) (ir.Op, []ir.Type) {
		lo := r.NormFloat64()
		return ops.Clip{Min: lo, Max: lo + 0.1 + r.Float64()}, []ir.Type{float(r.shape(1)...)}
	},
	"hardsigmoid": func(r draw) (ir.Op, []ir.Type) {
		return ops.HardSigmoid{Alpha: r.NormFloat64(), Beta: r.Float64()}, []ir.Type{float(r.shape(1)...)}
	},
	"gelu": func(r draw) (ir.Op, []ir.Type) { return ops.GELU{Tanh: r.coin()}, []ir.Type{float(r.shape(1)...)} },
	"leaky_relu": func(r draw) (ir.Op, []ir.Type) {
		return ops.LeakyReLU{Alpha: r.Float64()}, []ir.Type{float(r.shape(1)...)}
	},
	"maxout": func(r draw) (ir.Op, []ir.Type) {
		s := r.shape(2)
		k := r.in(2, 4)
		s[1] *= k
		return ops.Maxout{Pieces: k}, []ir.Type{float(s...)}
	},
	"batchnorm": func(r draw) (ir.Op, []ir.Type) {
		x, p := r.norm()
		return ops.BatchNorm{Eps: 0.1, Momentum: 0.9}, append([]ir.Type{x}, p...)
	},
	"batchnorm_train": func(r draw) (ir.Op, []ir.Type) {
		x, p := r.norm()
		return ops.BatchNormTrain{Eps: 0.1, Momentum: 0.8}, append([]ir.Type{x}, p...)
	},
	"lrn": func(r draw) (ir.Op, []ir.Type) {
		return ops.LRN{Size: r.in(1, 6), Alpha: r.Float64() * 2, Beta: r.Float64(), K: 0.5 + r.Float64()},
			[]ir.Type{float(batch, r.in(1, 7), r.in(1, 3), r.in(1, 3))}
	},
	"maxpool": func(r draw) (ir.Op, []ir.Type) {
		k, s, p, c, x := r.pool()
		return ops.MaxPool{Kernel: k, Stride: s, Pad: p, Ceil: c}, []ir.Type{x}
	},
	"avgpool": func(r draw) (ir.Op, []ir.Type) {
		k, s, p, c, x := r.pool()
		return ops.AvgPool{Kernel: k, Stride: s, Pad: p, Ceil: c, IncludePad: r.coin()}, []ir.Type{x}
	},
	"gap": func(r draw) (ir.Op, []ir.Type) {
		return ops.GlobalAvgPool{}, []ir.Type{float(batch, r.in(1, 3), r.in(1, 4), r.in(1, 4))}
	},
	"concat": func(r draw) (ir.Op, []ir.Type) {
		s := r.shape(2)
		a := r.axis(s)
		ts := make([]ir.Type, r.in(1, 4))
		for i := range ts {
			t := append(ir.Shape{}, s...)
			t[a] = r.in(1, 4)
			ts[i] = float(t...)
		}
		return ops.Concat{Axis: a}, ts
	},
	"slice": func(r draw) (ir.Op, []ir.Type) {
		s := r.shape(2)
		a := r.axis(s)
		lo := r.IntN(s[a])
		return ops.Slice{Axis: a, Start: lo, Stop: r.in(lo+1, s[a])}, []ir.Type{float(s...)}
	},
	"split": func(r draw) (ir.Op, []ir.Type) {
		s := r.shape(2)
		a := r.axis(s)
		sizes := make([]int, r.in(1, 3))
		s[a] = 0
		for i := range sizes {
			sizes[i] = r.in(1, 3)
			s[a] += sizes[i]
		}
		return ops.Split{Axis: a, Sizes: ir.IntsOf(sizes...)}, []ir.Type{float(s...)}
	},
	"add": broadcasting(ops.Add{}, 4), "max": broadcasting(ops.Max{}, 4),
	"sub": broadcasting(ops.Sub{}, 2), "mul": broadcasting(ops.Mul{}, 2), "div": broadcasting(ops.Div{}, 2),
	"quantize": func(r draw) (ir.Op, []ir.Type) {
		x := r.shape(1)
		switch r.IntN(3) {
		case 0:
			return ops.Quantize{Scale: 0.05 + r.Float64(), Zero: r.IntN(256)}, []ir.Type{float(x...)}
		case 1:
			return ops.Quantize{Scale: 0.05 + r.Float64(), Zero: r.IntN(256) - 128, Signed: true}, []ir.Type{float(x...)}
		}
		x[0] = r.in(1, 3)
		return ops.Quantize{Scale: 1, Signed: true}, []ir.Type{float(x...), float(x[0])}
	},
	"fake_quantize": func(r draw) (ir.Op, []ir.Type) {
		return ops.FakeQuantize{Signed: r.IntN(2) == 0, Factor: r.Float64()}, []ir.Type{float(r.shape(1)...), float(1)}
	},
	"scale": func(r draw) (ir.Op, []ir.Type) {
		return ops.Scale{By: r.NormFloat64()}, []ir.Type{float(r.shape(1)...)}
	},
	"reduce": func(r draw) (ir.Op, []ir.Type) {
		s := r.shape(1)
		var axes []int
		for a := range s {
			if r.coin() {
				axes = append(axes, a)
			}
		}
		r.Shuffle(len(axes), func(i, j int) { axes[i], axes[j] = axes[j], axes[i] })
		kind := []ops.ReduceKind{ops.ReduceSum, ops.ReduceMean, ops.ReduceMax}[r.IntN(3)]
		return ops.Reduce{Kind: kind, Axes: ir.IntsOf(axes...), Keep: r.coin()}, []ir.Type{float(s...)}
	},
	"pad": func(r draw) (ir.Op, []ir.Type) {
		return ops.Pad{Pad: ir.Pads{r.IntN(3), r.IntN(3), r.IntN(3), r.IntN(3)}, Value: 0.5},
			[]ir.Type{float(batch, r.in(1, 2), r.in(1, 3), r.in(1, 3))}
	},
	"transpose": func(r draw) (ir.Op, []ir.Type) {
		s := r.shape(1)
		return ops.Transpose{Perm: ir.IntsOf(r.Perm(len(s))...)}, []ir.Type{float(s...)}
	},
	"dropout": func(r draw) (ir.Op, []ir.Type) {
		return ops.Dropout{P: 0.5}, []ir.Type{float(r.shape(1)...)}
	},
	"dropout_train": func(r draw) (ir.Op, []ir.Type) {
		return ops.DropoutTrain{P: 0.6 * r.Float64(), Seed: r.in(-5, 5), Layer: fmt.Sprint("l", r.IntN(9))}, []ir.Type{float(r.shape(2)...), i64()}
	},
	"node": func(r draw) (ir.Op, []ir.Type) {
		list := []ops.Node{{Type: "Exp"}, {Type: "Neg"}, {Type: "Abs"}, {Type: "Sin"}, {Type: "Cos"}, {Type: "Softplus"}, {Type: "Erf"}, {Type: "Mish"}, {Type: "Softsign"},
			{Type: "Elu", Attrs: "alpha:0.7"}, {Type: "Selu"}, {Type: "Celu", Attrs: "alpha:1.5"}, {Type: "ThresholdedRelu", Attrs: "alpha:0"}, {Type: "Identity"}}
		return list[r.IntN(len(list))], []ir.Type{float(r.shape(1)...)}
	},
	"flatten": func(r draw) (ir.Op, []ir.Type) { return ops.Flatten{}, []ir.Type{float(r.shape(2)...)} },
	"reshape": func(r draw) (ir.Op, []ir.Type) {
		a, b, c := r.in(1, 3), r.in(1, 3), r.in(1, 3)
		to := []ir.Shape{{batch, a * b * c}, {batch, c, a, b}, {batch, 1, b * a, c}}[r.IntN(3)]
		return ops.Reshape{Shape: ir.DimsOf(to)}, []ir.Type{float(batch, a, b, c)}
	},
	"softmax": func(r draw) (ir.Op, []ir.Type) {
		s := r.shape(2)
		return ops.Softmax{Axis: r.axis(s)}, []ir.Type{float(s...)}
	},
	"log_softmax": func(r draw) (ir.Op, []ir.Type) {
		s := r.shape(2)
		return ops.LogSoftmax{Axis: r.axis(s)}, []ir.Type{float(s...)}
	},
	"cross_entropy": func(r draw) (ir.Op, []ir.Type) {
		classes := r.in(2, 6)
		in := []ir.Type{float(batch, classes), i64(batch), float(classes)}[:2+r.IntN(2)]
		if r.IntN(3) == 0 {
			return ops.CrossEntropy{Gamma: 0.5 + 2*r.Float64()}, in
		}
		return ops.CrossEntropy{Smoothing: float64(r.IntN(2)) * r.Float64()}, in
	},
}

// values draws inputs for an op: whole numbers for integer operands, numbers above 0 for
// variances and operands of sqrt, divisors that are not near 0.
func (r draw) values(op ir.Op, in []ir.Type, n int) []*tensor.Tensor {
	names := op.(ir.Operander).Operands()
	ts := make([]*tensor.Tensor, len(in))
	for i, t := range in {
		x := tensor.New(t.Shape.Bind(n)...)
		name := names[min(i, len(names)-1)]
		for j := range x.Data {
			v := r.NormFloat64()
			switch {
			case name == "labels":
				v = float64(r.IntN(in[i-1].Shape[1]))
			case t.DType == ir.I64:
				v = float64(r.IntN(1000))
			case name == "variance", name == "weights?", ir.Name(op) == "sqrt":
				v = 0.5 + v*v
			case ir.Name(op) == "div" && i == 1 && v < 0:
				v -= 0.5
			case ir.Name(op) == "div" && i == 1:
				v += 0.5
			}
			x.Data[j] = v
		}
		ts[i] = x
	}
	return ts
}
