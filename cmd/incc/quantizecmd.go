package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/classify"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/passes/quantize"
)

func quantizeCommand() *cli.Command {
	return &cli.Command{
		Name:      "quantize",
		Usage:     "make a network of 8-bit integers of a trained one, as an ONNX model",
		UsageText: "incc quantize SPEC --weights FILE.safetensors --data DATA -o FILE.onnx\nincc quantize RUN|MODEL.onnx --data DATA -o FILE.onnx",
		Description: `Example:

   incc quantize mnist/lenet --data mnist --images 64 -o lenet_int8.onnx

Convolutions and dense layers become layers of 8-bit integers, with 32-bit sums: the
weights have a scale for each output channel, the activations one scale, which is
chosen by looking at some training images. Batch norms are folded first. The model has
the QDQ form, which ONNX Runtime and OpenVINO compute on integers. So do run, predict,
eval, bench and gen go of incc, which take the model in place of a spec.

Corrections are used where they make the error of the outputs less, on images of which
the calibration sees none: channels of activations are made alike (equalize,
Nagel 2019), the rounding of each weight is chosen so that errors cancel (round: GPTQ,
Frantar 2023), and the mean error is taken off the biases (bias). --compare prints what
each method gives.

The first and the last layer become integers only where measurements speak for it.
Grouped convolutions stay in float32, but not depthwise ones of three or five columns.
Layers with padding whose input can be negative are computed in float32, too, except
for a first layer that reads the image. With --max-accuracy-drop, further layers stay in
float32, those first that cost most, until the accuracy on the validation images drops
by no more. --sensitivity prints what each layer costs alone. What is still lost, incc train
--quantize wins back by fine-tuning.

The model takes a quarter of the bytes. With VNNI it is about twice as fast as in
float32, with AVX2 alone 1.4 times; on other processors integers run as plain Go.
Weights are rounded such that AVX2 can add the products of two input channels in 16
bits; other models are computed exactly, too, but slower there.`,
		Flags: append(append([]cli.Flag{
			outFlag, dataFlag, strictFlag, weightsFlag, mapFlag, defineFlag, seedFlag, roomFlag,
			&cli.IntFlag{Name: "images", Value: 256, Usage: "look at `N` training images, the same share of each class"},
			&cli.StringFlag{Name: "calibrate", Value: "best", Usage: "choose ranges by `METHOD`: minmax, percentile, mse or entropy; best is the one with the least error of the outputs"},
			&cli.StringFlag{Name: "max-accuracy-drop", Usage: "keep layers in float32 until the accuracy drops by at most `DROP`, such as 0.5%"},
			&cli.StringFlag{Name: "keep", Usage: "keep `LAYERS` in float32, by name, separated by commas"},
			&cli.StringFlag{Name: "correct", Value: "best", Usage: "correct the network by `METHODS`: equalize (channels of activations), round (choose the rounding of each weight), bias, with commas between them; none; or best, those with the least error of the outputs"},
			&cli.BoolFlag{Name: "compare", Usage: "print a table of the error, the signal-to-noise ratio and the accuracy that each method gives"},
			&cli.StringFlag{Name: "min-speedup", Usage: "write the model only if it is at least `FACTOR` times as fast as in float32 on this machine, with layers in float32 that are not faster in integers"},
			&cli.BoolFlag{Name: "ends", Usage: "quantize the first and the last layer, too; --ends=false keeps both in float32. By default each is quantized if that is faster here, or as fast where it has a twentieth of all weights, and adds no more than a twentieth to the error"},
			&cli.BoolFlag{Name: "sensitivity", Usage: "print the error of the outputs with each layer quantized alone, and its milliseconds in float32 and in integers"},
		}, executorFlags()...), modelFlags()...),
		Action: quantizeNetwork,
	}
}

// quantizer quantizes a network and measures what that costs.
type quantizer struct {
	sample
	g      *ir.Graph // optimized, in float32
	logits string    // the value that outputs are compared by
	layers []string  // that can be quantized
	ends   []string  // the first and the last layer, if measurements say whether they are
	ranges map[string]quantize.Range

	options quantize.Options
	tried   []attempt
}

func quantizeNetwork(c *cli.Context) error {
	arg, err := oneArg(c, "SPEC")
	if err != nil {
		return err
	}
	out := c.String("output")
	if out == "" {
		return usagef("missing -o FILE.onnx, the model to write")
	}
	drop, err := accuracyDrop(c.String("max-accuracy-drop"))
	if err != nil {
		return err
	}
	method := c.String("calibrate")
	if method != "best" && !slices.Contains(quantize.Methods, method) {
		return usagef("unknown --calibrate %s (want best, %s)", diag.Quote(method), strings.Join(quantize.Methods, ", "))
	}
	if err := checkImages(c); err != nil {
		return err
	}
	faster, err := minSpeedup(c.String("min-speedup"))
	if err != nil {
		return err
	}
	only, err := parseCorrections(c.String("correct"))
	if err != nil {
		return err
	}
	q, src, err := newQuantizer(c, arg, out)
	if err != nil {
		return err
	}
	methods := quantize.Methods
	if method != "best" {
		methods = []string{method}
	}
	best, err := q.choose(methods, only)
	if err != nil {
		return err
	}
	said := messages(c, out)
	var kept []string // in float32, and why
	speed := ""
	if c.Bool("sensitivity") || drop >= 0 {
		list, err := q.sensitivity()
		if err != nil {
			return err
		}
		if c.Bool("sensitivity") {
			writeSensitivity(said, list)
		}
		if drop >= 0 {
			n, err := q.within(drop, list)
			if err != nil {
				return err
			}
			kept = appendKept(kept, n, "accuracy")
		}
	}
	if faster > 0 {
		before := len(q.layers)
		if speed, err = q.speedup(faster); err != nil {
			return err
		}
		kept = appendKept(kept, before-len(q.layers), "speed")
	}
	if err := q.finish(said, out, best, kept); err != nil {
		return err
	}
	if speed != "" {
		if err := say(said, speed); err != nil {
			return err
		}
	}
	return sayDrawn(said, src.trained(c))
}

// appendKept adds what is said about layers that stay in float32, if there are any.
func appendKept(kept []string, n int, why string) []string {
	if n == 0 {
		return kept
	}
	return append(kept, fmt.Sprintf("%s kept in float32 for the %s", diag.Count(n, "layer"), why))
}

// choose chooses ranges, corrections, and whether the ends are quantized. It returns their names.
func (q *quantizer) choose(methods, only []string) (string, error) {
	best, err := q.calibrate(methods)
	if err != nil {
		return "", err
	}
	if len(methods) == 1 {
		if best, err = q.try(best.name); err != nil {
			return "", err
		}
	}
	name := best.name
	if only == nil || len(only) > 0 {
		done, err := q.correct(only, best.name, best)
		if err != nil {
			return "", err
		}
		if len(done) > 0 {
			name += ", corrected by " + strings.Join(done, ", ")
		}
	}
	return name, q.chooseEnds()
}

// accuracyDrop reads --max-accuracy-drop as a part of 1; below 0 without one.
func accuracyDrop(text string) (float64, error) {
	if text == "" {
		return -1, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(number, 64)
	if err != nil || !(x >= 0) || x > 100 {
		return 0, usagef("--max-accuracy-drop %s (want a part of all images, such as 0.5%% or 0.005)", diag.Quote(text))
	}
	if percent {
		x /= 100
	}
	switch {
	case x > 1:
		return 0, usagef("--max-accuracy-drop %s is more than all images; write 0.5%% for half a percent", diag.Quote(text))
	case !percent && x >= 0.1:
		return 0, usagef("--max-accuracy-drop %s is %.3g %% of all images; write %s%% if that is meant, otherwise %s%%", diag.Quote(text), 100*x, strconv.FormatFloat(100*x, 'g', -1, 64), text)
	}
	return x, nil
}

// newQuantizer loads and optimizes the network, and reads the calibration images.
func newQuantizer(c *cli.Context, arg, out string) (*quantizer, *source, error) {
	named := c.IsSet("data")
	g, src, err := load(c, arg)
	if err != nil {
		return nil, nil, err
	}
	dataOf := src.run
	if named {
		dataOf = ""
	}
	if src.model {
		if _, err := classify.Classes(g); err != nil {
			return nil, nil, err
		}
		classify.TakePictures(g)
	}
	if err := notAnInput("output", out, src.file, c.String("weights")); err != nil {
		return nil, nil, err
	}
	if err := checkOutput(out, onnxFile); err != nil {
		return nil, nil, err
	}
	if !toStdout(out) {
		if err := files.Writable(out); err != nil {
			return nil, nil, err
		}
	}
	if err := checkRoom(c, g, use{batch: calibrationBatch, weights: 4, executor: true}); err != nil {
		return nil, nil, err
	}
	d, err := openData(c, g, dataOf)
	if err != nil {
		return nil, nil, err
	}
	if err := fillForInference(c, g); err != nil {
		return nil, nil, err
	}
	q := &quantizer{sample: sample{c: c}, g: g}
	if err := q.optimize(); err != nil {
		return nil, nil, err
	}
	return q, src, q.readImages(d, src.run)
}

// fold runs the passes of -O2, but for merge-siblings: the outputs of merged layers would share no
// scale with those that they are joined with.
func (q *quantizer) fold() error {
	var p passes.Pipeline
	for _, s := range passes.Level(2) {
		if s.Pass != &passes.MergeSiblings {
			p = append(p, s)
		}
	}
	_, err := passes.Run(q.g, p, passes.Options{})
	return err
}

// optimize folds batch norms and chooses the layers that may be quantized.
func (q *quantizer) optimize() error {
	c := q.c
	if err := q.fold(); err != nil {
		return err
	}
	for _, n := range q.g.Nodes {
		if op := ir.Name(n.Op); op == "quantize" {
			return fmt.Errorf("%s is quantized already", diag.Name(q.g.Name))
		}
	}
	q.logits = autodiff.BeforeSoftmax(q.g.Outputs[0]).Name
	layers := quantize.Layers(q.g)
	if len(layers) == 0 {
		return fmt.Errorf("%s has no convolution or dense layer that can be quantized", diag.Name(q.g.Name))
	}
	keep := map[string]bool{}
	if s := c.String("keep"); s != "" {
		for _, name := range strings.Split(s, ",") {
			keep[strings.TrimSpace(name)] = true
		}
	}
	for i, n := range layers {
		name := n.Out[0].Name
		end := i == 0 || i == len(layers)-1
		switch {
		case keep[shownName(name)]:
			delete(keep, shownName(name))
		case !end || c.Bool("ends"):
			q.layers = append(q.layers, name)
		case !c.IsSet("ends"):
			q.ends = append(q.ends, name)
		}
	}
	for name := range keep {
		return usagef("--keep: there is no layer %s; incc summary lists them", diag.Quote(name))
	}
	if len(q.layers) == 0 {
		return fmt.Errorf("%s has only a first and a last layer; --ends quantizes these", diag.Name(q.g.Name))
	}
	return nil
}

// shownName is the name of a layer as summary shows it. The passes give a layer the name of the batch
// norm and the activation that have become a part of it.
func shownName(name string) string {
	for {
		dir, last := path.Split(name)
		if d := ir.Lookup(strings.TrimRight(last, "0123456789_")); dir == "" || last != "bn" && (d == nil || last == "conv" || last == "fc") {
			return name
		}
		name = strings.TrimSuffix(dir, "/")
	}
}

// layersNamed finds layers by name.
func layersNamed(g *ir.Graph, names []string) []*ir.Node {
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	return slices.DeleteFunc(quantize.Layers(g), func(n *ir.Node) bool { return !wanted[n.Out[0].Name] })
}

// quantized returns the graph with some layers quantized.
func (q *quantizer) quantized(names []string) (*ir.Graph, error) {
	h := q.g.Clone()
	layers := layersNamed(h, names)
	points := quantize.Points(h, layers)
	return h, quantize.Apply(h, layers, points, q.grouped(points), q.options)
}

// grouped returns the range of each group of points.
func (q *quantizer) grouped(points []quantize.Point) []quantize.Range {
	ranges := make([]quantize.Range, len(points))
	seen := map[int]bool{}
	for _, p := range points {
		r, ok := q.ranges[p.Value.Name]
		if !ok {
			continue
		}
		if a := ranges[p.Group]; seen[p.Group] {
			r.Low, r.High = math.Min(r.Low, a.Low), math.Max(r.High, a.High)
		}
		ranges[p.Group], seen[p.Group] = r, true
	}
	return ranges
}

// error is the root mean square of what quantizing some layers changes of the logits, as a part of
// theirs.
func (q *quantizer) error(names []string) (float64, error) {
	h, err := q.quantized(names)
	if err != nil {
		return 0, err
	}
	y, err := q.run(h)
	if err != nil {
		return 0, err
	}
	return q.difference(y), nil
}

// cost is what a layer costs that is quantized alone, and its seconds for an image in float32 and in
// the quantized network.
type cost struct {
	layer        string
	error        float64
	float, whole float64
}

// sensitivity returns the cost of each layer, the largest first.
func (q *quantizer) sensitivity() ([]cost, error) {
	h, err := q.quantized(q.layers)
	if err != nil {
		return nil, err
	}
	whole, err := q.layerTimes(h)
	if err != nil {
		return nil, err
	}
	float, err := q.layerTimes(q.g)
	if err != nil {
		return nil, err
	}
	var l []cost
	for _, name := range q.layers {
		e, err := q.error([]string{name})
		if err != nil {
			return nil, err
		}
		l = append(l, cost{name, e, float[name], whole[name]})
	}
	slices.SortStableFunc(l, func(a, b cost) int {
		switch {
		case a.error > b.error:
			return -1
		case a.error < b.error:
			return 1
		}
		return 0
	})
	return l, nil
}

func writeSensitivity(w io.Writer, l []cost) {
	t := newTable("layer", ">error of the outputs", ">ms in float32", ">in integers")
	for _, x := range l {
		t.Add(shownName(x.layer), fmt.Sprintf("%.3f %%", 100*x.error), fmt.Sprintf("%.3f", 1000*x.float), fmt.Sprintf("%.3f", 1000*x.whole))
	}
	t.write(w)
}

// accuracy measures a graph on the validation images.
func (q *quantizer) accuracy(g *ir.Graph) (float64, error) {
	return q.sample.accuracy(g, q.logits, q.val)
}

// within keeps layers in float32, the most sensitive first, until the accuracy drops by at most drop.
// It returns how many.
func (q *quantizer) within(drop float64, list []cost) (int, error) {
	float, err := q.accuracy(q.g)
	if err != nil {
		return 0, err
	}
	for kept := 0; ; kept++ {
		var names []string
		for _, x := range list[kept:] {
			names = append(names, x.layer)
		}
		q.layers = slices.DeleteFunc(q.layers, func(n string) bool { return !slices.Contains(names, n) })
		if len(q.layers) == 0 {
			return 0, fmt.Errorf("the accuracy drops by more than %.4g %% with any one layer quantized: allow more with --max-accuracy-drop", 100*drop)
		}
		h, err := q.quantized(q.layers)
		if err != nil {
			return 0, err
		}
		a, err := q.accuracy(h)
		if err != nil {
			return 0, err
		}
		if a >= float-drop-1e-9 {
			return kept, nil
		}
	}
}

// finish writes the model and says what it is worth.
func (q *quantizer) finish(said io.Writer, out, method string, kept []string) error {
	h, err := q.quantized(q.layers)
	if err != nil {
		return err
	}
	e, err := q.error(q.layers)
	if err != nil {
		return err
	}
	float, err := q.accuracy(q.g)
	if err != nil {
		return err
	}
	whole, err := q.accuracy(h)
	if err != nil {
		return err
	}
	if q.c.Bool("compare") {
		q.writeAttempts(said, float, strings.Replace(method, ", corrected by ", ", ", 1))
	}
	b := onnx.Backend{Path: "model.onnx", Version: version, Seed: q.c.Int64("seed")}
	m, err := b.Emit(h)
	if err != nil {
		return err
	}
	if err := writeOutput(q.c, out, onnxFile, func(w io.Writer) error { _, err := m[0].WriteTo(w); return err }); err != nil {
		return err
	}
	text := fmt.Sprintf("wrote %s: %s of %d layers in 8-bit integers", diag.Name(out), diag.Thousands(int64(len(q.layers))), len(quantize.Layers(q.g)))
	if info, err := os.Stat(out); err == nil {
		text += ", " + bytesText(info.Size())
	}
	for _, k := range kept {
		text += "; " + k
	}
	lines := []string{text,
		fmt.Sprintf("ranges by %s of %s; the outputs change by %.2g %% (root mean square)", method, diag.Count(q.calibration.images, "image"), 100*e),
		fmt.Sprintf("accuracy on %s: %.2f %% in float32, %.2f %% in 8-bit integers", diag.Count(q.val.Len(), "image"), 100*float, 100*whole)}
	for _, l := range lines {
		if err := say(said, l); err != nil {
			return err
		}
	}
	return nil
}
