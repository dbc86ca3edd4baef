package cpu

import (
	"errors"
	"fmt"
	"slices"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// table is what the executor does with each op.
var table = ir.NewTable(
	// Work: convolutions and dense layers, with what is fused to them.
	ir.For(conv), ir.For(dense), ir.For(matMul),
	// Windows.
	ir.For(maxPool), ir.For(avgPool), ir.For(globalAvgPool),
	// Channels.
	ir.For(lrn), ir.For(batchNorm), ir.For(maxout), ir.For(softmax), ir.For(logSoftmax),
	// Elementwise.
	ir.For(relu), ir.For(sigmoid), ir.For(tanh), ir.For(clip), ir.For(silu), ir.For(hardSwish), ir.For(hardSigmoid), ir.For(gelu), ir.For(leakyReLU), ir.For(scale),
	ir.For(add), ir.For(sub), ir.For(mul), ir.For(div), ir.For(maximum),
	// Places: free where they can be.
	ir.For(concat), ir.For(slice), ir.For(split), ir.For(flatten), ir.For(reshape), ir.For(dropout),
	ir.For(pad), ir.For(transpose), ir.For(reduce),
	ir.For(sqrt),
	// All else, slowly.
	ir.For(node),
	ir.For(quantize),
	// Training: forms of ops that only it has, gradients, optimizers (training.go).
	ir.For(batchNormTrain), ir.For(dropoutTrain), ir.For(crossEntropy), ir.For(crossEntropyDx),
	ir.For(convDx), ir.For(convDw), ir.For(maxPoolDx), ir.For(avgPoolDx), ir.For(globalAvgPoolDx),
	ir.For(reluDx), ir.For(sigmoidDx), ir.For(tanhDx), ir.For(clipDx), ir.For(siluDx), ir.For(hardSwishDx), ir.For(hardSigmoidDx), ir.For(geluDx), ir.For(leakyReLUDx),
	ir.For(lrnDx), ir.For(batchNormDx), ir.For(maxoutDx), ir.For(softmaxDx), ir.For(logSoftmaxDx), ir.For(sliceDx), ir.For(maxDx),
	ir.For(globalNorm), ir.For(clipNorm), ir.For(clipValue), ir.For(penaltyDx), ir.For(maxNorm), ir.For(sgd), ir.For(rmsProp), ir.For(adam), ir.For(average),
)

// lowering implements plan.Lowering with the kernels of package kernel.
type lowering struct {
	batch    int
	symbolic bool // a value of the graph has a batch
	lanes    bool // images side by side where there is a kernel for it (n16.go)
	direct   bool // no Winograd
	tuning   *Tuning
	train    *training              // nil for inference
	known    map[*ir.Value]*ir.Node // of params that depend on other params alone, the nodes that compute them
}

// call is what the rows of the table fill in.
type call struct {
	*plan.Unit
	l      *lowering
	choice plan.Choice
	rounds bool // the choice includes the unit's Quantize
}

func (l *lowering) Lower(u *plan.Unit) (plan.Choice, error) {
	c := &call{Unit: u, l: l}
	if l.general(u) {
		err := c.asNodes()
		if err != nil {
			if _, own := table.Do(u.Node, c); own != nil {
				err = own
			}
		}
		return c.choice, err
	}
	ok, err := table.Do(u.Node, c)
	if err == nil && !ok {
		err = fmt.Errorf("the executor has no kernel for %s: %w", ir.Name(u.Node.Op), plan.ErrUnsupported)
	}
	if errors.Is(err, plan.ErrUnsupported) && l.train == nil && c.asNodes() == nil {
		err = nil
	}
	if u.Quantize != nil && !c.rounds {
		return plan.Choice{Apart: true}, nil
	}
	return c.choice, err
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, plan.ErrUnsupported)...)
}

func view(t *plan.Tensor) kernel.View { return kernel.View(t.View()) }

var blocked, planar = plan.Need{Layout: plan.Blocked}, plan.Need{Layout: plan.Planar}

func needs(n plan.Need, count int) []plan.Need {
	l := make([]plan.Need, count)
	for i := range l {
		l[i] = n
	}
	return l
}

// blocked sets a choice whose operands are all blocked.
func (c *call) blocked(algo string, inPlace int, emit func(*plan.Emitter) error) error {
	c.choice = plan.Choice{Algo: algo, In: needs(blocked, len(c.Read)), Out: needs(blocked, len(c.Wrote)), Emit: emit}
	if inPlace > 0 {
		c.choice.InPlace = []int{inPlace}
	}
	return nil
}

// planar sets a choice whose operands are all row-major.
func (c *call) planar(algo string, emit func(*plan.Emitter) error) error {
	c.choice = plan.Choice{Algo: algo, In: needs(planar, len(c.Read)), Out: needs(planar, len(c.Wrote)), Emit: emit}
	return nil
}

func list(t ...*plan.Tensor) []*plan.Tensor { return t }

// chw returns channels, height and width of a value: of a vector height and width
// are 1.
func chw(v *ir.Value) (c, h, w int) {
	c, h, w = 1, 1, 1
	s := v.Type.Shape
	if len(s) > 1 {
		c = s[1]
	}
	if len(s) == 3 {
		w = s[2]
	}
	if len(s) > 3 {
		h, w = s[2], ir.Shape(s[3:]).Size()
	}
	return c, h, w
}

func act(a ops.Act) kernel.Act {
	switch a {
	case ops.ActReLU:
		return kernel.ActReLU
	case ops.ActReLU6:
		return kernel.ActReLU6
	case ops.ActSigmoid:
		return kernel.ActSigmoid
	case ops.ActTanh:
		return kernel.ActTanh
	case ops.ActSiLU:
		return kernel.ActSiLU
	case ops.ActHardSwish:
		return kernel.ActHardSwish
	case ops.ActHardSigmoid:
		return kernel.ActHardSigmoid
	case ops.ActGELU:
		return kernel.ActGELU
	case ops.ActGELUTanh:
		return kernel.ActGELUTanh
	}
	return kernel.ActNone
}

// Copy implements plan.Lowering.
func (l *lowering) Copy(src, dst *plan.Tensor) plan.Kernel {
	c, h, w := dst.C, dst.H, dst.W
	in, out := view(src), view(dst)
	switch {
	case dst.Layout == plan.Wide && src.Layout == plan.Planar:
		return kernel.Widen{N: src.Size(), Fixed: plan.Fixed(dst.Value, l.symbolic), InN: in.N}
	case src.Layout == plan.Wide && dst.Layout == plan.Planar:
		return kernel.Narrow{N: src.Size(), Fixed: plan.Fixed(src.Value, l.symbolic), OutN: out.N}
	case src.Layout == plan.Wide || dst.Layout == plan.Wide:
		return nil
	case src.Layout == plan.Bytes || dst.Layout == plan.Bytes:
		return copyBytes(src, dst)
	case src.Layout == plan.N16 && dst.Layout == plan.N16:
		return kernel.N16{Do: kernel.Copy{C: c * kernel.Block, H: h, W: w, In: in, Out: out}}
	case src.Layout == plan.N16 && dst.Layout == plan.Blocked:
		return kernel.N16ToBlocked{C: c, H: h, W: w, In: in, Out: out}
	case src.Layout == plan.N16:
		return kernel.N16ToNCHW{C: c, H: h, W: w, In: in, Out: out}
	case dst.Layout == plan.N16 && src.Layout == plan.Blocked:
		return kernel.N16FromBlocked{C: c, H: h, W: w, In: in, Out: out}
	case dst.Layout == plan.N16:
		return kernel.N16FromNCHW{C: c, H: h, W: w, In: in, Out: out}
	case src.Layout == plan.Blocked && dst.Layout == plan.Blocked:
		if src.Lane() == 0 && dst.Lane() == 0 && (c%kernel.Block == 0 || dst.Ends() && src.Ends()) {
			return kernel.Copy{C: c, H: h, W: w, In: in, Out: out}
		}
		return kernel.CopyChannels{C: c, H: h, W: w, From: src.Lane(), To: dst.Lane(), Last: dst.Ends(), In: in, Out: out}
	case src.Layout == plan.Blocked:
		return kernel.ToNCHW{C: c, H: h, W: w, In: in, Out: out}
	case dst.Layout == plan.Blocked:
		return kernel.FromNCHW{C: c, H: h, W: w, In: in, Out: out}
	}
	return kernel.CopyNCHW{C: c, H: h, W: w, In: in, Out: out}
}

// Gather implements plan.Lowering: narrow parts of a join, that begin or end within
// a block.
func (l *lowering) Gather(src, dst []*plan.Tensor) plan.Kernel {
	k := kernel.Interleave{H: dst[0].H, W: dst[0].W, Last: dst[len(dst)-1].Ends(), Out: view(dst[0])}
	at := dst[0].Lane()
	for i, t := range src {
		if t.Layout != plan.Blocked || dst[i].Layout != plan.Blocked {
			return nil
		}
		k.Inputs[i] = kernel.InterleaveInput{C: t.C, From: t.Lane(), To: at, In: view(t)}
		at += t.C
	}
	return k
}

// Convolutions.

// planarChannels is up to how many channels of the network's input a convolution
// reads from planes: a block would be filled up with zeros.
const planarChannels = 8

func conv(op ops.Conv, n *ir.Node, c *call) error {
	w := c.Param(1)
	if w == nil {
		return unsupported("the weight %s is computed, not a param", n.In[1].Name)
	}
	x, y := n.In[0].Type.Shape, n.Out[0].Type.Shape
	k := kernel.Conv{IC: x[1], H: y[2], W: y[3], KH: w.Type.Shape[2], KW: w.Type.Shape[3],
		SH: op.Stride[0], SW: op.Stride[1], DH: op.Dilation[0], DW: op.Dilation[1], PH: op.Pad[0], PW: op.Pad[1], Groups: op.Groups}
	k.Planar = c.layout() == plan.Blocked && c.In[0].Layout == plan.Planar && x[1] <= planarChannels && op.Groups == 1
	if t := c.l.train; t != nil {
		f, ok := t.conv(w)
		if !ok || f.Planar && c.In[0].Layout != plan.Planar {
			return unsupported("the weight %s is used in several ways", w.Name)
		}
		k.Planar = f.Planar
	}
	return c.conv(k, c.layout(), x[2], x[3], w, c.Param(2))
}

// conv plans a convolution over maps of ih x iw: by which algorithm, and what it
// needs of its input's border.
func (c *call) conv(k kernel.Conv, layout plan.Layout, ih, iw int, weight, bias *ir.Value) error {
	if c.int8Conv(k, ih, iw, weight, bias) {
		return nil
	}
	for i, a := range c.Acts {
		ch, _, _ := chw(c.Wrote[i])
		k.Outputs[i] = kernel.Output{C: ch, Act: act(a)}
	}
	k.Residual = c.Residual >= 0
	k.Scale = float32(c.Scale)
	own := plan.Need{Layout: layout}
	in := plan.Need{Layout: own.Layout, Border: plan.Border{
		k.PH, k.PW, max(0, (k.H-1)*k.SH-k.PH+(k.KH-1)*k.DH-(ih-1)), max(0, (k.W-1)*k.SW-k.PW+(k.KW-1)*k.DW-(iw-1))}}
	if k.Planar {
		in.Layout = plan.Framed
		if in.Border == (plan.Border{}) {
			in.Layout = plan.Planar
		}
	}
	algo := c.l.algorithm(k, layout)
	if c.Pool != nil && (algo.name != "winograd" || k.Outputs[0].Act > kernel.ActReLU) {
		c.choice = plan.Choice{Apart: true}
		return nil
	}
	c.choice = plan.Choice{Algo: algo.name, In: []plan.Need{in}, Out: needs(own, len(c.Wrote))}
	if c.Indices {
		c.choice.Out[1] = c.indices()
	}
	if k.Residual {
		c.choice.In = append(c.choice.In, own)
		c.choice.InPlace = []int{2}
	}
	c.choice.Emit = func(e *plan.Emitter) error {
		k.In = view(e.In[0])
		for i := range c.Acts {
			k.Outputs[i].View = view(e.Out[i])
		}
		if k.Residual {
			k.Res = view(e.In[1])
		}
		do := algo.make(k, c.l.batch)
		if w, ok := do.(kernel.Winograd); ok && c.Pool != nil {
			if w.Pool = true; c.Indices {
				w.Indices = view(e.Out[1])
			}
			do = w
		}
		var ws []plan.WeightRef
		if c.l.train != nil {
			ws = []plan.WeightRef{{At: c.forwardWeights(e, do, e.Param(weight))}}
			if bias != nil {
				ws = append(ws, plan.WeightRef{At: e.Param(bias)})
			}
		} else {
			ws = []plan.WeightRef{{Params: []*ir.Value{weight}, How: kernel.PackWeight, Len: do.PackedLen()}}
			if bias != nil {
				ws = append(ws, plan.WeightRef{Params: []*ir.Value{bias}, How: kernel.PackBias, Len: do.BiasLen()})
			}
		}
		if do, ok := do.(kernel.DenseSplitK); ok {
			t := e.Temp("parts", plan.Packed, do.PartialsLen(c.l.batch), 1, 1)
			e.Step(do, e.In, list(t), ws...)
			e.Step(do.Sum(), list(t), e.Out)
			return nil
		}
		e.Step(do, e.In, e.Out, ws...)
		return nil
	}
	return nil
}

func dense(op ops.Dense, n *ir.Node, c *call) error {
	w := c.Param(1)
	if w == nil {
		return unsupported("the weight %s is computed, not a param", n.In[1].Name)
	}
	if t := c.l.train; t != nil && t.flat[c.Read[0]] {
		return c.flatDense(w, c.Param(2))
	}
	ic, h, wd := chw(c.Read[0])
	if len(c.Read[0].Type.Shape) == 2 {
		h, wd = 1, 1
	}
	layout := c.layout()
	if c.l.train != nil {
		layout = plan.Blocked
	}
	return c.conv(kernel.Conv{IC: ic, H: 1, W: 1, KH: h, KW: wd, SH: 1, SW: 1, DH: 1, DW: 1, Groups: 1}, layout, h, wd, w, c.Param(2))
}

// matMul is a dense layer where the second operand is a param.
func matMul(op ops.MatMul, n *ir.Node, c *call) error {
	w := c.Param(1)
	if c.l.train != nil {
		return c.denseGradient(op)
	}
	if w == nil || op.TransA || !n.In[0].Type.Shape.Symbolic() {
		return unsupported("a product of two activations")
	}
	ic, oc := n.In[0].Type.Shape[1], n.Out[0].Type.Shape[1]
	k := kernel.Conv{IC: ic, H: 1, W: 1, KH: 1, KW: 1, Outputs: [4]kernel.Output{{C: oc}}}
	how := kernel.PackTransposed
	if op.TransB {
		how = kernel.PackWeight
	}
	return c.blocked("dense", 0, func(e *plan.Emitter) error {
		k.In, k.Outputs[0].View = view(e.In[0]), view(e.Out[0])
		k = k.Split(c.l.batch)
		e.Step(k, e.In, e.Out, plan.WeightRef{Params: []*ir.Value{w}, How: how, Arg: float64(ic), Len: k.PackedLen()})
		return nil
	})
}

// Windows.

func maxPool(op ops.MaxPool, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.In[0])
	_, h, w := chw(n.Out[0])
	if c.In[0].Layout == plan.Bytes {
		return c.bytes("max pool", func(e *plan.Emitter) error {
			e.Step(kernel.MaxPoolInt8{C: ch, H: h, W: w, IH: ih, IW: iw, KH: op.Kernel[0], KW: op.Kernel[1], SH: op.Stride[0], SW: op.Stride[1],
				PH: op.Pad[0], PW: op.Pad[1], In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out)
			return nil
		})
	}
	err := c.byBlock("max pool", 0, func(e *plan.Emitter) error {
		k := kernel.MaxPool{C: c.lanes(ch), H: h, W: w, IH: ih, IW: iw, KH: op.Kernel[0], KW: op.Kernel[1], SH: op.Stride[0], SW: op.Stride[1],
			PH: op.Pad[0], PW: op.Pad[1], In: view(e.In[0]), Out: view(e.Out[0])}
		if c.Indices {
			k.Indices, k.IndexReLU = view(e.Out[1]), c.IndexReLU
		}
		e.Step(c.block(k), e.In, e.Out)
		return nil
	})
	if c.Indices {
		c.choice.Out[1] = c.indices()
	}
	return err
}

// indices is how a max pool leaves what its gradient needs of its input.
func (c *call) indices() plan.Need {
	if c.layout() == plan.N16 {
		return plan.Need{Layout: plan.N16Indices}
	}
	return plan.Need{Layout: plan.Indices}
}

func avgPool(op ops.AvgPool, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.In[0])
	_, h, w := chw(n.Out[0])
	return c.byBlock("average pool", 0, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.AvgPool{C: c.lanes(ch), H: h, W: w, IH: ih, IW: iw, KH: op.Kernel[0], KW: op.Kernel[1], SH: op.Stride[0], SW: op.Stride[1],
			PH: op.Pad[0], PW: op.Pad[1], PB: op.Pad[2], PR: op.Pad[3], IncludePad: op.IncludePad, In: view(e.In[0]), Out: view(e.Out[0])}), e.In, e.Out)
		return nil
	})
}

func globalAvgPool(op ops.GlobalAvgPool, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.In[0])
	return c.byBlock("average pool", 0, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.AvgPool{C: c.lanes(ch), H: 1, W: 1, IH: ih, IW: iw, KH: ih, KW: iw, SH: 1, SW: 1, In: view(e.In[0]), Out: view(e.Out[0])}), e.In, e.Out)
		return nil
	})
}

// Channels.

func lrn(op ops.LRN, n *ir.Node, c *call) error {
	ch, h, w := chw(n.In[0])
	return c.blocked("lrn", 1, func(e *plan.Emitter) error {
		e.Step(kernel.LRN{C: ch, H: h, W: w, Size: op.Size, Alpha: float32(op.Alpha), Beta: float32(op.Beta), K: float32(op.K),
			In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
}

func batchNorm(op ops.BatchNorm, n *ir.Node, c *call) error {
	for i := 1; i < 5; i++ {
		if c.Param(i) == nil {
			return unsupported("operand %s is computed, not a param", n.In[i].Name)
		}
	}
	ch, h, w := chw(n.In[0])
	return c.byBlock("affine", 1, func(e *plan.Emitter) error {
		k := kernel.Affine{C: c.lanes(ch), H: h, W: w, Act: act(c.Acts[0]), In: view(e.In[0]), Out: view(e.Out[0])}
		if c.l.train == nil {
			e.Step(c.block(k), e.In, e.Out,
				plan.WeightRef{Params: n.In[1:5], How: kernel.PackBNScale, Arg: op.Eps, Len: k.PackedLen()},
				plan.WeightRef{Params: n.In[1:5], How: kernel.PackBNShift, Arg: op.Eps, Len: k.BiasLen()})
			return nil
		}
		// The params of a training step are where they can be set between steps.
		fold := kernel.BatchNormFold{C: ch, Repeat: c.lanes(ch) / ch, Eps: op.Eps}
		scale, shift := e.Temp("scale", plan.Packed, fold.PackedLen(), 1, 1), e.Temp("shift", plan.Packed, fold.PackedLen(), 1, 1)
		e.Step(fold, []*plan.Tensor{e.Param(n.In[1]), e.Param(n.In[2]), e.Param(n.In[3]), e.Param(n.In[4])}, []*plan.Tensor{scale, shift})
		e.Step(c.block(k), e.In, e.Out, plan.WeightRef{At: scale}, plan.WeightRef{At: shift})
		return nil
	})
}

// affine is the product with a param and the sum with another, both with one number for each
// channel.
func (c *call) affine() error {
	ch, h, w := chw(c.Wrote[0])
	scale := c.Param(0)
	if scale == nil {
		scale = c.Param(1)
	}
	return c.byBlock("affine", 1, func(e *plan.Emitter) error {
		k := kernel.Affine{C: c.lanes(ch), H: h, W: w, Act: act(c.Acts[0]), In: view(e.In[0]), Out: view(e.Out[0])}
		ref := func(p *ir.Value) plan.WeightRef {
			return plan.WeightRef{Params: []*ir.Value{p}, How: kernel.PackBlocked, Arg: 1, Len: k.PackedLen()}
		}
		e.Step(c.block(k), e.In, e.Out, ref(scale), ref(c.Shift))
		return nil
	})
}

func maxout(op ops.Maxout, n *ir.Node, c *call) error {
	ch, h, w := chw(n.Out[0])
	return c.blocked("maxout", 0, func(e *plan.Emitter) error {
		e.Step(kernel.Maxout{C: ch, Pieces: op.Pieces, H: h, W: w, In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out)
		return nil
	})
}

func softmax(op ops.Softmax, n *ir.Node, c *call) error       { return c.softmax(op.Axis, false) }
func logSoftmax(op ops.LogSoftmax, n *ir.Node, c *call) error { return c.softmax(op.Axis, true) }

// softmax over another axis than the channels goes by way of arrays whose axes
// have traded places.
func (c *call) softmax(axis int, log bool) error {
	s := c.Read[0].Type.Shape
	if axis < 0 {
		axis += len(s)
	}
	if axis == 1 {
		ch, h, w := chw(c.Read[0])
		return c.blocked("softmax", 1, func(e *plan.Emitter) error {
			e.Step(kernel.Softmax{C: ch, H: h, W: w, Log: log, In: view(e.In[0]), Out: view(e.Out[0])}, e.In, e.Out)
			return nil
		})
	}
	if axis < 1 {
		return unsupported("a softmax over the batch")
	}
	p := permuteOf(s)
	p.Perm[0], p.Perm[axis-1] = axis-1, 0
	ch, w := s[axis], s.Size()/s[axis]
	return c.planar("softmax", func(e *plan.Emitter) error {
		a, b := e.Temp("axes", plan.Planar, ch, 1, w), e.Temp("blocks", plan.Blocked, ch, 1, w)
		d := e.Temp("planes", plan.Planar, ch, 1, w)
		p.InN, p.OutN = view(e.In[0]).N, view(a).N
		e.Step(p, e.In, list(a))
		e.Step(c.l.Copy(a, b), list(a), list(b))
		e.Step(kernel.Softmax{C: ch, H: 1, W: w, Log: log, In: view(b), Out: view(b)}, list(b), list(b))
		e.Step(c.l.Copy(b, d), list(b), list(d))
		back := p
		back.Dims[0], back.Dims[axis-1] = p.Dims[axis-1], p.Dims[0]
		back.InN, back.OutN = view(d).N, view(e.Out[0]).N
		e.Step(back, list(d), e.Out)
		return nil
	})
}

// permuteOf is the identity permutation of a shape's axes, without the batch.
func permuteOf(s ir.Shape) kernel.Permute {
	p := kernel.Permute{Axes: len(s) - 1}
	for i := range p.Axes {
		p.Dims[i], p.Perm[i] = s[i+1], i
	}
	return p
}

// Elementwise.

func relu(op ops.ReLU, n *ir.Node, c *call) error       { return c.activation(kernel.ActReLU, 0, 0) }
func sigmoid(op ops.Sigmoid, n *ir.Node, c *call) error { return c.activation(kernel.ActSigmoid, 0, 0) }
func tanh(op ops.Tanh, n *ir.Node, c *call) error       { return c.activation(kernel.ActTanh, 0, 0) }
func silu(op ops.SiLU, n *ir.Node, c *call) error       { return c.activation(kernel.ActSiLU, 0, 0) }
func hardSwish(op ops.HardSwish, n *ir.Node, c *call) error {
	return c.activation(kernel.ActHardSwish, 0, 0)
}

func clip(op ops.Clip, n *ir.Node, c *call) error {
	if ops.ActOf(op) == ops.ActReLU6 {
		return c.activation(kernel.ActReLU6, 0, 0)
	}
	return c.activation(kernel.ActClip, op.Min, op.Max)
}

func hardSigmoid(op ops.HardSigmoid, n *ir.Node, c *call) error {
	return c.activation(kernel.ActHardSigmoid, op.Alpha, op.Beta)
}

func gelu(op ops.GELU, n *ir.Node, c *call) error {
	return c.activation(act(ops.ActOf(op)), 0, 0)
}

func leakyReLU(op ops.LeakyReLU, n *ir.Node, c *call) error {
	return c.activation(kernel.ActLeakyReLU, op.Alpha, 0)
}

// activation applies an activation with the parameters A and B of kernel.Activation.
func (c *call) activation(act kernel.Act, a, b float64) error {
	ch, h, w := chw(c.Read[0])
	return c.byBlock(act.String(), 1, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.Activation{Act: act, A: float32(a), B: float32(b), C: c.lanes(ch), H: h, W: w, In: view(e.In[0]), Out: view(e.Out[0])}), e.In, e.Out)
		return nil
	})
}

func scale(op ops.Scale, n *ir.Node, c *call) error {
	if len(n.Out[0].Type.Shape) == 0 {
		return c.sumOfScalars(op.By)
	}
	ch, h, w := chw(n.In[0])
	return c.byBlock("scale", 1, func(e *plan.Emitter) error {
		k := kernel.Binary{Op: kernel.OpMul, Stretch: kernel.ByScalar, C: c.lanes(ch), H: h, W: w, A: view(e.In[0]), Out: view(e.Out[0])}
		e.Step(c.block(k), e.In, e.Out, plan.WeightRef{How: kernel.PackFill, Arg: op.By, Len: kernel.Block})
		return nil
	})
}

func add(op ops.Add, n *ir.Node, c *call) error { return c.binary(kernel.OpAdd, "add") }
func sub(op ops.Sub, n *ir.Node, c *call) error { return c.binary(kernel.OpSub, "sub") }
func mul(op ops.Mul, n *ir.Node, c *call) error {
	if c.Shift != nil {
		return c.affine()
	}
	return c.binary(kernel.OpMul, "mul")
}
func maximum(op ops.Max, n *ir.Node, c *call) error { return c.binary(kernel.OpMax, "max") }

// div is a multiplication where the divisor is a param.
func div(op ops.Div, n *ir.Node, c *call) error {
	if c.Param(1) != nil {
		return c.binary(kernel.OpMul, "div")
	}
	if n.In[0].Param != nil || !n.In[0].Type.Shape.Equal(n.Out[0].Type.Shape) {
		return unsupported("a division of %v by an activation, %v", n.In[0].Type.Shape, n.In[1].Type.Shape)
	}
	return c.binary(kernel.OpDiv, "div")
}

// binary folds the operands of an elementwise op from the left, as the reference
// does. One of a pair may be stretched; a param lies among the weights.
func (c *call) binary(op kernel.BinaryOp, algo string) error {
	if c.Quantize != nil && op == kernel.OpAdd && c.addInt8() {
		return nil
	}
	out := c.Wrote[0].Type.Shape
	if len(out) == 0 {
		switch {
		case op == kernel.OpAdd:
			return c.sumOfScalars(slices.Repeat([]float64{1}, len(c.Node.In))...)
		case op == kernel.OpSub && len(c.Node.In) == 2:
			return c.sumOfScalars(1, -1)
		case op == kernel.OpMul && len(c.Node.In) == 2:
			return c.scalars("product", kernel.Product{})
		}
	}
	if len(c.Read) == 0 {
		return unsupported("an op on params alone: fold it first")
	}
	last := kernel.ActNone
	if len(c.Acts) > 0 {
		last = act(c.Acts[0])
	}
	if len(c.Node.In) == 1 {
		if last != kernel.ActNone {
			return c.activation(last, 0, 0)
		}
		c.choice = plan.Choice{Views: []int{0}}
		return nil
	}
	// The operand of the output's own shape comes first: it is the one that is not
	// stretched.
	first := -1
	for i, v := range c.Node.In {
		if v.Param == nil && v.Type.Shape.Equal(out) {
			first = i
			break
		}
	}
	if first < 0 {
		return unsupported("broadcasting %v and %v, neither of which has the shape of the result", c.Node.In[0].Type.Shape, c.Node.In[1].Type.Shape)
	}
	if len(c.Node.In) > 2 && first > 0 && op == kernel.OpSub {
		return unsupported("a difference of %d operands", len(c.Node.In))
	}
	ch, h, w := chw(c.Wrote[0])
	at, rest, err := c.operands(first)
	if err != nil {
		return err
	}
	how := kernel.PackBlocked
	if algo == "div" {
		how = kernel.PackReciprocal
	}
	layout := c.byBlock
	for _, o := range rest {
		// N16 are not filled with one of an image's elements: its channels only are
		// stretched. And quotients of what lanes without an image hold are not finite.
		if o.param == nil && (o.stretch == kernel.ByPixel || o.stretch == kernel.ByScalar) || algo == "div" {
			layout = c.blocked
		}
	}
	return layout(algo, at+1, func(e *plan.Emitter) error {
		a := e.In[at]
		for i, o := range rest {
			k := kernel.Binary{Op: op, Swap: first > 0, Stretch: o.stretch, C: c.lanes(ch), H: h, W: w, A: view(a), Out: view(e.Out[0])}
			if i == len(rest)-1 {
				k.Act = last
			}
			if o.param == nil {
				k.B = view(e.In[o.read])
				e.Step(c.block(k), list(a, e.In[o.read]), e.Out)
			} else {
				bc, bh, bw := ch, h, w
				if o.stretch != kernel.BySame {
					bc, bh, bw = paramCHW(o.param.Type.Shape, len(out))
				}
				k.B = kernel.View{C: bh * bw * kernel.Block, H: bw * kernel.Block}
				e.Step(c.block(k), list(a), e.Out, plan.WeightRef{Params: []*ir.Value{o.param}, How: how, Arg: float64(bh * bw),
					Len: kernel.Blocks(c.lanes(bc)) * kernel.Block * bh * bw})
			}
			a = e.Out[0]
		}
		return nil
	})
}

// operand is an operand of a binary op, behind that of the output's own shape.
type operand struct {
	read    int       // index into Read
	param   *ir.Value // nil for a value that is read
	stretch kernel.Broadcast
}

// operands returns the index into Read of operand first, and the other operands.
func (c *call) operands(first int) (at int, rest []operand, err error) {
	read, out := 0, c.Wrote[0].Type.Shape
	for i, v := range c.Node.In {
		o := operand{read: read, param: v}
		if v.Param == nil {
			o.param = nil
			read++
		}
		if i == first {
			at = o.read
			continue
		}
		var ok bool
		if o.stretch, ok = stretch(v.Type.Shape, out, v.Param != nil); !ok {
			return 0, nil, unsupported("broadcasting %v to %v", v.Type.Shape, out)
		}
		rest = append(rest, o)
	}
	return at, rest, nil
}

// paramCHW is the shape of a param that is one operand of a broadcast to a shape of some axes,
// aligned to the right as numpy does: C alone for a vector beside vectors.
func paramCHW(s ir.Shape, axes int) (c, h, w int) {
	full := append(slices.Repeat(ir.Shape{1}, max(0, axes-len(s))), s...)
	if axes == 2 {
		return full[1], 1, 1
	}
	return full[1], full[2], full[3]
}

// stretch says how shape s is broadcast to out; ok is false where no kernel does.
func stretch(s, out ir.Shape, param bool) (b kernel.Broadcast, ok bool) {
	if s.Equal(out) {
		return kernel.BySame, true
	}
	full := slices.Repeat(ir.Shape{1}, max(0, len(out)-len(s)))
	full = append(full, s...)
	if len(out) != 2 && len(out) != 4 || len(full) != len(out) {
		return 0, false
	}
	// Params of a row of W elements beside maps would be the last axis: they are
	// laid out as C x H x W, so it is only free where H and W agree or are 1.
	if param && full[0] != 1 || !param && full[0] != out[0] {
		return 0, false
	}
	full, out = full[1:], out[1:]
	ones := func(s ir.Shape) bool { return s.Size() == 1 }
	switch {
	case full.Equal(out):
		return kernel.BySame, true
	case ones(full):
		return kernel.ByScalar, true
	case full[0] == out[0] && ones(full[1:]):
		return kernel.ByChannel, true
	case full[0] == 1 && full[1:].Equal(out[1:]):
		return kernel.ByPixel, true
	}
	return 0, false
}

func sqrt(op ops.Sqrt, n *ir.Node, c *call) error { return c.activation(kernel.ActSqrt, 0, 0) }

// Places.

func concat(op ops.Concat, n *ir.Node, c *call) error {
	axis := op.Axis
	if axis < 0 {
		axis += len(n.Out[0].Type.Shape)
	}
	if axis < 1 || len(c.Read) != len(n.In) {
		return unsupported("a concat over axis %d, or of params", op.Axis)
	}
	if axis == 1 {
		own := plan.Need{Layout: c.layout()}
		if _, ok := ops.Grid(c.Wrote[0]); ok && !slices.ContainsFunc(c.In, func(t *plan.Tensor) bool { return t.Layout != plan.Bytes }) {
			own = plan.Need{Layout: plan.Bytes}
		}
		c.choice = plan.Choice{Join: true, In: needs(own, len(c.Read)), Out: needs(own, 1)}
		return nil
	}
	// The axis trades places with the channels, over which planes are joined.
	s := n.Out[0].Type.Shape
	return c.planar("concat", func(e *plan.Emitter) error {
		all := e.Temp("axes", plan.Planar, s[axis], 1, s.Size()/s[axis])
		at := 0
		for i, v := range n.In {
			p := permuteOf(v.Type.Shape)
			p.Perm[0], p.Perm[axis-1] = axis-1, 0
			d := v.Type.Shape[axis]
			part := all.Part(at, d)
			at += d
			p.InN, p.OutN = view(e.In[i]).N, view(all).N
			e.Step(p, e.In[i:i+1], list(part))
		}
		e.Step(tradeBack(s, axis, view(all).N, view(e.Out[0]).N), list(all), e.Out)
		return nil
	})
}

// tradeBack undoes the exchange of the channels with another axis of a shape.
func tradeBack(s ir.Shape, axis, inN, outN int) kernel.Permute {
	p := permuteOf(s)
	p.Dims[0], p.Dims[axis-1] = p.Dims[axis-1], p.Dims[0]
	p.Perm[0], p.Perm[axis-1] = axis-1, 0
	p.InN, p.OutN = inN, outN
	return p
}

func slice(op ops.Slice, n *ir.Node, c *call) error {
	return c.slices(op.Axis, []int{op.Start})
}

func split(op ops.Split, n *ir.Node, c *call) error {
	var starts []int
	at := 0
	sizes, err := op.Sizes.List()
	if err != nil {
		return err
	}
	for _, s := range sizes {
		starts = append(starts, at)
		at += s
	}
	return c.slices(op.Axis, starts)
}

// slices are views where they begin with a block and end with one; otherwise
// channels are copied.
func (c *call) slices(axis int, starts []int) error {
	s := c.Read[0].Type.Shape
	if axis < 0 {
		axis += len(s)
	}
	if axis < 1 {
		return unsupported("a slice of the batch")
	}
	if axis > 1 {
		return c.planar("slice", func(e *plan.Emitter) error {
			all := e.Temp("axes", plan.Planar, s[axis], 1, s.Size()/s[axis])
			p := permuteOf(s)
			p.Perm[0], p.Perm[axis-1] = axis-1, 0
			p.InN, p.OutN = view(e.In[0]).N, view(all).N
			e.Step(p, e.In, list(all))
			for i, v := range c.Wrote {
				part := all.Part(starts[i], v.Type.Shape[axis])
				e.Step(tradeBack(v.Type.Shape, axis, view(all).N, view(e.Out[i]).N), list(part), e.Out[i:i+1])
			}
			return nil
		})
	}
	if c.In[0].Layout == plan.Planar || c.In[0].Layout == plan.N16 {
		c.choice = plan.Choice{Views: starts}
		return nil
	}
	aligned := true
	for i, v := range c.Wrote {
		end := starts[i] + v.Type.Shape[1]
		aligned = aligned && starts[i]%kernel.Block == 0 && (end%kernel.Block == 0 || end == s[1])
	}
	if aligned {
		c.choice = plan.Choice{Views: starts}
		return nil
	}
	return c.blocked("copy", 0, func(e *plan.Emitter) error {
		for i, t := range e.Out {
			part := e.In[0].Part(starts[i], t.C)
			e.Step(c.l.Copy(part, t), list(part), list(t))
		}
		return nil
	})
}

func flatten(op ops.Flatten, n *ir.Node, c *call) error { return c.reshape() }
func reshape(op ops.Reshape, n *ir.Node, c *call) error { return c.reshape() }

// reshape is free for vectors under another name, and for row-major values.
func (c *call) reshape() error {
	if len(c.Read) == 0 {
		return unsupported("a reshape of a param: fold it first")
	}
	if t := c.l.train; t != nil && (t.pixels[c.Read[0]] || t.pixels[c.Wrote[0]]) {
		return c.pixels()
	} else if t != nil && t.flat[c.Wrote[0]] {
		c.choice = plan.Choice{In: []plan.Need{{Layout: plan.N16}}, Views: []int{0}}
		return nil
	}
	c1, h1, w1 := chw(c.Read[0])
	c2, h2, w2 := chw(c.Wrote[0])
	c.choice = plan.Choice{Views: []int{0}}
	if c1 != c2 || h1 != h2 || w1 != w2 {
		if c.l.lanes && c.In[0].Layout != plan.Planar && (h1*w1 == 1 || h2*w2 == 1) {
			return c.n16Reshape()
		}
		c.choice.In = []plan.Need{planar}
	}
	return nil
}

func dropout(op ops.Dropout, n *ir.Node, c *call) error {
	c.choice = plan.Choice{Views: []int{0}}
	return nil
}

func pad(op ops.Pad, n *ir.Node, c *call) error {
	ch, ih, iw := chw(n.In[0])
	_, h, w := chw(n.Out[0])
	return c.byBlock("pad", 0, func(e *plan.Emitter) error {
		e.Step(c.block(kernel.Pad{C: c.lanes(ch), H: h, W: w, IH: ih, IW: iw, PH: op.Pad[0], PW: op.Pad[1], Value: float32(op.Value),
			In: view(e.In[0]), Out: view(e.Out[0])}), e.In, e.Out)
		return nil
	})
}

func transpose(op ops.Transpose, n *ir.Node, c *call) error {
	perm, err := op.Perm.List()
	if err != nil {
		return err
	}
	if len(perm) == 0 || perm[0] != 0 || len(perm)-1 > kernel.MaxAxes {
		return unsupported("a transposition of the batch, or of more than %d axes", kernel.MaxAxes+1)
	}
	p := permuteOf(n.In[0].Type.Shape)
	for i := range p.Axes {
		p.Perm[i] = perm[i+1] - 1
	}
	return c.planar("transpose", func(e *plan.Emitter) error {
		p.InN, p.OutN = view(e.In[0]).N, view(e.Out[0]).N
		e.Step(p, e.In, e.Out)
		return nil
	})
}

func reduce(op ops.Reduce, n *ir.Node, c *call) error {
	axes, err := op.Axes.List()
	if err != nil {
		return err
	}
	s := n.In[0].Type.Shape
	if c.l.train != nil && op.Kind == ops.ReduceSum && !op.Keep && (op.Axes == "0,2,3" || op.Axes == "0" && len(s) == 2) {
		return c.sumOfPixels()
	}
	k := kernel.Reduce{Op: map[string]kernel.ReduceOp{"sum": kernel.ReduceSum, "mean": kernel.ReduceMean, "max": kernel.ReduceMax}[string(op.Kind)], Axes: len(s) - 1}
	if len(s) < 2 || k.Axes > kernel.MaxAxes {
		return unsupported("a reduction of %v", s)
	}
	for i := range k.Axes {
		k.Dims[i] = s[i+1]
	}
	if len(axes) == 0 {
		axes = []int{0}
	}
	for _, a := range axes {
		if a < 1 {
			return unsupported("a reduction over the batch")
		}
		k.Over[a-1] = true
	}
	return c.planar("reduce", func(e *plan.Emitter) error {
		k.InN, k.OutN = view(e.In[0]).N, view(e.Out[0]).N
		e.Step(k, e.In, e.Out)
		return nil
	})
}
