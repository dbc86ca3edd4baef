package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[MaxNorm]("max_norm", "Weights, scaled down so that the norm of those of each output is at most a bound (Srebro 2005; Srivastava 2014, section 5.1).",
	ir.Example{Op: MaxNorm{Bound: 0.5}, In: shapes("4x3x2x2")},
	ir.Example{Op: MaxNorm{Bound: 1}, In: shapes("4x3")},
	ir.Example{Op: MaxNorm{Bound: 1}, In: shapes("scalar"), Violates: 1},
	ir.Example{Op: MaxNorm{}, In: shapes("4x3"), Violates: 2},
).ForGradients()

// MaxNorm limits the Euclidean norm of the weights of each output: if it is larger than
// bound, they are scaled down to that norm. Outputs are the first axis.
//
// Constraints:
//
//	(1) one operand weight[O,...]
//	(2) bound is above 0 and finite
type MaxNorm struct {
	Bound float64 `dsl:"bound"`
}

var weightSig = sig("weight")

// Operands is weight.
func (MaxNorm) Operands() []string { return weightSig.names() }

// Infer returns the shape of weight.
func (m MaxNorm) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := weightSig.check("max_norm", in); err != nil {
		return nil, err
	}
	if len(in[0].Shape) == 0 {
		return nil, ir.Violation("max_norm", 1, 0, "weight is a scalar (want [O,...])")
	}
	if !(m.Bound > 0) || math.IsInf(m.Bound, 0) {
		return nil, ir.Violation("max_norm", 2, -1, "bound=%g (want a finite number above 0)", m.Bound)
	}
	return like(in[0]), nil
}

// Eval scales the weights of one output after another.
func (m MaxNorm) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	w := in[0].Clone()
	k := len(w.Data) / w.Shape[0]
	for o := range w.Shape[0] {
		row := w.Data[o*k : (o+1)*k]
		if n := math.Sqrt(squares(row)); n > m.Bound {
			for i := range row {
				row[i] *= m.Bound / n
			}
		}
	}
	return []*tensor.Tensor{w}, nil
}

func squares(xs []float64) float64 {
	s := 0.0
	for _, x := range xs {
		s += x * x
	}
	return s
}

// Cost is one square and one product for each element.
func (MaxNorm) Cost(in, _ []ir.Type) ir.Cost { return ops1(2, in[0]) }
