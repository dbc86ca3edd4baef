package ops

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/ir"
)

// Act is an activation that conv and dense apply to their result: none, relu,
// sigmoid or tanh. The pass fuse-act sets it.
type Act string

// The activations.
const (
	ActNone    Act = ""
	ActReLU    Act = "relu"
	ActSigmoid Act = "sigmoid"
	ActTanh    Act = "tanh"
)

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
		return fmt.Errorf("unknown activation %q (want none, relu, sigmoid or tanh)", b)
	}
	*a = x
	return nil
}

func (a Act) valid() bool {
	switch a {
	case ActNone, ActReLU, ActSigmoid, ActTanh:
		return true
	}
	return false
}

// apply changes xs in place.
func (a Act) apply(xs []float64) {
	f := map[Act]func(float64) float64{ActReLU: relu, ActSigmoid: sigmoid, ActTanh: math.Tanh}[a]
	if f == nil {
		return
	}
	for i, x := range xs {
		xs[i] = f(x)
	}
}

// grad returns the gradient with respect to the activation's input, given the gradient
// dy with respect to its output and the output y.
func (a Act) grad(b *ir.Builder, dy, y *ir.Value) *ir.Value {
	switch a {
	case ActReLU:
		return b.Do(ReLUDx{}, dy, y)
	case ActSigmoid:
		return b.Do(SigmoidDx{}, dy, y)
	case ActTanh:
		return b.Do(TanhDx{}, dy, y)
	}
	return dy
}

// relu returns NaN for NaN, because the comparison x <= 0 is then false.
func relu(x float64) float64 {
	if x <= 0 {
		return 0
	}
	return x
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
