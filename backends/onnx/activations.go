package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// This file writes and imports activations.

// activation writes an op that is an activation.
func activation[T ir.Op](op T, n *ir.Node, e *emitter) error {
	return e.activation(op, e.in(n)[0], n.Out[0])
}

// activation emits the nodes that compute v, an activation of x. What ONNX has no operator
// for at the opset of the model is written as PyTorch's exporter writes it.
func (e *emitter) activation(op ir.Op, x string, v *ir.Value) error {
	one := func(operator string, attrs ...*onnxpb.AttributeProto) error {
		e.add(operator, []string{x}, e.result(v), attrs...)
		return nil
	}
	// step emits a node with an intermediate result.
	step := func(operator, what string, in ...string) string {
		name := e.inner(what, v.Type)
		e.add(operator, in, name)
		return name
	}
	number := func(what string, x float64) string { return e.floats(what, nil, float32(x)) }
	switch op := op.(type) {
	case ops.ReLU:
		return one("Relu")
	case ops.Sigmoid:
		return one("Sigmoid")
	case ops.Tanh:
		return one("Tanh")
	case ops.Clip:
		e.add("Clip", []string{x, number("min", op.Min), number("max", op.Max)}, e.result(v))
		return nil
	case ops.HardSigmoid:
		return one("HardSigmoid", attrFloat("alpha", op.Alpha), attrFloat("beta", op.Beta))
	case ops.HardSwish:
		return one("HardSwish")
	case ops.LeakyReLU:
		return one("LeakyRelu", attrFloat("alpha", op.Alpha))
	case ops.SiLU:
		s := step("Sigmoid", "sigmoid", x)
		e.add("Mul", []string{x, s}, e.result(v))
		return nil
	case ops.GELU:
		if e.opset >= 20 {
			if op.Tanh {
				return one("Gelu", attrString("approximate", "tanh"))
			}
			return one("Gelu")
		}
		var y string
		if op.Tanh {
			cube := step("Mul", "cube", step("Mul", "square", x, x), x)
			z := step("Add", "sum", x, step("Mul", "cubic", cube, number("c", 0.044715)))
			y = step("Tanh", "tanh", step("Mul", "scaled", z, number("scale", math.Sqrt(2/math.Pi))))
		} else {
			y = step("Erf", "erf", step("Div", "scaled", x, number("sqrt2", math.Sqrt2)))
		}
		y = step("Mul", "product", x, step("Add", "above", y, number("one", 1)))
		e.add("Mul", []string{y, number("half", 0.5)}, e.result(v))
		return nil
	}
	return fmt.Errorf("the ONNX backend has no activation %s", ir.FormatOp(op))
}

// importClip imports a clip with two bounds as a clip.
func importClip(im *importer, n *node) error {
	bounds := [2]float64{math.Inf(-1), math.Inf(1)}
	for i := range bounds {
		if !n.has(1 + i) {
			continue
		}
		v, ok := im.scalar(1 + i)
		if !ok || math.IsNaN(v) {
			return fmt.Errorf("the bounds must be constant numbers")
		}
		// Old exporters write the largest float32 for no bound.
		if math.Abs(v) < math.MaxFloat32 {
			bounds[i] = shortest(float32(v))
		}
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	lo, hi := bounds[0], bounds[1]
	rank := len(x.Type.Shape)
	switch {
	case !math.IsInf(lo, 0) && !math.IsInf(hi, 0) && lo < hi:
		return im.apply(ops.Clip{Min: lo, Max: hi}, 0)
	case lo == 0:
		x = im.op(ops.ReLU{}, x)
	case !math.IsInf(lo, -1):
		x = im.op(ops.Max{}, x, im.number("min", lo, rank))
	}
	if !math.IsInf(hi, 1) {
		x = im.neg(im.op(ops.Max{}, im.neg(x), im.number("max", -hi, rank)))
	}
	return im.finish(x)
}

func importHardSigmoid(im *importer, n *node) error {
	op := ops.HardSigmoid{Alpha: n.float("alpha", 0.2), Beta: n.float("beta", 0.5)}
	if exact := 1.0 / 6; float32(op.Alpha) == float32(exact) {
		op.Alpha = exact
	}
	return im.apply(op, 0)
}

// importLeakyRelu computes relu(x) - alpha relu(-x) if alpha is below 0; one of the terms is
// always 0.
func importLeakyRelu(im *importer, n *node) error {
	alpha := n.float("alpha", 0.01)
	if alpha >= 0 {
		return im.apply(ops.LeakyReLU{Alpha: alpha}, 0)
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	below := im.op(ops.Scale{By: alpha}, im.op(ops.ReLU{}, im.neg(x)))
	return im.finish(im.op(ops.Sub{}, im.op(ops.ReLU{}, x), below))
}

func importGelu(im *importer, n *node) error {
	form := "none"
	if a := n.attr("approximate"); a != nil {
		form = string(a.S)
	}
	if form != "none" && form != "tanh" {
		return fmt.Errorf("approximate=%q is not supported", form)
	}
	return im.apply(ops.GELU{Tanh: form == "tanh"}, 0)
}

// selfGate returns the op that computes the product of a value and an activation of the
// same value: silu for sigmoid, hardswish for hardsigmoid.
func (im *importer) selfGate(n *node) (op ir.Op, x *ir.Value) {
	for i := range 2 {
		x, gate := im.values[n.Input[i]], im.values[n.Input[1-i]]
		if x == nil || gate == nil || gate.Def == nil || gate.Def.In[0] != x {
			continue
		}
		switch ops.ActOf(gate.Def.Op) {
		case ops.ActSigmoid:
			return ops.SiLU{}, x
		case ops.ActHardSigmoid:
			return ops.HardSwish{}, x
		}
	}
	return nil, nil
}

// gelus finds the nodes that compute a gelu by way of Erf, as exporters write it for opsets
// without Gelu: x, 1/2 and 1 + erf(x/sqrt(2)) are multiplied in any order. It notes x for
// the output of the last node, and the nodes between, which have no op of their own.
func (im *importer) gelus(nodes []*onnxpb.NodeProto) {
	im.gelu, im.within = map[string]string{}, map[*onnxpb.NodeProto]bool{}
	readers, maker := map[string][]*onnxpb.NodeProto{}, map[string]*onnxpb.NodeProto{}
	found := false
	for _, n := range nodes {
		for _, s := range n.Input {
			readers[s] = append(readers[s], n)
		}
		for _, s := range n.Output {
			maker[s] = n
		}
		found = found || n.OpType == "Erf"
	}
	if !found {
		return
	}
	for _, o := range im.m.Proto.Graph.Output { // these cannot vanish
		readers[o.Name] = append(readers[o.Name], nil)
	}
	// other returns the operand of a node beside the given one.
	other := func(n *onnxpb.NodeProto, s string) string {
		if n.Input[0] == s {
			return n.Input[1]
		}
		return n.Input[0]
	}
	only := func(s string, operator ...string) *onnxpb.NodeProto {
		if r := readers[s]; len(r) == 1 && r[0] != nil && len(r[0].Input) == 2 && slices.Contains(operator, r[0].OpType) {
			return r[0]
		}
		return nil
	}
	// half reports whether a node multiplies its operand s by 1/2.
	half := func(n *onnxpb.NodeProto, s string) bool {
		return n.OpType == "Mul" && im.isNumber(other(n, s), 0.5) || n.OpType == "Div" && n.Input[0] == s && im.isNumber(n.Input[1], 2)
	}
	for _, erf := range nodes {
		if erf.OpType != "Erf" || len(erf.Input) != 1 {
			continue
		}
		arg := maker[erf.Input[0]]
		if arg == nil || len(arg.Input) != 2 {
			continue
		}
		x := arg.Input[0]
		if im.known[x].floats != nil {
			x = arg.Input[1]
		}
		if !(arg.OpType == "Div" && x == arg.Input[0] && im.isNumber(arg.Input[1], math.Sqrt2) || arg.OpType == "Mul" && im.isNumber(other(arg, x), math.Sqrt2/2)) {
			continue
		}
		sum := only(erf.Output[0], "Add")
		if sum == nil || !im.isNumber(other(sum, erf.Output[0]), 1) {
			continue
		}
		p := only(sum.Output[0], "Mul", "Div")
		if p == nil {
			continue
		}
		within := []*onnxpb.NodeProto{erf, sum}
		switch o := other(p, sum.Output[0]); {
		case half(p, sum.Output[0]), p.OpType == "Mul" && o == x:
			within = append(within, p)
			last := only(p.Output[0], "Mul", "Div")
			if last == nil || o == x && !half(last, p.Output[0]) || o != x && (last.OpType != "Mul" || other(last, p.Output[0]) != x) {
				continue
			}
			p = last
		case p.OpType == "Mul" && maker[o] != nil && len(maker[o].Input) == 2 && slices.Contains(maker[o].Input, x) && half(maker[o], x):
		default:
			continue
		}
		im.gelu[p.Output[0]] = x
		for _, n := range within {
			im.within[n] = true
		}
	}
}

// isNumber reports whether a value is a constant with one element close to x.
func (im *importer) isNumber(name string, x float64) bool {
	v := im.known[name]
	if v.floats == nil {
		return false
	}
	data, err := v.floats.get(im.m.Weights)
	return err == nil && len(data) == 1 && math.Abs(float64(data[0])-x) < 1e-4*math.Abs(x)
}
