package nodes

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

func nodeAddElementwise() {
	for op := range nodeMath {
		nodeOps[op] = nodePlanUnary
	}
	for _, op := range nodeUnaryOps {
		nodeOps[op] = nodePlanUnary
	}
	for _, op := range []string{"Sub", "Div", "Pow", "Mod", "PRelu", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Add", "Mul"} {
		nodeOps[op] = func(p *NodePlan) error { return nodePlanFold(p, 2) }
	}
	for op := range nodeTruth {
		nodeOps[op] = func(p *NodePlan) error { return nodePlanFold(p, 2) }
	}
	for _, op := range []string{"Max", "Min", "Sum", "Mean"} { // a walk has four places
		nodeOps[op] = func(p *NodePlan) error { return nodePlanFold(p, 4) }
	}
	nodeOps["Where"] = nodePlanWhere
	nodeOps["Not"] = nodePlanTest(func(p *NodePlan) func(float64) float64 {
		return func(x float64) float64 { return nodeBit(x == 0) }
	})
	nodeOps["IsNaN"] = nodePlanTest(func(p *NodePlan) func(float64) float64 {
		return func(x float64) float64 { return nodeBit(x != x) }
	})
	nodeOps["IsInf"] = nodePlanTest(func(p *NodePlan) func(float64) float64 {
		neg, pos := p.int("detect_negative", 1) != 0, p.int("detect_positive", 1) != 0
		return func(x float64) float64 { return nodeBit(math.IsInf(x, 1) && pos || math.IsInf(x, -1) && neg) }
	})
	nodeOps["BitwiseNot"] = func(p *NodePlan) error {
		if err := p.need(1, 1); err != nil {
			return err
		}
		if !p.In[0].Kind.Integer() {
			return fmt.Errorf("the operand holds %v (want integers)", p.In[0].Kind)
		}
		p.each(p.In[0].Kind, func(x float64) float64 { return float64(^int64(x)) })
		return nil
	}
	nodeOps["Clip"] = nodePlanClip
	nodeOps["Slope"] = nodePlanSlope
	nodeOps["Cast"] = nodePlanCast
}

// each applies a function to every element of the first operand.
func (p *NodePlan) each(k NodeKind, f func(float64) float64) {
	p.result(k, p.In[0].Shape...)
	p.units, p.work = p.In[0].Len(), 8
	p.run = func(x, y [][]float64, lo, hi int) {
		src, dst := x[0][lo:hi], y[0][lo:hi]
		for i, v := range src {
			dst[i] = p.round(k, f(v))
		}
	}
}

func nodePlanUnary(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	k := p.In[0].Kind
	if k == NodeBool && p.Op != "Identity" {
		return errors.New("the operand holds bools")
	}
	p.each(k, nodeUnary(p))
	return nil
}

func nodePlanTest(make func(p *NodePlan) func(float64) float64) func(p *NodePlan) error {
	return func(p *NodePlan) error {
		if err := p.need(1, 1); err != nil {
			return err
		}
		p.each(NodeBool, make(p))
		return nil
	}
}

// nodeBroadcast returns the shape that several shapes are stretched to.
func nodeBroadcast(shapes ...[]int) ([]int, error) {
	var out []int
	for _, s := range shapes {
		if len(s) > len(out) {
			out = append(slices.Repeat([]int{1}, len(s)-len(out)), out...)
		}
		for i, d := range s {
			o := &out[len(out)-len(s)+i]
			switch {
			case *o == 1:
				*o = d
			case d != 1 && d != *o:
				return nil, fmt.Errorf("shapes %v do not fit each other: axes must be equal or 1", shapes)
			}
		}
	}
	return out, nil
}

// nodeStretch returns the steps of an array that is stretched to a shape.
func nodeStretch(shape, out []int) (s nodeIndex) {
	own := nodeSteps(shape)
	for i, d := range shape {
		if d > 1 {
			s[len(out)-len(shape)+i] = own[i]
		}
	}
	return s
}

// stretched makes a walk through the results, with the places of the operands.
func (p *NodePlan) stretched() (w nodeWalk, shape []int, err error) {
	var shapes [][]int
	for _, t := range p.In {
		shapes = append(shapes, t.Shape)
	}
	if shape, err = nodeBroadcast(shapes...); err != nil {
		return w, nil, err
	}
	if len(shape) > NodeMaxAxes {
		return w, nil, fmt.Errorf("the result has %d axes", len(shape))
	}
	w = newNodeWalk(shape)
	for i, t := range p.In {
		w.step[i] = nodeStretch(t.Shape, shape)
	}
	return w, shape, nil
}

// nodePlanFold folds up to n operands from the left.
func nodePlanFold(p *NodePlan, n int) error {
	low := n
	if n > 2 {
		low = 1
	}
	if err := p.need(low, n); err != nil {
		return err
	}
	if p.Op == "PRelu" { // the slopes are stretched to x only
		if s, err := nodeBroadcast(p.In[0].Shape, p.In[1].Shape); err != nil || !slices.Equal(s, p.In[0].Shape) {
			return fmt.Errorf("slopes of shape %v for %v", p.In[1].Shape, p.In[0].Shape)
		}
	}
	for i := range p.In {
		if !p.has(i) || p.In[i].Kind != p.In[0].Kind && p.Op != "Pow" && p.Op != "BitShift" {
			return fmt.Errorf("operands of kinds %v and %v", p.In[0].Kind, p.In[i].Kind)
		}
	}
	w, shape, err := p.stretched()
	if err != nil {
		return err
	}
	f, k := nodeBinary(p)
	if k == NodeNone {
		k = p.In[0].Kind
	}
	count, mean := len(p.In), p.Op == "Mean"
	p.result(k, shape...)
	p.units, p.work = nodeLen(shape), 8*count
	p.run = func(x, y [][]float64, lo, hi int) {
		w := w
		w.seek(lo)
		for i := lo; i < hi; i++ {
			v := x[0][w.at[0]]
			for o := 1; o < count; o++ {
				v = f(v, x[o][w.at[o]])
			}
			if mean {
				v /= float64(count)
			}
			y[0][i] = p.round(k, v)
			w.next()
		}
	}
	return nil
}

func nodePlanWhere(p *NodePlan) error {
	if err := p.need(3, 3); err != nil {
		return err
	}
	if p.In[0].Kind != NodeBool || p.In[1].Kind != p.In[2].Kind {
		return fmt.Errorf("operands of kinds %v, %v, %v (want bool and two alike)", p.In[0].Kind, p.In[1].Kind, p.In[2].Kind)
	}
	w, shape, err := p.stretched()
	if err != nil {
		return err
	}
	p.result(p.In[1].Kind, shape...)
	p.units, p.work = nodeLen(shape), 8
	p.run = func(x, y [][]float64, lo, hi int) {
		w := w
		w.seek(lo)
		for i := lo; i < hi; i++ {
			if x[0][w.at[0]] != 0 {
				y[0][i] = x[1][w.at[1]]
			} else {
				y[0][i] = x[2][w.at[2]]
			}
			w.next()
		}
	}
	return nil
}

// nodePlanClip takes the bounds as attributes or as operands with one element.
func nodePlanClip(p *NodePlan) error {
	if err := p.need(1, 3); err != nil {
		return err
	}
	least, most := p.float("min", math.Inf(-1)), p.float("max", math.Inf(1))
	for i := 1; i < len(p.In); i++ {
		if p.has(i) && p.In[i].Len() != 1 {
			return errors.New("a bound must be one number")
		}
	}
	k, low, high := p.In[0].Kind, p.has(1), p.has(2)
	p.result(k, p.In[0].Shape...)
	p.units, p.work = p.In[0].Len(), 2
	p.run = func(x, y [][]float64, from, to int) {
		lo, hi := least, most
		if low {
			lo = x[1][0]
		}
		if high {
			hi = x[2][0]
		}
		for i := from; i < to; i++ {
			v := x[0][i]
			if v < lo {
				v = lo
			}
			if v > hi {
				v = hi
			}
			y[0][i] = v
		}
	}
	return nil
}

// NodeKindOf returns the kind with a name, NodeNone if there is none.
func NodeKindOf(name string) NodeKind { return NodeKind(max(0, slices.Index(nodeKindNames[:], name))) }

// nodePlanCast casts to the kind that the attribute to names.
func nodePlanCast(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	to := NodeKindOf(p.attrs["to"])
	if to == NodeNone {
		return fmt.Errorf("a cast to %q", p.attrs["to"])
	}
	p.each(to, func(x float64) float64 { return x })
	return nil
}

// nodePlanSlope is the derivative of the operator that the attribute of names. ONNX has no such
// operator: training needs it.
func nodePlanSlope(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	a, g := p.float("alpha", 1), p.float("gamma", 1.05070102214813232421875)
	var f func(x float64) float64
	switch p.attrs["of"] {
	case "Elu":
		f = func(x float64) float64 { return a * math.Exp(x) }
	case "Celu":
		f = func(x float64) float64 { return math.Exp(x / a) }
	case "Selu":
		a = p.float("alpha", 1.67326319217681884765625)
		f = func(x float64) float64 { return g * a * math.Exp(x) }
	case "ThresholdedRelu":
		p.each(p.In[0].Kind, func(x float64) float64 { return nodeBit(x > a) })
		return nil
	case "Mish":
		p.each(p.In[0].Kind, func(x float64) float64 {
			t := math.Tanh(nodeSoftplus(x))
			return t + x*(1-t*t)*nodeSigmoid(x)
		})
		return nil
	case "Softsign":
		p.each(p.In[0].Kind, func(x float64) float64 { return 1 / ((1 + math.Abs(x)) * (1 + math.Abs(x))) })
		return nil
	default:
		return fmt.Errorf("operator %q has no derivative here", p.attrs["of"])
	}
	selu := p.attrs["of"] == "Selu"
	p.each(p.In[0].Kind, func(x float64) float64 {
		switch {
		case x < 0:
			return f(x)
		case selu:
			return g
		}
		return 1
	})
	return nil
}
