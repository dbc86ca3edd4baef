package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[BatchNormDx]("batchnorm_dx", "Gradients of batchnorm_train (Ioffe 2015, section 3).",
	ir.Example{Op: BatchNormDx{Eps: 1e-3}, In: shapes("Nx3x4x2", "Nx3x4x2", "3", "3", "3")},
	ir.Example{Op: BatchNormDx{Eps: 1e-3}, In: shapes("Nx3x4x2", "Nx3x4x2", "3", "3"), Violates: 1},
	ir.Example{Op: BatchNormDx{Eps: 1e-3}, In: shapes("Nx3x4x2", "Nx3x4x2", "4", "3", "3"), Violates: 2},
	ir.Example{Op: BatchNormDx{Eps: -1}, In: shapes("Nx3x4x2", "Nx3x4x2", "3", "3", "3"), Violates: 3},
).ForGradients()

// BatchNormDx returns the gradients of x, gamma and beta for batchnorm_train, from the
// mean m and the biased variance v that batchnorm_train returned (Ioffe 2015, section 3,
// simplified). With r = 1/sqrt(v + eps) and z = (x-m)*r, and sums and means over all
// elements of a channel:
//
//	dbeta = sum dy    dgamma = sum dy*z    dx = gamma * r * (dy - mean(dy) - z * mean(dy*z))
//
// Constraints:
//
//	(1) operands dy[N,C,...], x[N,C,...], gamma[C], m[C], v[C]
//	(2) x has the shape of dy, the others have C elements
//	(3) eps is finite and not negative
type BatchNormDx struct {
	Eps float64 `dsl:"eps,default=1e-05"`
}

// Operands are dy, x, gamma, mean and variance.
func (BatchNormDx) Operands() []string { return batchNormGradSig.names() }

// Infer returns the shapes of x, gamma and beta.
func (n BatchNormDx) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := (BatchNorm{Eps: n.Eps}).check("batchnorm_dx", batchNormGradSig, in, 1); err != nil {
		return nil, err
	}
	return []ir.Type{like(in[1])[0], like(in[2])[0], like(in[2])[0]}, nil
}

// Eval computes the formulas.
func (n BatchNormDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	dy, x, gamma, m, v := in[0], in[1], in[2].Data, in[3].Data, in[4].Data
	sum, dot := batchSums(dy, x, m)
	count := float64(len(x.Data) / len(gamma))
	dg, db := tensor.New(len(gamma)), tensor.New(len(gamma))
	for c := range gamma {
		dg.Data[c] = dot[c] / math.Sqrt(v[c]+n.Eps)
		db.Data[c] = sum[c]
	}
	dx := x.Clone()
	at := 0
	channels(dx, func(c int, xs []float64) {
		r := 1 / math.Sqrt(v[c]+n.Eps)
		for i, x := range xs {
			xs[i] = gamma[c] * r * (dy.Data[at+i] - db.Data[c]/count - (x-m[c])*r*dg.Data[c]/count)
		}
		at += len(xs)
	})
	return []*tensor.Tensor{dx, dg, db}, nil
}

// Cost is an estimate.
func (BatchNormDx) Cost(in, _ []ir.Type) ir.Cost { return ops1(9, in[0]) }
