package main

import (
	"fmt"
	"image/png"
	"io"
	"math"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/classify"
	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/passes/autodiff"
)

func evalCommand() *cli.Command {
	return &cli.Command{
		Name:      "eval",
		Usage:     "measure a trained network on a data set",
		UsageText: "incc eval SPEC --weights FILE.safetensors --data DATA [--split PART]\nincc eval RUN [--split PART]",
		Description: `Example:

   incc weights mnist/lenet -o lenet.safetensors
   incc eval mnist/lenet --weights lenet.safetensors --data mnist

For the folder of a run, eval uses the spec, the best weights and the data of
that run. It prints accuracy, top-5 accuracy (of more than five classes), loss,
balanced accuracy (the mean recall of the classes), the expected calibration error
(15 bins), and precision, recall, F1 and the number of images of each class.

In the files of --wrong and --confusion class is a number and label its name, as in
those of incc predict. image is the number of the image, counted from 0, in the order
of the data's training, validation or test images; validation images that a run drew
from the training images have their numbers among those. file is the path of a picture
in the folder of the data. incc explain data says what spreadsheets do with names.`,
		Flags: append(append([]cli.Flag{dataFlag, strictFlag, weightsFlag, mapFlag, defineFlag, jsonFlag, roomFlag,
			&cli.StringFlag{Name: "split", Usage: "`PART` of the data: test, val or train. By default test, or val if the data has no test part"},
			&cli.StringFlag{Name: "confusion", Usage: "draw the confusion matrix as PNG to `FILE`, such as test.png, and write its counts to a CSV file beside it (test.csv); files of a run and other tables are not replaced"},
			&cli.StringFlag{Name: "wrong", Usage: "write the images that were classified wrong to a CSV `FILE`, those with the highest score first; the column file has the paths of pictures in their folder"},
			&cli.StringFlag{Name: "sheet", Usage: "draw the images that were classified wrong into a PNG `FILE`, a row for each pair of classes"},
		}, executorFlags()...), append(pipelineFlags(), modelFlags()...)...),
		Action: func(c *cli.Context) error {
			arg, err := oneArg(c, "SPEC")
			if err != nil {
				return err
			}
			named := c.IsSet("data")
			g, spec, err := load(c, arg)
			if err != nil {
				return err
			}
			dataOf := spec.run
			if named {
				dataOf = ""
			}
			if spec.model {
				if _, err := classify.Classes(g); err != nil {
					return err
				}
				classify.TakePictures(g)
			}
			if file := c.String("confusion"); file != "" {
				if err := checkConfusion(filepath.Clean(file), spec.file, c.String("weights")); err != nil {
					return err
				}
			}
			if err := checkWrong(c, spec.file, c.String("weights")); err != nil {
				return err
			}
			if !spec.trained(c) {
				return usagef("incc eval needs --weights FILE.safetensors, or the folder of a run as SPEC")
			}
			if err := checkRoom(c, g, use{batch: evalBatch, weights: 2, executor: true}); err != nil {
				return err
			}
			src, err := openData(c, g, dataOf)
			if err != nil {
				return err
			}
			for _, flag := range []string{"confusion", "wrong", "sheet"} {
				if err := checkBesidePictures(flag, c.String(flag), c.String("data"), src.Train); err != nil {
					return err
				}
			}
			set, split, err := evalPart(c, g, src, spec.run)
			if err != nil {
				return err
			}
			if err := fillWeights(c, g); err != nil {
				return err
			}
			var augs []recipe.Augment
			if g.Recipe.Train != nil {
				augs = deterministic(g.Recipe.Train.Augment)
			}
			in := g.Inputs[0].Type.Shape
			tr, err := data.NewTransform(src.Train, g.Recipe.Input, augs, in[1], in[2], in[3])
			if err != nil {
				return err
			}
			var wrong mistakes
			s, err := scoreOf(c, g, set, tr, wrong.collect(set))
			if err != nil {
				return err
			}
			if math.IsNaN(s.Loss) || math.IsInf(s.Loss, 0) {
				return &numericalError{fmt.Sprintf("the outputs of %s are not finite numbers for some images: the weights are too large, or not those of this network", g.Name)}
			}
			names := classNames(g, set)
			if file := c.String("confusion"); file != "" {
				if err := drawConfusion(writeFile, filepath.Clean(file), s.Confusion, names); err != nil {
					return err
				}
			}
			if file := c.String("wrong"); file != "" {
				if err := writeOutput(c, file, csvFile, func(w io.Writer) error { return wrong.write(w, names) }); err != nil {
					return err
				}
			}
			if file := c.String("sheet"); file != "" {
				sheet, err := wrong.sheet(set, names)
				if err != nil {
					return err
				}
				if err := writeOutput(c, file, pngFile, func(w io.Writer) error { return png.Encode(w, sheet.draw()) }); err != nil {
					return err
				}
			}
			report := evalReport{net: g.Name, data: src.Name, split: split, score: s, metrics: s.Confusion.Metrics(), names: names}
			if c.Bool("json") {
				return report.writeJSON(c.App.Writer)
			}
			report.write(messages(c, c.String("wrong"), c.String("sheet")))
			return nil
		},
	}
}

// evalBatch is the number of images that are evaluated at once.
const evalBatch = 64

// scoreOf evaluates a copy of a network, which must have its weights, on the executor:
// after the passes and with the options that the command line names. each is as for
// train.Evaluate.
func scoreOf(c *cli.Context, g *ir.Graph, set *data.Set, t *data.Transform, each func(i int, logits []float32, p train.Prediction)) (train.Score, error) {
	h := g.Clone()
	if _, err := optimize(c, h, 2, passes.Options{}); err != nil {
		return train.Score{}, err
	}
	h.Outputs[0] = autodiff.BeforeSoftmax(h.Outputs[0])
	o, err := executorOptions(c)
	if err != nil {
		return train.Score{}, err
	}
	o.Batch = evalBatch
	p, err := compileRoom(c, h, o)
	if err != nil {
		return train.Score{}, err
	}
	return train.Evaluate(inferrer{p.NewSession(), evalBatch, h.Outputs[0].Type.Shape.Size()}, t, set, each)
}

// inferrer makes a session of the executor a train.Inferrer.
type inferrer struct {
	s       *cpu.Session
	batch   int
	classes int
}

func (i inferrer) Batch() int   { return i.batch }
func (i inferrer) Classes() int { return i.classes }
func (i inferrer) Logits(dst, images []float32, n int) error {
	return i.s.Run([][]float32{images}, [][]float32{dst[:n*i.classes]})
}
