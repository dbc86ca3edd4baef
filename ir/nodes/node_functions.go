package nodes

import (
	"fmt"
	"math"
)

// nodeUnary returns a function of one real number, nil if the operator is none. Results are not
// rounded yet.
func nodeUnary(p *NodePlan) func(x float64) float64 {
	if f := nodeMath[p.Op]; f != nil {
		return f
	}
	switch p.Op {
	case "LeakyRelu":
		a := p.float("alpha", 0.01)
		return func(x float64) float64 {
			if x < 0 {
				return a * x
			}
			return x
		}
	case "Elu":
		a := p.float("alpha", 1)
		return func(x float64) float64 {
			if x < 0 {
				return a * math.Expm1(x)
			}
			return x
		}
	case "Selu":
		a, g := p.float("alpha", 1.67326319217681884765625), p.float("gamma", 1.05070102214813232421875)
		return func(x float64) float64 {
			if x <= 0 {
				return g * a * math.Expm1(x)
			}
			return g * x
		}
	case "Celu":
		a := p.float("alpha", 1)
		return func(x float64) float64 {
			if x < 0 {
				return a * math.Expm1(x/a)
			}
			return x
		}
	case "ThresholdedRelu":
		a := p.float("alpha", 1)
		return func(x float64) float64 {
			if x > a || x != x {
				return x
			}
			return 0
		}
	case "HardSigmoid":
		a, b := p.float("alpha", 0.2), p.float("beta", 0.5)
		return func(x float64) float64 { return nodeClamp(a*x+b, 0, 1) }
	case "Swish":
		a := p.float("alpha", 1)
		return func(x float64) float64 { return x * nodeSigmoid(a*x) }
	case "Gelu":
		if p.text("approximate", "none", "tanh") == "tanh" {
			return func(x float64) float64 {
				return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
			}
		}
		return func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) }
	case "Scale": // a product with a constant, as the IR has it
		by := p.float("by", 1)
		return func(x float64) float64 { return by * x }
	case "Shrink":
		bias, lambd := p.float("bias", 0), p.float("lambd", 0.5)
		return func(x float64) float64 {
			switch {
			case x < -lambd:
				return x + bias
			case x > lambd:
				return x - bias
			}
			return 0
		}
	}
	return nil
}

var nodeMath = map[string]func(float64) float64{
	"Abs": math.Abs, "Exp": math.Exp, "Log": math.Log, "Sqrt": math.Sqrt, "Floor": math.Floor, "Ceil": math.Ceil, "Round": math.RoundToEven, "Erf": math.Erf,
	"Sin": math.Sin, "Cos": math.Cos, "Tan": math.Tan, "Asin": math.Asin, "Acos": math.Acos, "Atan": math.Atan,
	"Sinh": math.Sinh, "Cosh": math.Cosh, "Tanh": math.Tanh, "Asinh": math.Asinh, "Acosh": math.Acosh, "Atanh": math.Atanh,
	"Identity": func(x float64) float64 { return x },
	"Neg":      func(x float64) float64 { return -x },
	"Sigmoid":  nodeSigmoid,
	"Relu": func(x float64) float64 {
		if x < 0 {
			return 0
		}
		return x
	},
	"Reciprocal": func(x float64) float64 { return 1 / x },
	"Sign": func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x
	},
	"Softplus": nodeSoftplus,
	"Softsign": func(x float64) float64 { return x / (1 + math.Abs(x)) },
	"HardSwish": func(x float64) float64 {
		return x * nodeClamp(x/6+0.5, 0, 1)
	},
	"Mish": func(x float64) float64 { return x * math.Tanh(nodeSoftplus(x)) },
}

func nodeSigmoid(x float64) float64 {
	if x < 0 {
		e := math.Exp(x)
		return e / (1 + e)
	}
	return 1 / (1 + math.Exp(-x))
}

func nodeSoftplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

func nodeClamp(x, lo, hi float64) float64 {
	switch {
	case x < lo:
		return lo
	case x > hi:
		return hi
	}
	return x
}

// nodeUnaryOps lists the operators of nodeUnary that have attributes.
var nodeUnaryOps = []string{"LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "HardSigmoid", "Swish", "Gelu", "Shrink", "Scale"}

// NodeFunc returns the function that an operator applies to every real number of its operand, or
// an error if it is not such an operator.
func NodeFunc(op, attrs string) (func(x float64) float64, error) {
	a, err := ParseNodeAttrs(attrs)
	if err != nil {
		return nil, err
	}
	p := &NodePlan{Op: op, attrs: a}
	f := nodeUnary(p)
	if f == nil {
		return nil, fmt.Errorf("operator %q is not a function of one number", op)
	}
	return f, p.err
}

// nodeBinary returns a function of two numbers, and the kind of the result if that is not the
// operands' (NodeNone if it is).
func nodeBinary(p *NodePlan) (f func(a, b float64) float64, k NodeKind) {
	integer := p.In[0].Kind.Integer()
	switch p.Op {
	case "Add", "Sum", "Mean":
		return func(a, b float64) float64 { return a + b }, NodeNone
	case "Sub":
		return func(a, b float64) float64 { return a - b }, NodeNone
	case "Mul":
		return func(a, b float64) float64 { return a * b }, NodeNone
	case "Div":
		if integer {
			return func(a, b float64) float64 {
				if b == 0 {
					return 0
				}
				return math.Trunc(a / b)
			}, NodeNone
		}
		return func(a, b float64) float64 { return a / b }, NodeNone
	case "Pow":
		return nodePow, NodeNone
	case "Max":
		return nodeMax, NodeNone
	case "Min":
		return func(a, b float64) float64 { return -nodeMax(-a, -b) }, NodeNone
	case "Mod":
		if p.int("fmod", 0) != 0 {
			return func(a, b float64) float64 { return math.Mod(a, b) }, NodeNone
		}
		return nodeModulo, NodeNone
	case "PRelu":
		return func(x, slope float64) float64 {
			if x < 0 {
				return slope * x
			}
			return x
		}, NodeNone
	case "BitShift":
		left := p.text("direction", "RIGHT", "LEFT") == "LEFT"
		return nodeShift(p.In[0].Kind, left), NodeNone
	case "BitwiseAnd":
		return func(a, b float64) float64 { return float64(int64(a) & int64(b)) }, NodeNone
	case "BitwiseOr":
		return func(a, b float64) float64 { return float64(int64(a) | int64(b)) }, NodeNone
	case "BitwiseXor":
		return func(a, b float64) float64 { return float64(int64(a) ^ int64(b)) }, NodeNone
	}
	return nodeTruth[p.Op], NodeBool
}

// nodeTruth holds the operators whose results are bools.
var nodeTruth = map[string]func(a, b float64) float64{
	"Equal":          func(a, b float64) float64 { return nodeBit(a == b) },
	"Less":           func(a, b float64) float64 { return nodeBit(a < b) },
	"LessOrEqual":    func(a, b float64) float64 { return nodeBit(a <= b) },
	"Greater":        func(a, b float64) float64 { return nodeBit(a > b) },
	"GreaterOrEqual": func(a, b float64) float64 { return nodeBit(a >= b) },
	"And":            func(a, b float64) float64 { return nodeBit(a != 0 && b != 0) },
	"Or":             func(a, b float64) float64 { return nodeBit(a != 0 || b != 0) },
	"Xor":            func(a, b float64) float64 { return nodeBit((a != 0) != (b != 0)) },
}

// nodeShift keeps the sign of signed integers. A shift by the width of the kind or more, or by less
// than 0, leaves no bit of the number.
func nodeShift(k NodeKind, left bool) func(a, b float64) float64 {
	lo, hi := k.nodeRange()
	width := math.Log2(hi - lo)
	return func(a, b float64) float64 {
		outside := b < 0 || b >= math.Round(width)
		switch {
		case outside && a < 0 && !left:
			return -1
		case outside:
			return 0
		case lo < 0 && left:
			return float64(int64(a) << uint(b))
		case lo < 0:
			return float64(int64(a) >> uint(b))
		case left:
			return float64(uint64(a) << uint(b))
		}
		return float64(uint64(a) >> uint(b))
	}
}

func nodeBit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func nodeMax(a, b float64) float64 {
	if a != a || a >= b {
		return a
	}
	return b
}

// nodePow computes small whole powers by multiplication, which is exact for integers.
func nodePow(a, b float64) float64 {
	if b == math.Trunc(b) && b >= 0 && b <= 64 {
		r := 1.0
		for range int(b) {
			r *= a
		}
		return r
	}
	return math.Pow(a, b)
}

// nodeModulo has the sign of the divisor, as in Python.
func nodeModulo(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	r := math.Mod(a, b)
	if r != 0 && (r < 0) != (b < 0) {
		r += b
	}
	return r
}
