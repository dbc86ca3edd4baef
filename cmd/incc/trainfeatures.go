package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes/autodiff"
)

var cacheFeaturesFlag = &cli.BoolFlag{Name: "cache-features", Usage: "compute what the frozen parts make of each image once, and train only the layers behind them on that. It needs frozen parts from the input on, and no augment statement"}

// cut is a network whose frozen trunk computes its features once (--cache-features).
type cut struct {
	trunk, top *ir.Graph
	features   *train.Features
	bytes      int64 // of the features of all images
}

// cutTrunk prepares --cache-features. Without the flag it does nothing.
func (p *prepared) cutTrunk(c *cli.Context) error {
	if !c.Bool("cache-features") {
		return nil
	}
	frozen := p.recipe.Frozen(0)
	switch {
	case c.String("engine") != "cpu":
		return usagef("--cache-features can only be used with --engine cpu")
	case c.Bool("dry-run"):
		return usagef("--cache-features computes the features of all images, and --dry-run only tries a step: leave one of them out")
	case len(frozen) == 0:
		return usagef("--cache-features needs parts that are not trained: name them with --freeze or in a freeze statement")
	case len(p.recipe.Unfreezes()) > 0:
		return usagef("--cache-features needs parts that stay frozen for the whole run: leave until= out of the freeze statement")
	case !reflect.DeepEqual(p.recipe.Augment, deterministic(p.recipe.Augment)):
		return usagef("--cache-features needs the same images in each epoch: leave augment out of the train block, but for normalization (mean_std, mean_image, gcn, zca)")
	}
	trunk, top, err := autodiff.Cut(p.graph, frozen)
	if err != nil {
		return usagef("--cache-features: %v", err)
	}
	size := top.Inputs[0].Type.Shape.Size()
	images := p.train.Len()
	if p.val != nil {
		images += p.val.Len()
	}
	p.cut = &cut{trunk, top, train.NewFeatures(size), 4 * int64(size) * int64(images)}
	l, err := roomLimit(c)
	if err != nil {
		return err
	}
	if p.cut.bytes > l.bytes {
		return fmt.Errorf("the features of %s, %s of each, take %s; %s: freeze more parts, or leave out --cache-features", diag.Count(images, "image"), bytesText(4*int64(size)), bytesText(p.cut.bytes), l)
	}
	return nil
}

// trained is the network of a training step: all of it, or its top with --cache-features.
func (p *prepared) trained() *ir.Graph {
	if p.cut != nil {
		return p.cut.top
	}
	return p.graph
}

// inputs are those of the network of a training step.
func (p *prepared) inputs() data.Inputs {
	if p.cut != nil {
		return p.cut.features
	}
	return p.input
}

// computeFeatures computes the features of all images with the weights of the engine.
// Without --cache-features it does nothing.
func (p *prepared) computeFeatures(ctx context.Context, c *cli.Context) error {
	if p.cut == nil {
		return nil
	}
	trunk, start := p.cut.trunk, time.Now()
	if err := train.TakeWeights(trunk, p.engine); err != nil {
		return err
	}
	o := p.cpuOptions(c)
	o.Batch = p.recipe.Run.Batch
	program, err := compileRoom(c, trunk, o)
	if err != nil {
		return err
	}
	net := inferrer{program.NewSession(), o.Batch, p.cut.features.Size()}
	sets := []*data.Set{p.train}
	total := p.train.Len()
	if p.val != nil {
		sets, total = append(sets, p.val), total+p.val.Len()
	}
	show, done := readingProgress(c.App.ErrWriter, "features of %d of %d images")
	before := 0
	for _, s := range sets {
		err = p.cut.features.Compute(ctx, net, p.input, s, func(n int) {
			if show != nil {
				show(before+n, total)
			}
		})
		if err != nil {
			break
		}
		before += s.Len()
	}
	done()
	if errors.Is(err, train.ErrInterrupted) {
		say(c.App.ErrWriter, "interrupted while the features were computed")
		return &reported{exitInterrupted}
	}
	if err != nil {
		return err
	}
	return p.sayFeatures(c.App.Writer, total, time.Since(start))
}

func (p *prepared) sayFeatures(w io.Writer, images int, took time.Duration) error {
	return say(w, fmt.Sprintf("computed the features of %s in %s: %s for each, %s in memory", diag.Count(images, "image"), shortTime(took.Seconds()), diag.Count(p.cut.features.Size(), "number"), bytesText(p.cut.bytes)))
}

// topEngine makes the engine of a training step with --cache-features.
func (p *prepared) topEngine(opt autodiff.Options, o cpu.Options) (train.Engine, error) {
	r := p.recipe.Run
	return train.NewTop(p.graph, p.cut.top, opt, r.Batch, r.Seed, o)
}
