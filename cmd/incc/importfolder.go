package main

import (
	"bytes"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/classify"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes"
)

// This file lets every command take the folder that incc import wrote, as it takes the folder
// of a run.

// flagsOfModels lists the flags that have no effect for a spec. --image replaces keys of the
// input statement of an import, which often are a guess.
func flagsOfModels(src *source) []string {
	if src.imported != "" {
		return []string{"labels", "root"}
	}
	return []string{"image", "labels", "root"}
}

// flagsOfImport sets --weights to the weights of the import in dir, or --init for incc train.
// It leaves a flag unchanged that was given or that the command does not have.
func flagsOfImport(c *cli.Context, dir string) error {
	for _, name := range []string{"weights", "init"} {
		if findFlag(c.Command.Flags, name) == nil {
			continue
		}
		if c.IsSet(name) || name == "init" && c.Bool("resume") {
			return nil
		}
		return c.Set(name, filepath.Join(dir, importedWeights))
	}
	return nil
}

// describeImport applies --image to the network of an import.
func describeImport(c *cli.Context, g *ir.Graph, src *source) error {
	if src.imported == "" || findFlag(c.Command.Flags, "image") == nil || !c.IsSet("image") {
		return nil
	}
	if !classify.TakesPicture(g) {
		return worksOnly(c, "with networks that have one picture as input", "image")
	}
	size, keys, err := classify.SplitImage(c.String("image"))
	if err != nil {
		return usagef("--image %v", err)
	}
	shape, _ := classify.PictureShape(g.Inputs[0])
	if size != nil && !ir.Shape(size).Equal(shape) {
		return usagef("--image begins with %v, but %s takes %v: change the input statement of %s", ir.Shape(size), g.Name, shape, filepath.Join(src.imported, importedSpec))
	}
	in, err := classify.Input(shape, keys)
	if err != nil {
		return fmt.Errorf("--image: %w", err)
	}
	g.Recipe.Input = in
	return nil
}

// loadForImport loads what incc import writes: an ONNX model, or a spec, run or import with
// its weights, which becomes a model first. So the result has the form that its model has.
func loadForImport(c *cli.Context, path string) (*ir.Graph, *source, error) {
	if isModel(path) {
		if err := worksOnly(c, "with a spec", "weights", "map"); err != nil {
			return nil, nil, err
		}
		return loadModel(c, path)
	}
	g, src, err := loadFilled(c, path)
	if err != nil {
		return nil, nil, err
	}
	model, err := modelOf(g)
	if err != nil {
		return nil, nil, err
	}
	h, err := onnx.ImportWith(model, onnx.ImportOptions{Layers: true})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", diag.Name(path), err)
	}
	if classify.OnePicture(h) {
		_, err = classify.Describe(h, model, "", "")
	}
	return h, src, err
}

// loadFilled loads a spec, run or import with its weights.
func loadFilled(c *cli.Context, path string) (*ir.Graph, *source, error) {
	g, src, err := load(c, path)
	if err != nil {
		return nil, nil, err
	}
	if err := checkRoom(c, g, use{batch: 1, weights: 4, executor: true}); err != nil {
		return nil, nil, err
	}
	return g, src, fillForInference(c, g)
}

// modelOf returns the ONNX model of a network.
func modelOf(g *ir.Graph) (*onnx.Model, error) {
	g = g.Clone()
	if _, err := passes.Run(g, passes.Level(1), onnxPasses); err != nil {
		return nil, err
	}
	emitted, err := onnx.Backend{Version: version}.Emit(g)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := emitted[0].WriteTo(&b); err != nil {
		return nil, err
	}
	m, err := onnx.Decode(b.Bytes())
	if err != nil {
		return nil, err
	}
	return &onnx.Model{Proto: m}, nil
}
