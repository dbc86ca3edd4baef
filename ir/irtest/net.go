// Package irtest makes networks for tests: layer by layer with [Net], and at random with
// [Random]. Weights are drawn so that a wrong network gives visibly wrong results: with
// He's variance, and with all four params of a batch norm at random. The package does
// not import testing. Only tests import it.
package irtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// Net builds a network layer by layer. A call with wrong operands panics, because then
// the test itself is wrong.
type Net struct {
	*ir.Builder
	Rand *rand.Rand
}

// NewNet returns an empty network whose weights are drawn from the seed.
func NewNet(name string, seed int64) *Net {
	return &Net{ir.NewBuilder(name), rand.New(rand.NewPCG(uint64(seed), 0x1cc))}
}

// Op adds any op and returns its first output, which gets the name.
func (n *Net) Op(name string, op ir.Op, in ...*ir.Value) *ir.Value {
	return n.OpN(name, op, in...)[0]
}

// OpN is Op for ops with several outputs.
func (n *Net) OpN(name string, op ir.Op, in ...*ir.Value) []*ir.Value {
	node, err := n.Add(name, op, in...)
	if err != nil {
		panic(fmt.Sprintf("irtest: %s: %s of %v: %v", name, ir.FormatOp(op), types(in), err))
	}
	return node.Out
}

func types(vs []*ir.Value) []ir.Type {
	ts := make([]ir.Type, len(vs))
	for i, v := range vs {
		ts[i] = v.Type
	}
	return ts
}

// Weight adds a param with data from a normal distribution.
func (n *Net) Weight(name string, kind ir.Kind, mean, std float64, shape ...int) *ir.Value {
	p := ir.Param{Kind: kind, Init: ir.Init{Kind: ir.InitGaussian, A: std}, LR: 1}
	if len(shape) > 1 && kind == ir.Weight {
		p.Decay = 1
	}
	v := n.Param(name, append(ir.Shape{}, shape...), p)
	d := tensor.Make[float32](shape)
	for i := range d.Data {
		d.Data[i] = float32(mean + std*n.Rand.NormFloat64())
	}
	n.Graph().Data[v.Name] = d
	return v
}

// positive adds a param of c elements drawn uniformly from 0.5..1.5.
func (n *Net) positive(name string, kind ir.Kind, c int) *ir.Value {
	v := n.Weight(name, kind, 0, 1, c)
	for i := range n.Graph().Data[v.Name].Data {
		n.Graph().Data[v.Name].Data[i] = float32(0.5 + n.Rand.Float64())
	}
	return v
}

// Conv adds a convolution with o filters of kernel size k and, if bias is true, a bias
// for each filter. Zero fields of c stand for the defaults of the op.
func (n *Net) Conv(name string, x *ir.Value, o int, k ir.HW, c ops.Conv, bias bool) *ir.Value {
	if c.Stride == (ir.HW{}) {
		c.Stride = ir.HW{1, 1}
	}
	if c.Dilation == (ir.HW{}) {
		c.Dilation = ir.HW{1, 1}
	}
	c.Groups = max(c.Groups, 1)
	ic := x.Type.Shape[1] / c.Groups
	in := []*ir.Value{x, n.Weight(name+"/weight", ir.Weight, 0, he(ic*k[0]*k[1]), o, ic, k[0], k[1])}
	if bias {
		in = append(in, n.Weight(name+"/bias", ir.Weight, 0, 0.2, o))
	}
	return n.Op(name, c, in...)
}

func he(fan int) float64 { return math.Sqrt(2 / float64(fan)) }

// Same returns pads that keep height and width at stride 1. If their sum is odd, bottom
// and right get one more than top and left.
func Same(k ir.HW) ir.Pads {
	return ir.Pads{(k[0] - 1) / 2, (k[1] - 1) / 2, k[0] / 2, k[1] / 2}
}

// Dense adds a dense layer with o outputs and a bias. If x is not NxK, it is flattened
// first.
func (n *Net) Dense(name string, x *ir.Value, o int) *ir.Value {
	if len(x.Type.Shape) != 2 {
		x = n.Op(name+"/flatten", ops.Flatten{}, x)
	}
	k := x.Type.Shape[1]
	return n.Op(name, ops.Dense{}, x, n.Weight(name+"/weight", ir.Weight, 0, he(k), o, k), n.Weight(name+"/bias", ir.Weight, 0, 0.2, o))
}

// BatchNorm adds a batch norm with random gamma, beta, mean and variance.
func (n *Net) BatchNorm(name string, x *ir.Value, eps float64) *ir.Value {
	c := x.Type.Shape[1]
	return n.Op(name, ops.BatchNorm{Eps: eps, Momentum: 0.9}, x,
		n.positive(name+"/gamma", ir.Weight, c), n.Weight(name+"/beta", ir.Weight, 0, 0.3, c),
		n.Weight(name+"/mean", ir.State, 0, 0.3, c), n.positive(name+"/variance", ir.State, c))
}

// ReLU adds a relu.
func (n *Net) ReLU(x *ir.Value) *ir.Value { return n.Op(x.Name+"/relu", ops.ReLU{}, x) }

// Finish makes the values v the outputs and returns the graph. It panics if the graph is
// not valid.
func (n *Net) Finish(v ...*ir.Value) *ir.Graph {
	g := n.Graph()
	g.Outputs = append(g.Outputs, v...)
	if err := ir.Verify(g); err != nil {
		panic("irtest: " + err.Error())
	}
	return g
}

// Inputs draws the inputs of a graph: numbers from a normal distribution, class indices
// if a loss reads the input, or whole numbers below 1000 for other integers.
func Inputs(g *ir.Graph, batch int, seed int64) []*tensor.Tensor {
	r := rand.New(rand.NewPCG(uint64(seed), 0x1b9))
	users := g.Users()
	ts := make([]*tensor.Tensor, len(g.Inputs))
	for i, v := range g.Inputs {
		t := tensor.New(v.Type.Shape.Bind(batch)...)
		classes := 1000
		for _, n := range users[v] {
			for j, x := range n.In {
				if x == v && v.Type.DType == ir.I64 && len(v.Type.Shape) == 1 && j > 0 && len(n.In[j-1].Type.Shape) == 2 {
					classes = min(classes, n.In[j-1].Type.Shape[1])
				}
			}
		}
		for j := range t.Data {
			if v.Type.DType == ir.I64 {
				t.Data[j] = float64(r.IntN(classes))
			} else {
				// Round to float32, so that float32 code gets the same input as the reference.
				t.Data[j] = float64(float32(r.NormFloat64()))
			}
		}
		ts[i] = t
	}
	return ts
}
