package ops

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[BatchNormTrain]("batchnorm_train", "Batch normalization over the batch, with running statistics (Ioffe 2015, algorithm 1).",
	ir.Example{Op: BatchNormTrain{Eps: 1e-3, Momentum: 0.9}, In: shapes("Nx3x4x2", "3", "3", "3", "3")},
	ir.Example{Op: BatchNormTrain{Eps: 1e-5, Momentum: 0.99}, In: shapes("4x5", "5", "5", "5", "5")},
	ir.Example{Op: BatchNormTrain{Eps: 1e-3, Momentum: 0.9}, In: shapes("Nx3x4x2", "3", "3", "3"), Violates: 1},
	ir.Example{Op: BatchNormTrain{Eps: 1e-3, Momentum: 0.9}, In: shapes("Nx3x4x2", "3", "3", "3", "2"), Violates: 2},
	ir.Example{Op: BatchNormTrain{Eps: 1e-3, Momentum: 2}, In: shapes("Nx3x4x2", "3", "3", "3", "3"), Violates: 3},
).ForGradients()

// BatchNormTrain normalizes each channel by the mean and the variance of the batch:
// y = gamma * (x - m) / sqrt(v + eps) + beta, where m is the mean over N, H and W, and
// v = sum (x-m)^2 / count the biased variance (Ioffe 2015, algorithm 1). Outputs:
//
//	y
//	m and v, which batchnorm_dx needs
//	the new running mean, momentum * mean + (1-momentum) * m
//	the new running variance, momentum * variance + (1-momentum) * v * count / max(count-1, 1):
//	inference uses the unbiased estimate (section 3.1)
//
// Constraints:
//
//	(1) operands x[N,C,...], gamma[C], beta[C], running mean[C], running variance[C]
//	(2) the last four have C elements
//	(3) eps is finite and not negative, 0 <= momentum <= 1
type BatchNormTrain struct {
	Eps      float64 `dsl:"eps,default=1e-05"`
	Momentum float64 `dsl:"momentum,default=0.9"`
}

// Operands are x, gamma, beta and the running mean and variance.
func (BatchNormTrain) Operands() []string { return batchNormSig.names() }

// Infer returns the shape of x and four times [C].
func (n BatchNormTrain) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := BatchNorm(n).check("batchnorm_train", batchNormSig, in, 0); err != nil {
		return nil, err
	}
	c := in[1]
	return []ir.Type{like(in[0])[0], like(c)[0], like(c)[0], like(c)[0], like(c)[0]}, nil
}

// Eval computes the mean first, and then the variance from the differences to it.
func (n BatchNormTrain) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	x := in[0]
	nc := x.Shape[1]
	count := float64(len(x.Data) / nc)
	m, v := tensor.New(nc), tensor.New(nc)
	channels(x, func(c int, xs []float64) {
		for _, x := range xs {
			m.Data[c] += x / count
		}
	})
	channels(x, func(c int, xs []float64) {
		for _, x := range xs {
			v.Data[c] += (x - m.Data[c]) * (x - m.Data[c]) / count
		}
	})
	y, err := BatchNorm(n).Eval([]*tensor.Tensor{x, in[1], in[2], m, v})
	if err != nil {
		return nil, err
	}
	rm, rv := in[3].Clone(), in[4].Clone()
	for c := range nc {
		rm.Data[c] = n.Momentum*rm.Data[c] + (1-n.Momentum)*m.Data[c]
		rv.Data[c] = n.Momentum*rv.Data[c] + (1-n.Momentum)*v.Data[c]*count/math.Max(count-1, 1)
	}
	return []*tensor.Tensor{y[0], m, v, rm, rv}, nil
}

// Cost is an estimate for each element: two passes for the statistics, one for y.
func (BatchNormTrain) Cost(_, out []ir.Type) ir.Cost { return ops1(6, out[0]) }

// Grad is batchnorm_dx for y. It fails if another output leads to the loss.
func (n BatchNormTrain) Grad(b *ir.Builder, node *ir.Node, dy []*ir.Value) []*ir.Value {
	for i, d := range dy[1:] {
		if d != nil {
			b.Fail(fmt.Errorf("%s: only the first output of batchnorm_train can be differentiated, output %d leads to the loss", node.Out[0].Name, i+1))
		}
	}
	if dy[0] == nil {
		return make([]*ir.Value, 5)
	}
	g := b.DoN(BatchNormDx{Eps: n.Eps}, dy[0], node.In[0], node.In[1], node.Out[1], node.Out[2])
	return []*ir.Value{g[0], g[1], g[2], nil, nil}
}
