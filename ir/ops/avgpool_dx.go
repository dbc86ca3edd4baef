package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[AvgPoolDx]("avgpool_dx", "Gradient of avgpool.",
	ir.Example{Op: AvgPoolDx{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}, Ceil: true, In: ir.HW{6, 7}}, In: shapes("Nx2x3x3")},
	ir.Example{Op: AvgPoolDx{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}, In: ir.HW{6, 7}}, In: shapes("Nx3x3"), Violates: 1},
	ir.Example{Op: AvgPoolDx{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}}, In: shapes("Nx2x3x3"), Violates: 2},
	ir.Example{Op: AvgPoolDx{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}, In: ir.HW{6, 7}}, In: shapes("Nx2x3x3"), Violates: 3},
).ForGradients()

// AvgPoolDx adds, for each window, dy / count to each element of the window, where
// count is the divisor that avgpool used. The input's height and width are an attribute,
// because several input sizes can give the same output size.
//
// Constraints:
//
//	(1) one operand dy[N,C,OH,OW]
//	(2) avgpool accepts an input of size in
//	(3) dy has the height and width of that avgpool's output
type AvgPoolDx struct {
	Kernel     ir.HW   `dsl:"kernel"`
	Stride     ir.HW   `dsl:"stride,default=1x1"`
	Pad        ir.Pads `dsl:"pad"`
	Ceil       bool    `dsl:"ceil"`
	IncludePad bool    `dsl:"include_pad"`
	In         ir.HW   `dsl:"in"` // height and width of dx
}

var mapGradSig = sig("dy:NCHW")

// Operands is dy.
func (AvgPoolDx) Operands() []string { return mapGradSig.names() }

func (a AvgPoolDx) forward() AvgPool {
	return AvgPool{a.Kernel, a.Stride, a.Pad, a.Ceil, a.IncludePad}
}

// Infer returns [N,C,H,W].
func (a AvgPoolDx) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := mapGradSig.check("avgpool_dx", in); err != nil {
		return nil, err
	}
	dy := in[0].Shape
	if !bounded(1, a.In[:]...) {
		return nil, ir.Violation("avgpool_dx", 2, -1, "in=%v must be at least 1x1", a.In)
	}
	h, w, err := a.forward().pool().infer("avgpool", ir.Shape{dy[0], dy[1], a.In[0], a.In[1]})
	if err != nil {
		return nil, ir.Violation("avgpool_dx", 2, -1, "%v", err)
	}
	if h != dy[2] || w != dy[3] {
		return nil, ir.Violation("avgpool_dx", 3, 0, "dy has shape %v, but the output of avgpool is %dx%d", dy, h, w)
	}
	return like(ir.Float(dy[0], dy[1], a.In[0], a.In[1])), nil
}

// Eval adds each dy to the elements of its window.
func (a AvgPoolDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dy := in[0]
	f := a.forward()
	dx := tensor.New(dy.Shape[0], dy.Shape[1], a.In[0], a.In[1])
	w := a.In[1]
	f.pool().each(dx.Shape, dy.Shape, func(plane, out int, y0, y1, x0, x1, padded int) {
		d := dy.Data[out] / f.count(y0, y1, x0, x1, padded)
		for i := y0; i < y1; i++ {
			for j := x0; j < x1; j++ {
				dx.Data[plane+i*w+j] += d
			}
		}
	})
	return []*tensor.Tensor{dx}, nil
}

// Cost is one addition for each element of a window.
func (a AvgPoolDx) Cost(in, _ []ir.Type) ir.Cost { return ops1(a.Kernel[0]*a.Kernel[1], in[0]) }
