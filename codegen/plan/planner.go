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
	if c.Apart && (u.Before != nil || u.Pool != nil || u.Quantize != nil) {
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
