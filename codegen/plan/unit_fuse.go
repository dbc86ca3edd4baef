package plan

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// units divides the nodes of the graph into units.
func units(g *ir.Graph, roots map[*ir.Value]bool, low Lowering, train bool) []*Unit {
	f := &fuser{g: g, symbolic: Symbolic(g), low: low, train: train, roots: roots, users: g.Users(), done: map[*ir.Node]*Unit{}, at: map[*ir.Node]int{}}
	for i, n := range g.Nodes {
		f.at[n] = i
	}
	// A unit takes the position of its last node: by then everything that it reads
	// has been computed, and its outputs are first read after that.
	last := make([][]*Unit, len(g.Nodes))
	for _, n := range g.Nodes {
		if f.done[n] != nil {
			continue
		}
		u := f.unit(n)
		for _, m := range u.Nodes {
			f.done[m] = u
		}
		end := f.end(u)
		last[end] = append(last[end], u)
	}
	var us []*Unit
	for _, l := range last {
		us = append(us, l...)
	}
	return us
}

// end is the position at which a unit is computed.
func (f *fuser) end(u *Unit) (end int) {
	if _, norm := u.Node.Op.(ops.BatchNormTrain); len(u.Wrote) > 1 && !norm {
		return f.at[u.Node]
	}
	for _, m := range u.Nodes {
		if m != u.Pool { // a fused pool reads only the unit's own result
			end = max(end, f.at[m])
		}
	}
	return end
}

type fuser struct {
	g        *ir.Graph
	symbolic bool
	low      Lowering
	train    bool
	roots    map[*ir.Value]bool
	users    map[*ir.Value][]*ir.Node
	done     map[*ir.Node]*Unit
	at       map[*ir.Node]int
}

// only returns the one node that reads v. It returns nil if several nodes read v or
// if v itself must be kept.
func (f *fuser) only(v *ir.Value) *ir.Node {
	if f.roots[v] || len(f.users[v]) != 1 {
		return nil
	}
	n := f.users[v][0]
	if f.done[n] != nil {
		return nil
	}
	return n
}

func (f *fuser) unit(n *ir.Node) *Unit {
	u := &Unit{Node: n, Nodes: []*ir.Node{n}, Residual: -1, Scale: 1, Wrote: append([]*ir.Value(nil), n.Out...)}
	for _, v := range n.In {
		if v != nil && v.Param == nil {
			u.Read = append(u.Read, v)
		}
	}
	if !f.train && slices.ContainsFunc(n.Out, func(v *ir.Value) bool { return General(v, f.symbolic) }) {
		return u // it becomes a node (ops.Node)
	}
	if w := f.norm(n); w != nil {
		return w
	}
	switch op := n.Op.(type) {
	case ops.Conv:
		f.weighted(u, op.Act)
	case ops.Dense:
		f.weighted(u, op.Act)
	case ops.Flatten:
		if w := f.flat(u); w != nil {
			return w
		}
	case ops.Quantize:
		if w := f.before(n); w != nil {
			return w
		}
	case ops.Transpose:
		f.resize(u)
	case ops.MaxPool:
		if d, masked := f.indices(n); d != nil {
			u.Indices, u.IndexReLU, u.Wrote = true, masked != nil, append(u.Wrote, n.In[0])
		}
	case ops.MaxPoolDx:
		f.masked(u, n.In[1])
	case ops.ConvDx:
		if f.maskedProduct(u); !u.Masked {
			return f.maskedResidual(u)
		}
	case ops.MatMul:
		if m := f.only(n.Out[0]); f.train && m != nil && f.low.Mapped(n.Out[0]) {
			u.Nodes, u.Wrote[0] = append(u.Nodes, m), m.Out[0]
			f.maskedProduct(u)
		}
	case ops.ReLUDx, ops.ClipDx:
		if b := f.normGradient(n); b != nil {
			w := f.unit(b)
			w.NormAct, w.Nodes, w.Read[0] = n.In[1].Def, append([]*ir.Node{n}, w.Nodes...), u.Read[0]
			return w
		}
		if _, ok := n.Op.(ops.ReLUDx); ok {
			f.summed(u)
		}
	case ops.BatchNormTrain:
		return f.batchNorm(u)
	case ops.Add, ops.Sub, ops.Mul, ops.Max, ops.BatchNorm:
		u.Acts = []ops.Act{ops.ActNone}
		f.shift(u)
		f.act(u, 0)
		f.quantize(u)
		f.maskedSum(u)
	}
	return u
}

// flat returns the unit of a dense layer that alone reads u, a flatten of maps; nil if there is
// none. Such a layer is a convolution with a kernel of the maps' size. In training the weights lie
// in the order that their gradients need, or would need if they were not frozen.
func (f *fuser) flat(u *Unit) *Unit {
	n := u.Node
	d := f.only(n.Out[0])
	if d == nil || f.train || len(u.Read) != 1 || len(u.Read[0].Type.Shape) != 4 {
		return nil
	}
	if _, ok := d.Op.(ops.Dense); !ok || d.In[0] != n.Out[0] || len(d.In) < 2 || d.In[1].Param == nil {
		return nil
	}
	w := f.unit(d)
	w.Flat = n
	w.Nodes = append([]*ir.Node{n}, w.Nodes...)
	w.Read[0] = u.Read[0]
	return w
}

// weighted fuses to a convolution or dense layer, which has an activation of its own or none, what
// follows it. It fuses nothing where the weight is not a param but computed.
func (f *fuser) weighted(u *Unit, act ops.Act) {
	u.Acts, u.Ranges = []ops.Act{act}, []int{0}
	if n := u.Node; len(n.In) < 2 || n.In[1].Param == nil || f.split(u) {
		return
	}
	if act == ops.ActNone {
		f.residual(u)
		f.act(u, 0)
	}
	if f.pool(u); u.Pool == nil {
		f.quantize(u)
	}
}

// quantize fuses a quantize that is the only reader of the result.
func (f *fuser) quantize(u *Unit) {
	m := f.only(u.Wrote[0])
	if m == nil || len(u.Wrote) != 1 || len(m.In) != 1 {
		return
	}
	if _, ok := m.Op.(ops.Quantize); ok {
		u.Nodes, u.Quantize, u.Wrote = append(u.Nodes, m), m, []*ir.Value{m.Out[0]}
	}
}

// inputChannels is up to how many channels of an input a convolution can quantize itself.
const inputChannels = 4

// before returns the unit of the convolution that is the only reader of a quantize of an input of the
// graph, with the quantize fused to it, else nil.
func (f *fuser) before(n *ir.Node) *Unit {
	x := n.In[0]
	if f.train || len(n.In) != 1 || x.Def != nil || x.Param != nil || len(x.Type.Shape) != 4 || x.Type.Shape[1] > inputChannels {
		return nil
	}
	m := f.only(n.Out[0])
	if m == nil {
		return nil
	}
	if _, ok := m.Op.(ops.Conv); !ok || len(m.In) < 2 || m.In[1].Param == nil {
		return nil
	}
	u := f.unit(m)
	u.Before, u.Nodes, u.Read[0] = n, append([]*ir.Node{n}, u.Nodes...), x
	return u
}

// pairs reports whether the windows of a max pool are 2 x 2, adjacent and inside the map. Then
// every element belongs to at most one window (elements of an odd last row or column belong to
// none), and no window crosses the edge of a tile with even sides.
func pairs(n *ir.Node) bool {
	op, ok := n.Op.(ops.MaxPool)
	if !ok || op.Kernel != (ir.HW{2, 2}) || op.Stride != (ir.HW{2, 2}) || op.Pad != (ir.Pads{}) {
		return false
	}
	x, y := n.In[0].Type.Shape, n.Out[0].Type.Shape // with ceil, y may be larger than half of x
	return 2*y[2] <= x[2] && 2*y[3] <= x[3]
}

// indices returns the gradient of a max pool if the pool should write indices for it, else
// nil. It also returns the gradient of the ReLU before the pool if it is fused, else nil.
func (f *fuser) indices(pool *ir.Node) (gradient, masked *ir.Node) {
	if !f.train || !pairs(pool) {
		return nil, nil
	}
	x := pool.In[0]
	for _, m := range f.users[x] {
		if _, ok := m.Op.(ops.MaxPoolDx); !ok || m.In[1] != x {
			continue
		}
		if gradient != nil {
			return nil, nil // several pools read x
		}
		gradient = m
	}
	if gradient == nil || ops.MaxPool(gradient.Op.(ops.MaxPoolDx)) != pool.Op || gradient.In[0] == x || f.at[gradient] < f.at[pool] {
		return nil, nil
	}
	return gradient, f.mask(gradient.Out[0], x)
}

// pool fuses a max pool to a convolution if nothing else reads the convolution's output.
// In a training step two readers do not count: the pool's gradient, which can read indices
// instead, and the gradient of a ReLU that is fused to it.
func (f *fuser) pool(u *Unit) {
	if _, ok := u.Node.Op.(ops.Conv); !ok || u.Residual >= 0 {
		return
	}
	v := u.Wrote[0]
	var m *ir.Node
	for _, x := range f.users[v] {
		if _, ok := x.Op.(ops.MaxPool); ok {
			m = x
			break
		}
	}
	if f.roots[v] || m == nil || f.done[m] != nil || !pairs(m) {
		return
	}
	gradient, masked := f.indices(m)
	for _, x := range f.users[v] {
		if x != m && x != gradient && x != masked {
			return
		}
	}
	u.Nodes, u.Pool, u.Wrote = append(u.Nodes, m), m, []*ir.Value{m.Out[0]}
	if gradient != nil {
		u.Indices, u.IndexReLU, u.Wrote = true, masked != nil, append(u.Wrote, v)
	}
}

// apart splits a unit with a Before, a Pool or a Quantize into two units: the first of these is alone.
func (u *Unit) apart() [2]*Unit {
	if q := u.Before; q != nil {
		rest := *u
		rest.In, rest.Nodes, rest.Before = nil, u.Nodes[1:], nil
		rest.Read = append([]*ir.Value{q.Out[0]}, u.Read[1:]...)
		return [2]*Unit{{Node: q, Nodes: []*ir.Node{q}, Read: u.Read[:1], Wrote: q.Out, Residual: -1, Scale: 1}, &rest}
	}
	if q := u.Quantize; q != nil {
		first := *u
		first.In, first.Nodes, first.Wrote, first.Quantize = nil, u.Nodes[:len(u.Nodes)-1], []*ir.Value{q.In[0]}, nil
		return [2]*Unit{&first, {Node: q, Nodes: []*ir.Node{q}, Read: []*ir.Value{q.In[0]}, Wrote: u.Wrote, Residual: -1, Scale: 1}}
	}
	v := u.Pool.In[0]
	conv := *u
	conv.In, conv.Nodes, conv.Wrote, conv.Pool, conv.Indices, conv.IndexReLU = nil, u.Nodes[:len(u.Nodes)-1], []*ir.Value{v}, nil, false, false
	return [2]*Unit{&conv, {Node: u.Pool, Nodes: []*ir.Node{u.Pool}, Read: []*ir.Value{v}, Wrote: u.Wrote, Residual: -1, Scale: 1, Indices: u.Indices, IndexReLU: u.IndexReLU}}
}

// shift fuses the addition of a param to the product with a param, if both params have one
// number for each channel of a map.
func (f *fuser) shift(u *Unit) {
	if _, ok := u.Node.Op.(ops.Mul); !ok || f.train || perChannel(u.Node) == nil {
		return
	}
	m := f.only(u.Wrote[0])
	if m == nil {
		return
	}
	if _, ok := m.Op.(ops.Add); !ok {
		return
	}
	if u.Shift = perChannel(m); u.Shift != nil {
		u.Nodes, u.Wrote[0] = append(u.Nodes, m), m.Out[0]
	}
}

// perChannel returns the param that a node combines with a map, if it has one number for each
// channel, else nil.
func perChannel(n *ir.Node) *ir.Value {
	if len(n.In) != 2 {
		return nil
	}
	x, p := n.In[0], n.In[1]
	if x.Param != nil {
		x, p = p, x
	}
	out := n.Out[0].Type.Shape
	if x.Param != nil || p.Param == nil || len(out) != 4 || !x.Type.Shape.Equal(out) {
		return nil
	}
	if s := p.Type.Shape; s.Size() == out[1] && len(s) >= 3 && s[len(s)-3] == out[1] {
		return p
	}
	return nil
}

// act fuses an activation if it is the only reader of output i.
func (f *fuser) act(u *Unit, i int) {
	m := f.only(u.Wrote[i])
	if m == nil || u.Acts[i] != ops.ActNone {
		return
	}
	a := ops.ActOf(m.Op)
	if a == ops.ActNone {
		return
	}
	u.Acts[i] = a
	u.Nodes = append(u.Nodes, m)
	u.Wrote[i] = m.Out[0]
}

// maskedProduct fuses the gradient of a ReLU to the gradient of the convolution or dense
// layer that read the ReLU's output. This layer must be the only reader: the gradients of
// other readers would have to be added before the mask.
func (f *fuser) maskedProduct(u *Unit) {
	m := f.only(u.Wrote[0])
	if m == nil || len(m.In) < 2 || f.normGradient(m) != nil {
		return
	}
	y := m.In[1]
	if y == u.Read[0] || y.Param != nil || y.Def != nil && f.at[y.Def] > f.at[u.Node] {
		return
	}
	if f.masked(u, y); u.Masked {
		u.Read = append(u.Read, y)
	}
}

// batchNorm fuses a residual and an activation to a batch norm of a training step. The statistics, its
// other outputs, are then known only behind these, so nothing may read them before.
func (f *fuser) batchNorm(u *Unit) *Unit {
	plain := *u
	plain.Wrote, u.Acts = slices.Clone(u.Wrote), []ops.Act{ops.ActNone}
	plain.Acts = u.Acts
	f.residual(u)
	if u.Scale != 1 {
		return &plain
	}
	f.act(u, 0)
	end := f.end(u)
	for _, v := range u.Wrote[1:] {
		for _, n := range f.users[v] {
			if f.at[n] < end {
				return &plain
			}
		}
	}
	return u
}

// normGradient returns the gradient of a batch norm if all that it reads of dy is the gradient m of
// a ReLU or clip right behind that batch norm, else nil.
func (f *fuser) normGradient(m *ir.Node) *ir.Node {
	b := f.only(m.Out[0])
	if b == nil || len(m.In) < 2 || m.In[1].Def == nil || f.done[m] != nil {
		return nil
	}
	a := m.In[1].Def
	switch op := m.Op.(type) {
	case ops.ReLUDx:
		if _, ok := a.Op.(ops.ReLU); !ok {
			return nil
		}
	case ops.ClipDx:
		if a.Op != ir.Op(ops.Clip(op)) {
			return nil
		}
	default:
		return nil
	}
	back, ok := b.Op.(ops.BatchNormDx)
	t := a.In[0].Def
	if !ok || t == nil || b.In[0] != m.Out[0] || b.In[1] == m.Out[0] {
		return nil
	}
	norm, ok := t.Op.(ops.BatchNormTrain)
	if !ok || norm.Eps != back.Eps || a.In[0] != t.Out[0] || b.In[1] != t.In[0] || b.In[2] != t.In[1] || b.In[3] != t.Out[1] || b.In[4] != t.Out[2] {
		return nil
	}
	return b
}

// maskedSum fuses the gradient of a ReLU to the sum of the gradients of those that read its output.
func (f *fuser) maskedSum(u *Unit) {
	if _, ok := u.Node.Op.(ops.Add); !ok || len(u.Read) < 2 || len(u.Read) != len(u.Node.In) {
		return
	}
	shape := u.Wrote[0].Type.Shape
	if !slices.ContainsFunc(u.Read, func(v *ir.Value) bool { return !v.Type.Shape.Equal(shape) }) {
		f.maskSum(u)
	}
}

// maskedResidual fuses that sum of two gradients and the gradient of the ReLU to the gradient of a
// convolution without strides, or nothing.
func (f *fuser) maskedResidual(u *Unit) *Unit {
	if op := u.Node.Op.(ops.ConvDx); !f.train || op.Stride != (ir.HW{1, 1}) {
		return u
	}
	plain := *u
	plain.Wrote = slices.Clone(u.Wrote)
	if f.residual(u); u.Residual >= 0 && u.Scale == 1 {
		f.maskSum(u)
	}
	if !u.Masked {
		return &plain
	}
	return u
}

// maskSum fuses the gradient of a ReLU to the unit that computes a sum of gradients of maps.
func (f *fuser) maskSum(u *Unit) {
	m := f.only(u.Wrote[0])
	if m == nil || !f.train || len(m.Out[0].Type.Shape) != 4 {
		return
	}
	if _, ok := m.Op.(ops.ReLUDx); !ok || m.In[0] != u.Wrote[0] || f.normGradient(m) != nil {
		return
	}
	for _, r := range f.users[m.Out[0]] {
		if op, ok := r.Op.(ops.Reduce); ok && op.Kind == ops.ReduceSum {
			return // the kernel of the mask alone computes sums, too
		}
	}
	u.Nodes, u.Masked, u.Wrote[0], u.Read = append(u.Nodes, m), true, m.Out[0], append(u.Read, m.In[1])
}

// masked fuses the gradient of a ReLU, and the sum of that gradient, to the gradient of
// the pool, convolution or dense layer that read the ReLU's output y.
func (f *fuser) masked(u *Unit, y *ir.Value) {
	m := f.mask(u.Wrote[0], y)
	if m == nil {
		return
	}
	u.Nodes, u.Masked, u.Wrote[0] = append(u.Nodes, m), true, m.Out[0]
	f.summed(u)
}

// mask returns the gradient node of the ReLU whose output is y, if it is the only reader of dy.
func (f *fuser) mask(dy, y *ir.Value) *ir.Node {
	m := f.only(dy)
	if m == nil {
		return nil
	}
	if _, ok := m.Op.(ops.ReLUDx); !ok || m.In[0] != dy || m.In[1] != y {
		return nil
	}
	return m
}

// summed fuses the sum over images and pixels (the gradient of a bias) to the unit that computes
// the gradient of a map.
func (f *fuser) summed(u *Unit) {
	for _, m := range f.users[u.Wrote[0]] {
		if op, ok := m.Op.(ops.Reduce); ok && f.done[m] == nil && op.Kind == ops.ReduceSum && op.Axes == "0,2,3" && !op.Keep {
			u.Nodes, u.Summed, u.Wrote = append(u.Nodes, m), true, append(u.Wrote, m.Out[0])
			return
		}
	}
}

// residual fuses the addition in x + by * conv or x + conv to the convolution, if all shapes are
// equal (Szegedy 2017, section 3.3).
func (f *fuser) residual(u *Unit) {
	v := u.Wrote[0]
	m := f.only(v)
	if m == nil {
		return
	}
	var nodes []*ir.Node
	scale := 1.0
	if s, ok := m.Op.(ops.Scale); ok {
		nodes, v, scale = append(nodes, m), m.Out[0], s.By
		if m = f.only(v); m == nil {
			return
		}
	}
	if _, ok := m.Op.(ops.Add); !ok || len(m.In) != 2 || m.In[0] == m.In[1] {
		return
	}
	x := m.In[0]
	if x == v {
		x = m.In[1]
	}
	if x.Param != nil || !x.Type.Shape.Equal(v.Type.Shape) || len(v.Type.Shape) != 4 {
		return
	}
	u.Nodes = append(append(u.Nodes, nodes...), m)
	u.Residual, u.Scale = len(u.Read), scale
	u.Read = append(u.Read, x)
	u.Wrote[0] = m.Out[0]
}

// split fuses slices (or one split) that cut the output of a convolution into at most
// four pieces, using each channel once. The convolution then writes each piece to its own
// place. Activations before or after the slices are fused too.
func (f *fuser) split(u *Unit) bool {
	v := u.Node.Out[0]
	// Each piece begins a new block of 16 channels, so the weights are packed differently than
	// for the whole output. In training this is not possible: the gradient of the weights has the
	// order for the whole output.
	if len(v.Type.Shape) != 4 || f.train {
		return false
	}
	if c, ok := u.Node.Op.(ops.Conv); !ok || c.Groups > 1 {
		return false
	}
	nodes, act := []*ir.Node(nil), u.Acts[0]
	if m := f.only(v); m != nil && act == ops.ActNone {
		switch m.Op.(type) {
		case ops.ReLU:
			act, nodes, v = ops.ActReLU, append(nodes, m), m.Out[0]
		}
	}
	if f.roots[v] {
		return false
	}
	type piece struct {
		start, stop int
		v           *ir.Value
	}
	var ps []piece
	for _, m := range f.users[v] {
		if f.done[m] != nil {
			return false
		}
		switch op := m.Op.(type) {
		case ops.Slice:
			if op.Axis != 1 {
				return false
			}
			ps = append(ps, piece{op.Start, op.Stop, m.Out[0]})
		case ops.Split:
			if op.Axis != 1 {
				return false
			}
			at := 0
			for _, o := range m.Out {
				ps = append(ps, piece{at, at + o.Type.Shape[1], o})
				at += o.Type.Shape[1]
			}
		default:
			return false
		}
		nodes = append(nodes, m)
	}
	if len(ps) < 2 || len(ps) > 4 {
		return false
	}
	for i := range ps { // insertion sort by first channel
		for j := i; j > 0 && ps[j].start < ps[j-1].start; j-- {
			ps[j], ps[j-1] = ps[j-1], ps[j]
		}
	}
	at := 0
	for _, p := range ps {
		if p.start != at || p.stop <= p.start || p.stop-p.start != p.v.Type.Shape[1] {
			return false
		}
		at = p.stop
	}
	if at != v.Type.Shape[1] {
		return false
	}
	u.Nodes = append(u.Nodes, nodes...)
	u.Wrote, u.Acts, u.Ranges = nil, nil, nil
	for i, p := range ps {
		u.Wrote = append(u.Wrote, p.v)
		u.Acts = append(u.Acts, act)
		u.Ranges = append(u.Ranges, p.start)
		f.act(u, i)
	}
	return true
}

// missing returns the error for a unit without a lowering.
func missing(u *Unit) error {
	return fmt.Errorf("%s: %s has no lowering: %w", u.Name(), ir.Name(u.Node.Op), ErrUnsupported)
}
