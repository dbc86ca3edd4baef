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
)

var dataFlag = &cli.StringFlag{Name: "data", Usage: "`DATA` to use: mnist, fashion-mnist, or a folder of IDX files, CIFAR's binary files, or pictures with one folder a class"}

// fashionDir is where Debian's package dataset-fashion-mnist puts the files.
const fashionDir = "/usr/share/datasets/fashion-mnist"

// openData reads a data set for networks whose input is c x h x w.
func openData(c *cli.Context, g *ir.Graph) (*data.Source, error) {
	name := c.String("data")
	if name == "" {
		return nil, usagef("say what to use: --data mnist, --data fashion-mnist or --data FOLDER")
	}
	in := g.Inputs[0].Type.Shape
	if len(in) != 4 {
		return nil, fmt.Errorf("%s takes %v, not pictures", g.Name, in)
	}
	src, err := readData(c.Context, name, g, func(s string) { fmt.Fprintln(c.App.ErrWriter, s) })
	if err != nil {
		return nil, err
	}
	src.Name = name
	if classes := g.Outputs[0].Type.Shape.Size(); src.Train.Classes > classes {
		return nil, fmt.Errorf("%s has %d classes, %s tells %d apart", name, src.Train.Classes, g.Name, classes)
	}
	return src, nil
}

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
