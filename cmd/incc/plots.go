package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends/cpu/chart"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// series returns one column of a run's rows as points over epochs. It leaves out epochs
// without a finite number.
func series(rows []train.Row, y func(train.Row) float64) []chart.Point {
	var p []chart.Point
	for _, r := range rows {
		if v := y(r); !math.IsNaN(v) && !math.IsInf(v, 0) {
			p = append(p, chart.Point{X: float64(r.Epoch), Y: v})
		}
	}
	return p
}

// panel returns a chart of curves over epochs or steps. Numbers above zero that span more
// than a power of ten get a logarithmic axis; the axes of others, except those of
// accuracies, begin at zero.
func panel(title, xlabel, ylabel string, curves []chart.Curve) chart.Panel {
	p := chart.Panel{Title: title, X: chart.Axis{Label: xlabel, Whole: true}, Y: chart.Axis{Label: ylabel}, Curves: curves}
	if ylabel == accuracyLabel {
		return p
	}
	least, most := math.Inf(1), math.Inf(-1)
	for _, c := range curves {
		for _, q := range c.Points {
			least, most = min(least, q.Y), max(most, q.Y)
		}
	}
	switch {
	case least > 0 && most > 10*least:
		p.Y.Log = true
	case least >= 0:
		p.Y.Min = chart.At(0)
	}
	return p
}

const accuracyLabel = "accuracy, %"

// perCent returns points with a part of 1 as per cent.
func perCent(points []chart.Point) []chart.Point {
	for i := range points {
		points[i].Y *= 100
	}
	return points
}

// drawPanels writes charts side by side as PATH.png and PATH.svg.
func drawPanels(write fileWriter, path string, panels ...chart.Panel) error {
	if err := write(path+".png", func(w io.Writer) error { return chart.WritePNG(w, panels...) }); err != nil {
		return err
	}
	return write(path+".svg", func(w io.Writer) error { return chart.WriteSVG(w, panels...) })
}

// drawRun draws the loss, accuracy and learning rate of a run as results.png and
// results.svg in its folder.
func drawRun(dir, name string, rows []train.Row) error {
	both := func(training, validation func(train.Row) float64) []chart.Curve {
		return []chart.Curve{
			{Name: "training", Points: series(rows, training)},
			{Name: "validation", Points: series(rows, validation), Dash: chart.Dashed, Colour: 1}}
	}
	accuracies := both(func(r train.Row) float64 { return r.TrainAcc }, func(r train.Row) float64 { return r.ValAcc })
	for _, c := range accuracies {
		perCent(c.Points)
	}
	return drawPanels(writeOwn, filepath.Join(dir, "results"),
		panel(name, "epoch", "loss", both(func(r train.Row) float64 { return r.TrainLoss }, func(r train.Row) float64 { return r.ValLoss })),
		panel("", "epoch", accuracyLabel, accuracies),
		panel("", "epoch", "learning rate", []chart.Curve{{Points: series(rows, func(r train.Row) float64 { return r.Rate }), Colour: 2}}))
}

// classNames returns the names of the classes from the spec or, if it has none, from
// the data.
func classNames(g *ir.Graph, s *data.Set) []string {
	if l := g.Recipe.Labels; l != nil && len(l.Names) > 0 {
		return l.Names
	}
	return s.Names
}

// drawConfusion draws a confusion matrix as PNG and writes its counts as CSV to the same
// folder, since a picture cannot show the counts of many classes.
func drawConfusion(write fileWriter, path string, counts *train.Confusion, names []string) error {
	var cells []chart.Cell
	for _, c := range counts.Cells() {
		cells = append(cells, chart.Cell(c))
	}
	err := write(path, func(w io.Writer) error {
		return chart.WriteConfusionPNG(w, counts.Classes(), cells, names)
	})
	if err != nil {
		return err
	}
	return write(confusionTable(path), func(w io.Writer) error { return writeConfusion(w, cells, names) })
}

// confusionTable returns the path of the CSV file of a confusion matrix: that of its
// picture, with another extension.
func confusionTable(picture string) string {
	return strings.TrimSuffix(picture, filepath.Ext(picture)) + ".csv"
}

// confusionColumns are the columns of the table.
var confusionColumns = []string{"class", "label", "predicted_class", "predicted_label", "count"}

// oldConfusionColumns are those of the tables of earlier versions.
var oldConfusionColumns = []string{"label", "label_name", "predicted", "predicted_name", "count"}

// checkConfusion returns an error if a confusion matrix at path would replace another
// kind of file: a file of a run, one of the inputs of the command, or another table.
func checkConfusion(path string, inputs ...string) error {
	if err := notStdout("confusion", path, "a PNG and a CSV file"); err != nil {
		return err
	}
	if strings.EqualFold(filepath.Ext(path), ".csv") {
		return usagef("--confusion %s: the counts go to this file, so the picture needs another name: name a PNG file", diag.Printable(path))
	}
	table := confusionTable(path)
	for _, f := range []string{path, table} {
		if err := notAnInput("confusion", f, inputs...); err != nil {
			return err
		}
		if isRunFile(f) {
			return usagef("--confusion %s would replace %s, a file of a run: choose another name, such as test.png", diag.Printable(path), diag.Quote(f))
		}
	}
	if !isConfusion(path) {
		if err := checkOutput(path, pngFile); err != nil {
			return err
		}
	}
	other, err := otherFile(table, confusionColumns)
	if err == nil && other {
		other, err = otherFile(table, oldConfusionColumns)
	}
	if err == nil && other {
		err = usagef("--confusion %s would replace %s, which is not the table of a confusion matrix: choose another name", diag.Printable(path), diag.Quote(table))
	}
	return err
}

// otherFile reports whether there is a file at path that is neither empty nor a CSV
// table with these columns.
func otherFile(path string, columns []string) (bool, error) {
	f, _, err := files.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	want := strings.Join(columns, ",") + "\n"
	head := make([]byte, len(want))
	n, err := io.ReadFull(f, head)
	if n == 0 && err != io.EOF {
		return false, err
	}
	return n > 0 && string(head) != want, nil
}

// writeConfusion writes the counts of a confusion matrix as CSV: one line for each pair
// of label and prediction that occurred.
func writeConfusion(w io.Writer, cells []chart.Cell, names []string) error {
	name := func(k int) string {
		if k < len(names) {
			return names[k]
		}
		return ""
	}
	c := csv.NewWriter(w)
	_ = c.Write(confusionColumns)
	for _, x := range cells {
		_ = c.Write([]string{strconv.Itoa(x.Label), name(x.Label), strconv.Itoa(x.Predicted), name(x.Predicted), strconv.Itoa(x.Count)})
	}
	c.Flush()
	return c.Error()
}

// drawCompare draws the curves of several runs into one chart.
func drawCompare(path string, names []string, runs [][]train.Row) error {
	var loss, acc []chart.Curve
	for i, rows := range runs {
		loss = append(loss, chart.Curve{Name: names[i], Points: series(rows, func(r train.Row) float64 { return r.TrainLoss }), Colour: i})
		acc = append(acc, chart.Curve{Name: names[i], Points: perCent(series(rows, func(r train.Row) float64 { return r.TrainAcc })), Colour: i})
		if v := perCent(series(rows, func(r train.Row) float64 { return r.ValAcc })); len(v) > 0 {
			acc = append(acc, chart.Curve{Name: names[i] + ", validation", Points: v, Dash: chart.Dashed, Colour: i})
		}
	}
	if err := drawPanels(writeFile, path, panel("training loss", "epoch", "loss", loss), panel("accuracy", "epoch", accuracyLabel, acc)); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return nil
}

// draw draws the curves of an experiment's runs into one chart, with the published
// results as dashed curves.
func (e experiment) draw(path string, all []outcome) error {
	unit, xlabel := 1, "epoch"
	if e.limit > 0 {
		unit, xlabel = e.limit, "step"
	}
	scaled := func(rows []train.Row, y func(train.Row) float64) []chart.Point {
		points := series(rows, y)
		for i := range points {
			points[i].X *= float64(unit)
		}
		return points
	}
	original := func(rows []originalRow, y func(originalRow) float64) []chart.Point {
		var points []chart.Point
		for _, r := range rows {
			if e.limit == 0 {
				points = append(points, chart.Point{X: float64(r.Epoch), Y: y(r)})
			}
		}
		return points
	}
	title, loss := "training loss", func(r train.Row) float64 { return r.TrainLoss }
	if e.heads {
		title, loss = "validation loss, without heads", func(r train.Row) float64 { return r.ValLoss }
	}
	var losses, training, validation []chart.Curve
	for i, o := range all {
		losses = append(losses, chart.Curve{Name: o.label, Points: scaled(o.rows, loss), Colour: i},
			chart.Curve{Name: o.label + ", original", Points: original(o.original, func(r originalRow) float64 { return r.Loss }), Dash: chart.Dashed, Marks: chart.Rings, Colour: i})
		training = append(training, chart.Curve{Name: o.label, Points: perCent(scaled(o.rows, func(r train.Row) float64 { return r.TrainAcc })), Colour: i},
			chart.Curve{Name: o.label + ", original", Points: perCent(original(o.original, func(r originalRow) float64 { return r.Accuracy })), Dash: chart.Dashed, Marks: chart.Rings, Colour: i})
		validation = append(validation, chart.Curve{Name: o.label, Points: perCent(scaled(o.rows, func(r train.Row) float64 { return r.ValAcc })), Colour: i})
	}
	return drawPanels(writeOwn, path, panel(title, xlabel, "loss", losses), panel("training accuracy", xlabel, accuracyLabel, training), panel("validation accuracy", xlabel, accuracyLabel, validation))
}
