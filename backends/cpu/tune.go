package cpu

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
)

// Tuning names the algorithm of convolutions, as measurements on some machine
// found them: `incc bench --tune` writes it, and it is used only where a file is
// named. The zero value and nil change nothing.
type Tuning struct {
	Algorithm map[string]string `json:"algorithm"` // by tuningKey
}

// tuningKey names a convolution by what decides its speed.
func tuningKey(c kernel.Conv, batch int) string {
	return fmt.Sprintf("b%d %dx%d %d->%d k%dx%d s%dx%d d%dx%d g%d", batch, c.H, c.W, c.IC, c.OC(), c.KH, c.KW, max(1, c.SH), max(1, c.SW), max(1, c.DH), max(1, c.DW), max(1, c.Groups))
}

func (t *Tuning) choice(c kernel.Conv, batch int) string {
	if t == nil {
		return ""
	}
	return t.Algorithm[tuningKey(c, batch)]
}

// Tune measures each convolution of a graph, in its place in the network, with every
// algorithm that can compute it, and returns the fastest algorithm of each. It measures
// runs times and takes the least time. Inputs are zeros, which take as long as any others.
func Tune(g *ir.Graph, opt Options, runs int) (*Tuning, error) {
	t := &Tuning{Algorithm: map[string]string{}}
	best := map[string]float64{}
	opt.KeepParts, opt.Direct, opt.Debug = false, false, false
	for _, a := range algorithms {
		if a.in != plan.Blocked { // a tuned network keeps to blocks
			continue
		}
		opt.Tuning = &Tuning{Algorithm: map[string]string{}}
		base, err := Plan(g, opt)
		if err != nil {
			return nil, err
		}
		for _, s := range base.Steps {
			if c, ok := convOf(s.Do); ok && a.fits(c) {
				opt.Tuning.Algorithm[tuningKey(c, base.Batch)] = a.name
			}
		}
		if len(opt.Tuning.Algorithm) == 0 {
			continue
		}
		p, err := Compile(g, opt)
		if err != nil {
			return nil, err
		}
		times, err := p.measure(runs)
		if err != nil {
			return nil, err
		}
		// A convolution may occur several times: the sum decides.
		sum := map[string]float64{}
		for i, s := range p.plan.Steps {
			if c, ok := convOf(s.Do); ok && s.Algo == a.name {
				sum[tuningKey(c, p.plan.Batch)] += times[i]
			}
		}
		for key, seconds := range sum {
			if b, ok := best[key]; !ok || seconds < b {
				best[key], t.Algorithm[key] = seconds, a.name
			}
		}
	}
	return t, nil
}

// convOf returns the convolution that a step computes.
func convOf(k plan.Kernel) (kernel.Conv, bool) {
	switch k := k.(type) {
	case kernel.Conv:
		return k, true
	case kernel.Winograd:
		return k.Conv, true
	case kernel.Winograd1D:
		return k.Conv, true
	}
	return kernel.Conv{}, false
}

// measure returns the least time of every step over some runs on zeros.
func (p *Program) measure(runs int) ([]float64, error) {
	room := func(es []plan.Edge) (l [][]float32) {
		for _, e := range es {
			n := e.Size
			if !e.Fixed {
				n *= p.plan.Batch
			}
			l = append(l, make([]float32, n))
		}
		return l
	}
	return p.NewSession().StepTimes(room(p.plan.Inputs), room(p.plan.Outputs), runs)
}
