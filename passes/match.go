package passes

import (
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// statics remembers which values are static, that is, depend only on params.
type statics map[*ir.Value]bool

// has reports whether v is a param or an expression over params. It remembers the answer:
// while a pass runs, it does not change.
func (s statics) has(v *ir.Value) bool {
	if v.Param != nil {
		return true
	}
	if v.Def == nil || !pure(v.Def) {
		return false
	}
	if r, known := s[v]; known {
		return r
	}
	r := true
	for _, x := range v.Def.In {
		if !s.has(x) {
			r = false
			break
		}
	}
	s[v] = r
	return r
}

// pure reports whether a node always computes the same result from the same inputs. It is
// false for dropout and for ops that occur only in training, which may draw random numbers.
func pure(n *ir.Node) bool {
	if _, drop := n.Op.(ops.Dropout); drop {
		return false
	}
	d := ir.DefOf(n.Op)
	return d != nil && !d.Grad
}

// soleUser returns the only node that reads v. It returns nil if there is none or more than
// one, if the node reads v twice, or if v is a root.
func soleUser(r *ir.Rewriter, v *ir.Value) *ir.Node {
	us := r.Users(v)
	if len(us) != 1 || r.IsRoot(v) {
		return nil
	}
	times := 0
	for _, x := range us[0].In {
		if x == v {
			times++
		}
	}
	if times != 1 {
		return nil
	}
	return us[0]
}

// replace makes everything that refers to old refer to new, an equal value. If old is a
// root, new gets its name. It does nothing and returns false if new cannot have that name:
// if old is a root, and new is a root too, an input or a param.
func replace(r *ir.Rewriter, old, new *ir.Value) bool {
	if r.IsRoot(old) {
		if new.Def == nil || r.IsRoot(new) {
			return false
		}
		name := old.Name
		r.Replace(old, new)
		if new.Name != name {
			old.Name, new.Name = new.Name, old.Name
		}
		return true
	}
	r.Replace(old, new)
	return true
}

// succeed is replace, but new gets old's name also if old is not a root.
func succeed(r *ir.Rewriter, old, new *ir.Value) bool {
	name := old.Name
	if !replace(r, old, new) {
		return false
	}
	if new.Name != name && new.Def != nil && !r.IsRoot(new) {
		old.Name, new.Name = new.Name, old.Name
	}
	return true
}

// forget removes the labelled parts whose results are the given values. A pass calls it
// before it changes what a value means, such as a convolution's output that will include
// the activation. The nodes keep their Part.
func forget(r *ir.Rewriter, vs ...*ir.Value) {
	g := r.Graph()
	g.Parts = slices.DeleteFunc(g.Parts, func(p ir.Part) bool { return slices.Contains(vs, p.Out) })
}

// linear is a convolution or a dense layer, with its operands and attributes.
type linear struct {
	n      *ir.Node
	weight *ir.Value
	bias   *ir.Value // nil if it has none
	act    ops.Act
	conv   ops.Conv // the op if it is a convolution
	isConv bool
}

// asLinear describes a convolution or a dense layer. ok is false for other nodes, nil, and layers
// with quantized weights, which must stay as they are.
func asLinear(n *ir.Node) (l linear, ok bool) {
	if n == nil {
		return l, false
	}
	switch op := n.Op.(type) {
	case ops.Conv:
		l = linear{n: n, act: op.Act, conv: op, isConv: true}
	case ops.Dense:
		l = linear{n: n, act: op.Act}
	default:
		return l, false
	}
	l.weight = n.In[1]
	if _, _, quantized := ops.QuantizedWeight(l.weight); quantized {
		return linear{}, false
	}
	if len(n.In) > 2 {
		l.bias = n.In[2]
	}
	return l, true
}

// asConv describes a convolution. ok is false for other nodes and nil.
func asConv(n *ir.Node) (l linear, ok bool) {
	l, ok = asLinear(n)
	return l, ok && l.isConv
}

// kernel returns the height and width of a convolution's filters.
func (l linear) kernel() ir.HW { return ir.HW{l.weight.Type.Shape[2], l.weight.Type.Shape[3]} }

// outs returns the number of output channels or units.
func (l linear) outs() int { return l.weight.Type.Shape[0] }

// static reports whether weight and bias are params or expressions over them.
func (l linear) static(s statics) bool {
	return s.has(l.weight) && (l.bias == nil || s.has(l.bias))
}

// set gives the node other weights and a bias, which may be nil.
func (l linear) set(r *ir.Rewriter, weight, bias *ir.Value) {
	in := []*ir.Value{l.n.In[0], weight}
	if bias != nil {
		in = append(in, bias)
	}
	r.SetIn(l.n, in...)
}

// setAct gives the node an activation.
func (l linear) setAct(r *ir.Rewriter, a ops.Act) {
	switch op := l.n.Op.(type) {
	case ops.Conv:
		op.Act = a
		r.SetOp(l.n, op)
	case ops.Dense:
		op.Act = a
		r.SetOp(l.n, op)
	}
}

// actOf returns the activation that a node applies, ActNone if it is another op or nil.
func actOf(n *ir.Node) ops.Act {
	if n == nil {
		return ops.ActNone
	}
	return ops.ActOf(n.Op)
}

// layerName returns the common prefix of the names of a layer's weights: the name of its
// weight without the last element of the path. If the weight is an expression, it returns
// the name of the layer's output.
func layerName(l linear) string {
	if l.weight.Param != nil {
		if dir, _, ok := cutLast(l.weight.Name); ok {
			return dir
		}
	}
	return l.n.Out[0].Name
}

// cutLast splits a path at its last slash.
func cutLast(path string) (dir, last string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// add adds a node and returns its first output. Finish returns the error if the operands do
// not fit.
func add(r *ir.Rewriter, name string, op ir.Op, in ...*ir.Value) *ir.Value {
	if r.Err() != nil {
		return &ir.Value{Name: "?"}
	}
	n, err := r.Add(name, op, in...)
	if err != nil {
		r.Fail(err)
		return &ir.Value{Name: "?"}
	}
	return n.Out[0]
}

// reshape returns v with another shape. It returns v itself if it has that shape.
func reshape(r *ir.Rewriter, v *ir.Value, shape ...int) *ir.Value {
	if v.Type.Shape.Equal(shape) {
		return v
	}
	return r.Do(ops.Reshape{Shape: ir.DimsOf(shape)}, v)
}

// alongAxis reshapes a vector to a tensor of the given rank, whose axes all have extent 1
// except the given one, so that it broadcasts along the others.
func alongAxis(r *ir.Rewriter, v *ir.Value, rank, axis int) *ir.Value {
	shape := make(ir.Shape, rank)
	for i := range shape {
		shape[i] = 1
	}
	shape[axis] = v.Type.Shape.Size()
	return reshape(r, v, shape...)
}

// keepsMeans reports whether a pool computes means whose weights sum to one. Then an affine
// map of the channels can be applied before or after the pool. With include_pad the
// weights of windows at the border sum to less than one, because padding counts.
func keepsMeans(op ir.Op) bool {
	switch p := op.(type) {
	case ops.AvgPool:
		return !p.IncludePad || p.Pad == ir.Pads{}
	case ops.GlobalAvgPool:
		return true
	}
	return false
}
