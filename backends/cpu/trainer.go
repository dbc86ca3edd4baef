package cpu

import (
	"fmt"
	"math"
	"slices"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/threads"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/lower"
)

// TrainingGraph is a training step as a graph, and which of its values is what.
type TrainingGraph struct {
	Graph  *ir.Graph   // with updates
	Labels *ir.Value   // input, i64[N]
	Others *ir.Value   // input, i64[N], the labels of pictures mixed in; nil where none are
	Share  *ir.Value   // input, the share of Labels; nil without Others
	Step   *ir.Value   // input, i64 scalar that counts from 0; nil where nothing reads it
	Rate   *ir.Value   // input, the learning rate
	Loss   *ir.Value   // output, a scalar
	Logits *ir.Value   // output, [N,C]
	Norm   *ir.Value   // output, the global norm of the gradients
	Slots  []*ir.Value // params of the optimizer's own
	// Averages are the params that hold averages of weights, by the weight.
	Averages map[*ir.Value]*ir.Value
}

// Trainer trains a network: it holds weights, statistics and the optimizer's
// slots. What it computes is the same bits for any number of threads and on AVX2
// and AVX-512. One call at a time.
type Trainer struct {
	tg      TrainingGraph
	program *Program
	s       *Session
	in, out [][]float32
	image   int       // index into in
	labels  []float32 // of a full batch
	others  []float32 // likewise, nil where no pictures are mixed
	body    func(w *kernel.Worker)

	loss, norm, logits []float32 // among out

	eval   *Program
	es     *Session
	net    *ir.Graph
	seed   int64
	stale  bool // eval does not have the weights as they are
	began  bool // averages hold something
	params []TrainerParam
	at     map[string]int // into params
	ein    [][]float32
	eout   [][]float32
}

// TrainerParam is an array that a Trainer holds.
type TrainerParam struct {
	Name  string
	Shape ir.Shape
	Slot  bool // of the optimizer, or an average: no part of the network
	// Average is the name of the average of this weight, "" where none is kept.
	Average string
}

// StepStats is what a step found before it changed the weights.
type StepStats struct {
	Loss    float64
	Norm    float64 // of all gradients together, before clipping
	Correct int     // images whose largest logit is their label's; the first of equals counts, a NaN is larger than anything
	// Layer is where Loss or Norm is not finite the first value in the order of
	// computation that holds a number that is not.
	Layer string
}

// Finite reports whether the step changed the weights.
func (s StepStats) Finite() bool { return s.Loss-s.Loss == 0 && s.Norm-s.Norm == 0 }

// CompileTraining compiles a training step, of batches of opt.Batch images, and
// the network itself (of one input and one output) for evaluation; the two share
// the weights by their names. Params without data are drawn with opt.Seed.
//
// The step has two sections: all that is computed of the weights, and the steps
// that change params, which are left out if loss or norm are not finite.
func CompileTraining(tg TrainingGraph, net *ir.Graph, opt Options) (*Trainer, error) {
	switch {
	case len(tg.Graph.Updates) == 0:
		return nil, fmt.Errorf("train %s: the graph has no updates", net.Name)
	case tg.Loss == nil || tg.Logits == nil || tg.Norm == nil || tg.Labels == nil || tg.Rate == nil:
		return nil, fmt.Errorf("train %s: labels, rate, loss, logits and norm must be given", net.Name)
	case (tg.Others == nil) != (tg.Share == nil):
		return nil, fmt.Errorf("train %s: other labels and their share must be given together", net.Name)
	case len(net.Inputs) != 1 || len(net.Outputs) != 1:
		return nil, fmt.Errorf("train %s: %d inputs and %d outputs, want one of each", net.Name, len(net.Inputs), len(net.Outputs))
	}
	opt.Batch = max(1, opt.Batch)
	if opt.pool == nil && opt.Threads > 0 {
		opt.pool = threads.NewPool(opt.Threads)
	}
	t := &Trainer{tg: tg, seed: opt.Seed, at: map[string]int{}}
	var err error
	if t.program, err = Compile(tg.Graph, opt); err != nil {
		return nil, err
	}
	if err := t.bind(); err != nil {
		return nil, err
	}
	t.listParams()
	t.net = net.Clone()
	t.net.Heads, t.net.Updates = nil, nil
	if slices.ContainsFunc(t.net.Nodes, func(n *ir.Node) bool { op, ok := n.Op.(ops.Node); return ok && lower.Has(op.Type) }) {
		ir.Materialize(t.net, opt.Seed) // lower names other weights where there are no elements
	}
	if t.eval, err = Compile(t.net, opt); err != nil {
		return nil, err
	}
	t.es = t.eval.NewSession()
	t.ein, t.eout = make([][]float32, 1), make([][]float32, 1)
	t.stale = true
	return t, nil
}

// bind finds inputs and outputs among the program's.
func (t *Trainer) bind() error {
	pl := t.program.plan
	t.s = t.program.NewSession()
	t.in, t.out = make([][]float32, len(pl.Inputs)), make([][]float32, len(pl.Outputs))
	t.image = -1
	for i, v := range t.tg.Graph.Inputs {
		switch v {
		case t.tg.Labels:
			t.labels = make([]float32, pl.Batch)
		case t.tg.Others:
			t.others = make([]float32, pl.Batch)
		case t.tg.Step, t.tg.Rate, t.tg.Share:
			t.in[i] = make([]float32, 1)
		default:
			if t.image >= 0 {
				return fmt.Errorf("train %s: two inputs, %s and %s", pl.Name, t.tg.Graph.Inputs[t.image].Name, v.Name)
			}
			t.image = i
		}
	}
	if t.image < 0 || t.labels == nil {
		return fmt.Errorf("train %s: no input for images or labels", pl.Name)
	}
	for i, e := range pl.Outputs {
		n := e.Size
		if !e.Fixed {
			n *= pl.Batch
		}
		t.out[i] = make([]float32, n)
	}
	loss, norm := t.output(t.tg.Loss), t.output(t.tg.Norm)
	t.loss, t.norm, t.logits = loss, norm, t.output(t.tg.Logits)
	if loss == nil || norm == nil || t.logits == nil {
		return fmt.Errorf("train %s: loss, logits and norm must be outputs", pl.Name)
	}
	first := len(t.program.phases)
	for i, ph := range t.program.phases {
		if ph.first == pl.Changes {
			first = i
		}
	}
	t.body = func(w *kernel.Worker) {
		for i := range t.s.jobs {
			// Every worker sees the same numbers: they were written phases ago.
			if i == first && (loss[0]-loss[0] != 0 || norm[0]-norm[0] != 0) {
				return
			}
			t.s.phase(w, i)
		}
	}
	return nil
}

// output is where the step writes an output of its graph.
func (t *Trainer) output(v *ir.Value) []float32 {
	for i, o := range t.tg.Graph.All() {
		if o == v {
			return t.out[i]
		}
	}
	return nil
}

func (t *Trainer) listParams() {
	slot := map[*ir.Value]bool{}
	for _, v := range t.tg.Slots {
		slot[v] = true
	}
	for _, v := range t.tg.Averages {
		slot[v] = true
	}
	for _, v := range t.tg.Graph.Params {
		if v.Param.Kind == ir.Constant {
			continue
		}
		p := TrainerParam{Name: v.Name, Shape: v.Type.Shape, Slot: slot[v]}
		if a := t.tg.Averages[v]; a != nil {
			p.Average = a.Name
		}
		t.at[v.Name] = len(t.params)
		t.params = append(t.params, p)
	}
}

// Batch is the most images of a step.
func (t *Trainer) Batch() int { return t.program.plan.Batch }

// Classes is the width of the logits.
func (t *Trainer) Classes() int { return t.tg.Logits.Type.Shape.Size() }

// Programs are the compiled step and the compiled network.
func (t *Trainer) Programs() (step, eval *Program) { return t.program, t.eval }

// Params lists what the trainer holds, in the order of the graph.
func (t *Trainer) Params() []TrainerParam { return t.params }

// Step computes loss and gradients of a batch, images in NCHW, and if both are
// finite changes the weights at that learning rate. step counts from 0: dropout
// masks, Adam and averages depend on it. Nothing is allocated, unless the step
// is not finite.
func (t *Trainer) Step(images []float32, labels []int32, rate float32, step int64) (StepStats, error) {
	return t.StepMixed(images, labels, labels, 1, rate, step)
}

// StepMixed is Step on pictures that are mixed in pairs: picture i shows labels[i] by that
// share, above 0 and at most 1, and others[i] by the rest. Correct counts labels. A share
// below 1 needs a graph with Others.
func (t *Trainer) StepMixed(images []float32, labels, others []int32, share, rate float32, step int64) (StepStats, error) {
	if err := t.feed(images, labels, rate, step); err != nil {
		return StepStats{}, err
	}
	if err := t.feedMixed(labels, others, share); err != nil {
		return StepStats{}, err
	}
	n, classes := len(labels), t.Classes()
	t.run(n, t.body)
	r := StepStats{Loss: float64(t.loss[0]), Norm: float64(t.norm[0])}
	for i, l := range labels {
		if kernel.ArgMax(t.logits[i*classes:(i+1)*classes]) == int(l) {
			r.Correct++
		}
	}
	if r.Finite() {
		t.stale, t.began = true, true
	} else {
		r.Layer = t.firstNonFinite(n)
	}
	t.in[t.image] = nil
	return r, nil
}

// StepTimes is [Session.StepTimes] of the step's program, at a rate of 0: weights
// stay as they are, unless the recipe decays or bounds them.
func (t *Trainer) StepTimes(images []float32, labels []int32, runs int) ([]float64, error) {
	if err := t.feed(images, labels, 0, 0); err != nil {
		return nil, err
	}
	if err := t.feedMixed(labels, labels, 1); err != nil {
		return nil, err
	}
	best, err := t.s.StepTimes(t.in, t.out, runs)
	t.stale = true
	t.in[t.image] = nil
	return best, err
}

// feed checks what a step is given and binds it to the inputs.
func (t *Trainer) feed(images []float32, labels []int32, rate float32, step int64) error {
	size := t.program.plan.Inputs[t.image].Size
	n := len(labels)
	if n < 1 || n > t.Batch() || len(images) != n*size {
		return fmt.Errorf("%w: %d labels and %d numbers, of batches of up to %d images of %d", ErrInput, n, len(images), t.Batch(), size)
	}
	if step < 0 || step > math.MaxInt32 {
		return fmt.Errorf("%w: step %d", ErrInput, step)
	}
	if err := t.putLabels(t.labels, labels); err != nil {
		return err
	}
	for i, v := range t.tg.Graph.Inputs {
		switch v {
		case t.tg.Labels:
			t.in[i] = t.labels[:n]
		case t.tg.Step:
			kernel.PutInt(t.in[i], 0, int32(step))
		case t.tg.Rate:
			t.in[i][0] = rate
		case t.tg.Others, t.tg.Share:
		default:
			t.in[i] = images
		}
	}
	return nil
}

// feedMixed is feed for the inputs of mixed pictures.
func (t *Trainer) feedMixed(labels, others []int32, share float32) error {
	switch {
	case !(share > 0 && share <= 1):
		return fmt.Errorf("%w: a share of %g, want one above 0 and at most 1", ErrInput, share)
	case len(others) != len(labels):
		return fmt.Errorf("%w: %d labels and %d others", ErrInput, len(labels), len(others))
	case t.tg.Others == nil && share < 1:
		return fmt.Errorf("%w: the step was not compiled for mixed pictures", ErrInput)
	case t.tg.Others == nil:
		return nil
	}
	if err := t.putLabels(t.others, others); err != nil {
		return err
	}
	for i, v := range t.tg.Graph.Inputs {
		switch v {
		case t.tg.Others:
			t.in[i] = t.others[:len(others)]
		case t.tg.Share:
			t.in[i][0] = share
		}
	}
	return nil
}

// putLabels checks labels and writes them where a step reads them.
func (t *Trainer) putLabels(dst []float32, labels []int32) error {
	classes := t.Classes()
	for i, l := range labels {
		if l < 0 || int(l) >= classes {
			return fmt.Errorf("%w: label %d, of %d classes", ErrInput, l, classes)
		}
		kernel.PutInt(dst, i, l)
	}
	return nil
}

func (t *Trainer) run(n int, body func(w *kernel.Worker)) {
	t.s.set(n, t.in, t.out)
	if t.s.p.debug {
		t.s.poison(-1)
	}
	t.s.team.Run(body)
	t.s.release()
}

// firstNonFinite computes the last step again, looking at what every kernel
// writes. The weights are as they were.
func (t *Trainer) firstNonFinite(n int) string {
	pl := t.program.plan
	clear(t.s.arena.Mem)
	found := ""
	t.run(n, func(w *kernel.Worker) {
		for i := range pl.Steps[:pl.Changes] {
			w.Do(t.program.run[i], &t.s.args[i])
			if w.ID == 0 && found == "" {
				for _, b := range pl.Steps[i].Writes {
					if pl.Buffers[b].Layout == plan.Wide {
						continue // float64s; what reads them shows it
					}
					if !finite(t.s.arena.Mem[pl.Buffers[b].Off:][:pl.Buffers[b].Len]) {
						found = pl.Steps[i].Name
					}
				}
			}
			w.Barrier()
		}
	})
	return found
}

func finite(x []float32) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// Logits evaluates the network on n images, at most a batch, with the weights as
// they are, or their averages where some are kept: dropout does nothing, batch
// norm takes its running statistics. What is behind the logits (a softmax) must
// not be in the network that was given to CompileTraining.
func (t *Trainer) Logits(dst, images []float32, n int) error {
	if t.stale {
		if err := t.refresh(); err != nil {
			return err
		}
	}
	if n > t.Batch() || n < 1 {
		return fmt.Errorf("%w: %d images, of batches of %d", ErrInput, n, t.Batch())
	}
	t.ein[0], t.eout[0] = images, dst
	err := t.es.Run(t.ein, t.eout)
	t.ein[0], t.eout[0] = nil, nil
	return err
}

// refresh packs the weights for evaluation.
func (t *Trainer) refresh() error {
	for _, v := range t.net.Params {
		i, ok := t.at[v.Name]
		if !ok {
			continue
		}
		name := v.Name
		if a := t.params[i].Average; a != "" && t.began {
			name = a
		}
		x, err := t.values(name)
		if err != nil {
			return err
		}
		t.net.Data[v.Name] = tensor.Of(x, v.Type.Shape...)
	}
	if err := repack(t.eval, t.net, t.seed); err != nil {
		return err
	}
	t.stale = false
	return nil
}

// values returns a copy of a param. One that the step only reads through its
// kernels' own weights has no place among those that can change.
func (t *Trainer) values(name string) ([]float32, error) {
	i, ok := t.at[name]
	if !ok {
		return nil, fmt.Errorf("%w: no param of %s is called %s", ErrInput, t.program.plan.Name, name)
	}
	if _, err := t.program.param(name); err == nil {
		return t.s.Param(name)
	}
	v := t.tg.Graph.Value(name)
	if v == nil {
		return nil, fmt.Errorf("%w: no param is called %s", ErrInput, name)
	}
	return append([]float32(nil), values(t.tg.Graph, v, t.seed).Data[:t.params[i].Shape.Size()]...), nil
}

// Get copies a param, row-major: weights of convolutions OIHW, of dense layers OI.
func (t *Trainer) Get(name string, dst []float32) error {
	x, err := t.values(name)
	if err != nil {
		return err
	}
	if len(x) != len(dst) {
		return fmt.Errorf("%w: %s has %d elements, there is room for %d", ErrInput, name, len(x), len(dst))
	}
	copy(dst, x)
	return nil
}

// Set replaces a param.
func (t *Trainer) Set(name string, src []float32) error {
	i, ok := t.at[name]
	if !ok {
		return fmt.Errorf("%w: no param of %s is called %s", ErrInput, t.program.plan.Name, name)
	}
	if len(src) != t.params[i].Shape.Size() {
		return fmt.Errorf("%w: %s has %d elements, %d were given", ErrInput, name, t.params[i].Shape.Size(), len(src))
	}
	t.stale = true
	t.began = t.began || t.params[i].Slot // slots are set when a run goes on: there was a step
	if _, err := t.program.param(name); err == nil {
		return t.s.SetParam(name, src)
	}
	t.tg.Graph.Data[name] = tensor.Of(append([]float32(nil), src...), t.params[i].Shape...)
	return repack(t.program, t.tg.Graph, t.seed)
}

// repack packs the weights of a program again, after elements of its graph have changed.
func repack(p *Program, g *ir.Graph, seed int64) error {
	low, err := lower.Graph(g)
	if err != nil {
		return err
	}
	_, known := prepare(low)
	known.seed = seed
	return p.pack(known)
}
