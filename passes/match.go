package passes

import (
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// statics tells which values are computed from params alone.
type statics map[*ir.Value]bool

// has reports whether v is a param or an expression over params. It keeps what
// it found: values do not change from one to the other while a pass runs.
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

// pure reports whether a node computes the same whenever its inputs are the
// same. What exists for training alone may draw random numbers.
func pure(n *ir.Node) bool {
	if _, drop := n.Op.(ops.Dropout); drop {
		return false
	}
	d := ir.DefOf(n.Op)
	return d != nil && !d.Grad
}

// soleUser returns the node that reads v where there is exactly one, reading it
// once, and v does not leave the graph.
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

// replace puts new in the place of old, a value that equals it. It refuses, and
// is false, where the name that users know an output by would be lost: both leave
// the graph, or new is an input or param of the graph.
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

// succeed is replace, and new gets old's name in any case: it is the same value.
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

// forget takes the labels off values that will mean something else from now on,
// such as a convolution's output that is activated in place. The nodes keep the
// part they stand under.
func forget(r *ir.Rewriter, vs ...*ir.Value) {
	g := r.Graph()
	g.Parts = slices.DeleteFunc(g.Parts, func(p ir.Part) bool { return slices.Contains(vs, p.Out) })
}

// linear is a node that multiplies by weights: a convolution or a dense layer.
type linear struct {
	n      *ir.Node
	weight *ir.Value
	bias   *ir.Value // nil where it has none
	act    ops.Act
	conv   ops.Conv // of a convolution
	isConv bool
}

// asLinear looks at a node that may be a convolution or dense layer.
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
	if len(n.In) > 2 {
		l.bias = n.In[2]
	}
	return l, true
}

// asConv is asLinear for convolutions alone.
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

// actOf returns the activation that a node is, ActNone if it is none.
func actOf(n *ir.Node) ops.Act {
	if n == nil {
		return ops.ActNone
	}
	switch n.Op.(type) {
	case ops.ReLU:
		return ops.ActReLU
	case ops.Sigmoid:
		return ops.ActSigmoid
	case ops.Tanh:
		return ops.ActTanh
	}
	return ops.ActNone
}

// opOf returns the op of an activation; it must not be ActNone.
func opOf(a ops.Act) ir.Op {
	switch a {
	case ops.ActSigmoid:
		return ops.Sigmoid{}
	case ops.ActTanh:
		return ops.Tanh{}
	}
	return ops.ReLU{}
}

// layerName is the name under which a layer's weights stand: that of its weight
// without the last element of the path, or, where the weight is an expression
// already, that of its output.
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

// add adds a node that is known to fit and returns its first output; an error is
// kept for Finish.
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

// reshape views v under another shape; v itself where it has it.
func reshape(r *ir.Rewriter, v *ir.Value, shape ...int) *ir.Value {
	if v.Type.Shape.Equal(shape) {
		return v
	}
	return r.Do(ops.Reshape{Shape: ir.DimsOf(shape)}, v)
}

// alongAxis views a vector as a tensor of that rank that stretches along one axis.
func alongAxis(r *ir.Rewriter, v *ir.Value, rank, axis int) *ir.Value {
	shape := make(ir.Shape, rank)
	for i := range shape {
		shape[i] = 1
	}
	shape[axis] = v.Type.Shape.Size()
	return reshape(r, v, shape...)
}

// keepsMeans reports whether a pool's results are weighted means of the map, with
// weights that sum to one: then an affine map of the channels commutes with it.
// Padding that counts breaks the sum; what ceil adds never counts.
func keepsMeans(op ir.Op) bool {
	switch p := op.(type) {
	case ops.AvgPool:
		return !p.IncludePad || p.Pad == ir.Pads{}
	case ops.GlobalAvgPool:
		return true
	}
	return false
}
