package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[ReduceDx]("reduce_dx", "Gradient of reduce.",
	ir.Example{Op: ReduceDx{Kind: ReduceMax, Axes: "1"}, In: shapes("Nx4x2", "Nx3x4x2")},
	ir.Example{Op: ReduceDx{Kind: ReduceMean, Axes: "0"}, In: shapes("3", "Nx3")},
	ir.Example{Op: ReduceDx{Kind: ReduceSum, Axes: "1"}, In: shapes("Nx4x2"), Violates: 1},
	ir.Example{Op: ReduceDx{Kind: ReduceSum, Axes: "4"}, In: shapes("Nx4x2", "Nx3x4x2"), Violates: 2},
	ir.Example{Op: ReduceDx{Kind: ReduceSum, Axes: "2"}, In: shapes("Nx4x2", "Nx3x4x2"), Violates: 3},
).ForGradients()

// ReduceDx passes dy to each element of a sum, dy/count to each element of a mean, and
// dy to the first largest element of a maximum. Sum and mean need only the shape of x,
// the maximum also its elements.
//
// Constraints:
//
//	(1) operands dy and x, the input of reduce
//	(2) reduce accepts x
//	(3) dy has the shape of reduce's output
type ReduceDx struct {
	Kind ReduceKind `dsl:"kind,default=sum"`
	Axes ir.Ints    `dsl:"axes"`
	Keep bool       `dsl:"keep"`
}

// Operands are dy and x.
func (ReduceDx) Operands() []string { return gradXSig.names() }

// Infer returns the shape of x.
func (r ReduceDx) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferInput("reduce_dx", Reduce(r), in)
}

// Eval visits the elements of x in order.
func (r ReduceDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dy, x := in[0], in[1]
	_, to, count, err := Reduce(r).groups(x.Shape)
	if err != nil {
		return nil, err
	}
	dx := tensor.New(x.Shape...)
	switch r.Kind {
	case ReduceMax:
		for i, at := range Reduce(r).first(x, to, len(dy.Data)) {
			dx.Data[at] = dy.Data[i]
		}
	case ReduceMean:
		for i := range dx.Data {
			dx.Data[i] = dy.Data[to.of(i)] / float64(count)
		}
	default:
		for i := range dx.Data {
			dx.Data[i] = dy.Data[to.of(i)]
		}
	}
	return []*tensor.Tensor{dx}, nil
}

// Cost is one operation for each element.
func (ReduceDx) Cost(_, out []ir.Type) ir.Cost { return ops1(1, out[0]) }
