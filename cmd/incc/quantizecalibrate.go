package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/quantize"
)

// maxCalibration is the most images of --images.
const maxCalibration = 4096

// maxChecked is the most images that the error of the outputs is measured on.
const maxChecked = 512

// calibrationBatch is the number of images that are looked at at once.
const calibrationBatch = 16

// readImages draws the calibration images and the images whose accuracy is measured.
func (q *quantizer) readImages(d *data.Source, run string) error {
	var augs []recipe.Augment
	if q.g.Recipe.Train != nil {
		augs = deterministic(q.g.Recipe.Train.Augment)
	}
	in := q.g.Inputs[0].Type.Shape
	var err error
	if q.transform, err = data.NewTransform(d.Train, q.g.Recipe.Input, augs, in[1], in[2], in[3]); err != nil {
		return err
	}
	rest := d.Train
	if q.val, err = validationPart(q.c, q.g, d, run); err != nil {
		return err
	}
	if div, err := divisionOf(q.c, q.g, d, run); err != nil {
		return err
	} else if div != nil {
		rest = div.train
	}
	seed := q.c.Int64("seed")
	if q.val == nil { // of images that calibration does not look at
		rest, q.val = rest.Stratify(min(1000, rest.Len()/2), seed+1)
	}
	drawn := rest
	if n := q.c.Int("images"); n < rest.Len() {
		rest, drawn = rest.Stratify(n, seed)
	}
	if q.calibration, err = q.pictures(drawn); err != nil {
		return err
	}
	q.checked = q.calibration
	// The error is that of other images: corrections fit those of the calibration.
	if n := min(drawn.Len(), maxChecked, rest.Len()); rest != drawn && n >= drawn.Len()/2 {
		_, drawn = rest.Stratify(n, seed+2)
		if q.checked, err = q.pictures(drawn); err != nil {
			return err
		}
	}
	q.want, err = q.run(q.g)
	return err
}

// pictures are images as the network reads them.
type pictures struct {
	inputs []float32
	images int
}

func (q *quantizer) pictures(s *data.Set) (pictures, error) {
	size := q.g.Inputs[0].Type.Shape.Size()
	p := pictures{make([]float32, s.Len()*size), s.Len()}
	for i := range p.images {
		if err := q.transform.Eval(p.inputs[i*size:(i+1)*size], s, i); err != nil {
			return p, err
		}
	}
	return p, nil
}

// each runs a graph on images and calls visit with its outputs, batch by batch.
func (q *quantizer) each(g *ir.Graph, on pictures, visit func(outputs [][]float32)) error {
	o, err := executorOptions(q.c)
	if err != nil {
		return err
	}
	o.Batch = calibrationBatch
	p, err := compileRoom(q.c, g, o)
	if err != nil {
		return err
	}
	s, size := p.NewSession(), g.Inputs[0].Type.Shape.Size()
	outs := make([][]float32, len(g.Outputs))
	for at := 0; at < on.images; at += calibrationBatch {
		n := min(calibrationBatch, on.images-at)
		for i, v := range g.Outputs {
			outs[i] = slices.Grow(outs[i][:0], n*v.Type.Shape.Size())[:n*v.Type.Shape.Size()]
		}
		if err := s.Run([][]float32{on.inputs[at*size : (at+n)*size]}, outs); err != nil {
			return err
		}
		visit(outs)
	}
	return nil
}

// run returns the logits of the images that the error is measured on.
func (q *quantizer) run(g *ir.Graph) ([]float32, error) {
	h := g.Clone()
	h.Outputs = []*ir.Value{h.Value(q.logits)}
	var y []float32
	err := q.each(h, q.checked, func(o [][]float32) { y = append(y, o[0]...) })
	for _, x := range y {
		if x-x != 0 {
			return nil, &numericalError{fmt.Sprintf("the outputs of %s are not finite numbers", g.Name)}
		}
	}
	return y, err
}

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
		err := q.each(h, q.checked, func(outs [][]float32) {
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
