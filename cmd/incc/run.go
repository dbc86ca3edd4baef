package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/classify"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/npy"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

// readInput returns the input of a network, a batch of images. path names a NumPy file,
// a TensorProto (the format of ONNX test data) or a picture, which is scaled, cropped
// and normalized as the spec says. "noise" and "noise:IMAGES" make noise. An array with
// one image may omit the batch axis.
func readInput(g *ir.Graph, path string) (*tensor.Tensor, error) {
	in := g.Inputs[0]
	want := in.Type.Shape
	var t *tensor.Tensor
	kind := byte('f') // of the numbers in the file, as package npy says it
	if n, ok := strings.CutPrefix(path, "noise"); ok && (n == "" || n[0] == ':') {
		images := 1
		if n != "" {
			var err error
			if images, err = strconv.Atoi(strings.TrimPrefix(n, ":")); err != nil || checkBatch(images) != nil {
				return nil, usagef("unknown input %s (want noise or noise:IMAGES, 1 to %d)", diag.Quote(path), largestBatch)
			}
		}
		return noise(g, images, 1), nil
	}
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case ext == ".npy":
		var err error
		if t, err = readNPY(path, func(a *npy.Array) error {
			kind = a.Kind()
			_, err := inputShape(path, a.Shape, want)
			return err
		}); err != nil {
			return nil, err
		}
	case ext == ".pb":
		b, err := files.Read(path, maxModelBytes)
		if err != nil {
			return nil, err
		}
		shape, vals, err := onnx.DecodeTensor(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		t = tensor.Widen(tensor.Of(vals, shape...))
	case data.IsPicture(path):
		x, err := readPicture(g, path)
		if err != nil {
			return nil, withPath(path, err)
		}
		return x, nil
	default:
		return nil, fmt.Errorf("unknown kind of input %s (want a .npy or .pb file, or a picture: .png, .jpg, .gif, .bmp, .tiff, .webp)", diag.Quote(path))
	}
	shape, err := inputShape(path, t.Shape, want)
	if err != nil {
		return nil, err
	}
	if err := checkNumbers(path, in, kind, t.Data); err != nil {
		return nil, err
	}
	return t.Reshape(shape...), nil
}

// readPicture reads a picture and prepares it as the spec says: a batch of one.
func readPicture(g *ir.Graph, path string) (*tensor.Tensor, error) {
	in := g.Inputs[0]
	want, ok := classify.PictureShape(in)
	if !ok {
		return nil, fmt.Errorf("%s is a picture, but input %s takes %v, which is no picture (Nx3x224x224, for example): give it as a .npy or .pb file", diag.Name(path), in.Name, in.Type)
	}
	if g.Recipe.Input == nil && !classify.OnePicture(g) {
		return nil, fmt.Errorf("%s does not say how a picture becomes its input %s: say it with --image 'range=0..1', for example, or with an input statement in a spec", g.Name, in.Name)
	}
	b, err := files.Read(path, data.MaxPictureFile)
	if err != nil {
		return nil, err
	}
	x, err := data.Load(b, g.Recipe.Input, want[0], want[1], want[2])
	if err != nil {
		return nil, err
	}
	return tensor.Widen(tensor.Of(x, in.Type.Shape.Bind(1)...)), nil
}

// inputShape returns the shape of an array with its batch axis, which is 1 if the array
// has none. It returns an error if the shape does not fit the input of the network.
func inputShape(path string, shape []int, want ir.Shape) ([]int, error) {
	full := shape
	if len(shape) == len(want)-1 {
		full = append([]int{1}, shape...)
	}
	ok := len(full) == len(want)
	for i := range want {
		ok = ok && (want[i] == ir.Batch || want[i] == full[i])
	}
	if !ok {
		return nil, fmt.Errorf("%s holds an array of shape %v, but the network needs %v%s", path, ir.Shape(shape), want, channelsLastHint(full, want))
	}
	return full, nil
}

// channelsLastHint says how to turn an array of images whose axes are in the order of Keras,
// "" for other arrays.
func channelsLastHint(full []int, want ir.Shape) string {
	if len(full) != 4 || len(want) != 4 || full[1] != want[2] || full[2] != want[3] || full[3] != want[1] || want[0] != ir.Batch && want[0] != full[0] {
		return ""
	}
	return "; its channels are last, as in Keras and TensorFlow: in NumPy, x.transpose(0, 3, 1, 2) moves them"
}

// noiseBatch returns the number of images of an input "noise:IMAGES"; for all other
// inputs, 1.
func noiseBatch(path string) int {
	n, ok := strings.CutPrefix(path, "noise:")
	images, err := strconv.Atoi(n)
	if !ok || err != nil || checkBatch(images) != nil {
		return 1
	}
	return images
}

// topLine is one of the classes with the largest outputs.
type topLine struct {
	Class int     `json:"class"`
	Label string  `json:"label,omitempty"`
	Value float64 `json:"value"`
}

// MarshalJSON writes values that are no numbers as jsonNumber does.
func (l topLine) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Class int    `json:"class"`
		Label string `json:"label,omitempty"`
		Value any    `json:"value"`
	}{l.Class, l.Label, jsonNumber(l.Value)})
}

func checkTop(c *cli.Context) error {
	if k := c.Int("top"); k < 1 {
		return usagef("--top is %d (want at least 1)", k)
	}
	return nil
}

// topK returns the k largest outputs of one image, in falling order. Equal outputs stay
// in the order of their classes.
func topK(g *ir.Graph, x []float64, k int) []topLine {
	ix := make([]int, len(x))
	for i := range ix {
		ix[i] = i
	}
	sort.SliceStable(ix, func(a, b int) bool { return x[ix[a]] > x[ix[b]] })
	var top []topLine
	for _, i := range ix[:min(k, len(ix))] {
		l := topLine{Class: i, Value: x[i]}
		if lab := g.Recipe.Labels; lab != nil && i < len(lab.Names) {
			l.Label = lab.Names[i]
		}
		top = append(top, l)
	}
	return top
}

func writeTop(w io.Writer, name string, top []topLine) {
	t := newTable(">class", "label", ">"+name)
	for _, l := range top {
		t.Add(l.Class, diag.Printable(l.Label), fmt.Sprintf("%.6f", l.Value))
	}
	t.write(w)
}

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a network on an input",
		UsageText: "incc run SPEC --input FILE [--output FILE.npy]",
		Description: `Example:

   incc run mynet.incc --input x.npy --output y.npy

Inputs are NumPy files (.npy), ONNX tensors (.pb) and pictures (incc explain
data names the formats), which are prepared as the spec's input statement says. Without --weights the
weights are those that incc compile draws from the same seed, so a model file
and a run agree.

Of several outputs all are shown; --part takes the name of one, too. Each of several
inputs has its own --input NAME=FILE.

A detector that ends with its boxes has outputs whose sizes are known only after
the run: all of them are printed side by side, --top rows, and --output gets the
first or that of --part. Its picture needs --image, which says how it becomes the input.

--json prints an object in one line, for one output as for several:

   {"outputs": [{"output": NAME, "shape": [N, …], …}, …]}

An output with one number for each class has the key images, an object for each
image: {"image": 0, "top": [{"class": 3, "label": "cat", "value": 0.9}, …]}. Every
other output has the key data: all its numbers in one list, row-major. If --top is
given and an output has more rows, data and shape are of the first rows, and the key
rows has the number of all. NaN and the infinities are texts.`,
		Flags: append([]cli.Flag{
			&cli.StringSliceFlag{Name: "input", Aliases: []string{"i"}, Usage: "read the input from `FILE`, each of several from NAME=FILE; noise makes a random image, noise:8 eight of them"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the output to a NumPy `FILE` of float32"},
			&cli.IntFlag{Name: "top", Value: 5, Usage: "print the `K` largest outputs of each image, or the first K rows of an output without images"},
			&cli.StringFlag{Name: "part", Usage: "compute the output of the labelled `PART`, or one of several outputs, instead of the last"},
			defineFlag, seedFlag, weightsFlag, mapFlag, jsonFlag, engineFlag, roomFlag,
		}, append(append(executorFlags(), pipelineFlags()...), modelFlags()...)...),
		Action: runNetwork,
	}
}

func runNetwork(c *cli.Context) error {
	arg, err := oneArg(c, "SPEC")
	if err != nil {
		return err
	}
	if err := checkRunFlags(c); err != nil {
		return err
	}
	g, src, err := load(c, arg)
	if err != nil {
		return err
	}
	if err := notAnInput("output", c.String("output"), src.file, c.String("weights")); err != nil {
		return err
	}
	u := use{batch: noiseBatches(c.StringSlice("input")), executor: c.String("engine") == "cpu", inputs: true}
	if !u.executor {
		u.weights, u.reference = 2, 1
	}
	if err := checkRoom(c, g, u); err != nil {
		return err
	}
	x, err := readInputs(g, c.StringSlice("input"))
	if err != nil {
		return err
	}
	var file *safetensors.Tensors
	if c.String("engine") == "cpu" {
		var done func()
		file, done, err = weightsLater(c, g)
		defer done()
	} else {
		err = fillForInference(c, g)
	}
	if err != nil {
		return err
	}
	if _, err := optimize(c, g, 2, passes.Options{}); err != nil {
		return err
	}
	outs, err := shownOutputs(c, g)
	if err != nil {
		return err
	}
	results, err := computeResults(c, g, file, x, outs)
	if err != nil {
		return err
	}
	if path := c.String("output"); path != "" {
		y := results[0].array
		if err := writeOutput(c, path, npyOutput, func(w io.Writer) error { return npy.Write(w, y) }); err != nil {
			return err
		}
		if err := sayWroteArray(c, path, y.Shape); err != nil {
			return err
		}
	}
	if c.Bool("json") {
		return writeResultsJSON(c, g, results)
	}
	return showResults(c, g, results)
}

// checkRunFlags checks the flags of incc run that need no network.
func checkRunFlags(c *cli.Context) error {
	if len(c.StringSlice("input")) == 0 {
		return usagef("incc run needs --input FILE")
	}
	if err := checkTop(c); err != nil {
		return err
	}
	if c.String("engine") == "ref" {
		if err := worksOnly(c, "with --engine cpu", "threads", "isa", "direct", "tuning"); err != nil {
			return err
		}
	}
	if out := c.String("output"); toStdout(out) && c.Bool("json") {
		return usagef("--json and --output %s cannot both go to standard output", diag.Name(out))
	}
	return nil
}

// shownOutputs returns the values that incc run shows: that of --part, or all outputs.
func shownOutputs(c *cli.Context, g *ir.Graph) ([]*ir.Value, error) {
	if part := c.String("part"); part != "" {
		v, err := partValue(g, part)
		return []*ir.Value{v}, err
	}
	if len(g.Outputs) > 1 && c.String("output") != "" && ops.FilledSizes(g) == nil {
		var names []string
		for _, v := range g.Outputs {
			names = append(names, diag.Name(v.Name))
		}
		return nil, usagef("--output takes one array, and %s has the outputs %s: choose one with --part NAME", g.Name, strings.Join(names, ", "))
	}
	return g.Outputs, nil
}

// shortList lists names: all of a few, or the first of many.
func shortList(names []string) string {
	const most = 12
	if more := len(names) - most; more > 1 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// partValue returns the result of a part, or the output of the network of that name.
func partValue(g *ir.Graph, part string) (*ir.Value, error) {
	var outputs, parts []string
	sizes := ops.FilledSizes(g)
	for _, v := range g.Outputs {
		if v.Name == part {
			return v, nil
		}
		if v != sizes {
			outputs = append(outputs, diag.Name(v.Name))
		}
	}
	for _, p := range g.Parts {
		if p.Name == part {
			return p.Out, nil
		}
		parts = append(parts, diag.Name(p.Name))
	}
	has := "the " + diag.Plural(len(outputs), "output") + " " + shortList(outputs)
	if len(parts) > 0 {
		has += " and the " + diag.Plural(len(parts), "part") + " " + shortList(parts)
	}
	return nil, usagef("%s has no output or part %s%s; it has %s", g.Name, diag.Quote(part), didYouMean(part, append(outputs, parts...)), has)
}

// sayWroteArray says that --output has an array. Standard output has the array itself if path
// names it, and JSON alone with --json.
func sayWroteArray(c *cli.Context, path string, shape []int) error {
	out := messages(c, path)
	if c.Bool("json") {
		out = c.App.ErrWriter
	}
	if toStdout(path) {
		return nil
	}
	return sayf(out, "wrote %s: %v", diag.Name(path), ir.Shape(shape))
}

// hasImages reports whether the first axis of a value counts the images of a batch.
func hasImages(g *ir.Graph, v *ir.Value) bool {
	s := v.Type.Shape
	if len(s) == 0 {
		return false
	}
	if s[0] == ir.Batch {
		return true
	}
	in := g.Inputs[0].Type.Shape
	return len(s) > 1 && (s[0] == 1 || len(in) == 4 && s[0] == in[0])
}
