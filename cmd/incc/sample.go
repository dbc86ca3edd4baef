package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
)

// maxCalibration is the most images of --images.
const maxCalibration = 4096

// maxChecked is the most images that the error of the outputs is measured on.
const maxChecked = 512

// calibrationBatch is the number of images that are looked at at once.
const calibrationBatch = 16

// pictures are images as the network reads them.
type pictures struct {
	inputs []float32
	images int
}

// sample is what the changes of a trained network are chosen by and measured on.
type sample struct {
	c           *cli.Context
	calibration pictures  // that changes are chosen by
	checked     pictures  // that the error is measured on
	want        []float32 // logits of these of the unchanged network
	val         *data.Set // for the accuracy
	transform   *data.Transform
}

// checkImages checks the value of --images.
func checkImages(c *cli.Context) error {
	if n := c.Int("images"); n < 1 || n > maxCalibration {
		return usagef("--images %d (want 1 to %d)", n, maxCalibration)
	}
	return nil
}

// read draws the calibration images from rest, the same share of each class, then the images that the
// error is measured on, and keeps val. g is the network that gets them.
func (s *sample) read(g *ir.Graph, d *data.Source, rest, val *data.Set) error {
	var augs []recipe.Augment
	if g.Recipe.Train != nil {
		augs = deterministic(g.Recipe.Train.Augment)
	}
	in := g.Inputs[0].Type.Shape
	var err error
	if s.transform, err = data.NewTransform(d.Train, g.Recipe.Input, augs, in[1], in[2], in[3]); err != nil {
		return err
	}
	seed := s.c.Int64("seed")
	if s.val = val; val == nil { // of images that calibration does not look at
		rest, s.val = rest.Stratify(min(1000, rest.Len()/2), seed+1)
	}
	drawn := rest
	if n := s.c.Int("images"); n < rest.Len() {
		rest, drawn = rest.Stratify(n, seed)
	}
	if s.calibration, err = s.pictures(drawn, in.Size()); err != nil {
		return err
	}
	s.checked = s.calibration
	// The error is that of other images: corrections fit those of the calibration.
	if n := min(drawn.Len(), maxChecked, rest.Len()); rest != drawn && n >= drawn.Len()/2 {
		_, drawn = rest.Stratify(n, seed+2)
		s.checked, err = s.pictures(drawn, in.Size())
	}
	return err
}

// pictures prepares images; each has size elements.
func (s *sample) pictures(set *data.Set, size int) (pictures, error) {
	p := pictures{make([]float32, set.Len()*size), set.Len()}
	for i := range p.images {
		if err := s.transform.Eval(p.inputs[i*size:(i+1)*size], set, i); err != nil {
			return p, err
		}
	}
	return p, nil
}

// each runs a graph on images and calls visit with its outputs, batch by batch.
func (s *sample) each(g *ir.Graph, on pictures, visit func(outputs [][]float32)) error {
	o, err := executorOptions(s.c)
	if err != nil {
		return err
	}
	o.Batch = calibrationBatch
	p, err := compileRoom(s.c, g, o)
	if err != nil {
		return err
	}
	session, size := p.NewSession(), g.Inputs[0].Type.Shape.Size()
	outs := make([][]float32, len(g.Outputs))
	for at := 0; at < on.images; at += calibrationBatch {
		n := min(calibrationBatch, on.images-at)
		for i, v := range g.Outputs {
			outs[i] = slices.Grow(outs[i][:0], n*v.Type.Shape.Size())[:n*v.Type.Shape.Size()]
		}
		if err := session.Run([][]float32{on.inputs[at*size : (at+n)*size]}, outs); err != nil {
			return err
		}
		visit(outs)
	}
	return nil
}

// logits returns a value of a graph for the images that the error is measured on.
func (s *sample) logits(g *ir.Graph, name string) ([]float32, error) {
	h := g.Clone()
	h.Outputs = []*ir.Value{h.Value(name)}
	var y []float32
	err := s.each(h, s.checked, func(o [][]float32) { y = append(y, o[0]...) })
	for _, x := range y {
		if x-x != 0 {
			return nil, &numericalError{fmt.Sprintf("the outputs of %s are not finite numbers", g.Name)}
		}
	}
	return y, err
}

// difference is the root mean square of what logits differ from those of the unchanged network, as a
// part of these.
func (s *sample) difference(y []float32) float64 {
	diff, size := 0.0, 0.0
	for i, w := range s.want {
		d := float64(y[i]) - float64(w)
		diff += d * d
		size += float64(w) * float64(w)
	}
	if size == 0 {
		return math.Sqrt(diff)
	}
	return math.Sqrt(diff / size)
}

// accuracy measures a graph by one of its values, the logits, on a set of images.
func (s *sample) accuracy(g *ir.Graph, logits string, set *data.Set) (float64, error) {
	h := g.Clone()
	h.Outputs = []*ir.Value{h.Value(logits)}
	o, err := executorOptions(s.c)
	if err != nil {
		return 0, err
	}
	o.Batch = evalBatch
	p, err := compileRoom(s.c, h, o)
	if err != nil {
		return 0, err
	}
	score, err := train.Evaluate(inferrer{p.NewSession(), evalBatch, h.Outputs[0].Type.Shape.Size()}, s.transform, set, nil)
	return score.Accuracy, err
}
