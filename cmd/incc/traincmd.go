package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs"
)

func trainCommand() *cli.Command {
	return &cli.Command{
		Name:      "train",
		Usage:     "train a network; leave its weights, curves and ONNX model in a folder",
		UsageText: "incc train SPEC --data DATA [--out DIR] [--resume]\nincc train --resume DIR",
		Description: `Example:

   incc train mnist/lenet --data mnist --epochs 2

The train block of the spec says how; flags override it. The folder, runs/NAME
by default, gets the weights (best.safetensors, last.safetensors), results.csv
with its plots, a confusion matrix, model.onnx, summary.json and checkpoints,
from which --resume goes on to the same bits; spec.incc there says all that the
flags said of training. Where a SPEC is wanted, the folder of a run serves: other
commands then take its weights and data as well. Part of the training images is
kept for validation (--val); the test images are used once, at the end.`,
		Flags: []cli.Flag{
			dataFlag,
			&cli.StringFlag{Name: "out", Usage: "put everything into `DIR`; runs/NAME by default"},
			&cli.BoolFlag{Name: "resume", Usage: "go on from the last checkpoint in the folder"},
			&cli.BoolFlag{Name: "resume-changed", Usage: "with --resume, go on though the data, the engine, the spec or the version of incc changed"},
			&cli.Float64Flag{Name: "epochs", Usage: "train for `N` epochs"},
			&cli.IntFlag{Name: "batch", Usage: "`N` images a step"},
			&cli.Float64Flag{Name: "lr", Usage: "learning `RATE`"},
			&cli.Int64Flag{Name: "seed", Usage: "`SEED` of initialization, order, augmentation and dropout"},
			&cli.IntFlag{Name: "val", Value: -1, Usage: "keep the last `N` training images for validation; a twelfth by default"},
			&cli.DurationFlag{Name: "max-time", Usage: "end after this `DURATION`, as after the last epoch"},
			&cli.IntFlag{Name: "limit-batches", Usage: "at most `N` steps an epoch"},
			&cli.IntFlag{Name: "overfit", Usage: "train on the first `N` images only, without augmentation: a network that cannot learn them is broken"},
			&cli.IntFlag{Name: "checkpoint-every", Usage: "write a checkpoint every `N` steps, besides those at the end of epochs"},
			&cli.StringFlag{Name: "init", Usage: "begin with the weights of a safetensors `FILE`"},
			&cli.BoolFlag{Name: "tensorboard", Usage: "write an event file for TensorBoard"},
			&cli.BoolFlag{Name: "dry-run", Usage: "say what would be done, and try a step; nothing is written"},
			memoryFlag, defineFlag, trainEngineFlag, profileFlag,
			&cli.IntFlag{Name: "threads", Usage: "run on `N` threads; GOMAXPROCS by default"},
			&cli.StringFlag{Name: "isa", Usage: "use the kernels of `ISA` avx512, avx2 or portable"},
		},
		Action: trainRun,
	}
}

var trainEngineFlag = &cli.StringFlag{Name: "engine", Value: "cpu", Usage: "compute on the `ENGINE` cpu (the SIMD executor) or ref (the reference interpreter: float64, slow)"}

// recipeOf returns the recipe of a spec, with defaults for what the spec leaves out.
func recipeOf(g *ir.Graph) recipe.Train {
	var r recipe.Train
	if g.Recipe.Train != nil {
		r = *g.Recipe.Train
	}
	if r.Optimizer.Kind == "" {
		r.Optimizer.Kind = "sgd"
		r.Optimizer.Momentum = 0.9
	}
	if r.Optimizer.LR == 0 {
		r.Optimizer.LR = 0.01
	}
	if r.Run.Batch == 0 {
		r.Run.Batch = 64
	}
	if r.Run.Epochs == 0 {
		r.Run.Epochs = 10
	}
	if r.Run.Seed == 0 {
		r.Run.Seed = 1
	}
	return r
}

// flagged returns a recipe with the values of flags that were given.
func flagged(c *cli.Context, r recipe.Train) recipe.Train {
	if c.IsSet("epochs") {
		r.Run.Epochs = c.Float64("epochs")
	}
	if c.IsSet("batch") {
		r.Run.Batch = c.Int("batch")
	}
	if c.IsSet("lr") {
		r.Optimizer.LR = c.Float64("lr")
	}
	if c.IsSet("seed") {
		r.Run.Seed = c.Int64("seed")
	}
	return r
}

// overrides returns the recipe of a run: that of the spec, changed by flags, within
// bounds.
func overrides(c *cli.Context, g *ir.Graph) (recipe.Train, error) {
	r := flagged(c, recipeOf(g))
	switch {
	case checkBatch(r.Run.Batch) != nil:
		return r, usagef("--batch %d (want 1 to %d)", r.Run.Batch, largestBatch)
	case !(r.Run.Epochs > 0) || math.IsInf(r.Run.Epochs, 0):
		return r, usagef("--epochs %g (want a number above 0)", r.Run.Epochs)
	case !(r.Optimizer.LR > 0) || math.IsInf(r.Optimizer.LR, 0):
		return r, usagef("--lr %g (want a number above 0)", r.Optimizer.LR)
	case c.Int("val") < -1:
		return r, usagef("--val %d (want 0 or more; -1 for the default)", c.Int("val"))
	case c.Int("overfit") > 0 && c.Int("val") > 0:
		return r, usagef("--overfit does not validate: leave out --val")
	case c.Duration("max-time") < 0:
		return r, usagef("--max-time %v (want 0 or more)", c.Duration("max-time"))
	}
	for _, name := range []string{"limit-batches", "overfit", "checkpoint-every", "threads"} {
		if n := c.Int(name); n < 0 {
			return r, usagef("--%s %d (want 0 or more)", name, n)
		}
	}
	return r, nil
}

// prepared holds what a run needs before its first step.
type prepared struct {
	graph  *ir.Graph
	spec   *source
	recipe recipe.Train
	set    *data.Source
	train  *data.Set
	val    *data.Set
	input  *data.Transform
	engine train.Engine
	dir    string
	name   string
	id     train.Identity
	labels []byte // the file of class names that the spec names, nil for none
	memory string // a line about the memory of a step, "" for none
}

func prepare(c *cli.Context) (*prepared, error) {
	if c.Bool("resume-changed") && !c.Bool("resume") {
		return nil, usagef("--resume-changed works with --resume only")
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
		arg = file // runs are often named after their network: here the network is meant
	}
	p := &prepared{}
	var err error
	if p.graph, p.spec, err = load(c, arg); err != nil {
		return nil, err
	}
	if dir := p.spec.run; dir != "" {
		if err := p.goOn(c, dir); err != nil {
			return nil, err
		}
	}
	if p.recipe, err = overrides(c, p.graph); err != nil {
		return nil, err
	}
	if err := p.resolve(c); err != nil {
		return nil, err
	}
	if p.set, err = openData(c, p.graph); err != nil {
		return nil, err
	}
	p.train = p.set.Train
	if n := c.Int("overfit"); n > 0 {
		p.train = p.train.Head(n)
		p.recipe.Augment = deterministic(p.recipe.Augment)
		p.recipe.Run.Batch = min(p.recipe.Run.Batch, p.train.Len())
	} else {
		n := c.Int("val")
		if n < 0 {
			n = p.train.Len() / 12
		}
		if n >= p.train.Len() {
			return nil, usagef("--val %d of %d training images leaves none to train on", n, p.train.Len())
		}
		if n > 0 {
			p.train, p.val = p.train.Split(p.train.Len() - n)
		}
	}
	in := p.graph.Inputs[0].Type.Shape
	// Means, deviations and whitening come from all training images, those kept for
	// validation included: incc eval does not know which those were.
	if p.input, err = data.NewTransform(p.set.Train, p.graph.Recipe.Input, p.recipe.Augment, in[1], in[2], in[3]); err != nil {
		return nil, err
	}
	if file := c.String("init"); file != "" {
		if err := loadWeights(p.graph, file, nil); err != nil {
			return nil, err
		}
	}
	if err := p.newEngine(c); err != nil {
		return nil, err
	}
	if p.name == "" {
		p.name = runName(p.spec.file)
	}
	if p.dir = c.String("out"); p.dir == "" {
		p.dir = filepath.Join("runs", p.name)
	}
	p.id, err = p.identity(c)
	return p, err
}

// identity is all that decides the weights of a run: a checkpoint of a run with
// another one is refused.
func (p *prepared) identity(c *cli.Context) (train.Identity, error) {
	val := 0
	if p.val != nil {
		val = p.val.Len()
	}
	id := train.Identity{
		"incc": version, "spec": "SHA-256 " + p.graph.Recipe.SpecHash, "data": "SHA-256 " + train.DigestData(p.set.Train),
		"images": fmt.Sprintf("%d for training and %d for validation", p.train.Len(), val),
		"batch":  fmt.Sprint(p.recipe.Run.Batch), "epochs": trimNumber(p.recipe.Run.Epochs), "seed": fmt.Sprint(p.recipe.Run.Seed), "engine": c.String("engine"),
	}
	if id["engine"] == "cpu" {
		// AVX2 and AVX-512 give the same bits, the portable kernels others.
		isa, err := kernel.Best()
		if name := c.String("isa"); name != "" {
			isa, err = kernel.ParseISA(name)
		}
		if err != nil {
			return nil, err
		}
		id["engine"] = "cpu with vector kernels"
		if isa == kernel.Portable {
			id["engine"] = "cpu with portable kernels"
		}
	}
	for _, name := range []string{"limit-batches", "overfit"} {
		if n := c.Int(name); n > 0 {
			id[name] = fmt.Sprint(n)
		}
	}
	if file := c.String("init"); file != "" {
		sum, err := fileHash(file)
		if err != nil {
			return nil, err
		}
		id["init"] = "SHA-256 " + sum
	}
	return id, nil
}

// goOn sets the flags that were not given to the values that the run began with.
func (p *prepared) goOn(c *cli.Context, dir string) error {
	if !c.Bool("resume") {
		return usagef("%s holds a run: go on with it by --resume, or begin a new one from its spec, %s", dir, p.spec.file)
	}
	b, err := readBegin(dir)
	if err != nil {
		return err
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

// resolve writes the flags of training into the text of the spec, so that the spec
// which the run keeps says all of it. Without such flags the text does not change.
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

// check refuses a folder that a run cannot begin or go on in.
func (p *prepared) check(c *cli.Context) error {
	old, err := files.Read(filepath.Join(p.dir, runSpec), maxSpecBytes)
	if c.Bool("resume") {
		if err == nil && !bytes.Equal(old, p.spec.text) && !c.Bool("resume-changed") {
			if p.spec.run != "" {
				return fmt.Errorf("these flags change the spec of the run in %s: leave them out to go on as it was begun, add --resume-changed to go on with the change, or begin a new run by --out DIR", p.dir)
			}
			return fmt.Errorf("%s holds a run of another spec than %s with these flags: go on as it was begun by incc train --resume %s, add --resume-changed to go on with the change, or begin a new run by --out DIR", p.dir, p.spec.file, p.dir)
		}
		return nil
	}
	if exists(filepath.Join(p.dir, runStart)) {
		checkpoints, err := train.Checkpoints(train.Disk{}, p.dir)
		if err != nil {
			return err
		}
		if rows, err := readResults(p.dir); err == nil && len(rows) > 0 || len(checkpoints) > 0 {
			return fmt.Errorf("%s holds a run of %d epochs: go on with --resume, or choose another folder with --out", p.dir, len(rows))
		}
		return nil
	}
	for _, name := range append([]string{runSpec}, runOutputs...) {
		if exists(filepath.Join(p.dir, name)) {
			return fmt.Errorf("%s has a file %s that belongs to no run, and a run would overwrite it: choose another folder with --out", p.dir, name)
		}
	}
	return nil
}

// begin writes into the folder what is known before the first step. run.json comes
// first: a folder that has it is that of a run.
func (p *prepared) begin(c *cli.Context) error {
	dataset, err := fromAnywhere(p.set.Name, "mnist", "fashion-mnist")
	if err != nil {
		return err
	}
	initial, err := fromAnywhere(c.String("init"), "")
	if err != nil {
		return err
	}
	err = writeOwn(filepath.Join(p.dir, runStart), func(w io.Writer) error {
		return writeJSON(w, runBegin{version, p.name, dataset, c.Int("val"), c.Int("limit-batches"), c.Int("overfit"), initial, c.String("engine"), p.id})
	})
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{runLabels, p.labels}, {runSpec, p.spec.text}} {
		if f.text == nil {
			continue
		}
		if err := writeOwn(filepath.Join(p.dir, f.name), func(w io.Writer) error { _, err := w.Write(f.text); return err }); err != nil {
			return err
		}
	}
	return removeLeftovers(p.dir)
}

// fromAnywhere makes a path absolute, so that it serves commands in other folders as
// well. Names that are no paths stay.
func fromAnywhere(path string, names ...string) (string, error) {
	if slices.Contains(names, path) {
		return path, nil
	}
	return filepath.Abs(path)
}

// runName names a run after the file of its spec. For a file in a folder of specs/
// the folder is part of the name: mnist/nin and fashion/nin are two networks.
func runName(file string) string {
	file = filepath.ToSlash(file)
	name := strings.TrimSuffix(path.Base(file), ".incc")
	if dir := path.Dir(file); path.Base(path.Dir(dir)) == "specs" {
		name = path.Base(dir) + "_" + name
	}
	return sanitizeName(name)
}

// sanitizeName makes a plain name: a path element without spaces.
func sanitizeName(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(` /\:`, r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '_'
		}
		return r
	}, name)
	for len(name) > 200 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	if !plainName(name) {
		return "run"
	}
	return name
}

// deterministic returns the augmentations that do not draw random numbers.
func deterministic(augs []recipe.Augment) []recipe.Augment {
	var r []recipe.Augment
	for _, a := range augs {
		r = append(r, recipe.Augment{GCN: a.GCN, ZCA: a.ZCA, MeanStd: a.MeanStd, MeanSubtracted: a.MeanSubtracted})
	}
	return r
}

func (p *prepared) newEngine(c *cli.Context) (err error) {
	r := p.recipe
	opt := autodiff.FromRecipe(&r)
	opt.Seed = r.Run.Seed
	opt.Norm = true
	switch e := c.String("engine"); e {
	case "ref":
		if c.IsSet("memory") {
			return usagef("--memory works with --engine cpu only")
		}
		tr, err := autodiff.Train(p.graph, opt)
		if err != nil {
			return err
		}
		if err := checkRoom(c, tr.Graph, use{batch: r.Run.Batch, weights: 2, reference: 1}); err != nil {
			return err
		}
		if p.engine, err = train.NewReference(p.graph, opt, r.Run.Batch, r.Run.Seed); err != nil {
			return err
		}
	case "cpu":
		// These are the weights that exist beside the step, which fitMemory counts.
		if err := checkRoom(c, p.graph, use{batch: r.Run.Batch, weights: 3}); err != nil {
			return err
		}
		o := cpu.Options{Threads: c.Int("threads"), ISA: c.String("isa")}
		if p.memory, err = fitMemory(c, p.graph, &opt, r.Run.Batch, o); err != nil {
			return err
		}
		p.engine, err = train.NewCPU(p.graph, opt, r.Run.Batch, r.Run.Seed, o)
	default:
		return usagef("unknown engine %s (want cpu or ref)", diag.Quote(e))
	}
	return err
}

// introduce prints what is trained, and how.
func (p *prepared) introduce(w io.Writer) {
	s := ir.Summarize(p.graph)
	fmt.Fprintf(w, "%s: %s parameters, %s MACs an image; %d training images", p.name, thousands(s.Params+s.HeadParams), thousands(s.MACs+s.HeadMACs), p.train.Len())
	if p.val != nil {
		fmt.Fprintf(w, ", %d for validation", p.val.Len())
	}
	if p.set.Test != nil {
		fmt.Fprintf(w, ", %d for the test at the end", p.set.Test.Len())
	}
	epochs := "1 epoch"
	if p.recipe.Run.Epochs != 1 {
		epochs = trimFloat(p.recipe.Run.Epochs) + " epochs"
	}
	fmt.Fprintf(w, "\n%s, learning rate %g, batch %d, %s, seed %d, into %s\n", p.recipe.Optimizer.Kind, p.recipe.Optimizer.LR, p.recipe.Run.Batch, epochs, p.recipe.Run.Seed, diag.Name(p.dir))
	if p.memory != "" {
		fmt.Fprintln(w, p.memory)
	}
}

// checkBest reads the best weights so far of a run that goes on: at its end they are
// needed. If they cannot be used, and are those of the checkpoint, they are written
// again.
func (p *prepared) checkBest(c *cli.Context, s *train.State, meta map[string]string) error {
	if s.BestAt < 0 {
		return nil
	}
	g, err := build(c, p.spec, nil)
	if err != nil {
		return err
	}
	best := filepath.Join(p.dir, bestWeights)
	err = loadWeights(g, best, nil)
	switch {
	case err == nil:
		return nil
	case s.BestAt == s.Epoch && s.Step == 0:
		fmt.Fprintf(c.App.Writer, "the best weights cannot be used: %v; they are written again from the checkpoint\n", err)
		return train.WriteWeights(train.Disk{}, best, p.engine, meta)
	}
	return fmt.Errorf("the best weights so far, those of epoch %d, cannot be used: %w\nput a good copy of the file back, or begin a new run by --out DIR", s.BestAt, err)
}

func trainRun(c *cli.Context) error {
	p, err := prepare(c)
	if err != nil {
		return err
	}
	w := c.App.Writer
	ctx, stop := interruptible(c.Context)
	defer stop()
	cfg := train.Config{Dir: p.dir, FS: train.Disk{}, Recipe: p.recipe, Seed: p.recipe.Run.Seed, Train: p.train, Val: p.val, Input: p.input, Identity: p.id,
		Epochs: p.recipe.Run.Epochs, Limit: c.Int("limit-batches"), MaxTime: c.Duration("max-time"), Resume: c.Bool("resume"), AcceptChanged: c.Bool("resume-changed"), Every: c.Int("checkpoint-every"),
		Meta: map[string]string{"incc": version, "net": p.graph.Name, "spec": p.graph.Recipe.SpecHash}}
	if c.Bool("dry-run") {
		p.introduce(w)
		return dryRun(w, p)
	}
	unlock, err := lockRun(p.dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := p.check(c); err != nil {
		return err
	}
	p.introduce(w)
	cfg.Start = func(s *train.State) error {
		if err := p.checkBest(c, s, cfg.Meta); err != nil {
			return err
		}
		return p.begin(c)
	}
	stopProfile, err := profile(c)
	if err != nil {
		return err
	}
	defer stopProfile()
	pr := newProgress(w)
	var board *tensorboard
	if c.Bool("tensorboard") {
		if board, err = newTensorboard(p.dir); err != nil {
			return err
		}
		defer board.close()
	}
	var rows []train.Row
	pr.onEpoch = func(r train.Row) error {
		rows = append(rows, r)
		if board != nil {
			board.epoch(r)
		}
		if err := writeResults(p.dir, rows); err != nil {
			return err
		}
		return drawRun(p.dir, p.name, rows)
	}
	cfg.Report = &remembering{pr, &rows}
	start := time.Now()
	state, err := train.Run(ctx, p.engine, cfg)
	if pr.epochErr != nil && err == nil {
		err = pr.epochErr
	}
	var nf *train.NonFiniteError
	var changed *train.ChangedError
	switch {
	case errors.Is(err, train.ErrInterrupted):
		fmt.Fprintf(c.App.ErrWriter, "interrupted; a checkpoint is in %s, --resume goes on from it\n", diag.Name(p.dir))
		return &reported{exitInterrupted}
	case errors.As(err, &nf):
		return &numericalError{err.Error()}
	case errors.As(err, &changed):
		return fmt.Errorf("%w\ngo on from it all the same by --resume-changed, or begin a new run by --out DIR", err)
	case err != nil:
		return err
	}
	return p.finish(c, state, time.Since(start))
}

// remembering is a progress that also collects the results of all epochs, those
// before a --resume included.
type remembering struct {
	*progress
	rows *[]train.Row
}

// Begin takes over the results of earlier epochs.
func (r *remembering) Begin(s *train.State, steps int, epochs float64, finished bool) {
	*r.rows = append((*r.rows)[:0], s.Rows...)
	r.progress.Begin(s, steps, epochs, finished)
}

// interruptible is cancelled by the first SIGINT or SIGTERM; the second one ends
// the process at once.
func interruptible(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-ch:
			cancel()
		case <-done:
			return
		}
		select {
		case <-ch:
			os.Exit(exitInterrupted)
		case <-done:
		}
	}()
	return ctx, func() { signal.Stop(ch); close(done); cancel() }
}

func dryRun(w io.Writer, p *prepared) error {
	b := data.NewBatches(p.input, p.train, p.engine.Batch(), p.recipe.Run.Seed, 0, 0)
	defer b.Close()
	x := b.Next()
	if x == nil {
		return fmt.Errorf("%d training images do not fill a batch of %d: take a smaller --batch", p.train.Len(), p.engine.Batch())
	}
	st, err := p.engine.Step(x.Images, x.Labels, float32(p.recipe.Optimizer.LR), 0)
	if err != nil {
		return err
	}
	// The first step is slower, as it touches its memory for the first time; the second
	// one is timed.
	start := time.Now()
	if _, err := p.engine.Step(x.Images, x.Labels, 0, 1); err != nil {
		return err
	}
	d := time.Since(start)
	fmt.Fprintf(w, "one step: loss %.4f, norm of the gradients %.4g, %.0f ms", st.Loss, st.Norm, float64(d.Microseconds())/1000)
	if e, ok := p.engine.(*train.CPU); ok {
		fmt.Fprintf(w, ", %s of memory", bytesText(e.Memory()))
	}
	fmt.Fprintf(w, "; %d steps an epoch, about %s for all\nnothing was written\n", b.Steps(), shortTime(d.Seconds()*float64(b.Steps())*p.recipe.Run.Epochs))
	if !st.Finite() {
		return &numericalError{"the loss or a gradient is not finite"}
	}
	return nil
}

// chosen names the weights that a run ends with.
func (p *prepared) chosen(s *train.State) string {
	switch {
	case s.BestAt < 0:
		return fmt.Sprintf("after %d steps", s.Global)
	case p.val == nil:
		return fmt.Sprintf("epoch %d, the best in training", s.BestAt)
	}
	return fmt.Sprintf("epoch %d, the best on validation", s.BestAt)
}

// finish loads the best weights, evaluates them on the test images, and writes the
// files of a finished run.
func (p *prepared) finish(c *cli.Context, s *train.State, took time.Duration) error {
	w := c.App.Writer
	if err := writeResults(p.dir, s.Rows); err != nil {
		return err
	}
	if len(s.Rows) > 0 {
		if err := drawRun(p.dir, p.name, s.Rows); err != nil {
			return err
		}
	}
	best := filepath.Join(p.dir, bestWeights)
	if s.BestAt < 0 {
		best = filepath.Join(p.dir, lastWeights)
	}
	g, err := build(c, p.spec, nil)
	if err != nil {
		return err
	}
	if err := loadWeights(g, best, nil); err != nil {
		return err
	}
	sum, err := fileHash(best)
	if err != nil {
		return err
	}
	seconds := 0.0
	for _, r := range s.Rows {
		seconds += r.Seconds
	}
	total := ir.Summarize(g)
	info := runInfo{Name: p.name, Net: g.Name, Spec: g.Recipe.SpecHash, Data: p.set.Name, Version: version, Engine: c.String("engine"), Batch: p.recipe.Run.Batch,
		Seed: p.recipe.Run.Seed, Params: total.Params + total.HeadParams, Epochs: len(s.Rows), BestEpoch: s.BestAt, TrainImages: p.train.Len(), LimitBatches: c.Int("limit-batches"), TrainSeconds: seconds, WeightsHash: sum}
	if n := len(s.Rows); n > 0 {
		last := s.Rows[n-1]
		info.TrainLoss, info.TrainAcc = last.TrainLoss, last.TrainAcc
	}
	if p.val != nil {
		info.ValImages = p.val.Len()
		if s.BestAt > 0 {
			v := s.Rows[s.BestAt-1].ValAcc
			info.ValAcc = &v
		}
	}
	set := p.set.Test
	if set == nil {
		set = p.val
	}
	if set != nil && c.Int("overfit") == 0 {
		score, err := scoreOf(c, g, set, p.input)
		if err != nil {
			return err
		}
		if err := drawConfusion(writeOwn, filepath.Join(p.dir, "confusion.png"), score.Confusion, classNames(g, set)); err != nil {
			return err
		}
		if set == p.set.Test {
			info.TestAcc, info.TestImages = &score.Accuracy, score.Images
			if !math.IsNaN(score.Loss) && !math.IsInf(score.Loss, 0) { // JSON has no such numbers
				info.TestLoss = &score.Loss
			}
			fmt.Fprintf(w, "test: %.2f %% of %d images (%s), loss %.4f\n", 100*score.Accuracy, score.Images, p.chosen(s), score.Loss)
		}
	}
	if _, err := passes.Run(g, passes.Level(1), passes.Options{}); err != nil {
		return err
	}
	model, err := onnx.Backend{Path: "model.onnx", Version: version}.Emit(g)
	if err != nil {
		return err
	}
	if err := writeFiles(writeOwn, p.dir, model); err != nil {
		return err
	}
	if err := writeSummaryFile(p.dir, info); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: weights, curves and model.onnx, after %s\n", diag.Name(p.dir), shortTime(took.Seconds()))
	return nil
}

func fileHash(name string) (string, error) {
	f, _, err := files.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
