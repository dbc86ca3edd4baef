package train

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes/autodiff"
)

// CPU is the engine of the SIMD executor (backends/cpu): float32, the same bits
// for any number of threads and on AVX2 and AVX-512.
type CPU struct {
	t      *cpu.Trainer
	params []Param
	idle   idle
}

// NewCPU makes the engine of a network; weights without data are drawn. Batch and
// Seed of o are replaced by the arguments.
func NewCPU(g *ir.Graph, opt autodiff.Options, batch int, seed int64, o cpu.Options) (*CPU, error) {
	if batch < 1 {
		return nil, fmt.Errorf("a batch of %d images (want at least 1)", batch)
	}
	g = g.Clone()
	ir.Materialize(g, seed)
	opt.Norm = true
	tr, err := autodiff.Train(g, opt)
	if err != nil {
		return nil, err
	}
	ir.Materialize(tr.Graph, seed)
	g.Outputs, g.Heads = []*ir.Value{logits(g)}, nil
	o.Batch, o.Seed = batch, seed
	t, err := cpu.CompileTraining(cpu.TrainingGraph{Graph: tr.Graph, Labels: tr.Labels, Others: tr.Others, Share: tr.Share, Step: tr.Step, Rate: tr.Rate, Loss: tr.Loss,
		Logits: tr.Logits, Norm: tr.Norm, Slots: tr.Slots, Averages: tr.Averages}, g, o)
	if err != nil {
		return nil, err
	}
	e := &CPU{t: t}
	for _, p := range t.Params() {
		e.params = append(e.params, Param{Name: p.Name, Shape: p.Shape, Slot: p.Slot, Average: p.Average})
	}
	var more []Param
	e.idle, more = idleParams(g, e.params)
	e.params = append(e.params, more...)
	return e, nil
}

// Batch is the images of a step.
func (e *CPU) Batch() int { return e.t.Batch() }

// Classes is the width of the logits.
func (e *CPU) Classes() int { return e.t.Classes() }

// Step computes a step and, if it is finite, changes the weights.
func (e *CPU) Step(images []float32, labels []int32, rate float32, step int64) (Stats, error) {
	return e.StepMixed(images, labels, labels, 1, rate, step)
}

// StepMixed is Step on pictures that are mixed.
func (e *CPU) StepMixed(images []float32, labels, others []int32, share, rate float32, step int64) (Stats, error) {
	s, err := e.t.StepMixed(images, labels, others, share, rate, step)
	return Stats{Loss: s.Loss, Norm: s.Norm, Correct: s.Correct, Layer: s.Layer}, err
}

// Logits evaluates the network as inference does.
func (e *CPU) Logits(dst, images []float32, n int) error { return e.t.Logits(dst, images, n) }

// Params lists what the engine holds.
func (e *CPU) Params() []Param { return e.params }

// Get copies a param's values.
func (e *CPU) Get(name string, dst []float32) error {
	if e.idle[name] != nil {
		return e.idle.get(name, dst)
	}
	return e.t.Get(name, dst)
}

// Set replaces a param's values.
func (e *CPU) Set(name string, src []float32) error {
	if e.idle[name] != nil {
		return e.idle.set(name, src)
	}
	return e.t.Set(name, src)
}

// Trainer returns the underlying trainer, with its programs and the plan of a step.
func (e *CPU) Trainer() *cpu.Trainer { return e.t }
