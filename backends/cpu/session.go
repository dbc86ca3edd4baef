package cpu

import (
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/memory"
	"github.com/incc-lang/incc/codegen/plan"
)

// Session is the memory of one run at a time. Sessions of a program may run at
// the same time; one Session must not.
type Session struct {
	p     *Program
	team  *kernel.Team
	arena *memory.Arena
	state *memory.Arena // the params of a training step
	args  []kernel.Args
	jobs  [][]kernel.Job // of each phase
	edges []edge
	body  func(w *kernel.Worker)
	parts map[string]*part

	// Of a run under observation:
	traced func(w *kernel.Worker)
	start  time.Time
	events [][]Event // of each worker
}

// edge is an operand that lies in the caller's memory.
type edge struct {
	space plan.Space
	index int
	buf   *kernel.Buf
}

type part struct {
	kept plan.Kept
	buf  kernel.Buf
}

// NewSession returns a session. All memory that runs need is taken here.
func (p *Program) NewSession() *Session {
	pl := p.plan
	s := &Session{p: p, team: kernel.NewTeam(p.pool, p.isa, p.scratch), arena: memory.NewArena(pl.Arena), args: make([]kernel.Args, len(pl.Steps)), parts: map[string]*part{}}
	s.state = memory.NewArena(pl.StateLen)
	copy(s.state.Mem, p.state.Mem)
	for i, st := range pl.Steps {
		a := &s.args[i]
		a.Table, a.Step = p.tables[i], i
		for j := range st.In {
			s.bind(st.In[j], &a.In[j])
			s.bind(st.Out[j], &a.Out[j])
			if w := st.W[j]; w > 0 {
				x := pl.Weights[w-1]
				a.W[j] = p.weights.Mem[x.Off : x.Off+x.Len : x.Off+x.Len]
			}
			if n := st.WLen[j]; n > 0 {
				var b kernel.Buf
				s.bind(st.WAt[j], &b)
				a.W[j] = b.Mem[b.Off : b.Off+n : b.Off+n]
			}
		}
	}
	s.jobs = make([][]kernel.Job, len(p.phases))
	for i, ph := range p.phases {
		for j := ph.first; j < ph.end; j++ {
			// The weight of a task, in tenths of a microsecond of the prediction.
			st := pl.Steps[j]
			weight := int(st.Cost.Seconds * 1e7 / float64(max(1, st.Do.Tasks(pl.Batch))))
			s.jobs[i] = append(s.jobs[i], kernel.Job{Do: s.p.run[j], Args: &s.args[j], Weight: max(1, weight)})
		}
	}
	for _, k := range pl.Kept {
		x := &part{kept: k}
		s.bind(k.At, &x.buf)
		s.parts[k.Name] = x
		if k.Part != "" {
			s.parts[k.Part] = x
		}
	}
	s.body, s.traced = s.work, s.workTraced
	return s
}

func (s *Session) bind(o plan.Operand, b *kernel.Buf) {
	b.Off = o.Off
	switch o.Space {
	case plan.Arena:
		b.Mem = s.arena.Mem
	case plan.Params:
		b.Mem = s.state.Mem
	case plan.Input, plan.Output:
		s.edges = append(s.edges, edge{o.Space, o.Index, b})
	}
}

// Run computes the outputs of some images: row-major float32s, one slice for
// each input and output of the graph, in order. The number of images follows
// from the length of the inputs and is at most the planned batch. Outputs must
// have room for exactly that many. Run itself allocates nothing; a caller that keeps
// the two outer slices, too, does not allocate for a run (ExampleSession_Run).
//
// Outputs are written before all inputs have been read: they must not overlap.
//
// The error wraps ErrInput if the slices do not fit, and ErrNumbers if the network has no result
// for the numbers in them.
func (s *Session) Run(inputs, outputs [][]float32) error {
	n, err := s.images(inputs, outputs)
	if err != nil {
		return err
	}
	s.set(n, inputs, outputs)
	if s.p.debug {
		s.poison(-1)
	}
	if s.p.plan.Solo && !s.p.debug {
		s.team.RunAlone(s.body)
	} else {
		s.team.Run(s.body)
	}
	s.release()
	return s.err()
}

// err returns the error that a step of the last run met.
func (s *Session) err() error {
	if err := s.team.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrNumbers, err)
	}
	return nil
}

// set hands a run its images.
func (s *Session) set(n int, inputs, outputs [][]float32) {
	for i := range s.args {
		s.args[i].Images = n
	}
	for _, e := range s.edges {
		if e.space == plan.Input {
			e.buf.Mem = inputs[e.index]
		} else {
			e.buf.Mem = outputs[e.index]
		}
	}
}

// release lets go of the caller's memory.
func (s *Session) release() {
	for _, e := range s.edges {
		e.buf.Mem = nil
	}
	runtime.KeepAlive(s.arena)
	runtime.KeepAlive(s.state)
	runtime.KeepAlive(s.p)
}

func (s *Session) images(inputs, outputs [][]float32) (int, error) {
	pl := s.p.plan
	if len(inputs) != len(pl.Inputs) || len(outputs) != len(pl.Outputs) {
		return 0, fmt.Errorf("%w: %s has %d inputs and %d outputs, %d and %d were given", ErrInput, pl.Name, len(pl.Inputs), len(pl.Outputs), len(inputs), len(outputs))
	}
	n := 1
	for i, e := range pl.Inputs {
		if e.Fixed {
			continue
		}
		if n = len(inputs[i]) / e.Size; n < 1 || n > pl.Batch {
			return 0, fmt.Errorf("%w: input %s has %d numbers, an image is %v, and 1 to %d images were planned", ErrInput, e.Name, len(inputs[i]), e.Shape[1:], pl.Batch)
		}
		break
	}
	for _, l := range [2]struct {
		edges []plan.Edge
		given [][]float32
		what  string
	}{{pl.Inputs, inputs, "input"}, {pl.Outputs, outputs, "output"}} {
		for i, e := range l.edges {
			want := e.Size
			if !e.Fixed {
				want *= n
			}
			if len(l.given[i]) != want {
				return 0, fmt.Errorf("%w: %s %s (%v) of %d images has %d numbers, %d were given", ErrInput, l.what, e.Name, e.Shape, n, want, len(l.given[i]))
			}
		}
	}
	return n, nil
}

// work is what every worker does.
func (s *Session) work(w *kernel.Worker) {
	for i := range s.jobs {
		s.phase(w, i)
	}
}

func (s *Session) phase(w *kernel.Worker, i int) {
	if jobs := s.jobs[i]; len(jobs) == 1 {
		w.Do(jobs[0].Do, jobs[0].Args)
	} else {
		w.DoAll(jobs)
	}
	if s.p.debug {
		if w.ID == 0 {
			s.poison(i)
		}
		w.Barrier()
	}
}

// poison fills with NaN what no longer lives after a phase; before the first,
// everything. Borders, which stay zero, and the lanes and rows between the
// images' elements are not filled where buffers share them.
func (s *Session) poison(after int) {
	nan := float32(math.NaN())
	if after < 0 {
		for i := range s.arena.Mem {
			s.arena.Mem[i] = nan
		}
		for _, b := range s.p.plan.Buffers {
			if b.Frame > 0 {
				s.clearBorder(b)
			}
		}
	}
	for _, b := range s.p.plan.Buffers {
		if after >= 0 && b.Last == after {
			s.fill(b, nan)
		}
	}
}

// fill sets all elements of a buffer, padded lanes included, borders not.
func (s *Session) fill(b plan.Buffer, x float32) {
	switch b.Layout {
	case plan.Packed, plan.Indices, plan.N16Indices, plan.Wide:
		for i := range s.arena.Mem[b.Off : b.Off+b.Len] {
			s.arena.Mem[b.Off+i] = x
		}
		return
	}
	images, planes, px := s.extent(b)
	for n := range images {
		for c := range planes {
			for y := range b.H {
				row := s.arena.Mem[b.At+n*b.View.N+c*b.View.C+y*b.View.H:][:b.W*px]
				for i := range row {
					row[i] = x
				}
			}
		}
	}
}

// extent is how many images (16 side by side count as one), planes, and elements a
// pixel a buffer has.
func (s *Session) extent(b plan.Buffer) (images, planes, px int) {
	switch b.Layout {
	case plan.Blocked, plan.Bytes:
		return s.p.plan.Batch, kernel.Blocks(b.C), b.Layout.Pixel()
	case plan.N16:
		return kernel.Blocks(s.p.plan.Batch), b.C, kernel.Block
	}
	// A scalar of a training step has no batch.
	return min(s.p.plan.Batch, b.Len/max(1, b.View.N)), b.C, 1
}

// clearBorder zeroes what lies around the maps of a buffer.
func (s *Session) clearBorder(b plan.Buffer) {
	images, planes, px := s.extent(b)
	for n := range images {
		for c := range planes {
			for y := -b.Border[0]; y < b.H+b.Border[2]; y++ {
				at := b.At + n*b.View.N + c*b.View.C + y*b.View.H
				clear(s.arena.Mem[at-b.Border[1]*px : at])
				clear(s.arena.Mem[at+b.W*px : at+(b.W+b.Border[3])*px])
				if y < 0 || y >= b.H {
					clear(s.arena.Mem[at : at+b.W*px])
				}
			}
		}
	}
}

// Part returns a copy of what a labelled part, or a value, computed for the first
// n images of the last run: row-major. It is nil if the program was compiled
// without KeepParts or has no part of that name.
func (s *Session) Part(name string, n int) []float32 {
	x := s.parts[name]
	if x == nil || n < 1 || n > s.p.plan.Batch {
		return nil
	}
	return append([]float32(nil), x.buf.Mem[x.buf.Off:][:n*x.kept.Size]...)
}

// Event is a worker's share of one step.
type Event struct {
	Step, Worker int
	Start, End   time.Duration // since the begin of the run
}

// RunTraced is Run, one step after another even where steps could run beside
// each other, and returns when each worker was at which step: by step, then by
// worker. It allocates.
func (s *Session) RunTraced(inputs, outputs [][]float32) ([]Event, error) {
	n, err := s.images(inputs, outputs)
	if err != nil {
		return nil, err
	}
	s.set(n, inputs, outputs)
	s.events = make([][]Event, s.p.pool.Threads())
	for i := range s.events {
		s.events[i] = make([]Event, 0, len(s.args))
	}
	s.start = time.Now()
	s.team.Run(s.traced)
	s.release()
	if err := s.err(); err != nil {
		return nil, err
	}
	var all []Event
	for i := range s.args {
		for _, l := range s.events {
			if i < len(l) {
				all = append(all, l[i])
			}
		}
	}
	return all, nil
}

func (s *Session) workTraced(w *kernel.Worker) {
	for i := range s.args {
		k, a := s.p.run[i], &s.args[i]
		e := Event{Step: i, Worker: w.ID, Start: time.Since(s.start)}
		n := k.Tasks(a.Images)
		w.RunTasks(k, a, n*w.ID/w.Members(), n*(w.ID+1)/w.Members())
		e.End = time.Since(s.start)
		s.events[w.ID] = append(s.events[w.ID], e)
		w.Barrier()
	}
}

// StepTimes returns the least time of each step over some runs, in seconds, from
// its first worker's begin to its last one's end.
func (s *Session) StepTimes(inputs, outputs [][]float32, runs int) ([]float64, error) {
	best := make([]float64, len(s.args))
	for range max(1, runs) {
		events, err := s.RunTraced(inputs, outputs)
		if err != nil {
			return nil, err
		}
		lo, hi := make([]time.Duration, len(best)), make([]time.Duration, len(best))
		for _, e := range events {
			if hi[e.Step] == 0 || e.Start < lo[e.Step] {
				lo[e.Step] = e.Start
			}
			hi[e.Step] = max(hi[e.Step], e.End)
		}
		for i := range best {
			if t := (hi[i] - lo[i]).Seconds(); best[i] == 0 || t < best[i] {
				best[i] = t
			}
		}
	}
	return best, nil
}
