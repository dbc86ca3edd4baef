package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/chart"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir/diag"
)

// rateColumns are the columns of lr.csv.
var rateColumns = []string{"step", "learning_rate", "loss", "smoothed_loss"}

// checkFindLR refuses flags that say how a run goes on or ends: a search is no run.
func checkFindLR(c *cli.Context) error {
	if !c.Bool("find-lr") {
		return nil
	}
	return worksOnly(c, "without --find-lr", "resume", "resume-changed", "force", "epochs", "lr", "max-time", "limit-batches", "checkpoint-every", "keep-diverging", "tensorboard", "dry-run")
}

// findLR looks for a learning rate (--find-lr). It writes lr.png and lr.csv and no run.
func findLR(ctx context.Context, c *cli.Context, p *prepared) error {
	w := c.App.Writer
	dir := "."
	if c.IsSet("out") {
		dir = p.dir
	}
	picture, table := filepath.Join(dir, "lr.png"), filepath.Join(dir, "lr.csv")
	for file, kind := range map[string]outputKind{picture: pngFile, table: csvFile} {
		if err := checkOutput(file, kind); err != nil {
			return err
		}
		if err := checkBesidePictures("find-lr", file, c.String("data"), p.set.Train); err != nil {
			return err
		}
	}
	if other, err := otherFile(table, rateColumns); err != nil {
		return err
	} else if other {
		return fmt.Errorf("--find-lr would replace %s, which is not the table of such a search: name another folder with --out DIR", diag.Quote(table))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	r := train.DefaultRateRange
	r.Seed, r.Train, r.Input = p.recipe.Run.Seed, p.train, p.inputs()
	if err := p.computeFeatures(ctx, c); err != nil {
		return err
	}
	points, diverged, err := r.Search(ctx, p.engine, nil)
	if errors.Is(err, train.ErrInterrupted) {
		say(c.App.ErrWriter, "interrupted; nothing was written")
		return &reported{exitInterrupted}
	}
	if err != nil {
		return err
	}
	rate, ok := r.SuggestRate(points)
	heads := 0.0
	for _, h := range p.graph.Heads {
		heads += h.Weight
	}
	guess, comparable := train.GuessLoss(p.recipe.Loss, p.train.Counts(), heads)
	learns := !comparable || r.Falls(points, guess)
	if err := writeFile(table, func(w io.Writer) error { return writeRates(w, points) }); err != nil {
		return err
	}
	if err := writeFile(picture, func(w io.Writer) error { return chart.WritePNG(w, ratePanel(p.name, points, rate, ok && learns)) }); err != nil {
		return err
	}
	text := fmt.Sprintf("%s: %s from a learning rate of %g", p.name, diag.Count(len(points), "step"), r.From)
	if len(points) > 0 {
		text += fmt.Sprintf(" up to %.3g", points[len(points)-1].Rate)
	}
	if diverged {
		text += ", where the loss diverged"
	}
	_ = say(w, text)
	_ = say(w, fmt.Sprintf("wrote %s and %s", diag.Name(picture), diag.Name(table)))
	if !learns {
		return &numericalError{fmt.Sprintf("there is no suggestion: no learning rate lowers the loss below %.4g, that of guessing by the shares of the classes; look at the curve, and at the network and its data (--overfit)", guess)}
	}
	if !ok {
		return &numericalError{"there is no suggestion: the loss never falls for long; look at the curve, and at the network and its data (--overfit)"}
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(rate, 'g', 2, 64), 64)
	return say(w, fmt.Sprintf("suggested: --lr %g, the middle of the longest fall of the loss", rounded))
}

// writeRates writes the steps of a search as CSV.
func writeRates(w io.Writer, points []train.RatePoint) error {
	c := csv.NewWriter(w)
	_ = c.Write(rateColumns)
	for i, p := range points {
		_ = c.Write([]string{strconv.Itoa(i + 1), cell(p.Rate), cell(p.Loss), cell(p.Smoothed)})
	}
	c.Flush()
	return c.Error()
}

// ratePanel draws the losses of a search over the learning rate, and the suggestion as
// a ring.
func ratePanel(name string, points []train.RatePoint, rate float64, ok bool) chart.Panel {
	var loss, smoothed, at []chart.Point
	most := 0.0
	for _, p := range points {
		loss = append(loss, chart.Point{X: p.Rate, Y: p.Loss})
		smoothed = append(smoothed, chart.Point{X: p.Rate, Y: p.Smoothed})
		most = math.Max(most, p.Smoothed)
		if ok && p.Rate == rate {
			at = append(at, chart.Point{X: p.Rate, Y: p.Smoothed})
		}
	}
	p := panel(name, "learning rate", "loss", []chart.Curve{
		{Name: "loss of a step", Points: loss, Dash: chart.Dashed, Marks: chart.None, Colour: 1},
		{Name: "smoothed", Points: smoothed, Marks: chart.None},
		{Name: fmt.Sprintf("suggested: %.2g", rate), Points: at, Marks: chart.Rings, Colour: 2}})
	if !ok {
		p.Curves = p.Curves[:2]
	}
	p.X.Log, p.X.Whole = true, false
	if most > 0 { // the loss of a single step may be far above
		p.Y.Max = chart.At(1.2 * most)
		for i := range loss {
			loss[i].Y = math.Min(loss[i].Y, 1.2*most)
		}
	}
	return p
}
