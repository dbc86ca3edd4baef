package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/classify"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/specs"
)

// prepared holds everything that a run needs before its first step.
type prepared struct {
	graph  *ir.Graph
	spec   *source
	recipe recipe.Train
	set    *data.Source
	division
	input     *data.Transform
	engine    train.Engine
	dir       string
	name      string
	id        train.Identity
	classes   []string          // names of the outputs, empty if neither the spec nor the data names them
	labels    []byte            // the contents of the file of class names that the spec names, nil if it names none
	mayChange map[string]string // what the identity of the checkpoint may differ in (train.Config)
	initial   *initial          // what --init took; nil without the flag
	dataOf    string            // the folder of the run that names the data; "" where the user does
	cut       *cut              // nil without --cache-features
	tuned     *fineTuned        // nil without --quantize
	valChosen bool              // --val says which images are for validation
	memory    string            // a sentence about the memory of a step for the user, or ""
}

// prepare reads the spec, the flags and the data, and makes the engine. It writes no
// file.
func prepare(c *cli.Context) (*prepared, error) {
	if c.Bool("force") && c.Bool("resume") {
		return nil, usagef("--force begins a new run and --resume continues one: leave one of them out")
	}
	if c.Bool("resume-changed") && !c.Bool("resume") {
		return nil, usagef("--resume-changed can only be used with --resume")
	}
	arg := c.String("out")
	if err := notStdout("out", arg, "the folder of a run"); err != nil {
		return nil, err
	}
	if arg != "" && !filepath.IsAbs(arg) {
		arg = "." + string(filepath.Separator) + arg // so that it is not read as the name of a built-in network
	}
	if c.NArg() > 0 || arg == "" || !c.Bool("resume") {
		var err error
		if arg, err = oneArg(c, "SPEC"); err != nil {
			return nil, err
		}
	}
	if _, file, ok := specs.Source(arg); ok && exists(filepath.Join(arg, runSpec)) && (!c.Bool("resume") || c.IsSet("out")) {
		arg = file // arg is a built-in network, although a folder of a run has the same name
	}
	p := &prepared{}
	var err error
	named := c.IsSet("data") // load sets it for the folder of a run
	if p.graph, p.spec, err = load(c, arg); err != nil {
		return nil, err
	}
	if !named {
		p.dataOf = p.spec.run
	}
	if p.spec.model {
		return nil, usagef("incc train needs a spec, and %s is an ONNX model; incc train SPEC --init %s begins with the weights of the model", diag.Name(arg), diag.Name(arg))
	}
	if dir := p.spec.run; dir != "" && (c.Bool("resume") || !c.Bool("quantize")) {
		if err := p.goOn(c, dir); err != nil {
			return nil, err
		}
	} else if err := p.startQuantize(c); err != nil {
		return nil, err
	}
	if p.recipe, err = overrides(c, p.graph); err != nil {
		return nil, err
	}
	if err := p.open(c); err != nil {
		return nil, err
	}
	if err := p.divide(c); err != nil {
		return nil, err
	}
	in := p.graph.Inputs[0].Type.Shape
	// Means, deviations and whitening come from all training images, those drawn for
	// validation included: incc eval computes the same without the run.
	if p.input, err = data.NewTransform(p.set.Train, p.graph.Recipe.Input, p.recipe.Augment, in[1], in[2], in[3]); err != nil {
		return nil, err
	}
	if err := p.initialize(c); err != nil {
		return nil, err
	}
	if err := p.fakeQuantize(c); err != nil {
		return nil, err
	}
	if err := p.cutTrunk(c); err != nil {
		return nil, err
	}
	if err := p.newEngine(c); err != nil {
		return nil, err
	}
	if err := p.quantizing(); err != nil {
		return nil, err
	}
	if p.name == "" {
		p.name = runName(p.spec.file)
	}
	if p.dir = c.String("out"); p.dir == "" {
		p.dir = filepath.Join("runs", p.name)
	}
	if err := checkBesidePictures("out", filepath.Join(p.dir, "confusion.png"), c.String("data"), p.set.Train); err != nil {
		return nil, err
	}
	p.id, err = p.identity(c)
	return p, err
}

// open finds the data, fits the classes of network and data to each other, and reads
// the images.
func (p *prepared) open(c *cli.Context) error {
	outputs, err := classify.Classes(p.graph)
	if err != nil {
		return err
	}
	d, err := findData(c, c.String("data"))
	if err != nil {
		return dataOfRun(err, p.dataOf)
	}
	if v, err := parseValidation(c.String("val")); d.folder == nil && err == nil && v.folder == "" {
		if err := worksOnly(c, "with a folder of pictures", "cache"); err != nil {
			return err
		}
	}
	_, classes := d.classes()
	changed, err := setClasses(c, p.spec, outputs, classes)
	if err != nil {
		return err
	}
	if changed {
		defs, err := defines(c)
		if err != nil {
			return err
		}
		if p.graph, err = build(c, p.spec, defs); err != nil {
			return err
		}
		if outputs, err = classify.Classes(p.graph); err != nil {
			return err
		}
		if p.recipe, err = overrides(c, p.graph); err != nil {
			return err
		}
	}
	if err := p.resolve(c); err != nil {
		return err
	}
	m, err := matchClasses(d, p.graph, outputs, false)
	if err != nil {
		return err
	}
	if m.moved {
		say(c.App.ErrWriter, "note: the classes have the order of the labels in the spec, not that of the folders")
	}
	if p.graph.Recipe.Labels == nil && len(m.names) > 0 {
		if p.spec.text, err = dsl.AddLabels(p.spec.file, p.spec.text, m.names); err != nil {
			return err
		}
		if p.graph, err = build(c, p.spec, nil); err != nil {
			return err
		}
	}
	p.classes = m.names
	p.set, err = d.forNetwork(c, p.graph, m)
	return err
}

// divide chooses the images to train on and those to validate with.
func (p *prepared) divide(c *cli.Context) error {
	if n := c.Int("overfit"); n > 0 {
		_, p.train = p.set.Train.Stratify(min(n, p.set.Train.Len()), p.recipe.Run.Seed)
		p.recipe.Augment = deterministic(p.recipe.Augment)
		p.recipe.Run.Batch = min(p.recipe.Run.Batch, p.train.Len())
		return nil
	}
	v, err := parseValidation(c.String("val"))
	if err != nil {
		return err
	}
	p.valChosen = c.IsSet("val")
	if p.division, err = divide(c, p.graph, p.set, v, p.recipe.Run.Seed); err != nil {
		return err
	}
	if n := p.train.Len(); p.recipe.Run.Batch > n {
		words := "training images do"
		if n == 1 {
			words = "training image does"
		}
		return usagef("%d %s not fill a batch of %d: take --batch %d or less", n, words, p.recipe.Run.Batch, n)
	}
	if steps := p.train.Len() / p.recipe.Run.Batch; p.recipe.Run.Epochs*float64(steps) < 0.5 {
		return usagef("--epochs %g is less than one of the %d steps of an epoch", p.recipe.Run.Epochs, steps)
	}
	return nil
}

// goOn prepares --resume: it sets the flags that were not given to the values that the
// run was started with. Without --resume it returns an error.
func (p *prepared) goOn(c *cli.Context, dir string) error {
	if !c.Bool("resume") {
		return usagef("%s holds a run: continue it with --resume, or start a new one from its spec, %s", dir, p.spec.file)
	}
	b, err := readBegin(dir)
	if err != nil {
		return err
	}
	if b.Engine == torchEngine {
		return fmt.Errorf("PyTorch trained the run in %s: continue it with train.py --out, or begin a new run with its weights: incc train %s --init %s --out DIR", diag.Name(dir), diag.Name(filepath.Join(dir, runSpec)), diag.Name(dir))
	}
	p.name = b.Name
	flags := b.flags()
	flags["out"] = dir
	for name, value := range flags {
		if !c.IsSet(name) {
			if err := c.Set(name, value); err != nil {
				return fmt.Errorf("%s: %w", filepath.Join(dir, runStart), err)
			}
		}
	}
	return nil
}

// resolve writes the settings of flags such as --lr and -D into the text of the spec, so
// that the spec.incc of the run is complete. Without such flags the text does not change.
// The spec then names its file of class names as labels.txt.
func (p *prepared) resolve(c *cli.Context) error {
	defs, err := defines(c)
	if err != nil {
		return err
	}
	open := p.spec.open
	p.spec.open = func(name string) ([]byte, error) {
		if name == runLabels && p.labels != nil {
			return p.labels, nil
		}
		b, err := open(name)
		if err == nil {
			p.labels = b
		}
		return b, err
	}
	var want recipe.Train
	if t := p.graph.Recipe.Train; t != nil {
		want = *t
	}
	if want = flagged(c, want); c.IsSet("lr") {
		want.Optimizer = p.recipe.Optimizer
	}
	if p.spec.text, err = dsl.Resolve(p.spec.file, p.spec.text, dsl.Options{Defines: defs, ReadFile: p.spec.open}, want); err != nil {
		return err
	}
	if p.spec.text, err = dsl.RenameLabels(p.spec.file, p.spec.text, runLabels); err != nil {
		return err
	}
	p.graph, err = build(c, p.spec, nil)
	return err
}

// introduce prints the sizes of the network and data, and the main settings.
func (p *prepared) introduce(w io.Writer) {
	s := ir.Summarize(p.graph)
	text := fmt.Sprintf("%s: %s parameters, %s MACs an image; %d training images", p.name, diag.Thousands(s.Params+s.HeadParams), diag.Thousands(s.MACs+s.HeadMACs), p.train.Len())
	if p.val != nil {
		text += fmt.Sprintf(", %d for validation", p.val.Len())
	}
	if p.set.Test != nil {
		text += fmt.Sprintf(", %d for the test at the end", p.set.Test.Len())
	}
	epochs := "1 epoch"
	if p.recipe.Run.Epochs != 1 {
		epochs = trimFloat(p.recipe.Run.Epochs) + " epochs"
	}
	_ = say(w, text)
	_ = say(w, fmt.Sprintf("%s, learning rate %g, batch %d, %s, seed %d, into %s", p.recipe.Optimizer.Kind, p.recipe.Optimizer.LR, p.recipe.Run.Batch, epochs, p.recipe.Run.Seed, diag.Name(p.dir)))
	if p.initial != nil {
		p.initial.introduce(w, p.graph, p.recipe.Frozen(0))
	}
	p.introduceRates(w)
	p.introduceFrozen(w)
	if recipe.MixingOf(p.recipe.Augment).On() {
		say(w, "training pictures are mixed: the accuracy of training counts the label with the larger share")
	}
	if p.val != nil {
		if note := coarseNote(p.val.Len(), p.val.Classes); note != "" && !p.valChosen {
			_ = say(w, note)
		}
	}
	if note := dataNote(p.graph); note != "" {
		_ = say(w, note)
	}
	if note := decodedAgain(p.train, p.val); note != "" {
		_ = say(w, note)
	}
	if p.memory != "" {
		say(w, p.memory)
	}
}
