package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

var engineFlag = &cli.StringFlag{Name: "engine", Value: "cpu", Usage: "compute with `ENGINE`: cpu (the SIMD executor) or ref (the reference interpreter: float64, slow)"}

// executorFlags returns the flags of commands that use the executor; executorOptions
// reads them.
func executorFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "threads", Usage: "run on `N` threads; GOMAXPROCS by default"},
		&cli.StringFlag{Name: "isa", Usage: "use the kernels for `ISA`: avx512, avx2, neon or portable; by default the best that the machine has"},
		&cli.BoolFlag{Name: "direct", Usage: "use only direct convolution, not Winograd"},
		&cli.StringFlag{Name: "tuning", Usage: "use the algorithms in `FILE`, which incc bench --tune writes"},
	}
}

func executorOptions(c *cli.Context) (cpu.Options, error) {
	o := cpu.Options{Threads: c.Int("threads"), ISA: c.String("isa"), Direct: c.Bool("direct"), Seed: c.Int64("seed")}
	if err := checkThreads(o.Threads); err != nil {
		return o, err
	}
	var err error
	if path := c.String("tuning"); path != "" {
		o.Tuning, err = readTuning(path)
	}
	return o, err
}

// checkThreads checks the value of --threads; 0 takes as many as Go may use.
func checkThreads(n int) error {
	if n < 0 || n > cpu.MaxThreads {
		return usagef("--threads %d (want 1 to %d)", n, cpu.MaxThreads)
	}
	return nil
}

// evaluate runs the network on its inputs and returns the values outs. The executor reads
// weights without data in g from file, if file is not nil.
func evaluate(c *cli.Context, g *ir.Graph, file *safetensors.Tensors, x []*tensor.Tensor, outs []*ir.Value) ([]*tensor.F32, error) {
	var ys []*tensor.F32
	switch e := c.String("engine"); e {
	case "ref":
		res, err := ref.Run(g, x, ref.Options{Keep: outs, Seed: c.Int64("seed")})
		if err != nil {
			return nil, err
		}
		for _, out := range outs {
			ys = append(ys, tensor.Round(res[out]))
		}
		return ys, nil
	case "cpu":
		o, err := executorOptions(c)
		if err != nil {
			return nil, err
		}
		h := g.Clone()
		h.Heads, h.Outputs = nil, nil
		for _, out := range outs {
			h.Outputs = append(h.Outputs, h.Value(out.Name))
		}
		o.Batch, o.Weights = imagesOfInputs(g, x), file
		p, err := compileRoom(c, h, o)
		if err != nil {
			return nil, err
		}
		var in, data [][]float32
		for _, t := range x {
			in = append(in, tensor.Round(t).Data)
		}
		for _, out := range outs {
			y := tensor.Make[float32](out.Type.Shape.Bind(o.Batch))
			ys, data = append(ys, y), append(data, y.Data)
		}
		return ys, p.NewSession().Run(in, data)
	default:
		return nil, usagef("unknown engine %s (want cpu or ref)", diag.Quote(e))
	}
}

// largestBatch is the largest batch that a command accepts, in images.
const largestBatch = 4096

func checkBatch(n int) error {
	if n < 1 || n > largestBatch {
		return fmt.Errorf("a batch cannot have %d images (want 1 to %d)", n, largestBatch)
	}
	return nil
}
