package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes/quantize"
)

// quantizedBest returns the network of integers that a training with --quantize ends with: the fine-tuned
// one, or the one that incc quantize makes of the weights that it began with, if that is better on the
// validation images. Then score is its score on them, and text says so.
func (p *prepared) quantizedBest(c *cli.Context, tuned *ir.Graph) (g *ir.Graph, score *train.Score, text string, err error) {
	if p.tuned == nil || p.val == nil {
		return tuned, nil, "", nil
	}
	plain, err := p.posttrained(c)
	if err != nil || plain == nil {
		return tuned, nil, "", err
	}
	var scores [2]train.Score
	for i, g := range []*ir.Graph{tuned, plain} {
		if scores[i], err = scoreOf(c, g, p.val, p.input, nil); err != nil {
			return nil, nil, "", err
		}
	}
	a, b := scores[0], scores[1]
	if a.Accuracy > b.Accuracy || a.Accuracy == b.Accuracy && !(b.Loss < a.Loss) {
		return tuned, nil, "", nil
	}
	text = fmt.Sprintf("the network is better without fine-tuning: %.2f %% of the validation images, loss %.4f; fine-tuned %.2f %%, loss %.4f. model.onnx is the first one",
		100*b.Accuracy, b.Loss, 100*a.Accuracy, a.Loss)
	return plain, &scores[1], text, nil
}

// posttrained quantizes the network with the weights that the training began with, as incc quantize does;
// nil if some of them were drawn at random. Times decide nothing, so that the result is always the
// same: the first and the last layer stay in float32.
func (p *prepared) posttrained(c *cli.Context) (*ir.Graph, error) {
	g, err := build(c, p.spec, nil)
	if err != nil {
		return nil, err
	}
	dropHeads(g)
	for _, v := range g.Params {
		d := p.graph.Data[v.Name]
		if d == nil {
			return nil, nil
		}
		g.Data[v.Name] = d
	}
	q := &quantizer{sample: sample{c: c}, g: g}
	if err := q.optimize(); err != nil {
		return nil, err
	}
	q.ends = nil
	seed := p.recipe.Run.Seed
	if err := q.calibrateOn(p.train, p.set.Train, deterministic(p.recipe.Augment), seed); err != nil {
		return nil, err
	}
	q.checked = q.calibration
	if p.train.Len() >= 2*firstImages { // the error is that of other images: corrections fit those of the calibration
		rest, _ := p.train.Stratify(firstImages, seed)
		_, others := rest.Stratify(firstImages, seed+2)
		if q.checked, err = q.pictures(others, g.Inputs[0].Type.Shape.Size()); err != nil {
			return nil, err
		}
	}
	if q.want, err = q.run(q.g); err != nil {
		return nil, err
	}
	if _, err := q.choose(quantize.Methods, nil); err != nil {
		return nil, err
	}
	return q.quantized(q.layers)
}
