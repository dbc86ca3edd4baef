package gosrc

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
)

// paramLine is an array that a step changes or reads.
type paramLine struct {
	Name, Shape, How, Arg string // Go expressions
	At, Len               int    // offset and length in float32s
	Order                 int    // index into Orders + 1, 0 for none
	Kind                  string // weight, slot, constant
	Init                  string // Go expression: initial elements of slots and constants, "" for 0
	Values                string // Go expression: all elements of a constant, "" where they are alike
	Average               int    // index + 1 of the average of a weight, 0 for none
}

// maxLiteral bounds the elements of a constant that is written as Go, such as the
// weights of the classes in the loss.
const maxLiteral = 1 << 16

// numbers32 returns the elements of a list of float32 as Go.
func numbers32(xs []float32) (string, error) {
	l := make([]string, len(xs))
	for i, x := range xs {
		var err error
		if l[i], err = number32(x); err != nil {
			return "", err
		}
	}
	return "[]float32{" + strings.Join(l, ", ") + "}", nil
}

// params lists the arrays that the step reads or changes, with their initial elements.
func (r *trainer) params(d *description, t *Training) error {
	g := planned(t.Graph, r.Plan)
	slots, averages, index := map[string]bool{}, map[string]string{}, map[string]int{}
	for _, v := range t.Slots {
		slots[v.Name] = true
	}
	values, inferred := map[string]*ir.Value{}, map[string]bool{}
	for _, v := range d.weights.stored {
		inferred[v.Name] = true
	}
	for _, v := range g.Params {
		values[v.Name] = v
	}
	for v, a := range t.Averages {
		slots[a.Name] = true
		averages[v.Name] = a.Name
	}
	orders := map[string]int{}
	placed := map[string]bool{}
	for i, s := range r.Plan.State {
		v := values[s.Name]
		if v == nil {
			return fmt.Errorf("the plan has a param %s, which the graph does not have", quote(s.Name))
		}
		placed[s.Name], index[s.Name] = true, i
		l := paramLine{Name: quote(s.Name), Shape: dimsText(s.Shape), At: s.Off, Len: s.Len, How: quote(s.How), Kind: "weight"}
		var err error
		if s.Arg != 0 {
			if l.Arg, err = number(s.Arg, 64); err != nil {
				return err
			}
		}
		if s.By != nil {
			text, err := kernelText(s.By)
			if err != nil {
				return fmt.Errorf("param %s: %w", comment(s.Name), err)
			}
			at, ok := orders[text]
			if !ok {
				at = len(r.Orders)
				orders[text] = at
				r.Orders = append(r.Orders, text)
			}
			l.Order = at + 1
		}
		switch {
		case v.Param.Kind == ir.Constant && !inferred[s.Name] || slots[s.Name]:
			l.Kind = "constant"
			if slots[s.Name] {
				l.Kind = "slot"
			}
			x, ok := oneNumber(g, v)
			if d := g.Data[s.Name]; !ok && d != nil && v.Param.Kind == ir.Constant && len(d.Data) <= maxLiteral {
				if l.Values, err = numbers32(d.Data); err != nil {
					return err
				}
				r.HasValues = true
			} else if !ok {
				return refuse("param %s of the training step has different initial elements", comment(s.Name))
			}
			if x != 0 {
				if l.Init, err = number32(x); err != nil {
					return err
				}
			}
		default:
			r.stored = append(r.stored, v)
		}
		r.Params = append(r.Params, l)
	}
	for i := range r.Params {
		if a := averages[r.Plan.State[i].Name]; a != "" {
			r.Params[i].Average = index[a] + 1
		}
	}
	for _, v := range g.Params {
		if v.Param.Kind != ir.Constant && !placed[v.Name] {
			return refuse("param %s has no place in the training step", comment(v.Name))
		}
	}
	// Inference reads a file that the trainer wrote, so training must have all its weights.
	for _, v := range d.weights.stored {
		if i, ok := index[v.Name]; !ok || r.Params[i].Kind != "weight" {
			return refuse("weight %s of inference is not a weight of training", comment(v.Name))
		}
	}
	return nil
}

func dimsText(s ir.Shape) string {
	var l []string
	for _, n := range s {
		l = append(l, strconv.Itoa(n))
	}
	return "[]int{" + strings.Join(l, ", ") + "}"
}

// oneNumber returns the number that all elements of a param have at the begin. ok is false if
// they differ.
func oneNumber(g *ir.Graph, v *ir.Value) (float32, bool) {
	d := g.Data[v.Name]
	if d == nil {
		return float32(v.Param.Init.A), v.Param.Init.Kind == ir.InitConstant
	}
	for _, x := range d.Data {
		if x != d.Data[0] {
			return 0, false
		}
	}
	return d.Data[0], len(d.Data) > 0
}

// constants lists the packed arrays that steps read but never change.
func (r *trainer) constants(t *Training) error {
	w, err := newWeights(t.Graph, r.Plan)
	if err != nil {
		return err
	}
	if len(w.stored) > 0 || len(w.Folds) > 0 {
		return refuse("the training step reads %s directly from the file", comment(w.stored[0].Name))
	}
	r.Packings = w.Packings
	return nil
}

// words sets the texts that describe the training.
func (r *trainer) words() {
	t := &r.Recipe
	o := t.Optimizer
	g := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	l := []string{map[string]string{"sgd": "SGD", "nesterov": "SGD with Nesterov's momentum", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSProp as TensorFlow computes it", "rmsprop_torch": "RMSProp as PyTorch computes it"}[o.Kind]}
	if l[0] == "" {
		l[0] = comment(o.Kind)
	}
	if o.Momentum > 0 {
		l = append(l, "momentum "+g(o.Momentum))
	}
	if o.Kind == "adam" || o.Kind == "adamw" {
		l = append(l, "betas "+g(o.Beta1)+" and "+g(o.Beta2))
	}
	if o.Kind == "rmsprop" || o.Kind == "rmsprop_torch" {
		l = append(l, "rho "+g(o.Rho))
	}
	if o.Decay > 0 {
		l = append(l, "weight decay "+g(o.Decay))
	}
	if t.Regular.L1 > 0 {
		l = append(l, "an L1 penalty of "+g(t.Regular.L1))
	}
	if t.Regular.L2 > 0 {
		l = append(l, "an L2 penalty of "+g(t.Regular.L2))
	}
	if t.Regular.MaxNorm > 0 {
		l = append(l, "norms of at most "+g(t.Regular.MaxNorm)+" for the weights of each output")
	}
	if t.Clip.Norm > 0 {
		l = append(l, "gradients clipped to the norm "+g(t.Clip.Norm))
	}
	if t.Clip.Value > 0 {
		l = append(l, "gradients clipped to "+g(t.Clip.Value))
	}
	r.Method = strings.Join(l, ", ")
	s := t.Schedule
	every, factor := s.Every, s.Factor
	if every == 0 {
		every = 1
	}
	if factor == 0 {
		factor = 0.1
	}
	r.Sched = g(o.LR)
	switch s.Kind {
	case "step":
		r.Sched += fmt.Sprintf(", times %s every %s epochs", g(factor), g(every))
		if len(s.At) > 0 {
			r.Sched = g(o.LR) + fmt.Sprintf(", times %s at the epochs %s", g(factor), plain(s.At))
		}
	case "exp":
		r.Sched += fmt.Sprintf(", falling by %s in %s epochs, smoothly", g(factor), g(every))
	case "poly":
		r.Sched += ", falling to 0 at the end by a polynomial"
	case "cosine":
		r.Sched += ", falling to 0 at the end by a cosine"
	case "plateau":
		r.Plateau = true
		r.Sched += fmt.Sprintf(", times %s for each Drop", g(factor))
	}
	if s.Floor > 0 {
		r.Sched += ", but no less than " + g(s.Floor)
	}
	if s.Warmup > 0 {
		r.Sched += fmt.Sprintf(", rising for the first %s epochs", g(s.Warmup))
	}
	var wants []string
	for _, a := range t.Augment {
		for _, x := range []struct {
			on   bool
			what string
		}{
			{a.Crop > 0, "random crops"}, {a.Area[1] > 0, "crops of random area"}, {a.Flip > 0, "random flips"}, {a.Rotate > 0 || a.Shift > 0, "random turns and shifts"},
			{a.Brightness > 0 || a.Contrast > 0 || a.Saturation > 0 || a.Lighting > 0, "random colours"}, {a.RandomErase > 0, "random erasing"},
			{a.GCN, "contrast normalization"}, {a.ZCA, "whitening"}, {a.MeanStd, "normalization by the data's mean and deviation"}, {a.MeanSubtracted, "subtraction of the mean image"},
		} {
			if x.on {
				wants = append(wants, x.what)
			}
		}
	}
	r.Augment = strings.Join(wants, ", ")
}

// scheduleText returns the schedule as a Go expression.
func scheduleText(t *recipe.Train) (string, error) {
	s := t.Schedule
	l := []string{}
	if s.Kind != "" {
		l = append(l, "Kind: "+quote(s.Kind))
	}
	for _, f := range []struct {
		name string
		x    float64
	}{{"Base", t.Optimizer.LR}, {"Every", s.Every}, {"Factor", s.Factor}, {"Power", s.Power}, {"Warmup", s.Warmup}, {"Floor", s.Floor}} {
		if f.x == 0 {
			continue
		}
		n, err := number(f.x, 64)
		if err != nil {
			return "", err
		}
		l = append(l, f.name+": "+n)
	}
	l = append(l, "Epochs: Epochs")
	if len(s.At) > 0 {
		var at []string
		for _, x := range s.At {
			n, err := number(x+0, 64)
			if err != nil {
				return "", err
			}
			at = append(at, n)
		}
		l = append(l, "At: []float64{"+strings.Join(at, ", ")+"}")
	}
	return "kernel.Schedule{" + strings.Join(l, ", ") + "}", nil
}
