package main

import (
	"strings"
	"time"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/passes/compress"
)

// costName is what changes are chosen by.
func (p *compressor) costName() string {
	if p.budget.macs >= 0 && !p.c.IsSet("cost") {
		return "macs"
	}
	return p.c.String("cost")
}

// untimed reports whether times decide nothing, so that the result is the same on every machine.
// Layers are not timed then.
func (p *compressor) untimed() bool {
	c := p.c
	return c.String("cost") == "macs"
}

// divisionFor divides the data as the run did, else as incc train would do it with --val.
func (p *compressor) divisionFor(d *data.Source) (division, error) {
	if !p.c.IsSet("val") {
		if div, err := divisionOf(p.c, p.g, d, p.src.run); err != nil || div != nil {
			if err != nil {
				return division{}, err
			}
			return *div, nil
		}
	}
	v, err := parseValidation(p.c.String("val"))
	if err != nil {
		return division{}, err
	}
	return divide(p.c, p.g, d, v, recipeOf(p.g).Run.Seed)
}

// layerTime is the sum of the times of some graphs, in milliseconds.
func (p *compressor) layerTime(key string, graphs ...*ir.Graph) (float64, error) {
	if p.untimed() {
		return 0, nil
	}
	v, err := p.measured("time/"+key, func() ([]float64, error) {
		sum := 0.0
		for _, g := range graphs {
			t, err := newTimer(p.c, g, p.c.Int("batch"))
			if err != nil {
				return nil, err
			}
			ms, err := least(30*time.Millisecond, t)
			if err != nil {
				return nil, err
			}
			sum += ms[0]
		}
		return []float64{sum}, nil
	})
	if err != nil {
		return 0, err
	}
	return v[0], nil
}

// optimized returns a copy of a graph after the passes of -O2, and the name of its logits.
func optimized(g *ir.Graph) (*ir.Graph, string, error) {
	h := g.Clone()
	_, err := passes.Run(h, passes.Level(2), passes.Options{})
	return h, autodiff.BeforeSoftmax(h.Outputs[0]).Name, err
}

// networkTime is the time of an optimized network in milliseconds. The network as it is is measured
// beside it, in turns, and the ratio counts, so that a slower clock slows both.
func (p *compressor) networkTime(g *ir.Graph) (float64, error) {
	b, err := newTimer(p.c, g, p.c.Int("batch"))
	if err != nil {
		return 0, err
	}
	if p.timer == nil {
		first, _, err := optimized(p.g)
		if err != nil {
			return 0, err
		}
		if p.timer, err = newTimer(p.c, first, p.c.Int("batch")); err != nil {
			return 0, err
		}
	}
	long := 400 * time.Millisecond
	if p.untimed() {
		long = 0
	}
	ms, err := least(long, p.timer, b)
	if err != nil {
		return 0, err
	}
	if p.first.ms == 0 { // it is the network as it is
		return ms[1], nil
	}
	return p.first.ms * ms[1] / ms[0], nil
}

// compressRow is a network on the way, a row of the report.
type compressRow struct {
	changes []compress.Change
	news    []compress.Option // the changes since the row before, with the errors of the weights
	tuned   float64           // epochs of fine-tuning
	bytes   int64             // of the model in 8-bit integers; 0 for a network in float32
	macs    int64
	params  int64
	ms      float64
	error   float64 // of the outputs
	checked float64 // accuracy on some of the validation images
	whole   float64 // accuracy on all; below 0 where that was not measured
}

// changesText names changes for a journal.
func changesText(list []compress.Change) string {
	var words []string
	for _, c := range list {
		words = append(words, c.String())
	}
	return strings.Join(words, "; ")
}

// network applies changes to the network.
func (p *compressor) network(changes []compress.Change) (*ir.Graph, error) {
	h, err := compress.Apply(p.g, changes, p.scores, &p.cache)
	if err != nil {
		return nil, err
	}
	_, err = compress.MergeLinear(h)
	return h, err
}

// checkImagesMost is the most images that the accuracy of a row on the way is measured on.
const checkImagesMost = 1000

// measureRow measures the network with the changes of a row.
func (p *compressor) measureRow(row *compressRow) error {
	g, err := p.network(row.changes)
	if err != nil {
		return err
	}
	s := ir.Summarize(g)
	row.macs, row.params, row.whole = s.MACs, s.Params, -1
	v, err := p.measured("network/"+changesText(row.changes), func() ([]float64, error) {
		h, logits, err := optimized(g)
		if err != nil {
			return nil, err
		}
		ms, err := p.networkTime(h)
		if err != nil {
			return nil, err
		}
		y, err := p.logits(h, logits)
		if err != nil {
			return nil, err
		}
		if len(row.changes) == 0 {
			p.want = y
		}
		_, some := p.val.Stratify(p.imagesChecked(), p.c.Int64("seed"))
		accuracy, err := p.accuracy(h, logits, some)
		return []float64{ms, p.difference(y), accuracy}, err
	})
	if err != nil {
		return err
	}
	row.ms, row.error, row.checked = v[0], v[1], v[2]
	return nil
}

// measureWhole measures the accuracy of a row on all validation images.
func (p *compressor) measureWhole(row *compressRow) error {
	v, err := p.measured("accuracy/"+changesText(row.changes), func() ([]float64, error) {
		g, err := p.network(row.changes)
		if err != nil {
			return nil, err
		}
		h, logits, err := optimized(g)
		if err != nil {
			return nil, err
		}
		a, err := p.accuracy(h, logits, p.val)
		return []float64{a}, err
	})
	if err == nil {
		row.whole = v[0]
	}
	return err
}
