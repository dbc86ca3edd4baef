package ops

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/ir"
)

// Grad builds the gradient of operators of one real number, and of those that a convolutional
// network may be trained through. Others have none, and training a network with them is an error.
func (o Node) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	dx := make([]*ir.Value, len(n.In))
	if dy[0] == nil {
		return dx
	}
	if o.Type == "Neg" {
		dx[0] = b.Do(Scale{By: -1}, dy[0])
		return dx
	}
	slope, ok := o.slope(b, n)
	if !ok {
		b.Fail(fmt.Errorf("%s: the operator %s has no gradient: freeze what comes before it, or train without it", n.Out[0].Name, o.Type))
		return dx
	}
	dx[0] = dy[0]
	if slope != nil {
		dx[0] = b.Do(Mul{}, dy[0], slope)
	}
	return dx
}

// slope returns the derivative of an operator of one number, nil for 1.
func (o Node) slope(b *ir.Builder, n *ir.Node) (d *ir.Value, ok bool) {
	if len(n.In) != 1 {
		return nil, false
	}
	x, y := n.In[0], n.Out[0]
	node := func(op string, v *ir.Value) *ir.Value { return b.Do(Node{Type: op}, v) }
	square := func(v *ir.Value) *ir.Value { return b.Do(Mul{}, v, v) }
	switch o.Type {
	case "Identity":
		return nil, true
	case "Exp":
		return y, true
	case "Log":
		return node("Reciprocal", x), true
	case "Abs":
		return node("Sign", x), true
	case "Reciprocal":
		return b.Do(Scale{By: -1}, square(y)), true
	case "Sin":
		return node("Cos", x), true
	case "Cos":
		return b.Do(Scale{By: -1}, node("Sin", x)), true
	case "Softplus":
		return b.Do(Sigmoid{}, x), true
	case "Erf":
		return b.Do(Scale{By: 2 / math.Sqrt(math.Pi)}, node("Exp", b.Do(Scale{By: -1}, square(x)))), true
	case "Elu", "Selu", "Celu", "ThresholdedRelu", "Mish", "Softsign":
		return b.Do(Node{Type: "Slope", Attrs: o.slopeAttrs()}, x), true
	}
	return nil, false
}

// slopeAttrs returns the attributes of the operator Slope: those of this one, and its name.
func (o Node) slopeAttrs() string {
	if o.Attrs == "" {
		return "of:" + o.Type
	}
	return o.Attrs + ";of:" + o.Type
}
