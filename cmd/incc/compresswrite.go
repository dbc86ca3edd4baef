package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends/cpu/chart"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl/decompile"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes/compress"
)

// compressTable is the name of the table and of the chart, without the extension.
const compressTable = "compress"

// writeSensitivity prints the changes of all layers.
func (p *compressor) writeSensitivity(w io.Writer) {
	t := newTable("layer", "change", ">MACs", ">ms", ">error of weights", ">of outputs")
	time := func(ms float64) string {
		if p.untimed() {
			return ""
		}
		return fmt.Sprintf("%.3g", ms)
	}
	for _, u := range p.units {
		what := u.layer.What()
		if u.readers != nil {
			what = "with its readers"
		}
		t.Add(shownName(u.layer.Name), what, diag.Thousands(u.macs), time(u.ms), "", "")
		for _, o := range u.options {
			t.Add("", changeText(o.Option), diag.Thousands(o.MACs), time(o.ms), fmt.Sprintf("%.2f %%", 100*o.Error), fmt.Sprintf("%.2f %%", 100*o.error))
		}
	}
	t.write(w)
	fmt.Fprintln(w)
}

// changeText names a change in a table.
func changeText(o compress.Option) string {
	if o.Method == compress.Prune {
		return string(o.Method) + " to " + o.RankText()
	}
	return string(o.Method) + " " + o.RankText()
}

// lineOf is the line of a row in the table; it has the last of several changes.
func lineOf(r compressRow) (layer, change, weights string) {
	if r.bytes > 0 {
		return "", "in 8-bit integers, " + bytesText(r.bytes), ""
	}
	if r.tuned > 0 {
		return "", fmt.Sprintf("fine-tuned, %s", epochsText(r.tuned)), ""
	}
	n := len(r.news)
	if n == 0 {
		return "", "as it is", ""
	}
	return lineOfChange(r.news[n-1])
}

// lineOfChange is the start of the line of one change.
func lineOfChange(o compress.Option) (layer, change, weights string) {
	return shownName(o.Layer), changeText(o), fmt.Sprintf("%.2f %%", 100*o.Error)
}

func epochsText(x float64) string {
	if x == float64(int64(x)) {
		return diag.Count(int(x), "epoch")
	}
	return trimNumber(x) + " epochs"
}

// imagesChecked is the number of validation images that the accuracy of every row is measured on.
func (p *compressor) imagesChecked() int { return min(checkImagesMost, p.val.Len()) }

// accuracyHeads are the heads of the columns of accuracy: on some validation images and on all; one
// column where these are the same.
func (p *compressor) accuracyHeads() []string {
	some, all := p.imagesChecked(), p.val.Len()
	if some == all {
		return []string{">accuracy"}
	}
	return []string{">accuracy on " + diag.Thousands(int64(some)), ">on " + diag.Thousands(int64(all))}
}

// accuracyCells are the accuracies of a row below accuracyHeads; empty where they were not measured.
func (p *compressor) accuracyCells(r compressRow) []any {
	text := func(x float64) string {
		if x < 0 {
			return ""
		}
		return fmt.Sprintf("%.2f %%", 100*x)
	}
	some := r.checked
	if r.tuned > 0 || r.bytes > 0 { // checked is that of the network before
		some = -1
	}
	if p.imagesChecked() == p.val.Len() {
		return []any{text(max(some, r.whole))}
	}
	return []any{text(some), text(r.whole)}
}

// writeRows prints the table of the networks on the way: a line for each change. The numbers of a
// network are on the line of its last change.
func (p *compressor) writeRows(w io.Writer, rows []compressRow, chosen compressRow) {
	heads := append([]string{"layer", "change", ">error of weights", ">MACs", ">ms", ">error of outputs"}, p.accuracyHeads()...)
	t := newTable(append(heads, "")...)
	for _, r := range append([]compressRow{p.first}, rows...) {
		for i, o := range r.news {
			if i < len(r.news)-1 {
				layer, change, weights := lineOfChange(o)
				t.Add(append([]any{layer, change, weights}, slices.Repeat([]any{""}, len(heads)-2)...)...)
			}
		}
		layer, change, weights := lineOf(r)
		mark := ""
		if r.is(chosen) {
			mark = "<- chosen"
		}
		outputs := fmt.Sprintf("%.2f %%", 100*r.error)
		if r.tuned > 0 || r.bytes > 0 {
			outputs = ""
		}
		cells := append([]any{layer, change, weights, diag.Thousands(r.macs), fmt.Sprintf("%.3g", r.ms), outputs}, p.accuracyCells(r)...)
		t.Add(append(cells, mark)...)
	}
	t.write(w)
}

// compressColumns are the columns of compress.csv.
var compressColumns = []string{"step", "layer", "method", "rank", "weights_error", "macs", "params", "ms", "outputs_error", "accuracy", "images", "finetuned_epochs", "chosen"}

// writeTable writes the networks on the way as CSV: a line for each change; the numbers of the network
// are on that of the last change of a step.
func (p *compressor) writeTable(w io.Writer, rows []compressRow, chosen compressRow) error {
	c := csv.NewWriter(w)
	_ = c.Write(compressColumns)
	for step, r := range append([]compressRow{p.first}, rows...) {
		for i, o := range r.news {
			if i < len(r.news)-1 {
				_ = c.Write([]string{strconv.Itoa(step), o.Layer, string(o.Method), o.RankText(), cell(o.Error), "", "", "", "", "", "", "", ""})
			}
		}
		line := []string{strconv.Itoa(step), "", "", "", ""}
		if n := len(r.news); n > 0 {
			o := r.news[n-1]
			line = []string{strconv.Itoa(step), o.Layer, string(o.Method), o.RankText(), cell(o.Error)}
		}
		accuracy, images := r.whole, p.val.Len()
		if accuracy < 0 {
			accuracy, images = r.checked, p.imagesChecked()
		}
		if r.bytes > 0 {
			line[2] = "int8"
		}
		_ = c.Write(append(line, strconv.FormatInt(r.macs, 10), strconv.FormatInt(r.params, 10), cell(r.ms), cell(r.error), cell(accuracy), strconv.Itoa(images), trimNumber(r.tuned), strconv.FormatBool(r.is(chosen))))
	}
	c.Flush()
	return c.Error()
}

// is reports whether a row is that of the chosen network.
func (r compressRow) is(chosen compressRow) bool {
	return chosen.changes != nil && r.bytes == 0 && r.tuned == chosen.tuned && changesText(r.changes) == changesText(chosen.changes)
}

// curves are accuracy against time of the networks on the way, and of the chosen one. Their names
// say on how many images the accuracy was measured, where that differs.
func (p *compressor) curves(rows []compressRow, chosen compressRow) []chart.Curve {
	some, all := "", ""
	if p.imagesChecked() < p.val.Len() {
		some, all = ", "+diag.Count(p.imagesChecked(), "image"), ", "+diag.Count(p.val.Len(), "image")
	}
	way := chart.Curve{Name: "compressed" + some, Colour: 0}
	tuned := chart.Curve{Name: "fine-tuned" + all, Colour: 1, Dash: chart.Dashed, Marks: chart.Rings}
	bytes := chart.Curve{Name: "8-bit integers" + all, Colour: 2}
	for _, r := range append([]compressRow{p.first}, rows...) {
		at := chart.Point{X: r.ms, Y: 100 * r.whole}
		switch {
		case r.bytes > 0:
			bytes.Points = append(bytes.Points, at)
		case r.tuned > 0:
			tuned.Points = append(tuned.Points, at)
		default:
			way.Points = append(way.Points, chart.Point{X: r.ms, Y: 100 * r.checked})
		}
	}
	mark := chart.Curve{Name: "chosen" + all, Colour: 3, Marks: chart.Rings}
	if chosen.changes != nil {
		mark.Points = []chart.Point{{X: chosen.ms, Y: 100 * chosen.whole}}
	}
	return slices.DeleteFunc([]chart.Curve{way, tuned, bytes, mark}, func(c chart.Curve) bool { return len(c.Points) == 0 })
}

// draw draws accuracy against time, with the runs of --compare.
func (p *compressor) draw(rows []compressRow, chosen compressRow) error {
	curves := p.curves(rows, chosen)
	c := p.c
	for i, dir := range c.StringSlice("compare") {
		pt, err := p.pointOf(dir)
		if err != nil {
			return err
		}
		curves = append(curves, chart.Curve{Name: filepath.Base(dir), Points: []chart.Point{pt}, Colour: 4 + i})
	}
	label := fmt.Sprintf("ms for %s", diag.Count(c.Int("batch"), "image"))
	pan := panel(p.g.Name, label, accuracyLabel, curves)
	pan.X.Whole = false
	return drawPanels(writeOwn, filepath.Join(p.dir, compressTable), pan)
}

// pointOf measures the time of the network of a run; the accuracy is that on its validation images.
func (p *compressor) pointOf(dir string) (chart.Point, error) {
	info, err := readSummaryFile(dir)
	if err != nil {
		return chart.Point{}, fmt.Errorf("--compare: %w", err)
	}
	if info.ValAcc == nil {
		return chart.Point{}, fmt.Errorf("--compare: the run in %s has no validation accuracy", diag.Name(dir))
	}
	v, err := p.measured("compare/"+dir, func() ([]float64, error) {
		g, err := p.loadRun(dir)
		if err != nil {
			return nil, err
		}
		h, _, err := optimized(g)
		if err != nil {
			return nil, err
		}
		ms, err := p.networkTime(h)
		return []float64{ms}, err
	})
	if err != nil {
		return chart.Point{}, err
	}
	return chart.Point{X: v[0], Y: 100 * *info.ValAcc}, nil
}

// finish writes the chosen network and the report.
func (p *compressor) finish(rows []compressRow, chosen compressRow) error {
	c := p.c
	w := c.App.Writer
	s, err := p.spec(chosen)
	if err != nil {
		return err
	}
	if _, err := p.removeResults(); err != nil {
		return err
	}
	run := filepath.Join(p.dir, runOfCompress)
	if chosen.tuned > 0 {
		from := filepath.Join(p.tryFolder(chosen), runOfCompress)
		g, err := p.loadRun(from)
		if err != nil {
			return err
		}
		for _, v := range s.Graph.Params {
			s.Graph.Data[v.Name] = g.Data[v.Name]
		}
		if err := copyRun(from, run); err != nil {
			return err
		}
	} else if err := p.writeRun(run, s); err != nil {
		return err
	}
	if err := p.writeSpec(p.dir, s); err != nil {
		return err
	}
	if c.Bool("quantize") {
		row, err := p.quantize(run, chosen)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if err := p.report(rows, chosen); err != nil {
		return err
	}
	if p.merged > 0 {
		if err := sayf(w, "%s merged with another one", diag.Count(p.merged, "layer")); err != nil {
			return err
		}
	}
	first := p.first
	for _, l := range []string{
		fmt.Sprintf("wrote %s, %s, %s.csv, the chart %s.svg and .png, and the folder run into %s", importedSpec, importedWeights, compressTable, compressTable, diag.Name(p.dir)),
		fmt.Sprintf("%s; %s -> %s parameters", sizeText(chosen, first), diag.Thousands(first.params), diag.Thousands(chosen.params)),
		fmt.Sprintf("accuracy on %s: %.2f %% -> %.2f %%", diag.Count(p.val.Len(), "validation image"), 100*first.whole, 100*chosen.whole)} {
		if err := say(w, l); err != nil {
			return err
		}
	}
	return nil
}

// report writes the table and the chart, and prints the table.
func (p *compressor) report(rows []compressRow, chosen compressRow) error {
	if err := writeOwn(filepath.Join(p.dir, compressTable+".csv"), func(w io.Writer) error { return p.writeTable(w, rows, chosen) }); err != nil {
		return err
	}
	if err := p.draw(rows, chosen); err != nil {
		return err
	}
	p.writeRows(p.c.App.Writer, rows, chosen)
	_, err := fmt.Fprintln(p.c.App.Writer)
	return err
}

// failed ends a compression that failed. If no network meets the budget, it writes the report, which shows
// what can be reached, and removes the network of an earlier budget.
func (p *compressor) failed(rows []compressRow, cause error) error {
	if !errors.As(cause, new(*budgetError)) {
		return cause
	}
	removed, err := p.removeResults()
	if err != nil {
		return errors.Join(cause, err)
	}
	if err := p.report(rows, compressRow{}); err != nil {
		return errors.Join(cause, err)
	}
	if removed {
		cause = fmt.Errorf("%w\nthe network of an earlier budget was removed from %s; the command of that budget writes it again without measuring", cause, diag.Name(p.dir))
	}
	return cause
}

// runOfCompress is the folder in that of a compression, or of a try, that commands take in place of a SPEC.
const runOfCompress = "run"

// removeResults removes what an earlier compression with the same measurements wrote, so that no file is
// that of another budget. It reports whether there was a network.
func (p *compressor) removeResults() (bool, error) {
	run := filepath.Join(p.dir, runOfCompress)
	if exists(run) {
		if err := removeRunFiles(run); err != nil {
			return false, err
		}
		_ = os.Remove(run) // if nothing else is in it
	}
	removed := false
	for _, name := range []string{importedSpec, importedWeights, decompile.LabelsFile, quantizedModel, compressTable + ".csv", compressTable + ".svg", compressTable + ".png"} {
		err := os.Remove(filepath.Join(p.dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, err
		}
		removed = removed || err == nil && name == importedSpec
	}
	return removed, nil
}

// quantizedModel is the file of --quantize.
const quantizedModel = "int8.onnx"

// quantize writes the chosen network in 8-bit integers, with incc quantize, and measures it.
func (p *compressor) quantize(run string, chosen compressRow) (compressRow, error) {
	c := p.c
	row := chosen
	row.news = nil
	path := filepath.Join(p.dir, quantizedModel)
	args := []string{"incc", "quantize", run, "--data", p.data, "--seed", fmt.Sprint(c.Int64("seed")), "-o", path}
	app := newApp(c.App.Reader, c.App.ErrWriter, c.App.ErrWriter)
	args, err := reorder(app, args)
	if err != nil {
		return row, err
	}
	if err := app.RunContext(p.ctx, args); err != nil {
		return row, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return row, err
	}
	row.bytes = info.Size()
	g, err := onnx.Load(path, onnx.LoadOptions{})
	if err != nil {
		return row, err
	}
	h, logits, err := optimized(g)
	if err != nil {
		return row, err
	}
	if row.ms, err = p.networkTime(h); err != nil {
		return row, err
	}
	row.whole, err = p.accuracy(h, logits, p.val)
	return row, err
}

// writeRun writes the folder of a run that was not trained further.
func (p *compressor) writeRun(dir string, s *decompile.Spec) error {
	if err := p.emptyRun(dir); err != nil {
		return err
	}
	b := runBegin{Version: version, Name: runName(filepath.Join(p.dir, importedSpec)), Data: p.data, Val: validationText(p.valOfRun()), Engine: "cpu", Compressed: true, Classes: p.names, Identity: p.runIdentity(s.Graph)}
	if err := writeOwn(filepath.Join(dir, runStart), func(w io.Writer) error { return writeJSON(w, b) }); err != nil {
		return err
	}
	if s.Labels != nil {
		if err := writeOwn(filepath.Join(dir, runLabels), func(w io.Writer) error { _, err := w.Write(s.Labels); return err }); err != nil {
			return err
		}
	}
	if err := writeGraphWeights(filepath.Join(dir, bestWeights), s.Graph, p.meta(s.Graph)); err != nil {
		return err
	}
	return writeOwn(filepath.Join(dir, runSpec), func(w io.Writer) error { _, err := w.Write(s.Text); return err })
}

// runIdentity has what incc eval needs to find the validation images again.
func (p *compressor) runIdentity(g *ir.Graph) map[string]string {
	return map[string]string{"incc": version, "spec": "SHA-256 " + g.Recipe.SpecHash, "data": p.id["data"], "validation": p.id["validation"]}
}

// emptyRun makes the folder of a run, without the files of an earlier one.
func (p *compressor) emptyRun(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return removeRunFiles(dir)
}

func removeRunFiles(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if runFile.MatchString(e.Name()) || strings.HasPrefix(e.Name(), "confusion.") {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyRun copies the files of a run, without checkpoints, into another folder.
func copyRun(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if err := removeRunFiles(to); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == runLock || strings.HasPrefix(e.Name(), "checkpoint-") {
			continue
		}
		if err := copyFile(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return files.Replace(to, func(w io.Writer) error { _, err := io.Copy(w, f); return err })
}
