package passes

import (
	"fmt"
	"time"

	"github.com/incc-lang/incc/ir"
)

// Report lists what each step of a pipeline did.
type Report struct {
	Steps []StepReport
}

// StepReport is one step of a Report.
type StepReport struct {
	Step      Step
	Skipped   string // the reason if the pass did not run, otherwise empty
	Changed   int    // number of rewrites
	Nodes     [2]int // number of nodes before and after
	Params    [2]int // number of params before and after, constants included
	Time      time.Duration
	Decisions []Decision
}

// Decisions returns the decisions of all steps in order.
func (r *Report) Decisions() []Decision {
	var ds []Decision
	for _, s := range r.Steps {
		ds = append(ds, s.Decisions...)
	}
	return ds
}

// Run rewrites g. It checks the order of the pipeline first, and verifies the graph after
// every pass. After an error the graph may be only partly rewritten; clone it first if it
// is still needed then.
func Run(g *ir.Graph, p Pipeline, o Options) (*Report, error) {
	rep := &Report{}
	if err := p.Check(); err != nil {
		return rep, err
	}
	for _, s := range p {
		sr, err := runStep(g, s, o)
		rep.Steps = append(rep.Steps, sr)
		if err != nil {
			return rep, err
		}
		if o.After != nil {
			if err := o.After(s, g); err != nil {
				return rep, err
			}
		}
	}
	return rep, nil
}

func runStep(g *ir.Graph, s Step, o Options) (StepReport, error) {
	sr := StepReport{Step: s, Nodes: [2]int{len(g.Nodes), len(g.Nodes)}, Params: [2]int{len(g.Params), len(g.Params)}}
	if s.Pass.Inference && o.Train {
		const why = "it needs final weights, but the network will be trained"
		if !s.level {
			return sr, fmt.Errorf("pass %s: %s", s.Pass.Name, why)
		}
		sr.Skipped = why
		return sr, nil
	}
	start := time.Now()
	o.step = s
	outer := o.Log
	o.Log = func(d Decision) {
		d.Pass = s.Pass.Name
		sr.Decisions = append(sr.Decisions, d)
		if outer != nil {
			outer(d)
		}
	}
	r := ir.Rewrite(g, s.Pass.Name)
	if err := s.Pass.Run(r, o); err != nil {
		return sr, fmt.Errorf("pass %s: %w", s, err)
	}
	sr.Changed = r.Changed
	if r.Changed > 0 {
		r.Sweep()
	}
	if err := r.Finish(); err != nil {
		return sr, fmt.Errorf("pass %s: %w", s, err)
	}
	sr.Nodes[1], sr.Params[1] = len(g.Nodes), len(g.Params)
	sr.Time = time.Since(start)
	return sr, nil
}
