package torch

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
)

// settings are arguments of a constructor in Python. Those with the default value are left
// out.
type settings []string

func (s *settings) add(name, value string) { *s = append(*s, name+"="+value) }

func (s *settings) float(name string, value, usual float64) {
	if value != usual {
		s.add(name, float(value))
	}
}

func (s *settings) int(name string, value int) {
	if value != 0 {
		s.add(name, strconv.Itoa(value))
	}
}

func (s *settings) bool(name string, value bool) {
	if value {
		s.add(name, "True")
	}
}

func (s *settings) text(name, value, usual string) {
	if value != usual {
		s.add(name, quote(value))
	}
}

func (s *settings) tuple(name string, values []string) {
	if len(values) > 0 {
		s.add(name, tuple(values))
	}
}

func (s settings) call(class string) string { return class + "(" + strings.Join(s, ", ") + ")" }

// tuple prints a tuple.
func tuple(values []string) string {
	if len(values) == 1 {
		return "(" + values[0] + ",)"
	}
	return "(" + strings.Join(values, ", ") + ")"
}

func floats(values []float64) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = float(v)
	}
	return list
}

func quoted(values []string) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = quote(v)
	}
	return list
}

// checkTraining returns an error if the network cannot be trained by train.py.
func checkTraining(g *ir.Graph, r *recipe.Train) error {
	if len(g.Inputs) != 1 || len(g.Inputs[0].Type.Shape) != 4 || g.Inputs[0].Type.Shape[1] != 1 && g.Inputs[0].Type.Shape[1] != 3 {
		return fmt.Errorf("--train: %s does not take pictures: one input of 1 or 3 channels, height and width", g.Name)
	}
	if _, err := autodiff.Train(g, autodiff.FromRecipe(r)); err != nil {
		return fmt.Errorf("--train: %w", err)
	}
	return nil
}

// recipeOf prints the settings of a training.
func recipeOf(g *ir.Graph, o Options) string {
	var s settings
	r := o.Train
	shape := g.Inputs[0].Type.Shape
	s.text("name", g.Name, "")
	s.add("run", quote(o.Run))
	s.add("incc", quote(o.Version))
	s.add("shape", quoteInts(shape[1:]))
	s.add("classes", strconv.Itoa(autodiff.BeforeSoftmax(g.Outputs[0]).Type.Shape.Size()))
	s.add("optimizer", optimizerOf(r.Optimizer))
	s.add("batch", strconv.Itoa(r.Run.Batch))
	s.add("epochs", float(r.Run.Epochs))
	s.add("seed", strconv.FormatInt(r.Run.Seed, 10))
	if c := scheduleOf(r.Schedule); c != "Schedule()" {
		s.add("schedule", c)
	}
	if l := g.Recipe.Labels; l != nil && len(l.Names) > 0 && len(l.Names) <= 100 {
		s.tuple("labels", quoted(l.Names))
	}
	lossOf(&s, g, r)
	augmentsOf(&s, r)
	var frozen []string
	for _, f := range r.Freeze {
		var c settings
		c.tuple("parts", quoted(f.Parts))
		c.int("until", f.Until)
		frozen = append(frozen, c.call("Freeze"))
	}
	s.tuple("freeze", frozen)
	inputOf(&s, g.Recipe.Input)
	return breakLine("", "RECIPE = "+s.call("Recipe"), "")
}

func optimizerOf(o recipe.Optimizer) string {
	var s settings
	s.add("kind", quote(o.Kind))
	s.add("lr", float(o.LR))
	s.float("momentum", o.Momentum, 0)
	s.float("decay", o.Decay, 0)
	switch o.Kind {
	case "adam", "adamw":
		s.float("beta1", o.Beta1, 0.9)
		s.float("beta2", o.Beta2, 0.999)
		s.float("eps", o.Eps, 1e-8)
	case "rmsprop", "rmsprop_torch":
		s.float("rho", o.Rho, 0.9)
		s.float("eps", o.Eps, 1e-8)
	}
	return s.call("Optimizer")
}

func scheduleOf(c recipe.Schedule) string {
	var s settings
	// As epochs.Schedule has it, 0 stands for these numbers.
	set := func(name string, value, usual float64) {
		if value != 0 {
			s.float(name, value, usual)
		}
	}
	if c.Kind != "" {
		s.text("kind", c.Kind, "constant")
	}
	set("every", c.Every, 1)
	set("factor", c.Factor, 0.1)
	set("power", c.Power, 1)
	set("warmup", c.Warmup, 0)
	set("floor", c.Floor, 0)
	s.tuple("at", floats(c.At))
	return s.call("Schedule")
}

func lossOf(s *settings, g *ir.Graph, r *recipe.Train) {
	if r.Loss.Gamma > 0 {
		s.add("loss", quote("focal"))
	}
	s.float("smoothing", r.Loss.Smoothing, 0)
	s.float("gamma", r.Loss.Gamma, 0)
	s.tuple("class_weights", floats(r.Loss.Weights.Values))
	s.bool("balanced", r.Loss.Weights.Balanced)
	var heads []float64
	for _, h := range g.Heads {
		heads = append(heads, h.Weight)
	}
	s.tuple("head_weights", floats(heads))
	s.float("l1", r.Regular.L1, 0)
	s.float("l2", r.Regular.L2, 0)
	s.float("max_norm", r.Regular.MaxNorm, 0)
	s.float("clip_norm", r.Clip.Norm, 0)
	s.float("clip_value", r.Clip.Value, 0)
	s.text("average", r.Average.Kind, "")
	if r.Average.Kind == "ema" {
		s.add("average_decay", float(r.Average.Decay))
	}
	s.int("patience", r.EarlyStop.Patience)
	if r.EarlyStop.Metric == "loss" {
		s.add("metric", quote("loss"))
	}
}

// augmentsOf adds the augment statements: what is random, and what applies to every image.
func augmentsOf(s *settings, r *recipe.Train) {
	var list []string
	var gcn, zca, meanStd, meanImage bool
	for _, a := range r.Augment {
		gcn, zca = gcn || a.GCN, zca || a.ZCA
		meanStd, meanImage = meanStd || a.MeanStd, meanImage || a.MeanSubtracted
		var c settings
		c.int("crop", a.Crop)
		c.int("pad", a.Pad)
		c.float("flip", a.Flip, 0)
		if a.Area[1] > 0 {
			c.tuple("area", floats(a.Area[:]))
			if a.Aspect[1] > 0 {
				c.tuple("aspect", floats(a.Aspect[:]))
			}
		}
		c.float("rotate", a.Rotate, 0)
		c.float("shift", a.Shift, 0)
		c.float("brightness", a.Brightness, 0)
		c.float("contrast", a.Contrast, 0)
		c.float("saturation", a.Saturation, 0)
		c.float("lighting", a.Lighting, 0)
		c.float("erase", a.RandomErase, 0)
		if len(c) > 0 {
			list = append(list, c.call("Augment"))
		}
	}
	s.tuple("augment", list)
	if m := recipe.MixingOf(r.Augment); m.On() {
		s.float("mixup", m.Mixup, 0)
		s.float("cutmix", m.CutMix, 0)
		s.float("mix_probability", m.Prob, 1)
	}
	s.bool("gcn", gcn)
	s.bool("zca", zca)
	s.bool("mean_std", meanStd)
	s.bool("mean_image", meanImage)
}

func inputOf(s *settings, in *recipe.Input) {
	if in == nil {
		return
	}
	lo, hi := in.Lo, in.Hi
	if lo == hi {
		lo, hi = 0, 255
	}
	s.float("low", lo, 0)
	s.float("high", hi, 1)
	s.tuple("mean", floats(in.Mean))
	s.tuple("std", floats(in.Std))
	s.bool("bgr", in.Order == "bgr")
	s.int("resize", in.Resize)
}

// weightsOf prints the weights to which other rates, decays or bounds apply than the usual
// ones: the weights of layers decay, the others do not.
func weightsOf(g *ir.Graph, r *recipe.Train) string {
	var b strings.Builder
	for _, v := range g.Params {
		if v.Param.Kind != ir.Weight {
			continue
		}
		usual := 0.0
		if strings.HasSuffix(v.Name, "/weight") {
			usual = 1
		}
		rate := ir.RateOf(v, r.Rates)
		if rate == 1 && v.Param.Decay == usual && v.Param.MaxNorm == 0 {
			continue
		}
		var c settings
		c.float("rate", rate, 1)
		c.float("decay", v.Param.Decay, 1)
		c.float("max_norm", v.Param.MaxNorm, 0)
		b.WriteString(breakLine("    ", quote(v.Name)+": "+c.call("Weight"), ","))
	}
	head := "\n#: What is special about some weights. Others have rate 1, and those of layers decay 1.\nWEIGHTS: dict[str, Weight] = {"
	if b.Len() == 0 {
		return head + "}\n"
	}
	return head + "\n" + b.String() + "}\n"
}
