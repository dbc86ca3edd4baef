package main

import (
	"math"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
)

// recipeOf returns the recipe of a spec, with defaults for the settings that the spec
// does not give.
func recipeOf(g *ir.Graph) recipe.Train {
	var r recipe.Train
	if g.Recipe.Train != nil {
		r = *g.Recipe.Train
	}
	if r.Optimizer.Kind == "" {
		r.Optimizer.Kind = "sgd"
		r.Optimizer.Momentum = 0.9
	}
	if r.Optimizer.LR == 0 {
		r.Optimizer.LR = 0.01
	}
	if r.Run.Batch == 0 {
		r.Run.Batch = 64
	}
	if r.Run.Epochs == 0 {
		r.Run.Epochs = 10
	}
	if r.Run.Seed == 0 {
		r.Run.Seed = 1
	}
	return r
}

// lossOptions adds weights of the classes that balance the training images, where the
// recipe asks for that.
func (p *prepared) lossOptions(opt autodiff.Options) autodiff.Options {
	if p.recipe.Loss.Weights.Balanced {
		opt.ClassWeights = train.BalancedWeights(p.train, autodiff.BeforeSoftmax(p.graph.Outputs[0]).Type.Shape.Size())
	}
	return opt
}

// flagged returns a recipe in which the flags --epochs, --batch, --lr, --seed and --freeze replace
// settings, if they are given.
func flagged(c *cli.Context, r recipe.Train) recipe.Train {
	if c.IsSet("epochs") {
		r.Run.Epochs = c.Float64("epochs")
	}
	if c.IsSet("batch") {
		r.Run.Batch = c.Int("batch")
	}
	if c.IsSet("lr") {
		r.Optimizer.LR = c.Float64("lr")
	}
	if c.IsSet("seed") {
		r.Run.Seed = c.Int64("seed")
	}
	if c.IsSet("freeze") {
		r.Freeze = frozenByFlag(c)
	}
	return r
}

// overrides returns the recipe of a run: the recipe of the spec, with the settings that
// flags replace. It returns an error for settings and flags that are out of bounds.
func overrides(c *cli.Context, g *ir.Graph) (recipe.Train, error) {
	r := flagged(c, recipeOf(g))
	v, badVal := parseValidation(c.String("val"))
	switch {
	case checkBatch(r.Run.Batch) != nil:
		return r, usagef("--batch %d (want 1 to %d)", r.Run.Batch, largestBatch)
	case r.Run.Batch == 1 && recipe.MixingOf(r.Augment).On() && c.Int("overfit") == 0:
		return r, usagef("a batch of 1 picture has no other one that mixup or cutmix could mix it with: take --batch 2 or more")
	case !(r.Run.Epochs > 0) || r.Run.Epochs > mostEpochs:
		return r, usagef("--epochs %g (want a number above 0, at most %g)", r.Run.Epochs, float64(mostEpochs))
	case !(r.Optimizer.LR > 0) || math.IsInf(r.Optimizer.LR, 0):
		return r, usagef("--lr %g (want a number above 0)", r.Optimizer.LR)
	case badVal != nil:
		return r, usagef("%v", badVal)
	case c.Int("overfit") > 0 && !v.byDefault() && !v.none():
		return r, usagef("--overfit trains without validation images: leave out --val")
	case c.Duration("max-time") < 0:
		return r, usagef("--max-time %v (want 0 or more)", c.Duration("max-time"))
	}
	for _, name := range []string{"limit-batches", "overfit", "checkpoint-every"} {
		if n := c.Int(name); n < 0 {
			return r, usagef("--%s %d (want 0 or more)", name, n)
		}
	}
	if err := checkThreads(c.Int("threads")); err != nil {
		return r, err
	}
	return r, checkFrozen(c, g)
}

// mostEpochs keeps the number of steps far from where an int64 ends.
const mostEpochs = 1e9

// deterministic returns the augmentations without the parts that use random numbers.
func deterministic(augs []recipe.Augment) []recipe.Augment {
	var r []recipe.Augment
	for _, a := range augs {
		r = append(r, recipe.Augment{GCN: a.GCN, ZCA: a.ZCA, MeanStd: a.MeanStd, MeanSubtracted: a.MeanSubtracted})
	}
	return r
}
