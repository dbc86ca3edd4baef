package ops

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir"
)

// Act is an activation that conv and dense apply to their result. The pass fuse-act sets
// it. Each is an op of its own, too; see Op.
type Act string

// The activations.
const (
	ActNone        Act = ""
	ActReLU        Act = "relu"
	ActReLU6       Act = "relu6" // clip with min 0 and max 6
	ActSigmoid     Act = "sigmoid"
	ActTanh        Act = "tanh"
	ActSiLU        Act = "silu"
	ActHardSwish   Act = "hardswish"
	ActHardSigmoid Act = "hardsigmoid" // with the default alpha and beta
	ActGELU        Act = "gelu"
	ActGELUTanh    Act = "gelu_tanh" // gelu with tanh
)

var acts = []Act{ActReLU, ActReLU6, ActSigmoid, ActTanh, ActSiLU, ActHardSwish, ActHardSigmoid, ActGELU, ActGELUTanh}

// Acts lists the activations, without ActNone.
func Acts() []Act { return slices.Clone(acts) }

// actWords names all activations for messages.
func actWords() string {
	var b strings.Builder
	b.WriteString("none")
	for i, a := range acts {
		sep := ", "
		if i == len(acts)-1 {
			sep = " or "
		}
		b.WriteString(sep + string(a))
	}
	return b.String()
}

func (a Act) String() string {
	if a == ActNone {
		return "none"
	}
	return string(a)
}

// MarshalText prints the name.
func (a Act) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads a name.
func (a *Act) UnmarshalText(b []byte) error {
	x := Act(b)
	if x == "none" {
		x = ActNone
	}
	if !x.valid() {
		return fmt.Errorf("unknown activation %q (want %s)", b, actWords())
	}
	*a = x
	return nil
}

func (a Act) valid() bool { return a == ActNone || slices.Contains(acts, a) }

// Op returns the op that computes the activation, nil for ActNone.
func (a Act) Op() ir.Op {
	switch a {
	case ActReLU:
		return ReLU{}
	case ActReLU6:
		return Clip{Min: 0, Max: 6}
	case ActSigmoid:
		return Sigmoid{}
	case ActTanh:
		return Tanh{}
	case ActSiLU:
		return SiLU{}
	case ActHardSwish:
		return HardSwish{}
	case ActHardSigmoid:
		return HardSigmoid{Alpha: hardSlope, Beta: hardShift}
	case ActGELU:
		return GELU{}
	case ActGELUTanh:
		return GELU{Tanh: true}
	}
	return nil
}

// ActOf returns the activation that an op computes, ActNone for other ops. Ops with
// attributes that no Act has, such as clip -1 1, are none of them.
func ActOf(op ir.Op) Act {
	for _, a := range acts {
		if op == a.Op() {
			return a
		}
	}
	return ActNone
}

// FromInput reports whether the gradient needs the input of the activation. The gradients
// of the others need only the output.
func (a Act) FromInput() bool {
	switch a {
	case ActSiLU, ActHardSwish, ActGELU, ActGELUTanh:
		return true
	}
	return false
}

// NotNegative reports whether no result is below 0.
func (a Act) NotNegative() bool {
	switch a {
	case ActReLU, ActReLU6, ActSigmoid, ActHardSigmoid:
		return true
	}
	return false
}

// apply changes xs in place.
func (a Act) apply(xs []float64) {
	f := map[Act]func(float64) float64{
		ActReLU: relu, ActReLU6: relu6, ActSigmoid: sigmoid, ActTanh: math.Tanh, ActSiLU: silu, ActHardSwish: hardSwish,
		ActHardSigmoid: func(x float64) float64 { return hardSigmoid(x, hardSlope, hardShift) },
		ActGELU:        func(x float64) float64 { return gelu(x, false) },
		ActGELUTanh:    func(x float64) float64 { return gelu(x, true) },
	}[a]
	if f == nil {
		return
	}
	for i, x := range xs {
		xs[i] = f(x)
	}
}

// grad returns the gradient with respect to the activation's input, given the gradient
// dy with respect to its output and the output y. The function x returns the input, for
// activations whose gradient needs it.
func (a Act) grad(b *ir.Builder, dy, y *ir.Value, x func() *ir.Value) *ir.Value {
	switch a {
	case ActReLU:
		return b.Do(ReLUDx{}, dy, y)
	case ActReLU6:
		return b.Do(ClipDx{Min: 0, Max: 6}, dy, y)
	case ActSigmoid:
		return b.Do(SigmoidDx{}, dy, y)
	case ActTanh:
		return b.Do(TanhDx{}, dy, y)
	case ActSiLU:
		return b.Do(SiLUDx{}, dy, x())
	case ActHardSwish:
		return b.Do(HardSwishDx{}, dy, x())
	case ActHardSigmoid:
		return b.Do(HardSigmoidDx{Alpha: hardSlope, Beta: hardShift}, dy, y)
	case ActGELU:
		return b.Do(GELUDx{}, dy, x())
	case ActGELUTanh:
		return b.Do(GELUDx{Tanh: true}, dy, x())
	}
	return dy
}
