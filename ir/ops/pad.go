package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Pad]("pad", "Adds rows and columns with a given number around feature maps.",
	ir.Example{Op: Pad{Pad: ir.Pads{1, 2, 0, 3}, Value: 0.5}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Pad{}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Pad{Pad: ir.Pads{1, 1, 1, 1}}, In: shapes("Nx3"), Violates: 1},
	ir.Example{Op: Pad{Pad: ir.Pads{1, -1, 1, 1}}, In: shapes("Nx3x4x2"), Violates: 2},
	ir.Example{Op: Pad{Pad: ir.Pads{1, 1, 1, 1}, Value: math.NaN()}, In: shapes("Nx3x4x2"), Violates: 3},
)

// Pad adds rows and columns around each map of x and fills them with a number.
//
// Constraints:
//
//	(1) one operand x[N,C,H,W]
//	(2) pads are at least 0
//	(3) value is finite
type Pad struct {
	Pad   ir.Pads `dsl:"pad"`
	Value float64 `dsl:"value"`
}

// Operands is x.
func (Pad) Operands() []string { return mapSig.names() }

// Infer returns [N,C,top+H+bottom,left+W+right].
func (p Pad) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := mapSig.check("pad", in); err != nil {
		return nil, err
	}
	if !bounded(0, p.Pad[:]...) {
		return nil, ir.Violation("pad", 2, -1, "pad %v must be from 0 to %d", p.Pad, ir.MaxDim).WithHelp("to cut rows and columns off, use slice")
	}
	if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
		return nil, ir.Violation("pad", 3, -1, "value=%g is not a finite number", p.Value)
	}
	return like(ir.Float(p.shape(in[0].Shape)...)), nil
}

func (p Pad) shape(x []int) []int {
	return []int{x[0], x[1], p.Pad[0] + x[2] + p.Pad[2], p.Pad[1] + x[3] + p.Pad[3]}
}

// Eval copies rows.
func (p Pad) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	x := in[0]
	y := tensor.New(p.shape(x.Shape)...)
	for i := range y.Data {
		y.Data[i] = p.Value
	}
	h, w := x.Shape[2], x.Shape[3]
	oh, ow := y.Shape[2], y.Shape[3]
	for r := range x.Shape[0] * x.Shape[1] * h {
		to := (r/h*oh+r%h+p.Pad[0])*ow + p.Pad[1]
		copy(y.Data[to:], x.Data[r*w:(r+1)*w])
	}
	return []*tensor.Tensor{y}, nil
}

// Grad removes the padding from dy.
func (p Pad) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	d, x := dy[0], n.In[0].Type.Shape
	for a := range 2 {
		if p.Pad[a]+p.Pad[a+2] > 0 {
			d = b.Do(Slice{Axis: 2 + a, Start: p.Pad[a], Stop: p.Pad[a] + x[2+a]}, d)
		}
	}
	return []*ir.Value{d}
}
