package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes/autodiff"
)

var dataFlag = &cli.StringFlag{Name: "data", Usage: "`DATA` to use: mnist, fashion-mnist, or a folder of IDX files, CIFAR's binary files, or pictures with one folder a class"}

// fashionDir is where Debian's package dataset-fashion-mnist puts the files.
const fashionDir = "/usr/share/datasets/fashion-mnist"

// openData reads the data set that --data names, in the shape of the input of g. It
// returns an error if g is no classifier of pictures or has too few classes.
func openData(c *cli.Context, g *ir.Graph) (*data.Source, error) {
	name := c.String("data")
	if name == "" {
		return nil, usagef("say what to use: --data mnist, --data fashion-mnist or --data FOLDER")
	}
	classes, err := classifier(g)
	if err != nil {
		return nil, err
	}
	src, err := readData(c.Context, name, g, func(s string) { fmt.Fprintln(c.App.ErrWriter, s) })
	if err != nil {
		return nil, err
	}
	src.Name = name
	if src.Train.Classes > classes {
		return nil, fmt.Errorf("%s has %d classes, %s only %d", diag.Printable(name), src.Train.Classes, g.Name, classes)
	}
	a, b := src.Train, src.Test
	if b != nil && (a.C != b.C || a.H != b.H || a.W != b.W || b.Classes > a.Classes) {
		return nil, fmt.Errorf("%s: its test images are %dx%dx%d of %d classes, its training images %dx%dx%d of %d", diag.Printable(name), b.C, b.H, b.W, b.Classes, a.C, a.H, a.W, a.Classes)
	}
	return src, nil
}

// classifier returns the number of classes of a network with one picture as input and
// one number for each class as output. It returns an error for other networks.
func classifier(g *ir.Graph) (int, error) {
	if len(g.Inputs) != 1 || len(g.Outputs) != 1 {
		return 0, fmt.Errorf("%s has %d inputs and %d outputs; a classifier of pictures has one of each", g.Name, len(g.Inputs), len(g.Outputs))
	}
	if in := g.Inputs[0].Type; len(in.Shape) != 4 || in.DType != ir.F32 {
		return 0, fmt.Errorf("input %s of %s is %v, not pictures (Nx3x224x224, for example)", g.Inputs[0].Name, g.Name, in)
	}
	out := autodiff.BeforeSoftmax(g.Outputs[0])
	if s := out.Type.Shape; len(s) == 2 && s[0] == ir.Batch && s[1] != ir.Batch || len(s) == 4 && s[0] == ir.Batch && s[2] == 1 && s[3] == 1 {
		return s.Size(), nil
	}
	return 0, fmt.Errorf("output %s of %s is %v, not one number for each class (NxC or NxCx1x1): end the network with fc or gap", out.Name, g.Name, out.Type.Shape)
}

// readData reads a data set: mnist, fashion-mnist, or a folder. say receives progress
// messages of a download. Pictures are scaled to the input of g.
func readData(ctx context.Context, name string, g *ir.Graph, say func(string)) (*data.Source, error) {
	switch name {
	case "mnist":
		dir, err := data.MNISTDir(ctx, say)
		if err != nil {
			return nil, err
		}
		return data.ReadMNIST(files.Dir(dir))
	case "fashion-mnist":
		if _, err := os.Stat(fashionDir); err != nil {
			return nil, errors.New("Fashion-MNIST is not here: install Debian's package dataset-fashion-mnist, or put its four files into a folder and name that: --data FOLDER")
		}
		return data.ReadMNIST(files.Dir(fashionDir))
	}
	fi, err := os.Stat(name)
	if err != nil || !fi.IsDir() {
		return nil, fmt.Errorf("there is no data set and no folder %s%s", diag.Quote(name), didYouMean(name, []string{"mnist", "fashion-mnist"}))
	}
	dir := files.Dir(name)
	has := func(file string) bool { _, err := fs.Stat(dir, file); return err == nil }
	switch {
	case has("train-images-idx3-ubyte") || has("train-images-idx3-ubyte.gz"):
		return data.ReadMNIST(dir)
	case has("data_batch_1.bin") || has("train.bin"):
		return data.ReadCIFAR(dir)
	}
	in := g.Inputs[0].Type.Shape
	free, _ := freeMemory()
	src, err := data.ReadFolder(dir, g.Recipe.Input, in[1], in[2], in[3], free)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Clean(name), err)
	}
	return src, nil
}
