package cpu

import (
	"slices"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// The rows of a training step. Weights, their gradients and the optimizer's slots
// lie in the order of the kernel that computes with the weight forwards, from the
// first step to the last: the optimizer works element by element, backward-weights
// writes that order, and backward-data repacks from it.

// training is what is known of a training graph before it is planned.
type training struct {
	packing map[*ir.Value]plan.Packing
	updates map[*ir.Value]*ir.Value // what becomes the new value of which param
	// pixels holds flattened maps, and gradients of flattened maps, whose elements are in the
	// order of kernel.PixelsToVector.
	pixels map[*ir.Value]bool
	// flat and mapped are used where convolutions are in N16. flat holds flattened maps
	// that dense layers read in place, as maps; mapped holds flattened gradients that dense
	// layers write in place, as maps.
	flat, mapped map[*ir.Value]bool
	// normed holds the gradients whose global norm is taken. summed holds those of them
	// whose kernel also writes their sums of squares; sums is the array of all these sums.
	normed, summed map[*ir.Value]bool
	sums           *plan.Tensor
	// again holds recomputed batch norms, which must not update the running statistics a
	// second time.
	again map[*ir.Node]bool
}

// sharing tells ops whose operands and results of one shape are the same array
// at different times: a weight, its gradient, its slots.
func sharing(op ir.Op) bool {
	switch op.(type) {
	case ops.SGD, ops.RMSProp, ops.Adam, ops.Average, ops.PenaltyDx, ops.ClipNorm, ops.ClipValue, ops.MaxNorm, ops.Add:
		return true
	}
	return false
}

// newTraining finds out how every array without a batch lies.
// N16 says whether convolutions are computed in N16; the values in keep are read as
// they are after a run.
func newTraining(g *ir.Graph, lanes bool, keep []*ir.Value) *training {
	t := &training{packing: map[*ir.Value]plan.Packing{}, updates: map[*ir.Value]*ir.Value{}, pixels: map[*ir.Value]bool{},
		flat: map[*ir.Value]bool{}, mapped: map[*ir.Value]bool{}, normed: map[*ir.Value]bool{}, summed: map[*ir.Value]bool{}, again: map[*ir.Node]bool{}}
	for _, u := range g.Updates {
		t.updates[u.Value] = u.Param
	}
	inputs := map[*ir.Value]bool{}
	for _, v := range g.Inputs {
		inputs[v] = true
	}
	users, roots := g.Users(), map[*ir.Value]bool{}
	for _, v := range slices.Concat(g.Roots(), keep) {
		roots[v] = true
	}
	norms, times := 0, map[*ir.Value]int{}
	for _, n := range g.Nodes {
		if _, ok := n.Op.(ops.GlobalNorm); ok {
			norms++
			for _, v := range n.In {
				times[v]++
				t.normed[v] = times[v] == 1
			}
		}
	}
	if norms > 1 { // whose sums would lie among each other
		clear(t.normed)
	}
	set := func(v *ir.Value, p plan.Packing) {
		if _, ok := t.packing[v]; !ok {
			t.packing[v] = p
		}
	}
	vector := func(v *ir.Value) {
		set(v, plan.Packing{How: kernel.PackBlocked, Arg: 1, Len: kernel.Blocks(v.Type.Shape.Size()) * kernel.Block})
	}
	for _, n := range g.Nodes {
		switch op := n.Op.(type) {
		case ops.Conv:
			x, y, w := n.In[0].Type.Shape, n.Out[0].Type.Shape, n.In[1].Type.Shape
			k := kernel.Conv{IC: x[1], H: y[2], W: y[3], KH: w[2], KW: w[3], SH: op.Stride[0], SW: op.Stride[1], DH: op.Dilation[0], DW: op.Dilation[1],
				PH: op.Pad[0], PW: op.Pad[1], Groups: op.Groups, Outputs: [4]kernel.Output{{C: y[1]}}}
			if lanes {
				k := kernel.N16Conv{Conv: k}
				set(n.In[1], plan.Packing{How: kernel.PackWeight, By: k, Len: k.PackedLen()})
			} else {
				k.Planar = inputs[n.In[0]] && x[1] <= planarChannels && op.Groups == 1
				var by worker = k
				if kernel.DepthwiseTrains(k) {
					by = kernel.Depthwise{Conv: k}
				}
				set(n.In[1], plan.Packing{How: kernel.PackWeight, By: by, Len: by.PackedLen()})
			}
			if len(n.In) > 2 {
				vector(n.In[2])
			}
		case ops.Dense:
			x, y := n.In[0].Type.Shape, n.Out[0].Type.Shape
			k := kernel.Dense{C: x[1], H: 1, W: 1, Out: kernel.Output{C: y[1]}}
			if vs, m, ok := flattened(n, users, roots); ok && lanes {
				t.flat[vs[0]] = !inputs[vs[0].Def.In[0]]
				for _, v := range vs[1:] {
					t.mapped[v] = true
				}
			} else if ok && m[1]%kernel.Block == 0 {
				k.C, k.H, k.W = m[1], m[2], m[3]
				for _, v := range vs {
					t.pixels[v] = true
				}
			}
			set(n.In[1], plan.Packing{How: kernel.PackWeight, By: k, Len: k.PackedLen()})
			if len(n.In) > 2 {
				vector(n.In[2])
			}
		case ops.CrossEntropy:
			if len(n.In) > 2 {
				vector(n.In[2])
			}
		case ops.FakeQuantize:
			vector(n.In[1])
		case ops.BatchNorm:
			for _, v := range n.In[1:] {
				vector(v)
			}
		case ops.BatchNormTrain:
			for _, v := range n.In[1:] {
				vector(v)
			}
			for _, v := range n.Out[1:] {
				vector(v)
			}
			idle := func(v *ir.Value) bool { return len(users[v]) == 0 && !roots[v] }
			t.again[n] = idle(n.Out[3]) && idle(n.Out[4])
		}
	}
	// From weights to what becomes of them, and from what becomes of gradients back.
	for changed := true; changed; {
		changed = false
		for _, n := range g.Nodes {
			if !sharing(n.Op) || n.Out[0].Type.Shape.Symbolic() || len(n.Out[0].Type.Shape) == 0 {
				continue
			}
			var p plan.Packing
			for _, vs := range [2][]*ir.Value{n.In, n.Out} {
				for _, v := range vs {
					if q := t.packing[v]; p.Len == 0 && v.Type.Equal(n.Out[0].Type) {
						p = q
					}
				}
			}
			if p.Len == 0 {
				continue
			}
			for _, vs := range [2][]*ir.Value{n.In, n.Out} {
				for _, v := range vs {
					if _, ok := t.packing[v]; !ok && v.Type.Equal(n.Out[0].Type) {
						t.packing[v] = p
						changed = true
					}
				}
			}
		}
	}
	return t
}

// flattened reports whether only a dense layer and its gradients read the vectors that maps
// are flattened to in front of it. Their elements may then be in the order of the layer's
// weights. It returns these vectors (first the flattened maps, then the gradient that is
// reshaped to maps) and the shape of the maps.
func flattened(n *ir.Node, users map[*ir.Value][]*ir.Node, roots map[*ir.Value]bool) (vectors []*ir.Value, m ir.Shape, ok bool) {
	x, w := n.In[0], n.In[1]
	if x.Def == nil || roots[x] || w.Param == nil {
		return nil, nil, false
	}
	// between returns the maps' shape if d makes a vector of maps, or maps of one.
	between := func(d *ir.Node, maps *ir.Value) (ir.Shape, bool) {
		switch d.Op.(type) {
		case ops.Flatten, ops.Reshape:
			s := maps.Type.Shape
			return s, len(s) == 4 && s.Symbolic() && s[2]*s[3] > 1
		}
		return nil, false
	}
	if m, ok = between(x.Def, x.Def.In[0]); !ok {
		return nil, nil, false
	}
	for _, u := range users[x] {
		if op, grad := u.Op.(ops.MatMul); u != n && !(grad && op.TransA && !op.TransB && u.In[1] == x && u.In[0] != x) {
			return nil, nil, false
		}
	}
	vectors = append(vectors, x)
	for _, u := range users[w] {
		switch op := u.Op.(type) {
		case ops.Dense:
			if u != n {
				return nil, nil, false
			}
		case ops.MatMul:
			dx := u.Out[0]
			if op.TransA || op.TransB || u.In[1] != w || roots[dx] || len(users[dx]) != 1 {
				return nil, nil, false
			}
			back := users[dx][0]
			if s, ok := between(back, back.Out[0]); !ok || !s.Equal(m) {
				return nil, nil, false
			}
			vectors = append(vectors, dx)
		}
	}
	return vectors, m, true
}

// pixels is a reshape to or from a vector that lies in the order of pixels.
func (c *call) pixels() error {
	k := kernel.PixelsToVector{Back: c.l.train.pixels[c.Read[0]]}
	maps := c.Read[0]
	if k.Back {
		maps = c.Wrote[0]
	}
	k.C, k.H, k.W = chw(maps)
	return c.blocked("pixels", 0, func(e *plan.Emitter) error {
		m, v := e.In[0], e.Out[0]
		if k.Back {
			m, v = v, m
		}
		k.Map, k.Vector = view(m), view(v)
		e.Step(k, e.In, e.Out)
		return nil
	})
}

// flatDense is a dense layer that reads the maps in N16 that its input is made of.
func (c *call) flatDense(weight, bias *ir.Value) error {
	d, ok := c.l.train.dense(weight)
	if !ok {
		return unsupported("a dense layer with a weight that is another one's")
	}
	d.C, d.H, d.W = chw(c.Read[0].Def.In[0])
	d.Out.Act = act(c.Acts[0])
	return c.layouts("dense", []plan.Need{{Layout: plan.N16}}, []plan.Need{blocked}, func(e *plan.Emitter) error {
		d.In, d.Out.View = view(e.In[0]), view(e.Out[0])
		k := kernel.N16DenseSplitK{Dense: d}.Split(c.l.batch)
		parts := e.Temp("parts", plan.Packed, k.PartialsLen(c.l.batch), 1, 1)
		e.Step(k, e.In, list(parts), plan.WeightRef{At: e.Param(weight)})
		ws := []plan.WeightRef{{}}
		if bias != nil {
			ws = append(ws, plan.WeightRef{At: e.Param(bias)})
		}
		e.Step(k.Sum(), list(parts), e.Out, ws...)
		return nil
	})
}

// dense is the dense layer in whose order a weight or its gradient lies, over vectors.
func (t *training) dense(v *ir.Value) (d kernel.Dense, ok bool) {
	d, ok = t.packing[v].By.(kernel.Dense)
	d.C, d.H, d.W = d.C*d.H*d.W, 1, 1
	return d, ok
}

// conv is the convolution in whose order a weight or its gradient lies.
func (t *training) conv(v *ir.Value) (c kernel.Conv, ok bool) {
	switch k := t.packing[v].By.(type) {
	case kernel.Conv:
		return k, true
	case kernel.N16Conv:
		return k.Conv, true
	case kernel.Depthwise:
		return k.Conv, true
	}
	return c, false
}

// depthwise reports whether a weight or its gradient lies in the order of kernel.Depthwise.
func (t *training) depthwise(v *ir.Value) bool {
	_, ok := t.packing[v].By.(kernel.Depthwise)
	return ok
}

// Packing implements plan.Lowering.
func (l *lowering) Packing(v *ir.Value) plan.Packing {
	if l.train == nil {
		return plan.Packing{}
	}
	return l.train.packing[v]
}

var packed = plan.Need{Layout: plan.Packed}

// layouts sets a choice whose operands lie as said, inputs and then outputs.
func (c *call) layouts(algo string, in, out []plan.Need, emit func(*plan.Emitter) error) error {
	c.choice = plan.Choice{Algo: algo, In: in, Out: out, Emit: emit}
	return nil
}

// forwardWeights is the place of a weight as do reads it: the param's own, or
// memory into which a step before repacks it.
func (c *call) forwardWeights(e *plan.Emitter, do worker, weight *plan.Tensor) *plan.Tensor {
	w, ok := do.(kernel.Winograd)
	if !ok {
		return weight
	}
	w.Pool, w.Indices = false, kernel.View{} // it is the same for the weights
	t := e.Temp("weights", plan.Packed, w.PackedLen(), 1, 1)
	e.Step(kernel.WinogradRepack{Winograd: w}, list(weight), list(t))
	return t
}
