package plan

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// New plans a graph. It does not change the graph. An error says which node cannot be
// planned; it wraps ErrUnsupported if an op or a shape is not supported.
func New(g *ir.Graph, low Lowering, opt Options) (*Plan, error) {
	if opt.Batch < 1 {
		return nil, fmt.Errorf("plan %s: a batch of %d images (want at least 1)", g.Name, opt.Batch)
	}
	p := &planner{g: g, low: low, opt: opt, symbolic: Symbolic(g), have: map[*ir.Value][]*Tensor{}, params: map[*ir.Value]*Tensor{}}
	for _, f := range []func() error{p.lower, p.outputs, p.keep, p.updates, p.place, p.emit} {
		if err := f(); err != nil {
			return nil, fmt.Errorf("plan %s: %w", g.Name, err)
		}
	}
	p.phases()
	return p.finish(), nil
}

// planner holds the state of New.
type planner struct {
	g        *ir.Graph
	low      Lowering
	opt      Options
	symbolic bool // a value of the graph has a batch
	work     []item
	params   map[*ir.Value]*Tensor
	state    []State
	have     map[*ir.Value][]*Tensor // each value in all layouts so far; its unit wrote the first
	inputs   []Edge
	outs     []Edge
	kept     []Kept
	keptAt   []*Tensor
	steps    []*step
	weights  []Weight
	last     int     // index of the first item of work that changes params
	late     []*step // steps of earlier items that change params too; they read only temporary memory of their unit
	changes  int     // index of the first step that changes params
}

// item is a unit, or a copy from src to dst, for which steps will be emitted.
type item struct {
	unit     *Unit
	src, dst *Tensor
	part     string // the part of the spec that needs the copy
}

// step is a Step whose operands do not have places in memory yet.
type step struct {
	Step
	in, out []*Tensor
	w       [4]*Tensor
	part    string
}

func (p *planner) lower() error {
	for i, v := range p.g.Inputs {
		t, err := p.newTensor(v, Planar)
		if err != nil {
			return err
		}
		t.space, t.index = Input, i
		p.have[v] = []*Tensor{t}
		p.inputs = append(p.inputs, edge(v))
	}
	if err := p.placeParams(); err != nil {
		return err
	}
	roots := map[*ir.Value]bool{}
	for _, v := range p.g.Roots() {
		roots[v] = true
	}
	for _, v := range p.opt.Keep {
		roots[v] = true
	}
	for _, u := range units(p.g, roots, p.low, p.opt.Train) {
		if err := p.lowerUnit(u); err != nil {
			return err
		}
	}
	return nil
}

// placeParams gives the params of a training step their places.
func (p *planner) placeParams() error {
	if !p.opt.Train {
		return nil
	}
	at := 0
	for i, v := range p.g.Params {
		k := Packing{How: "blocked", Arg: 1, Len: 1}
		if len(v.Type.Shape) > 0 {
			k = p.low.Packing(v)
		}
		if k.Len == 0 {
			continue // the units that read it will report the error
		}
		p.params[v] = &Tensor{Name: v.Name, Value: v, Layout: Packed, C: k.Len, H: 1, W: 1, batch: 1, space: Params, index: i}
		p.state = append(p.state, State{Name: v.Name, Shape: v.Type.Shape, Packing: k, Off: at})
		p.params[v].paramOff = at
		at += align(k.Len)
	}
	return nil
}

// updates moves units that change params to the end. It checks that the new value of every
// updated param is written over the param.
func (p *planner) updates() error {
	if !p.opt.Train {
		return nil
	}
	var work, last []item
	for _, w := range p.work {
		if w.unit != nil && w.unit.choice.Last {
			last = append(last, w)
		} else {
			work = append(work, w)
		}
	}
	p.last = len(work)
	p.work = append(work, last...)
	for _, u := range p.g.Updates {
		if len(p.have[u.Value]) == 0 {
			return fmt.Errorf("the new value of %s is %s, which no step computes: %w", u.Param.Name, u.Value.Name, ErrUnsupported)
		}
		if r, _ := p.have[u.Value][0].root(); r != p.params[u.Param] {
			return fmt.Errorf("%s cannot be updated in place by %s: %w", u.Param.Name, ir.Name(u.Value.Def.Op), ErrUnsupported)
		}
	}
	return nil
}

// partOf returns the label of the part of the spec that a value belongs to.
func partOf(v *ir.Value) string {
	if v.Def == nil {
		return ""
	}
	return v.Def.Part
}

func edge(v *ir.Value) Edge {
	s := v.Type.Shape
	return Edge{Name: v.Name, Shape: s, Size: s.Size(), Fixed: !s.Symbolic()}
}

func (p *planner) lowerUnit(u *Unit) error {
	for _, v := range u.Read {
		if len(p.have[v]) == 0 {
			return fmt.Errorf("%s reads %s before it is computed", u.Name(), v.Name)
		}
		u.In = append(u.In, p.have[v][0])
	}
	if _, ok := u.Node.Op.(ops.MaxPoolDx); ok {
		u.Indexed = slices.ContainsFunc(p.have[u.Node.In[1]], func(t *Tensor) bool { return t.Layout.indices() })
	}
	c, err := p.low.Lower(u)
	if err != nil {
		return fmt.Errorf("%s: %w", u.Name(), err)
	}
	if c.Apart && (u.Pool != nil || u.Quantize != nil) {
		for _, x := range u.apart() {
			if err := p.lowerUnit(x); err != nil {
				return err
			}
		}
		return nil
	}
	if c.Views != nil && len(c.In) == 0 {
		c.In = []Need{{Layout: u.In[0].Layout}}
	}
	if len(c.In) != len(u.In) || len(c.Out) != len(u.Wrote) && c.Views == nil {
		return fmt.Errorf("%s: the lowering must name a layout for each operand", u.Name())
	}
	if c.Emit == nil && c.Views == nil && !c.Join {
		return missing(u)
	}
	u.choice = c
	for i, v := range u.Read {
		if u.In[i], err = p.want(v, c.In[i], u.Node.Part); err != nil {
			return fmt.Errorf("%s: %w", u.Name(), err)
		}
	}
	for i, v := range u.Wrote {
		l := u.In0Layout()
		if c.Views == nil {
			l = c.Out[i].Layout
		}
		t, err := p.newTensor(v, l)
		if err != nil {
			return err
		}
		if i < len(c.Into) && c.Into[i] != nil {
			if t.in = p.params[c.Into[i]]; t.in == nil || t.in.C != t.C {
				return fmt.Errorf("%s has no place among the params: %w", v.Name, ErrUnsupported)
			}
		}
		if c.Views != nil {
			t.in, t.channel = u.In[0], c.Views[i]
			if l == Planar {
				t.channel *= u.In[0].H * u.In[0].W
			}
		}
		u.Out = append(u.Out, t)
		p.have[v] = append(p.have[v], t) // indices may come second
	}
	p.work = append(p.work, item{unit: u})
	return nil
}

// In0Layout returns the layout of the unit's first input, Planar if it has none.
func (u *Unit) In0Layout() Layout {
	if len(u.In) == 0 {
		return Planar
	}
	return u.In[0].Layout
}

// want returns the value in the layout and with the border that a reader needs. If it does not
// exist in that layout yet, want adds a copy.
func (p *planner) want(v *ir.Value, n Need, part string) (*Tensor, error) {
	for _, t := range p.have[v] {
		if t.Layout == n.Layout {
			r, _ := t.root()
			r.border = r.border.max(n.Border)
			return t, nil
		}
	}
	src := p.have[v][0]
	if (src.Layout == Wide) != (n.Layout == Wide) && src.Layout != Planar && n.Layout != Planar {
		var err error // by way of planar
		if src, err = p.want(v, Need{Layout: Planar}, part); err != nil {
			return nil, err
		}
	}
	t, err := p.newTensor(v, n.Layout)
	if err != nil {
		return nil, err
	}
	t.Name = v.Name + "/" + n.Layout.String()
	t.border = n.Border
	p.work = append(p.work, item{src: src, dst: t, part: part})
	p.have[v] = append(p.have[v], t)
	return t, nil
}

// outputs places every output of the graph in the caller's memory. The unit writes it there
// directly if its layout is Planar; otherwise the output is copied.
func (p *planner) outputs() error {
	for i, v := range p.g.All() {
		p.outs = append(p.outs, edge(v))
		if len(p.have[v]) == 0 {
			return fmt.Errorf("output %s is a param (want a value that a node computes): %w", v.Name, ErrUnsupported)
		}
		t := p.have[v][0]
		if t.Layout == Planar && t.space == Nowhere && t.in == nil && !p.isViewed(t) {
			t.space, t.index = Output, i
			continue
		}
		o, err := p.newTensor(v, Planar)
		if err != nil {
			return err
		}
		o.space, o.index = Output, i
		p.work = append(p.work, item{src: t, dst: o, part: partOf(v)})
	}
	return nil
}

// isViewed reports whether another tensor is a part of t.
func (p *planner) isViewed(t *Tensor) bool {
	for _, w := range p.work {
		if w.unit != nil {
			for _, o := range w.unit.Out {
				if o.in == t {
					return true
				}
			}
		}
	}
	return false
}

func (p *planner) keep() error {
	named := map[string]bool{}
	for _, v := range p.opt.Keep {
		if len(p.have[v]) == 0 {
			return fmt.Errorf("%s cannot be kept: it is a param", v.Name)
		}
		var t *Tensor
		for _, x := range p.have[v] {
			if r, _ := x.root(); x.Layout == Planar && r == x && x.space == Nowhere {
				t = x
			}
		}
		if t == nil {
			var err error
			if t, err = p.newTensor(v, Planar); err != nil {
				return err
			}
			t.Name += "/kept"
			p.work = append(p.work, item{src: p.have[v][0], dst: t, part: partOf(v)})
		}
		t.keep = true
		k := Kept{Name: v.Name, Shape: v.Type.Shape, Size: v.Type.Shape.Size()}
		for _, part := range p.g.Parts {
			if part.Out == v && !named[part.Name] { // one value may have several labels
				k.Part = part.Name
				named[k.Part] = true
				break
			}
		}
		p.kept = append(p.kept, k)
		p.keptAt = append(p.keptAt, t)
	}
	return nil
}

// place decides which values share memory: operands of joins, and outputs that overwrite an
// input. It visits later joins first, so that a concat of concats becomes one buffer.
func (p *planner) place() error {
	for i := len(p.work) - 1; i >= 0; i-- {
		if u := p.work[i].unit; u != nil && u.choice.Join {
			p.join(u)
		}
	}
	readers := map[*Tensor]int{} // for each root, the last item that reads or writes it
	touch := func(t *Tensor, i int) {
		r, _ := t.root()
		readers[r] = max(readers[r], i)
	}
	for i, w := range p.work {
		if w.unit == nil {
			touch(w.src, i)
			touch(w.dst, i)
			continue
		}
		for _, t := range w.unit.In {
			touch(t, i)
		}
		for _, t := range w.unit.Out {
			touch(t, i)
		}
	}
	for i, w := range p.work {
		if w.unit == nil || w.unit.choice.InPlace == nil {
			continue
		}
		for o, from := range w.unit.choice.InPlace {
			if from == 0 {
				continue
			}
			src, dst := w.unit.In[from-1], w.unit.Out[o]
			r, ch := src.root()
			last := readers[r]
			if last != i || r.keep || r.space != Nowhere || dst.in != nil || dst.space != Nowhere || dst.keep || ch != 0 ||
				r.C != dst.C || r.H != dst.H || r.W != dst.W || r.Layout != dst.Layout || r.Layout == Framed {
				continue
			}
			// The other inputs must not lie in the memory that is overwritten.
			clash := false
			for j, t := range w.unit.In {
				if q, _ := t.root(); j != from-1 && q == r {
					clash = true
				}
			}
			if clash {
				continue
			}
			readers[r] = max(last, readers[dst])
			r.border = r.border.max(dst.border)
			dst.in, dst.inplace = src, true
		}
	}
	return p.settle()
}

// join places the inputs of a join directly in its output, if that is possible.
func (p *planner) join(u *Unit) {
	out := u.Out[0]
	ch := 0
	for i, t := range u.In {
		step := t.C
		if t.Layout == Planar {
			step = t.Size()
		}
		first := true
		for _, x := range u.In[:i] {
			first = first && x != t
		}
		fits := t.Layout == out.Layout && t.H == out.H && t.W == out.W
		if t.Layout.byChannels() {
			fits = fits && ch%Block == 0 && (t.C%Block == 0 || i == len(u.In)-1)
		}
		if fits && first && t.in == nil && t.space == Nowhere && !t.keep && out.space == Nowhere {
			b := t.border
			t.in, t.channel, t.joined = out, ch, true
			t.border = Border{}
			r, _ := out.root()
			r.border = r.border.max(b)
		}
		ch += step
	}
}

// settle moves borders that readers of a part need to the part's root. It returns an error if
// the layout of a root with a border cannot have one.
func (p *planner) settle() error {
	all := func(f func(*Tensor)) {
		for _, w := range p.work {
			if w.unit == nil {
				f(w.src)
				f(w.dst)
				continue
			}
			for _, t := range w.unit.In {
				f(t)
			}
			for _, t := range w.unit.Out {
				f(t)
			}
		}
	}
	all(func(t *Tensor) {
		r, _ := t.root()
		if r != t {
			r.border = r.border.max(t.border)
			t.border = Border{}
		}
	})
	var err error
	all(func(t *Tensor) {
		if r, _ := t.root(); r.border != (Border{}) && !r.Layout.blocky() && r.Layout != Framed && err == nil {
			err = fmt.Errorf("%s has the layout %v, which cannot have a border", r.Name, r.Layout)
		}
	})
	return err
}

func (p *planner) emit() error {
	for i, w := range p.work {
		if i == p.last {
			p.changeParams()
		}
		if w.unit == nil {
			if err := p.copy(w.src, w.dst, nil); err != nil {
				return err
			}
			p.steps[len(p.steps)-1].part = w.part
			continue
		}
		u := w.unit
		switch {
		case u.choice.Views != nil:
		case u.choice.Join:
			if err := p.emitJoin(u); err != nil {
				return err
			}
		default:
			if err := u.choice.Emit(&Emitter{u, p}); err != nil {
				return fmt.Errorf("%s: %w", u.Name(), err)
			}
		}
	}
	if p.last >= len(p.work) {
		p.changeParams()
	}
	return nil
}

// emitJoin copies the inputs of a join that are not computed in its output. One step copies up
// to four consecutive inputs.
func (p *planner) emitJoin(u *Unit) error {
	var src, dst []*Tensor
	flush := func() error {
		defer func() { src, dst = nil, nil }()
		if len(src) > 1 {
			if k := p.low.Gather(src, dst); k != nil {
				whole := u.Out[0].Part(0, dst[len(dst)-1].channel+dst[len(dst)-1].C-dst[0].channel)
				whole.channel = dst[0].channel
				p.step(u, k, "copy", src, []*Tensor{whole}, nil)
				return nil
			}
		}
		for i, t := range src {
			if err := p.copy(t, dst[i], u); err != nil {
				return err
			}
		}
		return nil
	}
	ch := 0
	for _, t := range u.In {
		step := t.C
		if t.Layout == Planar {
			step = t.Size()
		}
		if t.joined && t.in == u.Out[0] && t.channel == ch {
			if err := flush(); err != nil {
				return err
			}
		} else {
			part := u.Out[0].Part(0, t.C)
			part.channel = ch
			src, dst = append(src, t), append(dst, part)
		}
		ch += step
		if len(src) == len(Step{}.In) {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// changeParams begins the last part of a training step, in which params are changed.
func (p *planner) changeParams() {
	p.changes = len(p.steps)
	p.steps = append(p.steps, p.late...)
}

func (p *planner) copy(src, dst *Tensor, u *Unit) error {
	k := p.low.Copy(src, dst)
	if k == nil {
		return fmt.Errorf("%s: no kernel copies %v to %v: %w", dst.Name, src.Layout, dst.Layout, ErrUnsupported)
	}
	if u == nil {
		u = &Unit{Wrote: []*ir.Value{dst.Value}}
	}
	algo := src.Layout.String() + " to " + dst.Layout.String()
	if src.Layout == dst.Layout {
		algo = "copy"
	}
	p.step(u, k, algo, []*Tensor{src}, []*Tensor{dst}, nil)
	p.steps[len(p.steps)-1].Name = dst.Name
	return nil
}

func (p *planner) step(u *Unit, k Kernel, algo string, in, out []*Tensor, w []WeightRef) {
	s := &step{in: in, out: out}
	s.Name, s.Algo, s.Do = u.Name(), algo, k
	s.Cost = p.low.Cost(k, p.opt.Batch)
	if u.Node != nil {
		s.part = u.Node.Part
	}
	for _, n := range u.Nodes {
		s.From = append(s.From, n.Out[0].Name)
	}
	if len(out) > 0 && out[0].Value != nil {
		s.Shape = out[0].Value.Type.Shape
	}
	for i, r := range w {
		if r.At != nil {
			s.w[i], s.WLen[i] = r.At, r.At.C
			continue
		}
		if r.How == "" {
			continue
		}
		x := Weight{How: r.How, Arg: r.Arg, Step: len(p.steps), Slot: i, Len: r.Len}
		for _, v := range r.Params {
			x.Params = append(x.Params, v.Name)
		}
		p.weights = append(p.weights, x)
		s.W[i] = len(p.weights)
	}
	for _, t := range out {
		if t == nil || u.choice.Last {
			continue
		}
		if r, _ := t.root(); r.space == Params {
			p.late = append(p.late, s)
			return
		}
	}
	p.steps = append(p.steps, s)
}
