package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[ConvDw]("conv_dw", "Gradient of a convolution's weights (backward weights).",
	ir.Example{Op: ConvDw{Stride: ir.HW{2, 1}, Pad: ir.Pads{1, 0, 0, 2}, Dilation: ir.HW{1, 2}, Groups: 2, Kernel: ir.HW{3, 3}}, In: shapes("Nx4x3x4", "Nx6x7x6")},
	ir.Example{Op: ConvDw{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, Kernel: ir.HW{3, 3}}, In: shapes("Nx4x5x5", "7x7"), Violates: 1},
	ir.Example{Op: ConvDw{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 2, Kernel: ir.HW{3, 3}}, In: shapes("Nx4x5x5", "Nx3x7x7"), Violates: 2},
	ir.Example{Op: ConvDw{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, Kernel: ir.HW{3, 3}}, In: shapes("Nx4x5x5", "Nx3x7x6"), Violates: 3},
).ForGradients()

// ConvDw is the gradient of a convolution's weight: dw[o,c,i,j] is the sum over n,p,q of
// dy[n,o,p,q] * x[n,c,p*sh-top+i*dh,q*sw-left+j*dw], in the notation of Conv.
//
// Constraints:
//
//	(1) operands dy[N,O,OH,OW] and x[N,C,H,W]
//	(2) conv with these attributes accepts x and a weight with this kernel
//	(3) the output of that conv has the shape of dy
type ConvDw struct {
	Stride   ir.HW   `dsl:"stride,default=1x1"`
	Pad      ir.Pads `dsl:"pad"`
	Dilation ir.HW   `dsl:"dilation,default=1x1"`
	Groups   int     `dsl:"groups,default=1"`
	Kernel   ir.HW   `dsl:"kernel"`
}

var convDwSig = sig("dy:NCHW x:NCHW")

// Operands are dy and x.
func (ConvDw) Operands() []string { return convDwSig.names() }

func (c ConvDw) conv() Conv {
	return Conv{Stride: c.Stride, Pad: c.Pad, Dilation: c.Dilation, Groups: c.Groups}
}

// Infer returns [O,C/groups,KH,KW].
func (c ConvDw) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := convDwSig.check("conv_dw", in); err != nil {
		return nil, err
	}
	dy, x := in[0].Shape, in[1].Shape
	if !bounded(1, c.Kernel[0], c.Kernel[1], c.Groups) || x[1]%c.Groups != 0 {
		return nil, ir.Violation("conv_dw", 2, -1, "kernel=%v and groups=%d must be at least 1, and groups must divide the %d channels", c.Kernel, c.Groups, x[1])
	}
	w := ir.Shape{dy[1], x[1] / c.Groups, c.Kernel[0], c.Kernel[1]}
	oh, ow, err := c.conv().geometry("conv_dw", x, w)
	if err != nil {
		return nil, ir.Violation("conv_dw", 2, 1, "conv does not accept these attributes: %v", err)
	}
	if want := (ir.Shape{x[0], dy[1], oh, ow}); !want.Equal(dy) {
		return nil, ir.Violation("conv_dw", 3, 0, "dy has shape %v, but the output of conv has shape %v", dy, want)
	}
	return like(ir.Float(w...)), nil
}

// Eval computes a sum over images and pixels for each weight.
func (c ConvDw) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dy, x := in[0], in[1]
	w := []int{dy.Shape[1], x.Shape[1] / c.Groups, c.Kernel[0], c.Kernel[1]}
	return []*tensor.Tensor{c.conv().shape(x.Shape, w, dy.Shape).weights(dy.Data, x.Data)}, nil
}

// Cost is the same as that of the forward convolution.
func (c ConvDw) Cost(in, out []ir.Type) ir.Cost {
	k := out[0].Shape
	return ir.Cost{MACs: int64(in[0].Shape.Size()) * int64(k[1]*k[2]*k[3])}
}
