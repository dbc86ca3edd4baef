package dsl

import (
	"strings"

	"github.com/incc-lang/incc/ir"
	irops "github.com/incc-lang/incc/ir/ops"
)

// normForms returns the forms of layers with weights for each channel, other than bn.
func normForms() []*form {
	norm := []slot{
		{"eps", kPositive, "1e-05", "added to the variance"},
		{"gamma", kSwitch, "on", "whether it multiplies by gamma"},
		{"beta", kSwitch, "on", "whether it adds beta"},
		sAct,
		{"lr", kNonNeg, "1", "factor on the learning rate of gamma and beta"},
	}
	return []*form{
		{
			name: "instance_norm", doc: "Instance normalization: every map of every image gets mean 0 and variance 1, then a scale gamma and an offset beta for each channel, then act (Ulyanov 2016). It has no gradient: networks with it run, but are not trained here.",
			keys: norm, build: (*builder).instanceNorm,
		},
		{
			name: "group_norm", doc: "Group normalization: the channels of an image are normalized in groups, to mean 0 and variance 1, then get a scale gamma and an offset beta for each channel, then act (Wu 2018). It has no gradient: networks with it run, but are not trained here. ONNX has it from opset 21 on.",
			pos:  []slot{{"groups", kCount, "", "number of groups of channels"}},
			keys: norm, build: (*builder).groupNorm,
		},
		{
			name: "prelu", doc: "Rectified linear unit with a slope of its own for negative inputs, for each channel (He 2015). It has no gradient: networks with it run, but are not trained here.",
			keys: []slot{
				{"slope", kNumber, "0.25", "initial value of the slopes"},
				{"shared", kSwitch, "off", "whether all channels have one slope"},
				{"lr", kNonNeg, "1", "factor on the learning rate of the slopes"},
			},
			build: (*builder).prelu,
		},
	}
}

func (b *builder) instanceNorm(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	return b.normalize(c, a, cx, x, irops.InstanceNorm(arg[float64](a, "eps")))
}

func (b *builder) groupNorm(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	groups, ok := a.vals["groups"].(int)
	if !ok || x == nil || !a.ok {
		return nil
	}
	if s := x.Type.Shape; s[1]%groups != 0 {
		d := b.err(cx, "E0306", a.where("groups", c), "%d groups do not divide the channels: the input has %d", groups, s[1]).
			WithHelp("choose a divisor of %d", s[1])
		b.from(d, x, cx, "its input, %s, comes from here", image(x))
		b.uses(d, cx)
		return nil
	}
	return b.normalize(c, a, cx, x, irops.GroupNorm(groups, arg[float64](a, "eps")))
}

// normalize builds a normalization by statistics of the input, and the activation behind it.
func (b *builder) normalize(c *Call, a *bound, cx context, x *ir.Value, op ir.Op) *ir.Value {
	if !a.ok || x == nil || !b.wantMap(cx, c, x) {
		return nil
	}
	name := cx.scope.fresh(c.Name.Name + cx.suffix)
	l := b.layer(c, a, cx, name)
	y := b.add(cx, c, name, op, x, l.channelParam("gamma", 1, x.Type.Shape[1]), l.channelParam("beta", 0, x.Type.Shape[1]))
	return b.act(cx, c, name, arg[string](a, "act"), y)
}

// channelParam adds a weight for each channel, or a constant if the key of its name is off.
func (l *layer) channelParam(what string, start float64, channels int) *ir.Value {
	kind := ir.Weight
	if !arg[bool](l.a, what) {
		kind = ir.Constant
	}
	return l.param(what, kind, ir.Init{Kind: ir.InitConstant, A: start}, channels)
}

func (b *builder) prelu(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	if !a.ok || x == nil {
		return nil
	}
	shape := ir.Shape{1}
	if !arg[bool](a, "shared") {
		for range len(x.Type.Shape) - 2 {
			shape = append(shape, 1)
		}
		shape[0] = x.Type.Shape[1]
	}
	name := cx.scope.fresh("prelu" + cx.suffix)
	l := b.layer(c, a, cx, name)
	slope := l.param("slope", ir.Weight, ir.Init{Kind: ir.InitConstant, A: arg[float64](a, "slope")}, shape...)
	return b.add(cx, c, name, irops.Node{Type: "PRelu"}, x, slope)
}

// nodeForm is the form of operators that have no form of their own.
func nodeForm() *form {
	return &form{
		name: "node", doc: "An operator of ONNX that has no op of its own, such as Mish or Elu, on real numbers. Its operands are the input, or the outputs of the branches in its braces, and then weights. Attributes, and operands that decide about shapes, have ONNX's names: \"name:value;name:value\".",
		pos: []slot{{"operator", kOperator, "", "name of the operator in ONNX"}},
		keys: []slot{
			{"attrs", kText, "", "attributes, such as \"alpha:0.5;axis:1\""},
			{"weights", kShapes, "", "shapes of the operands that are weights, separated by commas"},
			sInit,
			{"lr", kNonNeg, "1", "factor on the learning rate of the weights"},
		},
		body: optionalBranches, build: (*builder).node,
	}
}

func (b *builder) node(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	in := []*ir.Value{x}
	if c.Body != nil {
		rs, ok := b.branches(c, cx, x)
		if !ok {
			return nil
		}
		in = values(rs)
	}
	operator, ok := a.vals["operator"].(string)
	if !a.ok || !ok || x == nil {
		return nil
	}
	name := cx.scope.fresh(strings.ToLower(operator) + cx.suffix)
	l := b.layer(c, a, cx, name)
	init, said := a.vals["init"].(ir.Init)
	if !said {
		init = ir.Init{Kind: ir.InitConstant, A: 1}
	}
	for i, s := range arg[[]ir.Shape](a, "weights") {
		what := "weight"
		if i > 0 {
			what += "_" + itoa(i+1)
		}
		in = append(in, l.param(what, ir.Weight, init, s...))
	}
	return b.add(cx, c, name, irops.Node{Type: operator, Attrs: arg[string](a, "attrs")}, in...)
}
