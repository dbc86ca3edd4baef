package dsl

import (
	"errors"
	"fmt"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	irops "github.com/incc-lang/incc/ir/ops"
)

// conv builds a convolution. Batch normalization, the maximum over pieces and the
// activation become nodes after it; passes may fuse them.
func (b *builder) conv(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	k, okK := a.vals["kernel"].(kernel)
	n, okN := a.vals["filters"].(int)
	if !a.ok || !okK || !okN || x == nil {
		return nil
	}
	if !b.wantMap(cx, c, x) {
		return nil
	}
	in := x.Type.Shape
	groups, dilation, pieces := arg[int](a, "groups"), arg[ir.HW](a, "dilation"), arg[int](a, "maxout")
	if groups == 0 {
		groups = in[1] // depthwise
	}
	pads, ok := b.pads(a, cx, c, x, k, dilation, false)
	if !ok {
		return nil
	}
	if in[1]%groups != 0 || n*pieces%groups != 0 {
		what, count := "the input has", in[1]
		if in[1]%groups == 0 {
			what, count = "the conv makes", n*pieces
		}
		d := b.err(cx, "E0306", a.where("groups", c), "%d groups do not divide the channels: %s %d", groups, what, count).
			WithHelp("make it a multiple of %d", groups)
		b.from(d, x, cx, "its input, %s, comes from here", image(x))
		b.uses(d, cx)
		return nil
	}
	name := cx.scope.fresh("conv_" + k.size.String() + cx.suffix)
	l := b.layer(c, a, cx, name)
	w := l.weight(ir.Shape{n * pieces, in[1] / groups, k.size[0], k.size[1]})
	if w == nil {
		return nil
	}
	op := irops.Conv{Stride: k.stride, Pad: pads, Dilation: dilation, Groups: groups}
	return l.finish(b.add(cx, c, name, op, l.operands(x, w, n*pieces)...), pieces)
}

// fc builds a dense layer. It flattens an input that is not a vector.
func (b *builder) fc(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	n, ok := a.vals["units"].(int)
	if !a.ok || !ok || x == nil {
		return nil
	}
	pieces := arg[int](a, "maxout")
	name := cx.scope.fresh("fc" + cx.suffix)
	if len(x.Type.Shape) != 2 {
		if x = b.add(cx, c, name+"/flatten", irops.Flatten{}, x); x == nil {
			return nil
		}
	}
	l := b.layer(c, a, cx, name)
	w := l.weight(ir.Shape{n * pieces, x.Type.Shape[1]})
	if w == nil {
		return nil
	}
	return l.finish(b.add(cx, c, name, irops.Dense{}, l.operands(x, w, n*pieces)...), pieces)
}

// layer holds what is needed to build a layer with weights.
type layer struct {
	b    *builder
	c    *Call
	a    *bound
	cx   context
	name string
	bn   batchNorm
	w    *ir.Value
}

func (b *builder) layer(c *Call, a *bound, cx context, name string) *layer {
	at := b.userSpan(cx, c.Span())
	b.g.Pos, b.g.Part = at.Pos, cx.part
	return &layer{b: b, c: c, a: a, cx: cx, name: name, bn: arg[batchNorm](a, "bn")}
}

// param adds a param of the layer. The key lr of the layer applies only to weights, which
// are trained.
func (l *layer) param(what string, kind ir.Kind, init ir.Init, shape ...int) *ir.Value {
	p := ir.Param{Kind: kind, Init: init}
	if kind == ir.Weight {
		p.LR = arg[float64](l.a, "lr")
	}
	return l.b.g.Param(l.name+"/"+what, shape, p)
}

// weight adds the weight of the layer. It reports an error and returns nil if the weight
// is too large.
func (l *layer) weight(shape ir.Shape) *ir.Value {
	if err := shape.Check(); err != nil {
		l.b.uses(l.b.err(l.cx, "E0309", l.c.Span(), "the weights of %s are too large: %v", l.c.Name.Name, err), l.cx)
		return nil
	}
	init, said := l.a.vals["init"].(ir.Init)
	l.w = l.param("weight", ir.Weight, init, shape...)
	l.w.Param.Decay, l.w.Param.MaxNorm = arg[float64](l.a, "decay"), arg[float64](l.a, "max_norm")
	if !said {
		l.b.undrawn = append(l.b.undrawn, undrawn{param: l.w})
	}
	return l.w
}

// operands returns x, the weight and the bias with n elements. Without the key bias there
// is no bias if batch normalization follows.
func (l *layer) operands(x, w *ir.Value, n int) []*ir.Value {
	in := []*ir.Value{x, w}
	bs, said := l.a.vals["bias"].(bias)
	if !said {
		bs.on = !l.bn.on
	}
	if bs.on {
		in = append(in, l.param("bias", ir.Weight, ir.Init{Kind: ir.InitConstant, A: bs.value}, n))
	}
	return in
}

// finish adds batch normalization, the maximum over pieces and the activation after the
// convolution or dense op y.
func (l *layer) finish(y *ir.Value, pieces int) *ir.Value {
	b := l.b
	if y == nil {
		return nil
	}
	if n := len(b.undrawn); n > 0 && b.undrawn[n-1].param == l.w {
		b.undrawn[n-1].node = y.Def
	}
	if l.bn.on {
		y = l.norm(y, l.name+"/bn", l.bn.eps, arg[float64](l.a, "bn.momentum"), arg[bool](l.a, "bn.gamma"), arg[bool](l.a, "bn.beta"))
	}
	if pieces > 1 && y != nil {
		y = b.add(l.cx, l.c, l.name+"/maxout", irops.Maxout{Pieces: pieces}, y)
	}
	return b.act(l.cx, l.c, l.name, arg[string](l.a, "act"), y)
}

// norm adds batch normalization with its params. If gamma or beta is off, it is a constant
// 1 or 0 in place of a weight.
func (l *layer) norm(x *ir.Value, name string, eps, momentum float64, gamma, beta bool) *ir.Value {
	c := x.Type.Shape[1]
	param := func(what string, on bool, start float64) *ir.Value {
		kind := ir.Weight
		if !on {
			kind = ir.Constant
		}
		return l.param(what, kind, ir.Init{Kind: ir.InitConstant, A: start}, c)
	}
	in := []*ir.Value{x, param("gamma", gamma, 1), param("beta", beta, 0),
		l.param("mean", ir.State, ir.Init{Kind: ir.InitConstant}, c),
		l.param("variance", ir.State, ir.Init{Kind: ir.InitConstant, A: 1}, c)}
	return l.b.add(l.cx, l.c, name, irops.BatchNorm{Eps: eps, Momentum: momentum}, in...)
}

// bn builds batch normalization as an op of its own.
func (b *builder) bn(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	if !a.ok || x == nil {
		return nil
	}
	name := cx.scope.fresh("bn" + cx.suffix)
	return b.layer(c, a, cx, name).norm(x, name, arg[float64](a, "eps"), arg[float64](a, "momentum"), arg[bool](a, "gamma"), arg[bool](a, "beta"))
}

// act adds the activation that word names. It adds nothing for none.
func (b *builder) act(cx context, c *Call, name, word string, x *ir.Value) *ir.Value {
	if x == nil || word == "" || word == "none" {
		return x
	}
	return b.add(cx, c, name+"/"+word, irops.Act(word).Op(), x)
}

// relu6 builds the clip that act=relu6 means.
func (b *builder) relu6(c *Call, _ *bound, cx context, x *ir.Value) *ir.Value {
	if x == nil {
		return nil
	}
	return b.add(cx, c, cx.scope.fresh(c.Name.Name+cx.suffix), irops.ActReLU6.Op(), x)
}

// identity passes its input through.
func (b *builder) identity(_ *Call, _ *bound, _ context, x *ir.Value) *ir.Value { return x }

// where returns the span of an argument, or of the call if the argument has its default.
func (a *bound) where(name string, c *Call) diag.Span {
	if s, ok := a.at[name]; ok {
		return s
	}
	return c.Span()
}

// pads returns the padding for the input x; it computes same from the height and width of
// x. It reports an error if the kernel does not fit into the padded input, unless ceil is
// set.
func (b *builder) pads(a *bound, cx context, c *Call, x *ir.Value, k kernel, dilation ir.HW, ceil bool) (ir.Pads, bool) {
	p := arg[padding](a, "pad")
	in := x.Type.Shape
	for axis := range 2 {
		size, reach := in[2+axis], (k.size[axis]-1)*dilation[axis]+1
		if p.same {
			out := (size + k.stride[axis] - 1) / k.stride[axis]
			total := max(0, (out-1)*k.stride[axis]+reach-size)
			less := total / 2
			p.pads[axis], p.pads[2+axis] = less, total-less
			if p.lower {
				p.pads[axis], p.pads[2+axis] = total-less, less
			}
		}
		if reach > size+p.pads[axis]+p.pads[2+axis] && !ceil {
			d := b.err(cx, "E0305", c.Span(), "the kernel %v does not fit into its input of %dx%d with pad %v", k.size, in[2], in[3], p.pads).
				WithLabel("reads %s", image(x))
			b.from(d, x, cx, "its input, %s, comes from here", image(x))
			d.WithHelp("pad more (pad=same keeps height and width), use a smaller kernel, or fewer strides before it")
			b.uses(d, cx)
			return p.pads, false
		}
	}
	b.lintWindow(c, a, cx, k, p.pads)
	return p.pads, true
}

// unary builds an op whose form formOf made: an op with one operand.
func (b *builder) unary(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	f := forms()[c.Name.Name]
	if !a.ok || x == nil {
		return nil
	}
	name := f.name
	attrs := map[string]string{}
	for key, v := range a.vals {
		if key != "kernel" || attrOf(f.def, "kernel") == nil {
			attrs[key] = attrText(v)
		}
	}
	if k, ok := a.vals["kernel"].(kernel); ok {
		name += "_" + k.size.String()
		attrs["kernel"], attrs["stride"] = k.size.String(), k.stride.String()
		if !b.wantMap(cx, c, x) {
			return nil
		}
		ceil, _ := a.vals["ceil"].(bool)
		pads, ok := b.pads(a, cx, c, x, k, ir.HW{1, 1}, ceil)
		if !ok {
			return nil
		}
		attrs["pad"] = pads.String()
	} else if p, ok := a.vals["pad"].(padding); ok && p.same {
		b.err(cx, "E0405", a.where("pad", c), "pad of %s cannot be same: the op has no kernel", f.name)
		return nil
	}
	op, err := f.def.With(attrs)
	if err != nil {
		var e *ir.AttrError
		at, why := c.Span(), err.Error()
		if errors.As(err, &e) {
			at, why = a.where(e.Attr, c), fmt.Sprintf("%s of %s: %s", e.Attr, f.name, e.Reason)
		}
		b.err(cx, "E0405", at, "%s", why)
		return nil
	}
	if r, ok := op.(irops.Reshape); ok {
		if s, err := r.Shape.Shape(); err == nil && s.Size() != x.Type.Shape.Size() {
			d := b.err(cx, "E0307", c.Span(), "a reshape keeps the number of elements: %s has %d, %s has %d", image(x), x.Type.Shape.Size(), ir.Shape(s[1:]), s.Size())
			b.from(d, x, cx, "its input, %s, comes from here", image(x))
			b.uses(d, cx)
			return nil
		}
	}
	if len(x.Type.Shape) != 4 && mapsOnly(f.name) && !b.wantMap(cx, c, x) {
		return nil
	}
	return b.add(cx, c, cx.scope.fresh(name+cx.suffix), op, x)
}

// mapsOnly reports whether an op without a kernel needs an input with height and width.
func mapsOnly(op string) bool { return op == "gap" || op == "lrn" }
