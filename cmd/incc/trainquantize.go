package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/quantize"
)

var quantizeFlag = &cli.BoolFlag{Name: "quantize", Usage: "fine-tune a trained network, the folder of a run or what --init names, for 8-bit integers; by default at a tenth of its learning rate, which falls to 0, for a tenth of its epochs, but at least 3. model.onnx is then the network of integers"}

// leastTuned is the least number of epochs of a training with --quantize, unless --epochs is given: the
// first ones disturb a trained network before the rate falls.
const leastTuned = 3

// fineTuned is what a training with --quantize adds to a network.
type fineTuned struct {
	layers  []string           // the weights of the quantized layers, by name
	weights []quantize.Weights // likewise
	frozen  int                // the epoch from which batch norms keep their weights and statistics
}

// startQuantize sets what --quantize takes from the run that it begins with, unless flags say otherwise.
func (p *prepared) startQuantize(c *cli.Context) error {
	if !c.Bool("quantize") {
		return nil
	}
	for _, name := range []string{"cache-features", "find-lr"} {
		if c.Bool(name) {
			return usagef("--%s cannot be used with --quantize: leave one of them out", name)
		}
	}
	if dir := p.spec.run; dir != "" && c.String("init") == "" {
		if err := c.Set("init", dir); err != nil {
			return err
		}
		b, err := readBegin(dir)
		if err != nil {
			return err
		}
		p.name = b.Name + "-int8"
	}
	if c.String("init") == "" {
		return usagef("--quantize fine-tunes a trained network: give the folder of a run in place of the spec, or --init FILE with its weights")
	}
	r := recipeOf(p.graph)
	for name, value := range map[string]float64{"lr": r.Optimizer.LR / 10, "epochs": math.Max(leastTuned, math.Round(r.Run.Epochs/10))} {
		if !c.IsSet(name) {
			if err := c.Set(name, strconv.FormatFloat(value, 'g', 6, 64)); err != nil {
				return err
			}
		}
	}
	return nil
}

// fakeQuantize makes the network of the training one with quantized layers.
func (p *prepared) fakeQuantize(c *cli.Context) error {
	if !c.Bool("quantize") {
		return nil
	}
	for _, n := range p.graph.Nodes {
		if ir.Name(n.Op) == "quantize" {
			return fmt.Errorf("%s is quantized already", diag.Name(p.graph.Name))
		}
	}
	layers := quantize.Trained(p.graph)
	if len(layers) == 0 {
		return fmt.Errorf("%s has no convolution or dense layer between the first and the last one that can be quantized", diag.Name(p.graph.Name))
	}
	// The schedule of the recipe is for the whole training: at a constant rate a trained network would
	// only move about the weights that it has.
	p.recipe.Average, p.recipe.Schedule, p.recipe.EarlyStop = recipe.Average{}, recipe.Schedule{Kind: "cosine"}, recipe.EarlyStop{}
	ranges, points, err := p.firstRanges(c, layers)
	if err != nil {
		return err
	}
	t := &fineTuned{}
	for _, n := range layers {
		w, err := quantize.NewWeights(p.graph, n)
		if err != nil {
			return err
		}
		t.layers, t.weights = append(t.layers, w.Name), append(t.weights, w)
	}
	if err := quantize.Fake(p.graph, layers, points, ranges); err != nil {
		return err
	}
	for _, n := range p.graph.Nodes {
		if _, ok := n.Op.(ops.FakeQuantize); ok && adaptive(p.recipe.Optimizer.Kind) {
			// A step changes by a part of itself, as large as that by which others change.
			n.In[1].Param.LR = float64(p.graph.Data[n.In[1].Name].Data[0])
		}
	}
	if e := p.recipe.Run.Epochs; e >= 2 {
		t.frozen = int(math.Ceil(e * 2 / 3))
	}
	p.tuned = t
	return nil
}

// adaptive reports whether the updates of an optimizer do not depend on the size of the gradients.
func adaptive(kind string) bool {
	return slices.Contains([]string{"adam", "adamw", "rmsprop", "rmsprop_torch"}, kind)
}

// firstRanges are the ranges that the steps of activations begin with, and their points.
func (p *prepared) firstRanges(c *cli.Context, layers []*ir.Node) ([]quantize.Range, []quantize.Point, error) {
	q := &quantizer{sample: sample{c: c}, g: p.graph}
	for _, n := range layers {
		q.layers = append(q.layers, n.Out[0].Name)
	}
	if err := q.calibrateOn(p.train, p.set.Train, deterministic(p.recipe.Augment), p.recipe.Run.Seed); err != nil {
		return nil, nil, err
	}
	names, hists, err := q.observe()
	if err != nil {
		return nil, nil, err
	}
	q.ranges = map[string]quantize.Range{}
	for i, name := range names {
		q.ranges[name] = hists[i].Range("mse")
	}
	points := quantize.Points(p.graph, layers)
	return q.grouped(points), points, nil
}

// firstImages is the number of images that ranges are calibrated on for --quantize.
const firstImages = 256

// calibrateOn draws images to calibrate on.
func (q *quantizer) calibrateOn(s, all *data.Set, augs []recipe.Augment, seed int64) error {
	in := q.g.Inputs[0].Type.Shape
	var err error
	if q.transform, err = data.NewTransform(all, q.g.Recipe.Input, augs, in[1], in[2], in[3]); err != nil {
		return err
	}
	if s.Len() > firstImages {
		_, s = s.Stratify(firstImages, seed)
	}
	q.calibration, err = q.pictures(s, in.Size())
	return err
}

// quantizing wraps the engine of a training with --quantize.
func (p *prepared) quantizing() (err error) {
	if p.tuned == nil {
		return nil
	}
	p.engine, err = train.NewQuantized(p.engine, p.tuned.weights)
	return err
}

// phases are the epochs, counted from 0, at which a training begins another phase.
func (p *prepared) phases() []int {
	l := p.recipe.Unfreezes()
	if p.tuned == nil || p.tuned.frozen == 0 || slices.Contains(l, p.tuned.frozen) {
		return l
	}
	for _, n := range p.graph.Nodes {
		if ir.Name(n.Op) == "batchnorm" {
			l = append(l, p.tuned.frozen)
			slices.Sort(l)
			break
		}
	}
	return l
}

// trainedGraph builds the network with the weights in a file of the run: that of integers with
// --quantize.
func (p *prepared) trainedGraph(c *cli.Context, path string) (*ir.Graph, error) {
	g, err := build(c, p.spec, nil)
	if err != nil {
		return nil, err
	}
	if p.tuned == nil {
		return g, loadWeights(c, g, path)
	}
	fake := p.graph.Clone()
	if err := loadWeights(c, fake, path); err != nil {
		return nil, err
	}
	for _, v := range g.Params {
		if d := fake.Data[v.Name]; d != nil {
			g.Data[v.Name] = d
		}
	}
	return p.whole(c, g, fake)
}

// whole quantizes a trained network with the steps in fake.
func (p *prepared) whole(c *cli.Context, g, fake *ir.Graph) (*ir.Graph, error) {
	q := &quantizer{sample: sample{c: c}, g: g}
	if err := q.fold(); err != nil {
		return nil, err
	}
	q.options.Scales = map[string][]float32{}
	for _, n := range quantize.Layers(q.g) {
		name := trainedName(n.In[1].Name, p.tuned.layers)
		if name == "" {
			continue
		}
		q.layers = append(q.layers, n.Out[0].Name)
		q.options.Scales[n.Out[0].Name] = foldedSteps(fake.Data[name+quantize.StepSuffix].Data, fake.Data[name].Data, q.g.Data[n.In[1].Name].Data)
	}
	if len(q.layers) != len(p.tuned.layers) {
		return nil, fmt.Errorf("%d of the %d quantized layers are left behind the passes", len(q.layers), len(p.tuned.layers))
	}
	if err := q.calibrateOn(p.train, p.set.Train, deterministic(p.recipe.Augment), p.recipe.Run.Seed); err != nil {
		return nil, err
	}
	if err := q.learnedRanges(fake); err != nil {
		return nil, err
	}
	return q.quantized(q.layers)
}

// learnedRanges takes the ranges of values from the steps in fake: those that the layers read, found by
// the layers, then others by their names, which the passes may have changed. A group of points
// without any has the range that the calibration images show.
func (q *quantizer) learnedRanges(fake *ir.Graph) error {
	names, hists, err := q.observe()
	if err != nil {
		return err
	}
	learned := map[string]quantize.Range{}
	for _, n := range fake.Nodes {
		if op, ok := n.Op.(ops.FakeQuantize); ok {
			learned[n.In[0].Name] = quantize.RangeOf(op, fake.Data[n.In[1].Name].Data[0])
		}
		if f := readsFake(n); f != nil {
			learned[n.In[1].Name] = quantize.RangeOf(f.Op.(ops.FakeQuantize), fake.Data[f.In[1].Name].Data[0])
		}
	}
	layers := layersNamed(q.g, q.layers)
	points := quantize.Points(q.g, layers)
	groups, known := map[string]int{}, map[int]quantize.Range{}
	take := func(group int, name string) {
		if r, ok := learned[name]; ok {
			if _, twice := known[group]; !twice {
				known[group] = r
			}
		}
	}
	for _, p := range points {
		groups[p.Value.Name] = p.Group
	}
	for _, n := range layers {
		take(groups[n.In[0].Name], n.In[1].Name)
	}
	for _, p := range points {
		take(p.Group, p.Value.Name)
	}
	q.ranges = map[string]quantize.Range{}
	for i, name := range names {
		if r, ok := known[groups[name]]; ok {
			q.ranges[name] = r
		} else {
			q.ranges[name] = hists[i].Range("mse")
		}
	}
	return nil
}

// readsFake returns the fake_quantize that the input of a layer comes from, by way of pools and joins; nil
// for none.
func readsFake(n *ir.Node) *ir.Node {
	switch n.Op.(type) {
	case ops.Conv, ops.Dense:
	default:
		return nil
	}
	for d := n.In[0].Def; d != nil; d = d.In[0].Def {
		switch d.Op.(type) {
		case ops.FakeQuantize:
			return d
		case ops.MaxPool, ops.Concat, ops.Flatten, ops.Dropout:
			continue
		}
		break
	}
	return nil
}

// foldedSteps are the steps of a weight that a batch norm was folded into: each row was multiplied by a
// number, and so is its step.
func foldedSteps(steps, before, after []float32) []float32 {
	l := make([]float32, len(steps))
	row := len(before) / len(steps)
	for o, s := range steps {
		a, b := float32(0), float32(0)
		for i := o * row; i < (o+1)*row; i++ {
			a, b = max(a, before[i], -before[i]), max(b, after[i], -after[i])
		}
		if l[o] = s; a > 0 {
			l[o] = s * (b / a)
		}
	}
	return l
}

// trainedName finds the trained weight that a weight behind the passes was made of: one of the same name,
// or with an ending that folding added.
func trainedName(name string, trained []string) string {
	for _, t := range trained {
		if name == t || strings.HasPrefix(name, t+".") {
			return t
		}
	}
	return ""
}

// wholeModel is the model of integers of the run in a folder that was trained with --quantize, which
// commands take in place of its spec and weights; "" for other runs, for a run that is not
// finished, for incc train, and if the user names weights.
func wholeModel(c *cli.Context, dir string) string {
	if c.Command.Name == "train" || c.IsSet("weights") {
		return ""
	}
	b, err := readBegin(dir)
	model := filepath.Join(dir, modelOfRun)
	if err != nil || !b.Quantize || !exists(model) {
		return ""
	}
	return model
}

// loadWhole loads the model of a run.
func loadWhole(c *cli.Context, dir, model string) (*ir.Graph, *source, error) {
	g, src, err := loadModel(c, model)
	if err != nil {
		return nil, nil, err
	}
	src.run = dir
	if findFlag(c.Command.Flags, "data") != nil && !c.IsSet("data") {
		b, err := readBegin(dir)
		if err != nil {
			return nil, nil, err
		}
		return g, src, c.Set("data", b.Data)
	}
	return g, src, nil
}
