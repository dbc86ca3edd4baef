package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/draw"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes"
)

// drawColours are the values of --colour, in the order of draw.Colour.
var drawColours = []string{"kind", "macs", "params", "time"}

// timedPasses keep the names of all layers, so that each measured step belongs to one box.
const timedPasses = "drop-heads,drop-dropout,dce,fold-bn,fuse-act"

func drawCommand() *cli.Command {
	return &cli.Command{
		Name:      "draw",
		Usage:     "draw a network as SVG, PNG or PDF",
		UsageText: "incc draw SPEC -o FILE.svg [--part PART] [--collapse DEPTH] [--colour WHAT]",
		Description: `Example:

   incc draw googlenet -o googlenet.svg
   incc draw googlenet --part 3a -o module.png
   incc draw inception_v3 --collapse 1 --direction right --colour macs -o v3.pdf

Layers are boxes with kernel, stride, channels and output shape; an activation, a batch
norm or a dropout stands in the box of the layer before it. Branches stand side by side,
labelled parts and blocks are frames, auxiliary classifiers branch off. A box of an SVG
shows its path, cost and line of the spec when the pointer rests on it.

--colour kind colours by the kind of layer. macs, params and time colour by a number, from
light to dark in seven steps of the same share of the largest one. time, which --measure
is short for, runs the network on this machine with its batch norms and activations
folded, but with no layers merged, so that each layer has a time of its own.`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE`, whose name ends in .svg, .png or .pdf; - writes SVG to standard output"},
			&cli.StringFlag{Name: "direction", Value: "down", Usage: "lay out `WHERE` edges lead: down or right"},
			&cli.StringFlag{Name: "part", Usage: "draw one `PART` or block alone, by its path, such as 3a"},
			&cli.IntFlag{Name: "collapse", Usage: "draw parts and blocks that are nested deeper than `DEPTH` - 1 as one box; 1 draws a box for each part"},
			&cli.StringFlag{Name: "colour", Aliases: []string{"color"}, Value: "kind", Usage: "colour boxes by `WHAT`: kind, macs, params or time"},
			&cli.BoolFlag{Name: "measure", Usage: "colour boxes by their measured time"},
			&cli.BoolFlag{Name: "no-heads", Usage: "leave out the auxiliary classifiers"},
			&cli.Float64Flag{Name: "scale", Value: 2, Usage: "make a PNG `N` times as large as the SVG"},
			defineFlag, weightsFlag, seedFlag, memoryFlag,
		}, executorFlags(), modelFlags()),
		Action: drawNetwork,
	}
}

func drawNetwork(c *cli.Context) error {
	arg, err := oneArg(c, "SPEC")
	if err != nil {
		return err
	}
	o, err := drawOptions(c)
	if err != nil {
		return err
	}
	out := c.String("output")
	if out == "" {
		return usagef("incc draw needs the file to write: -o FILE.svg (or .png, .pdf)")
	}
	kind := svgFile
	switch ext := strings.ToLower(filepath.Ext(out)); {
	case toStdout(out), ext == ".svg":
	case ext == ".png":
		kind = pngFile
	case ext == ".pdf":
		kind = pdfFile
	default:
		return usagef("--output %s: want a name that ends in .svg, .png or .pdf", diag.Quote(out))
	}
	if kind.ext != pngFile.ext {
		if err := worksOnly(c, "with a PNG file", "scale"); err != nil {
			return err
		}
	}
	g, src, err := load(c, arg)
	if err != nil {
		return err
	}
	if err := notAnInput("output", out, src.file); err != nil {
		return err
	}
	if o.Colour == draw.ByTime {
		if o.Micros, err = layerTimes(c, arg); err != nil {
			return err
		}
	}
	d, err := draw.New(g, o)
	if err != nil {
		return drawError(err)
	}
	err = writeOutput(c, out, kind, func(w io.Writer) error {
		switch kind.ext {
		case ".png":
			return d.PNG(w, c.Float64("scale"))
		case ".pdf":
			return d.PDF(w)
		}
		return d.SVG(w)
	})
	if err != nil {
		return err
	}
	boxes, frames, edges := d.Counts()
	what := fmt.Sprintf("%d boxes", boxes)
	if boxes == 1 {
		what = "1 box"
	}
	return say(messages(c, out), fmt.Sprintf("wrote %s: %s, %s, %s", diag.Name(out), what, diag.Count(frames, "frame"), diag.Count(edges, "edge")))
}

func drawOptions(c *cli.Context) (draw.Options, error) {
	o := draw.Options{Part: strings.Trim(c.String("part"), "/"), Collapse: c.Int("collapse"), NoHeads: c.Bool("no-heads")}
	switch d := c.String("direction"); d {
	case "down":
	case "right":
		o.Right = true
	default:
		return o, usagef("unknown direction %s (want down or right)", diag.Quote(d))
	}
	if c.IsSet("collapse") && o.Collapse < 1 {
		return o, usagef("--collapse %d (want 1 or more)", o.Collapse)
	}
	if s := c.Float64("scale"); !(s >= 0.1 && s <= 10) {
		return o, usagef("--scale %g (want 0.1 to 10)", s)
	}
	i := slices.Index(drawColours, c.String("colour"))
	if i < 0 {
		return o, usagef("unknown colour %s (want kind, macs, params or time)", diag.Quote(c.String("colour")))
	}
	o.Colour = draw.Colour(i)
	if c.Bool("measure") {
		if c.IsSet("colour") && o.Colour != draw.ByTime {
			return o, usagef("--measure colours by time: leave out --colour %s", c.String("colour"))
		}
		o.Colour = draw.ByTime
	}
	if o.Colour != draw.ByTime {
		return o, worksOnly(c, "with --measure", "weights", "seed", "memory", "threads", "isa", "direct", "tuning")
	}
	return o, nil
}

// drawError says how to mend an error of a drawing.
func drawError(err error) error {
	var part *draw.PartError
	if !errors.As(err, &part) {
		return err
	}
	if len(part.Have) == 0 {
		return usagef("--part %s: the network has no labelled parts", diag.Quote(part.Part))
	}
	names := part.Have
	if s, ok := diag.Nearest(part.Part, names); ok {
		return usagef("--part %s: the network has no such part or block, did you mean %s?", diag.Quote(part.Part), diag.Name(s))
	}
	more := ""
	if len(names) > 20 {
		names, more = names[:20], ", ..."
	}
	for i, n := range names {
		names[i] = diag.Name(n)
	}
	return usagef("--part %s: the network has no such part or block; it has %s%s", diag.Quote(part.Part), strings.Join(names, ", "), more)
}

// layerTimes measures the steps of a network for one image and returns the time of each layer
// in microseconds, by the names of the values.
func layerTimes(c *cli.Context, arg string) (map[string]float64, error) {
	o, err := executorOptions(c)
	if err != nil {
		return nil, err
	}
	o.Batch = 1
	g, src, err := load(c, arg)
	if err != nil {
		return nil, err
	}
	if err := checkRoom(c, g, use{batch: 1, weights: 2, executor: true, inputs: true}); err != nil {
		return nil, err
	}
	if !src.trained(c) {
		steady(g)
	}
	if err := fillWeights(c, g); err != nil {
		return nil, err
	}
	pipeline, err := passes.Parse(timedPasses)
	if err != nil {
		return nil, err
	}
	if _, err := passes.Run(g, pipeline, passes.Options{}); err != nil {
		return nil, err
	}
	p, err := compileRoom(c, g, o)
	if err != nil {
		return nil, err
	}
	in, out := operands(g, 1, o.Seed)
	seconds, err := p.NewSession().StepTimes(in, out, 20)
	if err != nil {
		return nil, err
	}
	micros := map[string]float64{}
	for i, s := range p.Plan().Steps {
		if len(s.From) > 0 {
			micros[s.From[0]] += 1e6 * seconds[i]
		}
	}
	return micros, nil
}
