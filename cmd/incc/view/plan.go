package view

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/draw"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
)

// Plan is the schedule of a network for one image, with the memory that it takes.
type Plan struct {
	Version  string       `json:"version"` // of the text
	Measured bool         `json:"measured"`
	ISA      string       `json:"isa"`     // "" unless measured
	Threads  int          `json:"threads"` // 0 unless measured
	Peak     float64      `json:"peak"`    // GFLOP/s of all threads; 0 unless measured
	Arena    int64        `json:"arena"`   // bytes
	Weights  int64        `json:"weights"` // bytes
	Phases   int          `json:"phases"`
	Steps    []PlanStep   `json:"steps"`
	Buffers  []PlanBuffer `json:"buffers"`
	Live     []int64      `json:"live"` // bytes of the arena in use in each phase

	stamp string
}

// PlanStep is a step of a schedule.
type PlanStep struct {
	Part      string  `json:"part,omitempty"`
	Name      string  `json:"name"`
	Algorithm string  `json:"algorithm"`
	Shape     string  `json:"shape"`
	Phase     int     `json:"phase"`
	Tasks     int     `json:"tasks"`
	MACs      int64   `json:"macs"`
	Predicted float64 `json:"predicted"`       // seconds on one thread, by the cost model
	Measured  float64 `json:"seconds"`         // on all threads; 0 unless measured
	Share     float64 `json:"share,omitempty"` // of the peak, 0 to 1
	// Paths are the boxes of the drawing that it computes, and Lines the lines of the text.
	Paths   []string `json:"paths"`
	Lines   []int    `json:"lines"`
	Buffers []int    `json:"buffers"` // that it reads or writes
}

// PlanBuffer is a range of the arena, from its first phase to its last one.
type PlanBuffer struct {
	Name   string `json:"name"`
	Offset int64  `json:"offset"` // bytes
	Bytes  int64  `json:"bytes"`
	First  int    `json:"first"`
	Last   int    `json:"last"`
}

const float32Bytes = 4

// Plan returns the schedule of the network of a text. With measure it runs the network and
// adds the times. Without, it returns the last measured plan of that text and weights, or
// predicts the times.
func (e *Engine) Plan(g *ir.Graph, version string, measure bool) (*Plan, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	stamp := e.Stamp()
	if p := e.plan; !measure && p != nil && p.Version == version && p.stamp == stamp {
		return p, nil
	}
	var p *Plan
	var err error
	if measure {
		p, err = e.measure(g)
	} else {
		p, err = e.predict(g)
	}
	if err != nil {
		return nil, err
	}
	p.Version, p.stamp = version, stamp
	e.plan = p
	return p, nil
}

func (e *Engine) predict(g *ir.Graph) (*Plan, error) {
	h := g.Clone()
	if err := optimize(h); err != nil {
		return nil, err
	}
	s, err := e.schedule(h)
	if err != nil {
		return nil, err
	}
	return describe(s, g, h), nil
}

// schedule plans a network for one image as it is.
func (e *Engine) schedule(g *ir.Graph) (*plan.Plan, error) {
	o := e.Options
	o.Batch = 1
	return cpu.Plan(g, o)
}

// StageTimes predicts the time of one image after each pass, in seconds on one thread. It is
// not a number for a network that the executor cannot run.
func (e *Engine) StageTimes(stages []Stage) []Value {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]Value, len(stages))
	for i, st := range stages {
		if i > 0 && st.Changes == 0 {
			list[i] = list[i-1]
			continue
		}
		s, err := e.schedule(st.graph)
		if err != nil {
			list[i] = Value(math.NaN())
			continue
		}
		for _, step := range s.Steps {
			list[i] += Value(step.Cost.Seconds)
		}
	}
	return list
}

// stepRuns is how often a network runs while its steps are measured.
const stepRuns = 20

// peakTime is how long the peak is measured, before and after that.
const peakTime = 100 * time.Millisecond

func (e *Engine) measure(g *ir.Graph) (*Plan, error) {
	h := g.Clone()
	if _, err := e.Fill(h); err != nil {
		return nil, err
	}
	program, err := e.compile(h)
	if err != nil {
		return nil, err
	}
	var in, out [][]float32
	for _, v := range h.Inputs {
		in = append(in, ir.Draw("input/"+v.Name, v.Type.Shape.Bind(1), ir.Init{Kind: ir.InitUniform, A: 1}, 1).Data)
	}
	for _, v := range h.Outputs {
		out = append(out, make([]float32, v.Type.Shape.Bind(1).Size()))
	}
	before := kernel.Peak(program.ISA(), program.Threads(), peakTime)
	seconds, err := program.NewSession().StepTimes(in, out, stepRuns)
	if err != nil {
		return nil, err
	}
	p := describe(program.Plan(), g, h)
	p.Measured, p.ISA, p.Threads = true, fmt.Sprint(program.ISA()), program.Threads()
	p.Peak = max(before, kernel.Peak(program.ISA(), program.Threads(), peakTime)) // other programs can only lower it
	for i := range p.Steps {
		s := &p.Steps[i]
		s.Measured = seconds[i]
		if seconds[i] > 0 && p.Peak > 0 {
			s.Share = 2 * float64(s.MACs) / seconds[i] / 1e9 / p.Peak
		}
	}
	return p, nil
}

// describe describes a schedule. g is the network as written, and planned the one that the
// schedule is of.
func describe(s *plan.Plan, g, planned *ir.Graph) *Plan {
	p := &Plan{Arena: float32Bytes * int64(s.Arena), Weights: float32Bytes * int64(s.Packed), Phases: s.Phases(), Steps: []PlanStep{}, Buffers: []PlanBuffer{}}
	f := newFinder(g, planned)
	for _, sec := range s.Sections {
		for i := sec.First; i < sec.End; i++ {
			step := s.Steps[i]
			d := PlanStep{Part: sec.Name, Name: step.Name, Algorithm: step.Algo, Shape: step.Shape.WithoutBatch().String(), Phase: step.Phase,
				Tasks: step.Do.Tasks(1), MACs: step.Cost.MACs, Predicted: step.Cost.Seconds, Buffers: slices.Concat([]int{}, step.Reads, step.Writes)}
			d.Paths, d.Lines = f.find(step.From)
			p.Steps = append(p.Steps, d)
		}
	}
	for _, b := range s.Buffers {
		p.Buffers = append(p.Buffers, PlanBuffer{b.Name, float32Bytes * int64(b.Off), float32Bytes * int64(b.Len), b.First, b.Last})
	}
	p.Live = live(p.Buffers, p.Phases)
	return p
}

// live returns how many bytes of the arena are in use in each phase. Buffers may share
// memory, such as the parts of a concat; it counts once.
func live(buffers []PlanBuffer, phases int) []int64 {
	sorted := slices.Clone(buffers)
	slices.SortFunc(sorted, func(a, b PlanBuffer) int { return cmp.Compare(a.Offset, b.Offset) })
	list := make([]int64, phases)
	for phase := range list {
		end := int64(0)
		for _, b := range sorted {
			if b.First > phase || b.Last < phase {
				continue
			}
			if to := b.Offset + b.Bytes; to > end {
				list[phase] += to - max(end, b.Offset)
				end = to
			}
		}
	}
	return list
}

// finder finds the boxes and lines of what a planned network computes.
type finder struct {
	places map[string]string // the path of the box of each value of the network as written
	lines  map[string]int    // the line of each of them
	values map[string]*ir.Value
	users  map[*ir.Value][]*ir.Node
}

func newFinder(g, planned *ir.Graph) *finder {
	f := &finder{places: draw.Places(g), lines: map[string]int{}, values: map[string]*ir.Value{}, users: planned.Users()}
	for _, n := range g.Nodes {
		for _, v := range n.Out {
			if n.Pos.IsValid() {
				f.lines[v.Name] = n.Pos.Line
			}
		}
	}
	planned.EachValue(func(v *ir.Value) { f.values[v.Name] = v })
	return f
}

// find returns the boxes and lines of some nodes, by the names of their first outputs. A
// value that a pass made stands for the values that are slices of it.
func (f *finder) find(names []string) (paths []string, lines []int) {
	paths, lines = []string{}, []int{}
	add := func(name string) bool {
		path, ok := f.places[name]
		if ok && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
		if line := f.lines[name]; line > 0 && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
		return ok
	}
	for _, name := range names {
		v := f.values[name]
		if add(name) || v == nil {
			continue
		}
		for _, n := range f.users[v] {
			for _, out := range n.Out {
				add(out.Name)
			}
		}
	}
	return paths, lines
}
