package plan

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
)

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
