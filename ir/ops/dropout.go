package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Dropout]("dropout", "Identity in inference; drops elements at random in training (Srivastava 2014).",
	ir.Example{Op: Dropout{P: 0.5}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Dropout{P: 0.5}, In: nil, Violates: 1},
	ir.Example{Op: Dropout{P: 1}, In: shapes("Nx3"), Violates: 2},
)

// Dropout returns x. Training replaces it by dropout_train, which drops elements with
// probability p and scales the others by 1/(1-p), so that inference has nothing to do
// (inverted dropout; Srivastava 2014, section 10).
//
// Constraints:
//
//	(1) one operand x
//	(2) 0 <= p < 1
type Dropout struct {
	P float64 `dsl:"p"`
}

// Operands is x.
func (Dropout) Operands() []string { return unarySig.names() }

// Infer returns the shape of x.
func (d Dropout) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check("dropout", in); err != nil {
		return nil, err
	}
	if err := checkDrop("dropout", d.P); err != nil {
		return nil, err
	}
	return like(in[0]), nil
}

func checkDrop(op string, p float64) error {
	if !(p >= 0 && p < 1) {
		return ir.Violation(op, 2, -1, "p=%g (want at least 0 and below 1)", p)
	}
	return nil
}

// Eval copies x.
func (Dropout) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	return []*tensor.Tensor{in[0].Clone()}, nil
}

// Grad is dy.
func (Dropout) Grad(_ *ir.Builder, _ *ir.Node, dy []*ir.Value) []*ir.Value { return dy }
