package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/safetensors"
	readweights "github.com/incc-lang/incc/backends/weights"
	"github.com/incc-lang/incc/backends/weights/names"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

func weightsMapCommand() *cli.Command {
	return &cli.Command{
		Name:      "map",
		Usage:     "write a draft of a file for --map",
		UsageText: "incc weights map SPEC FILE -o MAP.txt",
		Description: `Example:

   incc weights map mynet.incc theirs.pth -o map.txt
   incc predict mynet.incc --weights theirs.pth --map map.txt cat.jpg

A line of the map has the name of a weight of the network, an equals sign, and the
name of a tensor in the file. The draft has the pairs that incc found, and as comments
the weights and tensors that are left, with their shapes.`,
		Flags: append([]cli.Flag{defineFlag, outFlag, mapFlag}, modelFlags()...),
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return usagef("incc weights map needs a SPEC and a FILE of weights\n   %s", c.Command.UsageText)
			}
			out := c.String("output")
			if out == "" {
				return &usageError{errNoOutput.Error()}
			}
			g, src, err := load(c, c.Args().First())
			if err != nil {
				return err
			}
			path := c.Args().Get(1)
			if err := notAnInput("output", out, src.file, path); err != nil {
				return err
			}
			// A map is edited by hand, so that none is replaced.
			if info, err := os.Stat(out); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
				return usagef("-o %s: there is a file of that name: choose another one, or delete it", diag.Quote(out))
			}
			f, err := openWeightsFile(c, path)
			if err != nil {
				return err
			}
			defer f.Close()
			rename, err := readMap(c.String("map"))
			if err != nil {
				return err
			}
			fit, err := readweights.Fit(g, f, rename)
			if err != nil {
				return fmt.Errorf("%s: %w", diag.Name(path), err)
			}
			if err := writeOutput(c, out, mapFile, func(w io.Writer) error { return writeMap(w, g, f, fit) }); err != nil || toStdout(out) {
				return err
			}
			return sayf(c.App.Writer, "wrote %s: %d weights of %s have tensors", diag.Name(out), len(fit.Names), g.Name)
		},
	}
}

// writeMap writes a draft of a map.
func writeMap(w io.Writer, g *ir.Graph, f *readweights.File, fit *readweights.Fitted) error {
	var b strings.Builder
	how := fit.How
	if how == "" {
		how = "by name"
	}
	fmt.Fprintf(&b, "# %d weights of %s, matched %s. A line is WEIGHT = TENSOR.\n", len(fit.Names), g.Name, how)
	taken := map[string]bool{}
	var left []*ir.Value
	for _, v := range g.Params {
		if v.Param.Kind == ir.Constant {
			continue
		}
		if name := fit.Names[v.Name]; name != "" {
			fmt.Fprintf(&b, "%s = %s\n", v.Name, diag.Printable(name))
			taken[name] = true
		} else {
			left = append(left, v)
		}
	}
	if len(left) > 0 {
		b.WriteString("\n# Weights without a tensor, with their shapes:\n")
	}
	for _, v := range left {
		fmt.Fprintf(&b, "# %s = %v\n", v.Name, v.Type.Shape)
	}
	first := true
	for _, a := range f.Arrays {
		if taken[a.Name] {
			continue
		}
		if first {
			b.WriteString("\n# Tensors that no weight has, with their shapes:\n")
			first = false
		}
		fmt.Fprintf(&b, "# %s %v\n", diag.Printable(a.Name), ir.Shape(a.Shape))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func weightsExportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "write weights under the names of another library",
		UsageText: "incc weights export SPEC --weights FILE --names torchvision -o FILE.safetensors",
		Description: `Example, for a network that was trained from specs/googlenet_bn.incc:

   incc weights export runs/googlenet_bn --names torchvision -o mine.safetensors

In Python, with the packages torchvision and safetensors:

   model = torchvision.models.googlenet(init_weights=False)
   model.load_state_dict(safetensors.torch.load_file("mine.safetensors"))

The network must have the layers of the built-in spec that describes the class.`,
		Flags: append([]cli.Flag{weightsFlag, mapFlag, defineFlag, outFlag, roomFlag,
			&cli.StringFlag{Name: "names", Value: "torchvision", Usage: "take the names of `LIBRARY`: torchvision or timm"}}, modelFlags()...),
		Action: func(c *cli.Context) error {
			arg, err := oneArg(c, "SPEC")
			if err != nil {
				return err
			}
			out := c.String("output")
			if out == "" {
				return &usageError{errNoOutput.Error()}
			}
			g, src, err := load(c, arg)
			if err != nil {
				return err
			}
			if !src.trained(c) {
				return usagef("incc weights export needs --weights FILE, or the folder of a run as SPEC")
			}
			if err := notAnInput("output", out, src.file, c.String("weights")); err != nil {
				return err
			}
			t, err := tableFor(g, c.String("names"))
			if err != nil {
				return err
			}
			if err := checkRoom(c, g, use{weights: 1}); err != nil {
				return err
			}
			if path := c.String("weights"); path != "" {
				if err := loadWeights(c, g, path); err != nil {
					return err
				}
			}
			meta := map[string]string{"format": "pt"} // as the package safetensors writes for PyTorch
			if err := writeOutput(c, out, tensorsFile, func(w io.Writer) error { return writeRenamed(w, g, t, meta) }); err != nil || toStdout(out) {
				return err
			}
			return sayf(c.App.Writer, "wrote %s: the weights of %s under the names of %s's %s", diag.Name(out), g.Name, t.Library, t.Class)
		},
	}
}

// tableFor returns the table of a library that has the names of all weights of a network.
func tableFor(g *ir.Graph, library string) (*names.Table, error) {
	var specs []string
	for _, t := range names.For(g.Name) {
		if t.Library != library || t.ChannelsLast() { // whose arrays have other axes
			continue
		}
		if !slices.ContainsFunc(g.Params, func(v *ir.Value) bool { return v.Param.Kind != ir.Constant && t.Tensor(v.Name) == "" }) {
			return t, nil
		}
		specs = append(specs, t.Spec)
	}
	if len(specs) == 0 {
		return nil, usagef("--names %s is not known (want torchvision or timm)", diag.Quote(library))
	}
	return nil, fmt.Errorf("%s does not have the layers of a spec whose names in %s are known: %s", diag.Name(g.Name), library, strings.Join(specs, ", "))
}

// writeRenamed writes the weights that a graph has under the names of a table.
func writeRenamed(w io.Writer, g *ir.Graph, t *names.Table, meta map[string]string) error {
	var infos []safetensors.TensorInfo
	var data [][]float32
	for _, v := range g.Params {
		if d := g.Data[v.Name]; d != nil && v.Param.Kind != ir.Constant {
			infos = append(infos, safetensors.TensorInfo{Name: t.Tensor(v.Name), Shape: v.Type.Shape})
			data = append(data, d.Data)
		}
	}
	tw, err := safetensors.NewTensorWriter(w, meta, infos)
	if err != nil {
		return err
	}
	for i, x := range data {
		if err := tw.Float32s(infos[i].Name, x); err != nil {
			return err
		}
	}
	return tw.Close()
}
