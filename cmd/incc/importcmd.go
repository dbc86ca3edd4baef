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

	"github.com/incc-lang/incc/backends/classify"
	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/dsl/decompile"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/tensor"
)

// Names of the files that incc import writes.
const (
	importedSpec    = "net.incc"
	importedWeights = "weights.safetensors"
	importedReport  = "report.txt"
)

func importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "write an ONNX model as a spec that people can read and change",
		UsageText: "incc import MODEL.onnx -o DIR\nincc import RUN -o DIR\nincc import SPEC --weights FILE -o DIR",
		Description: `Example:

   incc import mynet.onnx -o mine
   incc summary mine
   incc predict mine digit.png

Writes net.incc, weights.safetensors and report.txt into the folder DIR, and
labels.txt if the model names many classes. Every command takes DIR as it takes the
folder of a run: incc predict with its weights, incc train to begin with them. A convolution with its batch
normalization and activation becomes one call, branches become concat, add, mul or
residual, and what repeats becomes a block or repeat. Preprocessing at the beginning
of the model becomes keys of the input statement. Further outputs with the shape of
the first become heads. A model that is no pipeline with branches is written in the
flat form, one op on a line; the report says why.

If the model does not say how a picture becomes its input, net.incc has a guess;
--image replaces it, here or later: incc predict mine --image 'range=-1..1' digit.png.

A run, or a spec with --weights, is written in the same form as its ONNX model: without
what belongs to training.

The model and the spec are run once on the same noise, and the report says how much
the outputs differ.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to the folder `DIR`"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite the files of an earlier import"},
			defineFlag, seedFlag, weightsFlag, mapFlag, roomFlag,
		}, modelFlags()...),
		Action: importModel,
	}
}

func importModel(c *cli.Context) error {
	path, err := oneArg(c, "MODEL")
	if err != nil {
		return err
	}
	dir := c.String("output")
	if dir == "" {
		return usagef("missing -o DIR, the folder to write")
	}
	if err := notStdout("output", dir, "several files"); err != nil {
		return err
	}
	if err := checkImportFolder(c, dir, path); err != nil {
		return err
	}
	g, src, err := loadForImport(c, path)
	if err != nil {
		return err
	}
	if err := checkRoom(c, g, use{batch: 1, weights: 3, executor: true}); err != nil {
		return err
	}
	s, err := specOfModel(g, src)
	if err != nil {
		return fmt.Errorf("%s: %w", diag.Name(path), err)
	}
	check := compareImported(c, g, s)
	report := importReport(g, src, s, check)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := writeImported(dir, s, report); err != nil {
		return err
	}
	if !src.trained(c) {
		if err := sayDrawn(c.App.ErrWriter, false); err != nil {
			return err
		}
	}
	if err := say(c.App.Writer, report+fmt.Sprintf("wrote %s, %s and %s into %s", importedSpec, importedWeights, importedReport, diag.Name(dir))); err != nil {
		return err
	}
	if check.bad {
		return &numericalError{"the outputs of the model and of the spec do not agree"}
	}
	return nil
}

// specOfModel writes the graph of an ONNX model as a spec. It may change the layout of the
// graph's input to channels first.
func specOfModel(g *ir.Graph, src *source) (*decompile.Spec, error) {
	if len(g.Inputs) == 1 {
		classify.TakePictures(g)
	}
	s, err := decompile.Write(g)
	if err != nil {
		return nil, err
	}
	if p := s.Picture; p != nil && src.guessed && slices.Max(p.Scale) < 0.02 {
		// The model scales pixels of 0..255 itself: it was not made for 0..1.
		r := *g.Recipe.Input
		r.Lo, r.Hi = 0, 255
		g.Recipe.Input = &r
		return decompile.Write(g)
	}
	return s, nil
}

// checkImportFolder returns an error if the import would replace files that are not its own.
func checkImportFolder(c *cli.Context, dir, model string) error {
	if fi, err := os.Stat(dir); err == nil && !fi.IsDir() {
		return usagef("-o %s is a file: name a folder", diag.Quote(dir))
	}
	kinds := map[string]outputKind{importedSpec: specFile, importedWeights: tensorsFile, importedReport: mapFile, decompile.LabelsFile: mapFile}
	for _, name := range []string{importedSpec, importedWeights, importedReport, decompile.LabelsFile} {
		file := filepath.Join(dir, name)
		if err := notAnInput("output", file, model); err != nil {
			return err
		}
		if exists(file) && !c.Bool("force") {
			return fmt.Errorf("%s exists already: choose another folder, or overwrite it with --force", diag.Quote(file))
		}
		if err := checkOutput(file, kinds[name]); err != nil {
			return err
		}
	}
	return nil
}

// writeImported writes the files of an import. The spec is written last.
func writeImported(dir string, s *decompile.Spec, report string) error {
	text := func(name string, b []byte) error {
		return writeFile(filepath.Join(dir, name), func(w io.Writer) error { _, err := w.Write(b); return err })
	}
	meta := map[string]string{"incc": version, "net": s.Graph.Name, "spec": s.Graph.Recipe.SpecHash}
	err := writeFile(filepath.Join(dir, importedWeights), func(w io.Writer) error { return writeWeights(w, s.Graph, 0, meta) })
	if err != nil {
		return err
	}
	if s.Labels != nil {
		if err := text(decompile.LabelsFile, s.Labels); err != nil {
			return err
		}
	}
	if err := text(importedReport, []byte(report)); err != nil {
		return err
	}
	return text(importedSpec, s.Text)
}

// compared is how much the outputs of a model and of its spec differ on noise.
type compared struct {
	why           string  // why they were not compared, if they were not
	largest, diff float64 // of all elements of the first output
	bad           bool    // they differ by more than rounding
}

// compareImported runs a model and its spec on the same noise.
func compareImported(c *cli.Context, g *ir.Graph, s *decompile.Spec) compared {
	if len(g.Inputs) != 1 || g.Inputs[0].Type.DType != ir.F32 {
		return compared{why: "only networks with one input of float32 are run"}
	}
	x := ir.Draw("input", g.Inputs[0].Type.Shape.Bind(1), ir.Init{Kind: ir.InitUniform, A: 1}, c.Int64("seed"))
	old := g.Clone()
	old.Outputs = old.Outputs[:1]
	if s.Softmax {
		classify.Probabilities(old)
	}
	want, err := runOnce(c, old, x)
	if err != nil {
		return compared{why: err.Error()}
	}
	neu := s.Graph.Clone()
	dropHeads(neu)
	neu.Outputs = neu.Outputs[:1]
	got, err := runOnce(c, neu, s.Prepare(x))
	if err != nil {
		return compared{why: err.Error()}
	}
	if len(want) != len(got) {
		return compared{why: "the outputs have other shapes", bad: true}
	}
	d, largest := tensor.MaxDiff(tensor.Widen(tensor.Of(got, len(got))), tensor.Widen(tensor.Of(want, len(want))))
	return compared{diff: d, largest: largest, bad: !(d <= 1e-4*largest)}
}

// runOnce runs a network on one input and returns its first output.
func runOnce(c *cli.Context, g *ir.Graph, x *tensor.F32) ([]float32, error) {
	p, err := compileRoom(c, g, cpu.Options{})
	if err != nil {
		return nil, err
	}
	out := make([]float32, g.Outputs[0].Type.Shape.Size())
	if err := p.NewSession().Run([][]float32{x.Data}, [][]float32{out}); err != nil {
		return nil, err
	}
	for _, v := range out {
		if v-v != 0 {
			return nil, errors.New("the output for noise is not finite")
		}
	}
	return out, nil
}

// importReport says what an import found.
func importReport(g *ir.Graph, src *source, s *decompile.Spec, check compared) string {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", what, diag.Printable(fmt.Sprintf(format, args...)))
	}
	line("model", "%s: %s, %s", diag.Name(src.file), diag.Count(len(g.Nodes), "op"), diag.Count(len(g.Params), "weight"))
	if s.Flat != "" {
		line("spec", "%s in the flat form, because %s", diag.Count(lineCount(s.Text), "line"), s.Flat)
	} else {
		line("spec", "%s%s", diag.Count(lineCount(s.Text), "line"), foundText(s))
	}
	n := 0
	for _, v := range s.Graph.Params {
		n += v.Type.Shape.Size()
	}
	line("weights", "%s with %s numbers", diag.Count(len(s.Graph.Params), "tensor"), diag.Thousands(int64(n)))
	if s.Copies > 0 {
		line("", "%s of them are copies: layers of the model share weights, layers of a spec do not", diag.Thousands(int64(s.Copies)))
	}
	if s.Picture != nil {
		line("input", "preprocessing of the model is now in the input statement")
	}
	if src.guessed {
		line("input", "%s", guessedInput(s))
	}
	if s.Softmax {
		line("output", "a softmax was added, as the classes have names: the model gives scores, the spec probabilities")
	}
	if check.why != "" {
		line("check", "not run: %s", check.why)
	} else {
		line("check", "on noise the outputs differ by at most %.2g; the largest is %.4g", check.diff, check.largest)
	}
	return b.String()
}

// foundText says how many blocks, repeats and heads a spec has, "" if it has none.
func foundText(s *decompile.Spec) string {
	var words []string
	add := func(n int, what string) {
		if n > 0 {
			words = append(words, diag.Count(n, what))
		}
	}
	add(s.Blocks, "block")
	add(s.Repeats, "repeat")
	add(s.Heads, "head")
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return ", with " + words[0]
	default:
		return ", with " + strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

// guessedInput says what the spec says of pictures, if that is a guess.
func guessedInput(s *decompile.Spec) string {
	keys := "range=0..1"
	if in := s.Graph.Recipe.Input; in != nil {
		keys = strings.Join(dsl.InputKeys(in), " ")
	}
	return "the model does not say how a picture becomes its input; the spec says " + keys + ", a guess: --image 'KEY=VALUE…' says it"
}

// lineCount counts the lines of a text that are neither empty nor comments.
func lineCount(text []byte) int {
	n := 0
	for l := range strings.Lines(string(text)) {
		if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
			n++
		}
	}
	return n
}
