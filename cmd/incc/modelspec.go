package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/classify"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// This file loads ONNX models for the commands that take a model in place of a spec.

// Flags for ONNX models.
var (
	imageFlag = &cli.StringFlag{Name: "image", Usage: "how a picture becomes the input of an ONNX model, as in the input statement of a spec: `'3x224x224 KEY=VALUE…'`. The size is needed only if the model leaves it open"}
	namesFlag = &cli.StringFlag{Name: "labels", Usage: "the names of the classes of an ONNX model: imagenet1k, mnist, cifar10, or a `FILE` with one name on each line"}
	rootFlag  = &cli.StringFlag{Name: "root", Usage: "let an ONNX model and its external data be symbolic links to other places in `DIR`, as in the caches of model hubs"}
)

// modelFlags are the flags of commands that take an ONNX model in place of a spec.
func modelFlags() []cli.Flag { return []cli.Flag{imageFlag, namesFlag, rootFlag} }

// maxModelBytes is the largest size of a protobuf message, in bytes.
const maxModelBytes = 1<<31 - 1

// isModel reports whether path names a file with a model: of ONNX, by the first bytes of
// the file, or by its name, unless the file holds text; or of Keras.
func isModel(path string) bool {
	head := beginning(path)
	return head != nil && (beginsLikeONNX(head) || beginsLikeKeras(head, path) || strings.EqualFold(filepath.Ext(path), ".onnx") && !looksLikeText(head))
}

// beginning returns the first bytes of a file, nil for what cannot be read.
func beginning(path string) []byte {
	fi, err := os.Stat(path)
	if err != nil || !fi.Mode().IsRegular() {
		return nil
	}
	f, _, err := files.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	head := make([]byte, 8000)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return head[:n]
}

// readModel reads an ONNX model with its external data, or a model of Keras as an ONNX
// model. It returns an error if the
// external data does not fit into memory. The external data must be in the folder of the
// model or, with --root, in the folder that --root names.
func readModel(c *cli.Context, path string) (*onnx.Model, error) {
	if isKeras(path) {
		m, err := readKeras(path)
		if err != nil {
			return nil, withPath(path, err)
		}
		return m, nil
	}
	l, err := roomLimit(c)
	if err != nil {
		return nil, err
	}
	m, err := onnx.ReadFile(path, onnx.LoadOptions{Root: c.String("root"), MaxExternal: l.bytes})
	var size *onnx.SizeError
	var link *onnx.LinkError
	var root *onnx.RootError
	switch {
	case errors.As(err, &size):
		return nil, fmt.Errorf("the external data of %s takes %s; %s: allow more with --memory SIZE", diag.Name(path), bytesText(size.Bytes), l)
	case errors.As(err, &link):
		return nil, fmt.Errorf("%s: %w: if the file is a symbolic link into another folder, name a folder that holds both with --root DIR", link.Path, link.Err)
	case errors.As(err, &root):
		return nil, usagef("--root %s is not a folder above the model, which is in %s", diag.Name(root.Root), diag.Name(root.Dir))
	}
	return m, err
}

// loadModel builds the network of an ONNX model. Its weights are in the graph. A model
// with a fixed batch becomes one with any number of images, if that computes the same.
func loadModel(c *cli.Context, path string) (*ir.Graph, *source, error) {
	if findFlag(c.Command.Flags, "define") != nil && c.IsSet("define") && c.Command.Name != "diff" { // which takes a spec and a model, too
		return nil, nil, usagef("-D overrides the lets of a spec, but %s is an ONNX model", diag.Name(path))
	}
	m, err := readModel(c, path)
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error) (*ir.Graph, *source, error) {
		return nil, nil, fmt.Errorf("%s: %w", diag.Name(path), err)
	}
	keys, err := imageKeys(c, &m)
	if err != nil {
		return fail(err)
	}
	g, err := onnx.ImportWith(m, onnx.ImportOptions{Layers: c.Command.Name == "import"})
	if err != nil {
		if onnx.ImageOpen(m) {
			err = fmt.Errorf("%w\nthe model leaves the size of its picture open: --image 3x224x224, for example, fixes it", err)
		}
		return fail(err)
	}
	sayPrecision(c, path, m)
	if g.Name = modelName(g.Name); g.Name == "" {
		g.Name = modelName(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	}
	src := &source{file: path, model: true}
	if src.guessed, err = describe(c, g, m, keys); err != nil {
		return fail(err)
	}
	return g, src, nil
}

// sayPrecision says so where a model computes in other types than float32.
func sayPrecision(c *cli.Context, path string, m *onnx.Model) {
	if note := onnx.PrecisionNote(m); note != "" {
		sayf(c.App.ErrWriter, "note: %s: %s", diag.Name(path), note)
	}
}

// modelName returns the name of a graph, or "" if it is one that exporters give to
// every model.
func modelName(name string) string {
	switch name {
	case "main", "main_graph", "torch_jit", "torch-jit-export", "torch_jit_export", "tf2onnx", "graph", "main_graph_optimized":
		return ""
	}
	return name
}

// imageKeys applies the size in --image to a model, and returns the keys that follow.
func imageKeys(c *cli.Context, m **onnx.Model) (string, error) {
	size, keys, err := classify.SplitImage(c.String("image"))
	if err != nil {
		return "", usagef("--image %v", err)
	}
	if size == nil {
		return keys, nil
	}
	fixed, err := onnx.FixImage(*m, size[0], size[1], size[2])
	if err != nil {
		return "", fmt.Errorf("--image %dx%dx%d: %w", size[0], size[1], size[2], err)
	}
	*m = fixed
	return keys, nil
}

// describe sets the parts of a model's recipe that incc knows: how a picture becomes the
// input, from --image or the metadata, and the names of the classes, from --labels or the
// metadata. guessed is true if neither says how a picture becomes the input.
func describe(c *cli.Context, g *ir.Graph, m *onnx.Model, keys string) (guessed bool, err error) {
	switch {
	case classify.OnePicture(g):
		guessed, err = classify.Describe(g, m, keys, c.String("labels"))
	case classify.TakesPicture(g):
		if err := worksOnly(c, "with models that have one picture as input and one output", "labels"); err != nil {
			return false, err
		}
		err = classify.DescribePicture(g, m, keys)
	default:
		return false, worksOnly(c, "with models that have one picture as input", "image", "labels")
	}
	var wrong *classify.Described
	if errors.As(err, &wrong) {
		err = fmt.Errorf("--%w", err)
	}
	return guessed, err
}

// modelNotes says what incc assumes about an ONNX model that classifies pictures.
func modelNotes(g *ir.Graph, src *source) []string {
	var notes []string
	if src.guessed {
		notes = append(notes, fmt.Sprintf("%s does not say how a picture becomes its input: the pixels are scaled to 0..1, without mean and deviation; %s", g.Name, usualPreparation(src.file)))
	}
	return notes
}

// usualPreparation says how the library that made a model prepares pictures, as --image takes
// it.
func usualPreparation(path string) string {
	switch t := kerasClass(path); {
	case !isKeras(path):
		return "--image 'range=0..1 mean=0.485,0.456,0.406 std=0.229,0.224,0.225 resize=256 crop=center' is the preparation of torchvision"
	case t != nil:
		return fmt.Sprintf("--image '%s' is the preparation of Keras for %s (preprocess_input)", t.Input, t.Class)
	}
	return "--image 'range=0..255' is right for a model that scales pixels itself, and range=-1..1 for many others of Keras (see preprocess_input of the class)"
}
