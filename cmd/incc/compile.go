package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/onnx"
	readweights "github.com/incc-lang/incc/backends/weights"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes"
)

func compileCommand() *cli.Command {
	return &cli.Command{
		Name:      "compile",
		Usage:     "compile a spec to an ONNX model",
		UsageText: "incc compile SPEC -o FILE.onnx [--weights FILE.safetensors]",
		Description: `Example:

   incc compile mynet.incc -o mynet.onnx

Without --weights, random weights are drawn from --seed with the initialization of
the spec. --verify runs the network on the reference interpreter before and after
every pass, and prints the largest difference for each.`,
		Flags: append(append([]cli.Flag{
			outFlag, defineFlag, headsFlag, seedFlag, weightsFlag, mapFlag, roomFlag,
			&cli.IntFlag{Name: "opset", Value: onnx.DefaultOpset, Usage: fmt.Sprintf("ONNX `OPSET`, %d to %d", onnx.DefaultOpset, onnx.MaxOpset)},
			&cli.BoolFlag{Name: "external", Usage: "put the weights into a second file, FILE.onnx.data"},
			&cli.IntFlag{Name: "batch", Usage: "fix the batch to `N` images; any number by default"},
			&cli.BoolFlag{Name: "verify", Usage: "compare the network before and after every pass"},
			&cli.BoolFlag{Name: "timing", Usage: "print how long each stage took"},
		}, pipelineFlags()...), modelFlags()...),
		Action: compile,
	}
}

func compile(c *cli.Context) error {
	arg, err := oneArg(c, "SPEC")
	if err != nil {
		return err
	}
	out := c.String("output")
	if out == "" {
		return &usageError{errNoOutput.Error()}
	}
	path := out
	if c.Bool("external") {
		if err := notStdout("output", out, "the two files of --external"); err != nil {
			return err
		}
		// The model names the file of its weights, which is in the same folder, so a
		// link must be followed first.
		var err error
		if path, err = files.Resolve(out); err != nil {
			return err
		}
	}
	var clock stopwatch
	g, src, err := load(c, arg)
	if err != nil {
		return err
	}
	if err := notAnInput("output", out, src.file, c.String("weights")); err != nil {
		return err
	}
	if err := checkOutput(out, onnxFile); err != nil {
		return err
	}
	if c.Bool("external") {
		if err := checkExternal(path, src.file, c.String("weights")); err != nil {
			return err
		}
	}
	if err := fitsModel(c, g); err != nil {
		return err
	}
	u := use{weights: 1}
	if needsData(c) {
		u.weights = 2 // passes make new weights of old ones
	}
	if c.Bool("verify") {
		u.batch, u.reference = 1, 2
	}
	if err := checkRoom(c, g, u); err != nil {
		return err
	}
	clock.lap("front end")
	if c.String("weights") != "" || needsData(c) {
		if err := fillWeights(c, g); err != nil {
			return err
		}
		clock.lap("weights")
	}
	var checked []passes.Difference
	opt := onnxPasses
	opt.KeepHeads = c.Bool("heads")
	rep := &passes.Report{}
	if c.Bool("verify") {
		p, err := pipelineOf(c, 1)
		if err != nil {
			return err
		}
		checked, rep, err = passes.Check(g, p, opt, passes.CheckOptions{Seed: c.Int64("seed"), Batch: 1})
		if err != nil {
			return err
		}
		tellUnchanged(c, rep)
	} else if rep, err = optimize(c, g, 1, opt); err != nil {
		return err
	}
	if ds := rep.Decisions(); len(ds) > 0 {
		if err := passes.WriteDecisions(c.App.ErrWriter, ds, columns(c.App.ErrWriter)); err != nil {
			return err
		}
	}
	clock.lap("passes")
	b := onnx.Backend{Path: filepath.Base(path), Opset: c.Int("opset"), External: c.Bool("external"), Heads: c.Bool("heads"),
		Batch: c.Int("batch"), Version: version, Seed: c.Int64("seed")}
	emitted, err := b.Emit(g)
	if err != nil {
		return err
	}
	clock.lap("ONNX")
	said := messages(c, out)
	if checked != nil {
		if err := passes.WriteDifferences(said, checked, columns(said)); err != nil {
			return err
		}
		for _, d := range checked {
			if !d.Kept() {
				return &numericalError{fmt.Sprintf("pass %s changes %s by %.2g of its largest element", d.Step, d.Value, d.Relative())}
			}
		}
	}
	if c.Bool("external") {
		err = writeFiles(writeFile, filepath.Dir(path), emitted)
	} else {
		err = writeOutput(c, out, onnxFile, func(w io.Writer) error { _, err := emitted[0].WriteTo(w); return err })
	}
	if err != nil {
		return err
	}
	clock.lap("writing")
	params, macs := networkSize(g)
	text := fmt.Sprintf("wrote %s: %s parameters, %s MACs, input %s", diag.Name(out), diag.Thousands(params), diag.Thousands(macs), g.Inputs[0].Type.Shape.WithoutBatch().String())
	if err := say(said, text); err != nil {
		return err
	}
	if err := sayDrawn(said, src.trained(c)); err != nil {
		return err
	}
	if note := dataNote(g); note != "" {
		if err := say(said, note); err != nil {
			return err
		}
	}
	if c.Bool("timing") {
		clock.write(said)
	}
	return nil
}

// checkExternal returns an error if the second file of --external, with the weights of the
// model at path, would replace a file that is not the second file of that model.
func checkExternal(path string, inputs ...string) error {
	second := path + onnx.ExternalSuffix
	if err := notAnInput("external", second, inputs...); err != nil {
		return err
	}
	if isRunFile(second) {
		return usagef("--external would replace %s, a file of a run: choose another name or folder", diag.Quote(second))
	}
	if info, err := os.Stat(second); err != nil || info.Mode().IsRegular() && info.Size() == 0 {
		return nil // there is nothing to lose, or writing tells what is wrong
	}
	const most = 64 << 20 // a model without its weights is far smaller
	if model, err := files.Read(path, most); err == nil && bytes.Contains(model, []byte(filepath.Base(second))) {
		return nil
	}
	return usagef("--external would replace %s, which is not the second file of a model %s: choose another name, or delete that file first", diag.Quote(second), diag.Quote(path))
}

// fitsModel returns an error if the weights of a network do not fit into one ONNX
// file. It is called before the weights are drawn or read. It does not count weights
// with one axis: passes may drop these, such as those of a normalization. Emit counts
// all weights.
func fitsModel(c *cli.Context, g *ir.Graph) error {
	p, err := pipelineOf(c, 1)
	if err != nil {
		return err
	}
	if c.Bool("external") || redesigns(p) {
		return nil
	}
	var heads map[*ir.Value]bool
	if !c.Bool("heads") {
		heads = readweights.HeadParams(g)
	}
	size := int64(0)
	for _, v := range g.Params {
		if v.Param.Kind == ir.Weight && len(v.Type.Shape) > 1 && !heads[v] {
			size = plus(size, times(4, elements(v.Type.Shape, 1)))
		}
	}
	if size > onnx.MaxModel {
		return fmt.Errorf("the weights of %s take %s, but an ONNX file can hold only %s: write them to a second file with --external", diag.Name(g.Name), bytesText(size), bytesText(onnx.MaxModel))
	}
	return nil
}

// needsData reports whether the passes need the values of weights, for example to fold
// them. If not, the weights are drawn later, while the model is written.
func needsData(c *cli.Context) bool {
	p, err := pipelineOf(c, 1)
	if err != nil {
		return false
	}
	for _, s := range p {
		if s.Pass.Contract == passes.Rounding {
			return true
		}
	}
	return c.Bool("verify")
}

// writeFiles writes the files of a backend into a folder. It writes the main file,
// list[0], last, so that the main file never names a file that does not exist yet.
func writeFiles(write fileWriter, dir string, list []backends.File) error {
	for i := len(list) - 1; i >= 0; i-- {
		f := list[i]
		if err := write(filepath.Join(dir, f.Path), func(w io.Writer) error { _, err := f.WriteTo(w); return err }); err != nil {
			return err
		}
	}
	return nil
}

// stopwatch records the time that each stage of a command takes.
type stopwatch struct {
	last  time.Time
	names []string
	times []time.Duration
}

// lap ends a stage. The first stage begins with the process.
func (s *stopwatch) lap(name string) {
	now := time.Now()
	if s.last.IsZero() {
		s.last = processStart
	}
	s.names, s.times = append(s.names, name), append(s.times, now.Sub(s.last))
	s.last = now
}

var processStart = time.Now()

func (s *stopwatch) write(w io.Writer) {
	t := newTable("stage", ">ms")
	for i, n := range s.names {
		t.Add(n, fmt.Sprintf("%.1f", float64(s.times[i].Microseconds())/1000))
	}
	t.write(w)
}
