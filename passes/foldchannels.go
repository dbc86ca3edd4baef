package passes

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// perChannel folds a product or a sum with one static number for each channel into the weights and
// the bias of the layer before it. It reports whether it did.
func (f linearFolder) perChannel(n *ir.Node) bool {
	_, isMul := n.Op.(ops.Mul)
	_, isAdd := n.Op.(ops.Add)
	if !isMul && !isAdd || len(n.In) != 2 {
		return false
	}
	x, p := n.In[0], n.In[1]
	if f.st.has(x) {
		x, p = p, x
	}
	l, ok := asLinear(x.Def)
	if !ok || l.act != ops.ActNone || !l.static(f.st) || !f.st.has(p) || soleUser(f.r, x) != n || !n.Out[0].Type.Equal(x.Type) || !channels(p, l) {
		return false
	}
	r := f.r
	forget(r, x)
	replace(r, n.Out[0], x)
	r.For(l.n)
	name := layerName(l)
	p = reshape(r, p, l.outs())
	w, b := l.weight, l.bias
	switch {
	case isMul:
		w = add(r, name+"/weight.channels", ops.Mul{}, w, alongAxis(r, p, len(w.Type.Shape), 0))
		if b != nil {
			b = add(r, name+"/bias.channels", ops.Mul{}, b, p)
		}
	case b != nil:
		b = add(r, name+"/bias.channels", ops.Add{}, b, p)
	default:
		b = p
		if b.Param == nil {
			b.Name = r.Fresh(name + "/bias.channels")
		}
	}
	l.set(r, w, b)
	r.Remove(n)
	return true
}

// channels reports whether p has one number for each channel of a layer's output.
func channels(p *ir.Value, l linear) bool {
	s, axis := p.Type.Shape, 1 // of the channels, from the right
	if l.isConv {
		axis = 3
	}
	return len(s) >= axis && s[len(s)-axis] == l.outs() && s.Size() == l.outs()
}
