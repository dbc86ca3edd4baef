package dsl

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	irops "github.com/incc-lang/incc/ir/ops"
)

// branch is a line of concat, add or max and its output.
type branch struct {
	line *Line
	out  *ir.Value
}

// last returns the span of the branch's last call, which messages underline.
func (r branch) last() diag.Span { return r.line.Calls[len(r.line.Calls)-1].Span() }

// branches builds the lines of a body, all with the input x. ok is false if one of them
// has an error, which has then been reported.
func (b *builder) branches(c *Call, cx context, x *ir.Value) (rs []branch, ok bool) {
	ok = true
	for _, s := range c.Body.Stmts {
		switch s := s.(type) {
		case *Default:
			cx.def = b.defaultOf(s, cx)
		case *Line:
			y := b.line(s, cx, x)
			ok = ok && y != nil
			rs = append(rs, branch{s, y})
		}
		if b.stop {
			return nil, false
		}
	}
	if len(rs) == 0 {
		b.err(cx, "E0407", c.Body.Open, "%s has no branches", c.Name.Name).WithHelp("each line is one: %s { conv 1x1 64; conv 3x3 64 }", c.Name.Name)
		return nil, false
	}
	return rs, ok
}

func values(rs []branch) []*ir.Value {
	vs := make([]*ir.Value, len(rs))
	for i, r := range rs {
		vs[i] = r.out
	}
	return vs
}

// usual returns a branch with the most frequent shape, the first such branch.
func usual(rs []branch, same func(a, b ir.Shape) bool) branch {
	type group struct {
		first branch
		n     int
	}
	var groups []*group
	for _, r := range rs {
		i := slices.IndexFunc(groups, func(g *group) bool { return same(g.first.out.Type.Shape, r.out.Type.Shape) })
		if i < 0 {
			i = len(groups)
			if groups = append(groups, &group{first: r}); i > MaxProblems {
				break // no more problems than this are reported anyway
			}
		}
		groups[i].n++
	}
	return slices.MaxFunc(groups, func(a, b *group) int { return cmp.Compare(a.n, b.n) }).first
}

// concat joins branches over channels.
func (b *builder) concat(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	rs, ok := b.branches(c, cx, x)
	if !ok {
		return nil
	}
	if len(rs) == 1 {
		return rs[0].out
	}
	if !a.ok {
		return nil
	}
	axis := arg[int](a, "axis")
	if r := len(rs[0].out.Type.Shape); axis >= r {
		d := b.err(cx, "E0405", a.where("axis", c), "axis of concat is %d, but the branches have only the axes 1 to %d", axis, r-1)
		b.uses(d, cx)
		return nil
	}
	alike := func(s, t ir.Shape) bool {
		if len(s) != len(t) || len(s) < 2 {
			return false
		}
		for i := range s {
			if i != axis && s[i] != t[i] {
				return false
			}
		}
		return true
	}
	if !b.compare(c, cx, rs, "E0301", alike, func(v *ir.Value) string {
		if s := v.Type.Shape; len(s) == 4 && axis == 1 {
			return ir.HW{s[2], s[3]}.String()
		}
		return image(v)
	}) {
		return nil
	}
	return b.add(cx, c, cx.scope.fresh("concat"+cx.suffix), irops.Concat{Axis: axis}, values(rs)...)
}

// compare reports every branch whose shape differs from the most frequent shape. It
// returns whether all are the same. show returns the text of a shape for messages.
func (b *builder) compare(c *Call, cx context, rs []branch, code string, same func(a, b ir.Shape) bool, show func(*ir.Value) string) bool {
	main := usual(rs, same)
	ok := true
	for _, r := range rs {
		if same(main.out.Type.Shape, r.out.Type.Shape) {
			continue
		}
		ok = false
		summary := "branches of " + c.Name.Name + " differ in shape"
		if code == "E0301" && len(r.out.Type.Shape) == 4 && len(main.out.Type.Shape) == 4 {
			summary = "branches of concat differ in height and width"
		}
		d := b.err(cx, code, r.last(), "%s", summary).WithLabel("this branch is %s", show(r.out))
		d.Relate(main.last(), "the others are %s", show(main.out))
		s, t := r.out.Type.Shape, main.out.Type.Shape
		switch {
		case len(s) != len(t):
			d.WithHelp("flatten or reshape it, so that all branches have the same axes")
		case len(s) == 4 && (s[2] < t[2] || s[3] < t[3]):
			d.WithHelp("%s", b.shrinkHelp(r.line))
		case len(s) == 4 && (s[2] > t[2] || s[3] > t[3]):
			d.WithHelp("%s", b.shrinkHelp(main.line))
		case s[1] != t[1]:
			d.WithHelp("give every branch the same number of channels")
		}
		b.uses(d, cx)
	}
	return ok
}

// shrinkHelp returns help for a branch whose output is smaller than that of the others.
func (b *builder) shrinkHelp(l *Line) string {
	for _, c := range l.Calls {
		for _, a := range c.Args {
			if lit := a.Value.Lit(); a.Value.Body == nil && lit != nil && len(lit.Stride) == 2 && (lit.Stride[0] > 1 || lit.Stride[1] > 1) {
				return "remove the stride, or give every branch the stride /" + strconv.Itoa(lit.Stride[0])
			}
		}
	}
	return "pad the smaller branch (pad=same keeps height and width)"
}

// addMax builds add and max: the sum or maximum of branches, element by element.
func (b *builder) addMax(c *Call, _ *bound, cx context, x *ir.Value) *ir.Value {
	rs, ok := b.branches(c, cx, x)
	if !ok {
		return nil
	}
	if len(rs) == 1 {
		return rs[0].out
	}
	if !b.compare(c, cx, rs, "E0302", ir.Shape.Equal, image) {
		return nil
	}
	var op ir.Op = irops.Add{}
	if c.Name.Name == "max" {
		op = irops.Max{}
	}
	return b.add(cx, c, cx.scope.fresh(c.Name.Name+cx.suffix), op, values(rs)...)
}

// mul builds the product of branches: element by element, or a gate for each channel or
// pixel where a branch has height and width 1 or one channel.
func (b *builder) mul(c *Call, _ *bound, cx context, x *ir.Value) *ir.Value {
	rs, ok := b.branches(c, cx, x)
	if !ok {
		return nil
	}
	y := rs[0]
	for _, r := range rs[1:] { // the output has the shape of the largest branch
		if r.out.Type.Shape.Size() > y.out.Type.Shape.Size() {
			y = r
		}
	}
	for _, r := range rs {
		if s, t := r.out.Type.Shape, y.out.Type.Shape; !gates(s, t) {
			d := b.err(cx, "E0302", r.last(), "branches of mul do not fit").WithLabel("this branch is %s", image(r.out))
			d.Relate(y.last(), "this one is %s", image(y.out))
			d.WithHelp("give them equal shapes, or make one of them a gate: height and width 1 (gap), or one channel")
			b.uses(d, cx)
			ok = false
		}
	}
	if !ok {
		return nil
	}
	v := rs[0].out
	for _, r := range rs[1:] {
		if v = b.add(cx, c, cx.scope.fresh("mul"+cx.suffix), irops.Mul{}, v, r.out); v == nil {
			return nil
		}
	}
	return v
}

// gates reports whether a value of shape s can be stretched to t over height and width, or
// over the channels.
func gates(s, t ir.Shape) bool {
	if s.Equal(t) {
		return true
	}
	if len(s) != 4 || len(t) != 4 {
		return false
	}
	return s[1] == t[1] && s[2] == 1 && s[3] == 1 || s[1] == 1 && s[2] == t[2] && s[3] == t[3]
}

// residual builds the sum of the shortcut and the scaled output of its body.
func (b *builder) residual(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	y := b.sequence(c.Body, cx, x)
	short := x
	proj := arg[*Body](a, "proj")
	if proj != nil {
		short = b.sequence(proj, cx, x)
	}
	if y == nil || short == nil || !a.ok {
		return nil
	}
	if !short.Type.Equal(y.Type) {
		d := b.err(cx, "E0303", c.Span(), "a residual needs equal shapes: its body makes %s, but the shortcut is %s", image(y), image(short))
		b.from(d, y, cx, "the body ends here with %s", image(y))
		b.from(d, short, cx, "the shortcut, %s, comes from here", image(short))
		if proj == nil {
			if s := y.Type.Shape; len(s) == 4 && len(short.Type.Shape) == 4 && s[2] == short.Type.Shape[2] && s[3] == short.Type.Shape[3] {
				d.WithHelp("let the body end in %d channels, or give the shortcut a pipeline: proj={ conv 1x1 %d }", short.Type.Shape[1], s[1])
			} else {
				d.WithHelp("keep the shape in the body, or give the shortcut a pipeline: proj={ … }")
			}
		}
		b.uses(d, cx)
		return nil
	}
	name := cx.scope.fresh("residual" + cx.suffix)
	if by := arg[float64](a, "scale"); by != 1 {
		if y = b.add(cx, c, name+"/scale", irops.Scale{By: by}, y); y == nil {
			return nil
		}
	}
	return b.act(cx, c, name, arg[string](a, "act"), b.add(cx, c, name, irops.Add{}, short, y))
}

// repeat builds its body several times in a row. The names in each copy end in its number.
func (b *builder) repeat(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	n, ok := a.vals["times"].(int)
	if !ok {
		return b.sequence(c.Body, cx, nil)
	}
	suffix := cx.suffix
	for i := range n {
		cx.suffix = suffix + "_" + strconv.Itoa(i+1)
		x = b.sequence(c.Body, cx, x)
		if x == nil {
			// The other copies would report the same errors.
			return nil
		}
	}
	return x
}

// head builds an auxiliary classifier and returns its input x.
func (b *builder) head(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	if cx.head.IsValid() {
		b.err(cx, "E0503", c.Name.Span, "a head inside of another head").Relate(cx.head, "the outer head").WithHelp("heads cannot nest")
	}
	in := cx
	in.head = c.Name.Span
	path := cx.scope.fresh("head" + cx.suffix)
	in.scope, in.suffix = cx.scope.inside(path), ""
	y := b.sequence(c.Body, in, x)
	if y == nil {
		return x
	}
	if y == x || y.Def == nil {
		b.err(cx, "E0504", c.Span(), "the head computes nothing").WithHelp("write a classifier in it: head { gap -> fc 10 -> softmax }")
		return x
	}
	y.Name = path
	g := b.g.Graph()
	g.Heads = append(g.Heads, ir.Head{Value: y, Weight: arg[float64](a, "weight")})
	return x
}
