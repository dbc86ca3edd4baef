package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Dense]("dense", "Fully connected layer, with bias and activation.",
	ir.Example{Op: Dense{}, In: shapes("Nx5", "3x5", "3")},
	ir.Example{Op: Dense{Act: ActReLU}, In: shapes("Nx7", "4x7")},
	ir.Example{Op: Dense{Act: ActTanh}, In: shapes("Nx3", "6x3", "6")},
	ir.Example{Op: Dense{Act: ActSigmoid}, In: shapes("Nx3", "2x3", "2")},
	ir.Example{Op: Dense{}, In: shapes("Nx5x1x1", "3x5"), Violates: 1},
	ir.Example{Op: Dense{}, In: shapes("Nx5", "3x4"), Violates: 2},
	ir.Example{Op: Dense{}, In: shapes("Nx5", "3x5", "5"), Violates: 3},
	ir.Example{Op: Dense{Act: "selu"}, In: shapes("Nx5", "3x5", "3"), Violates: 4},
)

// Dense is y[n,o] = act(bias[o] + sum over k of weight[o,k] * x[n,k]) (LeCun
// 1998, section II.B, layer F6).
//
// Constraints:
//
//	(1) operands x[N,K], weight[O,K] and optionally bias[O]
//	(2) x and weight have the same K
//	(3) bias has O elements
//	(4) act is none, relu, sigmoid or tanh
type Dense struct {
	Act Act `dsl:"act"`
}

var denseSig = sig("x:NK weight:OK bias?:O")

// Operands are x, weight and bias.
func (Dense) Operands() []string { return denseSig.names() }

// Infer returns [N,O].
func (d Dense) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := denseSig.check("dense", in); err != nil {
		return nil, err
	}
	x, w := in[0].Shape, in[1].Shape
	if x[1] != w[1] {
		return nil, ir.Violation("dense", 2, 1, "weight %v takes %d inputs, but x has %d", w, w[1], x[1])
	}
	if len(in) > 2 && in[2].Shape[0] != w[0] {
		return nil, ir.Violation("dense", 3, 2, "bias has %d elements, but weight has %d outputs", in[2].Shape[0], w[0])
	}
	if !d.Act.valid() {
		return nil, ir.Violation("dense", 4, -1, "unknown activation %q", string(d.Act)).WithHelp("use %s", actWords())
	}
	return like(ir.Float(x[0], w[0])), nil
}

// Eval computes a sum for each output.
func (d Dense) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	x, w := in[0], in[1]
	n, k, o := x.Shape[0], x.Shape[1], w.Shape[0]
	y := tensor.New(n, o)
	parallel(o, func() func(int) {
		return func(j int) {
			row := w.Data[j*k : (j+1)*k]
			for i := range n {
				sum := 0.0
				for p, v := range x.Data[i*k : (i+1)*k] {
					sum += v * row[p]
				}
				if len(in) > 2 {
					sum += in[2].Data[j]
				}
				y.Data[i*o+j] = sum
			}
		}
	})
	d.Act.apply(y.Data)
	return []*tensor.Tensor{y}, nil
}

// Cost counts one multiply-accumulate for each weight and each image.
func (d Dense) Cost(in, out []ir.Type) ir.Cost {
	c := ir.Cost{MACs: int64(out[0].Shape.Size()) * int64(in[1].Shape[1])}
	if len(in) > 2 {
		c.Ops += int64(out[0].Shape.Size())
	}
	if d.Act != ActNone {
		c.Ops += int64(out[0].Shape.Size())
	}
	return c
}

// Grad is a matrix product for x, another for the weight, and a sum over N for the bias,
// all of the gradient before the activation. Where that needs the activation's input, the
// layer is computed a second time.
func (d Dense) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	g := d.Act.grad(b, dy[0], n.Out[0], func() *ir.Value { return b.Do(Dense{}, n.In...) })
	r := []*ir.Value{
		b.Do(MatMul{}, g, n.In[1]),
		b.Do(MatMul{TransA: true}, g, n.In[0]),
	}
	if len(n.In) > 2 {
		r = append(r, b.Do(Reduce{Kind: ReduceSum, Axes: "0"}, g))
	}
	return r
}
