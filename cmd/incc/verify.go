package main

import (
	"fmt"
	"os"
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
		UsageText: "incc verify FILE.onnx [--run]\nincc verify FOLDER [--run]",
		Description: `Example:

   incc verify mynet.onnx
   incc verify mynet.onnx --run

Checks the order of nodes, names, shapes, attributes and the lengths of weights. It
also reports defects that other checkers and runtimes accept; a defect that does not
change the results is a note, such as a wrong declared shape. --run runs the model on
noise, on the reference interpreter and on the executor, and compares the results.

FOLDER is that of a run or of incc import, or SPEC a spec with --weights: its weights
must fit, and the ONNX model that incc compile writes of it is checked.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "run", Usage: "run the model on the reference interpreter and the executor"},
			&cli.Int64Flag{Name: "seed", Value: 1, Usage: "`SEED` of the noise"},
			&cli.IntFlag{Name: "threads", Usage: "run on `N` threads; GOMAXPROCS by default"},
			&cli.StringFlag{Name: "isa", Usage: "use the kernels for `ISA`: avx512, avx2, neon or portable"},
			defineFlag, weightsFlag, mapFlag, roomFlag, rootFlag, imageFlag,
		},
		Action: verify,
	}
}

func verify(c *cli.Context) error {
	path, err := oneArg(c, "FILE.onnx or FOLDER")
	if err != nil {
		return err
	}
	if !c.Bool("run") {
		if err := worksOnly(c, "with --run", "seed", "threads", "isa", "image"); err != nil {
			return err
		}
	}
	if fi, err := os.Stat(path); !isModel(path) && (err == nil && fi.IsDir() || c.String("weights") != "") {
		return verifyNetwork(c, path)
	}
	if err := worksOnly(c, "with a spec or the folder of a run or an import", "weights", "map", "define"); err != nil {
		return err
	}
	m, err := readModel(c, path)
	if err != nil {
		return err
	}
	if err := checkModel(c, path, m); err != nil || !c.Bool("run") {
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
}

// checkModel checks a model against the standard. It prints all problems and returns an error
// if there are any.
func checkModel(c *cli.Context, path string, m *onnx.Model) error {
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
	return say(c.App.Writer, fmt.Sprintf("%s: sound; %d nodes, %d initializers, opset %s", diag.Name(path), len(gr.Node), len(gr.Initializer), opsetText(m)))
}

// verifyNetwork checks the folder of a run or of an import, or a spec with weights: the weights,
// and the model that is written of it.
func verifyNetwork(c *cli.Context, path string) error {
	if c.IsSet("image") {
		return usagef("--image can only be used with an ONNX model that leaves the size of its picture open")
	}
	g, _, err := loadFilled(c, path)
	if err != nil {
		return err
	}
	m, err := modelOf(g)
	if err != nil { // a detector that ends with its boxes, for example
		ops, weights := diag.Count(len(g.Nodes), "op"), diag.Count(len(g.Params), "weight")
		if err := say(c.App.Writer, fmt.Sprintf("%s: %s and %s fit together; there is no ONNX model of it to check: %v", diag.Name(path), ops, weights, err)); err != nil {
			return err
		}
	} else if err := checkModel(c, path, m); err != nil {
		return err
	}
	if !c.Bool("run") {
		return nil
	}
	if err == nil {
		return runModel(c, path, m)
	}
	return runGraph(c, g, nil)
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
	if err := runGraph(c, g, m); err != nil {
		return fmt.Errorf("%s: %w", diag.Name(path), err)
	}
	return nil
}

// runGraph is runModel for the graph of a model m, or one that has no model, nil.
func runGraph(c *cli.Context, g *ir.Graph, m *onnx.Model) error {
	p, err := compileModel(c, m, g)
	if err != nil {
		return err
	}
	var in []*tensor.Tensor
	var rounded [][]float32
	for _, v := range g.Inputs {
		if v.Type.DType != ir.F32 {
			return fmt.Errorf("input %s is %v: --run makes float32 inputs only", diag.Name(v.Name), v.Type)
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
	if m == nil {
		return compileRoom(c, g, o)
	}
	return executor.Compile(m, g, o, func(g *ir.Graph, o cpu.Options) (*cpu.Program, error) { return compileRoom(c, g, o) })
}
