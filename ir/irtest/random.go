package irtest

import (
	"fmt"
	"strconv"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Options of Random; the zero value makes networks of 10 to 40 nodes.
type Options struct {
	Size  int  // number of layers, 0 for 4 to 12; a layer may be a module of several nodes
	Side  int  // largest height and width of the input, 0 for 20
	Fused bool // conv may have an activation of its own
	Heads bool // the network may have one or two heads
	// Skip reports whether an op must not occur; the generator then takes another one.
	// Some ops occur in any case: relu, batchnorm, dense, flatten, and the plain
	// convolutions of modules.
	Skip func(op ir.Op) bool
}

// Random returns a valid network with weights: a chain of convolutions, pools,
// normalizations and modules (inception, residual, gates, shuffles), which ends in dense
// layers or global pooling. Shapes are often unusual: asymmetric pads, pools with ceil,
// kernels such as 1x5, groups, dilation, channels near multiples of 16. Over many seeds
// every op occurs that is not only for gradients, except cross_entropy. The same
// arguments always give the same network.
func Random(seed int64, opt Options) *ir.Graph {
	g := &gen{Net: NewNet("random_"+strconv.FormatInt(seed, 10), seed), opt: opt}
	if opt.Size == 0 {
		opt.Size = g.in(4, 12)
	}
	if opt.Side == 0 {
		opt.Side = 20
	}
	x := g.Input("image", ir.Float(ir.Batch, g.pick(1, 2, 3, 3, 4, 16, 17), g.in(min(5, opt.Side), opt.Side), g.in(min(5, opt.Side), opt.Side)))
	var heads []*ir.Value
	classes := g.in(2, 11)
	for i := range opt.Size {
		g.scope = "l" + strconv.Itoa(i+1)
		g.Part = g.scope
		x = g.layer(x, 2)
		g.Graph().Parts = append(g.Graph().Parts, ir.Part{Name: g.scope, Out: x})
		if opt.Heads && len(heads) < 2 && g.IntN(opt.Size) == 0 && x.Def != nil {
			g.scope += "/head"
			heads = append(heads, g.tail(x, classes))
		}
	}
	g.scope, g.Part = "top", "top"
	out := g.tail(x, classes)
	for _, h := range heads {
		g.Graph().Heads = append(g.Graph().Heads, ir.Head{Value: h, Weight: 0.3})
	}
	net := g.Finish(out)
	// Remove nodes of layers that were tried and were too large.
	ir.Rewrite(net, "").Sweep()
	return net
}

type gen struct {
	*Net
	opt   Options
	scope string
}

func (g *gen) IntN(n int) int          { return g.Rand.IntN(n) }
func (g *gen) in(lo, hi int) int       { return lo + g.IntN(hi-lo+1) }
func (g *gen) coin() bool              { return g.IntN(2) == 0 }
func (g *gen) pick(v ...int) int       { return v[g.IntN(len(v))] }
func (g *gen) channels() int           { return g.pick(1, 2, 3, 5, 8, 13, 15, 16, 16, 17, 24, 31, 32, 33) }
func (g *gen) allowed(op ir.Op) bool   { return g.opt.Skip == nil || !g.opt.Skip(op) }
func (g *gen) name(what string) string { return g.scope + "/" + what }
func (g *gen) kernel(most int) ir.HW   { return ir.HW{g.in(1, most), g.in(1, most)} }
func dims(x *ir.Value) (c, h, w int)   { s := x.Type.Shape; return s[1], s[2], s[3] }
func sizeOf(x *ir.Value) int           { return x.Type.Shape.Size() }

// try adds an op if Skip allows it; otherwise it returns the first operand and false.
func (g *gen) try(what string, op ir.Op, in ...*ir.Value) (*ir.Value, bool) {
	if !g.allowed(op) {
		return in[0], false
	}
	return g.Op(g.name(what), op, in...), true
}

// layer adds a layer or module that reads the map x. depth limits the nesting of modules.
func (g *gen) layer(x *ir.Value, depth int) *ir.Value {
	for range 100 {
		var y *ir.Value
		switch k := g.IntN(28); {
		case k < 6:
			y = g.conv(x)
		case k < 9:
			y = g.act(x)
		case k < 11:
			y = g.norm(x)
		case k < 14:
			y = g.pool(x)
		case k < 17 && depth > 0:
			y = g.inception(x, depth-1)
		case k < 19 && depth > 0:
			y = g.residual(x, depth-1)
		default:
			y = g.odd(x, depth-1)
		}
		if y != nil && y != x && sizeOf(y) <= 1<<14 {
			return y
		}
	}
	return g.Op(g.name("relu"), ops.ReLU{}, x)
}

// conv adds a random convolution, often followed by a batch norm and a relu. It returns
// nil if the kernel does not fit into the map.
func (g *gen) conv(x *ir.Value) *ir.Value {
	c, h, w := dims(x)
	op := ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}
	k := g.kernel(5)
	switch g.IntN(6) {
	case 0:
		k = ir.HW{1, 1}
	case 1:
		k = ir.HW{3, 3}
	case 2:
		k[g.IntN(2)] = 1
	}
	if g.IntN(4) == 0 {
		op.Dilation = g.kernel(2)
	}
	for a := range 4 {
		op.Pad[a] = g.IntN(k[a%2] + 1)
	}
	if g.coin() {
		op.Pad = Same(ir.HW{(k[0]-1)*op.Dilation[0] + 1, (k[1]-1)*op.Dilation[1] + 1})
	}
	if (k[0]-1)*op.Dilation[0] >= h+op.Pad[0]+op.Pad[2] || (k[1]-1)*op.Dilation[1] >= w+op.Pad[1]+op.Pad[3] {
		return nil
	}
	if g.IntN(3) == 0 {
		op.Stride = ir.HW{g.in(1, 3), g.in(1, 3)}
	}
	o := g.channels()
	if d := g.pick(2, 3, 4, c); g.IntN(4) == 0 && c%d == 0 {
		op.Groups = d
		o = d * g.in(1, max(1, 32/d))
	}
	if g.opt.Fused {
		op.Act = append(ops.Acts(), ops.ActNone, ops.ActReLU)[g.IntN(len(ops.Acts())+2)]
	}
	if !g.allowed(op) {
		return nil
	}
	y := g.Conv(g.name("conv_"+k.String()), x, o, k, op, g.IntN(3) > 0)
	if g.IntN(3) == 0 {
		y = g.BatchNorm(y.Name+"/bn", y, g.eps())
	}
	if g.coin() {
		y = g.ReLU(y)
	}
	return y
}

func (g *gen) eps() float64 { return []float64{1e-5, 1e-3}[g.IntN(2)] }

// same adds a layer that keeps height and width.
func (g *gen) same(x *ir.Value) *ir.Value {
	_, h, w := dims(x)
	switch g.IntN(5) {
	case 0:
		k := ir.HW{min(3, h+1), min(3, w+1)}
		var op ir.Op = ops.MaxPool{Kernel: k, Stride: ir.HW{1, 1}, Pad: Same(k)}
		if g.coin() {
			op = ops.AvgPool{Kernel: k, Stride: ir.HW{1, 1}, Pad: Same(k), IncludePad: g.coin()}
		}
		y, _ := g.try("pool", op, x)
		return y
	case 1:
		return g.act(x)
	default:
		k := []ir.HW{{1, 1}, {1, 1}, {3, 3}, {1, 5}, {5, 1}, {2, 2}}[g.IntN(6)]
		y := g.Conv(g.name("conv_"+k.String()), x, g.channels(), k, ops.Conv{Pad: Same(k)}, g.coin())
		if g.coin() {
			y = g.BatchNorm(y.Name+"/bn", y, g.eps())
		}
		if g.coin() {
			y = g.ReLU(y)
		}
		return y
	}
}

func (g *gen) chain(x *ir.Value, n int) *ir.Value {
	for range n {
		x = g.same(x)
	}
	return x
}

// act adds an activation, a maxout or a dropout.
func (g *gen) act(x *ir.Value) *ir.Value {
	var op ir.Op
	switch g.IntN(8) {
	default:
		op = ops.ReLU{}
	case 0:
		op = ops.Sigmoid{}
	case 1:
		op = ops.Tanh{}
	case 2:
		op = ops.Dropout{P: 0.25 * float64(g.in(1, 3))}
	case 3:
		k := g.in(2, 5)
		if x.Type.Shape[1]%k != 0 {
			return x
		}
		op = ops.Maxout{Pieces: k}
	case 4:
		op = []ir.Op{ops.Clip{Max: 6}, ops.Clip{Min: -0.5, Max: 0.75}, ops.SiLU{}, ops.HardSwish{}, ops.ActHardSigmoid.Op(), ops.HardSigmoid{Alpha: 0.2, Beta: 0.5},
			ops.GELU{}, ops.GELU{Tanh: true}, ops.LeakyReLU{Alpha: 0.1}, ops.Node{Type: "Elu", Attrs: "alpha:0.5"}, ops.Node{Type: "Softplus"}}[g.IntN(11)]
	}
	y, _ := g.try(ir.Name(op), op, x)
	return y
}

// norm adds a batch norm or an LRN.
func (g *gen) norm(x *ir.Value) *ir.Value {
	if g.coin() {
		return g.BatchNorm(g.name("bn"), x, g.eps())
	}
	y, _ := g.try("lrn", ops.LRN{Size: g.in(1, 7), Alpha: 0.02 * float64(g.in(1, 20)), Beta: 0.75, K: float64(g.in(1, 2))}, x)
	return y
}

// pool adds a random max or average pool. It returns nil if the kernel does not fit.
func (g *gen) pool(x *ir.Value) *ir.Value {
	_, h, w := dims(x)
	k, s := g.kernel(4), ir.HW{g.in(1, 3), g.in(1, 3)}
	if g.coin() {
		k, s = ir.HW{3, 3}, ir.HW{2, 2}
	}
	var p ir.Pads
	if g.coin() {
		p = ir.Pads{g.IntN(k[0]), g.IntN(k[1]), g.IntN(k[0]), g.IntN(k[1])}
	}
	if h+p[0]+p[2] < k[0] || w+p[1]+p[3] < k[1] {
		return nil
	}
	var op ir.Op = ops.MaxPool{Kernel: k, Stride: s, Pad: p, Ceil: g.coin()}
	if g.IntN(3) == 0 {
		op = ops.AvgPool{Kernel: k, Stride: s, Pad: p, Ceil: g.coin(), IncludePad: g.coin()}
	}
	y, _ := g.try(ir.Name(op), op, x)
	return y
}

// branches returns the results of two to four chains of layers that read x.
func (g *gen) branches(x *ir.Value, depth int) []*ir.Value {
	scope := g.scope
	defer func() { g.scope = scope }()
	var r []*ir.Value
	for i := range g.in(2, 4) {
		g.scope = fmt.Sprintf("%s/b%d", scope, i+1)
		y := g.chain(x, g.in(1, 3))
		if depth > 0 && g.IntN(6) == 0 {
			y = g.inception(y, depth-1)
		}
		r = append(r, y)
	}
	return r
}

// inception concatenates branches; the input may be one of them.
func (g *gen) inception(x *ir.Value, depth int) *ir.Value {
	b := g.branches(x, depth)
	if g.IntN(5) == 0 {
		b = append(b, x)
	}
	y, _ := g.try("concat", ops.Concat{Axis: 1}, b...)
	return y
}

// residual adds a scaled chain to its input, or to a projection of it.
func (g *gen) residual(x *ir.Value, depth int) *ir.Value {
	b := g.branches(x, depth)
	c := x.Type.Shape[1]
	short := x
	if g.IntN(3) == 0 {
		c = g.channels()
		short = g.Conv(g.name("proj"), x, c, ir.HW{1, 1}, ops.Conv{}, true)
	}
	y, ok := g.try("concat", ops.Concat{Axis: 1}, b...)
	if !ok {
		y = b[0]
	}
	y = g.Conv(g.name("conv_1x1"), y, c, ir.HW{1, 1}, ops.Conv{}, true)
	if g.coin() {
		y, _ = g.try("scale", ops.Scale{By: 0.1 * float64(g.in(1, 10))}, y)
	}
	in := []*ir.Value{short, y}
	if g.IntN(4) == 0 {
		in = append(in, x)
		if short != x {
			in[2] = y
		}
	}
	var op ir.Op = ops.Add{}
	switch g.IntN(6) {
	case 0:
		op = ops.Max{}
	case 1:
		op, in = ops.Sub{}, in[:2]
	}
	z, ok := g.try(ir.Name(op), op, in...)
	if ok && g.coin() {
		z = g.ReLU(z)
	}
	return z
}

// odd adds an op or a module that is rare in networks of this kind.
func (g *gen) odd(x *ir.Value, depth int) *ir.Value {
	c, h, w := dims(x)
	at := func(op ir.Op) bool { return g.allowed(op) }
	switch g.IntN(11) {
	case 0: // part of the channels, or of the rows
		op := ops.Slice{Axis: g.pick(1, 1, 2, 3)}
		d := x.Type.Shape[op.Axis]
		op.Start = g.IntN(d)
		op.Stop = g.in(op.Start+1, d)
		y, _ := g.try("slice", op, x)
		return y
	case 1: // split, each its own layer, concat in another order
		a := g.in(1, 3)
		op, join := ops.Split{Axis: 1, Sizes: ir.IntsOf(a, c-a)}, ops.Concat{Axis: 1}
		if a >= c || !at(op) || !at(join) {
			return nil
		}
		p := g.OpN(g.name("split"), op, x)
		return g.Op(g.name("concat"), join, g.act(p[1]), p[0], g.same(p[1]))
	case 2: // padding with a number
		y, _ := g.try("pad", ops.Pad{Pad: ir.Pads{g.IntN(3), g.IntN(3), g.IntN(3), g.IntN(3)}, Value: float64(g.IntN(3)) / 2}, x)
		return y
	case 3: // exchange rows and columns
		y, _ := g.try("transpose", ops.Transpose{Perm: "0,1,3,2"}, x)
		return y
	case 4: // channel shuffle (Zhang 2018)
		d := g.in(2, 4)
		to := ops.Reshape{Shape: ir.DimsOf(ir.Shape{ir.Batch, d, c / d, h * w})}
		if c%d != 0 || !at(to) || !at(ops.Transpose{Perm: "0,2,1,3"}) {
			return nil
		}
		y := g.Op(g.name("group"), to, x)
		y = g.Op(g.name("shuffle"), ops.Transpose{Perm: "0,2,1,3"}, y)
		return g.Op(g.name("ungroup"), ops.Reshape{Shape: ir.DimsOf(ir.Shape{ir.Batch, c, h, w})}, y)
	case 5: // gate: a factor for each channel (Hu 2018)
		var y *ir.Value
		red := ops.Reduce{Kind: []ops.ReduceKind{ops.ReduceMean, ops.ReduceMax}[g.IntN(2)], Axes: "2,3", Keep: true}
		if !at(ops.Mul{}) || !at(ops.Sigmoid{}) {
			return nil
		}
		if g.coin() && at(red) {
			y = g.Op(g.name("squeeze"), red, x)
		} else if at(ops.GlobalAvgPool{}) {
			y = g.Op(g.name("gap"), ops.GlobalAvgPool{}, x)
		} else {
			return nil
		}
		y = g.Conv(g.name("excite"), y, c, ir.HW{1, 1}, ops.Conv{}, true)
		return g.Op(g.name("gate"), ops.Mul{}, x, g.Op(g.name("sigmoid"), ops.Sigmoid{}, y))
	case 6: // quotient with a divisor of at least 0.5
		if !at(ops.Div{}) || !at(ops.Sigmoid{}) || !at(ops.Add{}) {
			return nil
		}
		d := g.Op(g.name("sigmoid"), ops.Sigmoid{}, g.Conv(g.name("conv_1x1"), x, g.pick(1, c), ir.HW{1, 1}, ops.Conv{}, true))
		d = g.Op(g.name("above"), ops.Add{}, d, g.Fill(g.name("half"), 0.5, 1, 1, 1))
		return g.Op(g.name("div"), ops.Div{}, x, d)
	case 7: // square root of x*x + 0.1
		if !at(ops.Sqrt{}) || !at(ops.Mul{}) || !at(ops.Add{}) {
			return nil
		}
		y := g.Op(g.name("square"), ops.Mul{}, x, x)
		y = g.Op(g.name("above"), ops.Add{}, y, g.Fill(g.name("tenth"), 0.1))
		return g.Op(g.name("sqrt"), ops.Sqrt{}, y)
	case 8: // subtract, or multiply by, a constant for each channel
		k := g.Weight(g.name("offset"), ir.Constant, 0, 1, c, 1, 1)
		var op ir.Op = ops.Sub{}
		if g.coin() {
			op = ops.Mul{}
		}
		y, _ := g.try(ir.Name(op), op, x, k)
		return y
	case 9: // softmax in the middle, over channels or columns
		var op ir.Op = ops.Softmax{Axis: g.pick(1, 3)}
		if g.coin() {
			op = ops.LogSoftmax{Axis: g.pick(1, 2)}
		}
		y, _ := g.try(ir.Name(op), op, x)
		return y
	default: // maximum or sum of branches
		if depth < 0 {
			return nil
		}
		o := g.channels()
		k := []ir.HW{{1, 1}, {3, 3}, {1, 3}}
		var in []*ir.Value
		for i := range g.in(2, 3) {
			in = append(in, g.Conv(g.name("conv_"+k[i].String()), x, o, k[i], ops.Conv{Pad: Same(k[i])}, true))
		}
		var op ir.Op = ops.Max{}
		if g.coin() {
			op = ops.Add{}
		}
		y, _ := g.try(ir.Name(op), op, in...)
		return y
	}
}

// tail ends a network with one number for each class.
func (g *gen) tail(x *ir.Value, classes int) *ir.Value {
	red := ops.Reduce{Kind: ops.ReduceMean, Axes: "2,3"}
	switch k := g.IntN(5); {
	case k == 0 && g.allowed(ops.GlobalAvgPool{}): // NIN
		x = g.Conv(g.name("conv_1x1"), x, classes, ir.HW{1, 1}, ops.Conv{}, true)
		x = g.Op(g.name("gap"), ops.GlobalAvgPool{}, x)
		if g.coin() {
			x = g.Op(g.name("flatten"), ops.Flatten{}, x)
		}
	case k == 1 && g.allowed(ops.GlobalAvgPool{}): // Inception
		x = g.Op(g.name("gap"), ops.GlobalAvgPool{}, x)
		x, _ = g.try("dropout", ops.Dropout{P: 0.4}, x)
		x = g.Dense(g.name("fc"), x, classes)
	case k == 2 && g.allowed(red):
		x = g.Dense(g.name("fc"), g.Op(g.name("mean"), red, x), classes)
	case k == 3 && g.allowed(ops.MatMul{}):
		x = g.Op(g.name("flatten"), ops.Flatten{}, x)
		n := x.Type.Shape[1]
		if g.coin() {
			x = g.Op(g.name("matmul"), ops.MatMul{}, x, g.Weight(g.name("matmul/weight"), ir.Weight, 0, he(n), n, classes))
		} else {
			x = g.Op(g.name("matmul"), ops.MatMul{TransB: true}, x, g.Weight(g.name("matmul/weight"), ir.Weight, 0, he(n), classes, n))
		}
	default: // LeNet, Maxout
		n := g.pick(10, 24, 30)
		x = g.Dense(g.name("fc1"), x, n)
		if m := (ops.Maxout{Pieces: 2}); g.coin() && g.allowed(m) {
			x = g.Op(g.name("maxout"), m, x)
		} else {
			x = g.ReLU(x)
		}
		if g.IntN(3) == 0 {
			x = g.BatchNorm(g.name("bn"), x, g.eps())
		}
		x = g.Dense(g.name("fc2"), x, classes)
	}
	switch g.IntN(4) {
	case 0:
		x, _ = g.try("log_softmax", ops.LogSoftmax{Axis: 1}, x)
	case 1:
	default:
		x, _ = g.try("softmax", ops.Softmax{Axis: 1}, x)
	}
	return x
}
