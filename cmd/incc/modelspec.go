package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
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

// isModel reports whether path names a file with an ONNX model: by the first bytes of
// the file, or by its name, unless the file holds text.
func isModel(path string) bool {
	fi, err := os.Stat(path)
	if err != nil || !fi.Mode().IsRegular() {
		return false
	}
	f, _, err := files.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 8000)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	return beginsLikeONNX(head[:n]) || strings.EqualFold(filepath.Ext(path), ".onnx") && !looksLikeText(head[:n])
}

// readModel reads an ONNX model with its external data. It returns an error if the
// external data does not fit into memory. The external data must be in the folder of the
// model or, with --root, in the folder that --root names.
func readModel(c *cli.Context, path string) (*onnx.Model, error) {
	b, err := files.Read(path, maxModelBytes)
	if err != nil {
		return nil, err
	}
	m, err := onnx.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !onnx.HasExternal(m) {
		return &onnx.Model{Proto: m}, nil
	}
	l, err := roomLimit(c)
	if err != nil {
		return nil, err
	}
	if n := onnx.ExternalBytes(m); n > l.bytes {
		return nil, fmt.Errorf("the external data of %s takes %s; %s: allow more with --memory SIZE", diag.Name(path), bytesText(n), l)
	}
	data, done, err := externalFiles(c, path)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := onnx.LoadExternal(m, data); err != nil {
		if c.String("root") == "" && strings.Contains(err.Error(), "escapes") {
			err = fmt.Errorf("%w: if the file is a symbolic link into another folder, name a folder that holds both with --root DIR", err)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &onnx.Model{Proto: m}, nil
}

// externalFiles opens the folder that the external data of a model must be in. done
// closes it.
func externalFiles(c *cli.Context, path string) (list onnx.Files, done func(), err error) {
	dir, top := filepath.Dir(path), c.String("root")
	below := "."
	if top == "" {
		top = dir
	} else if below, err = belowRoot(top, dir); err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(top)
	if err != nil {
		return nil, nil, err
	}
	return onnx.DirBelow(root, below), func() { root.Close() }, nil
}

// belowRoot returns the path of the folder dir relative to the folder top, for --root.
func belowRoot(top, dir string) (string, error) {
	t, err := filepath.Abs(top)
	if err != nil {
		return "", err
	}
	d, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(t, d)
	if err != nil || !filepath.IsLocal(rel) {
		return "", usagef("--root %s is not a folder above the model, which is in %s", diag.Name(top), diag.Name(dir))
	}
	return rel, nil
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
	g, err := onnx.Import(m)
	if err != nil {
		if onnx.ImageOpen(m) {
			err = fmt.Errorf("%w\nthe model leaves the size of its picture open: --image 3x224x224, for example, fixes it", err)
		}
		return fail(err)
	}
	if g.Name = modelName(g.Name); g.Name == "" {
		g.Name = modelName(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	}
	src := &source{file: path, model: true}
	if src.guessed, err = describe(c, g, m, keys); err != nil {
		return fail(err)
	}
	return g, src, nil
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
	text := strings.TrimSpace(c.String("image"))
	if strings.ContainsAny(text, "\n\r") {
		return "", usagef("--image must be one line")
	}
	size, keys, _ := strings.Cut(text, " ")
	if size == "" || strings.Contains(size, "=") {
		return text, nil
	}
	var chw [3]int
	if n, err := fmt.Sscanf(size, "%dx%dx%d", &chw[0], &chw[1], &chw[2]); n != 3 || err != nil || fmt.Sprintf("%dx%dx%d", chw[0], chw[1], chw[2]) != size {
		return "", usagef("--image begins with %s (want channels x height x width, such as 3x224x224)", diag.Quote(size))
	}
	fixed, err := onnx.FixImage(*m, chw[0], chw[1], chw[2])
	if err != nil {
		return "", fmt.Errorf("--image %s: %w", size, err)
	}
	*m = fixed
	return keys, nil
}

// describe sets the parts of a model's recipe that incc knows: how a picture becomes the
// input, from --image or the metadata, and the names of the classes, from --labels or the
// metadata. guessed is true if neither says how a picture becomes the input.
func describe(c *cli.Context, g *ir.Graph, m *onnx.Model, keys string) (guessed bool, err error) {
	if len(g.Inputs) != 1 || len(g.Outputs) != 1 || len(g.Inputs[0].Type.Shape) != 4 || len(g.Outputs[0].Type.Shape) < 2 {
		return false, worksOnly(c, "with models that have one picture as input and one output", "image", "labels")
	}
	in, classes := channelsFirst(g.Inputs[0].Type.Shape).WithoutBatch(), g.Outputs[0].Type.Shape.WithoutBatch().Size()
	if keys == "" {
		keys = onnx.InputKeys(m)
	}
	r, err := imageRecipe(fmt.Sprintf("input image %s %s", in, keys), "", nil)
	if err != nil {
		return false, fmt.Errorf("--image: %w", err)
	}
	g.Recipe.Input = r.Input
	switch name := c.String("labels"); {
	case name == "":
		g.Recipe.Labels, err = onnx.LabelsOf(m, classes)
		return keys == "", err
	case dsl.IsLabelSet(name):
		r, err = imageRecipe(fmt.Sprintf("input x 1x1x1\nlabels %s", name), fmt.Sprint(classes), nil)
	default:
		r, err = imageRecipe("input x 1x1x1\nlabels \"names.txt\"", fmt.Sprint(classes), func(string) ([]byte, error) { return files.Read(name, maxNamedBytes) })
	}
	if err != nil {
		return false, fmt.Errorf("--labels: %w", err)
	}
	g.Recipe.Labels = r.Labels
	return keys == "", nil
}

// imageRecipe parses statements of a spec and returns what they say about pictures and
// classes. The network of the spec has the number of classes given, 1 for "".
func imageRecipe(statements, classes string, open func(string) ([]byte, error)) (*recipe.Recipe, error) {
	if classes == "" {
		classes = "1"
	}
	g, problems := dsl.Load("model", fmt.Appendf(nil, "net model\n%s\ngap -> fc %s\n", statements, classes), dsl.Options{ReadFile: open})
	if problems.HasErrors() {
		return nil, problems.Err()
	}
	return g.Recipe, nil
}

// channelsFirst returns the shape of a picture with its channels before its height and
// width. Keras' models have them behind.
func channelsFirst(s ir.Shape) ir.Shape {
	if len(s) == 4 && (s[3] == 1 || s[3] == 3) && s[1] != 1 && s[1] != 3 {
		return ir.Shape{s[0], s[3], s[1], s[2]}
	}
	return s
}

// takePictures makes a model whose picture has its channels behind its height and width
// take them before, as incc prepares pictures.
func takePictures(g *ir.Graph) {
	old := g.Inputs[0]
	s := channelsFirst(old.Type.Shape)
	if s.Equal(old.Type.Shape) {
		return
	}
	in := &ir.Value{Name: old.Name, Type: ir.Type{DType: old.Type.DType, Shape: s}}
	b := ir.Extend(g)
	old.Name = b.Fresh(old.Name + "/channels_last")
	old.Def = &ir.Node{Op: ops.Transpose{Perm: "0,2,3,1"}, In: []*ir.Value{in}, Out: []*ir.Value{old}}
	g.Inputs[0] = in
	g.Nodes = append([]*ir.Node{old.Def}, g.Nodes...)
}

// modelNotes says what incc assumes about an ONNX model that classifies pictures.
func modelNotes(g *ir.Graph, src *source) []string {
	var notes []string
	if src.guessed {
		notes = append(notes, fmt.Sprintf("%s does not say how a picture becomes its input: the pixels are scaled to 0..1, without mean and deviation; --image 'range=0..1 mean=0.485,0.456,0.406 std=0.229,0.224,0.225 resize=256 crop=center' is the preparation of torchvision", g.Name))
	}
	return notes
}

// probabilities makes the output of a classifier a softmax over the classes, unless it is one or a
// sigmoid. It reports whether it did.
func probabilities(g *ir.Graph) bool {
	out := g.Outputs[0]
	if out.Def == nil || slices.Contains([]string{"softmax", "sigmoid"}, ir.Name(out.Def.Op)) {
		return false
	}
	b := ir.Extend(g)
	if len(out.Type.Shape) > 2 {
		out = b.Do(ops.Flatten{}, out)
	}
	g.Outputs[0] = b.Do(ops.Softmax{Axis: 1}, out)
	return true
}
