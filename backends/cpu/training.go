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

// Gradients of convolutions and dense layers.

func convDx(op ops.ConvDx, n *ir.Node, c *call) error {
	weight := c.Param(1)
	if weight == nil {
		return unsupported("the weight %s is computed, not a param", n.In[1].Name)
	}
	f, ok := c.l.train.conv(weight)
	if !ok || f.Planar {
		return unsupported("the gradient of the network's input")
	}
	y := n.In[0].Type.Shape
	f.H, f.W = y[2], y[3]
	need := plan.Need{Layout: c.layout()}
	for _, p := range kernel.ConvBackwardDataOf(f, op.In[0], op.In[1], kernel.View{}, kernel.View{}) {
		need.Border = plan.Border{max(need.Border[0], p.Conv.PH), max(need.Border[1], p.Conv.PW),
			max(need.Border[2], p.Conv.H-1-p.Conv.PH+(p.Conv.KH-1)*max(1, p.Conv.DH)-(y[2]-1)), max(need.Border[3], p.Conv.W-1-p.Conv.PW+(p.Conv.KW-1)*max(1, p.Conv.DW)-(y[3]-1))}
	}
	algo, in, out := "backward data", []plan.Need{need}, []plan.Need{{Layout: need.Layout}}
	if c.Masked {
		algo, in = "backward data, relu", append(in, out[0])
	}
	if c.Summed {
		out = append(out, packed)
	}
	return c.layouts(algo, in, out, func(e *plan.Emitter) error {
		parts, summed := kernel.ConvBackwardDataOf(f, op.In[0], op.In[1], view(e.In[0]), view(e.Out[0])), false
		for _, p := range parts {
			at := func(t *plan.Tensor) *plan.Tensor { return t.Shift(p.Y*view(t).H + p.X*kernel.Block) }
			in, out := list(e.In[0]), list(at(e.Out[0]))
			if p.Conv.IC == 0 {
				none := e.Temp("none", plan.Packed, kernel.Block, 1, 1)
				do := plan.Kernel(p.Conv.Split(c.l.batch))
				if need.Layout == plan.N16 {
					do = makeN16Conv(p.Conv, c.l.batch)
				}
				e.Step(do, in, out, plan.WeightRef{At: none})
				continue
			}
			if c.Masked {
				p = p.Masked(view(e.In[1]))
				in = append(in, at(e.In[1]))
			}
			do, w := c.backwardData(e, p, weight)
			summer, ok := do.(interface{ Sums() kernel.ChannelSums })
			if !c.Summed || len(parts) > 1 || !ok {
				e.Step(do, in, out, w)
				continue
			}
			k := summer.Sums()
			sums := e.Temp("sums", plan.Packed, k.Len(c.l.batch), 1, 1)
			e.Step(do, in, append(out, sums), w)
			e.Step(k, list(sums), e.Out[1:])
			summed = true
		}
		if c.Summed && !summed {
			sumPixels(e, e.Out[0], e.Out[1])
		}
		return nil
	})
}

// backwardData chooses the kernel of a part of the gradient of the data, and emits a step that
// turns the weights around for it.
func (c *call) backwardData(e *plan.Emitter, p kernel.ConvBackwardData, weight *ir.Value) (do worker, w plan.WeightRef) {
	switch {
	case c.l.train.depthwise(weight):
		do = makeDepthwise(p.Conv, c.l.batch)
		w.At = e.Temp("weights", plan.Packed, do.PackedLen(), 1, 1)
		e.Step(kernel.DepthwiseRepack{Repack: p.Repack}, list(e.Param(weight)), list(w.At))
	case c.layout() == plan.N16:
		do = makeN16Conv(p.Conv, c.l.batch)
		w.At = e.Temp("weights", plan.Packed, do.PackedLen(), 1, 1)
		e.Step(kernel.N16RepackOf(p.Repack), list(e.Param(weight)), list(w.At))
	default:
		t := e.Temp("weights", plan.Packed, p.Conv.PackedLen(), 1, 1)
		e.Step(p.Repack, list(e.Param(weight)), list(t))
		algo := direct
		if p.Conv.Outputs[0].Step == 0 || p.Conv.Outputs[0].Step == kernel.Block {
			algo = c.l.algorithm(p.Conv, plan.Blocked)
		}
		if algo.name == "dense" {
			algo = direct
		}
		do = algo.make(p.Conv, c.l.batch)
		w.At = c.forwardWeights(e, do, t)
	}
	return do, w
}

func convDw(op ops.ConvDw, n *ir.Node, c *call) error {
	f, ok := c.l.train.conv(n.Out[0])
	if !ok {
		return unsupported("a gradient of no weight")
	}
	x, y := n.In[1].Type.Shape, n.In[0].Type.Shape
	f.H, f.W = y[2], y[3]
	own := plan.Need{Layout: c.layout()}
	in := plan.Need{Layout: own.Layout, Border: plan.Border{
		f.PH, f.PW, max(0, (f.H-1)*f.SH-f.PH+(f.KH-1)*f.DH-(x[2]-1)), max(0, (f.W-1)*f.SW-f.PW+(f.KW-1)*f.DW-(x[3]-1))}}
	if f.Planar {
		in.Layout = plan.Framed
		if in.Border == (plan.Border{}) {
			in.Layout = plan.Planar
		}
	}
	dy := own
	if own.Layout == plan.Blocked {
		// Winograd's tiles reach farther than the gradient: into zeros, which are cheaper than
		// copies of such tiles.
		if wino, ok := c.l.gradient(f).(kernel.ConvBackwardWeightsWinograd); ok {
			ends, beside := wino.Border(x[2], x[3])
			in.Border[2], in.Border[3] = max(in.Border[2], ends[0]), max(in.Border[3], ends[1])
			dy.Border[2], dy.Border[3] = beside[0], beside[1]
		}
	}
	return c.layouts("backward weights", []plan.Need{dy, in}, []plan.Need{packed}, func(e *plan.Emitter) error {
		f.In, f.Outputs[0].View = view(e.In[1]), view(e.In[0])
		from := list(e.In[1], e.In[0])
		if own.Layout == plan.N16 {
			k := kernel.N16ConvBackwardWeights{Conv: kernel.N16Conv{Conv: f}}.Split(c.l.batch)
			c.sumOfParts(e, k, k.Count(c.l.batch), k.ImageBlocks*kernel.Block, from)
			return nil
		}
		batch := c.l.batch
		if c.l.train.depthwise(n.Out[0]) {
			k := kernel.DepthwiseBackwardWeights{Conv: f}.Split(batch)
			c.sumOfParts(e, k, k.Count(batch), k.Images, from)
			return nil
		}
		switch k := c.l.gradient(f).(type) {
		case kernel.ConvBackwardWeightsRows:
			c.sumOfParts(e, k, k.Count(batch), k.Images, from)
		case kernel.ConvBackwardWeightsWinograd:
			if n := k.Count(batch); n > 1 {
				c.sumOfParts(e, k, n, k.Parts.Images, from)
			} else {
				e.Step(k, from, list(e.Out[0], nil, c.squares(e, k)))
			}
		case kernel.ConvBackwardWeightsSplit:
			if n := k.Count(batch); n > 1 {
				c.sumOfParts(e, k, n, k.Images, from)
			} else {
				e.Step(k.Whole, from, list(e.Out[0], nil, c.squares(e, k.Whole)))
			}
		}
		return nil
	})
}

// gradient chooses the kernel of blocks for the gradient of a convolution's weights, whatever
// its views are: Winograd where that is predicted to be the fastest.
func (l *lowering) gradient(f kernel.Conv) plan.Kernel {
	direct, row := kernel.ConvBackwardWeights{Conv: f}.Split(l.batch), kernel.ConvBackwardWeightsRows{Conv: f}.Split(l.batch)
	best, least := plan.Kernel(direct), direct.Cost(l.batch).NS
	if row.Fits() {
		best, least = row, row.Cost(l.batch).NS
	}
	if wino := (kernel.ConvBackwardWeightsWinograd{Parts: direct, Padded: true}); wino.Fits() && !l.direct {
		if wino = wino.Split(l.batch); wino.Cost(l.batch).NS < least {
			best = wino
		}
	}
	return best
}

// sumOfParts emits a kernel that computes the gradient of a weight in parts, one for each
// group of images, and the kernel that adds the parts.
func (c *call) sumOfParts(e *plan.Emitter, k interface {
	plan.Kernel
	PackedLen() int
}, parts, images int, from []*plan.Tensor) {
	t := e.Temp("parts", plan.Packed, parts*k.PackedLen(), 1, 1)
	e.Step(k, from, list(t))
	sum := kernel.SumPartials{N: k.PackedLen(), Images: images}
	e.Step(sum, list(t), list(e.Out[0], c.squares(e, sum)))
}

// squares is where a kernel leaves the sums of squares of the gradient that it writes, a
// number a task, if the only one of the unit has its norm taken as it is: nil if not.
func (c *call) squares(e *plan.Emitter, k plan.Kernel) *plan.Tensor {
	t := c.l.train
	if !t.normed[c.Wrote[0]] {
		return nil
	}
	t.summed[c.Wrote[0]] = true
	return t.moreSquares(e, k.Tasks(c.l.batch))
}

// moreSquares is the place of n more sums of squares. The array that they are a part of
// grows until the norm is taken.
func (t *training) moreSquares(e *plan.Emitter, n int) *plan.Tensor {
	if t.sums == nil {
		t.sums = e.Temp("squares", plan.Packed, 0, 1, 1)
	}
	t.sums.C += n
	return t.sums.Part(t.sums.C-n, n)
}

// denseGradient is one of the two products that are the gradients of a dense
// layer: dy * weight, or the transpose of dy times its input.
func (c *call) denseGradient(op ops.MatMul) error {
	n := c.Node
	if op.TransB {
		return unsupported("a product of two activations")
	}
	if op.TransA {
		d, ok := c.l.train.dense(n.Out[0])
		if !ok {
			return unsupported("a product that is no weight's gradient")
		}
		if flat := n.In[1]; c.l.train.flat[flat] {
			return c.layouts("backward weights", []plan.Need{blocked, {Layout: plan.N16}}, []plan.Need{packed}, func(e *plan.Emitter) error {
				d.C, d.H, d.W = chw(flat.Def.In[0])
				d.In, d.Out.View = view(e.In[1]), view(e.In[0])
				k := kernel.N16DenseBackwardWeights{Blocked: kernel.DenseBackwardWeights{Dense: d}}.Split(c.l.batch)
				e.Step(k, list(e.In[1], e.In[0]), list(e.Out[0], nil, c.squares(e, k)))
				return nil
			})
		}
		return c.layouts("backward weights", needs(blocked, 2), []plan.Need{packed}, func(e *plan.Emitter) error {
			d.In, d.Out.View = view(e.In[1]), view(e.In[0])
			k := kernel.DenseBackwardWeights{Dense: d}.Split(c.l.batch)
			e.Step(k, list(e.In[1], e.In[0]), list(e.Out[0], nil, c.squares(e, k)))
			return nil
		})
	}
	w := c.Param(1)
	if w == nil {
		return unsupported("a product of two activations")
	}
	d, ok := c.l.train.dense(w)
	if !ok {
		return unsupported("a product with a weight that is no dense layer's")
	}
	if c.l.Mapped(n.Out[0]) {
		return c.mappedGradient(w, d)
	}
	return c.layouts("backward data", []plan.Need{blocked}, []plan.Need{blocked}, func(e *plan.Emitter) error {
		d.In, d.Out.View = view(e.Out[0]), view(e.In[0])
		e.Step(kernel.DenseBackwardData{Dense: d}, e.In, e.Out, plan.WeightRef{At: e.Param(w)})
		return nil
	})
}

// mappedGradient is the gradient of a dense layer of weight w with respect to the maps in
// lanes that it takes for a vector.
func (c *call) mappedGradient(w *ir.Value, d kernel.Dense) error {
	lanes := plan.Need{Layout: plan.N16}
	algo := "backward data"
	if c.Masked {
		algo += ", relu"
	}
	err := c.layouts(algo, needs(lanes, len(c.Read)), needs(lanes, len(c.Wrote)), func(e *plan.Emitter) error {
		d.C, d.H, d.W = chw(c.Wrote[0])
		d.In, d.Out.View = view(e.Out[0]), view(e.In[0])
		k := kernel.N16DenseBackwardData{Dense: d, ReLU: c.Masked}
		if c.Masked {
			k.Y = view(e.In[1])
		}
		weight := plan.WeightRef{At: e.Param(w)}
		if !c.Summed {
			e.Step(k, e.In, e.Out, weight)
			return nil
		}
		sums := e.Temp("sums", plan.Packed, k.Sums().Len(c.l.batch), 1, 1)
		e.Step(k, e.In, list(e.Out[0], sums), weight)
		e.Step(k.Sums(), list(sums), e.Out[1:])
		return nil
	})
	if c.Summed {
		c.choice.Out[1] = packed
	}
	return err
}

// Mapped implements plan.Lowering.
func (l *lowering) Mapped(v *ir.Value) bool { return l.train != nil && l.train.mapped[v] }

// sumOfPixels is the gradient of a bias.
func (c *call) sumOfPixels() error {
	own := plan.Need{Layout: c.layout()}
	return c.layouts("backward bias", []plan.Need{own}, []plan.Need{packed}, func(e *plan.Emitter) error {
		sumPixels(e, e.In[0], e.Out[0])
		return nil
	})
}

// sumPixels emits the sum over images and pixels of maps.
func sumPixels(e *plan.Emitter, maps, sum *plan.Tensor) {
	ch, h, w := chw(maps.Value)
	k := plan.Kernel(kernel.SumPixels{C: ch, H: h, W: w, In: view(maps)})
	if maps.Layout == plan.N16 {
		k = kernel.N16SumPixels{C: ch, H: h, W: w, In: view(maps)}
	}
	e.Step(k, list(maps), list(sum))
}

// Gradients of the rest.

func maxPoolDx(op ops.MaxPoolDx, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.Out[0])
	_, h, w := chw(n.In[0])
	k := kernel.MaxPoolBackward{ReLU: c.Masked, Sums: c.Summed, H: h, W: w, IH: ih, IW: iw, KH: op.Kernel[0], KW: op.Kernel[1], SH: op.Stride[0], SW: op.Stride[1],
		PH: op.Pad[0], PW: op.Pad[1], Indexed: c.Indexed}
	err := c.summed("max pool gradient", 0, k.Partials(), func(e *plan.Emitter, to []*plan.Tensor) {
		k.C, k.DY, k.X, k.DX = c.lanes(ch), view(e.In[0]), view(e.In[1]), view(e.Out[0])
		e.Step(c.block(k), e.In, to)
	})
	if c.Indexed {
		c.choice.In[1] = c.indices()
	}
	return err
}

// summed is byBlock for a gradient whose kernel may also leave sums over pixels: parts
// sums for each channel block of an image. A step behind it adds them up.
func (c *call) summed(algo string, inPlace, parts int, emit func(e *plan.Emitter, to []*plan.Tensor)) error {
	err := c.byBlock(algo, inPlace, func(e *plan.Emitter) error {
		if !c.Summed {
			emit(e, e.Out)
			return nil
		}
		ch, _, _ := chw(c.Wrote[0])
		k := kernel.ChannelSums{C: ch, Partials: parts, N16: e.Out[0].Layout == plan.N16}
		sums := e.Temp("sums", plan.Packed, k.Len(c.l.batch), 1, 1)
		emit(e, list(e.Out[0], sums))
		e.Step(k, list(sums), e.Out[1:])
		return nil
	})
	if c.Summed {
		c.choice.Out[1] = packed
	}
	return err
}

func avgPoolDx(op ops.AvgPoolDx, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.Out[0])
	_, h, w := chw(n.In[0])
	return c.byBlock("average pool gradient", 0, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.AvgPoolBackward{C: c.lanes(ch), H: h, W: w, IH: ih, IW: iw, KH: op.Kernel[0], KW: op.Kernel[1], SH: op.Stride[0], SW: op.Stride[1],
			PH: op.Pad[0], PW: op.Pad[1], PB: op.Pad[2], PR: op.Pad[3], IncludePad: op.IncludePad, DY: view(e.In[0]), DX: view(e.Out[0])}), e.In, e.Out)
		return nil
	})
}

func globalAvgPoolDx(op ops.GlobalAvgPoolDx, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.Out[0])
	return c.byBlock("average pool gradient", 0, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.AvgPoolBackward{C: c.lanes(ch), H: 1, W: 1, IH: ih, IW: iw, KH: ih, KW: iw, SH: 1, SW: 1, DY: view(e.In[0]), DX: view(e.Out[0])}), e.In, e.Out)
		return nil
	})
}

func reluDx(op ops.ReLUDx, n *ir.Node, c *call) error { return c.actGradient(kernel.ActReLU, 0, 0) }
func sigmoidDx(op ops.SigmoidDx, n *ir.Node, c *call) error {
	return c.actGradient(kernel.ActSigmoid, 0, 0)
}
func tanhDx(op ops.TanhDx, n *ir.Node, c *call) error { return c.actGradient(kernel.ActTanh, 0, 0) }
func siluDx(op ops.SiLUDx, n *ir.Node, c *call) error { return c.actGradient(kernel.ActSiLU, 0, 0) }
func hardSwishDx(op ops.HardSwishDx, n *ir.Node, c *call) error {
	return c.actGradient(kernel.ActHardSwish, 0, 0)
}
func clipDx(op ops.ClipDx, n *ir.Node, c *call) error {
	return c.actGradient(kernel.ActClip, op.Min, op.Max)
}
func hardSigmoidDx(op ops.HardSigmoidDx, n *ir.Node, c *call) error {
	return c.actGradient(kernel.ActHardSigmoid, op.Alpha, op.Beta)
}
func geluDx(op ops.GELUDx, n *ir.Node, c *call) error {
	return c.actGradient(act(ops.ActOf(ops.GELU(op))), 0, 0)
}
func leakyReLUDx(op ops.LeakyReLUDx, n *ir.Node, c *call) error {
	return c.actGradient(kernel.ActLeakyReLU, op.Alpha, 0)
}

// actGradient is the gradient of an activation with the parameters a and b of
// kernel.ActBackward.
func (c *call) actGradient(act kernel.Act, a, b float64) error {
	ch, h, w := chw(c.Wrote[0])
	k := kernel.ActBackward{Act: act, A: float32(a), B: float32(b), Sums: c.Summed, H: h, W: w}
	return c.summed(act.String()+" gradient", 1, k.Partials(), func(e *plan.Emitter, to []*plan.Tensor) {
		k.C, k.DY, k.Y, k.DX = c.lanes(ch), view(e.In[0]), view(e.In[1]), view(e.Out[0])
		e.Step(c.block(k), e.In, to)
	})
}

func lrnDx(op ops.LRNDx, n *ir.Node, c *call) error {
	ch, h, w := chw(n.Out[0])
	return c.blocked("lrn gradient", 1, func(e *plan.Emitter) error {
		e.Step(kernel.LRNBackward{C: ch, H: h, W: w, Size: op.Size, Alpha: float32(op.Alpha), Beta: float32(op.Beta), K: float32(op.K),
			DY: view(e.In[0]), X: view(e.In[1]), DX: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
}

func maxoutDx(op ops.MaxoutDx, n *ir.Node, c *call) error {
	ch, h, w := chw(n.In[0])
	return c.blocked("maxout gradient", 2, func(e *plan.Emitter) error {
		e.Step(kernel.MaxoutBackward{C: ch, Pieces: op.Pieces, H: h, W: w, DY: view(e.In[0]), X: view(e.In[1]), DX: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
}

func softmaxDx(op ops.SoftmaxDx, n *ir.Node, c *call) error { return c.softmaxGradient(op.Axis, false) }
func logSoftmaxDx(op ops.LogSoftmaxDx, n *ir.Node, c *call) error {
	return c.softmaxGradient(op.Axis, true)
}

func (c *call) softmaxGradient(axis int, log bool) error {
	if axis != 1 {
		return unsupported("the gradient of a softmax over axis %d", axis)
	}
	ch, h, w := chw(c.Wrote[0])
	return c.blocked("softmax gradient", 1, func(e *plan.Emitter) error {
		e.Step(kernel.SoftmaxBackward{C: ch, H: h, W: w, Log: log, DY: view(e.In[0]), Y: view(e.In[1]), DX: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
}

// sliceDx puts dy among zeros.
func sliceDx(op ops.SliceDx, n *ir.Node, c *call) error {
	if op.Axis != 1 {
		return unsupported("the gradient of a slice of axis %d", op.Axis)
	}
	ch, h, w := chw(n.Out[0])
	return c.byBlock("slice gradient", 0, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.Pad{C: c.lanes(ch), H: h, W: w, Out: view(e.Out[0])}), nil, e.Out)
		part := e.Out[0].Part(op.Start, e.In[0].C)
		e.Step(c.l.Copy(e.In[0], part), e.In, list(part))
		return nil
	})
}

// Batch normalization and dropout.

func batchNormTrain(op ops.BatchNormTrain, n *ir.Node, c *call) error {
	ch, h, w := chw(n.In[0])
	for i := 1; i < 5; i++ {
		if c.Param(i) == nil {
			return unsupported("operand %s is computed, not a param", n.In[i].Name)
		}
	}
	err := c.layouts("batch norm", []plan.Need{blocked}, []plan.Need{blocked, packed, packed, packed, packed}, func(e *plan.Emitter) error {
		e.Step(kernel.BatchNormTrain{C: ch, H: h, W: w, Eps: float32(op.Eps), In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out[:3],
			plan.WeightRef{At: e.Param(n.In[1])}, plan.WeightRef{At: e.Param(n.In[2])})
		if c.l.train.again[n] {
			return nil
		}
		e.Step(kernel.BatchNormRunning{C: ch, Pixels: h * w, Momentum: float32(op.Momentum)}, e.Out[1:3], e.Out[3:])
		return nil
	})
	if !c.l.train.again[n] {
		c.choice.Into = []*ir.Value{nil, nil, nil, n.In[3], n.In[4]}
	}
	return err
}

func batchNormDx(op ops.BatchNormDx, n *ir.Node, c *call) error {
	ch, h, w := chw(n.In[0])
	if c.Param(2) == nil {
		return unsupported("operand %s is computed, not a param", n.In[2].Name)
	}
	err := c.layouts("batch norm gradient", []plan.Need{blocked, blocked, packed, packed}, []plan.Need{blocked, packed, packed}, func(e *plan.Emitter) error {
		e.Step(kernel.BatchNormBackward{C: ch, H: h, W: w, Eps: float32(op.Eps), DY: view(e.In[0]), X: view(e.In[1]), DX: view(e.Out[0])}, e.In, e.Out,
			plan.WeightRef{At: e.Param(n.In[2])})
		return nil
	})
	c.choice.InPlace = []int{1, 0, 0}
	return err
}

func dropoutTrain(op ops.DropoutTrain, n *ir.Node, c *call) error {
	ch, h, w := chw(n.In[0])
	err := c.layouts("dropout", []plan.Need{blocked, planar}, []plan.Need{blocked}, func(e *plan.Emitter) error {
		e.Step(kernel.Dropout{C: ch, H: h, W: w, Key: op.Key(), Below: op.Threshold(), Scale: float32(1 / (1 - op.P)), In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
	c.choice.InPlace = []int{1}
	return err
}

// Losses.

func crossEntropy(op ops.CrossEntropy, n *ir.Node, c *call) error {
	if c.l.train == nil {
		return unsupported("a loss, outside of training")
	}
	ch, _, _ := chw(n.In[0])
	if len(n.In) > 2 || op.Gamma > 0 {
		return weightedCrossEntropy(op, n, c)
	}
	return c.layouts("loss", []plan.Need{blocked, planar}, []plan.Need{planar}, func(e *plan.Emitter) error {
		e.Step(kernel.CrossEntropy{C: ch, Smoothing: float32(op.Smoothing), In: view(e.In[0])}, e.In, e.Out)
		return nil
	})
}

func crossEntropyDx(op ops.CrossEntropyDx, n *ir.Node, c *call) error {
	ch, _, _ := chw(n.In[1])
	if len(n.In) > 3 || op.Gamma > 0 {
		return weightedCrossEntropyDx(op, n, c)
	}
	k := kernel.CrossEntropyBackward{C: ch, Smoothing: float32(op.Smoothing)}
	in := []plan.Need{blocked, planar}
	dloss := c.Param(0)
	if dloss == nil {
		in = append([]plan.Need{planar}, in...)
	}
	return c.layouts("loss gradient", in, []plan.Need{blocked}, func(e *plan.Emitter) error {
		k.In, k.Out = view(e.In[len(e.In)-2]), view(e.Out[0])
		from := e.In
		if dloss != nil {
			from = append(list(e.Param(dloss)), from...)
		}
		e.Step(k, from, e.Out)
		return nil
	})
}

// weightedCrossEntropy is crossEntropy with weights of the classes, which are a
// constant, or gamma.
func weightedCrossEntropy(op ops.CrossEntropy, n *ir.Node, c *call) error {
	ch, _, _ := chw(n.In[0])
	if len(n.In) > 2 && c.Param(2) == nil {
		return unsupported("weights of classes that are computed")
	}
	return c.layouts("loss", []plan.Need{blocked, planar}, []plan.Need{planar}, func(e *plan.Emitter) error {
		in := e.In
		if len(n.In) > 2 {
			in = append(slices.Clone(in), e.Param(n.In[2]))
		}
		e.Step(kernel.WeightedCrossEntropy{C: ch, Smoothing: float32(op.Smoothing), Gamma: float32(op.Gamma), In: view(e.In[0])}, in, e.Out)
		return nil
	})
}

func weightedCrossEntropyDx(op ops.CrossEntropyDx, n *ir.Node, c *call) error {
	ch, _, _ := chw(n.In[1])
	if len(n.In) > 3 && c.Param(3) == nil {
		return unsupported("weights of classes that are computed")
	}
	need := []plan.Need{blocked, planar}
	dloss := c.Param(0)
	if dloss == nil {
		need = append([]plan.Need{planar}, need...)
	}
	return c.layouts("loss gradient", need, []plan.Need{blocked}, func(e *plan.Emitter) error {
		in := e.In
		if dloss != nil {
			in = append(list(e.Param(dloss)), in...)
		}
		if len(n.In) > 3 {
			in = append(slices.Clone(in), e.Param(n.In[3]))
		}
		e.Step(kernel.WeightedCrossEntropyBackward{C: ch, Smoothing: float32(op.Smoothing), Gamma: float32(op.Gamma), In: view(e.In[len(e.In)-2]), Out: view(e.Out[0])}, in, e.Out)
		return nil
	})
}

// sumOfScalars is the sum of the node's operands by weight: losses.
func (c *call) sumOfScalars(weights ...float64) error {
	if len(c.Node.In) != len(weights) || len(weights) > 4 {
		return unsupported("a sum of %d losses", len(weights))
	}
	var k kernel.WeightedSum
	for i, w := range weights {
		k.Weights[i] = float32(w)
	}
	return c.scalars("sum", k)
}

// scalars is a kernel whose operands are the node's, numbers that are computed or params.
func (c *call) scalars(algo string, k plan.Kernel) error {
	switch {
	case len(c.Read) == 0:
		return unsupported("an op on params alone: fold it first")
	case len(c.Read) < len(c.Node.In) && c.l.train == nil:
		return unsupported("a param beside a number that is computed")
	}
	return c.layouts(algo, needs(planar, len(c.Read)), []plan.Need{planar}, func(e *plan.Emitter) error {
		var from []*plan.Tensor
		read := 0
		for _, v := range c.Node.In {
			if v.Param != nil {
				from = append(from, e.Param(v))
				continue
			}
			from = append(from, e.In[read])
			read++
		}
		e.Step(k, from, e.Out)
		return nil
	})
}

// What comes between gradient and optimizer.

func globalNorm(op ops.GlobalNorm, n *ir.Node, c *call) error {
	return c.layouts("norm", needs(packed, len(c.Read)), []plan.Need{planar}, func(e *plan.Emitter) error {
		t := c.l.train
		for i, g := range e.In {
			if k := (kernel.SquareSums{N: g.C}); !t.summed[c.Read[i]] {
				e.Step(k, list(g), list(t.moreSquares(e, k.Len())))
			}
		}
		e.Step(kernel.NormOfSums{N: t.sums.C}, list(t.sums), e.Out)
		t.sums = nil
		return nil
	})
}

func clipNorm(op ops.ClipNorm, n *ir.Node, c *call) error {
	err := c.layouts("clip", []plan.Need{packed, planar}, []plan.Need{packed}, func(e *plan.Emitter) error {
		e.Step(kernel.ClipNorm{N: e.Out[0].C, Bound: float32(op.Bound)}, e.In, e.Out)
		return nil
	})
	c.choice.InPlace = []int{1}
	return err
}

func clipValue(op ops.ClipValue, n *ir.Node, c *call) error {
	err := c.layouts("clip", []plan.Need{packed}, []plan.Need{packed}, func(e *plan.Emitter) error {
		e.Step(kernel.ClipValue{N: e.Out[0].C, Bound: float32(op.Bound)}, e.In, e.Out)
		return nil
	})
	c.choice.InPlace = []int{1}
	return err
}

func penaltyDx(op ops.PenaltyDx, n *ir.Node, c *call) error {
	w := c.Param(0)
	if w == nil {
		return unsupported("a penalty on what is no param")
	}
	err := c.layouts("penalty", []plan.Need{packed}, []plan.Need{packed}, func(e *plan.Emitter) error {
		e.Step(kernel.Penalty{N: e.Out[0].C, L1: float32(op.L1), L2: float32(op.L2)}, list(e.Param(w), e.In[0]), e.Out)
		return nil
	})
	c.choice.InPlace = []int{1}
	return err
}

// Optimizers change params in place.

func (c *call) optimizer(algo string, into []*ir.Value, emit func(*plan.Emitter) error) error {
	for _, v := range into {
		if v.Param == nil {
			return unsupported("an optimizer of what is no param: %s", v.Name)
		}
	}
	in := []plan.Need{packed, planar, planar}[:len(c.Read)]
	err := c.layouts(algo, in, needs(packed, len(c.Wrote)), emit)
	c.choice.Into, c.choice.Last = into, true
	return err
}

func sgd(op ops.SGD, n *ir.Node, c *call) error {
	into := append([]*ir.Value{n.In[0]}, n.In[3:]...)
	return c.optimizer("sgd", into, func(e *plan.Emitter) error {
		e.Step(kernel.SGD{N: e.Out[0].C, Momentum: float32(op.Momentum), Nesterov: op.Nesterov, Decay: float32(op.Decay), LR: rate(op.LR)}, e.In, e.Out)
		return nil
	})
}

// rate is the factor on a learning rate as kernels store it: 0 means 1.
func rate(lr float64) float32 {
	if lr == 0 {
		return 1e-38 // frozen
	}
	return float32(lr)
}

func rmsProp(op ops.RMSProp, n *ir.Node, c *call) error {
	into := append([]*ir.Value{n.In[0]}, n.In[3:]...)
	return c.optimizer("rmsprop", into, func(e *plan.Emitter) error {
		out := list(e.Out[0], nil, e.Out[1]) // velocity second
		if len(e.Out) > 2 {
			out[1] = e.Out[2]
		}
		e.Step(kernel.RMSProp{N: e.Out[0].C, Rho: float32(op.Rho), Eps: float32(op.Eps), Momentum: float32(op.Momentum), Decay: float32(op.Decay), LR: rate(op.LR), Torch: op.Torch}, e.In, out)
		return nil
	})
}

func adam(op ops.Adam, n *ir.Node, c *call) error {
	into := append([]*ir.Value{n.In[0]}, n.In[4:]...)
	return c.optimizer("adam", into, func(e *plan.Emitter) error {
		e.Step(kernel.Adam{N: e.Out[0].C, Beta1: float32(op.Beta1), Beta2: float32(op.Beta2), Eps: float32(op.Eps), Decay: float32(op.Decay), Decoupled: op.Decoupled,
			LR: rate(op.LR)}, e.In, e.Out)
		return nil
	})
}

func maxNorm(op ops.MaxNorm, n *ir.Node, c *call) error {
	into := c.l.train.updates[n.Out[0]]
	by := c.l.train.packing[n.Out[0]].By
	k := kernel.MaxNormPacked{Bound: float32(op.Bound)}
	switch f := by.(type) {
	case kernel.Conv:
		if f.Groups > 1 {
			return unsupported("a bound on the norm of the weights of a grouped convolution")
		}
		k.Blocks = kernel.Blocks(f.OC())
	case kernel.Depthwise:
		return unsupported("a bound on the norm of the weights of a grouped convolution")
	case kernel.Dense:
		k.Blocks = kernel.Blocks(f.Out.C)
	}
	if into == nil || k.Blocks == 0 || len(c.Read) != 1 {
		return unsupported("a bound on the norm of what is no weight")
	}
	return c.optimizer("bound on norm", []*ir.Value{into}, func(e *plan.Emitter) error {
		k.K = e.Out[0].C / (k.Blocks * kernel.Block)
		e.Step(k, e.In, e.Out)
		return nil
	})
}

func average(op ops.Average, n *ir.Node, c *call) error {
	return c.optimizer("average", []*ir.Value{n.In[0]}, func(e *plan.Emitter) error {
		at := e.Temp("rate", plan.Packed, 1, 1, 1)
		e.Step(kernel.AverageRate{Decay: op.Decay}, e.In[1:], list(at))
		e.Step(kernel.Average{N: e.Out[0].C}, list(e.In[0], at), e.Out)
		return nil
	})
}
