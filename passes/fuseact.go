package passes

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// FuseAct makes an activation part of the convolution or dense layer before it, also if
// there are slices or a concat between them. It removes a relu whose operand is never
// negative.
var FuseAct = Pass{
	Name:     "fuse-act",
	Doc:      "makes an activation part of the convolution or dense layer before it",
	Ref:      "Chen 2018 (TVM), section 3",
	Contract: Exact,
	After: []Constraint{
		{"stack-3x3", "a redesign should see the layer's activation as a node of its own"},
		{"factorize", "a redesign should see the layer's activation as a node of its own"},
		{"fold-bn", "a batch norm between convolution and activation would prevent the fusion"},
	},
	Run: func(r *ir.Rewriter, o Options) error {
		// An activation may follow another one, so repeat until nothing changes. Each round
		// removes a node, so this ends.
		for changed := -1; changed != r.Changed; {
			changed = r.Changed
			for _, n := range r.Nodes() {
				if a := actOf(n); a != ops.ActNone {
					fuse(r, n, a)
				}
			}
		}
		return nil
	},
}

func fuse(r *ir.Rewriter, n *ir.Node, a ops.Act) {
	x := n.In[0]
	if soleUser(r, x) != n {
		return
	}
	t, ok := takesAct(r, x, a)
	if !ok {
		liftAct(r, n, a)
		return
	}
	forget(r, t.values...)
	// x has one reader, so it is not an output, and replace cannot return false.
	replace(r, n.Out[0], x)
	r.Remove(n)
	for _, l := range t.layers {
		l.setAct(r, a)
	}
}

// takers are the layers that apply an activation instead of an activation node, and the
// values that this changes.
type takers struct {
	layers []linear
	values []*ir.Value
}

// takesAct returns the layers that must apply the activation a so that x becomes a(x). ok
// is false if that is not possible. Every value between the layers and x must have a
// single reader.
func takesAct(r *ir.Rewriter, x *ir.Value, a ops.Act) (t takers, ok bool) {
	if l, is := asLinear(x.Def); is && l.act == ops.ActNone {
		return takers{[]linear{l}, []*ir.Value{x}}, true
	}
	if a == ops.ActReLU && notNegative(x, maxLook) {
		return t, true
	}
	if x.Def == nil {
		return t, false
	}
	if _, is := x.Def.Op.(ops.Concat); !is {
		return t, false
	}
	t.values = append(t.values, x)
	for _, v := range x.Def.In {
		if a == ops.ActReLU && notNegative(v, maxLook) {
			continue
		}
		if soleUser(r, v) == nil {
			return t, false
		}
		u, ok := takesAct(r, v, a)
		if !ok {
			return t, false
		}
		t.layers = append(t.layers, u.layers...)
		t.values = append(t.values, u.values...)
	}
	return t, true
}

// maxLook is the largest number of nodes that notNegative looks back.
const maxLook = 16

// notNegative reports whether every element of v is +0, positive or NaN, so that
// relu returns the same bits.
func notNegative(v *ir.Value, look int) bool {
	if v.Def == nil || look == 0 {
		return false
	}
	switch op := v.Def.Op.(type) {
	case ops.ReLU, ops.Sigmoid, ops.HardSigmoid, ops.Softmax:
		return true
	case ops.Clip:
		return op.Min >= 0 && !math.Signbit(op.Min)
	case ops.Conv:
		return op.Act.NotNegative()
	case ops.Dense:
		return op.Act.NotNegative()
	case ops.MaxPool, ops.AvgPool, ops.GlobalAvgPool, ops.Slice, ops.Split, ops.Reshape, ops.Flatten, ops.Dropout:
		return notNegative(v.Def.In[0], look-1)
	case ops.Concat, ops.Max:
		for _, x := range v.Def.In {
			if !notNegative(x, look-1) {
				return false
			}
		}
		return true
	}
	return false
}

// liftAct moves the activation n before the slice that it reads, if all readers of the
// layer's output are slices with this activation. merge-siblings leaves such slices if the
// convolutions' activations were separate nodes.
func liftAct(r *ir.Rewriter, n *ir.Node, a ops.Act) {
	cut := n.In[0].Def
	if cut == nil || !cuts(cut.Op) {
		return
	}
	src := cut.In[0]
	l, ok := asLinear(src.Def)
	if !ok || l.act != ops.ActNone || r.IsRoot(src) {
		return
	}
	var acts []*ir.Node
	for _, u := range r.Users(src) {
		if !cuts(u.Op) {
			return
		}
		for _, v := range u.Out {
			act := soleUser(r, v)
			if act == nil || actOf(act) != a {
				return
			}
			acts = append(acts, act)
		}
	}
	forget(r, src)
	for _, act := range acts {
		forget(r, act.In[0])
		// A slice with a single reader is not an output, so replace cannot return false.
		replace(r, act.Out[0], act.In[0])
	}
	r.Remove(acts...)
	l.setAct(r, a)
}

func cuts(op ir.Op) bool {
	switch op.(type) {
	case ops.Slice, ops.Split:
		return true
	}
	return false
}
