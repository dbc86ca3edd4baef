package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[MaxPool]("maxpool", "Maximum over windows.",
	ir.Example{Op: MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}, Ceil: true}, In: shapes("Nx2x6x7")},
	ir.Example{Op: MaxPool{Kernel: ir.HW{3, 2}, Stride: ir.HW{1, 3}, Pad: ir.Pads{1, 1, 2, 0}}, In: shapes("Nx3x5x6")},
	ir.Example{Op: MaxPool{Kernel: ir.HW{2, 2}, Stride: ir.HW{2, 2}, Pad: ir.Pads{1, 1, 1, 1}, Ceil: true}, In: shapes("Nx2x5x4")},
	ir.Example{Op: MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}}, In: shapes("Nx2"), Violates: 1},
	ir.Example{Op: MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{0, 2}}, In: shapes("Nx2x6x7"), Violates: 2},
	ir.Example{Op: MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}, Pad: ir.Pads{0, 3, 0, 0}}, In: shapes("Nx2x6x7"), Violates: 3},
	ir.Example{Op: MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}}, In: shapes("Nx2x2x7"), Violates: 4},
)

// MaxPool is the largest element of each window. Padding never counts as the maximum. If
// several elements are the maximum, the first in row-major order gets the gradient. NaN
// propagates.
//
// Output height: (H + top + bottom - KH) / SH + 1, rounded down, or with ceil rounded
// up; width likewise. With ceil, a last window that would start at H + top or later does
// not count (as in Caffe and PyTorch).
//
// Constraints:
//
//	(1) one operand x[N,C,H,W]
//	(2) kernel and stride are at least 1, pads at least 0
//	(3) pads are smaller than the kernel
//	(4) a window fits into the padded input
type MaxPool struct {
	Kernel ir.HW   `dsl:"kernel"`
	Stride ir.HW   `dsl:"stride,default=1x1"`
	Pad    ir.Pads `dsl:"pad"`
	Ceil   bool    `dsl:"ceil"`
}

// Operands is x.
func (MaxPool) Operands() []string { return mapSig.names() }

func (m MaxPool) pool() pool { return pool{m.Kernel, m.Stride, m.Pad, m.Ceil} }

// Infer returns [N,C,OH,OW].
func (m MaxPool) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferPool("maxpool", m.pool(), in)
}

func inferPool(op string, p pool, in []ir.Type) ([]ir.Type, error) {
	if err := mapSig.check(op, in); err != nil {
		return nil, err
	}
	x := in[0].Shape
	h, w, err := p.infer(op, x)
	if err != nil {
		return nil, err
	}
	return like(ir.Float(x[0], x[1], h, w)), nil
}

// each calls f for every output element, with the index of the first element of its
// plane of x, its own index, and its window (see window). It calls f from several
// goroutines.
func (p pool) each(x, y []int, f func(plane, out int, y0, y1, x0, x1, padded int)) {
	parallel(x[0]*x[1], func() func(int) {
		return func(nc int) {
			for i := range y[2] {
				for j := range y[3] {
					y0, y1, x0, x1, padded := p.window(i, j, x[2], x[3])
					f(nc*x[2]*x[3], (nc*y[2]+i)*y[3]+j, y0, y1, x0, x1, padded)
				}
			}
		}
	})
}

// output returns a zero tensor of the output's shape.
func (p pool) output(op string, x []int) (*tensor.Tensor, error) {
	h, w, err := p.infer(op, x)
	if err != nil {
		return nil, err
	}
	return tensor.New(x[0], x[1], h, w), nil
}

// Eval finds the largest element of each window.
func (m MaxPool) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	x := in[0]
	y, err := m.pool().output("maxpool", x.Shape)
	if err != nil {
		return nil, err
	}
	m.each(x, y.Shape, func(at, out int) { y.Data[out] = x.Data[at] })
	return []*tensor.Tensor{y}, nil
}

// each calls f for every output element, with the index at of the maximum in x and the
// index of the output.
func (m MaxPool) each(x *tensor.Tensor, y []int, f func(at, out int)) {
	w := x.Shape[3]
	m.pool().each(x.Shape, y, func(plane, out int, y0, y1, x0, x1, _ int) {
		best := plane + y0*w + x0
		for i := y0; i < y1; i++ {
			for j := x0; j < x1; j++ {
				if at := plane + i*w + j; above(x.Data[at], x.Data[best]) {
					best = at
				}
			}
		}
		f(best, out)
	})
}

// Cost is one comparison for each element of a window.
func (m MaxPool) Cost(_, out []ir.Type) ir.Cost { return ops1(m.Kernel[0]*m.Kernel[1], out[0]) }

// Window is the kernel.
func (m MaxPool) Window([]ir.Type) (kernel, stride, dilation ir.HW) {
	return m.Kernel, m.Stride, ir.HW{1, 1}
}

// Grad is maxpool_dx.
func (m MaxPool) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(MaxPoolDx(m), dy[0], n.In[0])}
}
