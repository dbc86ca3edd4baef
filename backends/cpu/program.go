// Package cpu runs and trains networks on the processor. [Compile] chooses a kernel of
// package kernel for each op (ops.go), lets package plan order them, and packs the
// weights: a [Program]. A [Session] runs the program.
//
// A program is a pure function of the graph, the planned batch and the tuning
// file, and what it computes is the same bits for any number of threads and on
// AVX2 and AVX-512.
package cpu

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/memory"
	"github.com/incc-lang/incc/backends/cpu/threads"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes/lower"
)

// Options of Compile. The zero value plans single images and runs them on all
// processors with the best instruction set.
type Options struct {
	Batch   int    // the most images of a run, 0 for 1
	Threads int    // 0 for the pool that programs share, of GOMAXPROCS threads
	ISA     string // avx512, avx2, neon, portable; "" for INCC_ISA or else the best that there is
	Direct  bool   // keep to direct convolution
	Seed    int64  // of weights that have no data
	Tuning  *Tuning
	// Weights is a file that params without data are read from, if it has them: while
	// they are packed, a piece at a time, so that they never lie in memory as a whole.
	// The file is not needed after Compile.
	Weights *safetensors.Tensors
	// KeepParts keeps the values of labelled parts readable after a run
	// (Session.Part), at the cost of memory and copies.
	KeepParts bool
	// Memory is the most bytes that the program and one session may take, 0 for any
	// number; more is a MemoryError, before anything is allocated.
	Memory int64
	// Debug fills unused memory with NaN while a session runs, so that a read of it shows
	// in the result. It also parallelizes steps that are too short to benefit.
	Debug bool

	oneByOne bool          // no step runs beside another, for comparison
	lanes    n16Choice     // for tests: not what is predicted to be faster
	pool     *threads.Pool // to share, whatever Threads says
}

// MaxBatch and MaxThreads bound what Options may ask for, so that a slip of the
// finger does not ask for all memory.
const (
	MaxBatch   = 1 << 16
	MaxThreads = 1024
)

// ErrInput is wrapped by the errors of Run that tell of slices that do not fit
// the program.
var ErrInput = errors.New("does not fit the network")

// ErrNumbers is wrapped by the errors of Run that tell of numbers for which the network has no
// result: an index outside of its axis, or an integer that is too large to be exact.
var ErrNumbers = errors.New("the network has no result for these numbers")

// Program is a compiled graph: a plan and its packed weights. It does not change
// and serves any number of sessions, and calls of Infer, at once.
type Program struct {
	plan    *plan.Plan
	isa     kernel.ISA
	pool    *threads.Pool
	weights *memory.Arena
	state   *memory.Arena // what the params of a training step begin with
	tables  [][]int       // of each step
	run     []kernel.Runner
	scratch int // float32s for a worker
	phases  []phase
	debug   bool

	contexts contexts // of Infer
}

// phase is a range of steps that run as one list of tasks.
type phase struct{ first, end int }

// Compile plans a graph and packs its weights; params that have no data are read
// from Options.Weights or else drawn as their initialization says. The graph is not
// changed and need not have been optimized: passes make it faster, not right.
//
// A graph with updates is a training step: every session has params of its own,
// which each run changes.
//
// An error that wraps plan.ErrUnsupported names the node that cannot be run.
func Compile(g *ir.Graph, opt Options) (*Program, error) {
	if opt.Threads < 0 || opt.Threads > MaxThreads {
		return nil, fmt.Errorf("compile %s: %d threads, want 1 to %d, or 0 for as many as Go may use", g.Name, opt.Threads, MaxThreads)
	}
	name := opt.ISA
	isa, err := kernel.Best()
	if name != "" {
		isa, err = kernel.ParseISA(name)
	}
	if err != nil {
		return nil, err
	}
	pl, known, err := makePlan(g, opt)
	if err != nil {
		return nil, err
	}
	pl.Graph = nil // it holds elements of weights, which a program has packed
	if err := opt.fits(g, pl); err != nil {
		return nil, err
	}
	p := &Program{plan: pl, isa: isa, weights: memory.NewArena(pl.Packed), state: memory.NewArena(pl.StateLen), debug: opt.Debug}
	if err := p.pack(known); err != nil {
		return nil, fmt.Errorf("compile %s: %w", g.Name, err)
	}
	switch { // now, since a pool that is new spins while it waits for work
	case opt.pool != nil:
		p.pool = opt.pool
	case opt.Threads > 0:
		p.pool = threads.NewPool(opt.Threads)
	default:
		p.pool = threads.DefaultPool()
	}
	for i, s := range pl.Steps {
		var table []int
		if t, ok := s.Do.(kernel.Tabler); ok {
			table = t.Table(isa)
		}
		p.tables = append(p.tables, table)
		if t, ok := s.Do.(kernel.Scratcher); ok {
			p.scratch = max(p.scratch, t.Scratch())
		}
		do, ok := s.Do.(kernel.Runner)
		if !ok {
			return nil, fmt.Errorf("compile %s: %T is no kernel", g.Name, s.Do)
		}
		if x, ok := do.(kernel.Preparer); ok {
			do = x.Prepare()
		}
		p.run = append(p.run, do)
		if i == 0 || s.Phase != pl.Steps[i-1].Phase {
			p.phases = append(p.phases, phase{i, i})
		}
		p.phases[len(p.phases)-1].end = i + 1
	}
	return p, nil
}

// MemoryError says that a program needs more memory than Options.Memory allows, in
// bytes.
type MemoryError struct {
	Net                         string
	Weights, Activations, Limit int64
	Batch                       int
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("network %q needs %d bytes for weights and %d for activations at batch %d; %d are allowed", e.Net, e.Weights, e.Activations, e.Batch, e.Limit)
}

// fits checks what a plan needs against Options.Memory.
func (opt Options) fits(g *ir.Graph, p *plan.Plan) error {
	e := &MemoryError{Net: g.Name, Limit: opt.Memory, Batch: p.Batch,
		Weights:     4 * (int64(p.Packed) + 2*int64(p.StateLen)), // a program has the state as it begins, a session its own
		Activations: 4 * int64(p.Arena)}
	if opt.Memory > 0 && e.Weights > opt.Memory-e.Activations {
		return e
	}
	return nil
}

// Plan returns the schedule that Compile would make, without a look at weights: its
// Weights name params and values of the graph (of the plan's Graph, if that is set) that
// depend on params alone.
func Plan(g *ir.Graph, opt Options) (*plan.Plan, error) {
	p, _, err := makePlan(g, opt)
	return p, err
}

// makePlan returns the plan of a graph and what the values are that the plan's
// weights name.
func makePlan(g *ir.Graph, opt Options) (*plan.Plan, *known, error) {
	low, err := lower.Graph(g)
	if err != nil {
		return nil, nil, fmt.Errorf("compile %s: %w", g.Name, err)
	}
	lowered := low != g
	g, known := prepare(low)
	known.file, known.seed = opt.Weights, opt.Seed
	if opt.Batch < 0 || opt.Batch > MaxBatch {
		return nil, nil, fmt.Errorf("compile %s: a batch of %d images, want 1 to %d", g.Name, opt.Batch, MaxBatch)
	}
	o := plan.Options{Batch: max(1, opt.Batch), OneByOne: opt.oneByOne}
	if opt.KeepParts {
		for _, part := range g.Parts {
			if part.Out.Param == nil {
				o.Keep = append(o.Keep, part.Out)
			}
		}
	}
	l := &lowering{batch: o.Batch, symbolic: plan.Symbolic(g), direct: opt.Direct, tuning: opt.Tuning, known: known.def}
	if o.Train = len(g.Updates) > 0; o.Train {
		l.train, l.tuning = newTraining(g, false, o.Keep), nil
	}
	pl, err := chooseLayout(g, l, o, opt.lanes)
	if err == nil && lowered {
		pl.Graph = low
	}
	return pl, known, err
}

// pack makes the packed weights, and what the params of a training step begin with.
func (p *Program) pack(k *known) error {
	var list []kernel.Packing
	for _, w := range p.plan.Weights {
		by, _ := p.plan.Steps[w.Step].Do.(kernel.Runner)
		list = append(list, kernel.Packing{Name: strings.Join(w.Params, ", "), Dst: p.weights.Mem[w.Off : w.Off+w.Len], How: w.How, Arg: w.Arg, By: by,
			From: func() ([]kernel.Stream, error) { return k.streams(w.Params...) }})
	}
	for _, s := range p.plan.State {
		by, _ := s.By.(kernel.Runner)
		list = append(list, kernel.Packing{Name: s.Name, Dst: p.state.Mem[s.Off : s.Off+s.Len], How: s.How, Arg: s.Arg, By: by,
			From: func() ([]kernel.Stream, error) { return k.streams(s.Name) }})
	}
	return kernel.PackAll(list)
}

// Plan is the program's schedule. It must not be changed.
func (p *Program) Plan() *plan.Plan { return p.plan }

// ISA is the instruction set that the program runs on.
func (p *Program) ISA() kernel.ISA { return p.isa }

// Threads is the number of threads of the program's pool.
func (p *Program) Threads() int { return p.pool.Threads() }

// PeakMeter returns a function that measures the peak of the program's threads at the
// clock that they have at that moment (kernel.PeakMeter).
func (p *Program) PeakMeter(d time.Duration) func() float64 {
	return kernel.PeakMeter(p.pool, p.isa, d)
}

// Batch is the most images of a run.
func (p *Program) Batch() int { return p.plan.Batch }
