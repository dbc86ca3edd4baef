package main

import (
	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes/autodiff"
)

// newEngine makes the engine of --engine. It returns an error if a step does not fit
// into memory.
func (p *prepared) newEngine(c *cli.Context) (err error) {
	at := p.phases()
	if len(at) == 0 {
		p.engine, err = p.engineOf(c, 0)
		return err
	}
	// What a later phase lacks is said before the first step.
	for _, epoch := range at {
		if _, err := p.options(c, epoch); err != nil {
			return err
		}
	}
	p.memory = ""
	e, err := train.NewPhased(at, func(epoch int) (train.Engine, error) { return p.engineOf(c, epoch) })
	if err != nil {
		return err
	}
	p.engine = e
	return nil
}

// options returns the options of a training step in an epoch, counted from 0. It returns
// an error if the step does not fit into memory.
func (p *prepared) options(c *cli.Context, epoch int) (autodiff.Options, error) {
	r := p.recipe
	opt := p.lossOptions(autodiff.FromRecipe(&r))
	opt.Freeze = r.Frozen(epoch)
	opt.FreezeNorms = p.tuned != nil && epoch >= p.tuned.frozen
	opt.Seed = r.Run.Seed
	opt.Norm = true
	switch e := c.String("engine"); e {
	case "ref":
		if err := worksOnly(c, "with --engine cpu", "memory"); err != nil {
			return opt, err
		}
		tr, err := autodiff.Train(p.graph, opt)
		if err != nil {
			return opt, err
		}
		return opt, checkRoom(c, tr.Graph, use{batch: r.Run.Batch, weights: 2, reference: 1})
	case "cpu":
		// This checks the weights outside the step; fitMemory counts the step.
		if err := checkRoom(c, p.graph, use{batch: r.Run.Batch, weights: 3}); err != nil {
			return opt, err
		}
		said, err := fitMemory(c, p.trained(), &opt, r.Run.Batch, p.cpuOptions(c))
		if said != "" {
			p.memory = said
		}
		return opt, err
	default:
		return opt, usagef("unknown engine %s (want cpu or ref)", diag.Quote(e))
	}
}

func (p *prepared) cpuOptions(c *cli.Context) cpu.Options {
	return cpu.Options{Threads: c.Int("threads"), ISA: c.String("isa")}
}

// engineOf makes the engine for an epoch.
func (p *prepared) engineOf(c *cli.Context, epoch int) (train.Engine, error) {
	opt, err := p.options(c, epoch)
	if err != nil {
		return nil, err
	}
	r := p.recipe.Run
	if c.String("engine") == "ref" {
		return train.NewReference(p.graph, opt, r.Batch, r.Seed)
	}
	if p.cut != nil {
		return p.topEngine(opt, p.cpuOptions(c))
	}
	return train.NewCPU(p.graph, opt, r.Batch, r.Seed, p.cpuOptions(c))
}
