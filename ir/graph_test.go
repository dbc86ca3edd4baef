package ir_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// small is a network with a weight, a state, a constant, a head, an update and a
// part.
func small() *ir.Graph {
	n := irtest.NewNet("small", 1)
	x := n.Input("x", ir.Float(ir.Batch, 2, 5, 5))
	n.Part = "a"
	y := n.Conv("conv", x, 3, ir.HW{3, 3}, ops.Conv{}, true)
	bn := n.BatchNorm("bn", y, 1e-3)
	n.Part = ""
	z := n.Op("mul", ops.Mul{}, bn, n.Fill("two", 2, 3, 1, 1))
	g := n.Finish(n.Dense("fc", z, 4))
	g.Parts = []ir.Part{{Name: "a", Out: bn}}
	g.Heads = []ir.Head{{Value: n.Dense("head", y, 4), Weight: 0.3}}
	mean := g.Value("bn/mean")
	g.Updates = []ir.Update{{Param: mean, Value: n.Op("bn/next", ops.Scale{By: 0.9}, mean)}}
	return g
}

// undefined is an op that was never passed to Define.
type undefined struct{}

func (undefined) Infer(in []ir.Type) ([]ir.Type, error)              { return in[:1], nil }
func (undefined) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) { return in[:1], nil }

// Each case breaks one rule of a valid graph and expects the message for that
// rule. A valid graph gives no message.
func TestVerify(t *testing.T) {
	if err := ir.Verify(small()); err != nil {
		t.Fatal(err)
	}
	node := func(g *ir.Graph, name string) *ir.Node { return g.Value(name).Def }
	for _, c := range []struct {
		want  string
		spoil func(g *ir.Graph)
	}{
		{"a value has no name", func(g *ir.Graph) { g.Value("mul").Name = "" }},
		{"two values are called conv", func(g *ir.Graph) { g.Value("mul").Name = "conv" }},
		{"x: axis 1 of shape Nx0x5x5 is 0", func(g *ir.Graph) { g.Value("x").Type.Shape[1] = 0 }},
		{"input x is also a param or the output of a node", func(g *ir.Graph) { g.Value("x").Param = &ir.Param{} }},
		{"param two is not marked as a param", func(g *ir.Graph) { g.Value("two").Param = nil }},
		{"param bn/beta has the batch among its axes: N", func(g *ir.Graph) { g.Value("bn/beta").Type.Shape[0] = ir.Batch }},
		{"param conv/bias has shape 3, but its data has shape 4", func(g *ir.Graph) { g.Data["conv/bias"] = tensor.Make[float32]([]int{4}) }},
		{"param conv/bias has shape 3, but its data has 2 elements", func(g *ir.Graph) { g.Data["conv/bias"].Data = g.Data["conv/bias"].Data[:2] }},
		{"constant two has no data", func(g *ir.Graph) { g.Value("two").Param.Init.Kind = ir.InitHe }},
		{"param bn/mean has neither data nor an initialization", func(g *ir.Graph) {
			delete(g.Data, "bn/mean")
			g.Value("bn/mean").Param.Init.Kind = ""
		}},
		{"node 0 (conv) has no output", func(g *ir.Graph) { g.Nodes[0].Out = nil }},
		{"was never defined", func(g *ir.Graph) { node(g, "bn/next").Op = undefined{} }},
		{"mul reads a missing operand", func(g *ir.Graph) { node(g, "mul").In[0] = nil }},
		{"bn reads conv, which is not computed before it", func(g *ir.Graph) { g.Nodes[0], g.Nodes[1] = g.Nodes[1], g.Nodes[0] }},
		{"mul reads stranger, which is not computed before it", func(g *ir.Graph) {
			node(g, "mul").In[0] = &ir.Value{Name: "stranger", Type: ir.Float(ir.Batch, 3, 3, 3)}
		}},
		{"the fields Def and Index of mul do not name the node that computes it", func(g *ir.Graph) { g.Value("mul").Index = 1 }},
		{"conv: conv: weight 3x1x3x3 takes 1 channels, but the input has 2 (conv constraint 3)", func(g *ir.Graph) {
			g.Value("conv/weight").Type.Shape[1] = 1
			g.Data["conv/weight"] = tensor.Make[float32]([]int{3, 1, 3, 3})
		}},
		{"conv has 1 outputs, not 2", func(g *ir.Graph) {
			n := node(g, "conv")
			n.Out = append(n.Out, &ir.Value{Name: "more", Def: n, Index: 1})
		}},
		{"mul has type Nx3x3x4, but mul computes type Nx3x3x3", func(g *ir.Graph) { g.Value("mul").Type.Shape[3] = 4 }},
		{"an output is not a value of the graph", func(g *ir.Graph) { g.Outputs[0] = &ir.Value{Name: "o"} }},
		{"an output is not a value of the graph", func(g *ir.Graph) { g.Heads[0].Value = nil }},
		{"an update changes a value that is not a param of the graph", func(g *ir.Graph) { g.Updates[0].Param = g.Value("mul") }},
		{"update of bn/mean (3) by conv (Nx3x3x3)", func(g *ir.Graph) { g.Updates[0].Value = g.Value("conv") }},
		{"bn/mean is updated twice", func(g *ir.Graph) { g.Updates = append(g.Updates, g.Updates[0]) }},
		{"two is a const and cannot be updated", func(g *ir.Graph) { g.Updates[0] = ir.Update{Param: g.Value("two"), Value: g.Value("two")} }},
		{"the result of part a is not a value of the graph", func(g *ir.Graph) { g.Parts[0].Out = nil }},
	} {
		g := small()
		c.spoil(g)
		err := ir.Verify(g)
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, ir.ErrGraph) {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
	g := small()
	g.Value("mul").Index, g.Parts[0].Out = 1, nil
	if s := ir.Verify(g).Error(); !strings.Contains(s, "Index of mul") || !strings.Contains(s, "part a") {
		t.Errorf("not every problem is reported: %s", s)
	}
}

func names(g *ir.Graph) (r []string) {
	for _, n := range g.Nodes {
		r = append(r, n.Out[0].Name)
	}
	return r
}

// Sort does not change a topological order. It puts shuffled nodes after the nodes
// they read, and reports cycles and operands whose node is not in the graph.
func TestSort(t *testing.T) {
	for seed := range int64(60) {
		g := irtest.Random(seed, irtest.Options{})
		before := names(g)
		if err := ir.Sort(g); err != nil || !slices.Equal(names(g), before) {
			t.Fatalf("seed %d: sorting a sorted graph: %v\n%v\n%v", seed, err, before, names(g))
		}
		n := irtest.NewNet("", seed)
		n.Rand.Shuffle(len(g.Nodes), func(i, j int) { g.Nodes[i], g.Nodes[j] = g.Nodes[j], g.Nodes[i] })
		if err := ir.Sort(g); err != nil {
			t.Fatal(err)
		}
		if err := ir.Verify(g); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	g := small()
	g.Nodes[0].In[0] = g.Value("mul")
	if err := ir.Sort(g); err == nil || !strings.Contains(err.Error(), "depends on itself") {
		t.Errorf("a cycle: %v", err)
	}
	g = small()
	g.Nodes = slices.Delete(g.Nodes, 1, 2)
	if err := ir.Sort(g); err == nil || !strings.Contains(err.Error(), "whose node is not in the graph") {
		t.Errorf("a node that is missing: %v", err)
	}
}

func TestReplace(t *testing.T) {
	g := small()
	r := ir.Rewrite(g, "test")
	old := g.Outputs[0]
	r.For(old.Def)
	twice := r.Do(ops.Scale{By: 2}, old.Def.In[0])
	out := r.Do(ops.Dense{}, twice, old.Def.In[1], old.Def.In[2])
	if out.Name != "fc/dense" {
		t.Errorf("a made-up name is %s", out.Name)
	}
	r.Replace(old, out)
	// The output keeps its name, because users see it.
	if g.Outputs[0] != out || out.Name != "fc" || old.Name != "fc/dense" {
		t.Errorf("output %s, the old one is now %s", out.Name, old.Name)
	}
	if out.Def.By != "test" {
		t.Errorf("made by %q", out.Def.By)
	}
	// The new value also takes the name of a part, and the part's readers read it.
	bn := g.Value("bn")
	r.For(bn.Def)
	same := r.Do(ops.Scale{By: 1}, g.Value("conv"))
	r.Replace(bn, same)
	if g.Parts[0].Out != same || same.Name != "bn" || g.Value("mul").Def.In[0] != same || same.Def.Part != "a" {
		t.Errorf("part %v, read by mul: %v", g.Parts[0].Out.Name, g.Value("mul").Def.In[0].Name)
	}
	// Names do not change if the old value is neither output nor part, or if the new
	// one already is.
	mul := g.Value("mul")
	r.Replace(mul, same)
	if same.Name != "bn" || mul.Name != "mul" {
		t.Errorf("an inner value changed its name: %s, %s", same.Name, mul.Name)
	}
	if users := r.Users(same); len(users) != 2 || users[0].Out[0].Name != "mul" || users[1].Out[0].Name != "fc/flatten" {
		t.Errorf("the readers are not up to date: %d", len(users))
	}
	gone := r.Sweep()
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"conv", "head/flatten", "head", "bn/next", "bn", "fc/flatten", "fc/scale", "fc"}; !slices.Equal(slices.Sorted(slices.Values(names(g))), slices.Sorted(slices.Values(want))) {
		t.Errorf("left: %v", names(g))
	}
	// Sweep removes three nodes (the old fc, the old bn, mul) and four params (gamma,
	// beta, variance, two). The update of mean needs mean.
	if gone != 7 || g.Value("bn/mean") == nil || g.Value("two") != nil || g.Data["bn/gamma"] != nil {
		t.Errorf("Sweep removed %d nodes and params", gone)
	}
	r = ir.Rewrite(g, "test")
	r.Replace(g.Value("conv"), g.Value("fc"))
	if err := r.Finish(); err == nil || !strings.Contains(err.Error(), "cannot replace conv") {
		t.Errorf("values of two types: %v", err)
	}
}

// Sweep removes what no root needs, and parts whose value is removed. It keeps
// inputs.
func TestSweep(t *testing.T) {
	g := small()
	r := ir.Rewrite(g, "test")
	if n := r.Sweep(); n != 0 {
		t.Errorf("Sweep removed %d nodes and params that are needed", n)
	}
	g.Outputs, g.Updates = []*ir.Value{g.Value("head")}, nil
	g.Heads = nil
	r.Sweep()
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"conv", "head/flatten", "head"}; !slices.Equal(names(g), want) || len(g.Parts) != 0 || len(g.Params) != 4 || len(g.Data) != 4 {
		t.Errorf("left: %v, %d parts, %d params", names(g), len(g.Parts), len(g.Params))
	}
}

// A clone is valid, computes the same, and shares no values with the original:
// changing one does not change the other.
func TestClone(t *testing.T) {
	for seed := range int64(40) {
		g := irtest.Random(seed, irtest.Options{Heads: true})
		c := g.Clone()
		if err := ir.Verify(c); err != nil {
			t.Fatal(err)
		}
		mine := map[*ir.Value]bool{}
		g.EachValue(func(v *ir.Value) { mine[v] = true })
		c.EachValue(func(v *ir.Value) {
			if mine[v] || (v.Param != nil && v.Param == g.Value(v.Name).Param) {
				t.Fatalf("seed %d: %s is shared", seed, v.Name)
			}
		})
		in := irtest.Inputs(g, 2, seed)
		a, err := ref.Run(g, in, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := ref.Run(c, in, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range g.All() {
			if d, _ := tensor.MaxDiff(a[v], b[c.All()[i]]); d != 0 {
				t.Errorf("seed %d: %s differs by %g", seed, v.Name, d)
			}
		}
	}
	g := small()
	c := g.Clone()
	if c.Updates[0].Param != c.Value("bn/mean") || c.Parts[0].Out != c.Value("bn") || c.Heads[0].Value != c.Value("head") {
		t.Error("update, part or head of another graph")
	}
	before := reflect.ValueOf(g.Data).Len()
	c.Outputs, c.Heads, c.Updates = nil, nil, nil
	c.Value("conv").Type.Shape[1] = 7
	ir.Rewrite(c, "test").Sweep()
	if err := ir.Verify(g); err != nil || len(g.Data) != before {
		t.Errorf("the original was changed: %v", err)
	}
}

// Receptive fields have separate heights and widths, and agree with the published
// values for known networks.
func TestReceptiveField(t *testing.T) {
	type layer struct{ kh, kw, s int }
	field := func(ls ...layer) (rf, jump ir.HW) {
		n := irtest.NewNet("rf", 1)
		x := n.Input("x", ir.Float(ir.Batch, 1, 224, 224))
		for _, l := range ls {
			k := ir.HW{l.kh, l.kw}
			if l.s > 1 && l.kh < 11 {
				x = n.Op("pool", ops.MaxPool{Kernel: k, Stride: ir.HW{l.s, l.s}}, x)
			} else {
				x = n.Conv("conv", x, 1, k, ops.Conv{Pad: irtest.Same(k), Stride: ir.HW{l.s, l.s}}, false)
			}
		}
		s := ir.Summarize(n.Finish(x))
		return s.RF, s.Layers[len(s.Layers)-1].Jump
	}
	c3, p2 := layer{3, 3, 1}, layer{2, 2, 2}
	vgg := []layer{c3, c3, p2, c3, c3, p2, c3, c3, c3, p2, c3, c3, c3, p2, c3, c3, c3}
	for _, c := range []struct {
		name     string
		layers   []layer
		rf, jump ir.HW
	}{
		{"1x7 and 7x1", []layer{{1, 7, 1}, {7, 1, 1}}, ir.HW{7, 7}, ir.HW{1, 1}},
		{"1x7 alone", []layer{{1, 7, 1}}, ir.HW{1, 7}, ir.HW{1, 1}},
		{"1x7 behind a pool", []layer{p2, {1, 7, 1}}, ir.HW{2, 14}, ir.HW{2, 2}},
		{"VGG-16 before its last pool", vgg, ir.HW{196, 196}, ir.HW{16, 16}},
		{"VGG-16", append(slices.Clone(vgg), p2), ir.HW{212, 212}, ir.HW{32, 32}},
	} {
		if rf, jump := field(c.layers...); rf != c.rf || jump != c.jump {
			t.Errorf("%s: %v with steps of %v, want %v and %v", c.name, rf, jump, c.rf, c.jump)
		}
	}
}

func TestSummarize(t *testing.T) {
	g := small()
	s := ir.Summarize(g)
	if s.Params != 3*2*9+3+3+3+(27*4+4) || s.HeadParams != 27*4+4 || s.States != 6 {
		t.Errorf("%d params, %d of heads, %d states", s.Params, s.HeadParams, s.States)
	}
	if s.MACs != 9*3*18+27*4 || s.HeadMACs != 27*4 {
		t.Errorf("%d MACs, %d of heads", s.MACs, s.HeadMACs)
	}
	if s.RF != (ir.HW{3, 3}) {
		t.Errorf("receptive field %v", s.RF)
	}
	// A weight that two nodes read counts once. Where branches join, the larger
	// receptive field counts. Dilation enlarges it. Summary.RF is that of the last map
	// before global pooling.
	n := irtest.NewNet("shared", 1)
	x := n.Input("x", ir.Float(ir.Batch, 2, 9, 9))
	w := n.Weight("w", ir.Weight, 0, 1, 2, 2, 3, 3)
	c := ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{2, 1}, Groups: 1, Pad: ir.Pads{2, 1, 2, 1}}
	y := n.Op("a", c, x, w)
	z := n.Op("add", ops.Add{}, n.Op("b", c, y, w), x)
	s = ir.Summarize(n.Finish(n.Op("gap", ops.GlobalAvgPool{}, z)))
	if s.Params != 36 || s.RF != (ir.HW{9, 5}) || s.Activations != 4*(3*162+2) {
		t.Errorf("%d params, field %v, %d bytes", s.Params, s.RF, s.Activations)
	}
}

func TestBuilder(t *testing.T) {
	b := ir.NewBuilder("b")
	x := b.Input("x", ir.Float(ir.Batch, 2))
	if v := b.Input("x", ir.Float(1)); v.Name != "x_2" {
		t.Errorf("a name that is taken becomes %s", v.Name)
	}
	b.Pos = diag.Pos{File: "f", Line: 3, Col: 1}
	n, err := b.Add("s", ops.Split{Axis: 1, Sizes: "1,1"}, x)
	if err != nil || n.Out[1].Name != "s.1" || n.Out[1].Index != 1 || n.Pos.Line != 3 {
		t.Errorf("%v %+v", err, n)
	}
	if _, err := b.Add("r", ops.ReLU{}, nil); err == nil || !strings.Contains(err.Error(), "operand 1 is missing") {
		t.Errorf("an operand that is nil: %v", err)
	}
	// Do keeps the first error and ignores later calls.
	y := b.Do(ops.MatMul{}, x, x)
	y = b.Do(ops.ReLU{}, y)
	b.DoN(ops.Split{Axis: 1, Sizes: "1,1"}, y)
	var v *ir.ConstraintError
	if !errors.As(b.Err(), &v) || v.Op != "matmul" || v.Num != 2 {
		t.Errorf("the first error is %v", b.Err())
	}
	big := ir.NewBuilder("big")
	m := big.Input("m", ir.Float(ir.Batch, 1<<20, 1, 1))
	if _, err := big.Add("p", ops.Pad{Pad: ir.Pads{1 << 24, 0, 1 << 24, 0}}, m); err == nil || !strings.Contains(err.Error(), "not within") {
		t.Errorf("a shape out of bounds: %v", err)
	}
}

func TestText(t *testing.T) {
	for _, s := range []string{"0", "1", "3x0", "0,0,1,1", "1,2,3,4"} {
		var p ir.Pads
		if err := p.UnmarshalText([]byte(s)); err != nil || p.String() != s {
			t.Errorf("pads %s read as %v, %v", s, p, err)
		}
	}
	for _, s := range []string{"", "x", "1,2,3", "1x2x3", "a,b,c,d"} {
		var p ir.Pads
		if err := p.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("pads %q read as %v", s, p)
		}
	}
	for _, s := range []string{"scalar", "N", "Nx3x224x224", "1000"} {
		if sh, err := ir.ParseShape(s); err != nil || sh.String() != s {
			t.Errorf("shape %s reads as %v, %v", s, sh, err)
		}
	}
	for _, s := range []string{"", "Nx", "3x0", "-1", "99999999", "1x1x1x1x1x1x1x1x1", "16777216x16777216", "n"} {
		if sh, err := ir.ParseShape(s); err == nil {
			t.Errorf("shape %q reads as %v", s, sh)
		}
	}
	conv := ir.Lookup("conv")
	var unknown, bad *ir.AttrError
	if _, err := conv.With(map[string]string{"strides": "2x2"}); !errors.As(err, &unknown) || !unknown.Unknown {
		t.Errorf("an unknown attribute: %v", err)
	}
	if _, err := conv.With(map[string]string{"groups": "two"}); !errors.As(err, &bad) || bad.Unknown || bad.Value != "two" {
		t.Errorf("a value that does not fit: %v", err)
	}
	if conv.Default() != (ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}) {
		t.Errorf("default: %#v", conv.Default())
	}
}

// A table lists the ops that have no row.
func TestTable(t *testing.T) {
	var seen []string
	tab := ir.NewTable(ir.For(func(op ops.ReLU, n *ir.Node, c int) error { seen = append(seen, n.Out[0].Name); return nil }))
	g := small()
	n := irtest.NewNet("r", 1)
	r := n.ReLU(n.Input("x", ir.Float(2)))
	if ok, err := tab.Do(r.Def, 0); !ok || err != nil || !slices.Equal(seen, []string{"x/relu"}) {
		t.Errorf("%v %v %v", ok, err, seen)
	}
	if ok, _ := tab.Do(g.Nodes[0], 0); ok || tab.Has(ops.Tanh{}) || !tab.Has(ops.ReLU{}) {
		t.Error("the table has a row for an op without one")
	}
	if m := tab.Missing(); slices.Contains(m, "relu") || !slices.Contains(m, "conv") || len(m) != len(ir.Defs())-1 {
		t.Errorf("missing: %v", m)
	}
	defer func() {
		if recover() == nil {
			t.Error("two rows for one op are accepted")
		}
	}()
	f := ir.For(func(ops.Tanh, *ir.Node, int) error { return nil })
	ir.NewTable(f, f)
}
