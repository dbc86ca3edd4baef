package main

import (
	"math"
	"slices"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes/quantize"
)

// readImages draws the calibration images and the images whose accuracy is measured.
func (q *quantizer) readImages(d *data.Source, run string) error {
	val, err := validationPart(q.c, q.g, d, run)
	if err != nil {
		return err
	}
	rest := d.Train
	if div, err := divisionOf(q.c, q.g, d, run); err != nil {
		return err
	} else if div != nil {
		rest = div.train
	}
	if err := q.read(q.g, d, rest, val); err != nil {
		return err
	}
	q.want, err = q.run(q.g)
	return err
}

// run returns the logits of the images that the error is measured on.
func (q *quantizer) run(g *ir.Graph) ([]float32, error) { return q.sample.logits(g, q.logits) }

// calibrate chooses the ranges by the method with the least error, which it returns. The error of
// one method alone is not measured.
func (q *quantizer) calibrate(methods []string) (attempt, error) {
	best := attempt{error: math.Inf(1)}
	observed, hists, err := q.observe()
	if err != nil {
		return best, err
	}
	var chosen map[string]quantize.Range
	for _, m := range methods {
		q.ranges = map[string]quantize.Range{}
		for i, name := range observed {
			q.ranges[name] = hists[i].Range(m)
		}
		a := attempt{name: m}
		if len(methods) > 1 {
			if a, err = q.try(m); err != nil {
				return best, err
			}
		}
		if a.error < best.error {
			best, chosen = a, q.ranges
		}
	}
	q.ranges = chosen
	if best.name == "" {
		return best, &numericalError{"no method of calibration gives finite outputs"}
	}
	return best, nil
}

// observe counts the elements of every value that may become bytes. Two runs are needed: the
// histograms depend on the least and the greatest element.
func (q *quantizer) observe() ([]string, []*quantize.Histogram, error) {
	h := q.g.Clone()
	points := quantize.Points(h, layersNamed(h, slices.Concat(q.layers, q.ends)))
	var names []string
	h.Outputs = nil
	hists := make([]*quantize.Histogram, len(points))
	for i, p := range points {
		names, hists[i] = append(names, p.Value.Name), &quantize.Histogram{}
		h.Outputs = append(h.Outputs, p.Value)
	}
	for _, look := range []func(*quantize.Histogram, []float32){(*quantize.Histogram).Bound, (*quantize.Histogram).Count} {
		err := q.each(h, q.calibration, func(outs [][]float32) {
			for i, o := range outs {
				look(hists[i], o)
			}
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return names, hists, nil
}
