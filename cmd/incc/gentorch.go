package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/backends/torch"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

func genTorchCommand() *cli.Command {
	return &cli.Command{
		Name:      "torch",
		Usage:     "generate a PyTorch module of a network",
		UsageText: "incc gen torch SPEC -o DIR [--weights FILE.safetensors] [--train]",
		Description: `Example:

   incc gen torch googlenet --weights googlenet.safetensors -o googlenet_torch

DIR gets model.py, with one nn.Module for each labelled part and block of the spec,
and weights.safetensors. The names in the model's state_dict are those of incc: it
loads the files of weights that incc writes, and incc reads what
safetensors.torch.save_file writes of its state_dict.

With --train DIR also gets train.py, which trains as the train block of the spec says,
on one process or on many (PyTorch's DistributedDataParallel under torchrun), its
settings (recipe.py) and data sets (data.py), and a README.md with the commands. The
weights that it begins with are those of incc train, and so are the validation images
and the order of the images. Random changes of images are others. The folder of a run
of train.py is one of incc train: incc eval RUN, predict RUN, compare RUN OTHER, view RUN,
compile RUN and gen go RUN take it.

An ONNX model in place of SPEC becomes the spec that incc import writes, whose layers
and blocks are the modules. incc explain torch says more.

To find stale output in CI: incc gen torch ... --check`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the files into `DIR`"},
			&cli.BoolFlag{Name: "train", Usage: "add a program that trains, with files for containers and clusters"},
			&cli.BoolFlag{Name: "check", Usage: "write nothing; print a diff and exit 1 if the output is stale"},
			defineFlag, seedFlag, weightsFlag, mapFlag,
		}, modelFlags()...),
		Action: genTorch,
	}
}

func genTorch(c *cli.Context) error {
	arg, err := oneArg(c, "SPEC")
	if err != nil {
		return err
	}
	dir := c.String("output")
	if dir == "" {
		return usagef("missing -o DIR, the folder to write to")
	}
	if err := notStdout("output", dir, "a package"); err != nil {
		return err
	}
	files, note, err := torchPackage(c, arg, dir)
	if err != nil {
		return err
	}
	if c.Bool("check") {
		return checkFresh(c.App.Writer, files, nil)
	}
	if err := checkTorchFolder(files, c.String("weights")); err != nil {
		return err
	}
	if err := writeChanged(files, nil); err != nil {
		return err
	}
	size := int64(0)
	for _, f := range files {
		if f.weights != nil {
			size = f.size()
		}
	}
	if err := sayf(c.App.Writer, "wrote %s into %s: %s; %s of weights", diag.Count(len(files), "file"), shortPath(dir), mainFiles(files), bytesText(size)); err != nil {
		return err
	}
	if note != "" {
		if err := say(c.App.ErrWriter, note); err != nil {
			return err
		}
	}
	return sayDrawn(c.App.Writer, hasTrained(c, arg))
}

// mainFiles names the files that a user runs or imports.
func mainFiles(files []genFile) string {
	var list []string
	for _, f := range files {
		switch name := filepath.Base(f.path); name {
		case "model.py", "train.py", "README.md":
			list = append(list, name)
		}
	}
	if len(list) < len(files) {
		list = append(list, "…")
	}
	return strings.Join(list, ", ")
}

// torchPackage generates the files of a package for PyTorch. note is for the user, or "".
func torchPackage(c *cli.Context, arg, dir string) (files []genFile, note string, err error) {
	g, src, err := load(c, arg)
	if err != nil {
		return nil, "", err
	}
	if err := checkRoom(c, g, use{weights: 2}); err != nil {
		return nil, "", err
	}
	if path := c.String("weights"); path != "" {
		if err := loadWeights(c, g, path); err != nil {
			return nil, "", err
		}
	}
	if src.model {
		if g, src, note, err = specForTorch(c, g, src); err != nil {
			return nil, "", err
		}
	}
	opt := torch.Options{Command: "incc gen torch " + genCommandLine(c, arg), Version: version}
	seed := c.Int64("seed")
	if c.Bool("train") {
		r := recipeOf(g)
		if c.IsSet("seed") {
			r.Run.Seed = seed
		}
		seed = r.Run.Seed // incc train draws the weights from it
		opt.Train = &r
		opt.Run = runName(src.file)
		if opt.Spec, opt.Labels, err = runSpecTemplate(c, src, r); err != nil {
			return nil, "", err
		}
	}
	list, err := torch.Package(g, opt)
	if err != nil {
		return nil, "", err
	}
	for _, f := range list {
		files = append(files, genFile{path: filepath.Join(dir, f.Path), data: f.Data})
	}
	ir.Materialize(g, seed)
	w := &weightsFile{meta: map[string]string{"incc": version, "net": g.Name, "spec": g.Recipe.SpecHash}}
	for _, v := range g.Params {
		if v.Param.Kind != ir.Constant {
			w.infos = append(w.infos, safetensors.TensorInfo{Name: v.Name, Shape: v.Type.Shape})
			w.data = append(w.data, g.Data[v.Name].Data)
		}
	}
	return append(files, genFile{path: filepath.Join(dir, torch.WeightsFile), weights: w}), note, nil
}

// specForTorch writes an ONNX model as the spec that incc import makes of it, so that its
// modules are layers and blocks. Where that is not possible it returns the graph of the model
// itself. note says which of them it is.
func specForTorch(c *cli.Context, g *ir.Graph, model *source) (*ir.Graph, *source, string, error) {
	s, err := specOfModel(g, model)
	why := ""
	if err != nil {
		why = err.Error()
	} else if check := compareImported(c, g, s); check.bad {
		why = "their outputs differ"
	}
	switch {
	case why != "" && c.Bool("train"):
		return nil, nil, "", fmt.Errorf("--train: %s cannot be written as a spec, which a run needs: %s", diag.Name(model.file), why)
	case why != "":
		return g, model, "note: the model cannot be written as a spec (" + why + "), so its modules are the ops of the model", nil
	}
	note := "note: the modules are those of the spec that incc import " + diag.Name(model.file) + " writes"
	if s.Flat != "" {
		note = "note: " + s.Flat + ", so the modules are the ops of the model"
	}
	if s.Picture != nil {
		note += "; the preprocessing of the model is not in model.py but in the input statement of the spec"
	}
	spec := &source{file: strings.TrimSuffix(model.file, filepath.Ext(model.file)) + ".incc", text: s.Text,
		open: func(string) ([]byte, error) { return s.Labels, nil }}
	return s.Graph, spec, note, nil
}

// checkTorchFolder returns an error if a file would replace one that incc gen torch did not
// write. weights is the file of --weights.
func checkTorchFolder(files []genFile, weights string) error {
	generated := true // the folder has a generated model, so the weights are generated, too
	for _, f := range files {
		info, err := os.Stat(f.path)
		if err != nil {
			generated = generated && (f.weights != nil || filepath.Base(f.path) == torch.LabelsFile)
			continue
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file", shortPath(f.path))
		}
		if f.onDisk() {
			continue
		}
		if f.weights == nil && filepath.Base(f.path) != torch.LabelsFile {
			if b, err := readOutput(f.path); err != nil || !torch.IsGenerated(b) {
				return fmt.Errorf("%s was not generated by incc: move it away, or write to another folder", shortPath(f.path))
			}
			continue
		}
		if read, err := os.Stat(weights); weights != "" && err == nil && os.SameFile(read, info) {
			return fmt.Errorf("%s is also the file of --weights: move it away, or write to another folder", shortPath(f.path))
		}
		if !generated {
			return fmt.Errorf("%s holds other contents and no package was generated here: move it away, or write to another folder", shortPath(f.path))
		}
	}
	return nil
}
