package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/classify"
	"github.com/incc-lang/incc/dsl/decompile"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes/compress"
)

func compressCommand() *cli.Command {
	return &cli.Command{
		Name:      "compress",
		Usage:     "make a trained network smaller and faster at a stated price",
		UsageText: "incc compress RUN --data DATA BUDGET -o DIR [--finetune EPOCHS]\nincc compress SPEC --weights FILE.safetensors --data DATA BUDGET -o DIR\nincc compress MODEL.onnx --data DATA BUDGET -o DIR",
		Description: `Example:

   incc weights mnist/lenet -o lenet.safetensors
   incc compress mnist/lenet --weights lenet.safetensors --data mnist --val 200 --images 32 --target-macs 0.8x -o small

Layers become several thin ones of low rank, and channels that matter least go. The
trained weights decide: each change of each layer is timed on this machine and tried
on some training images, and the network gets those that damage least for the time
that they save, until the budget is met: --max-accuracy-drop, --target-macs or
--target-ms. --finetune trains the result further. incc explain compress says more.

The folder DIR gets net.incc, weights.safetensors, a table (compress.csv) with a
chart (compress.svg, compress.png), and the folder run, which other commands take in
place of a SPEC. A compression that was interrupted goes on when the same command is
given again, with the same result.`,
		Flags: append(append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to the folder `DIR`"},
			dataFlag, strictFlag, weightsFlag, mapFlag, defineFlag, seedFlag, roomFlag, valFlag,
			&cli.StringFlag{Name: "max-accuracy-drop", Usage: "compress until the accuracy on the validation images drops by at most `DROP`, such as 0.5%"},
			&cli.StringFlag{Name: "target-macs", Usage: "compress to `PART` of the multiply-accumulates, such as 0.5x"},
			&cli.StringFlag{Name: "target-ms", Usage: "compress to `TIME` for --batch images: milliseconds, such as 8, or a part of the time now, such as 0.6x"},
			&cli.Float64Flag{Name: "finetune", Usage: "train the compressed network for `EPOCHS` with the recipe of the spec, from the rate of its last epoch down"},
			&cli.Float64Flag{Name: "lr", Usage: "begin --finetune with the learning `RATE`"},
			&cli.IntFlag{Name: "limit-batches", Usage: "let --finetune train for at most `N` steps in each epoch"},
			&cli.IntFlag{Name: "tries", Value: 3, Usage: "with --max-accuracy-drop and --finetune, train at most `N` networks to find the fastest in the budget"},
			&cli.BoolFlag{Name: "quantize", Usage: "also write int8.onnx, the result in 8-bit integers, as incc quantize makes it"},
			&cli.IntFlag{Name: "images", Value: 128, Usage: "compare outputs for `N` training images, the same share of each class"},
			&cli.IntFlag{Name: "batch", Value: 1, Usage: "measure times for `N` images at once"},
			&cli.StringFlag{Name: "cost", Value: "ms", Usage: "choose changes by what they save of `COST`: ms, the time on this machine, or macs. --target-macs takes macs of the changes that save time"},
			&cli.BoolFlag{Name: "sensitivity", Usage: "print the errors and the time of each change of each layer"},
			&cli.StringSliceFlag{Name: "compare", Usage: "also draw `RUN` into the chart, the folder of a run; can be repeated"},
			&cli.BoolFlag{Name: "force", Usage: "begin again where DIR has a compression of another network, or with other settings"},
		}, executorFlags()...), modelFlags()...),
		Action: compressNetwork,
	}
}

// compressBudget is what a compression may cost and must reach; numbers below 0 are not given.
type compressBudget struct {
	drop     float64 // of the accuracy, as a part of 1
	macs     float64 // as a part of those of the network
	ms       float64 // for a batch
	relative bool    // ms is a part of the time of the network
}

// budgetOf reads the flags of the budget.
func budgetOf(c *cli.Context) (b compressBudget, err error) {
	b = compressBudget{macs: -1, ms: -1}
	if b.drop, err = accuracyDrop(c.String("max-accuracy-drop")); err != nil {
		return b, err
	}
	if s := c.String("target-macs"); s != "" {
		number, _ := strings.CutSuffix(s, "x")
		x, err := strconv.ParseFloat(number, 64)
		if err != nil || !(x > 0 && x < 1) {
			return b, usagef("--target-macs %s (want a part of the multiply-accumulates now, such as 0.5x)", diag.Quote(s))
		}
		b.macs = x
	}
	if s := c.String("target-ms"); s != "" {
		var number string
		number, b.relative = strings.CutSuffix(s, "x")
		x, err := strconv.ParseFloat(number, 64)
		if err != nil || !(x > 0) || math.IsInf(x, 0) || b.relative && x >= 1 {
			return b, usagef("--target-ms %s (want milliseconds, such as 8, or a part of the time now, such as 0.6x)", diag.Quote(s))
		}
		b.ms = x
	}
	if b.drop < 0 && b.macs < 0 && b.ms < 0 {
		return b, usagef("missing the budget: --max-accuracy-drop 0.5%%, --target-macs 0.5x or --target-ms 8")
	}
	return b, nil
}

// compressor compresses a network.
type compressor struct {
	sample
	ctx    context.Context
	g      *ir.Graph // trained, without auxiliary classifiers and without layers that merge with others
	merged int       // layers that are gone by that
	src    *source
	dir    string
	budget compressBudget
	cache  compress.Cache
	*journal

	scores map[string][]float64 // of the output channels, by layer
	units  []*compressUnit
	first  compressRow // the network as it is
	timer  *timer      // of it
	data   string      // the data set, as run.json names it
	names  []string    // of the classes
}

func compressNetwork(c *cli.Context) error {
	arg, err := oneArg(c, "SPEC")
	if err != nil {
		return err
	}
	if err := checkCompressFlags(c); err != nil {
		return err
	}
	budget, err := budgetOf(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	p := &compressor{sample: sample{c: c}, ctx: ctx, dir: c.String("output"), budget: budget}
	if err := p.load(arg); err != nil {
		return err
	}
	unlock, err := lockRun(p.dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := p.openJournal(); err != nil {
		return err
	}
	defer p.journal.close()
	err = p.carryOut()
	if err != nil && ctx.Err() != nil {
		sayf(c.App.ErrWriter, "interrupted; the same command goes on from what is in %s", diag.Name(p.dir))
		return &reported{exitInterrupted}
	}
	return err
}

// checkCompressFlags checks the flags that need no network.
func checkCompressFlags(c *cli.Context) error {
	dir := c.String("output")
	if dir == "" {
		return usagef("missing -o DIR, the folder to write")
	}
	if err := notStdout("output", dir, "several files"); err != nil {
		return err
	}
	if err := checkImages(c); err != nil {
		return err
	}
	if err := checkBatch(c.Int("batch")); err != nil {
		return &usageError{err.Error()}
	}
	if cost := c.String("cost"); cost != "ms" && cost != "macs" {
		return usagef("unknown --cost %s (want ms or macs)", diag.Quote(cost))
	}
	if x := c.Float64("finetune"); !(x >= 0 && x <= mostEpochs) {
		return usagef("--finetune %g (want a number of epochs, 0 for none)", x)
	}
	if c.Float64("finetune") == 0 {
		if err := worksOnly(c, "with --finetune", "lr", "limit-batches", "tries"); err != nil {
			return err
		}
	}
	if x := c.Float64("lr"); c.IsSet("lr") && (!(x > 0) || math.IsInf(x, 0)) {
		return usagef("--lr %g (want a number above 0)", x)
	}
	if n := c.Int("limit-batches"); n < 0 {
		return usagef("--limit-batches %d (want 0 or more)", n)
	}
	if n := c.Int("tries"); n < 1 {
		return usagef("--tries %d (want 1 or more)", n)
	}
	_, err := parseValidation(c.String("val"))
	if err != nil {
		return usagef("%v", err)
	}
	return nil
}

// load reads the network, its weights and the images.
func (p *compressor) load(arg string) error {
	c := p.c
	named := c.IsSet("data")
	var err error
	if p.g, p.src, err = load(c, arg); err != nil {
		return err
	}
	if err := p.checkNetwork(); err != nil {
		return err
	}
	dataOf := p.src.run
	if named {
		dataOf = ""
	}
	if c.String("data") == "" {
		return usagef("missing --data DATA, the images that the network was trained on")
	}
	if err := checkRoom(c, p.g, use{batch: max(c.Int("batch"), calibrationBatch), weights: 6, executor: true}); err != nil {
		return err
	}
	d, err := openData(c, p.g, dataOf)
	if err != nil {
		return err
	}
	if err := fillForInference(c, p.g); err != nil {
		return err
	}
	if p.data, err = datasetPath(d.Name); err != nil {
		return err
	}
	p.names = classNames(p.g, d.Train)
	div, err := p.divisionFor(d)
	if err != nil {
		return err
	}
	if div.val == nil && c.Float64("finetune") > 0 {
		return usagef("--finetune needs images for validation that it does not train on: leave out --val 0, or name some with --val")
	}
	if err := p.read(p.g, d, div.train, div.val); err != nil {
		return err
	}
	if err := p.identify(d, div); err != nil {
		return err
	}
	p.merged, err = compress.MergeLinear(p.g)
	return err
}

// checkNetwork checks that the network is trained and can be fine-tuned, and makes a model a graph
// that a spec describes.
func (p *compressor) checkNetwork() error {
	c := p.c
	if !p.src.trained(c) {
		return usagef("incc compress needs --weights FILE.safetensors, or the folder of a run as SPEC: it decides by trained weights")
	}
	if p.src.model {
		if _, err := classify.Classes(p.g); err != nil {
			return err
		}
		classify.TakePictures(p.g)
		s, err := decompile.Write(p.g)
		if err != nil {
			return fmt.Errorf("%s: %w", diag.Name(p.src.file), err)
		}
		p.g = s.Graph
	}
	if c.Float64("finetune") > 0 && p.g.Recipe.Train == nil {
		return usagef("--finetune needs a train block, and %s has none: incc import writes a model as a spec, to which you can add one", diag.Name(p.src.file))
	}
	return nil
}
