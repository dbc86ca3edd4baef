package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[LRNDx]("lrn_dx", "Gradient of lrn.",
	ir.Example{Op: LRNDx{Size: 3, Alpha: 0.3, Beta: 0.75, K: 1}, In: shapes("Nx5x2x3", "Nx5x2x3")},
	ir.Example{Op: LRNDx{Size: 3, Alpha: 0.3, Beta: 0.75, K: 1}, In: shapes("Nx5x2x3"), Violates: 1},
	ir.Example{Op: LRNDx{Size: 0, Alpha: 0.3, Beta: 0.75, K: 1}, In: shapes("Nx5x2x3", "Nx5x2x3"), Violates: 2},
	ir.Example{Op: LRNDx{Size: 3, Alpha: 0.3, Beta: 0.75, K: 1}, In: shapes("Nx5x3x2", "Nx5x2x3"), Violates: 3},
).ForGradients()

// LRNDx is dx[c] = dy[c] * s[c]^-beta - 2*beta*alpha/size * x[c] * sum of
// dy[i] * x[i] * s[i]^(-beta-1). The sum is over the channels i whose window contains c;
// s is that of LRN.
//
// Constraints:
//
//	(1) operands dy and x, the input of lrn
//	(2) lrn accepts x
//	(3) dy has the shape of lrn's output
type LRNDx struct {
	Size  int     `dsl:"size"`
	Alpha float64 `dsl:"alpha,default=0.0001"`
	Beta  float64 `dsl:"beta,default=0.75"`
	K     float64 `dsl:"k,default=1"`
}

// Operands are dy and x.
func (LRNDx) Operands() []string { return gradXSig.names() }

// Infer returns the shape of x.
func (l LRNDx) Infer(in []ir.Type) ([]ir.Type, error) { return inferInput("lrn_dx", LRN(l), in) }

// Eval visits the same windows as lrn.
func (l LRNDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dy, x := in[0], in[1]
	s := LRN(l).norms(x)
	dx := tensor.New(x.Shape...)
	outer, n, inner := around(x.Shape, 1)
	for i := range outer {
		for c := range n {
			lo, hi := LRN(l).span(c, n)
			for p := range inner {
				at := (i*n+c)*inner + p
				dx.Data[at] += dy.Data[at] * math.Pow(s.Data[at], -l.Beta)
				f := 2 * l.Beta * l.Alpha / float64(l.Size) * dy.Data[at] * x.Data[at] * math.Pow(s.Data[at], -l.Beta-1)
				for d := lo; d < hi; d++ {
					q := (i*n+d)*inner + p
					dx.Data[q] -= f * x.Data[q]
				}
			}
		}
	}
	return []*tensor.Tensor{dx}, nil
}

// Cost is an estimate in which the power counts as ten operations.
func (l LRNDx) Cost(_, out []ir.Type) ir.Cost {
	return ops1(2*min(l.Size, out[0].Shape[1])+14, out[0])
}
