package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[BatchNorm]("batchnorm", "Batch normalization with given mean and variance (Ioffe 2015, algorithm 2).",
	ir.Example{Op: BatchNorm{Eps: 1e-3, Momentum: 0.9}, In: shapes("Nx3x4x2", "3", "3", "3", "3")},
	ir.Example{Op: BatchNorm{Eps: 1e-5, Momentum: 0.99}, In: shapes("Nx5", "5", "5", "5", "5")},
	ir.Example{Op: BatchNorm{Eps: 1e-3, Momentum: 0.9}, In: shapes("Nx3x4x2", "3", "3", "3"), Violates: 1},
	ir.Example{Op: BatchNorm{Eps: 1e-3, Momentum: 0.9}, In: shapes("Nx3x4x2", "3", "3", "3", "2"), Violates: 2},
	ir.Example{Op: BatchNorm{Eps: -1, Momentum: 0.9}, In: shapes("Nx3x4x2", "3", "3", "3", "3"), Violates: 3},
)

// BatchNorm is y = gamma * (x - mean) / sqrt(variance + eps) + beta, per channel
// (Ioffe 2015, algorithm 2, step 11). Its mean and variance are the running statistics
// at the end of training. Training itself uses batchnorm_train.
//
// Constraints:
//
//	(1) operands x[N,C,...], gamma[C], beta[C], mean[C], variance[C]
//	(2) the last four have C elements
//	(3) eps is finite and not negative, 0 <= momentum <= 1
type BatchNorm struct {
	Eps      float64 `dsl:"eps,default=1e-05"`
	Momentum float64 `dsl:"momentum,default=0.9"` // running = momentum * running + (1 - momentum) * batch
}

var batchNormSig = sig("x gamma:C beta:C mean:C variance:C")

// Operands are x, gamma, beta, mean and variance.
func (BatchNorm) Operands() []string { return batchNormSig.names() }

// Infer returns the shape of x.
func (n BatchNorm) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := n.check("batchnorm", batchNormSig, in, 0); err != nil {
		return nil, err
	}
	return like(in[0]), nil
}

// check checks constraints 1 to 3. in[x] is the operand x[N,C,...]. The operands before
// it must have its shape, those after it C elements.
func (n BatchNorm) check(op string, s signature, in []ir.Type, x int) error {
	if err := checkChannels(op, s, in); err != nil {
		return err
	}
	for i, t := range in {
		switch {
		case i <= x && !t.Shape.Equal(in[0].Shape):
			return ir.Violation(op, 2, i, "%s has shape %v, but %s has shape %v", s[i].name, t.Shape, s[0].name, in[0].Shape)
		case i > x && t.Shape[0] != in[0].Shape[1]:
			return ir.Violation(op, 2, i, "%s has %d elements for %d channels", s[i].name, t.Shape[0], in[0].Shape[1])
		}
	}
	if !(n.Eps >= 0) || math.IsInf(n.Eps, 0) || !(n.Momentum >= 0 && n.Momentum <= 1) {
		return ir.Violation(op, 3, -1, "eps=%g must be finite and not negative, momentum=%g must be within 0..1", n.Eps, n.Momentum)
	}
	return nil
}

// Eval computes the formula.
func (n BatchNorm) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	y := in[0].Clone()
	channels(y, func(c int, xs []float64) {
		gamma, beta, mean, variance := in[1].Data[c], in[2].Data[c], in[3].Data[c], in[4].Data[c]
		for i, x := range xs {
			xs[i] = gamma*(x-mean)/math.Sqrt(variance+n.Eps) + beta
		}
	})
	return []*tensor.Tensor{y}, nil
}

// channels calls f with each channel of each image.
func channels(x *tensor.Tensor, f func(c int, xs []float64)) {
	outer, n, inner := around(x.Shape, 1)
	for i := range outer * n {
		f(i%n, x.Data[i*inner:(i+1)*inner])
	}
}

// Cost is one multiplication and one addition for each element. The work for each
// channel is not counted.
func (BatchNorm) Cost(_, out []ir.Type) ir.Cost { return ops1(2, out[0]) }

// Grad is batchnorm_fixed_dx, because mean and variance do not depend on x.
func (n BatchNorm) Grad(b *ir.Builder, node *ir.Node, dy []*ir.Value) []*ir.Value {
	return b.DoN(BatchNormFixedDx{Eps: n.Eps}, dy[0], node.In[0], node.In[1], node.In[3], node.In[4])[:5]
}
