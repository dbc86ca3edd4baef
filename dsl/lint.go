package dsl

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	irops "github.com/incc-lang/incc/ir/ops"
)

// Lint parses and builds a text and returns its problems, sorted: the errors or, if there
// are none, all warnings. These are the warnings of Vet and those that need the graph.
func Lint(name string, src []byte, opt Options) diag.List {
	_, diags, lints := load(name, src, opt)
	if diags.HasErrors() {
		return diags
	}
	f, _ := Parse(name, src)
	diags = append(diags, lints...)
	if f.Kind == Net {
		diags = append(diags, Vet(f, PreludeBlocks())...)
	}
	diags.Sort()
	return diags
}

// checkUnused reports errors inside of blocks that nothing uses. The values of their
// parameters and the shape of their input are unknown.
func (b *builder) checkUnused(cx context) {
	b.checking = true
	defer func(stop bool) { b.checking, b.stop = false, stop }(b.stop)
	for _, k := range b.lib.blocks {
		if k.used || b.stop {
			continue
		}
		params := map[string]*binding{}
		for _, p := range k.ast.Params {
			if p.Name != nil {
				params[p.Name.Name] = &binding{}
			}
		}
		cx.env = &env{lib: b.lib, seen: k.index, params: params}
		cx.scope = (&scope{}).inside("unused")
		b.sequence(k.ast.Body, cx, nil)
	}
}

// lintNet reports the warnings that need the whole graph. x is the output of the net.
func (b *builder) lintNet(x *ir.Value, labels *Labels, cx context) {
	for _, d := range b.defs {
		for _, a := range d.Args {
			if !b.used[a] {
				what := "no op below it uses it"
				if d.Op != nil {
					what = "no " + d.Op.Name + " below it uses it"
				}
				b.warn(cx, "W0202", a.Span(), "the default %s=%s changes nothing: %s", a.Key.Name, a.Value.Raw(), what).WithHelp("delete it")
			}
		}
	}
	through := map[*ir.Value]*ir.Value{} // from the output of a dropout or flatten to its input
	readers := b.g.Graph().Users()
	for _, n := range b.g.Graph().Nodes {
		before := n.In[0]
		if v := through[before]; v != nil {
			before = v
		}
		switch n.Op.(type) {
		case irops.Dropout, irops.Flatten:
			through[n.Out[0]] = before
			continue
		case irops.Conv, irops.Dense:
		default:
			continue
		}
		if before.Def == nil {
			continue
		}
		if factors(before.Def, n) || len(readers[before]) > 1 {
			continue
		}
		switch before.Def.Op.(type) {
		case irops.Conv, irops.Dense:
			d := b.warn(cx, "W0203", b.origin[n.Out[0]], "%s follows a linear layer directly: the two are one linear map", n.Out[0].Name)
			b.from(d, before, cx, "this has no activation")
			d.WithHelp("add act=relu to the first layer, or remove one of the two")
		}
	}
	if x != nil && labels != nil && b.g.Graph().Recipe.Labels != nil && x.Def != nil {
		switch x.Def.Op.(type) {
		case irops.Softmax, irops.LogSoftmax:
		default:
			b.warn(cx, "W0204", b.origin[x], "the output has labels but does not end in softmax, so it gives no probabilities").WithHelp("end with -> softmax")
		}
	}
}

// factors reports whether two linear layers in a row are worth more than one: the value
// between them is narrow, as the linear bottlenecks of MobileNet v2 and v3, or one of them has
// groups, as in a depthwise separable convolution.
func factors(a, b *ir.Node) bool {
	for _, n := range []*ir.Node{a, b} {
		if c, ok := n.Op.(irops.Conv); ok && c.Groups > 1 {
			return true
		}
	}
	in, mid, out := a.In[0].Type.Shape, b.In[0].Type.Shape, b.Out[0].Type.Shape
	return mid[1] < in[1] && mid[1] <= out[1] || mid[1] <= in[1] && mid[1] < out[1]
}

// lintWindow warns of a stride that is larger than the kernel, and of a strided
// convolution whose padding is not the same on both sides.
func (b *builder) lintWindow(c *Call, a *bound, cx context, k kernel, pads ir.Pads) {
	for axis := range 2 {
		if k.stride[axis] > k.size[axis] && k.size[axis] > 1 {
			b.warn(cx, "W0205", c.Span(), "the stride %v is larger than the kernel %v: parts of the input are never read", k.stride, k.size)
			break
		}
	}
	if p := arg[padding](a, "pad"); c.Name.Name == "conv" && p.same && (k.stride[0] > 1 || k.stride[1] > 1) && (pads[0] != pads[2] || pads[1] != pads[3]) {
		b.warn(cx, "W0206", c.Span(), "pad=same pads this strided conv by %v: more below and right than above and left", pads).
			WithHelp("Caffe and PyTorch pad both sides equally and compute something else; to do the same, write pad=%d", k.size[0]/2)
	}
}
