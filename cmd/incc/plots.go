package main

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir"
)

// curve is one line of a plot.
type curve struct {
	name   string
	points plotter.XYs
	dashed bool
	rings  bool // hollow marks, larger than the others
	plain  bool // no marks
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
	p, err := chart(title, "epoch", ylabel, curves)
	if err != nil {
		return nil, err
	}
	p.X.Tick.Marker = wholeTicks{}
	p.Legend.Top = ylabel == "loss"
	return p, nil
}

// wholeTicks are ticks at whole numbers: there is no epoch 2.5.
type wholeTicks struct{}

// Ticks leaves out what the default puts between whole numbers.
func (wholeTicks) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for _, t := range (plot.DefaultTicks{}).Ticks(lo, hi) {
		if t.Value == math.Round(t.Value) {
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// chart draws curves, with a legend of those that have names.
func chart(title, xlabel, ylabel string, curves []curve) (*plot.Plot, error) {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = vg.Points(6)
	p.X.Label.Text = xlabel
	p.Y.Label.Text = ylabel
	p.Legend.XOffs, p.Legend.Padding = -vg.Points(6), vg.Points(1)
	p.Legend.TextStyle.Font.Size = vg.Points(10)
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid)
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
		if c.rings {
			s.Shape = draw.RingGlyph{}
			s.Radius = vg.Points(3)
		}
		p.Add(l)
		if !c.plain {
			p.Add(s)
		}
		if c.name != "" {
			p.Legend.Add(c.name, l)
		}
	}
	return p, nil
}

// drawPanels writes plots side by side as PATH.png and PATH.svg.
func drawPanels(path string, panels []*plot.Plot) error {
	const w, h, margin = 5 * vg.Inch, 4 * vg.Inch, vg.Length(8)
	width := vg.Length(len(panels)) * w
	paint := func(c vg.CanvasSizer) {
		dc := draw.New(c)
		for i, p := range panels {
			x := vg.Length(i) * w
			p.Draw(draw.Crop(dc, x+margin, x+w-width-margin, margin, -margin))
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
	loss.Y.Min = 0
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

// classNames are what a spec, or else the data, calls the classes.
func classNames(g *ir.Graph, s *data.Set) []string {
	if l := g.Recipe.Labels; l != nil && len(l.Names) > 0 {
		return l.Names
	}
	return s.Names
}

// drawConfusion paints how often each class (row) was taken for each (column): the
// darker the more, off the diagonal in red, with counts and names where there is
// room for them. Classes beyond names are called by their number.
func drawConfusion(path string, counts *train.Confusion, names []string) error {
	n := counts.Classes()
	side := vg.Points(math.Max(3, math.Min(34, 700/float64(max(1, n)))))
	label := plot.New().Title.TextStyle // of the default font
	label.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(10)}
	label.Color = color.Black
	called := make([]string, n)
	var widest vg.Length
	for k := range called {
		if called[k] = fmt.Sprint(k); k < len(names) {
			called[k] = names[k]
		}
		widest = max(widest, label.Width(called[k]))
	}
	written := n <= 24
	left, top, margin := vg.Points(26), vg.Points(26), vg.Points(10)
	if written {
		left += widest
		top += widest
	}
	grid := vg.Length(n) * side
	width, height := left+grid+margin, top+grid+margin
	img := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(110), vgimg.UseBackgroundColor(color.White))}
	dc := draw.New(img)
	// at is the middle of a cell; rows count from the top.
	at := func(row, col int) vg.Point {
		return vg.Point{X: left + (vg.Length(col)+0.5)*side, Y: height - top - (vg.Length(row)+0.5)*side}
	}
	write := func(p vg.Point, s string, x text.XAlignment, rotation float64, c color.Color) {
		style := label
		style.XAlign, style.YAlign, style.Rotation, style.Color = x, text.YCenter, rotation, c
		dc.FillText(style, p, s)
	}
	for y := range n {
		total := 0
		for x := range n {
			total += counts.At(y, x)
		}
		for x := range n {
			k := counts.At(y, x)
			// The fourth root shows single mistakes among thousands.
			v := math.Pow(float64(k)/float64(max(1, total)), 0.25)
			c, ink := color.RGBA{uint8(255 - 215*v), uint8(255 - 175*v), uint8(255 - 75*v), 255}, color.Color(color.White)
			if x != y {
				c, ink = color.RGBA{255, uint8(255 - 215*v), uint8(255 - 215*v), 255}, color.Black
			}
			p, half := at(y, x), side/2
			cell := []vg.Point{{X: p.X - half, Y: p.Y - half}, {X: p.X + half, Y: p.Y - half}, {X: p.X + half, Y: p.Y + half}, {X: p.X - half, Y: p.Y + half}}
			dc.FillPolygon(c, cell)
			if written {
				dc.StrokeLines(draw.LineStyle{Color: color.Gray{215}, Width: vg.Points(0.5)}, append(cell, cell[0]))
				if k > 0 {
					write(p, fmt.Sprint(k), text.XCenter, 0, ink)
				}
			}
		}
		if written {
			write(vg.Point{X: left - vg.Points(4), Y: at(y, 0).Y}, called[y], text.XRight, 0, color.Black)
			write(vg.Point{X: at(0, y).X, Y: height - top + vg.Points(4)}, called[y], text.XLeft, math.Pi/2, color.Black)
		}
	}
	write(vg.Point{X: left + grid/2, Y: height - vg.Points(12)}, "predicted", text.XCenter, 0, color.Black)
	write(vg.Point{X: vg.Points(12), Y: margin + grid/2}, "is", text.XCenter, math.Pi/2, color.Black)
	return writeFile(path, func(w io.Writer) error { _, err := img.WriteTo(w); return err })
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
	l.Y.Min = 0
	a, err := panel("accuracy", "accuracy", acc)
	if err != nil {
		return err
	}
	if err := drawPanels(path, []*plot.Plot{l, a}); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return nil
}

// draw draws the runs of an experiment over each other, original figures dashed.
func (e experiment) draw(path string, all []outcome) error {
	unit, xlabel := 1, "epoch"
	if e.limit > 0 {
		unit, xlabel = e.limit, "step"
	}
	scaled := func(rows []train.Row, y func(train.Row) float64) plotter.XYs {
		points := series(rows, y)
		for i := range points {
			points[i].X *= float64(unit)
		}
		return points
	}
	original := func(rows []originalRow, y func(originalRow) float64) plotter.XYs {
		var points plotter.XYs
		for _, r := range rows {
			if e.limit == 0 {
				points = append(points, plotter.XY{X: float64(r.Epoch), Y: y(r)})
			}
		}
		return points
	}
	title, loss := "training loss", func(r train.Row) float64 { return r.TrainLoss }
	if e.heads {
		title, loss = "validation loss, without heads", func(r train.Row) float64 { return r.ValLoss }
	}
	var losses, training, validation []curve
	for i, o := range all {
		losses = append(losses, curve{name: o.label, points: scaled(o.rows, loss), colour: i},
			curve{name: o.label + ", original", points: original(o.original, func(r originalRow) float64 { return r.Loss }), dashed: true, rings: true, colour: i})
		training = append(training, curve{name: o.label, points: scaled(o.rows, func(r train.Row) float64 { return r.TrainAcc }), colour: i},
			curve{name: o.label + ", original", points: original(o.original, func(r originalRow) float64 { return r.Accuracy }), dashed: true, rings: true, colour: i})
		validation = append(validation, curve{name: o.label, points: scaled(o.rows, func(r train.Row) float64 { return r.ValAcc }), colour: i})
	}
	var panels []*plot.Plot
	for _, x := range []struct {
		title, ylabel string
		curves        []curve
	}{{title, "loss", losses}, {"training accuracy", "accuracy", training}, {"validation accuracy", "accuracy", validation}} {
		p, err := chart(x.title, xlabel, x.ylabel, x.curves)
		if err != nil {
			return err
		}
		p.X.Tick.Marker = wholeTicks{}
		p.Legend.Top = x.ylabel == "loss"
		if x.ylabel == "loss" {
			p.Y.Min = 0
		}
		panels = append(panels, p)
	}
	return drawPanels(path, panels)
}
