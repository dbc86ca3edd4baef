package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

func dataCommand() *cli.Command {
	return &cli.Command{
		Name:      "data",
		Usage:     "look at data sets",
		UsageText: "incc data inspect DATA [--sheet FILE.png]",
		Description: `Example:

   incc data inspect mnist --sheet mnist.png`,
		Subcommands: []*cli.Command{{
			Name:      "inspect",
			Usage:     "print how a run divides the data, class by class; draw a contact sheet",
			UsageText: "incc data inspect DATA [--val PART] [--sheet FILE.png] [--side N]",
			Description: `Example:

   incc data inspect mnist --sheet mnist.png

The table shows how incc train would divide the data with the same --val and
--seed: into images to train on, to validate with, and to test with at the end.`,
			Flags: []cli.Flag{
				valFlag, strictFlag,
				&cli.Int64Flag{Name: "seed", Value: 1, Usage: "`SEED` of the run, with which validation images are drawn"},
				&cli.StringFlag{Name: "sheet", Usage: "draw images of every class into a PNG `FILE`"},
				&cli.IntFlag{Name: "side", Value: 64, Usage: "scale pictures of a folder to `N` x N pixels"},
				jsonFlag,
			},
			Action: inspectData,
		}},
	}
}

func inspectData(c *cli.Context) error {
	name, err := oneArg(c, "DATA")
	if err != nil {
		return err
	}
	out := messages(c, c.String("sheet"))
	if toStdout(c.String("sheet")) && c.Bool("json") {
		return usagef("--json and --sheet cannot both go to standard output")
	}
	side := c.Int("side")
	if side < 1 || side > 1024 {
		return usagef("--side is %d (want 1 to 1024)", side)
	}
	g, problems := dsl.Load("", fmt.Appendf(nil, "net inspect\ninput image 3x%dx%d\nfc 10\n", side, side), dsl.Options{})
	if err := problems.Err(); err != nil {
		return err
	}
	v, err := parseValidation(c.String("val"))
	if err != nil {
		return usagef("%v", err)
	}
	d, err := findData(c, name)
	if err != nil {
		return err
	}
	src, err := d.read(c, g)
	if err != nil {
		return err
	}
	run, err := divide(c, g, src, v, c.Int64("seed"))
	if err != nil {
		return err
	}
	parts := []dataPart{newPart("train", run.train)}
	if run.val != nil {
		p := newPart("val", run.val)
		if run.drawn {
			p.Seed = &run.seed
		}
		parts = append(parts, p)
	}
	if src.Test != nil {
		parts = append(parts, newPart("test", src.Test))
	}
	if c.Bool("json") {
		err = writeJSON(out, parts)
	} else {
		writeParts(out, parts)
	}
	if err != nil {
		return err
	}
	if file := c.String("sheet"); file != "" {
		return writeOutput(c, file, "a PNG file", func(w io.Writer) error { return png.Encode(w, contactSheet(src.Train)) })
	}
	return nil
}

// dataPart is what incc data inspect prints of a part of a data set.
type dataPart struct {
	Part    string    `json:"part"`
	Images  int       `json:"images"`
	Seed    *int64    `json:"seed,omitempty"` // with which the images were drawn from those for training
	Shape   ir.Shape  `json:"shape"`
	Classes []string  `json:"classes,omitempty"`
	Counts  []int     `json:"counts"` // of the classes
	Mean    []float64 `json:"mean"`   // of the pixels, for each channel
}

func newPart(name string, s *data.Set) dataPart {
	p := dataPart{Part: name, Images: s.Len(), Shape: ir.Shape{s.C, s.H, s.W}, Classes: s.Names, Counts: s.Counts(), Mean: make([]float64, s.C)}
	n := s.H * s.W
	for i := range s.Len() {
		for k, v := range s.Image(i) {
			p.Mean[k/n] += float64(v)
		}
	}
	for k := range p.Mean {
		p.Mean[k] /= float64(n * max(1, s.Len()))
	}
	return p
}

// The widths of two columns, in characters: with three parts of up to 9,999,999
// images of a class the table fits 80 columns.
const (
	labelWidth = 30
	barWidth   = 20
)

// writeParts prints a sentence for each part, and a table of the classes.
func writeParts(w io.Writer, parts []dataPart) {
	head := []string{"class"}
	for _, p := range parts {
		fmt.Fprintf(w, "%s: %s images of %v, mean of the pixels", p.Part, thousands(int64(p.Images)), p.Shape)
		for _, m := range p.Mean {
			fmt.Fprintf(w, " %.1f", m)
		}
		if p.Seed != nil {
			fmt.Fprintf(w, "; drawn from every class with seed %d", *p.Seed)
		}
		fmt.Fprintln(w)
		head = append(head, ">"+p.Part)
	}
	most := max(1, slices.Max(parts[0].Counts))
	t := newTable(append(head, "")...)
	for k := range parts[0].Counts {
		label := fmt.Sprint(k)
		if k < len(parts[0].Classes) {
			label += " " + diag.Printable(parts[0].Classes[k])
		}
		cells := []any{shortened(label, labelWidth)}
		for _, p := range parts {
			n := 0
			if k < len(p.Counts) {
				n = p.Counts[k]
			}
			cells = append(cells, n)
		}
		t.add(append(cells, strings.Repeat("#", barWidth*parts[0].Counts[k]/most))...)
	}
	t.write(w)
}

// contactSheet draws the first images of each class, one row for each class.
func contactSheet(s *data.Set) image.Image {
	const columns, gap = 16, 2
	rows := min(s.Classes, 40)
	img := image.NewRGBA(image.Rect(0, 0, columns*(s.W+gap)+gap, rows*(s.H+gap)+gap))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	filled := make([]int, rows)
	n := s.H * s.W
	for i := range s.Len() {
		k := int(s.Labels[i])
		if k >= rows || filled[k] == columns {
			continue
		}
		x0, y0 := gap+filled[k]*(s.W+gap), gap+k*(s.H+gap)
		filled[k]++
		px := s.Image(i)
		for p := range n {
			c := color.RGBA{px[p], px[p], px[p], 255}
			if s.C == 3 {
				c.G, c.B = px[n+p], px[2*n+p]
			}
			img.SetRGBA(x0+p%s.W, y0+p/s.W, c)
		}
	}
	return img
}
