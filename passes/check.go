package passes

import (
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/diag/fit"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// Difference says how much a pass changed the results of a network. It holds the value
// that changed most, relative to its largest element.
type Difference struct {
	Step     Step
	Changed  int     // number of rewrites
	Compared bool    // false if the pass changed nothing, or is a Redesign
	Values   int     // number of outputs, heads and labelled parts that were compared
	Value    string  // name of the one that differs most
	Max      float64 // its largest difference: max|after - before|
	Scale    float64 // its largest element before: max|before|
}

// Relative returns Max divided by Scale, 0 if there is no difference.
func (d Difference) Relative() float64 {
	if d.Max == 0 {
		return 0
	}
	return d.Max / d.Scale
}

// RoundingTolerance is the largest relative difference that a Rounding pass may cause. The
// difference comes from rounding weights to float32 after folding. It is near 1e-6 for
// real networks; the worst of 12,000 random networks, which was badly conditioned, had
// 1.2e-5.
const RoundingTolerance = 1e-4

// Kept reports whether the difference is within the limits of the pass's contract.
func (d Difference) Kept() bool {
	if !d.Compared {
		return true
	}
	if d.Step.Pass.Contract == Rounding {
		return d.Relative() <= RoundingTolerance
	}
	return d.Max == 0
}

// CheckOptions are the inputs of Check's runs.
type CheckOptions struct {
	Seed  int64 // seed of the inputs, and of weights that have no data
	Batch int   // number of images, 0 for 1
}

// Check rewrites g as Run does. Before and after every pass that changes something, it
// evaluates the network on random inputs with the reference interpreter, and compares
// the results. The returned list has a Difference for each step that ran.
func Check(g *ir.Graph, p Pipeline, o Options, c CheckOptions) ([]Difference, *Report, error) {
	rep := &Report{}
	if err := p.Check(); err != nil {
		return nil, rep, err
	}
	in := randomInputs(g, c)
	before, err := observe(g, in, c)
	if err != nil {
		return nil, rep, err
	}
	var table []Difference
	for _, s := range p {
		sub, err := Run(g, Pipeline{s}, o)
		rep.Steps = append(rep.Steps, sub.Steps...)
		if err != nil {
			return table, rep, err
		}
		d := Difference{Step: s, Changed: sub.Steps[0].Changed}
		if d.Changed > 0 {
			after, err := observe(g, in, c)
			if err != nil {
				return table, rep, fmt.Errorf("after pass %s: %w", s, err)
			}
			if err := d.compare(before, after); err != nil {
				return table, rep, err
			}
			before = after
		}
		table = append(table, d)
	}
	return table, rep, nil
}

// seen is a value that users see: an output, a head or a labelled part.
type seen struct {
	key  string // identifies the value before and after a pass
	name string
	x    *tensor.Tensor
}

func observe(g *ir.Graph, in []*tensor.Tensor, c CheckOptions) ([]seen, error) {
	keep := make([]*ir.Value, len(g.Parts))
	for i, p := range g.Parts {
		keep[i] = p.Out
	}
	res, err := ref.Run(g, in, ref.Options{Seed: c.Seed, Keep: keep})
	if err != nil {
		return nil, err
	}
	var s []seen
	for i, v := range g.Outputs {
		s = append(s, seen{fmt.Sprint("output ", i), v.Name, res[v]})
	}
	for i, h := range g.Heads {
		s = append(s, seen{fmt.Sprint("head ", i), h.Value.Name, res[h.Value]})
	}
	for _, p := range g.Parts {
		s = append(s, seen{"part " + p.Name, p.Name, res[p.Out]})
	}
	return s, nil
}

// compare sets the fields of d. It returns an error if the number of outputs, the name of
// an output or head, or a shape has changed, or if there is a new value.
func (d *Difference) compare(before, after []seen) error {
	old := map[string]seen{}
	for _, s := range before {
		old[s.key] = s
	}
	outputs := func(ss []seen) (n int) {
		for _, s := range ss {
			if s.key[0] == 'o' {
				n++
			}
		}
		return n
	}
	if a, b := outputs(before), outputs(after); a != b {
		return fmt.Errorf("pass %s: the network had %d outputs and now has %d", d.Step, a, b)
	}
	d.Compared = d.Step.Pass.Contract != Redesign
	for _, s := range after {
		was, ok := old[s.key]
		if !ok {
			return fmt.Errorf("pass %s: %s (%s) did not exist before the pass", d.Step, s.key, diag.Printable(s.name))
		}
		if s.key[0] != 'p' && s.name != was.name {
			return fmt.Errorf("pass %s: %s was called %s and is now called %s", d.Step, s.key, diag.Printable(was.name), diag.Printable(s.name))
		}
		if !ir.Shape(s.x.Shape).Equal(was.x.Shape) {
			return fmt.Errorf("pass %s: %s (%s) had shape %v and now has shape %v", d.Step, s.key, diag.Printable(s.name), ir.Shape(was.x.Shape), ir.Shape(s.x.Shape))
		}
		if !d.Compared {
			continue
		}
		d.Values++
		diff, scale := tensor.MaxDiff(s.x, was.x)
		if diff > 0 && scale == 0 {
			scale = diff
		}
		if worst := (Difference{Max: diff, Scale: scale}); d.Value == "" || worst.Relative() > d.Relative() {
			d.Value, d.Max, d.Scale = s.name, diff, scale
		}
	}
	return nil
}

func randomInputs(g *ir.Graph, c CheckOptions) []*tensor.Tensor {
	rng := rand.New(rand.NewPCG(uint64(c.Seed), 1))
	in := make([]*tensor.Tensor, len(g.Inputs))
	for i, v := range g.Inputs {
		in[i] = tensor.New(v.Type.Shape.Bind(max(c.Batch, 1))...)
		if v.Type.DType != ir.F32 {
			continue // class indices: leave them 0, which is a valid class
		}
		for j := range in[i].Data {
			in[i].Data[j] = rng.NormFloat64()
		}
	}
	return in
}

// WriteDifferences prints the result of Check as a table, in lines of at most so many columns;
// 0 is no limit.
func WriteDifferences(w io.Writer, table []Difference, columns int) error {
	t := fit.NewTable("pass", "contract", ">rewrites", ">largest difference", ">relative", "value")
	for _, d := range table {
		row := []any{d.Step, d.Step.Pass.Contract, d.Changed}
		switch {
		case d.Compared:
			verdict := ""
			if !d.Kept() {
				verdict = "  BROKEN"
			}
			row = append(row, fmt.Sprintf("%.3g", d.Max), fmt.Sprintf("%.3g", d.Relative()), d.Value+verdict)
		case d.Changed > 0:
			row = append(row, "another function")
		}
		t.Add(row...)
	}
	return t.Write(w, columns)
}
