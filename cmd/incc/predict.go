package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/classify"
	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

func predictCommand() *cli.Command {
	return &cli.Command{
		Name:      "predict",
		Usage:     "classify pictures",
		UsageText: "incc predict SPEC --weights FILE.safetensors PICTURE...\nincc predict RUN PICTURE...",
		Description: `Example:

   incc weights mnist/nin -o nin.safetensors
   incc predict mnist/nin --weights nin.safetensors digit.png

PICTURE is a file, a folder (the pictures in it and in its folders are
classified; hidden files are not), or a pattern such as 'pets/*.jpg'. incc
explain data names the formats. Pictures are scaled, cropped and normalized as
the spec's input statement says. NumPy files (.npy) and ONNX tensors (.pb) are
taken as they are.

Of one picture the 5 most likely classes are printed. Of several, and of a
folder or pattern, each has a line with its most likely class. Classes have the
names of the spec's labels statement, which a run has from the folders of its
pictures; without labels they are numbers, from 0.

--json prints a JSON object in a line for each picture, with the keys picture
and top; each of top has the keys class, label and score, as the answers of a
generated program have. --csv prints a table with the columns picture, rank,
class, label, score and error.

A picture that cannot be read is named with the reason (in JSON with the key
error). The others are classified, and the exit code is 1.`,
		Flags: append(append([]cli.Flag{
			&cli.IntFlag{Name: "top", Usage: "print the `K` most likely classes: by default 5, and 1 in a table or line"},
			&cli.BoolFlag{Name: "csv", Usage: "print a table as CSV"},
			defineFlag, weightsFlag, mapFlag, jsonFlag, roomFlag,
		}, executorFlags()...), append(pipelineFlags(), modelFlags()...)...),
		Action: predict,
	}
}

func predict(c *cli.Context) error {
	if c.NArg() < 2 {
		return usagef("incc predict needs a SPEC and at least one PICTURE\n   %s", c.Command.UsageText)
	}
	if c.IsSet("top") && c.Int("top") < 1 {
		return checkTop(c)
	}
	if c.Bool("json") && c.Bool("csv") {
		return usagef("--json and --csv are two forms of the output: choose one")
	}
	g, src, err := load(c, c.Args().First())
	if err != nil {
		return err
	}
	if _, err := classify.Classes(g); err != nil {
		return err
	}
	if src.model {
		classify.TakePictures(g)
	}
	if !src.trained(c) {
		return usagef("incc predict needs --weights FILE.safetensors, or the folder of a run as SPEC: random weights predict nothing")
	}
	if err := checkRoom(c, g, use{batch: 1, executor: true, inputs: true}); err != nil {
		return err
	}
	file, done, err := weightsLater(c, g)
	defer done()
	if err != nil {
		return err
	}
	notes := predictNotes(g, src.model)
	if src.model {
		notes = append(notes, modelNotes(g, src)...)
	}
	if classify.Probabilities(g) {
		notes = append(notes, fmt.Sprintf("the output of %s is not a softmax: scores are the softmax of the output, while programs of incc gen go give the output itself", g.Name))
	}
	if _, err := optimize(c, g, 2, passes.Options{}); err != nil {
		return err
	}
	o, err := executorOptions(c)
	if err != nil {
		return err
	}
	o.Weights = file
	p, err := compileRoom(c, g, o)
	if err != nil {
		return err
	}
	list, found, skipped := pictureFiles(c.Args().Tail(), data.IsPicture, data.Formats)
	if s := skippedText(skipped); s != "" {
		notes = append(notes, s)
	}
	for _, n := range notes {
		say(c.App.ErrWriter, "note: "+n)
	}
	out := newPredictions(c, g, list, found)
	s := p.NewSession()
	y := make([]float32, g.Outputs[0].Type.Shape.Size())
	var last error
	failed := 0
	for _, f := range list {
		var top []topLine
		if f.err == nil {
			top, f.err = predictOne(g, s, f.path, y, out.top)
		}
		if f.err != nil {
			failed++
			last = withPath(f.path, f.err)
			if len(list) > 1 {
				sayf(c.App.ErrWriter, "incc: %s", errorText(last, f.path))
			}
		}
		if err := out.write(f, top); err != nil {
			return err
		}
	}
	if failed > 0 && len(list) > 1 {
		return fmt.Errorf("%d of %d pictures cannot be read", failed, len(list))
	}
	return last
}

// predictOne classifies a picture. y is room for the output.
func predictOne(g *ir.Graph, s *cpu.Session, path string, y []float32, k int) ([]topLine, error) {
	x, err := readPictureOrTensor(g, path)
	if err != nil {
		return nil, err
	}
	if x.Shape[0] != 1 {
		return nil, fmt.Errorf("the file holds %d images; incc run takes batches", x.Shape[0])
	}
	if err := s.Run([][]float32{tensor.Round(x).Data}, [][]float32{y}); err != nil {
		return nil, err
	}
	return topScores(g, y, k)
}

// topScores returns the k largest scores of a picture. It returns an error if some are not
// finite.
func topScores(g *ir.Graph, y []float32, k int) ([]topLine, error) {
	row := make([]float64, len(y))
	for i, v := range y {
		if v-v != 0 {
			return nil, &numericalError{"the scores of the network are not finite numbers for this picture: its weights are NaN or too large"}
		}
		row[i] = float64(v)
	}
	return topK(g, row, k), nil
}

// readPictureOrTensor reads a .npy or .pb file as readInput does, and any other file
// as a picture, whatever its name.
func readPictureOrTensor(g *ir.Graph, path string) (*tensor.Tensor, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".npy", ".pb":
		return readInput(g, path)
	}
	return readPicture(g, path)
}

// predictNotes are the reasons to take the classes of a network with care. model is true for
// one of a model in place of a spec.
func predictNotes(g *ir.Graph, model bool) []string {
	var notes []string
	if keys := fromTheData(g); keys != "" {
		notes = append(notes, "this network is trained on images after "+keys+", which predict cannot do without the training images: expect wrong answers; incc eval does it")
	}
	if lab := g.Recipe.Labels; lab == nil || len(lab.Names) == 0 {
		how := "a labels statement in the spec"
		if model {
			how = "--labels imagenet1k, or --labels FILE with a name on each line,"
		}
		notes = append(notes, fmt.Sprintf("%s has no labels, so classes are numbers, 0 to %d; %s names them", g.Name, g.Outputs[0].Type.Shape.Size()-1, how))
	}
	return notes
}

// dataNote says which steps of the recipe only incc train and incc eval do, "" for none.
func dataNote(g *ir.Graph) string {
	keys := fromTheData(g)
	if keys == "" {
		return ""
	}
	return "note: " + keys + " changes every image by numbers that come from the training images. Only incc train and incc eval do that: " +
		"predict, models and packages see other images, and their answers are worse. Constants in the input statement (mean=, std=, range=) go everywhere"
}

// fromTheData lists the steps of the recipe's augment statements that predict cannot
// do. They apply to every image, in training and evaluation, but need statistics of the
// training images.
func fromTheData(g *ir.Graph) string {
	if g.Recipe.Train == nil {
		return ""
	}
	var keys []string
	for _, a := range g.Recipe.Train.Augment {
		for _, k := range []struct {
			on   bool
			name string
		}{{a.GCN, "gcn"}, {a.ZCA, "zca"}, {a.MeanStd, "mean_std"}, {a.MeanSubtracted, "mean_image"}} {
			if k.on {
				keys = append(keys, "augment "+k.name)
			}
		}
	}
	return strings.Join(keys, ", ")
}
