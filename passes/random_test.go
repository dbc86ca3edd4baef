package passes

import (
	"fmt"
	"math/rand/v2"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// gen makes random networks with the patterns that passes look for, and with similar
// patterns to which they must not apply: with a second reader, an output in the middle, a
// label, or groups.
type gen struct {
	*rand.Rand
	b *ir.Builder
	n int
}

// randomNet returns a network that depends only on the seed. In half of the networks the
// weights have data.
func randomNet(seed uint64) *ir.Graph {
	g := &gen{Rand: rand.New(rand.NewPCG(seed, 7)), b: ir.NewBuilder(fmt.Sprintf("random%d", seed))}
	x := g.b.Input("image", ir.Float(ir.Batch, 1+g.IntN(5), 6+g.IntN(5), 6+g.IntN(5)))
	graph := g.b.Graph()
	for range 2 + g.IntN(5) {
		x = g.step(x)
		if g.IntN(4) == 0 {
			g.n++
			graph.Parts = append(graph.Parts, ir.Part{Name: fmt.Sprint("part", g.n), Out: x})
		}
		if g.IntN(8) == 0 {
			graph.Heads = append(graph.Heads, ir.Head{Value: g.classifier(x), Weight: 0.3})
		}
		if g.IntN(12) == 0 {
			graph.Outputs = append(graph.Outputs, x)
		}
	}
	graph.Outputs = append(graph.Outputs, g.classifier(x))
	if g.IntN(2) == 0 {
		ir.Materialize(graph, int64(seed))
	}
	if g.b.Err() != nil {
		panic(g.b.Err())
	}
	return graph
}

func (g *gen) do(name string, op ir.Op, in ...*ir.Value) *ir.Value {
	n, err := g.b.Add(name, op, in...)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	return n.Out[0]
}

func (g *gen) name(kind string) string {
	g.n++
	return fmt.Sprintf("l%d/%s", g.n, kind)
}

func (g *gen) param(name string, init ir.Init, kind ir.Kind, shape ...int) *ir.Value {
	return g.b.Param(name, shape, ir.Param{Kind: kind, Init: init, LR: 1, Decay: 1})
}

var wide = ir.Init{Kind: ir.InitGaussian, A: 0.5}

// conv adds a convolution. Its padding is random, unless it must keep height and width.
func (g *gen) conv(x *ir.Value, k ir.HW, outs int, same bool) *ir.Value {
	s := x.Type.Shape
	k[0], k[1] = min(k[0], s[2]), min(k[1], s[3])
	c := ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}
	if same {
		c.Pad = ir.Pads{(k[0] - 1) / 2, (k[1] - 1) / 2, k[0] / 2, k[1] / 2}
	} else {
		for i := range c.Pad {
			c.Pad[i] = g.IntN(3)
		}
		c.Stride = ir.HW{1 + g.IntN(5)/4, 1 + g.IntN(5)/4}
		if s[2] > 6 && s[3] > 6 && g.IntN(6) == 0 {
			c.Dilation = ir.HW{1 + g.IntN(2), 1}
		}
	}
	if g.IntN(8) == 0 && s[1]%2 == 0 && outs%2 == 0 {
		c.Groups = 2
	}
	for (k[0]-1)*c.Dilation[0]+1 > s[2] {
		c.Dilation[0] = 1
	}
	name := g.name("conv_" + k.String())
	in := []*ir.Value{x, g.param(name+"/weight", wide, ir.Weight, outs, s[1]/c.Groups, k[0], k[1])}
	if g.IntN(2) == 0 {
		in = append(in, g.param(name+"/bias", wide, ir.Weight, outs))
	}
	return g.do(name, c, in...)
}

// outs draws a number of channels.
func (g *gen) outs() int { return 1 + g.IntN(6) }

// tail adds random nodes that often follow a convolution.
func (g *gen) tail(x *ir.Value) *ir.Value {
	if g.IntN(12) == 0 {
		g.b.Graph().Parts = append(g.b.Graph().Parts, ir.Part{Name: g.name("label"), Out: x})
	}
	if g.IntN(16) == 0 {
		g.b.Graph().Outputs = append(g.b.Graph().Outputs, x)
	}
	if g.IntN(8) == 0 {
		x = g.do(g.name("dropout"), ops.Dropout{P: 0.5}, x)
	}
	if g.IntN(3) == 0 {
		x = g.bn(x)
	}
	return g.act(x)
}

func (g *gen) act(x *ir.Value) *ir.Value {
	switch g.IntN(8) {
	case 0, 1, 2, 3:
		return g.do(g.name("relu"), ops.ReLU{}, x)
	case 4:
		return g.do(g.name("tanh"), ops.Tanh{}, x)
	case 5:
		return g.do(g.name("sigmoid"), ops.Sigmoid{}, x)
	}
	return x
}

func (g *gen) bn(x *ir.Value) *ir.Value {
	c := x.Type.Shape[1]
	name := g.name("bn")
	gamma := g.param(name+"/gamma", ir.Init{Kind: ir.InitGaussian, A: 1}, ir.Weight, c)
	if g.IntN(4) == 0 {
		gamma = g.param(name+"/gamma", ir.Init{Kind: ir.InitConstant, A: 1}, ir.Constant, c)
	}
	return g.do(name, ops.BatchNorm{Eps: []float64{1e-3, 1e-5, 0.25}[g.IntN(3)], Momentum: 0.9}, x, gamma,
		g.param(name+"/beta", wide, ir.Weight, c),
		g.param(name+"/mean", wide, ir.State, c),
		g.param(name+"/variance", ir.Init{Kind: ir.InitConstant, A: 0.25 + g.Float64()}, ir.State, c))
}

func (g *gen) avgpool(x *ir.Value) *ir.Value {
	if g.IntN(3) == 0 {
		s := x.Type.Shape
		return g.do(g.name("avgpool"), ops.AvgPool{Kernel: ir.HW{min(3, s[2]), min(2, s[3])}, Stride: ir.HW{1 + g.IntN(2), 1}, IncludePad: g.IntN(2) == 0, Ceil: g.IntN(2) == 0}, x)
	}
	return g.do(g.name("avgpool"), ops.AvgPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{1, 1}, Pad: ir.Pads{1, 1, 1, 1}, IncludePad: g.IntN(2) == 0}, x)
}

// module adds an Inception module.
func (g *gen) module(x *ir.Value) *ir.Value {
	var branches []*ir.Value
	for range 1 + g.IntN(3) {
		y := g.tail(g.conv(x, ir.HW{1, 1}, g.outs(), true))
		if g.IntN(2) == 0 {
			y = g.tail(g.conv(y, ir.HW{3, 3}, g.outs(), true))
		}
		branches = append(branches, y)
	}
	switch g.IntN(3) {
	case 0:
		y := g.do(g.name("maxpool"), ops.MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{1, 1}, Pad: ir.Pads{1, 1, 1, 1}}, x)
		branches = append(branches, g.tail(g.conv(y, ir.HW{1, 1}, g.outs(), true)))
	case 1:
		y := g.do(g.name("avgpool"), ops.AvgPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{1, 1}, Pad: ir.Pads{1, 1, 1, 1}, IncludePad: g.IntN(2) == 0}, x)
		branches = append(branches, g.tail(g.conv(y, ir.HW{1, 1}, 1+g.IntN(2), true)))
	}
	return g.concat(branches...)
}

func (g *gen) concat(vs ...*ir.Value) *ir.Value {
	return g.do(g.name("concat"), ops.Concat{Axis: 1}, vs...)
}

// step adds a few nodes that end in a feature map.
func (g *gen) step(x *ir.Value) *ir.Value {
	s := x.Type.Shape
	switch g.IntN(16) {
	case 0, 1, 2:
		return g.module(x)
	case 3:
		return g.tail(g.conv(x, ir.HW{1 + g.IntN(5), 1 + g.IntN(5)}, g.outs(), false))
	case 4: // linear pair
		y := g.conv(x, ir.HW{3, 3}, 8+g.IntN(4), g.IntN(2) == 0)
		return g.tail(g.conv(y, ir.HW{1, 1}, g.outs(), g.IntN(3) > 0))
	case 5: // batch norm before convolutions
		y := g.bn(x)
		a := g.conv(y, ir.HW{1, 1}, g.outs(), true)
		if g.IntN(2) == 0 {
			return g.act(a)
		}
		return g.concat(a, g.conv(y, ir.HW{3, 3}, g.outs(), true))
	case 6: // linear branches, then batch norm or activation
		y := g.concat(g.conv(x, ir.HW{1, 1}, g.outs(), true), g.conv(x, ir.HW{3, 3}, g.outs(), true))
		if g.IntN(2) == 0 {
			y = g.bn(y)
		}
		return g.act(y)
	case 7: // residual
		y := g.do(g.name("scale"), ops.Scale{By: 0.25}, g.conv(x, ir.HW{3, 3}, s[1], true))
		return g.act(g.do(g.name("add"), ops.Add{}, x, y))
	case 8: // slices of one convolution
		y := g.conv(x, ir.HW{1, 1}, 6, true)
		var cut []*ir.Value
		var at int
		for at < 6 && len(cut) < 3 {
			end := min(6, at+1+g.IntN(3))
			c := g.do(g.name("slice"), ops.Slice{Axis: 1, Start: at, Stop: end}, y)
			switch g.IntN(3) {
			case 0:
				c = g.bn(c)
			case 1:
				c = g.do(g.name("relu"), ops.ReLU{}, c)
			}
			cut = append(cut, c)
			at = end - g.IntN(5)/4
		}
		return g.concat(cut...)
	case 9: // equal expressions
		y := g.conv(x, ir.HW{1, 1}, 2, true)
		z := g.do(g.name("conv"), y.Def.Op, y.Def.In...)
		return g.concat(g.do(g.name("relu"), ops.ReLU{}, y), g.do(g.name("relu"), ops.ReLU{}, z), z)
	case 10: // projection behind an average pool
		y := g.avgpool(x)
		if g.IntN(4) == 0 {
			y = g.bn(y)
		}
		return g.tail(g.conv(y, ir.HW{1, 1}, 1+g.IntN(2), true))
	case 11:
		y := g.do(g.name("relu"), ops.ReLU{}, x)
		if g.IntN(2) == 0 {
			y = g.do(g.name("maxpool"), ops.MaxPool{Kernel: ir.HW{min(2, s[2]), min(2, s[3])}, Stride: ir.HW{1, 1}}, y)
		}
		return g.do(g.name("relu"), ops.ReLU{}, g.sameSize(y, x))
	case 12: // dead code and constants
		g.conv(x, ir.HW{1, 1}, 2, true)
		k := g.b.Const(g.name("const"), tensor.Of([]float32{0.5, 2, -1}, 3, 1, 1))
		y := g.conv(x, ir.HW{1, 1}, 3, true)
		f := g.do(g.name("mul"), ops.Mul{}, k, g.b.Fill(g.name("fill"), 1.5, 3, 1, 1))
		return g.do(g.name("mul"), ops.Mul{}, y, f)
	case 14: // layer normalization over channels, without the division
		mean := g.do(g.name("mean"), ops.Reduce{Kind: ops.ReduceMean, Axes: ir.IntsOf(1), Keep: g.IntN(8) > 0}, x)
		if len(mean.Type.Shape) == 3 {
			return x
		}
		return g.do(g.name("sub"), ops.Sub{}, x, mean)
	case 13: // filters whose outer elements may meet only padding
		d := ir.HW{1 + g.IntN(12), 1 + g.IntN(12)}
		k := ir.HW{1 + 2*g.IntN(3), 1 + 2*g.IntN(3)}
		h, w := (k[0]-1)/2*d[0], (k[1]-1)/2*d[1]
		c := ops.Conv{Stride: ir.HW{1 + g.IntN(2), 1}, Pad: ir.Pads{h, w, h + g.IntN(2), w}, Dilation: d, Groups: 1}
		name := g.name("dilated")
		return g.tail(g.do(name, c, x, g.param(name+"/weight", wide, ir.Weight, g.outs(), s[1], k[0], k[1])))
	}
	return g.tail(g.conv(x, ir.HW{5, 5}, g.outs(), true))
}

// sameSize joins y with a linear branch that reads x, if y has the height and width of x.
func (g *gen) sameSize(y, x *ir.Value) *ir.Value {
	if y.Type.Shape[2] != x.Type.Shape[2] || y.Type.Shape[3] != x.Type.Shape[3] {
		return y
	}
	return g.concat(y, g.conv(x, ir.HW{3, 3}, 2, true))
}

func (g *gen) dense(x *ir.Value, n int) *ir.Value {
	name := g.name("fc")
	in := []*ir.Value{x, g.param(name+"/weight", wide, ir.Weight, n, x.Type.Shape[1])}
	if g.IntN(2) == 0 {
		in = append(in, g.param(name+"/bias", wide, ir.Weight, n))
	}
	return g.do(name, ops.Dense{}, in...)
}

func (g *gen) classifier(x *ir.Value) *ir.Value {
	if g.IntN(2) == 0 {
		x = g.do(g.name("gap"), ops.GlobalAvgPool{}, x)
	}
	x = g.do(g.name("flatten"), ops.Flatten{}, x)
	for range g.IntN(3) {
		x = g.dense(x, 3+g.IntN(6))
		if g.IntN(2) == 0 {
			x = g.do(g.name("dropout"), ops.Dropout{P: 0.5}, x)
		}
		if g.IntN(3) == 0 {
			x = g.bn(x)
		}
		if g.IntN(2) == 0 {
			x = g.act(x)
		}
	}
	x = g.dense(x, 3)
	if g.IntN(2) == 0 {
		return x
	}
	return g.do(g.name("softmax"), ops.Softmax{Axis: 1}, x)
}
