package train

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/autodiff"
)

// Stats are the results of a step, from before it changed the weights.
type Stats struct {
	Loss    float64 // mean over the batch, heads by weight
	Norm    float64 // of all gradients together, before clipping
	Correct int     // images whose largest logit is their label's
	Layer   string  // if Loss or Norm is not finite: a layer with such a value, if one was found
}

// Finite reports whether the step may change the weights.
func (s Stats) Finite() bool {
	return !math.IsNaN(s.Loss) && !math.IsInf(s.Loss, 0) && !math.IsNaN(s.Norm) && !math.IsInf(s.Norm, 0)
}

// Engine computes training steps and evaluates. It holds the weights.
type Engine interface {
	// Batch is the images of a step. Classes is the width of the logits, and Logits
	// computes those of n <= Batch images with the weights as they are, or their
	// averages where the recipe keeps some; batch norm and dropout as in
	// inference.
	Inferrer
	// Step computes loss and gradients of a batch, and, if both are finite,
	// updates the weights; if not, it leaves them as they were.
	Step(images []float32, labels []int32, rate float32, step int64) (Stats, error)
	// StepMixed is Step on pictures that are mixed in pairs: picture i shows
	// labels[i] by that share, above 0 and at most 1, and others[i] by the rest.
	// Correct counts labels. A share below 1 needs an engine of a recipe that mixes.
	StepMixed(images []float32, labels, others []int32, share, rate float32, step int64) (Stats, error)
	// Params lists weights, running statistics and the optimizer's slots with
	// their shapes, in order.
	Params() []Param
	// Get copies the values of a param, Set replaces them.
	Get(name string, dst []float32) error
	Set(name string, src []float32) error
}

// StepOn computes a step on a batch, mixed or not.
func StepOn(e Engine, b *data.Batch, rate float32, step int64) (Stats, error) {
	if b.Others == nil {
		return e.Step(b.Images, b.Labels, rate, step)
	}
	return e.StepMixed(b.Images, b.Labels, b.Others, b.Share, rate, step)
}

// Param is a tensor that an engine holds.
type Param struct {
	Name  string
	Shape ir.Shape
	Slot  bool // belongs to the optimizer or is an average, not to the network
	// Average names the param with the average of this weight or statistic, which
	// evaluation and weight files use instead of it; empty for none.
	Average string
}

// Reference is the engine of the reference interpreter. It is slow; other engines
// are compared with it. Weights are rounded to float32 after every step.
type Reference struct {
	batch int
	infer *ir.Graph
	tr    *autodiff.Training
	slots map[string]bool
	avg   map[string]string // of a weight's name
	idle  idle
	more  []Param // those of idle
	// stepped: there was a step, so the averages hold values.
	stepped bool
}

// NewReference makes the engine of a network; weights without data are drawn.
func NewReference(g *ir.Graph, opt autodiff.Options, batch int, seed int64) (*Reference, error) {
	g = g.Clone()
	ir.Materialize(g, seed)
	opt.Norm = true
	tr, err := autodiff.Train(g, opt)
	if err != nil {
		return nil, err
	}
	ir.Materialize(tr.Graph, seed)
	e := &Reference{batch: batch, infer: g, tr: tr, slots: map[string]bool{}, avg: map[string]string{}}
	for _, v := range tr.Slots {
		e.slots[v.Name] = true
	}
	for w, a := range tr.Averages {
		e.slots[a.Name] = true
		e.avg[w.Name] = a.Name
	}
	e.idle, e.more = idleParams(g, e.Params())
	return e, nil
}

// Batch is the images of a step.
func (e *Reference) Batch() int { return e.batch }

// Classes is the width of the logits.
func (e *Reference) Classes() int { return logits(e.infer).Type.Shape.Size() }

// Step computes and updates in float64.
func (e *Reference) Step(images []float32, labels []int32, rate float32, step int64) (Stats, error) {
	return e.StepMixed(images, labels, labels, 1, rate, step)
}

// StepMixed is Step on pictures that are mixed.
func (e *Reference) StepMixed(images []float32, labels, others []int32, share, rate float32, step int64) (Stats, error) {
	switch {
	case !(share > 0 && share <= 1) || len(others) != len(labels):
		return Stats{}, fmt.Errorf("a share of %g of %d labels and %d others", share, len(labels), len(others))
	case e.tr.Others == nil && share < 1:
		return Stats{}, fmt.Errorf("this engine was not made for mixed pictures")
	}
	g := e.tr.Graph
	var in []*tensor.Tensor
	for _, v := range g.Inputs {
		switch v {
		case e.tr.Labels:
			in = append(in, labelTensor(labels))
		case e.tr.Others:
			in = append(in, labelTensor(others))
		case e.tr.Share:
			in = append(in, tensor.Scalar(float64(share)))
		case e.tr.Step:
			in = append(in, tensor.Scalar(float64(step)))
		case e.tr.Rate:
			in = append(in, tensor.Scalar(float64(rate)))
		default:
			in = append(in, tensor.Widen(tensor.Of(images, v.Type.Shape.Bind(len(labels))...)))
		}
	}
	res, err := ref.Run(g, in, ref.Options{})
	if err != nil {
		return Stats{}, err
	}
	s := Stats{Loss: res[e.tr.Loss].Data[0], Norm: res[e.tr.Norm].Data[0]}
	logits := res[e.tr.Logits]
	classes := logits.Shape[1]
	for i, l := range labels {
		if kernel.ArgMax(logits.Data[i*classes:(i+1)*classes]) == int(l) {
			s.Correct++
		}
	}
	if !s.Finite() {
		return s, nil
	}
	e.stepped = true
	for _, u := range g.Updates {
		g.Data[u.Param.Name] = tensor.Round(res[u.Value])
	}
	for _, v := range e.infer.Params {
		e.evaluateWith(v.Name)
	}
	return s, nil
}

func labelTensor(labels []int32) *tensor.Tensor {
	t := tensor.New(len(labels))
	for i, l := range labels {
		t.Data[i] = float64(l)
	}
	return t
}

// evaluateWith gives the evaluating network a param's average, or its value if it has
// no average or there was no step yet.
func (e *Reference) evaluateWith(name string) {
	d := e.tr.Graph.Data[name]
	if a := e.tr.Graph.Data[e.avg[name]]; a != nil && e.stepped {
		d = a
	}
	if d != nil {
		e.infer.Data[name] = d
	}
}

// Logits evaluates the network as inference does.
func (e *Reference) Logits(dst, images []float32, n int) error {
	g := e.infer
	out := logits(g)
	res, err := ref.Run(g, []*tensor.Tensor{tensor.Widen(tensor.Of(images, g.Inputs[0].Type.Shape.Bind(n)...))}, ref.Options{Keep: []*ir.Value{out}})
	if err != nil {
		return err
	}
	for i, v := range res[out].Data {
		dst[i] = float32(v)
	}
	return nil
}

// logits is what cross-entropy is taken of.
func logits(g *ir.Graph) *ir.Value { return autodiff.BeforeSoftmax(g.Outputs[0]) }

// Params lists what the engine holds.
func (e *Reference) Params() []Param {
	var ps []Param
	for _, v := range e.tr.Graph.Params {
		if v.Param.Kind != ir.Constant {
			ps = append(ps, Param{v.Name, v.Type.Shape, e.slots[v.Name], e.avg[v.Name]})
		}
	}
	return append(ps, e.more...)
}

// Get copies a param's values.
func (e *Reference) Get(name string, dst []float32) error {
	if e.idle[name] != nil {
		return e.idle.get(name, dst)
	}
	d := e.tr.Graph.Data[name]
	if d == nil || len(d.Data) != len(dst) {
		return fmt.Errorf("param %s does not have %d values", name, len(dst))
	}
	copy(dst, d.Data)
	return nil
}

// Set replaces a param's values.
func (e *Reference) Set(name string, src []float32) error {
	if e.idle[name] != nil {
		return e.idle.set(name, src)
	}
	d := e.tr.Graph.Data[name]
	if d == nil || len(d.Data) != len(src) {
		return fmt.Errorf("param %s does not have %d values", name, len(src))
	}
	d = tensor.Of(append([]float32(nil), src...), d.Shape...)
	e.tr.Graph.Data[name] = d
	if e.slots[name] {
		// Slots are set when a run goes on: there was a step.
		e.stepped = true
	}
	for _, v := range e.infer.Params {
		if v.Name == name || e.avg[v.Name] == name {
			e.evaluateWith(v.Name)
		}
	}
	return nil
}
