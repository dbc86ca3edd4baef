package main

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/executor"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check an ONNX model against the standard",
		UsageText: "incc verify FILE.onnx [--run]",
		Description: `Example:

   incc verify mynet.onnx
   incc verify mynet.onnx --run

Checks the order of nodes, names, shapes, attributes and the lengths of weights. It
also reports defects that other checkers and runtimes accept; a defect that does not
change the results is a note, such as a wrong declared shape. --run runs the model on
noise, on the reference interpreter and on the executor, and compares the results.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "run", Usage: "run the model on the reference interpreter and the executor"},
			&cli.Int64Flag{Name: "seed", Value: 1, Usage: "`SEED` of the noise"},
			&cli.IntFlag{Name: "threads", Usage: "run on `N` threads; GOMAXPROCS by default"},
			&cli.StringFlag{Name: "isa", Usage: "use the kernels for `ISA`: avx512, avx2, neon or portable"},
			roomFlag, rootFlag, imageFlag,
		},
		Action: func(c *cli.Context) error {
			path, err := oneArg(c, "FILE.onnx")
			if err != nil {
				return err
			}
			if !c.Bool("run") {
				if err := worksOnly(c, "with --run", "seed", "threads", "isa", "image"); err != nil {
					return err
				}
			}
			m, err := readModel(c, path)
			if err != nil {
				return err
			}
			bad := 0
			for _, p := range onnx.Verify(m) {
				if p.Minor {
					say(c.App.ErrWriter, diag.Printable(fmt.Sprintf("note: %s: %s", path, p)))
					continue
				}
				bad++
				say(c.App.ErrWriter, diag.Printable(fmt.Sprintf("%s: %s", path, p)))
			}
			if bad > 0 {
				return fmt.Errorf("%s: %s", path, diag.Count(bad, "problem"))
			}
			gr := m.Proto.Graph
			if err = say(c.App.Writer, fmt.Sprintf("%s: sound; %d nodes, %d initializers, opset %s", diag.Name(path), len(gr.Node), len(gr.Initializer), opsetText(m))); err != nil || !c.Bool("run") {
				return err
			}
			keys, err := imageKeys(c, &m)
			if err != nil {
				return fmt.Errorf("%s: %w", diag.Name(path), err)
			}
			if keys != "" {
				return usagef("--image of incc verify takes a size only, such as 3x224x224: the input is noise")
			}
			return runModel(c, path, m)
		},
	}
}

// opsetText returns the opset of a model that Verify accepts, as text.
func opsetText(m *onnx.Model) string {
	for _, o := range m.Proto.OpsetImport {
		if o.Domain == "" || o.Domain == "ai.onnx" {
			if o.Version < onnx.OldestChecked {
				return fmt.Sprintf("%d, checked in the form of opset %d", o.Version, onnx.OldestChecked)
			}
			return fmt.Sprint(o.Version)
		}
	}
	return "unknown"
}

// runModel runs a model on noise, on the reference interpreter and on the executor with
// direct convolution, and prints how far the outputs differ. It returns a numericalError
// if an output differs by more than 1e-4 of its largest element.
func runModel(c *cli.Context, path string, m *onnx.Model) error {
	g, err := onnx.Import(m)
	if err != nil {
		return fmt.Errorf("%s: %w", diag.Name(path), err)
	}
	sayPrecision(c, path, m)
	if err := checkRoom(c, g, use{batch: 1, weights: 1, inputs: true, executor: true, reference: 1}); err != nil {
		return err
	}
	p, err := compileModel(c, m, g)
	if err != nil {
		return fmt.Errorf("%s: %w", diag.Name(path), err)
	}
	var in []*tensor.Tensor
	var rounded [][]float32
	for _, v := range g.Inputs {
		if v.Type.DType != ir.F32 {
			return fmt.Errorf("%s: input %s is %v: --run makes float32 inputs only", diag.Name(path), diag.Name(v.Name), v.Type)
		}
		x := tensor.Widen(ir.Draw("input/"+v.Name, v.Type.Shape.Bind(1), ir.Init{Kind: ir.InitUniform, A: 1}, c.Int64("seed")))
		in, rounded = append(in, x), append(rounded, tensor.Round(x).Data)
	}
	res, err := ref.Run(g, in, ref.Options{})
	if err != nil {
		return err
	}
	var out [][]float32
	for _, v := range g.Outputs {
		out = append(out, make([]float32, len(res[v].Data)))
	}
	if err := p.NewSession().Run(rounded, out); err != nil {
		return err
	}
	t := newTable("output", "shape", ">largest", ">difference", ">relative")
	bad := false
	for i, v := range g.Outputs {
		if slices.ContainsFunc(res[v].Data, func(x float64) bool { return x-x != 0 }) {
			return &numericalError{fmt.Sprintf("output %s is not finite for an input of noise: weights are NaN or too large", diag.Name(v.Name))}
		}
		d, scale := tensor.MaxDiff(tensor.Widen(tensor.Of(out[i], res[v].Shape...)), res[v])
		t.Add(diag.Name(v.Name), v.Type.Shape.WithoutBatch().String(), fmt.Sprintf("%.4g", scale), fmt.Sprintf("%.2g", d), fmt.Sprintf("%.2g", d/scale))
		bad = bad || !(d <= 1e-4*scale)
	}
	t.write(c.App.Writer)
	if bad {
		return &numericalError{"the results of the executor and of the reference interpreter do not agree"}
	}
	return nil
}

// compileModel compiles g, the graph of a model, for one image. If the executor does not
// support g, because its batch is symbolic or it has no batch axis, compileModel tries
// the equivalent graphs of package form.
func compileModel(c *cli.Context, m *onnx.Model, g *ir.Graph) (*cpu.Program, error) {
	if err := checkThreads(c.Int("threads")); err != nil {
		return nil, err
	}
	o := cpu.Options{Direct: true, Threads: c.Int("threads"), ISA: c.String("isa")}
	return executor.Compile(m, g, o, func(g *ir.Graph, o cpu.Options) (*cpu.Program, error) { return compileRoom(c, g, o) })
}
