package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[ConvDx]("conv_dx", "Gradient of a convolution's input (backward data).",
	ir.Example{Op: ConvDx{Stride: ir.HW{2, 1}, Pad: ir.Pads{1, 0, 0, 2}, Dilation: ir.HW{1, 2}, Groups: 2, In: ir.HW{7, 6}}, In: shapes("Nx4x3x4", "4x3x3x3")},
	ir.Example{Op: ConvDx{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, In: ir.HW{7, 6}}, In: shapes("Nx4x5", "4x3x3x3"), Violates: 1},
	ir.Example{Op: ConvDx{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, In: shapes("Nx4x5x5", "4x3x3x3"), Violates: 2},
	ir.Example{Op: ConvDx{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, In: ir.HW{7, 6}}, In: shapes("Nx4x5x5", "4x3x3x3"), Violates: 3},
).ForGradients()

// ConvDx is the gradient of a convolution's input: dx[n,c,h,w] is the sum of
// dy[n,o,p,q] * weight[o,c,i,j] over all (o,p,q,i,j) for which Conv multiplies
// x[n,c,h,w] by weight[o,c,i,j]. That is a convolution of dy, spread out by the stride,
// with the flipped weights. The input's height and width are an attribute, because
// with a stride several input sizes can give the same output size.
//
// Constraints:
//
//	(1) operands dy[N,O,OH,OW] and weight[O,C/groups,KH,KW]
//	(2) conv with these attributes accepts the weight and an input of size in
//	(3) the output of that conv has the shape of dy
type ConvDx struct {
	Stride   ir.HW   `dsl:"stride,default=1x1"`
	Pad      ir.Pads `dsl:"pad"`
	Dilation ir.HW   `dsl:"dilation,default=1x1"`
	Groups   int     `dsl:"groups,default=1"`
	In       ir.HW   `dsl:"in"` // height and width of dx
}

var convDxSig = sig("dy:NCHW weight:OIHW")

// Operands are dy and weight.
func (ConvDx) Operands() []string { return convDxSig.names() }

func (c ConvDx) conv() Conv {
	return Conv{Stride: c.Stride, Pad: c.Pad, Dilation: c.Dilation, Groups: c.Groups}
}

// Infer returns [N,C,H,W].
func (c ConvDx) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := convDxSig.check("conv_dx", in); err != nil {
		return nil, err
	}
	dy, w := in[0].Shape, in[1].Shape
	if !bounded(1, c.In[0], c.In[1], c.Groups) {
		return nil, ir.Violation("conv_dx", 2, -1, "in=%v and groups=%d must be at least 1", c.In, c.Groups)
	}
	x := ir.Shape{dy[0], w[1] * c.Groups, c.In[0], c.In[1]}
	oh, ow, err := c.conv().geometry("conv_dx", x, w)
	if err != nil {
		return nil, ir.Violation("conv_dx", 2, 1, "conv does not accept these attributes: %v", err)
	}
	if want := (ir.Shape{dy[0], w[0], oh, ow}); !want.Equal(dy) {
		return nil, ir.Violation("conv_dx", 3, 0, "dy has shape %v, but the output of conv has shape %v", dy, want)
	}
	return like(ir.Float(x...)), nil
}

// Eval computes the transpose of the linear map that conv computes.
func (c ConvDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dy, w := in[0], in[1]
	x := []int{dy.Shape[0], w.Shape[1] * c.Groups, c.In[0], c.In[1]}
	return []*tensor.Tensor{c.conv().shape(x, w.Shape, dy.Shape).data(dy.Data, w.Data)}, nil
}

// Cost is the same as that of the forward convolution.
func (c ConvDx) Cost(in, _ []ir.Type) ir.Cost {
	k := in[1].Shape
	return ir.Cost{MACs: int64(in[0].Shape.Size()) * int64(k[1]*k[2]*k[3])}
}

// Grad is conv for dy, and conv_dw for the weight, whose roles of input and gradient change: conv_dx
// is a transposed convolution.
func (c ConvDx) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	w := n.In[1].Type.Shape
	return []*ir.Value{
		b.Do(c.conv(), dy[0], n.In[1]),
		b.Do(ConvDw{Stride: c.Stride, Pad: c.Pad, Dilation: c.Dilation, Groups: c.Groups, Kernel: ir.HW{w[2], w[3]}}, n.In[0], dy[0]),
	}
}
