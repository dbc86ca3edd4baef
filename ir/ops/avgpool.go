package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[AvgPool]("avgpool", "Average over windows.",
	ir.Example{Op: AvgPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}, Ceil: true}, In: shapes("Nx2x6x7")},
	ir.Example{Op: AvgPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{1, 1}, Pad: ir.Pads{1, 1, 1, 1}}, In: shapes("Nx2x4x5")},
	ir.Example{Op: AvgPool{Kernel: ir.HW{3, 2}, Stride: ir.HW{2, 3}, Pad: ir.Pads{1, 0, 2, 1}, Ceil: true, IncludePad: true}, In: shapes("Nx3x6x6")},
	ir.Example{Op: AvgPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}}, In: shapes("Nx2"), Violates: 1},
	ir.Example{Op: AvgPool{Kernel: ir.HW{0, 3}, Stride: ir.HW{2, 2}}, In: shapes("Nx2x6x7"), Violates: 2},
	ir.Example{Op: AvgPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}, Pad: ir.Pads{0, 0, 3, 0}}, In: shapes("Nx2x6x7"), Violates: 3},
	ir.Example{Op: AvgPool{Kernel: ir.HW{3, 8}, Stride: ir.HW{2, 2}}, In: shapes("Nx2x6x7"), Violates: 4},
)

// AvgPool is the mean of each window. The mean is over the elements of x in the window;
// with include_pad, it is over these and the zeros of the padding. Rows and columns that
// a window covers after the padding, because of ceil, never count. Output height and
// width are those of maxpool.
//
// Constraints:
//
//	(1) one operand x[N,C,H,W]
//	(2) kernel and stride are at least 1, pads at least 0
//	(3) pads are smaller than the kernel
//	(4) a window fits into the padded input
type AvgPool struct {
	Kernel     ir.HW   `dsl:"kernel"`
	Stride     ir.HW   `dsl:"stride,default=1x1"`
	Pad        ir.Pads `dsl:"pad"`
	Ceil       bool    `dsl:"ceil"`
	IncludePad bool    `dsl:"include_pad"`
}

// Operands is x.
func (AvgPool) Operands() []string { return mapSig.names() }

func (a AvgPool) pool() pool { return pool{a.Kernel, a.Stride, a.Pad, a.Ceil} }

// Infer returns [N,C,OH,OW].
func (a AvgPool) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferPool("avgpool", a.pool(), in)
}

// Eval computes a sum and a division.
func (a AvgPool) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	x := in[0]
	y, err := a.pool().output("avgpool", x.Shape)
	if err != nil {
		return nil, err
	}
	w := x.Shape[3]
	a.pool().each(x.Shape, y.Shape, func(plane, out int, y0, y1, x0, x1, padded int) {
		sum := 0.0
		for i := y0; i < y1; i++ {
			for j := x0; j < x1; j++ {
				sum += x.Data[plane+i*w+j]
			}
		}
		y.Data[out] = sum / a.count(y0, y1, x0, x1, padded)
	})
	return []*tensor.Tensor{y}, nil
}

// count returns the divisor of a window's sum: the number of its elements, or with
// include_pad that of its elements and padding.
func (a AvgPool) count(y0, y1, x0, x1, padded int) float64 {
	if a.IncludePad {
		return float64(padded)
	}
	return float64((y1 - y0) * (x1 - x0))
}

// Cost is one addition for each element of a window.
func (a AvgPool) Cost(_, out []ir.Type) ir.Cost { return ops1(a.Kernel[0]*a.Kernel[1], out[0]) }

// Window is the kernel.
func (a AvgPool) Window([]ir.Type) (kernel, stride, dilation ir.HW) {
	return a.Kernel, a.Stride, ir.HW{1, 1}
}

// Grad is avgpool_dx.
func (a AvgPool) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	x := n.In[0].Type.Shape
	return []*ir.Value{b.Do(AvgPoolDx{a.Kernel, a.Stride, a.Pad, a.Ceil, a.IncludePad, ir.HW{x[2], x[3]}}, dy[0])}
}
