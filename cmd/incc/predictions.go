package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// predictions prints what predict finds, picture by picture.
type predictions struct {
	w     io.Writer
	top   int    // classes of a picture
	json  bool   // an object in a line for each picture
	lines bool   // a line for each picture
	name  string // of the network's output
	width int    // of the longest path, in columns
	csv   *csv.Writer
	// The names of the columns are written.
	headed bool
}

// prediction is a class in JSON, with the keys of a generated package.
type prediction struct {
	Class int     `json:"class"`
	Label string  `json:"label,omitempty"`
	Score float32 `json:"score"`
}

// newPredictions chooses the form of the output. found is true where the pictures were
// found in folders or by patterns.
func newPredictions(c *cli.Context, g *ir.Graph, list []pictureFile, found bool) *predictions {
	p := &predictions{w: c.App.Writer, json: c.Bool("json"), lines: found || len(list) > 1, name: g.Outputs[0].Name}
	if c.Bool("csv") {
		p.csv = csv.NewWriter(c.App.Writer)
	}
	switch {
	case c.IsSet("top"):
		p.top = c.Int("top")
	case p.csv != nil || p.lines && !p.json:
		p.top = 1
	default:
		p.top = 5
	}
	const widest = 48 // longer paths move what is behind them
	for _, f := range list {
		p.width = min(max(p.width, diag.Width(diag.Printable(f.path))), widest)
	}
	return p
}

// write prints the classes of a picture. Those that cannot be read are in tables for
// programs, with the reason.
func (p *predictions) write(f pictureFile, top []topLine) error {
	switch {
	case p.json:
		line := struct {
			Picture string       `json:"picture"`
			Top     []prediction `json:"top,omitempty"`
			Error   string       `json:"error,omitempty"`
		}{Picture: f.path}
		for _, t := range top {
			line.Top = append(line.Top, prediction{t.Class, t.Label, float32(t.Value)})
		}
		if f.err != nil {
			line.Error = errorReason(f.path, f.err)
		}
		return writeLineJSON(p.w, line)
	case p.csv != nil:
		return p.writeCSV(f, top)
	case f.err != nil: // it has been named already
		return nil
	case !p.lines:
		fmt.Fprintln(p.w, diag.Printable(f.path))
		writeTop(p.w, p.name, top)
		return nil
	}
	path := diag.Printable(f.path)
	line := diag.Pad(path, p.width)
	for _, t := range top {
		label := diag.Printable(t.Label)
		if label == "" {
			label = fmt.Sprintf("class %d", t.Class)
		}
		line += fmt.Sprintf("  %.4f %s", t.Value, label)
	}
	_, err := fmt.Fprintln(p.w, line)
	return err
}

// writeCSV prints a row for each class of a picture, after the names of the columns.
func (p *predictions) writeCSV(f pictureFile, top []topLine) error {
	// A terminal gets no characters that it would obey.
	printable := func(s string) string { return s }
	if file, ok := p.w.(*os.File); ok && isTerminal(file) {
		printable = diag.Printable
	}
	if !p.headed {
		p.headed = true
		if err := p.csv.Write([]string{"picture", "rank", "class", "label", "score", "error"}); err != nil {
			return err
		}
	}
	if f.err != nil {
		if err := p.csv.Write([]string{printable(f.path), "", "", "", "", printable(errorReason(f.path, f.err))}); err != nil {
			return err
		}
	}
	for i, t := range top {
		if err := p.csv.Write([]string{printable(f.path), strconv.Itoa(i + 1), strconv.Itoa(t.Class), printable(t.Label), strconv.FormatFloat(t.Value, 'g', -1, 32), ""}); err != nil {
			return err
		}
	}
	p.csv.Flush()
	return p.csv.Error()
}
