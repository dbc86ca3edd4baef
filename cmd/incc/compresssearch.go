package main

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes/compress"
)

// compressUnit is what gets at most one change: the filters of a layer, or its channels.
type compressUnit struct {
	layer   *compress.Layer
	readers []compress.Reader // of the channels; nil for the filters
	ms      float64           // of the layer, and of the readers of its channels
	macs    int64
	options []compressOption
}

// compressOption is a change that was measured.
type compressOption struct {
	compress.Option
	ms    float64
	error float64 // of the outputs
}

const (
	leastSaved  = 0.03  // of the time of a layer that a change must save
	leastOfAll  = 0.003 // of the time of all layers
	mostOptions = 8     // of a unit whose damage to the outputs is measured
	stepSaved   = 0.02  // of the costs of all layers between two rows of the report
	mostDrop    = 0.3   // of the accuracy, beyond which no fine-tuning is tried
)

// carryOut runs the command, once everything is read.
func (p *compressor) carryOut() error {
	c, first := p.c, &p.first
	if err := p.measureRow(first); err != nil {
		return err
	}
	if err := p.measureWhole(first); err != nil {
		return err
	}
	if p.want == nil { // the journal had the numbers
		h, logits, err := optimized(p.g)
		if err != nil {
			return err
		}
		if p.want, err = p.logits(h, logits); err != nil {
			return err
		}
	}
	if err := sayf(c.App.Writer, "%s: %s MACs, %.3g ms, %.2f %% of %s", p.g.Name, diag.Thousands(first.macs), first.ms, 100*first.whole, diag.Count(p.val.Len(), "validation image")); err != nil {
		return err
	}
	if p.budget.relative {
		p.budget.ms, p.budget.relative = p.budget.ms*first.ms, false
	}
	if err := p.measureUnits(); err != nil {
		return err
	}
	if c.Bool("sensitivity") {
		p.writeSensitivity(c.App.Writer)
	}
	rows, err := p.walk()
	if err != nil {
		return err
	}
	chosen, rows, err := p.choose(rows)
	if err != nil {
		return p.failed(rows, err)
	}
	return p.finish(rows, chosen)
}

// measureUnits finds the changes of all layers that save time, and measures their damage.
func (p *compressor) measureUnits() error {
	layers := compress.Layers(p.g)
	if len(layers) == 0 {
		return fmt.Errorf("%s has no convolution or dense layer that can be compressed", diag.Name(p.g.Name))
	}
	total := 0.0
	for _, l := range layers {
		one, err := l.Alone()
		if err != nil {
			return err
		}
		u := &compressUnit{layer: l, macs: l.MACs()}
		if u.ms, err = p.layerTime(l.Name, one); err != nil {
			return err
		}
		total += u.ms
		p.units = append(p.units, u)
	}
	channels, err := p.channels(layers)
	if err != nil {
		return err
	}
	for _, u := range p.units {
		options, err := u.layer.Options(kernel.Block, &p.cache)
		if err != nil {
			return &numericalError{err.Error()}
		}
		one, err := u.layer.Alone()
		if err != nil {
			return err
		}
		for _, o := range options {
			h, err := compress.Apply(one, []compress.Change{o.Change}, nil, &p.cache)
			if err != nil {
				return err
			}
			if err := p.addOption(u, o, total, h); err != nil {
				return err
			}
		}
	}
	p.units = append(p.units, channels...)
	for _, u := range channels {
		for _, o := range u.layer.Prunings(p.scores[u.layer.Name], u.readers, kernel.Block) {
			parts, err := u.layer.Parts(u.readers, o.Rank[0])
			if err != nil {
				return err
			}
			if err := p.addOption(u, o, total, parts...); err != nil {
				return err
			}
		}
	}
	for _, u := range p.units {
		if err := p.measureErrors(u); err != nil {
			return err
		}
	}
	return nil
}

// addOption times a change and keeps it if it saves enough.
func (p *compressor) addOption(u *compressUnit, o compress.Option, total float64, graphs ...*ir.Graph) error {
	ms, err := p.layerTime(o.String(), graphs...)
	if err != nil {
		return err
	}
	if saved := u.ms - ms; saved >= leastSaved*u.ms && saved >= leastOfAll*total {
		u.options = append(u.options, compressOption{Option: o, ms: ms})
	}
	return nil
}

// channels finds the layers whose channels can be removed, and their scores.
func (p *compressor) channels(layers []*compress.Layer) ([]*compressUnit, error) {
	var units []*compressUnit
	var values []*ir.Value
	for _, l := range layers {
		if readers := l.Readers(); readers != nil {
			units = append(units, &compressUnit{layer: l, readers: readers})
			for _, r := range readers {
				values = append(values, r.Value)
			}
		}
	}
	squares, err := p.meanSquares(values)
	if err != nil {
		return nil, err
	}
	p.scores = map[string][]float64{}
	at := 0
	for _, u := range units {
		n := len(u.readers)
		p.scores[u.layer.Name] = u.layer.Scores(u.readers, squares[at:at+n])
		at += n
		outs := len(p.scores[u.layer.Name])
		parts, err := u.layer.Parts(u.readers, outs)
		if err != nil {
			return nil, err
		}
		if u.ms, err = p.layerTime(u.layer.Name+" and its readers", parts...); err != nil {
			return nil, err
		}
		for _, g := range parts {
			u.macs += ir.Summarize(g).MACs
		}
	}
	return units, nil
}

// meanSquares returns the mean square, over the calibration images, of each element of axis 1 of
// values of the network.
func (p *compressor) meanSquares(values []*ir.Value) ([][]float64, error) {
	sums := make([][]float64, len(values))
	for i, v := range values {
		key := "squares/" + v.Name
		s, err := p.measured(key, func() ([]float64, error) { return p.meanSquare(v.Name) })
		if err != nil {
			return nil, err
		}
		sums[i] = s
	}
	return sums, nil
}

func (p *compressor) meanSquare(name string) ([]float64, error) {
	h := p.g.Clone()
	v := h.Value(name)
	h.Outputs, h.Parts = []*ir.Value{v}, nil
	ir.Rewrite(h, "compress").Sweep()
	n := v.Type.Shape[1]
	per := v.Type.Bind(1).Shape.Size() / n
	sums := make([]float64, n)
	err := p.each(h, p.calibration, func(outs [][]float32) {
		for i, x := range outs[0] {
			sums[i/per%n] += float64(x) * float64(x)
		}
	})
	for i := range sums {
		sums[i] /= float64(p.calibration.images * per)
	}
	return sums, err
}

// measureErrors thins out the options of a unit, and measures what the rest does to the outputs.
func (p *compressor) measureErrors(u *compressUnit) error {
	var list []compressOption
	for _, a := range u.options {
		if !slices.ContainsFunc(u.options, func(b compressOption) bool {
			return p.cost(b) <= p.cost(a) && b.Error <= a.Error && (p.cost(b) < p.cost(a) || b.Error < a.Error)
		}) {
			list = append(list, a)
		}
	}
	slices.SortStableFunc(list, func(a, b compressOption) int {
		switch {
		case a.Error < b.Error:
			return -1
		case a.Error > b.Error:
			return 1
		}
		return 0
	})
	if n := len(list); n > mostOptions {
		var some []compressOption
		for i := range mostOptions {
			some = append(some, list[i*(n-1)/(mostOptions-1)])
		}
		list = some
	}
	u.options = list
	for i := range u.options {
		o := &u.options[i]
		v, err := p.measured("error/"+o.String(), func() ([]float64, error) {
			g, err := p.network([]compress.Change{o.Change})
			if err != nil {
				return nil, err
			}
			h, logits, err := optimized(g)
			if err != nil {
				return nil, err
			}
			y, err := p.logits(h, logits)
			if err != nil {
				return nil, err
			}
			return []float64{p.difference(y)}, nil
		})
		if err != nil {
			return err
		}
		o.error = v[0]
	}
	return nil
}

// cost is what changes are chosen by.
func (p *compressor) cost(o compressOption) float64 {
	if p.costName() == "macs" {
		return float64(o.MACs)
	}
	return o.ms
}

// walk applies changes, those first that damage least for what they save, and measures the network
// after every few. It ends where the budget is met or can no longer be.
func (p *compressor) walk() ([]compressRow, error) {
	costs := make([]float64, len(p.units))
	prices := make([][]compress.Price, len(p.units))
	total := 0.0
	for i, u := range p.units {
		costs[i] = u.ms
		if p.costName() == "macs" {
			costs[i] = float64(u.macs)
		}
		if u.readers == nil {
			total += costs[i]
		}
		for _, o := range u.options {
			prices[i] = append(prices[i], compress.Price{Cost: p.cost(o), Loss: o.error * o.error})
		}
	}
	steps := compress.Path(costs, prices)
	now := slices.Repeat([]int{-1}, len(p.units))
	var rows []compressRow
	var news []compress.Option
	saved := 0.0
	for i, s := range steps {
		before := costs[s.Unit]
		if now[s.Unit] >= 0 {
			before = prices[s.Unit][now[s.Unit]].Cost
		}
		now[s.Unit] = s.Choice
		saved += before - prices[s.Unit][s.Choice].Cost
		news = append(news, p.units[s.Unit].options[s.Choice].Option)
		if saved < stepSaved*total && i < len(steps)-1 {
			continue
		}
		row := compressRow{changes: p.changesOf(now), news: news}
		if err := p.measureRow(&row); err != nil {
			return nil, err
		}
		if last := append([]compressRow{p.first}, rows...)[len(rows)]; row.macs >= last.macs {
			continue // the change of a layer whose channels are gone already
		}
		rows = append(rows, row)
		news, saved = nil, 0
		if p.ended(row) {
			break
		}
	}
	return rows, nil
}

// changesOf lists the chosen changes.
func (p *compressor) changesOf(now []int) []compress.Change {
	var list []compress.Change
	for u, i := range now {
		if i >= 0 {
			list = append(list, p.units[u].options[i].Change)
		}
	}
	return list
}

// meets reports whether a network meets the targets for MACs and time.
func (b compressBudget) meets(row, first compressRow) bool {
	return (b.macs < 0 || float64(row.macs) <= b.macs*float64(first.macs)) && (b.ms < 0 || row.ms <= b.ms)
}

// targets reports whether the budget has targets for MACs or time.
func (b compressBudget) targets() bool { return b.macs >= 0 || b.ms >= 0 }

// ended reports whether the walk can end at a row.
func (p *compressor) ended(row compressRow) bool {
	if p.budget.targets() {
		return p.budget.meets(row, p.first)
	}
	most := p.budget.drop + 0.05
	if p.c.Float64("finetune") > 0 {
		most = mostDrop
	}
	return row.checked < p.first.checked-most
}
