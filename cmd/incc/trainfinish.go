package main

import (
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes"
)

// chosen describes the weights that a run ends with, for the user.
func (p *prepared) chosen(s *train.State) string {
	switch {
	case s.BestAt < 0:
		return fmt.Sprintf("after %d steps", s.Global)
	case p.val == nil:
		return fmt.Sprintf("epoch %d, the best in training", s.BestAt)
	}
	return fmt.Sprintf("epoch %d, the best on validation", s.BestAt)
}

// finish loads the best weights, evaluates them on the test images, and writes the
// files of a finished run.
func (p *prepared) finish(c *cli.Context, s *train.State, took time.Duration) error {
	w := c.App.Writer
	if err := writeResults(p.dir, s.Rows); err != nil {
		return err
	}
	if len(s.Rows) > 0 {
		if err := drawRun(p.dir, p.name, s.Rows); err != nil {
			return err
		}
	}
	best := filepath.Join(p.dir, bestWeights)
	if s.BestAt < 0 {
		best = filepath.Join(p.dir, lastWeights)
	}
	g, err := p.trainedGraph(c, best)
	if err != nil {
		return err
	}
	g, plain, note, err := p.quantizedBest(c, g)
	if err != nil {
		return err
	}
	sum, err := fileHash(best)
	if err != nil {
		return err
	}
	seconds, waited := 0.0, 0.0
	for _, r := range s.Rows {
		seconds, waited = seconds+r.Seconds, waited+r.Waited
	}
	total := ir.Summarize(g)
	info := runInfo{Name: p.name, Net: g.Name, Spec: g.Recipe.SpecHash, Data: p.set.Name, Version: version, Engine: c.String("engine"), Batch: p.recipe.Run.Batch,
		Seed: p.recipe.Run.Seed, Params: total.Params + total.HeadParams, Epochs: len(s.Rows), BestEpoch: s.BestAt, TrainImages: p.train.Len(), LimitBatches: c.Int("limit-batches"), TrainSeconds: seconds, WaitSeconds: waited, WeightsHash: sum}
	if n := len(s.Rows); n > 0 {
		last := s.Rows[n-1]
		info.TrainLoss, info.TrainAcc = last.TrainLoss, last.TrainAcc
	}
	if p.val != nil {
		info.ValImages = p.val.Len()
		if s.BestAt > 0 {
			v := s.Rows[s.BestAt-1].ValAcc
			info.ValAcc = &v
		}
	}
	chosen := p.chosen(s)
	if plain != nil {
		say(w, note)
		info.BestEpoch, info.ValAcc, chosen = 0, &plain.Accuracy, "without fine-tuning"
	}
	if err := p.scored(c, g, &info, chosen); err != nil {
		return err
	}
	if _, err := passes.Run(g, passes.Level(1), passes.Options{}); err != nil {
		return err
	}
	model, err := onnx.Backend{Path: modelOfRun, Version: version}.Emit(g)
	if err != nil {
		return err
	}
	if err := writeFiles(writeOwn, p.dir, model); err != nil {
		return err
	}
	if err := writeSummaryFile(p.dir, info); err != nil {
		return err
	}
	text := fmt.Sprintf("%s: weights, curves and model.onnx, after %s", diag.Name(p.dir), shortTime(took.Seconds()))
	if seconds > 0 {
		text += fmt.Sprintf("; steps waited %.1f s for images", waited)
	}
	if seconds >= 1 {
		text += fmt.Sprintf(", %.0f %% of their time", 100*waited/seconds)
	}
	return say(w, text)
}

// scored measures the network on the test images, or on those of the validation where there are none,
// prints and draws the result, and adds it to the summary. chosen says which weights these are.
func (p *prepared) scored(c *cli.Context, g *ir.Graph, info *runInfo, chosen string) error {
	w, set := c.App.Writer, p.set.Test
	if set == nil {
		set = p.val
	}
	if set == nil || c.Int("overfit") != 0 {
		return nil
	}
	score, err := scoreOf(c, g, set, p.input, nil)
	if err != nil {
		return err
	}
	if err := drawConfusion(writeOwn, filepath.Join(p.dir, "confusion.png"), score.Confusion, classNames(g, set)); err != nil {
		return err
	}
	metrics := score.Confusion.Metrics()
	if set != p.set.Test {
		info.ValMacroF1, info.ValBalanced = &metrics.Macro.F1, &metrics.Balanced
		sayf(w, "validation: %.2f %% of %d images (%s), loss %.4f", 100*score.Accuracy, score.Images, chosen, score.Loss)
		return nil
	}
	info.TestMacroF1, info.TestBalanced = &metrics.Macro.F1, &metrics.Balanced
	info.TestAcc, info.TestImages = &score.Accuracy, score.Images
	if !math.IsNaN(score.Loss) && !math.IsInf(score.Loss, 0) { // JSON has no such numbers
		info.TestLoss = &score.Loss
	}
	sayf(w, "test: %.2f %% of %d images (%s), loss %.4f", 100*score.Accuracy, score.Images, chosen, score.Loss)
	return nil
}
