package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[BatchNormFixedDx]("batchnorm_fixed_dx", "Gradients of batchnorm, whose mean and variance are given.",
	ir.Example{Op: BatchNormFixedDx{Eps: 1e-3}, In: shapes("Nx3x4x2", "Nx3x4x2", "3", "3", "3")},
	ir.Example{Op: BatchNormFixedDx{Eps: 1e-3}, In: shapes("Nx3x4x2", "Nx3x4x2", "3", "3"), Violates: 1},
	ir.Example{Op: BatchNormFixedDx{Eps: 1e-3}, In: shapes("Nx3x4x2", "Nx3x2x4", "3", "3", "3"), Violates: 2},
	ir.Example{Op: BatchNormFixedDx{Eps: -1}, In: shapes("Nx3x4x2", "Nx3x4x2", "3", "3", "3"), Violates: 3},
).ForGradients()

// BatchNormFixedDx returns the gradients of x, gamma, beta, mean and variance for
// batchnorm, whose statistics do not depend on x. With r = 1/sqrt(variance + eps) and
// sums over all elements of a channel:
//
//	dx = dy * gamma * r            dgamma = sum dy * (x - mean) * r    dbeta = sum dy
//	dmean = -gamma * r * sum dy    dvariance = -gamma * r^3 / 2 * sum dy * (x - mean)
//
// Constraints:
//
//	(1) operands dy[N,C,...], x[N,C,...], gamma[C], mean[C], variance[C]
//	(2) x has the shape of dy, the others have C elements
//	(3) eps is finite and not negative
type BatchNormFixedDx struct {
	Eps float64 `dsl:"eps,default=1e-05"`
}

var batchNormGradSig = sig("dy x gamma:C mean:C variance:C")

// Operands are dy, x, gamma, mean and variance.
func (BatchNormFixedDx) Operands() []string { return batchNormGradSig.names() }

// Infer returns the shapes of x, gamma, beta, mean and variance.
func (n BatchNormFixedDx) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := (BatchNorm{Eps: n.Eps}).check("batchnorm_fixed_dx", batchNormGradSig, in, 1); err != nil {
		return nil, err
	}
	c := in[2]
	return []ir.Type{like(in[1])[0], like(c)[0], like(c)[0], like(c)[0], like(c)[0]}, nil
}

// Eval computes the formulas.
func (n BatchNormFixedDx) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	gamma, mean, variance := in[2].Data, in[3].Data, in[4].Data
	dx := in[0].Clone()
	sum, dot := batchSums(in[0], in[1], mean)
	channels(dx, func(c int, d []float64) {
		for i := range d {
			d[i] *= gamma[c] / math.Sqrt(variance[c]+n.Eps)
		}
	})
	dg, db := tensor.New(len(gamma)), tensor.New(len(gamma))
	dm, dv := tensor.New(len(gamma)), tensor.New(len(gamma))
	for c := range gamma {
		r := 1 / math.Sqrt(variance[c]+n.Eps)
		dg.Data[c] = dot[c] * r
		db.Data[c] = sum[c]
		dm.Data[c] = -gamma[c] * r * sum[c]
		dv.Data[c] = -gamma[c] * r * r * r / 2 * dot[c]
	}
	return []*tensor.Tensor{dx, dg, db, dm, dv}, nil
}

// batchSums returns, for each channel, the sum of dy and the sum of dy * (x - mean).
func batchSums(dy, x *tensor.Tensor, mean []float64) (sum, dot []float64) {
	sum, dot = make([]float64, len(mean)), make([]float64, len(mean))
	_, _, inner := around(x.Shape, 1)
	at := 0
	channels(x, func(c int, xs []float64) {
		for i, v := range xs {
			sum[c] += dy.Data[at+i]
			dot[c] += dy.Data[at+i] * (v - mean[c])
		}
		at += inner
	})
	return sum, dot
}

// Cost is an estimate.
func (BatchNormFixedDx) Cost(in, _ []ir.Type) ir.Cost { return ops1(5, in[0]) }
