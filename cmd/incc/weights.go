package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

var weightsFlag = &cli.StringFlag{Name: "weights", Usage: "read the weights from a safetensors `FILE` instead of drawing them"}

// fillWeights gives every param of the graph its values: those of --weights, else
// drawn from the seed.
func fillWeights(c *cli.Context, g *ir.Graph) error { return fill(c, g, nil) }

// fillForInference drops the auxiliary classifiers first: what only they read is
// neither drawn nor read from the file.
func fillForInference(c *cli.Context, g *ir.Graph) error {
	passOver := map[string]bool{}
	for v := range headParams(g) {
		passOver[v.Name] = true
	}
	g.Heads = nil
	ir.Rewrite(g, "drop-heads").Sweep()
	return fill(c, g, passOver)
}

func fill(c *cli.Context, g *ir.Graph, passOver map[string]bool) error {
	if path := c.String("weights"); path != "" {
		if err := loadWeights(g, path, passOver); err != nil {
			return err
		}
	}
	ir.Materialize(g, c.Int64("seed"))
	return nil
}

// loadWeights puts the tensors of a safetensors file into the graph. Each weight
// and statistic of the graph must be in the file with its shape, and the file
// may hold nothing else; whatever does not fit is listed, all of it. What only
// heads read may be missing. Names in passOver are passed over.
func loadWeights(g *ir.Graph, path string, passOver map[string]bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := kernel.OpenTensors(f, fi.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	heads := headParams(g)
	params := map[string]*ir.Value{}
	var names []string
	for _, v := range g.Params {
		if v.Param.Kind != ir.Constant {
			params[v.Name] = v
			names = append(names, v.Name)
		}
	}
	var bad []string
	have := map[string]bool{}
	var there []string
	for _, t := range file.All() {
		name := t.Name
		there = append(there, name)
		v := params[name]
		if v == nil {
			if !passOver[name] {
				bad = append(bad, fmt.Sprintf("%s is not a weight of %s%s", diag.Quote(name), g.Name, didYouMean(name, names)))
			}
			continue
		}
		have[name] = true
		if !slices.Equal(t.Shape, v.Type.Shape) {
			bad = append(bad, fmt.Sprintf("%s is %v in the file, %v in %s", name, ir.Shape(t.Shape), v.Type.Shape, g.Name))
			continue
		}
		data, err := file.Float32s(name)
		if err != nil {
			bad = append(bad, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		g.Data[name] = tensor.Of(data, v.Type.Shape...)
	}
	for _, name := range names {
		if !have[name] && !heads[params[name]] {
			near := ""
			if s, ok := diag.Nearest(name, there); ok && params[s] == nil {
				near = fmt.Sprintf(" (the file has %s)", diag.Quote(s))
			}
			bad = append(bad, fmt.Sprintf("%s is not in the file%s", name, near))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	sort.Strings(bad)
	const most = 50
	more := ""
	if len(bad) > most {
		more = fmt.Sprintf("\n   and %d more", len(bad)-most)
		bad = bad[:most]
	}
	return fmt.Errorf("the weights of %s do not fit %s:\n   %s%s", path, g.Name, strings.Join(bad, "\n   "), more)
}

// headParams returns the params that only auxiliary classifiers read.
func headParams(g *ir.Graph) map[*ir.Value]bool {
	main := g.Clone()
	main.Heads = nil
	r := ir.Rewrite(main, "")
	r.Sweep()
	kept := map[string]bool{}
	for _, v := range main.Params {
		kept[v.Name] = true
	}
	only := map[*ir.Value]bool{}
	for _, v := range g.Params {
		if !kept[v.Name] {
			only[v] = true
		}
	}
	return only
}

// writeWeights writes every weight and statistic of the graph that has data as a
// safetensors file, in the order of the graph.
func writeWeights(w io.Writer, g *ir.Graph, meta map[string]string) error {
	var infos []kernel.TensorInfo
	for _, v := range g.Params {
		if v.Param.Kind != ir.Constant {
			infos = append(infos, kernel.TensorInfo{Name: v.Name, Shape: v.Type.Shape})
		}
	}
	tw, err := kernel.NewTensorWriter(w, meta, infos)
	if err != nil {
		return err
	}
	for _, t := range infos {
		if err := tw.Float32s(t.Name, g.Data[t.Name].Data); err != nil {
			return err
		}
	}
	return tw.Close()
}

func weightsCommand() *cli.Command {
	return &cli.Command{
		Name:      "weights",
		Usage:     "draw the weights of a network and write them to a safetensors file",
		UsageText: "incc weights SPEC -o FILE.safetensors [--seed N] [--conditioned]",
		Description: `Example:

   incc weights mnist/nin -o nin.safetensors

The weights are those that every command draws from the same --seed.
--conditioned draws others, for comparing programs: each layer is scaled on
noise so that activations neither fade nor grow, and normalization has
statistics of its own; with the weights that training starts from, the output
of a deep network is flat and tells little.`,
		Flags: []cli.Flag{defineFlag, seedFlag, outFlag, &cli.BoolFlag{Name: "conditioned", Usage: "scale the layers for comparisons (runs the reference interpreter once)"}},
		Action: func(c *cli.Context) error {
			arg, err := oneArg(c, "SPEC")
			if err != nil {
				return err
			}
			if c.String("output") == "" {
				return &usageError{errNoOutput.Error()}
			}
			g, _, err := load(c, arg)
			if err != nil {
				return err
			}
			if c.Bool("conditioned") {
				if _, err := ref.Condition(g, noise(g, 1, c.Int64("seed")), c.Int64("seed")); err != nil {
					return err
				}
			}
			ir.Materialize(g, c.Int64("seed"))
			meta := map[string]string{"incc": version, "net": g.Name, "spec": g.Recipe.SpecHash}
			return writeFile(c.String("output"), func(w io.Writer) error { return writeWeights(w, g, meta) })
		},
	}
}

// noise is a batch of inputs in -1..1 that depends on the seed alone.
func noise(g *ir.Graph, batch int, seed int64) *tensor.Tensor {
	in := g.Inputs[0]
	return tensor.Widen(ir.Draw("input/"+in.Name, in.Type.Shape.Bind(batch), ir.Init{Kind: ir.InitUniform, A: 1}, seed))
}
