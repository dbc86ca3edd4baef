package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[RMSProp]("rmsprop", "Step of RMSProp (Tieleman 2012, lecture 6.5).",
	ir.Example{Op: RMSProp{Rho: 0.9, Eps: 1, Momentum: 0.9, Decay: 1e-4, LR: 1}, In: shapes("4x3", "4x3", "scalar", "4x3", "4x3")},
	ir.Example{Op: RMSProp{Rho: 0.9, Eps: 1e-8, LR: 1}, In: shapes("5", "5", "scalar", "5")},
	ir.Example{Op: RMSProp{Rho: 0.99, Eps: 1e-8, Momentum: 0.9, LR: 1, Torch: true}, In: shapes("4x3", "4x3", "scalar", "4x3", "4x3")},
	ir.Example{Op: RMSProp{Rho: 0.9, Eps: 1, LR: 1}, In: shapes("5", "5", "scalar"), Violates: 1},
	ir.Example{Op: RMSProp{Rho: 0.9, Eps: 1, LR: 1}, In: shapes("5", "5", "scalar", "6"), Violates: 2},
	ir.Example{Op: RMSProp{Rho: -1, Eps: 1, LR: 1}, In: shapes("5", "5", "scalar", "5"), Violates: 3},
	ir.Example{Op: RMSProp{Rho: 0.9, Momentum: 0.9, LR: 1}, In: shapes("5", "5", "scalar", "5"), Violates: 4},
).ForGradients()

// RMSProp divides the gradient by a moving average of its magnitude (Tieleman 2012,
// lecture 6.5). There are two forms, both with g = grad + decay * param.
//
// The default is that of TensorFlow, with which the Inception networks were trained
// (Szegedy 2016, section 8, eps = 1). eps is added under the root, and each gradient
// enters the velocity multiplied by the learning rate of its step:
//
//	s' = rho * s + (1-rho) * g^2
//	v' = momentum * v + lr*rate * g / sqrt(s' + eps)
//	param' = param - v'
//
// With torch it is that of PyTorch's torch.optim.RMSprop. eps is added to the root, and
// the learning rate of the current step multiplies the whole velocity:
//
//	s' = rho * s + (1-rho) * g^2
//	v' = momentum * v + g / (sqrt(s') + eps)
//	param' = param - lr*rate * v'
//
// Outputs are param', s' and, if there is an operand v, v'.
//
// Constraints:
//
//	(1) operands param, grad, rate (a scalar), s and optionally v
//	(2) param, grad, s and v have the same shape
//	(3) 0 <= rho < 1, 0 <= momentum < 1; eps, decay and lr are finite and not negative
//	(4) if momentum is not 0, there is an operand v
type RMSProp struct {
	Rho      float64 `dsl:"rho,default=0.9"`
	Eps      float64 `dsl:"eps,default=1"`
	Momentum float64 `dsl:"momentum"`
	Decay    float64 `dsl:"decay"`
	LR       float64 `dsl:"lr,default=1"`
	Torch    bool    `dsl:"torch"`
}

var rmspropSig = sig("param grad rate:scalar square velocity?")

// Operands are param, grad, rate, square and velocity.
func (RMSProp) Operands() []string { return rmspropSig.names() }

// Infer returns the shapes of param, s and v.
func (r RMSProp) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := inferStep("rmsprop", rmspropSig, in, 3); err != nil {
		return nil, err
	}
	if err := checkRates("rmsprop", []float64{r.Rho, r.Momentum}, []float64{r.Eps, r.Decay, r.LR}); err != nil {
		return nil, err
	}
	if r.Momentum > 0 && len(in) < 5 {
		return nil, ir.Violation("rmsprop", 4, -1, "momentum=%g needs the operand velocity", r.Momentum)
	}
	out := append(like(in[0]), like(in[0])...)
	if len(in) > 4 {
		out = append(out, like(in[0])...)
	}
	return out, nil
}

// Eval computes the formulas.
func (r RMSProp) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	p, s := in[0].Clone(), in[3].Clone()
	rate := r.LR * in[2].Data[0]
	out := []*tensor.Tensor{p, s}
	v := tensor.New(p.Shape...)
	if len(in) > 4 {
		v = in[4].Clone()
		out = append(out, v)
	}
	for i, w := range p.Data {
		g := in[1].Data[i] + r.Decay*w
		s.Data[i] = r.Rho*s.Data[i] + (1-r.Rho)*g*g
		if r.Torch {
			v.Data[i] = r.Momentum*v.Data[i] + g/(math.Sqrt(s.Data[i])+r.Eps)
			p.Data[i] = w - rate*v.Data[i]
			continue
		}
		v.Data[i] = r.Momentum*v.Data[i] + rate*g/math.Sqrt(s.Data[i]+r.Eps)
		p.Data[i] = w - v.Data[i]
	}
	return out, nil
}

// Cost is an estimate.
func (RMSProp) Cost(in, _ []ir.Type) ir.Cost { return ops1(12, in[0]) }
