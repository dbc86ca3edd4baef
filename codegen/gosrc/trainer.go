package gosrc

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
)

// Training is a training step of the network, for a package that trains.
type Training struct {
	// Graph is the training graph with its updates and the data of its constants. The
	// values in the fields below belong to it, or have the same names as its values.
	Graph  *ir.Graph
	Plan   *plan.Plan
	Labels *ir.Value // input: the classes
	Step   *ir.Value // input: the step's number, from 0; nil if nothing reads it
	Rate   *ir.Value // input: the learning rate
	Loss   *ir.Value // output
	Logits *ir.Value // output
	Norm   *ir.Value // output: the norm of the gradients
	Heads  bool      // the loss includes auxiliary heads
	Slots  []*ir.Value
	// Averages maps weights to the params that hold their averages.
	Averages map[*ir.Value]*ir.Value
	// Recipe is the train block with all defaults filled in. Its seed is the seed of Graph.
	Recipe recipe.Train
	// Golden holds the losses of the portable kernels in steps on snippet.Noise. If it is
	// not nil, a test is generated that compares with it.
	Golden []float32
}

// GoldenImages is the number of images in a step of the generated test, for a training
// batch of this size.
func GoldenImages(batch int) int { return min(batch, 4) }

// trainer holds everything that the templates print about training.
type trainer struct {
	*program
	Recipe     recipe.Train
	Losses     string // the loss in words
	Method     string // optimizer, penalties and clipping in words
	Sched      string // the schedule in words
	SchedText  string // Go expression: a kernel.Schedule
	Plateau    bool   // the caller decides when the learning rate drops
	Augment    string // the augmentation that the caller must do, in words; "" for none
	Counts     bool   // the step's number is an operand
	Averages   bool
	Dropout    bool
	Orders     []string // Go expressions: kernels that define the order of weights in memory
	HasValues  bool     // a constant has Values
	Params     []paramLine
	Packings   []packingLine
	StateText  string
	ArenaText  string
	Forwards   []string // functions of the forward and the backward pass, in order
	Updates    []string // functions that change params, in order
	NetQuoted  string
	HashQuoted string
	// ClassNames is a JSON array of the names of the classes, quoted; "" without names.
	ClassNames string
	Golden     []float32

	stored []*ir.Value // params that the file of weights must hold
}

// Images returns the number of images in a step of the generated test.
func (r *trainer) Images() int { return GoldenImages(r.Plan.Batch) }

// Chunks divides the steps into several programs, so that each function that binds their
// operands is small enough for the compiler. It returns nil if one function is enough.
func (r *trainer) Chunks() (l []*program) {
	const most = 200
	if len(r.Steps) <= 2*most && len(r.Joined) <= 2*most {
		return nil
	}
	for i := 0; i < len(r.Steps); i += most {
		c := *r.program
		c.Steps, c.Joined = r.Steps[i:min(i+most, len(r.Steps))], nil
		l = append(l, &c)
	}
	jobs := 0
	c := *r.program
	c.Steps, c.Joined = nil, nil
	for _, j := range r.Joined {
		if jobs > 0 && jobs+len(j.Jobs) > 2*most {
			done := c
			l = append(l, &done)
			c.Joined, jobs = nil, 0
		}
		c.Joined = append(c.Joined, j)
		jobs += len(j.Jobs)
	}
	return append(l, &c)
}

// Program returns the program for the templates.
func (r *trainer) Program() *program { return r.program }

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

// newTrainer returns the trainer for a training step. Errors about steps that are not
// supported wrap ErrUnsupported.
func newTrainer(d *description, g *ir.Graph, t *Training) (*trainer, error) {
	p := t.Plan
	switch {
	case !p.Train:
		return nil, fmt.Errorf("the plan is one for inference (want one for a training step)")
	case !d.Classes:
		return nil, refuse("training needs a network whose output is one number for each class")
	case t.Logits.Type.Shape.Size() != d.Output:
		return nil, refuse("the training step has %d classes, but the network has %d", t.Logits.Type.Shape.Size(), d.Output)
	}
	r := &trainer{Recipe: t.Recipe, Counts: t.Step != nil, Averages: len(t.Averages) > 0, Golden: t.Golden,
		StateText: bytesText(p.StateLen), ArenaText: bytesText(p.Arena)}
	r.program = &program{Type: "Trainer", Recv: "t", Var: "trainSteps", Tables: "t.tables", Plan: p}
	roles := map[string]string{t.Labels.Name: "labels", t.Rate.Name: "rate", t.Loss.Name: "loss", t.Logits.Name: "logits", t.Norm.Name: "norm"}
	if t.Step != nil {
		roles[t.Step.Name] = "count"
	}
	r.hold = func(o plan.Operand) string {
		name := ""
		switch {
		case o.Space == plan.Params:
			return fmt.Sprintf("param(%d)", o.Off)
		case o.Space == plan.Input:
			name = roles[p.Inputs[o.Index].Name]
		case o.Space == plan.Output:
			name = roles[p.Outputs[o.Index].Name]
		}
		if name == "" {
			return ""
		}
		if o.Off > 0 {
			return fmt.Sprintf("{Mem: t.%s[:], Off: %d}", name, o.Off)
		}
		return fmt.Sprintf("{Mem: t.%s[:]}", name)
	}
	if err := r.steps(); err != nil {
		return nil, err
	}
	if len(r.Edges.Out) > 0 {
		return nil, refuse("a training step that has outputs besides loss, logits and norm")
	}
	r.sections(g, t)
	if err := r.params(d, t); err != nil {
		return nil, err
	}
	if err := r.constants(t); err != nil {
		return nil, err
	}
	if g.Recipe != nil {
		r.HashQuoted = quote(g.Recipe.SpecHash)
	} else {
		r.HashQuoted = quote("")
	}
	r.NetQuoted = quote(g.Name)
	if len(d.Labels) > 0 {
		names, err := json.Marshal(d.Labels)
		if err != nil {
			return nil, err
		}
		r.ClassNames = quote(string(names))
	}
	for _, n := range t.Graph.Nodes {
		if _, ok := n.Op.(ops.DropoutTrain); ok {
			r.Dropout = true
		}
	}
	r.Losses = "the mean cross-entropy of the images"
	if s := t.Recipe.Loss.Smoothing; s > 0 {
		r.Losses += fmt.Sprintf(" with labels smoothed by %g", s)
	}
	if l := t.Recipe.Loss; l.Gamma > 0 {
		r.Losses += fmt.Sprintf(", as focal loss with gamma %g", l.Gamma)
	}
	if len(t.Recipe.Loss.Weights.Values) > 0 {
		r.Losses += ", weighted by class"
	}
	if t.Heads {
		r.Losses += ", to which those of the auxiliary heads are added by their weights"
	}
	r.words()
	var err error
	r.SchedText, err = scheduleText(&t.Recipe)
	return r, err
}

// trainerNames lists the fields and methods of a Trainer, in lower case. Functions of sections
// must not have these names.
var trainerNames = []string{"isa", "team", "arena", "params", "constants", "tables", "args", "jobs", "images", "order", "epoch", "step", "drops", "correct",
	"labels", "loss", "logits", "norm", "rate", "count", "body", "run", "bind", "finite", "put", "get", "weights", "read", "steps", "begin"}

// sections divides the training step into functions: the forward pass by label, the backward
// pass by label, and one function for all steps that change params.
func (r *trainer) sections(g *ir.Graph, t *Training) {
	const forwards, backwards, changes = 0, 1, 2
	leads := map[string]bool{} // names of the values that lead to the loss
	var mark func(v *ir.Value)
	mark = func(v *ir.Value) {
		if v.Def == nil || leads[v.Name] {
			return
		}
		leads[v.Name] = true
		for _, x := range v.Def.In {
			mark(x)
		}
	}
	for _, v := range t.Graph.Outputs {
		if v.Name == t.Loss.Name {
			mark(v)
		}
	}
	p := r.Plan
	labels := make([]string, len(p.Steps))
	for _, s := range p.Sections {
		for i := s.First; i < s.End; i++ {
			labels[i] = s.Name
		}
	}
	type part struct {
		label      string
		way        int
		first, end int
		loss       bool
	}
	var parts []part
	way := forwards
	for i := 0; i < len(p.Steps); {
		end := i + 1
		for end < len(p.Steps) && p.Steps[end].Phase == p.Steps[i].Phase {
			end++
		}
		x := part{label: labels[i], first: i, end: end}
		switch s := p.Steps[i]; {
		case i >= p.Changes:
			way, x.label = changes, ""
		case len(s.From) > 0 && leads[s.From[0]]:
			way = forwards
		case len(s.From) > 0:
			way = backwards
		}
		x.way = way
		for _, s := range p.Steps[i:end] {
			x.loss = x.loss || s.Name == t.Loss.Name
		}
		if n := len(parts); n > 0 && parts[n-1].label == x.label && parts[n-1].way == x.way {
			parts[n-1].end = end
			parts[n-1].loss = parts[n-1].loss || x.loss
		} else {
			parts = append(parts, x)
		}
		i = end
	}
	names, forward := taken{}, map[string]string{}
	for _, n := range trainerNames {
		names[n] = true
	}
	names.numbered(len(p.Steps))
	for _, x := range parts {
		var name, says string
		switch {
		case x.way == changes:
			name = names.give("update", "update")
			says = name + " changes weights, running statistics and what the optimizer remembers"
			r.Updates = append(r.Updates, name)
		case x.way == forwards && x.label == "" && x.loss:
			name = names.give("crossEntropy", "loss")
			says = name + " computes the loss"
		case x.way == forwards:
			name = names.give(sectionName(p, plan.Section{Name: x.label, First: x.first, End: x.end}), "part")
			if forward[x.label] == "" {
				forward[x.label] = name
			}
			says = name + " computes what has no label"
			if x.label != "" {
				says = name + " computes part " + partText(g, x.label)
			}
		case x.label == "":
			name = names.give("gradients", "part")
			says = name + " computes gradients of what has no label"
		default:
			f := forward[x.label]
			if f == "" {
				f = x.label
			}
			name = names.give(f+"Backward", "part")
			says = name + " computes the gradients of part " + partText(g, x.label)
		}
		if x.way != changes {
			r.Forwards = append(r.Forwards, name)
		}
		r.section(name, says, x.first, x.end)
	}
}

// params lists the arrays that the step reads or changes, with their initial elements.
func (r *trainer) params(d *description, t *Training) error {
	slots, averages, index := map[string]bool{}, map[string]string{}, map[string]int{}
	for _, v := range t.Slots {
		slots[v.Name] = true
	}
	values := map[string]*ir.Value{}
	for _, v := range t.Graph.Params {
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
		case v.Param.Kind == ir.Constant || slots[s.Name]:
			l.Kind = "constant"
			if slots[s.Name] {
				l.Kind = "slot"
			}
			x, ok := oneNumber(t.Graph, v)
			if d := t.Graph.Data[s.Name]; !ok && d != nil && v.Param.Kind == ir.Constant && len(d.Data) <= maxLiteral {
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
	for _, v := range t.Graph.Params {
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
