package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
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
			Usage:     "print counts, sizes and a histogram; draw a contact sheet",
			UsageText: "incc data inspect DATA [--sheet FILE.png] [--side N]",
			Description: `Example:

   incc data inspect mnist --sheet mnist.png`,
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "sheet", Usage: "draw images of every class into a PNG `FILE`"},
				&cli.IntFlag{Name: "side", Value: 64, Usage: "scale pictures of a folder to `N` pixels"},
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
	src, err := readData(c.Context, name, g, func(s string) { fmt.Fprintln(c.App.ErrWriter, s) })
	if err != nil {
		return err
	}
	type part struct {
		Part   string    `json:"part"`
		Images int       `json:"images"`
		Shape  ir.Shape  `json:"shape"`
		Counts []int     `json:"counts"`
		Mean   []float64 `json:"mean"`
	}
	var parts []part
	for _, p := range []struct {
		name string
		set  *data.Set
	}{{"train", src.Train}, {"test", src.Test}} {
		if p.set == nil {
			continue
		}
		x := part{Part: p.name, Images: p.set.Len(), Shape: ir.Shape{p.set.C, p.set.H, p.set.W}, Counts: make([]int, p.set.Classes), Mean: make([]float64, p.set.C)}
		for _, l := range p.set.Labels {
			x.Counts[l]++
		}
		n := p.set.H * p.set.W
		for i := range p.set.Len() {
			for k, v := range p.set.Image(i) {
				x.Mean[k/n] += float64(v)
			}
		}
		for k := range x.Mean {
			x.Mean[k] /= float64(n * p.set.Len())
		}
		parts = append(parts, x)
	}
	if c.Bool("json") {
		if err := writeJSON(out, parts); err != nil {
			return err
		}
	} else {
		for _, p := range parts {
			fmt.Fprintf(out, "%s: %s images of %v, mean of the pixels", p.Part, thousands(int64(p.Images)), p.Shape)
			for _, m := range p.Mean {
				fmt.Fprintf(out, " %.1f", m)
			}
			fmt.Fprintln(out)
		}
		most := 0
		for _, k := range parts[0].Counts {
			most = max(most, k)
		}
		head := []string{"class", ">train"}
		if len(parts) > 1 {
			head = append(head, ">test")
		}
		t := newTable(append(head, "")...)
		for k := range parts[0].Counts {
			label := fmt.Sprint(k)
			if k < len(src.Train.Names) {
				label += " " + diag.Printable(src.Train.Names[k])
			}
			cells := []any{label, parts[0].Counts[k]}
			if len(parts) > 1 {
				n := 0
				if k < len(parts[1].Counts) {
					n = parts[1].Counts[k]
				}
				cells = append(cells, n)
			}
			t.add(append(cells, strings.Repeat("#", 40*parts[0].Counts[k]/max(1, most)))...)
		}
		t.write(out)
	}
	if file := c.String("sheet"); file != "" {
		return writeOutput(c, file, "a PNG file", func(w io.Writer) error { return png.Encode(w, contactSheet(src.Train)) })
	}
	return nil
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
