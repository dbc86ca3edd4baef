package gosrc

import (
	"encoding/json"
	"fmt"

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
