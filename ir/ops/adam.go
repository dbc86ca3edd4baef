package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Adam]("adam", "Step of Adam (Kingma 2015, algorithm 1) or AdamW (Loshchilov 2019, algorithm 2).",
	ir.Example{Op: Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 0.01, Decoupled: true, LR: 1}, In: shapes("4x3", "4x3", "scalar", "i64:scalar", "4x3", "4x3")},
	ir.Example{Op: Adam{Beta1: 0.5, Beta2: 0.9, Eps: 1e-6, LR: 1}, In: shapes("5", "5", "scalar", "i64:scalar", "5", "5")},
	ir.Example{Op: Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, LR: 1}, In: shapes("5", "5", "scalar", "scalar", "5", "5"), Violates: 1},
	ir.Example{Op: Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, LR: 1}, In: shapes("5", "5", "scalar", "i64:scalar", "5", "4"), Violates: 2},
	ir.Example{Op: Adam{Beta1: 0.9, Beta2: 1, Eps: 1e-8, LR: 1}, In: shapes("5", "5", "scalar", "i64:scalar", "5", "5"), Violates: 3},
).ForGradients()

// Adam divides a moving average of the gradient by the square root of a moving average
// of the squared gradient (Kingma 2015, algorithm 1). With t = step + 1 and g = grad +
// decay * param:
//
//	m' = beta1 * m + (1-beta1) * g        s' = beta2 * s + (1-beta2) * g^2
//	param' = param - lr*rate * (m' / (1-beta1^t)) / (sqrt(s' / (1-beta2^t)) + eps)
//
// With decoupled it is AdamW (Loshchilov 2019, algorithm 2): g = grad, and
// lr*rate * decay * param is also subtracted from param. Outputs are param', m' and s'.
//
// Constraints:
//
//	(1) operands param, grad, rate (a scalar), step (a scalar i64 that counts from 0), m and s
//	(2) param, grad, m and s have the same shape
//	(3) 0 <= beta1 < 1, 0 <= beta2 < 1; eps, decay and lr are finite and not negative
type Adam struct {
	Beta1     float64 `dsl:"beta1,default=0.9"`
	Beta2     float64 `dsl:"beta2,default=0.999"`
	Eps       float64 `dsl:"eps,default=1e-08"`
	Decay     float64 `dsl:"decay"`
	Decoupled bool    `dsl:"decoupled"`
	LR        float64 `dsl:"lr,default=1"`
}

var adamSig = sig("param grad rate:scalar step:scalar/i64 mean square")

// Operands are param, grad, rate, step, mean and square.
func (Adam) Operands() []string { return adamSig.names() }

// Infer returns the shapes of param, m and s.
func (a Adam) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := inferStep("adam", adamSig, in, 4); err != nil {
		return nil, err
	}
	if err := checkRates("adam", []float64{a.Beta1, a.Beta2}, []float64{a.Eps, a.Decay, a.LR}); err != nil {
		return nil, err
	}
	return append(like(in[0]), append(like(in[0]), like(in[0])...)...), nil
}

// Eval computes the formulas.
func (a Adam) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	p, m, s := in[0].Clone(), in[4].Clone(), in[5].Clone()
	rate, t := a.LR*in[2].Data[0], in[3].Data[0]+1
	c1, c2 := 1-math.Pow(a.Beta1, t), 1-math.Pow(a.Beta2, t)
	for i, w := range p.Data {
		g := in[1].Data[i]
		if a.Decoupled {
			p.Data[i] -= rate * a.Decay * w
		} else {
			g += a.Decay * w
		}
		m.Data[i] = a.Beta1*m.Data[i] + (1-a.Beta1)*g
		s.Data[i] = a.Beta2*s.Data[i] + (1-a.Beta2)*g*g
		p.Data[i] -= rate * (m.Data[i] / c1) / (math.Sqrt(s.Data[i]/c2) + a.Eps)
	}
	return []*tensor.Tensor{p, m, s}, nil
}

// Cost is an estimate.
func (Adam) Cost(in, _ []ir.Type) ir.Cost { return ops1(16, in[0]) }
