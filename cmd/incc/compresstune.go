package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/dsl/decompile"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
)

// triesFolder has a folder for each network that was fine-tuned.
const triesFolder = "tries"

// budgetError says that no network meets the budget.
type budgetError struct{ text string }

func (e *budgetError) Error() string { return e.text }

func budgetErrorf(format string, args ...any) error {
	return &budgetError{fmt.Sprintf(format, args...)}
}

// choose returns the row that the budget asks for, and the rows of the report. Fine-tuned networks
// are rows of their own.
func (p *compressor) choose(rows []compressRow) (compressRow, []compressRow, error) {
	none := compressRow{}
	if p.budget.targets() {
		i := slices.IndexFunc(rows, func(r compressRow) bool { return p.budget.meets(r, p.first) })
		if i < 0 {
			return none, rows, p.unreachable(rows)
		}
		row := rows[i]
		if err := p.final(&row); err != nil {
			return none, rows, err
		}
		if p.budget.drop >= 0 && row.whole < p.first.whole-p.budget.drop-1e-9 {
			if row.tuned > 0 {
				rows = append(rows, row)
			} else {
				rows[i] = row
			}
			return none, rows, budgetErrorf("at %s the accuracy is %.2f %%, and %.2f %% without the changes: allow more with --max-accuracy-drop, less compression, or --finetune more epochs", sizeText(row, p.first), 100*row.whole, 100*p.first.whole)
		}
		if row.tuned == 0 {
			rows[i] = row
			return row, rows, nil
		}
		return row, append(rows, row), nil
	}
	best, at, err := p.untuned(rows)
	if err != nil {
		return none, rows, err
	}
	if p.c.Float64("finetune") > 0 {
		tuned, err := p.bisect(rows, at)
		if err != nil {
			return none, rows, err
		}
		rows = append(rows, tuned...)
		for _, r := range tuned {
			if p.within(r) && (at < 0 && best.changes == nil || p.less(r, best)) {
				best = r
			}
		}
	}
	if best.changes == nil {
		return none, rows, p.nothing(rows)
	}
	return best, rows, nil
}

// within reports whether the accuracy of a row is within the budget.
func (p *compressor) within(r compressRow) bool {
	return r.whole >= p.first.whole-p.budget.drop-1e-9
}

// less reports whether a network costs less than another.
func (p *compressor) less(a, b compressRow) bool {
	if p.costName() == "macs" {
		return a.macs < b.macs
	}
	return a.ms < b.ms
}

// untuned returns the row that costs least within the budget, without fine-tuning, and its place; -1
// for none.
func (p *compressor) untuned(rows []compressRow) (compressRow, int, error) {
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].checked < p.first.checked-p.budget.drop-0.01 || !p.less(rows[i], p.first) {
			continue
		}
		if err := p.measureWhole(&rows[i]); err != nil {
			return compressRow{}, -1, err
		}
		if p.within(rows[i]) {
			return rows[i], i, nil
		}
	}
	return compressRow{}, -1, nil
}

// bisect fine-tunes networks behind a place in rows, to find the last one that is within the budget
// then. It begins with the last one that fine-tuning probably mends.
func (p *compressor) bisect(rows []compressRow, low int) ([]compressRow, error) {
	var tuned []compressRow
	high := len(rows)
	at := high - 1
	for at > low && rows[at].checked < p.first.checked-0.1 {
		at--
	}
	for range p.c.Int("tries") {
		if at <= low || at >= high {
			break
		}
		row := rows[at]
		if err := p.finetune(&row); err != nil {
			return nil, err
		}
		tuned = append(tuned, row)
		if p.within(row) {
			low = at
		} else {
			high = at
		}
		at = (low + high) / 2
	}
	return tuned, nil
}

// final fine-tunes a network if that is asked for, and measures its accuracy.
func (p *compressor) final(row *compressRow) error {
	if p.c.Float64("finetune") > 0 {
		return p.finetune(row)
	}
	return p.measureWhole(row)
}

// unreachable is the error for targets that no change meets: it says what is possible.
func (p *compressor) unreachable(rows []compressRow) error {
	best := p.first
	for _, r := range rows {
		if p.less(r, best) {
			best = r
		}
	}
	if best.changes == nil {
		return budgetErrorf("no change of %s saves anything: it takes %.3g ms and %s MACs as it is", diag.Name(p.g.Name), p.first.ms, diag.Thousands(p.first.macs))
	}
	which := "fastest"
	if p.costName() == "macs" {
		which = "smallest"
	}
	text := fmt.Sprintf("the target is out of reach: the %s network has %s, and before fine-tuning %.2f %% accuracy on %s (%.2f %% as it is)", which, sizeText(best, p.first), 100*best.checked, diag.Count(p.imagesChecked(), "validation image"), 100*p.first.checked)
	if p.costName() == "macs" && !p.untimed() {
		text += "; it has only changes that save time on this machine: --cost macs takes all that save multiply-accumulates"
	}
	return &budgetError{text}
}

// nothing is the error where no change is within the accuracy budget.
func (p *compressor) nothing(rows []compressRow) error {
	if len(rows) == 0 {
		return budgetErrorf("no change of %s saves anything: it takes %.3g ms and %s MACs as it is", diag.Name(p.g.Name), p.first.ms, diag.Thousands(p.first.macs))
	}
	return budgetErrorf("with the first change, %s, the accuracy drops by more than %.4g %%: allow more with --max-accuracy-drop, or add --finetune EPOCHS", changesText(rows[0].changes), 100*p.budget.drop)
}

// sizeText is the size of a network beside another.
func sizeText(row, first compressRow) string {
	return fmt.Sprintf("%.3g x the MACs (%s) and %.3g x the time (%.3g ms)", float64(row.macs)/float64(first.macs), diag.Thousands(row.macs), row.ms/first.ms, row.ms)
}

// finetune trains a network, with incc train, and measures its accuracy. It changes nothing of what an
// earlier process has trained.
func (p *compressor) finetune(row *compressRow) error {
	row.tuned = p.c.Float64("finetune")
	dir := p.tryFolder(*row)
	run := filepath.Join(dir, runOfCompress)
	if _, err := readSummaryFile(run); err != nil {
		if err := p.train(*row, dir, run); err != nil {
			return err
		}
	}
	weights := weightsOfRun(run)
	if weights == "" {
		return fmt.Errorf("%s has no weights: begin again with --force", diag.Name(run))
	}
	v, err := p.measured("accuracy/"+filepath.Base(dir), func() ([]float64, error) {
		g, err := p.loadRun(run)
		if err != nil {
			return nil, err
		}
		h, logits, err := optimized(g)
		if err != nil {
			return nil, err
		}
		a, err := p.accuracy(h, logits, p.val)
		return []float64{a}, err
	})
	if err != nil {
		return err
	}
	row.whole, row.news = v[0], nil
	return nil
}

// tryFolder is the folder of a network that is fine-tuned: its name follows from the changes and the
// settings of the training.
func (p *compressor) tryFolder(row compressRow) string {
	c := p.c
	text := fmt.Sprintf("%s; %g epochs; rate %g; %d steps", changesText(row.changes), row.tuned, p.rate(), c.Int("limit-batches"))
	sum := sha256.Sum256([]byte(text))
	return filepath.Join(p.dir, triesFolder, fmt.Sprintf("%.2fx_%x", float64(row.macs)/float64(p.first.macs), sum[:4]))
}

// train trains a network in a folder, or continues.
func (p *compressor) train(row compressRow, dir, run string) error {
	c := p.c
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := sayf(c.App.Writer, "fine-tuning the network with %s", sizeText(row, p.first)); err != nil {
		return err
	}
	s, err := p.spec(row)
	if err != nil {
		return err
	}
	if err := p.writeSpec(dir, s); err != nil {
		return err
	}
	args := []string{"incc", "train", filepath.Join(dir, importedSpec), "--data", p.data, "--init", filepath.Join(dir, importedWeights), "--out", run}
	if n := c.Int("limit-batches"); n > 0 {
		args = append(args, "--limit-batches", strconv.Itoa(n))
	}
	if v := p.valOfRun(); v != "" {
		args = append(args, "--val", v)
	}
	if names, _ := train.Checkpoints(train.Disk{}, run); len(names) > 0 {
		args = append(args, "--resume")
	}
	for _, flag := range []string{"threads", "isa"} {
		if c.IsSet(flag) {
			args = append(args, "--"+flag, fmt.Sprint(c.Value(flag)))
		}
	}
	app := newApp(c.App.Reader, c.App.Writer, c.App.ErrWriter)
	if args, err = reorder(app, args); err != nil {
		return err
	}
	return app.RunContext(p.ctx, args)
}

// valOfRun is the value of --val with which incc train draws the same images for validation.
func (p *compressor) valOfRun() string {
	if p.c.IsSet("val") || p.src.run == "" {
		return p.c.String("val")
	}
	b, err := readBegin(p.src.run)
	if err != nil || b.Data != p.data {
		return ""
	}
	return string(b.Val)
}

// loadRun reads the network of a run without its heads.
func (p *compressor) loadRun(run string) (*ir.Graph, error) {
	src, err := readSpec(filepath.Join(run, runSpec))
	if err != nil {
		return nil, err
	}
	g, err := build(p.c, src, nil)
	if err != nil {
		return nil, err
	}
	return g, fill(p.c, g, weightsOfRun(run), true)
}

// rate is the learning rate that fine-tuning begins with: that of --lr, else that of the last epoch of
// the recipe, but at least a twentieth of its first.
func (p *compressor) rate() float64 {
	if p.c.IsSet("lr") {
		return p.c.Float64("lr")
	}
	r := recipeOf(p.g)
	schedule := train.ScheduleOf(&r, r.Run.Epochs)
	return max(schedule.Rate(max(0, r.Run.Epochs-1), 0), r.Optimizer.LR/20)
}

// recipe is the train block of the compressed network: that of the network, without statements about
// parts that may be gone; for fine-tuning, with its rate, which falls to 0, and its epochs.
func (p *compressor) recipe(tuned float64) string {
	if p.g.Recipe.Train == nil {
		return ""
	}
	r := *p.g.Recipe.Train
	r.Freeze, r.Rates = nil, nil
	if tuned > 0 {
		full := recipeOf(p.g)
		r.Optimizer, r.Run = full.Optimizer, full.Run
		r.Optimizer.LR, r.Run.Epochs = p.rate(), tuned
		r.Schedule, r.EarlyStop = recipe.Schedule{Kind: "cosine"}, recipe.EarlyStop{}
	}
	return dsl.TrainBlock(&r)
}

// spec writes a network as a spec.
func (p *compressor) spec(row compressRow) (*decompile.Spec, error) {
	g, err := p.network(row.changes)
	if err != nil {
		return nil, err
	}
	g.Doc = fmt.Sprintf("%s, compressed by incc compress: %s of %s MACs, %s of %s parameters.", p.g.Name,
		diag.Thousands(row.macs), diag.Thousands(p.first.macs), diag.Thousands(row.params), diag.Thousands(p.first.params))
	s, err := decompile.Write(g)
	if err != nil {
		return nil, err
	}
	text, diags := dsl.Format(importedSpec, append(slices.Clone(s.Text), "\n"+p.recipe(row.tuned)...))
	if diags.HasErrors() {
		return nil, diags.Err()
	}
	s.Text = text
	// The hash in the weights is that of the whole text.
	h, diags := dsl.Load(importedSpec, text, dsl.Options{ReadFile: func(name string) ([]byte, error) {
		if name != decompile.LabelsFile {
			return nil, os.ErrNotExist
		}
		return s.Labels, nil
	}})
	if diags.HasErrors() {
		return nil, diags.Err()
	}
	h.Data = s.Graph.Data
	s.Graph = h
	return s, nil
}

// writeSpec writes a spec and its weights into a folder.
func (p *compressor) writeSpec(dir string, s *decompile.Spec) error {
	text := func(name string, b []byte) error {
		return writeOwn(filepath.Join(dir, name), func(w io.Writer) error { _, err := w.Write(b); return err })
	}
	if s.Labels != nil {
		if err := text(decompile.LabelsFile, s.Labels); err != nil {
			return err
		}
	}
	if err := writeGraphWeights(filepath.Join(dir, importedWeights), s.Graph, p.meta(s.Graph)); err != nil {
		return err
	}
	return text(importedSpec, s.Text)
}

// meta is the metadata of files of weights.
func (p *compressor) meta(g *ir.Graph) map[string]string {
	return map[string]string{"incc": version, "net": g.Name, "spec": g.Recipe.SpecHash}
}
