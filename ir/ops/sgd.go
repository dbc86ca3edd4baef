package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[SGD]("sgd", "Step of gradient descent, with momentum or Nesterov momentum (Sutskever 2013, section 2).",
	ir.Example{Op: SGD{Momentum: 0.9, Decay: 5e-4, LR: 2}, In: shapes("4x3x2x2", "4x3x2x2", "scalar", "4x3x2x2")},
	ir.Example{Op: SGD{LR: 1}, In: shapes("5", "5", "scalar")},
	ir.Example{Op: SGD{Momentum: 0.9, Nesterov: true, LR: 1}, In: shapes("5", "5", "scalar", "5")},
	ir.Example{Op: SGD{LR: 1}, In: shapes("5", "5"), Violates: 1},
	ir.Example{Op: SGD{LR: 1}, In: shapes("5", "6", "scalar"), Violates: 2},
	ir.Example{Op: SGD{Momentum: 1, LR: 1}, In: shapes("5", "5", "scalar", "5"), Violates: 3},
	ir.Example{Op: SGD{Momentum: 0.5, LR: 1}, In: shapes("5", "5", "scalar"), Violates: 4},
).ForGradients()

// SGD is a step of stochastic gradient descent. With g = grad + decay * param:
//
//	v' = momentum * v + g
//	param' = param - lr*rate * v'                      (momentum)
//	param' = param - lr*rate * (g + momentum * v')     (nesterov; Sutskever 2013, section 2)
//
// Without a velocity v, v' is g. Outputs are param' and, if there is an operand v, v'.
//
// Constraints:
//
//	(1) operands param, grad, rate (a scalar) and optionally v
//	(2) param, grad and v have the same shape
//	(3) 0 <= momentum < 1; decay and lr are finite and not negative
//	(4) if momentum is not 0, there is an operand v
type SGD struct {
	Momentum float64 `dsl:"momentum"`
	Nesterov bool    `dsl:"nesterov"`
	Decay    float64 `dsl:"decay"`        // weight decay
	LR       float64 `dsl:"lr,default=1"` // factor on the learning rate
}

var sgdSig = sig("param grad rate:scalar velocity?")

// Operands are param, grad, rate and velocity.
func (SGD) Operands() []string { return sgdSig.names() }

// Infer returns the shapes of param and v.
func (s SGD) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := inferStep("sgd", sgdSig, in, 3); err != nil {
		return nil, err
	}
	if err := checkRates("sgd", []float64{s.Momentum}, []float64{s.Decay, s.LR}); err != nil {
		return nil, err
	}
	if s.Momentum > 0 && len(in) < 4 {
		return nil, ir.Violation("sgd", 4, -1, "momentum=%g needs the operand velocity", s.Momentum)
	}
	out := like(in[0])
	if len(in) > 3 {
		out = append(out, like(in[0])...)
	}
	return out, nil
}

// inferStep checks constraints 1 and 2 of the optimizers: grad, and the operands from
// index slot on, have the shape of the param.
func inferStep(op string, s signature, in []ir.Type, slot int) error {
	if err := s.check(op, in); err != nil {
		return err
	}
	for i, t := range in {
		if (i == 1 || i >= slot) && !t.Shape.Equal(in[0].Shape) {
			return ir.Violation(op, 2, i, "%s has shape %v, but %s has shape %v", s[i].plain(), t.Shape, s[0].name, in[0].Shape)
		}
	}
	return nil
}

// checkRates checks constraint 3 of the optimizers: each of shares is at least 0 and
// below 1, each of others is finite and not negative.
func checkRates(op string, shares, others []float64) error {
	for _, v := range shares {
		if !(v >= 0 && v < 1) {
			return ir.Violation(op, 3, -1, "an attribute is %g (want at least 0 and below 1)", v)
		}
	}
	for _, v := range others {
		if !(v >= 0) || math.IsInf(v, 0) {
			return ir.Violation(op, 3, -1, "an attribute is %g (want a finite number that is not negative)", v)
		}
	}
	return nil
}

// Eval computes the formulas.
func (s SGD) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	p := in[0].Clone()
	rate := s.LR * in[2].Data[0]
	out := []*tensor.Tensor{p}
	v := tensor.New(p.Shape...)
	if len(in) > 3 {
		v = in[3].Clone()
		out = append(out, v)
	}
	for i, w := range p.Data {
		g := in[1].Data[i] + s.Decay*w
		v.Data[i] = s.Momentum*v.Data[i] + g
		if s.Nesterov {
			p.Data[i] = w - rate*(g+s.Momentum*v.Data[i])
		} else {
			p.Data[i] = w - rate*v.Data[i]
		}
	}
	return out, nil
}

// Cost is an estimate.
func (SGD) Cost(in, _ []ir.Type) ir.Cost { return ops1(6, in[0]) }
