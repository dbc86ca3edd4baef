package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

func compileCommand() *cli.Command {
	return &cli.Command{
		Name:      "compile",
		Usage:     "compile a spec to an ONNX model",
		UsageText: "incc compile SPEC -o FILE.onnx [--weights FILE.safetensors]",
		Description: `Example:

   incc compile mynet.incc -o mynet.onnx

Without --weights they are drawn from --seed, as the spec's init says. With
--verify the network is run on the reference interpreter before and after every
pass, and the largest difference of each is printed.`,
		Flags: append([]cli.Flag{
			outFlag, defineFlag, headsFlag, seedFlag, weightsFlag,
			&cli.IntFlag{Name: "opset", Value: onnx.DefaultOpset, Usage: fmt.Sprintf("ONNX `OPSET`, %d to %d", onnx.DefaultOpset, onnx.MaxOpset)},
			&cli.BoolFlag{Name: "external", Usage: "put the weights into a second file, FILE.onnx.data"},
			&cli.IntFlag{Name: "batch", Usage: "fix the batch to `N` images; any number by default"},
			&cli.BoolFlag{Name: "verify", Usage: "compare the network before and after every pass"},
			&cli.BoolFlag{Name: "timing", Usage: "print how long each stage took"},
		}, pipelineFlags()...),
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
	var clock stopwatch
	g, _, err := load(c, arg)
	if err != nil {
		return err
	}
	clock.lap("front end")
	if c.String("weights") != "" || needsData(c) {
		if err := fillWeights(c, g); err != nil {
			return err
		}
		clock.lap("weights")
	}
	var check *passCheck
	opt := passes.Options{KeepHeads: c.Bool("heads")}
	if c.Bool("verify") {
		if check, err = newPassCheck(g, c.Int64("seed")); err != nil {
			return err
		}
		opt.After = check.after
	}
	rep, err := optimize(c, g, 1, opt)
	if err != nil {
		return err
	}
	if len(rep.Decisions()) > 0 {
		writeDecisions(c.App.ErrWriter, rep)
	}
	clock.lap("passes")
	b := onnx.Backend{Path: filepath.Base(out), Opset: c.Int("opset"), External: c.Bool("external"), Heads: c.Bool("heads"),
		Batch: c.Int("batch"), Version: version, Seed: c.Int64("seed")}
	files, err := b.Emit(g)
	if err != nil {
		return err
	}
	clock.lap("ONNX")
	if check != nil {
		if err := check.report(c.App.Writer); err != nil {
			return err
		}
	}
	if err := writeFiles(filepath.Dir(out), files); err != nil {
		return err
	}
	clock.lap("writing")
	s := ir.Summarize(g)
	fmt.Fprintf(c.App.Writer, "wrote %s: %s parameters, %s MACs, input %s\n", diag.Printable(out), thousands(s.Params+s.HeadParams), thousands(s.MACs+s.HeadMACs), shapeText(g.Inputs[0].Type))
	if c.Bool("timing") {
		clock.write(c.App.Writer)
	}
	return nil
}

// needsData reports whether passes will fold weights: their values must be there
// before. Other levels leave them to be drawn while the model is made.
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

// writeFiles writes what a backend gives; the main file comes last, so that it
// never names one that is not there.
func writeFiles(dir string, files []backends.File) error {
	for i := len(files) - 1; i >= 0; i-- {
		f := files[i]
		if err := writeFile(filepath.Join(dir, f.Path), func(w io.Writer) error { _, err := f.WriteTo(w); return err }); err != nil {
			return err
		}
	}
	return nil
}

// stopwatch remembers how long stages took.
type stopwatch struct {
	last  time.Time
	names []string
	times []time.Duration
}

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
		t.add(n, fmt.Sprintf("%.1f", float64(s.times[i].Microseconds())/1000))
	}
	t.write(w)
}

// passCheck compares a network with itself behind every pass, on the reference
// interpreter.
type passCheck struct {
	in     *tensor.Tensor
	seed   int64
	before []*tensor.Tensor
	rows   []passRow
}

type passRow struct {
	name        string
	contract    passes.Contract
	diff, scale float64
	changed     bool // outputs of other shapes, or fewer of them
}

func newPassCheck(g *ir.Graph, seed int64) (*passCheck, error) {
	p := &passCheck{in: noise(g, 1, seed), seed: seed}
	var err error
	p.before, err = p.run(g)
	return p, err
}

func (p *passCheck) run(g *ir.Graph) ([]*tensor.Tensor, error) {
	res, err := ref.Run(g, []*tensor.Tensor{p.in}, ref.Options{Seed: p.seed})
	if err != nil {
		return nil, err
	}
	var out []*tensor.Tensor
	for _, v := range g.Outputs {
		out = append(out, res[v])
	}
	return out, nil
}

func (p *passCheck) after(s passes.Step, g *ir.Graph) error {
	out, err := p.run(g)
	if err != nil {
		return fmt.Errorf("after pass %s: %w", s, err)
	}
	r := passRow{name: s.String(), contract: s.Pass.Contract, changed: len(out) != len(p.before)}
	for i := range min(len(out), len(p.before)) {
		d, m := tensor.MaxDiff(out[i], p.before[i])
		r.diff, r.scale = math.Max(r.diff, d), math.Max(r.scale, m)
	}
	p.rows, p.before = append(p.rows, r), out
	return nil
}

// report prints the differences. It is an error if a pass broke its promise: an
// exact one that changed a bit, a rounding one that changed more than rounding
// of float32 weights explains.
func (p *passCheck) report(w io.Writer) error {
	t := newTable("pass", "contract", ">largest difference", ">relative")
	var broken []string
	for _, r := range p.rows {
		rel := 0.0
		if r.diff > 0 {
			rel = r.diff / r.scale
		}
		t.add(r.name, r.contract, fmt.Sprintf("%.3g", r.diff), fmt.Sprintf("%.3g", rel))
		limit := 0.0
		switch r.contract {
		case passes.Rounding:
			limit = 1e-5
		case passes.Redesign:
			limit = math.Inf(1)
		}
		if r.changed || !(rel <= limit) {
			broken = append(broken, r.name)
		}
	}
	t.write(w)
	if len(broken) > 0 {
		return &numericalError{fmt.Sprintf("the network is not the same behind %v", broken)}
	}
	return nil
}
