package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// fake is a lowering whose kernels record the op and the views and compute nothing.
type fake struct{}

type fakeKernel struct {
	Op      string
	In, Out View
}

func (k fakeKernel) Tasks(images int) int { return images }

func (fake) Cost(k Kernel, images int) Cost { return Cost{MACs: int64(images), Seconds: 1e-6} }

func (fake) Gather(_, _ []*Tensor) Kernel { return nil }

func (fake) Copy(src, dst *Tensor) Kernel {
	return fakeKernel{"copy", src.View(), dst.View()}
}

func (fake) Packing(v *ir.Value) Packing { return Packing{} }
func (fake) Mapped(v *ir.Value) bool     { return false }

func (fake) Lower(u *Unit) (Choice, error) {
	b := Need{Layout: Blocked}
	c := Choice{Algo: ir.Name(u.Node.Op)}
	for range u.Read {
		c.In = append(c.In, b)
	}
	for range u.Wrote {
		c.Out = append(c.Out, b)
	}
	c.Emit = func(e *Emitter) error {
		e.Step(fakeKernel{ir.Name(u.Node.Op), e.In[0].View(), e.Out[0].View()}, e.In, e.Out)
		return nil
	}
	switch op := u.Node.Op.(type) {
	case ops.Conv:
		c.In[0].Border = Border{op.Pad[0], op.Pad[1], op.Pad[2], op.Pad[3]}
		if u.Residual >= 0 {
			c.InPlace = []int{2}
		}
	case ops.ReLU:
		c.InPlace = []int{1}
	case ops.Concat:
		c.Join = true
	case ops.Flatten:
		c.Views, c.In = []int{0}, nil
	case ops.Slice:
		c.Views, c.In = []int{op.Start}, nil
	case ops.Softmax:
		c.Out[0].Layout = Planar
	case ops.Tanh:
		return c, fmt.Errorf("no tanh today: %w", ErrUnsupported)
	}
	return c, nil
}

type net struct {
	*ir.Builder
	t testing.TB
}

func newNet(t testing.TB) *net {
	return &net{ir.NewBuilder("net"), t}
}

func (b *net) op(name string, op ir.Op, in ...*ir.Value) *ir.Value {
	b.t.Helper()
	n, err := b.Add(name, op, in...)
	if err != nil {
		b.t.Fatal(err)
	}
	return n.Out[0]
}

func (b *net) conv(name string, x *ir.Value, oc, k int) *ir.Value {
	w := b.Fill(name+"/weight", 1, oc, x.Type.Shape[1], k, k)
	return b.op(name, ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, Pad: ir.Pads{k / 2, k / 2, k / 2, k / 2}}, x, w)
}

func (b *net) plan(opt Options, out ...*ir.Value) *Plan {
	b.t.Helper()
	g := b.Graph()
	g.Outputs = out
	opt.Batch = max(1, opt.Batch)
	p, err := New(g, fake{}, opt)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := Check(p); err != nil {
		b.t.Errorf("%v\n%v", err, p)
	}
	return p
}

// names returns, for each step, the name of its result and its algorithm.
func names(p *Plan) string {
	var l []string
	for _, s := range p.Steps {
		l = append(l, s.Name+":"+s.Algo)
	}
	return strings.Join(l, " ")
}

func (p *Plan) step(name string) *Step {
	for i := range p.Steps {
		if p.Steps[i].Name == name {
			return &p.Steps[i]
		}
	}
	return &Step{}
}

func (p *Plan) buffer(t testing.TB, name string) Buffer {
	t.Helper()
	for _, b := range p.Buffers {
		if b.Name == name {
			return b
		}
	}
	t.Fatalf("no buffer is called %s:\n%v", name, p)
	return Buffer{}
}

func TestConcatIsWrittenInPlace(t *testing.T) {
	b := newNet(t)
	x := b.conv("c0", b.Input("x", ir.Float(ir.Batch, 16, 8, 8)), 16, 1)
	a, c, d := b.conv("a", x, 32, 1), b.conv("c", x, 16, 3), b.conv("d", x, 7, 1)
	inner := b.op("inner", ops.Concat{Axis: 1}, a, c)
	p := b.plan(Options{}, b.conv("last", b.op("outer", ops.Concat{Axis: 1}, inner, d), 16, 3))
	if got := names(p); strings.Contains(got, "copy") || strings.Contains(got, "outer") {
		t.Errorf("a concat costs something: %s", got)
	}
	buf := p.buffer(t, "outer")
	for name, channel := range map[string]int{"a": 0, "c": 32, "d": 48} {
		if got, want := p.step(name).Out[0].Off, buf.At+channel/Block*buf.View.C; got != want {
			t.Errorf("%s is written to %d, its slice is at %d", name, got, want)
		}
	}
	if buf.Border != (Border{1, 1, 1, 1}) {
		t.Errorf("the concat's border is %v, a 3x3 convolution reads it", buf.Border)
	}
}

func TestConcatCopiesWhatDoesNotFit(t *testing.T) {
	b := newNet(t)
	x := b.conv("c0", b.Input("x", ir.Float(ir.Batch, 16, 8, 8)), 16, 1)
	a, c := b.conv("a", x, 7, 1), b.conv("c", x, 16, 1)
	j := b.op("j", ops.Concat{Axis: 1}, a, c, c, x)
	p := b.plan(Options{}, b.conv("last", j, 16, 1))
	copies := 0
	for _, s := range p.Steps {
		if s.Algo == "copy" {
			copies++
		}
	}
	if copies != 4 {
		t.Errorf("%d copies, want all four parts: after the one of 7 channels no part begins at a multiple of 16\n%v", copies, p)
	}
}

func TestInPlace(t *testing.T) {
	b := newNet(t)
	x := b.conv("c0", b.Input("x", ir.Float(ir.Batch, 16, 8, 8)), 16, 1)
	m := b.op("pool", ops.MaxPool{Kernel: ir.HW{1, 1}, Stride: ir.HW{1, 1}}, x)
	r := b.op("relu", ops.ReLU{}, m)
	y := b.op("relu2", ops.ReLU{}, x) // x is read again: not in place the first time
	p := b.plan(Options{}, b.op("sum", ops.Mul{}, r, y))
	for name, want := range map[string]bool{"relu": true, "relu2": true} {
		s := p.step(name)
		if got := s.In[0] == s.Out[0]; got != want {
			t.Errorf("%s in place: %v, want %v\n%v", name, got, want, p)
		}
	}
	b = newNet(t)
	x = b.conv("c0", b.Input("x", ir.Float(ir.Batch, 16, 8, 8)), 16, 1)
	m = b.op("pool", ops.MaxPool{Kernel: ir.HW{1, 1}, Stride: ir.HW{1, 1}}, x)
	r = b.op("relu", ops.ReLU{}, m)
	p = b.plan(Options{}, b.op("sum", ops.Mul{}, r, m))
	if s := p.step("relu"); s.In[0] == s.Out[0] {
		t.Errorf("relu overwrites a value that is read later\n%v", p)
	}
}

func TestFusion(t *testing.T) {
	b := newNet(t)
	x := b.conv("c0", b.Input("x", ir.Float(ir.Batch, 16, 8, 8)), 16, 1)
	body := b.op("scale", ops.Scale{By: 0.2}, b.conv("body", b.conv("c1", x, 16, 1), 16, 3))
	y := b.op("relu", ops.ReLU{}, b.op("add", ops.Add{}, x, body))
	m := b.conv("merged", y, 48, 1)
	s1 := b.op("s1", ops.Slice{Axis: 1, Start: 0, Stop: 20}, m)
	s2 := b.op("s2", ops.Slice{Axis: 1, Start: 20, Stop: 48}, m)
	p := b.plan(Options{}, b.op("r1", ops.ReLU{}, s1), s2)
	want := "x/blocked:planar to blocked c0:conv c1:conv relu:conv r1:conv r1:blocked to planar s2:blocked to planar"
	if got := names(p); got != want {
		t.Errorf("steps are\n%s, want\n%s", got, want)
	}
	if s := p.step("relu"); s.In[1] != s.Out[0] {
		t.Errorf("the residual sum is not in place\n%v", p)
	}
	b = newNet(t)
	x = b.conv("c0", b.Input("x", ir.Float(ir.Batch, 16, 8, 8)), 16, 1)
	p2 := b.plan(Options{}, b.op("add", ops.Add{}, x, b.conv("body", x, 16, 3)))
	if s := p2.step("add"); s.In[1] == s.Out[0] {
		t.Errorf("a residual sum overwrites the convolution's own input\n%v", p2)
	}
	if s := p.step("r1"); len(s.From) != 4 || s.Out[1].Space == Nowhere {
		t.Errorf("the merged convolution computes %v", s.From)
	}
}

// TestFusionKeepsWhatIsRead builds graphs in which nodes must not be fused.
func TestFusionKeepsWhatIsRead(t *testing.T) {
	b := newNet(t)
	x := b.conv("c0", b.Input("x", ir.Float(ir.Batch, 16, 8, 8)), 16, 1)
	c := b.conv("c", x, 16, 1)
	r := b.op("relu", ops.ReLU{}, c)
	m := b.conv("m", x, 32, 1)
	part := b.op("part", ops.Slice{Axis: 1, Start: 0, Stop: 16}, m) // nothing reads the other 16 channels
	p := b.plan(Options{}, r, c, part)
	for _, want := range []string{"c:conv", "relu:relu", "m:conv"} {
		if !strings.Contains(names(p), want) {
			t.Errorf("no step %s in %s", want, names(p))
		}
	}
	if p := b.plan(Options{Keep: []*ir.Value{m}}, r); len(p.Kept) != 1 || !strings.Contains(names(p), "m/kept") {
		t.Errorf("a kept value is not kept: %s", names(p))
	}
}

func TestErrors(t *testing.T) {
	b := newNet(t)
	x := b.Input("x", ir.Float(ir.Batch, 16, 8, 8))
	b.Graph().Outputs = []*ir.Value{b.op("t", ops.Tanh{}, x)}
	_, err := New(b.Graph(), fake{}, Options{Batch: 1})
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "t: no tanh") {
		t.Errorf("error of an op without kernel: %v", err)
	}
	if _, err := New(b.Graph(), fake{}, Options{}); err == nil {
		t.Error("a batch of 0 is planned")
	}
	b = newNet(t)
	b.Graph().Outputs = []*ir.Value{b.op("r", ops.ReLU{}, b.Input("x", ir.Float(ir.Batch, ir.Batch)))}
	if _, err := New(b.Graph(), fake{}, Options{Batch: 1}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a value with two batches: %v", err)
	}
}

// random returns a graph of convolutions that branch and join, with various borders.
func random(t testing.TB, seed uint64) *net {
	r := rand.New(rand.NewPCG(seed, 3))
	b := newNet(t)
	vs := []*ir.Value{b.conv("c0", b.Input("x", ir.Float(ir.Batch, 3, 8, 8)), 16, 1)}
	for i := range 4 + r.IntN(20) {
		x := vs[len(vs)-1-r.IntN(min(4, len(vs)))]
		name := fmt.Sprintf("v%d", i)
		switch r.IntN(6) {
		case 0:
			y := vs[len(vs)-1-r.IntN(min(4, len(vs)))]
			x = b.op(name, ops.Concat{Axis: 1}, x, y)
		case 1:
			x = b.op(name, ops.ReLU{}, x)
		case 2:
			c := x.Type.Shape[1]
			x = b.op(name, ops.Slice{Axis: 1, Start: 0, Stop: min(c, 16)}, x)
		default:
			x = b.conv(name, x, 16*(1+r.IntN(3))+r.IntN(2)*r.IntN(9), 1+2*r.IntN(3))
		}
		vs = append(vs, x)
	}
	b.Graph().Outputs = []*ir.Value{vs[len(vs)-1], vs[len(vs)/2]}
	return b
}

func TestRandomPlans(t *testing.T) {
	for seed := range uint64(300) {
		b := random(t, seed)
		batch := 1 + int(seed%3)
		p, err := New(b.Graph(), fake{}, Options{Batch: batch, OneByOne: seed%5 == 0})
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(p); err != nil {
			t.Fatalf("seed %d: %v\n%v", seed, err, p)
		}
		q, err := New(b.Graph(), fake{}, Options{Batch: batch, OneByOne: seed%5 == 0})
		if err != nil {
			t.Fatal(err)
		}
		if a, b := fmt.Sprintf("%#v", p), fmt.Sprintf("%#v", q); a != b {
			t.Fatalf("seed %d: two plans of one graph differ:\n%s\n%s", seed, a, b)
		}
	}
}

// TestArenaIsSmall compares the arena with the largest total size of buffers that live at
// the same time. No assignment can be smaller.
func TestArenaIsSmall(t *testing.T) {
	over, least := 0, 0
	for seed := range uint64(100) {
		b := random(t, seed)
		p, err := New(b.Graph(), fake{}, Options{Batch: 1})
		if err != nil {
			t.Fatal(err)
		}
		most := 0
		for ph := range p.Phases() {
			live := 0
			for _, b := range p.Buffers {
				if b.First <= ph && ph <= b.Last {
					live += b.Len
				}
			}
			most = max(most, live)
		}
		over, least = over+p.Arena, least+most
	}
	if float64(over) > 1.9*float64(least) {
		t.Errorf("arenas are %.2f times the largest total size of buffers that live at the same time", float64(over)/float64(least))
	}
}

// TestCheckFinds breaks plans in ways that Check must find.
func TestCheckFinds(t *testing.T) {
	b := newNet(t)
	x := b.conv("c0", b.Input("x", ir.Float(ir.Batch, 16, 8, 8)), 16, 1)
	y := b.conv("c1", x, 16, 3)
	good := b.plan(Options{Batch: 2}, b.conv("c3", b.conv("c2", y, 16, 1), 16, 3))
	index := func(name string) int {
		return slices.IndexFunc(good.Buffers, func(b Buffer) bool { return b.Name == name })
	}
	for name, spoil := range map[string]func(*Plan){
		"an arena that is too short": func(p *Plan) { p.Arena -= 64 },
		"two values in one place": func(p *Plan) {
			p.Buffers[index("c2")].Off, p.Buffers[index("c2")].At = p.Buffers[index("c1")].Off, p.Buffers[index("c1")].At
			p.Buffers[index("c2")].Frame = p.Buffers[index("c1")].Frame
		},
		"a border off its grid":         func(p *Plan) { p.Buffers[index("c2")].At += Block },
		"a plain buffer over a border":  func(p *Plan) { p.Buffers[index("c1")].Off = p.Buffers[index("c0")].Off },
		"a lifetime that ends early":    func(p *Plan) { p.Buffers[index("c1")].Last-- },
		"a lifetime that begins late":   func(p *Plan) { p.Buffers[index("c1")].First++ },
		"a buffer before the arena":     func(p *Plan) { p.Buffers[index("c0")].At -= 1000 },
		"phases out of order":           func(p *Plan) { p.Steps[2].Phase += 2 },
		"weights that overlap":          func(p *Plan) { p.Weights = []Weight{{Off: 0, Len: 32}, {Off: 16, Len: 32}}; p.Packed = 48 },
		"weights beyond what is packed": func(p *Plan) { p.Weights = []Weight{{Off: 0, Len: 32}}; p.Packed = 16 },
	} {
		p := *good
		p.Buffers, p.Steps = slices.Clone(good.Buffers), slices.Clone(good.Steps)
		spoil(&p)
		if Check(&p) == nil {
			t.Errorf("Check does not find %s", name)
		}
	}
}

func TestPhases(t *testing.T) {
	b := newNet(t)
	x := b.conv("c0", b.Input("x", ir.Float(ir.Batch, 16, 8, 8)), 16, 1)
	a, c := b.conv("a", x, 16, 3), b.conv("c", x, 16, 5)
	p := b.plan(Options{}, b.op("j", ops.Concat{Axis: 1}, a, b.conv("d", c, 16, 1)))
	if p.step("a").Phase != p.step("c").Phase || p.step("d").Phase == p.step("c").Phase {
		t.Errorf("phases are wrong:\n%v", p)
	}
}

// slow is a lowering that predicts the given time for every step.
type slow struct {
	fake
	seconds float64
}

func (l slow) Cost(k Kernel, images int) Cost { return Cost{Seconds: l.seconds} }

func TestShortStepsAreNotShared(t *testing.T) {
	b := newNet(t)
	x := b.op("a", ops.ReLU{}, b.Input("x", ir.Float(ir.Batch, 16, 8, 8)))
	g := b.Graph()
	g.Outputs = []*ir.Value{b.op("b", ops.Softmax{Axis: 1}, x)}
	for _, c := range []struct {
		seconds float64
		solo    bool
	}{{1e-6, true}, {50e-6, false}} {
		p, err := New(g, slow{seconds: c.seconds}, Options{Batch: 1})
		if err != nil {
			t.Fatal(err)
		}
		if p.Solo != c.solo {
			t.Errorf("steps of %g s: one thread: %v", c.seconds, p.Solo)
		}
		if said := strings.Contains(p.String(), "on one thread"); said != c.solo {
			t.Errorf("steps of %g s: the plan says that it runs on one thread: %v", c.seconds, said)
		}
	}
}

func TestPrinting(t *testing.T) {
	b := newNet(t)
	b.Part = "stem"
	x := b.conv("c0", b.Input("x", ir.Float(ir.Batch, 16, 8, 8)), 16, 1)
	b.Part = "top"
	p := b.plan(Options{Batch: 2}, b.op("probs", ops.Softmax{Axis: 1}, x))
	text := p.String()
	for _, want := range []string{"plan net: inference on one thread, batch 2, 3 steps in 3 phases", "stem", "c0", "softmax", "out0@0", "total"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	var w strings.Builder
	if err := p.Table(&w, TableOptions{Measured: []float64{1e-6, 2e-6, 3e-6}, Peak: 100, Buffers: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"measured", "% of peak", "6.0", "buffer"} {
		if !strings.Contains(w.String(), want) {
			t.Errorf("no %q in\n%s", want, w.String())
		}
	}
	js, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Arena int
		Steps []struct{ Name, Kernel string }
	}
	if err := json.Unmarshal(js, &back); err != nil {
		t.Fatal(err)
	}
	if back.Arena != p.Arena || len(back.Steps) != 3 || !strings.HasPrefix(back.Steps[1].Kernel, "plan.fakeKernel{Op:") {
		t.Errorf("JSON is %s", js)
	}
	if len(p.Sections) != 2 || p.Sections[0] != (Section{"stem", 0, 2}) || p.Sections[1] != (Section{"top", 2, 3}) {
		t.Errorf("sections are %+v", p.Sections)
	}
}
