package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir/diag"
)

func compareCommand() *cli.Command {
	return &cli.Command{
		Name:      "compare",
		Usage:     "draw the curves of several runs into one chart",
		UsageText: "incc compare RUN RUN... [-o FILE] [--json]",
		Description: `Example:

   incc compare runs/lenet runs/nin -o lenet-nin

Writes FILE.png and FILE.svg (compare by default) and prints a table. -o
lenet-nin.png means the same as -o lenet-nin.`,
		Flags: []cli.Flag{&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "compare", Usage: "write `FILE`.png and FILE.svg"}, jsonFlag},
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return usagef("incc compare needs the folders of one or more runs")
			}
			if err := notStdout("output", c.String("output"), "a PNG and an SVG file"); err != nil {
				return err
			}
			var names []string
			var runs [][]train.Row
			var infos []runInfo
			for _, dir := range c.Args().Slice() {
				rows, err := readResults(dir)
				if err != nil {
					return err
				}
				info, err := readSummaryFile(dir)
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				} else if err != nil {
					// A run that has not ended has no summary.json.
					info = runInfo{Name: filepath.Base(filepath.Clean(dir))}
				}
				names, runs, infos = append(names, filepath.Base(filepath.Clean(dir))), append(runs, rows), append(infos, info)
			}
			out := c.String("output") // the name of the files without their extensions
			if ext := filepath.Ext(out); strings.EqualFold(ext, ".png") || strings.EqualFold(ext, ".svg") {
				out = strings.TrimSuffix(out, ext)
			}
			if out == "" || strings.HasSuffix(out, string(filepath.Separator)) {
				return usagef("-o %s is not the name of a file", diag.Quote(c.String("output")))
			}
			for ext, kind := range map[string]outputKind{".png": pngFile, ".svg": svgFile} {
				if err := checkOutput(out+ext, kind); err != nil {
					return err
				}
			}
			if err := drawCompare(out, names, runs); err != nil {
				return err
			}
			if c.Bool("json") {
				results := map[string]any{}
				for i, n := range names {
					results[n] = map[string]any{"summary": infos[i], "epochs": runs[i]}
				}
				return writeJSON(c.App.Writer, results)
			}
			t := newTable("run", ">params", ">epochs", ">s an epoch", ">loss, epoch 1", ">accuracy", ">loss, last", ">accuracy", ">validation", ">best", ">test")
			for i, rows := range runs {
				if len(rows) == 0 {
					continue
				}
				first, last := rows[0], rows[len(rows)-1]
				test := ""
				if infos[i].TestAcc != nil {
					test = percent(*infos[i].TestAcc)
				}
				seconds := 0.0
				for _, r := range rows {
					seconds += r.Seconds / float64(len(rows))
				}
				t.Add(names[i], countText(infos[i].Params), len(rows), fmt.Sprintf("%.1f", seconds), fmt.Sprintf("%.4f", first.TrainLoss), percent(first.TrainAcc),
					fmt.Sprintf("%.4f", last.TrainLoss), percent(last.TrainAcc), percent(last.ValAcc), percent(bestValidation(rows)), test)
			}
			t.write(c.App.Writer)
			return sayf(c.App.Writer, "wrote %s and %s", diag.Name(out+".png"), diag.Name(out+".svg"))
		},
	}
}

// bestValidation is the highest validation accuracy of a run, NaN without validation.
func bestValidation(rows []train.Row) float64 {
	best := math.NaN()
	for _, r := range rows {
		if !(r.ValAcc <= best) {
			best = r.ValAcc
		}
	}
	return best
}

func percent(x float64) string {
	if math.IsNaN(x) {
		return ""
	}
	return fmt.Sprintf("%.2f %%", 100*x)
}
