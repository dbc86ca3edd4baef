package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
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

Pictures (.png, .jpg) are scaled, cropped and normalized as the spec's input
statement says; the k most likely classes of each are printed, with the names
of the spec's labels statement.`,
		Flags: append(append([]cli.Flag{
			&cli.IntFlag{Name: "top", Value: 5, Usage: "print the `K` most likely classes"},
			defineFlag, seedFlag, weightsFlag, jsonFlag, roomFlag,
		}, executorFlags()...), pipelineFlags()...),
		Action: func(c *cli.Context) error {
			if c.NArg() < 2 {
				return usagef("incc predict needs a SPEC and at least one PICTURE\n   %s", c.Command.UsageText)
			}
			if err := checkTop(c); err != nil {
				return err
			}
			g, _, err := load(c, c.Args().First())
			if err != nil {
				return err
			}
			if c.String("weights") == "" {
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
			if keys := fromTheData(g); keys != "" {
				fmt.Fprintf(c.App.ErrWriter, "note: this network is trained on images after %s, which predict cannot do without the training images: expect wrong answers; incc eval does it\n", keys)
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
			s := p.NewSession()
			out := g.Outputs[0]
			y := make([]float32, out.Type.Shape.Size())
			for _, path := range c.Args().Tail() {
				x, err := readInput(g, path)
				if err != nil {
					return err
				}
				if x.Shape[0] != 1 {
					return fmt.Errorf("%s holds %d images; incc run takes batches", path, x.Shape[0])
				}
				if err := s.Run([][]float32{tensor.Round(x).Data}, [][]float32{y}); err != nil {
					return err
				}
				row := make([]float64, len(y))
				for i, v := range y {
					row[i] = float64(v)
				}
				top := topK(g, row, c.Int("top"))
				if c.Bool("json") {
					if err := writeLineJSON(c.App.Writer, map[string]any{"picture": path, "top": top}); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintln(c.App.Writer, diag.Printable(path))
				writeTop(c.App.Writer, out.Name, top)
			}
			return nil
		},
	}
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
