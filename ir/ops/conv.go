package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Conv]("conv", "Two-dimensional convolution (cross-correlation), with bias and activation.",
	ir.Example{Op: Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, In: shapes("Nx3x7x6", "4x3x3x2", "4")},
	ir.Example{Op: Conv{Stride: ir.HW{2, 3}, Pad: ir.Pads{2, 0, 1, 3}, Dilation: ir.HW{2, 1}, Groups: 2, Act: ActReLU}, In: shapes("Nx4x7x8", "6x2x3x3", "6")},
	ir.Example{Op: Conv{Stride: ir.HW{1, 1}, Pad: ir.Pads{0, 3, 0, 3}, Dilation: ir.HW{1, 1}, Groups: 1, Act: ActSigmoid}, In: shapes("Nx2x4x9", "3x2x1x7")},
	ir.Example{Op: Conv{Stride: ir.HW{2, 2}, Dilation: ir.HW{1, 1}, Groups: 4, Act: ActTanh}, In: shapes("Nx4x5x5", "4x1x3x3", "4")},
	ir.Example{Op: Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, In: shapes("Nx3", "4x3x3x2"), Violates: 1},
	ir.Example{Op: Conv{Stride: ir.HW{0, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, In: shapes("Nx3x7x6", "4x3x3x2"), Violates: 2},
	ir.Example{Op: Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, In: shapes("Nx3x7x6", "4x2x3x2"), Violates: 3},
	ir.Example{Op: Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 2}, In: shapes("Nx4x7x6", "5x2x3x2"), Violates: 4},
	ir.Example{Op: Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{3, 1}, Groups: 1}, In: shapes("Nx3x6x6", "4x3x3x2"), Violates: 5},
	ir.Example{Op: Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, In: shapes("Nx3x7x6", "4x3x3x2", "3"), Violates: 6},
	ir.Example{Op: Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, Act: "selu"}, In: shapes("Nx3x7x6", "4x3x3x2"), Violates: 7},
)

// Conv is y[n,o,p,q] = act(bias[o] + sum over c,i,j of weight[o,c,i,j] *
// x[n,c,p*sh-top+i*dh,q*sw-left+j*dw]), where c runs over the input channels of o's
// group, sh and sw are the strides, dh and dw the dilations, and elements outside of x
// are 0 (LeCun 1998, section II; groups: Krizhevsky 2012, section 3.5; dilation: Yu
// 2016, section 2).
//
// Output height: (H + top + bottom - ((KH-1)*dh + 1)) / sh + 1, rounded down;
// width likewise.
//
// Constraints:
//
//	(1) operands x[N,C,H,W], weight[O,C/groups,KH,KW] and optionally bias[O]
//	(2) stride, dilation and groups are at least 1, pads at least 0
//	(3) C is groups times the weight's second axis
//	(4) O is a multiple of groups
//	(5) the dilated kernel fits into the padded input
//	(6) bias has O elements
//	(7) act is none, relu, sigmoid or tanh
type Conv struct {
	Stride   ir.HW   `dsl:"stride,default=1x1"`
	Pad      ir.Pads `dsl:"pad"`
	Dilation ir.HW   `dsl:"dilation,default=1x1"`
	Groups   int     `dsl:"groups,default=1"`
	Act      Act     `dsl:"act"`
}

var convSig = sig("x:NCHW weight:OIHW bias?:O")

// Operands are x, weight and bias.
func (Conv) Operands() []string { return convSig.names() }

// Infer returns [N,O,OH,OW].
func (c Conv) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := convSig.check("conv", in); err != nil {
		return nil, err
	}
	x, w := in[0].Shape, in[1].Shape
	oh, ow, err := c.geometry("conv", x, w)
	if err != nil {
		return nil, err
	}
	if len(in) > 2 && in[2].Shape[0] != w[0] {
		return nil, ir.Violation("conv", 6, 2, "bias has %d elements, but weight has %d filters", in[2].Shape[0], w[0])
	}
	if !c.Act.valid() {
		return nil, ir.Violation("conv", 7, -1, "unknown activation %q", string(c.Act)).WithHelp("use %s", actWords())
	}
	return like(ir.Float(x[0], w[0], oh, ow)), nil
}

// geometry checks constraints 2 to 5 for the shapes of input and weight. It returns the
// output's height and width.
func (c Conv) geometry(op string, x, w ir.Shape) (oh, ow int, err error) {
	if !bounded(1, c.Stride[0], c.Stride[1], c.Dilation[0], c.Dilation[1], c.Groups) || !bounded(0, c.Pad[:]...) {
		return 0, 0, ir.Violation(op, 2, -1, "stride %v, dilation %v and groups %d must be at least 1, pad %v at least 0, all at most %d", c.Stride, c.Dilation, c.Groups, c.Pad, ir.MaxDim)
	}
	if w[1]*c.Groups != x[1] {
		v := ir.Violation(op, 3, 1, "weight %v takes %d channels, but the input has %d", w, w[1]*c.Groups, x[1])
		if c.Groups > 1 {
			v = v.WithHelp("%d groups of %d channels each", c.Groups, w[1])
		}
		return 0, 0, v
	}
	if w[0]%c.Groups != 0 {
		return 0, 0, ir.Violation(op, 4, 1, "%d filters do not divide into %d groups", w[0], c.Groups)
	}
	oh = extent(x[2], w[2], c.Stride[0], c.Dilation[0], c.Pad[0], c.Pad[2], false)
	ow = extent(x[3], w[3], c.Stride[1], c.Dilation[1], c.Pad[1], c.Pad[3], false)
	if oh < 1 || ow < 1 {
		return 0, 0, ir.Violation(op, 5, 0, "kernel %v does not fit into the input of %dx%d with pad %v and dilation %v", ir.HW{w[2], w[3]}, x[2], x[3], c.Pad, c.Dilation).
			WithHelp("pad more (pad=same keeps height and width), or use a smaller kernel")
	}
	return oh, ow, nil
}

// shape returns the geometry for the given shapes of input, weight and output.
func (c Conv) shape(x, w, y []int) convShape {
	return convShape{n: x[0], c: x[1], h: x[2], w: x[3], o: y[1], oh: y[2], ow: y[3], kh: w[2], kw: w[3],
		stride: c.Stride, pad: c.Pad, dilation: c.Dilation, groups: c.Groups}
}

// Eval unrolls bands of rows of the input and multiplies them with the filters.
func (c Conv) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	x, w := in[0], in[1]
	oh, ow, err := c.geometry("conv", x.Shape, w.Shape)
	if err != nil {
		return nil, err
	}
	y := c.shape(x.Shape, w.Shape, []int{x.Shape[0], w.Shape[0], oh, ow}).forward(x.Data, w.Data)
	if len(in) > 2 {
		for i := range y.Data {
			y.Data[i] += in[2].Data[i/(oh*ow)%w.Shape[0]]
		}
	}
	c.Act.apply(y.Data)
	return []*tensor.Tensor{y}, nil
}

// Cost counts one multiply-accumulate for each weight of a filter and each output
// element.
func (c Conv) Cost(in, out []ir.Type) ir.Cost {
	k := in[1].Shape
	cost := ir.Cost{MACs: int64(out[0].Shape.Size()) * int64(k[1]*k[2]*k[3])}
	if len(in) > 2 {
		cost.Ops += int64(out[0].Shape.Size())
	}
	if c.Act != ActNone {
		cost.Ops += int64(out[0].Shape.Size())
	}
	return cost
}

// Window is the kernel.
func (c Conv) Window(in []ir.Type) (kernel, stride, dilation ir.HW) {
	return ir.HW{in[1].Shape[2], in[1].Shape[3]}, c.Stride, c.Dilation
}

// Grad is conv_dx for x, conv_dw for the weight, and a sum over N, H and W for the bias,
// all of the gradient before the activation. Where that needs the activation's input, the
// convolution is computed a second time.
func (c Conv) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	d := c.Act.grad(b, dy[0], n.Out[0], func() *ir.Value {
		linear := c
		linear.Act = ActNone
		return b.Do(linear, n.In...)
	})
	x, w := n.In[0].Type.Shape, n.In[1].Type.Shape
	r := []*ir.Value{
		b.Do(ConvDx{Stride: c.Stride, Pad: c.Pad, Dilation: c.Dilation, Groups: c.Groups, In: ir.HW{x[2], x[3]}}, d, n.In[1]),
		b.Do(ConvDw{Stride: c.Stride, Pad: c.Pad, Dilation: c.Dilation, Groups: c.Groups, Kernel: ir.HW{w[2], w[3]}}, d, n.In[0]),
	}
	if len(n.In) > 2 {
		r = append(r, b.Do(Reduce{Kind: ReduceSum, Axes: "0,2,3"}, d))
	}
	return r
}
