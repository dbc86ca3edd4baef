package main

import (
	"time"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes"
)

func planCommand() *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "show the schedule that the executor makes of a network",
		UsageText: "incc plan SPEC [--batch N] [--measure] [--buffers] [--json]",
		Description: `Example:

   incc plan mnist/nin
   incc plan mnist/nin --measure

Each line is a step: what it computes and how, where its operands are, and the
time that the cost model predicts for one thread. --measure runs it and adds
the times of this machine and the share of its peak.`,
		Flags: append(append([]cli.Flag{
			&cli.IntFlag{Name: "batch", Value: 1, Usage: "plan for `N` images"},
			&cli.BoolFlag{Name: "measure", Usage: "run the steps and print their times"},
			&cli.BoolFlag{Name: "buffers", Usage: "list the buffers and when they live"},
			defineFlag, jsonFlag, seedFlag, weightsFlag, mapFlag, roomFlag,
		}, executorFlags()...), append(pipelineFlags(), modelFlags()...)...),
		Action: func(c *cli.Context) error {
			g, o, err := loadForExecutor(c)
			if err != nil {
				return err
			}
			if !c.Bool("measure") {
				p, err := cpu.Plan(g, o)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return writeLineJSON(c.App.Writer, p)
				}
				return p.Table(c.App.Writer, plan.TableOptions{Buffers: c.Bool("buffers"), Columns: columns(c.App.Writer)})
			}
			p, err := compileRoom(c, g, o)
			if err != nil {
				return err
			}
			s := p.NewSession()
			in, out := operands(g, o.Batch, o.Seed)
			times, err := s.StepTimes(in, out, 30)
			if err != nil {
				return err
			}
			peak := kernel.Peak(p.ISA(), p.Threads(), 200*time.Millisecond)
			if c.Bool("json") {
				return writeLineJSON(c.App.Writer, map[string]any{"plan": p.Plan(), "seconds": times, "peak_gflops": peak, "threads": p.Threads()})
			}
			sayf(c.App.Writer, "%s, %d threads, peak %.1f GFLOP/s", p.ISA(), p.Threads(), peak)
			return p.Plan().Table(c.App.Writer, plan.TableOptions{Measured: times, Peak: peak, Buffers: c.Bool("buffers"), Columns: columns(c.App.Writer)})
		},
	}
}

// loadForExecutor builds a network, gives it weights and runs the passes. It is for
// commands that time a network: without --weights it draws weights with which the
// activations keep their size from layer to layer. Denormal numbers would take longer.
func loadForExecutor(c *cli.Context) (*ir.Graph, cpu.Options, error) {
	arg, err := oneArg(c, "SPEC")
	if err != nil {
		return nil, cpu.Options{}, err
	}
	if err := checkBatch(c.Int("batch")); err != nil {
		return nil, cpu.Options{}, &usageError{err.Error()}
	}
	o, err := executorOptions(c)
	if err != nil {
		return nil, o, err
	}
	o.Batch = c.Int("batch")
	g, src, err := load(c, arg)
	if err != nil {
		return nil, o, err
	}
	if c.Command.Name == "plan" && !c.Bool("measure") {
		return planOnly(c, g, src, o)
	}
	u := use{batch: o.Batch, weights: 2, executor: true, inputs: true}
	if len(c.StringSlice("compare")) > 0 {
		u.weights += 2 // for the ONNX model that the peer runs
	}
	if err := checkRoom(c, g, u); err != nil {
		return nil, o, err
	}
	if !src.trained(c) {
		steady(g)
	}
	if err := fillWeights(c, g); err != nil {
		return nil, o, err
	}
	_, err = optimize(c, g, 2, passes.Options{})
	return g, o, err
}

// planOnly runs the passes on a network that is only planned, not run. It reads or draws
// weights only if a pass redesigns the network by their values.
func planOnly(c *cli.Context, g *ir.Graph, src *source, o cpu.Options) (*ir.Graph, cpu.Options, error) {
	p, err := pipelineOf(c, 2)
	if err != nil {
		return nil, o, err
	}
	if redesigns(p) {
		if err := checkRoom(c, g, use{batch: o.Batch, weights: 2}); err != nil {
			return nil, o, err
		}
	}
	if !src.trained(c) {
		steady(g)
	}
	_, done, err := weightsLater(c, g)
	defer done()
	if err != nil {
		return nil, o, err
	}
	_, err = optimize(c, g, 2, passes.Options{})
	return g, o, err
}

// steady changes the initialization of a network so that its activations keep their
// size from layer to layer: He initialization for every convolution and dense layer,
// and uniform random biases instead of zeros.
func steady(g *ir.Graph) {
	for _, v := range g.Params {
		if v.Param.Kind != ir.Weight {
			continue
		}
		switch {
		case len(v.Type.Shape) > 1:
			v.Param.Init = ir.Init{Kind: ir.InitHe}
		case v.Param.Init.Kind == ir.InitConstant && v.Param.Init.A == 0:
			v.Param.Init = ir.Init{Kind: ir.InitUniform, A: 0.1}
		}
	}
}

// operands returns a batch of noise for each input, and a buffer for each output.
func operands(g *ir.Graph, batch int, seed int64) (in, out [][]float32) {
	for _, v := range g.Inputs {
		in = append(in, ir.Draw("input/"+v.Name, v.Type.Shape.Bind(batch), ir.Init{Kind: ir.InitUniform, A: 1}, seed).Data)
	}
	for _, v := range g.Outputs {
		out = append(out, make([]float32, batch*v.Type.Shape.Size()))
	}
	return in, out
}
