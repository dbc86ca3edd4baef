package main

import (
	"cmp"
	"fmt"
	"image"
	"image/png"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/classify"
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
			UsageText: "incc data inspect DATA [--val PART] [--sheet FILE.png] [--side N]\nincc data inspect DATA --spec SPEC [--augmented FILE.png]",
			Description: `Example:

   incc data inspect mnist --sheet mnist.png

The table shows how incc train would divide the data with the same --val and
--seed: into images to train on, to validate with, and to test with at the end.
For pictures of a folder it also says how many files have which format, and the
sizes of the smallest and the largest, as they are turned by their orientation.

With --spec pictures are read as that network reads them. --augmented draws some
of them as it sees them: scaled for evaluation, and as its train block changes
them in the first epochs (augment). Pictures that mixup and cutmix mixed have the
label with the larger share and that share below them, and then the other label.

   incc data inspect pictures --spec pets.incc --augmented seen.png`,
			Flags: []cli.Flag{
				valFlag, strictFlag,
				&cli.Int64Flag{Name: "seed", Value: 1, Usage: "`SEED` of the run, with which validation images are drawn"},
				&cli.StringFlag{Name: "sheet", Usage: "draw images of every class into a PNG `FILE`"},
				&cli.StringFlag{Name: "augmented", Usage: "draw images as the network of --spec sees them into a PNG `FILE`"},
				&cli.StringFlag{Name: "spec", Usage: "read pictures as `SPEC` does, which may be the folder of a run, and take its seed"},
				defineFlag,
				&cli.IntFlag{Name: "side", Value: 64, Usage: "without --spec: scale pictures of a folder to `N` x N pixels"},
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
	sheet, augmented := c.String("sheet"), c.String("augmented")
	out := messages(c, sheet, augmented)
	switch {
	case (toStdout(sheet) || toStdout(augmented)) && c.Bool("json"), toStdout(sheet) && toStdout(augmented):
		return usagef("only one of --json, --sheet and --augmented can go to standard output")
	case augmented != "" && c.String("spec") == "":
		return usagef("--augmented needs --spec SPEC: the network and its train block say how pictures are changed")
	}
	for _, path := range []string{sheet, augmented} {
		if path != "" {
			if err := checkOutput(path, pngFile); err != nil {
				return err
			}
		}
	}
	if samePath(sheet, augmented) {
		return usagef("--sheet and --augmented name the same file")
	}
	g, seed, err := inspectNetwork(c)
	if err != nil {
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
	for _, f := range []struct{ flag, path string }{{"sheet", sheet}, {"augmented", augmented}} {
		if err := checkBesidePictures(f.flag, f.path, name, src.Train); err != nil {
			return err
		}
	}
	run, err := divide(c, g, src, v, seed)
	if err != nil {
		return err
	}
	var parts []dataPart
	for _, part := range []struct {
		name string
		set  *data.Set
	}{{"train", run.train}, {"val", run.val}, {"test", src.Test}} {
		if part.set == nil {
			continue
		}
		p, err := newPart(part.name, part.set)
		if err != nil {
			return err
		}
		if part.name == "val" && run.drawn {
			p.Seed = &run.seed
		}
		parts = append(parts, p)
	}
	if c.Bool("json") {
		err = writeJSON(out, parts)
	} else {
		writeParts(out, parts)
	}
	if err != nil {
		return err
	}
	if sheet != "" {
		img, err := contactSheet(src.Train)
		if err != nil {
			return err
		}
		if err := writeSheet(c, out, sheet, img); err != nil {
			return err
		}
	}
	if augmented == "" {
		return nil
	}
	in := g.Inputs[0].Type.Shape
	r := recipeOf(g)
	t, err := data.NewTransform(src.Train, g.Recipe.Input, r.Augment, in[1], in[2], in[3])
	if err != nil {
		return err
	}
	img, err := augmentedSheet(t, run.train, in[1], in[2], in[3], min(r.Run.Batch, run.train.Len()), seed)
	if err != nil {
		return err
	}
	return writeSheet(c, out, augmented, img)
}

// writeSheet writes a picture and says so, beside JSON to standard error.
func writeSheet(c *cli.Context, out io.Writer, path string, img image.Image) error {
	if err := writeOutput(c, path, pngFile, func(w io.Writer) error { return png.Encode(w, img) }); err != nil || toStdout(path) {
		return err
	}
	if c.Bool("json") {
		out = c.App.ErrWriter
	}
	return say(out, "wrote "+diag.Name(path))
}

// inspectNetwork is the network that pictures are read for, and the seed of its run: of
// --spec, or one made for --side.
func inspectNetwork(c *cli.Context) (*ir.Graph, int64, error) {
	seed := c.Int64("seed")
	if spec := c.String("spec"); spec != "" {
		if c.IsSet("side") {
			return nil, 0, usagef("--spec says how large pictures become: leave --side out")
		}
		g, _, err := load(c, spec)
		if err != nil {
			return nil, 0, err
		}
		if _, err := classify.Classes(g); err != nil {
			return nil, 0, err
		}
		if !c.IsSet("seed") {
			seed = recipeOf(g).Run.Seed
		}
		return g, seed, nil
	}
	if c.IsSet("define") {
		return nil, 0, usagef("-D needs --spec SPEC, whose values it sets")
	}
	side := c.Int("side")
	if side < 1 || side > 1024 {
		return nil, 0, usagef("--side is %d (want 1 to 1024)", side)
	}
	g, problems := dsl.Load("", fmt.Appendf(nil, "net inspect\ninput image 3x%dx%d\nfc 10\n", side, side), dsl.Options{})
	return g, seed, problems.Err()
}

// dataPart is what incc data inspect prints of a part of a data set.
type dataPart struct {
	Part    string        `json:"part"`
	Images  int           `json:"images"`
	Seed    *int64        `json:"seed,omitempty"` // with which the images were drawn from those for training
	Shape   ir.Shape      `json:"shape"`
	Classes []string      `json:"classes,omitempty"`
	Counts  []int         `json:"counts"`            // of the classes
	Mean    []float64     `json:"mean"`              // of the pixels, for each channel
	Formats []formatCount `json:"formats,omitempty"` // of the files that the images come from
}

// formatCount is what incc data inspect prints of the files of one format.
type formatCount struct {
	Format   string `json:"format"`
	Files    int    `json:"files"`
	Smallest [2]int `json:"smallest"` // width and height in pixels of the picture with the fewest
	Largest  [2]int `json:"largest"`  // with the most
}

// countFormats counts the files of each format, the most frequent first.
func countFormats(s *data.Set) []formatCount {
	var l []formatCount
	for _, o := range s.Originals {
		size := [2]int{o.Size.X, o.Size.Y}
		k := slices.IndexFunc(l, func(f formatCount) bool { return f.Format == o.Format })
		if k < 0 {
			k, l = len(l), append(l, formatCount{o.Format, 0, size, size})
		}
		f := &l[k]
		if f.Files++; size[0]*size[1] < f.Smallest[0]*f.Smallest[1] {
			f.Smallest = size
		}
		if size[0]*size[1] > f.Largest[0]*f.Largest[1] {
			f.Largest = size
		}
	}
	slices.SortFunc(l, func(a, b formatCount) int {
		return cmp.Or(cmp.Compare(b.Files, a.Files), cmp.Compare(a.Format, b.Format))
	})
	return l
}

func (f formatCount) String() string {
	text := fmt.Sprintf("%s %s of %d x %d", diag.Thousands(int64(f.Files)), f.Format, f.Smallest[0], f.Smallest[1])
	if f.Largest != f.Smallest {
		text += fmt.Sprintf(" to %d x %d", f.Largest[0], f.Largest[1])
	}
	return text + " pixels"
}

func newPart(name string, s *data.Set) (dataPart, error) {
	p := dataPart{Part: name, Images: s.Len(), Shape: ir.Shape{s.C, s.H, s.W}, Classes: s.Names, Counts: s.Counts(), Mean: make([]float64, s.C), Formats: countFormats(s)}
	n := s.H * s.W
	err := s.Each(func(_ int, pixels []uint8) error {
		for k, v := range pixels {
			p.Mean[k/n] += float64(v)
		}
		return nil
	})
	for k := range p.Mean {
		p.Mean[k] /= float64(n * max(1, s.Len()))
	}
	return p, err
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
		text := fmt.Sprintf("%s: %s images of %v, mean of the pixels", p.Part, diag.Thousands(int64(p.Images)), p.Shape)
		for _, m := range p.Mean {
			text += fmt.Sprintf(" %.1f", m)
		}
		if p.Seed != nil {
			text += fmt.Sprintf("; drawn from every class with seed %d", *p.Seed)
		}
		_ = say(w, text)
		for _, f := range p.Formats {
			sayf(w, "   %v", f)
		}
		head = append(head, ">"+p.Part)
	}
	most := max(1, slices.Max(parts[0].Counts))
	t := newTable(append(head, "")...)
	for k := range parts[0].Counts {
		label := fmt.Sprint(k)
		if k < len(parts[0].Classes) {
			label += " " + diag.Printable(parts[0].Classes[k])
		}
		cells := []any{diag.Shorten(label, labelWidth)}
		for _, p := range parts {
			n := 0
			if k < len(p.Counts) {
				n = p.Counts[k]
			}
			cells = append(cells, n)
		}
		t.Add(append(cells, strings.Repeat("#", barWidth*parts[0].Counts[k]/most))...)
	}
	t.write(w)
}
