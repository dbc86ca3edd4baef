package ops

import "github.com/incc-lang/incc/ir"

var (
	unarySig = sig("x")
	gradYSig = sig("dy y")
	gradXSig = sig("dy x")
)

// inferUnary implements Infer for ops with one operand whose result has its shape.
func inferUnary(op string, in []ir.Type) ([]ir.Type, error) {
	if err := unarySig.check(op, in); err != nil {
		return nil, err
	}
	return like(in[0]), nil
}

// inferGrad implements Infer for gradients whose operands and result have the same
// shape. This is their constraint 2.
func inferGrad(op string, s signature, in []ir.Type) ([]ir.Type, error) {
	if err := s.check(op, in); err != nil {
		return nil, err
	}
	for i, t := range in[1:] {
		if !t.Shape.Equal(in[0].Shape) {
			return nil, ir.Violation(op, 2, i+1, "%s has shape %v, but %s has shape %v", s[i+1].name, t.Shape, s[0].name, in[0].Shape)
		}
	}
	return like(in[0]), nil
}

// inferAxis checks constraint 2 of ops that work along an axis.
func inferAxis(op string, axis int, x ir.Shape) error {
	if axis < 0 || axis >= len(x) {
		return ir.Violation(op, 2, 0, "there is no axis %d: the shape has %d axes, %v", axis, len(x), x)
	}
	if x[axis] == ir.Batch {
		return ir.Violation(op, 2, 0, "axis %d of %v is the batch (want another axis)", axis, x)
	}
	return nil
}
