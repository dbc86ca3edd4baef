package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir/diag"
)

func trainCommand() *cli.Command {
	return &cli.Command{
		Name:      "train",
		Usage:     "train a network; write its weights, curves and ONNX model into a folder",
		UsageText: "incc train SPEC --data DATA [--out DIR] [--resume]\nincc train --resume DIR",
		Description: `Example:

   incc train mnist/lenet --data mnist --epochs 2

The train block of the spec has the settings; flags override it. The results go into
a folder, by default runs/NAME: weights (best.safetensors, last.safetensors),
results.csv with plots, a confusion matrix, model.onnx and summary.json. spec.incc
there includes the settings of flags. --resume continues from a checkpoint in the
folder, with the same results bit for bit. Other commands accept the folder of a run
in place of a SPEC, and then use its weights and data as well. Part of the training
images is drawn for validation (--val); the test images are used once, at the end.
The best weights are those of the epoch with the highest validation accuracy; of
equal ones, that with the lower validation loss.

--quantize fine-tunes a run for 8-bit integers where incc quantize loses accuracy:

   incc train --quantize runs/mnist_lenet --out runs/int8

Each step computes with rounded weights and activations (straight-through estimator);
the steps they are rounded to are trained, too (LSQ, Esser 2020). Batch norms keep their
statistics for the last third of the epochs. model.onnx is the network of integers,
which other commands take for the folder of the run: the fine-tuned one, or the one
without fine-tuning, as from incc quantize, whichever is better on the validation images.`,
		Flags: []cli.Flag{
			dataFlag, strictFlag,
			&cli.StringFlag{Name: "out", Usage: "write everything into `DIR`; runs/NAME by default"},
			&cli.BoolFlag{Name: "resume", Usage: "continue from the last checkpoint in the folder"},
			&cli.BoolFlag{Name: "force", Usage: "move the run that DIR holds to DIR.1, and start a new one; nothing is deleted"},
			&cli.BoolFlag{Name: "resume-changed", Usage: "with --resume, continue even if the data, the engine, the spec or the version of incc has changed"},
			&cli.Float64Flag{Name: "epochs", Usage: "train for `N` epochs; with --resume, for N in all, so that a finished run is trained further. The schedule of the learning rate is then that of N epochs, so with cosine and poly the rate rises"},
			&cli.IntFlag{Name: "batch", Usage: "train on `N` images in each step"},
			&cli.Float64Flag{Name: "lr", Usage: "learning `RATE`"},
			&cli.Int64Flag{Name: "seed", Usage: "`SEED` of initialization, order, augmentation and dropout"},
			valFlag,
			&cli.DurationFlag{Name: "max-time", Usage: "end the training after `DURATION`, as after the last epoch"},
			&cli.IntFlag{Name: "limit-batches", Usage: "train for at most `N` steps in each epoch"},
			&cli.IntFlag{Name: "overfit", Usage: "train on only `N` images of all classes, without augmentation: a network that cannot learn them is broken"},
			&cli.IntFlag{Name: "checkpoint-every", Usage: "write a checkpoint every `N` steps, besides those at the end of epochs"},
			initFlag, mapFlag, initStrictFlag, freezeFlag, cacheFeaturesFlag, quantizeFlag,
			&cli.BoolFlag{Name: "keep-diverging", Usage: "go on where the loss stays above ten times its first value, which ends a run otherwise"},
			&cli.BoolFlag{Name: "tensorboard", Usage: "write an event file for TensorBoard"},
			&cli.BoolFlag{Name: "find-lr", Usage: "look for a learning rate by a range test of 100 steps: print a suggestion, draw lr.png and write lr.csv, into --out DIR or the current folder; nothing is trained"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print the settings and try a step, but write no files"},
			memoryFlag, cacheFlag, defineFlag, trainEngineFlag, profileFlag,
			&cli.IntFlag{Name: "threads", Usage: "run on `N` threads; GOMAXPROCS by default"},
			&cli.StringFlag{Name: "isa", Usage: "use the kernels for `ISA`: avx512, avx2, neon or portable"},
		},
		Action: trainRun,
	}
}

var trainEngineFlag = &cli.StringFlag{Name: "engine", Value: "cpu", Usage: "compute with `ENGINE`: cpu (the SIMD executor) or ref (the reference interpreter: float64, slow)"}

// trainRun is the action of incc train.
func trainRun(c *cli.Context) error {
	if err := checkFindLR(c); err != nil {
		return err
	}
	if err := checkProfile(c); err != nil {
		return err
	}
	p, err := prepare(c)
	if err != nil {
		return err
	}
	if err := checkBesidePictures("cpuprofile", c.String("cpuprofile"), c.String("data"), p.set.Train); err != nil {
		return err
	}
	stopProfile, err := profile(c)
	if err != nil {
		return err
	}
	defer stopProfile()
	w := c.App.Writer
	ctx, stop := interruptible(c.Context)
	defer stop()
	if c.Bool("find-lr") {
		return findLR(ctx, c, p)
	}
	cfg := train.Config{Dir: p.dir, FS: train.Disk{}, Recipe: p.recipe, Seed: p.recipe.Run.Seed, Train: p.train, Val: p.val, Input: p.inputs(), Identity: p.id,
		Epochs: p.recipe.Run.Epochs, Limit: c.Int("limit-batches"), MaxTime: c.Duration("max-time"), Resume: c.Bool("resume"), AcceptChanged: c.Bool("resume-changed"), Every: c.Int("checkpoint-every"), KeepDiverging: c.Bool("keep-diverging"),
		Meta: map[string]string{"incc": version, "net": p.graph.Name, "spec": p.graph.Recipe.SpecHash}}
	if len(p.classes) > 0 {
		names, err := json.Marshal(p.classes)
		if err != nil {
			return err
		}
		cfg.Meta["classes"] = string(names)
	}
	if c.Bool("dry-run") {
		p.introduce(w)
		return dryRun(w, p)
	}
	if err := p.moveAside(c); err != nil {
		return err
	}
	unlock, err := lockRun(p.dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := p.check(c); err != nil {
		return err
	}
	cfg.MayChange = p.mayChange
	p.introduce(w)
	cfg.Start = func(s *train.State) error {
		if err := p.checkBest(c, s, cfg.Meta); err != nil {
			return err
		}
		finished := cfg.Finished(p.engine.Batch(), s)
		resumed, err := p.resumptions(c, !finished, len(s.Rows))
		if err != nil {
			return err
		}
		if err := p.begin(c, resumed); err != nil {
			return err
		}
		if finished {
			return nil
		}
		return p.computeFeatures(ctx, c)
	}
	pr := newProgress(w)
	var board *tensorboard
	if c.Bool("tensorboard") {
		if board, err = newTensorboard(p.dir); err != nil {
			return err
		}
		defer board.close()
	}
	var rows []train.Row
	pr.onEpoch = func(r train.Row) error {
		rows = append(rows, r)
		if board != nil {
			board.epoch(r)
		}
		if err := writeResults(p.dir, rows); err != nil {
			return err
		}
		return drawRun(p.dir, p.name, rows)
	}
	cfg.Report = &remembering{pr, &rows}
	start := time.Now()
	state, err := train.Run(ctx, p.engine, cfg)
	pr.end()
	if pr.epochErr != nil && err == nil {
		err = pr.epochErr
	}
	var nf *train.NonFiniteError
	var diverged *train.DivergedError
	var changed *train.ChangedError
	var trained *train.TrainedError
	switch {
	case errors.Is(err, train.ErrInterrupted):
		sayf(c.App.ErrWriter, "interrupted; a checkpoint is in %s, --resume continues from it", diag.Name(p.dir))
		return &reported{exitInterrupted}
	case errors.As(err, &nf):
		return &numericalError{err.Error()}
	case errors.As(err, &diverged):
		return &numericalError{err.Error() + "; --keep-diverging goes on all the same"}
	case errors.As(err, &changed):
		return fmt.Errorf("%w\nadd --resume-changed to continue from it in spite of that, or start a new run with --out DIR", err)
	case errors.As(err, &trained):
		return fmt.Errorf("%w: nothing was changed; give --epochs more, or leave it out", err)
	case err != nil:
		return p.withPicture(err)
	}
	return p.withPicture(p.finish(c, state, time.Since(start)))
}

// withPicture adds to an error about a picture how to go on.
func (p *prepared) withPicture(err error) error {
	if picture := (*data.PictureError)(nil); errors.As(err, &picture) {
		return fmt.Errorf("%w\na checkpoint is in %s: put the picture back as it was, and --resume continues from it", err, diag.Name(p.dir))
	}
	return err
}

// remembering is a progress that also collects the results of all epochs, including
// those before a --resume.
type remembering struct {
	*progress
	rows *[]train.Row
}

// Begin takes over the results of earlier epochs.
func (r *remembering) Begin(s *train.State, steps int, epochs float64, finished bool) {
	*r.rows = append((*r.rows)[:0], s.Rows...)
	r.progress.Begin(s, steps, epochs, finished)
}
