package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/incc-lang/incc/backends/cpu/train"
)

// curve is one line of a plot.
type curve struct {
	name   string
	points plotter.XYs
	dashed bool
	colour int
}

// series takes one column of a run's rows; epochs without a number are left out.
func series(rows []train.Row, y func(train.Row) float64) plotter.XYs {
	var p plotter.XYs
	for _, r := range rows {
		if v := y(r); !math.IsNaN(v) && !math.IsInf(v, 0) {
			p = append(p, plotter.XY{X: float64(r.Epoch), Y: v})
		}
	}
	return p
}

// panel draws curves over epochs.
func panel(title, ylabel string, curves []curve) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text = "epoch"
	p.Y.Label.Text = ylabel
	p.Legend.Top = ylabel == "loss"
	p.Add(plotter.NewGrid())
	for _, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		l, s, err := plotter.NewLinePoints(c.points)
		if err != nil {
			return nil, err
		}
		l.Color = plotutil.Color(c.colour)
		l.Width = vg.Points(1.5)
		if c.dashed {
			l.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		}
		s.Color = l.Color
		s.Shape = draw.CircleGlyph{}
		s.Radius = vg.Points(1.8)
		p.Add(l, s)
		if c.name != "" {
			p.Legend.Add(c.name, l)
		}
	}
	return p, nil
}

// drawPanels writes plots side by side as PATH.png and PATH.svg.
func drawPanels(path string, panels []*plot.Plot) error {
	const w, h = 5 * vg.Inch, 4 * vg.Inch
	width := vg.Length(len(panels)) * w
	paint := func(c vg.CanvasSizer) {
		dc := draw.New(c)
		for i, p := range panels {
			x := vg.Length(i) * w
			p.Draw(draw.Crop(dc, x, x+w-width, 0, 0))
		}
	}
	img := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, h), vgimg.UseDPI(110), vgimg.UseBackgroundColor(color.White))}
	paint(img)
	if err := writeFile(path+".png", func(w io.Writer) error { _, err := img.WriteTo(w); return err }); err != nil {
		return err
	}
	svg := vgsvg.New(width, h)
	paint(svg)
	return writeFile(path+".svg", func(w io.Writer) error { _, err := svg.WriteTo(w); return err })
}

// drawRun draws loss, accuracy and learning rate of a run into its folder.
func drawRun(dir, name string, rows []train.Row) error {
	loss, err := panel(name, "loss", []curve{
		{name: "training", points: series(rows, func(r train.Row) float64 { return r.TrainLoss })},
		{name: "validation", points: series(rows, func(r train.Row) float64 { return r.ValLoss }), dashed: true, colour: 1}})
	if err != nil {
		return err
	}
	acc, err := panel("", "accuracy", []curve{
		{name: "training", points: series(rows, func(r train.Row) float64 { return r.TrainAcc })},
		{name: "validation", points: series(rows, func(r train.Row) float64 { return r.ValAcc }), dashed: true, colour: 1}})
	if err != nil {
		return err
	}
	rate, err := panel("", "learning rate", []curve{{points: series(rows, func(r train.Row) float64 { return r.Rate }), colour: 2}})
	if err != nil {
		return err
	}
	rate.Y.Min = 0
	rate.Y.Max *= 1.1
	return drawPanels(filepath.Join(dir, "results"), []*plot.Plot{loss, acc, rate})
}

// drawConfusion paints how often each class (row) was taken for each (column):
// the darker the more, off the diagonal in red.
func drawConfusion(path string, counts [][]int) error {
	n := len(counts)
	side := max(4, min(40, 800/max(1, n)))
	img := image.NewRGBA(image.Rect(0, 0, n*side+1, n*side+1))
	for y, row := range counts {
		total := 0
		for _, k := range row {
			total += k
		}
		for x, k := range row {
			// The fourth root shows single mistakes among thousands.
			v := math.Pow(float64(k)/float64(max(1, total)), 0.25)
			c := color.RGBA{uint8(255 - 215*v), uint8(255 - 175*v), uint8(255 - 75*v), 255}
			if x != y {
				c = color.RGBA{255, uint8(255 - 215*v), uint8(255 - 215*v), 255}
			}
			for j := range side {
				for i := range side {
					if i == 0 || j == 0 {
						img.SetRGBA(x*side+i, y*side+j, color.RGBA{225, 225, 225, 255})
						continue
					}
					img.SetRGBA(x*side+i, y*side+j, c)
				}
			}
		}
	}
	return writeFile(path, func(w io.Writer) error { return png.Encode(w, img) })
}

// drawCompare draws several runs over each other.
func drawCompare(path string, names []string, runs [][]train.Row) error {
	var loss, acc []curve
	for i, rows := range runs {
		loss = append(loss, curve{name: names[i], points: series(rows, func(r train.Row) float64 { return r.TrainLoss }), colour: i})
		acc = append(acc, curve{name: names[i], points: series(rows, func(r train.Row) float64 { return r.TrainAcc }), colour: i})
		if v := series(rows, func(r train.Row) float64 { return r.ValAcc }); len(v) > 0 {
			acc = append(acc, curve{name: names[i] + ", validation", points: v, dashed: true, colour: i})
		}
	}
	l, err := panel("training loss", "loss", loss)
	if err != nil {
		return err
	}
	a, err := panel("accuracy", "accuracy", acc)
	if err != nil {
		return err
	}
	if err := drawPanels(path, []*plot.Plot{l, a}); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return nil
}
