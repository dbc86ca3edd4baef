package plan

import (
	"math"
	"slices"
	"sort"
)

// buffer is the memory of a root (a tensor that is not part of another one) during
// placement.
type buffer struct {
	t           *Tensor
	first, last int // phases of the first and the last access
	off         int // offset in the arena, in float32s; in a frame, in blocks from its begin
	len         int // in float32s; in a frame, in blocks
	frame       int // 1 + index of its frame, 0 for none
	id          int
}

// joinBelow is the predicted time, in seconds on one thread, above which a step gets a phase
// of its own. Steps that share a phase divide the threads by their predicted times, which
// are wrong by some per cent. A single step divides the threads by its tasks, which all take
// the same time. So only short steps gain from sharing a phase: they may have too few tasks
// for all threads, and starting a phase takes a larger share of their time.
const joinBelow = 300e-6

// soloBelow is the average predicted time of a plan's phases, in seconds, below which one
// thread is faster than several. To split a phase costs half a microsecond for
// synchronization, and its results are then in the caches of several cores, from which the
// next phase must read them.
const soloBelow = 5e-6

// solo reports whether one thread should run the whole plan.
func (p *planner) solo() bool {
	seconds, phases := 0.0, 0
	for _, s := range p.steps {
		seconds += s.Cost.Seconds
		phases = s.Phase + 1
	}
	return !p.opt.Train && seconds < soloBelow*float64(phases)
}

// phases puts consecutive independent steps into one phase: their tasks run as one list, and
// threads synchronize only once, at the end.
func (p *planner) phases() {
	phase, first := 0, 0
	for i, s := range p.steps {
		if i > 0 {
			alone := p.opt.OneByOne || p.opt.Train && i == p.changes
			for _, q := range p.steps[first:i] {
				alone = alone || max(s.Cost.Seconds, q.Cost.Seconds) > joinBelow || depends(s, q)
			}
			if alone {
				phase, first = phase+1, i
			}
		}
		s.Phase = phase
	}
}

// span is the part of a root that a step reads or writes: a range of channels (of whole
// blocks), or a range of elements.
type span struct {
	root   *Tensor
	lo, hi int
}

func spanOf(t *Tensor) span {
	r, ch := t.root()
	lo, hi := ch, ch+t.Size()
	switch r.Layout {
	case Blocked, Bytes:
		lo, hi = ch/Block*Block, (ch+t.C+Block-1)/Block*Block
	case N16:
		hi = ch + t.C
	}
	return span{r, lo, hi}
}

func (a span) meets(b span) bool { return a.root == b.root && a.lo < b.hi && b.lo < a.hi }

// depends reports whether s must wait for q, because one of them writes memory that the
// other reads or writes.
func depends(s, q *step) bool {
	meet := func(as, bs []*Tensor) bool {
		for _, a := range as {
			for _, b := range bs {
				if a != nil && b != nil && spanOf(a).meets(spanOf(b)) {
					return true
				}
			}
		}
		return false
	}
	return meet(s.in, q.out) || meet(s.out, q.in) || meet(s.out, q.out) || meet(s.w[:], q.out) || meet(s.out, q.w[:])
}

// frame is a class of buffers with borders that have the same layout, height, width and
// border. They share a region of the arena that no other buffers use. In the region, all
// buffers begin at multiples of the distance between blocks. So the borders of one buffer
// always lie on borders of the others, and borders that were zeroed once remain zero.
type frame struct {
	layout Layout
	h, w   int
	border Border
	grid   int // distance between blocks, in float32s
	blocks int // number of blocks in the region
	lead   int // float32s of the border above the first block; the border below the last block is part of it
	off    int // offset of the region in the arena
}

// arena places the buffers of a plan.
type arena struct {
	bufs   []*buffer
	frames []*frame
	len    int // in float32s, once the buffers are placed
}

// bufferOf returns the buffer of the root of t, which it makes if there is none yet; nil
// where the root is not in the arena.
func (a *arena) bufferOf(t *Tensor) *buffer {
	r, _ := t.root()
	if r.space != Nowhere && r.space != Arena {
		return nil
	}
	if r.buf == nil {
		b := &buffer{t: r, first: 1 << 30, last: -1}
		v, _ := r.geometry()
		switch {
		case r.border != (Border{}):
			b.frame = a.frameOf(r, v)
			b.len = r.length() / v.C
		default:
			b.len = align(r.length())
		}
		r.buf = b
		a.bufs = append(a.bufs, b)
	}
	return r.buf
}

// inFrame returns the buffers of a frame, 0 for those without one.
func (a *arena) inFrame(frame int) (members []*buffer) {
	for _, b := range a.bufs {
		if b.frame == frame {
			members = append(members, b)
		}
	}
	return members
}

// place gives every buffer its offset, and numbers the buffers by their first phases.
func (a *arena) place() {
	for i, f := range a.frames {
		f.blocks = assign(a.inFrame(i + 1))
		f.off = a.len
		a.len = align(a.len + f.lead + f.blocks*f.grid)
	}
	general := a.inFrame(0)
	n := assign(general)
	for _, b := range general {
		b.off += a.len
	}
	a.len += n
	sort.SliceStable(a.bufs, func(i, j int) bool { return a.bufs[i].first < a.bufs[j].first })
	for i, b := range a.bufs {
		b.id = i
	}
}

// described returns the buffer as a plan lists it.
func (a *arena) described(b *buffer) Buffer {
	v, lead := b.t.geometry()
	x := Buffer{Name: b.t.Name, Layout: b.t.Layout, C: b.t.C, H: b.t.H, W: b.t.W, Border: b.t.border, View: v,
		Off: b.off, Len: b.len, At: b.off + lead, First: b.first, Last: b.last, Frame: b.frame}
	if b.frame > 0 {
		f := a.frames[b.frame-1]
		x.Off = f.off + b.off*f.grid
		x.Len = b.len * f.grid
		x.At = x.Off + f.lead
	}
	return x
}

// tensors returns what a step reads and writes. Entries may be nil.
func (s *step) tensors() [3][]*Tensor { return [3][]*Tensor{s.in, s.out, s.w[:]} }

// buffers collects the buffers of all steps, with the phases in which they are used.
func (p *planner) buffers() *arena {
	a := &arena{}
	end := 0
	if n := len(p.steps); n > 0 {
		end = p.steps[n-1].Phase
	}
	for _, s := range p.steps {
		for _, ts := range s.tensors() {
			for _, t := range ts {
				if t == nil {
					continue
				}
				if b := a.bufferOf(t); b != nil {
					b.first, b.last = min(b.first, s.Phase), max(b.last, s.Phase)
				}
			}
		}
	}
	for _, t := range p.keptAt {
		if b := a.bufferOf(t); b != nil {
			b.last = end + 1
		}
	}
	return a
}

// finish places all that lies in memory and returns the plan.
func (p *planner) finish() *Plan {
	mem := p.buffers()
	mem.place()
	pl := &Plan{Name: p.g.Name, Batch: p.opt.Batch, Train: p.opt.Train, Solo: p.solo(), Arena: mem.len, Inputs: p.inputs, Outputs: p.outs, State: p.state, Weights: p.weights}
	if n := len(p.state); n > 0 {
		pl.StateLen = align(p.state[n-1].Off + p.state[n-1].Len)
	}
	if p.opt.Train {
		pl.Changes = p.changes
	}
	for _, b := range mem.bufs {
		pl.Buffers = append(pl.Buffers, mem.described(b))
	}
	for i := range pl.Weights {
		w := &pl.Weights[i]
		w.Off = pl.Packed
		pl.Packed += align(w.Len)
	}
	for _, s := range p.steps {
		for i, to := range [3][]Operand{s.In[:], s.Out[:], s.WAt[:]} {
			for j, t := range s.tensors()[i] {
				if t != nil {
					to[j] = pl.operand(t)
				}
			}
		}
		s.Reads, s.Writes = touched(append(s.w[:], s.in...)), touched(s.out)
		pl.Steps = append(pl.Steps, s.Step)
	}
	for i, k := range p.kept {
		k.At = pl.operand(p.keptAt[i])
		pl.Kept = append(pl.Kept, k)
	}
	pl.Sections = sections(p.steps)
	return pl
}

// operand returns where a placed tensor lies.
func (pl *Plan) operand(t *Tensor) Operand {
	r, _ := t.root()
	switch r.space {
	case Input, Output:
		return Operand{Space: r.space, Index: r.index, Off: t.offset()}
	case Params:
		return Operand{Space: Params, Off: r.paramOff + t.offset()}
	}
	return Operand{Space: Arena, Off: pl.Buffers[r.buf.id].At + t.offset()}
}

// touched returns the numbers of the buffers in which tensors lie, each once.
func touched(ts []*Tensor) (ids []int) {
	for _, t := range ts {
		if t == nil {
			continue
		}
		r, _ := t.root()
		if r.buf != nil && !slices.Contains(ids, r.buf.id) {
			ids = append(ids, r.buf.id)
		}
	}
	return ids
}

// sections divides the steps by the parts of the network. A section begins with a phase:
// steps that share a phase with the previous section belong to that section.
func sections(steps []*step) (all []Section) {
	for i, s := range steps {
		n := len(all)
		if n > 0 && (all[n-1].Name == s.part || steps[i-1].Phase == s.Phase) {
			all[n-1].End = i + 1
			continue
		}
		all = append(all, Section{s.part, i, i + 1})
	}
	return all
}

// frameOf returns 1 + the index of t's frame. It adds the frame if there is none yet.
func (a *arena) frameOf(t *Tensor, v View) int {
	_, lead := t.geometry()
	for i, f := range a.frames {
		if f.layout == t.Layout && f.h == t.H && f.w == t.W && f.border == t.border {
			return i + 1
		}
	}
	a.frames = append(a.frames, &frame{layout: t.Layout, h: t.H, w: t.W, border: t.border, grid: v.C, lead: lead})
	return len(a.frames)
}

func align(n int) int { return (n + Align - 1) / Align * Align }

// assign gives every buffer an offset such that buffers that live at the same time do not
// overlap. It returns the total length. It places the largest buffer first, and puts each
// buffer into the smallest gap that is large enough between the buffers that live at the
// same time (greedy by size, Pisarchyk and Lee 2020, section 5.2).
func assign(bufs []*buffer) int {
	order := append([]*buffer(nil), bufs...)
	sort.SliceStable(order, func(i, j int) bool { return order[i].len > order[j].len })
	total := 0
	var placed []*buffer // by offset
	for _, b := range order {
		at, gap := -1, math.MaxInt
		end := 0
		for _, q := range placed {
			if q.last < b.first || b.last < q.first {
				continue
			}
			if g := q.off - end; g >= b.len && g < gap {
				at, gap = end, g
			}
			end = max(end, q.off+q.len)
		}
		if at < 0 {
			at = end
		}
		b.off = at
		total = max(total, at+b.len)
		i := sort.Search(len(placed), func(i int) bool { return placed[i].off > b.off })
		placed = append(placed, nil)
		copy(placed[i+1:], placed[i:])
		placed[i] = b
	}
	return total
}
