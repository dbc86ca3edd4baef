package plan

import "fmt"

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
