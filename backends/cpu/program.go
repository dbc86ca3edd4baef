// Package cpu compiles graphs for the processor that runs it and runs them: it
// lowers ops to the kernels of package kernel (ops.go), has package plan make a
// schedule of them, packs the weights (Program) and carries the schedule out
// (Session).
//
// A program is a pure function of the graph, the planned batch and the tuning
// file, and what it computes is the same bits for any number of threads and on
// AVX2 and AVX-512.
package cpu

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// Options of Compile. The zero value plans single images and runs them on all
// processors with the best instruction set.
type Options struct {
	Batch   int    // the most images of a run, 0 for 1
	Threads int    // 0 for the pool that programs share, of GOMAXPROCS threads
	ISA     string // avx512, avx2, portable; "" for INCC_ISA or else the best that there is
	Direct  bool   // keep to direct convolution
	Seed    int64  // of weights that have no data
	Tuning  *Tuning
	// KeepParts keeps the values of labelled parts readable after a run
	// (Session.Part), at the cost of memory and copies.
	KeepParts bool
	// Debug fills memory that holds nothing with NaN while a session runs, so that
	// a read of it shows in the result, and shares steps among all threads that are
	// too short for it.
	Debug bool

	oneByOne bool         // no step runs beside another, for comparison
	lanes    lanesChoice  // for tests: not what is predicted to be faster
	pool     *kernel.Pool // to share, whatever Threads says
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

// Program is a compiled graph: a plan and its packed weights. It does not change
// and serves any number of sessions at once.
type Program struct {
	plan    *plan.Plan
	isa     kernel.ISA
	pool    *kernel.Pool
	weights *kernel.Arena
	state   *kernel.Arena // what the params of a training step begin with
	tables  [][]int       // of each step
	scratch int           // float32s for a worker
	phases  []phase
	debug   bool
}

// phase is a range of steps that run as one list of tasks.
type phase struct{ first, end int }

// Compile plans a graph and packs its weights; params that have no data are drawn
// as their initialization says. The graph is not changed and need not have been
// optimized: passes make it faster, not right.
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
	pl, folded, err := makePlan(g, opt, true)
	if err != nil {
		return nil, err
	}
	p := &Program{plan: pl, isa: isa, pool: kernel.DefaultPool(), weights: kernel.NewArena(pl.Packed), state: kernel.NewArena(pl.StateLen), debug: opt.Debug}
	switch {
	case opt.pool != nil:
		p.pool = opt.pool
	case opt.Threads > 0:
		p.pool = kernel.NewPool(opt.Threads)
	}
	if err := p.pack(folded, opt.Seed); err != nil {
		return nil, fmt.Errorf("compile %s: %w", g.Name, err)
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
		if _, ok := s.Do.(kernel.Kernel); !ok {
			return nil, fmt.Errorf("compile %s: %T is no kernel", g.Name, s.Do)
		}
		if i == 0 || s.Phase != pl.Steps[i-1].Phase {
			p.phases = append(p.phases, phase{i, i})
		}
		p.phases[len(p.phases)-1].end = i + 1
	}
	return p, nil
}

// Plan returns the schedule that Compile would make, without a look at weights: its
// Weights name params and values of the graph that depend on params alone.
func Plan(g *ir.Graph, opt Options) (*plan.Plan, error) {
	p, _, err := makePlan(g, opt, false)
	return p, err
}

// Prepared returns a copy of a graph as Compile plans it: without nodes that
// nothing needs, and with the values of those that depend on params alone (of a
// training step: on constants) among its data.
func Prepared(g *ir.Graph, seed int64) (*ir.Graph, error) { return prepare(g, seed, true) }

// makePlan returns the plan of a graph, and the graph with its constant nodes
// folded, whose values the plan's weights name. Without evaluate these values
// have no data.
func makePlan(g *ir.Graph, opt Options, evaluate bool) (*plan.Plan, *ir.Graph, error) {
	g, err := prepare(g, opt.Seed, evaluate)
	if err != nil {
		return nil, nil, fmt.Errorf("compile %s: %w", g.Name, err)
	}
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
	l := &lowering{batch: o.Batch, direct: opt.Direct, tuning: opt.Tuning}
	if o.Train = len(g.Updates) > 0; o.Train {
		l.train, l.tuning = newTraining(g, false), nil
	}
	pl, err := chooseLayout(g, l, o, opt.lanes)
	return pl, g, err
}

// prepare returns a copy of the graph without nodes that nothing needs, in which
// nodes that depend on params alone have become params themselves.
func prepare(g *ir.Graph, seed int64, evaluate bool) (*ir.Graph, error) {
	c := g.Clone()
	need := map[*ir.Value]bool{}
	for _, v := range c.Roots() {
		need[v] = true
	}
	// A training step changes weights and state: only constants stay what they are.
	known := func(v *ir.Value) bool {
		return v != nil && v.Param != nil && (len(c.Updates) == 0 || v.Param.Kind == ir.Constant)
	}
	for _, p := range c.Parts {
		need[p.Out] = true
	}
	keep := map[*ir.Node]bool{}
	for i := len(c.Nodes) - 1; i >= 0; i-- {
		n := c.Nodes[i]
		for _, v := range n.Out {
			keep[n] = keep[n] || need[v]
		}
		if keep[n] {
			for _, v := range n.In {
				need[v] = true
			}
		}
	}
	nodes := c.Nodes
	c.Nodes = nil
	var folded []*ir.Node
	for _, n := range nodes {
		if !keep[n] {
			continue
		}
		var in []*tensor.Tensor
		for _, v := range n.In {
			if !known(v) {
				break
			}
			in = append(in, nil)
		}
		if len(in) < len(n.In) || len(in) == 0 {
			c.Nodes = append(c.Nodes, n)
			continue
		}
		for _, v := range n.Out {
			v.Def, v.Param = nil, &ir.Param{Kind: ir.Constant}
			c.Params = append(c.Params, v)
		}
		folded = append(folded, n)
	}
	if evaluate {
		return c, fold(c, folded, seed)
	}
	return c, nil
}

// fold evaluates nodes that depend on params and on each other alone, in
// topological order, several at a time, and puts what they compute among the data.
func fold(g *ir.Graph, nodes []*ir.Node, seed int64) error {
	done := map[*ir.Value]chan struct{}{} // closed when the value is there, or cannot be
	ready := make([]chan struct{}, len(nodes))
	for i, n := range nodes {
		ready[i] = make(chan struct{})
		for _, v := range n.Out {
			done[v] = ready[i]
		}
	}
	errs := make([]error, len(nodes))
	var mu sync.Mutex // guards g.Data
	eval := func(i int) {
		n := nodes[i]
		defer close(ready[i])
		var in []*tensor.Tensor
		for _, v := range n.In {
			if c := done[v]; c != nil {
				<-c
			}
			mu.Lock()
			d := g.Data[v.Name]
			mu.Unlock()
			if d == nil && done[v] != nil {
				return // its own error is told
			}
			if d == nil {
				d = ir.Draw(v.Name, v.Type.Shape, v.Param.Init, seed)
			}
			in = append(in, tensor.Widen(d))
		}
		out, err := n.Op.Eval(in)
		if err != nil {
			errs[i] = fmt.Errorf("%s: %w", n.Out[0].Name, err)
			return
		}
		for j, v := range n.Out {
			d := tensor.Round(out[j])
			mu.Lock()
			g.Data[v.Name] = d
			mu.Unlock()
		}
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(len(nodes), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			// Whatever a node waits for stands before it, so somebody is at it.
			for i := int(next.Add(1)) - 1; i < len(nodes); i = int(next.Add(1)) - 1 {
				eval(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// values returns what a param holds: its data, or what its init draws.
func values(g *ir.Graph, v *ir.Value, seed int64) *tensor.F32 {
	if d := g.Data[v.Name]; d != nil {
		return d
	}
	return ir.Draw(v.Name, v.Type.Shape, v.Param.Init, seed)
}

func (p *Program) pack(g *ir.Graph, seed int64) error {
	params := make(map[string]*ir.Value, len(g.Params))
	for _, v := range g.Params {
		params[v.Name] = v
	}
	ws := p.plan.Weights
	errs := make([]error, len(ws))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(len(ws), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(ws); i = int(next.Add(1)) - 1 {
				w := ws[i]
				var src [][]float32
				for _, name := range w.Params {
					src = append(src, values(g, params[name], seed).Data)
				}
				do, _ := p.plan.Steps[w.Step].Do.(kernel.Kernel)
				if err := kernel.PackInto(p.weights.Mem[w.Off:w.Off+w.Len], w.How, w.Arg, do, src...); err != nil {
					errs[i] = fmt.Errorf("weights %s: %w", strings.Join(w.Params, ", "), err)
				}
			}
		})
	}
	wg.Wait()
	for _, s := range p.plan.State {
		by, _ := s.By.(kernel.Kernel)
		if err := kernel.PackInto(p.state.Mem[s.Off:s.Off+s.Len], s.How, s.Arg, by, values(g, params[s.Name], seed).Data); err != nil {
			return fmt.Errorf("param %s: %w", s.Name, err)
		}
	}
	return errors.Join(errs...)
}

// Plan is the program's schedule. It must not be changed.
func (p *Program) Plan() *plan.Plan { return p.plan }

// ISA is the instruction set that the program runs on.
func (p *Program) ISA() kernel.ISA { return p.isa }

// Threads is the number of threads of the program's pool.
func (p *Program) Threads() int { return p.pool.Threads() }

// Batch is the most images of a run.
func (p *Program) Batch() int { return p.plan.Batch }
