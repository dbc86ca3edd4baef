package train

import (
	"fmt"
	"slices"
)

// Phased is an engine for a recipe that unfreezes parts of the network after some epochs.
// Each phase has an engine of its own. A phase begins with the weights and statistics of
// the phase before, and with the optimizer's slots at 0; averages of weights begin anew
// with the phase's first step.
type Phased struct {
	Engine
	make  func(epoch int) (Engine, error)
	at    []int // the epochs, counted from 0, that begin a phase, besides epoch 0
	begun int   // the epoch that began this phase
	steps int   // of an epoch
}

// NewPhased returns an engine that begins a phase at epoch 0 and at each of the epochs
// in at. make returns the engine of the phase that begins at an epoch.
func NewPhased(at []int, make func(epoch int) (Engine, error)) (*Phased, error) {
	e, err := make(0)
	if err != nil {
		return nil, err
	}
	return &Phased{Engine: e, make: make, at: at}, nil
}

// Phase readies the engine for an epoch, counted from 0, of a run whose epochs have so
// many steps.
func (e *Phased) Phase(epoch, steps int) error {
	e.steps = steps
	begin := 0
	for _, at := range e.at {
		if at <= epoch {
			begin = max(begin, at)
		}
	}
	if begin == e.begun {
		return nil
	}
	next, err := e.make(begin)
	if err != nil {
		return err
	}
	if err := handOver(e.Engine, next); err != nil {
		return err
	}
	e.Engine, e.begun = next, begin
	return nil
}

// handOver gives an engine the weights and statistics of another one.
func handOver(from, to Engine) error {
	copied := func(source, name string, size int) error {
		x := make([]float32, size)
		if err := from.Get(source, x); err != nil {
			return err
		}
		return to.Set(name, x)
	}
	params := from.Params()
	for _, p := range to.Params() {
		if p.Slot {
			continue
		}
		i := slices.IndexFunc(params, func(q Param) bool { return q.Name == p.Name })
		if i < 0 {
			return fmt.Errorf("the phase before has no param %s", p.Name)
		}
		if err := copied(p.Name, p.Name, p.Shape.Size()); err != nil {
			return err
		}
		if p.Average == "" {
			continue
		}
		// Until the first step evaluation and weight files use what they used before.
		source := p.Name
		if a := params[i].Average; a != "" {
			source = a
		}
		if err := copied(source, p.Average, p.Shape.Size()); err != nil {
			return err
		}
	}
	return nil
}

// Step counts the steps of the optimizer and of averages from the beginning of the phase.
func (e *Phased) Step(images []float32, labels []int32, rate float32, step int64) (Stats, error) {
	return e.Engine.Step(images, labels, rate, e.own(step))
}

// StepMixed is Step on pictures that are mixed.
func (e *Phased) StepMixed(images []float32, labels, others []int32, share, rate float32, step int64) (Stats, error) {
	return e.Engine.StepMixed(images, labels, others, share, rate, e.own(step))
}

// own is the step of the phase at a step of the run.
func (e *Phased) own(step int64) int64 { return step - int64(e.begun)*int64(e.steps) }

// Memory is the bytes of a step of this phase, 0 if they are not known.
func (e *Phased) Memory() int64 {
	if m, ok := e.Engine.(interface{ Memory() int64 }); ok {
		return m.Memory()
	}
	return 0
}

// phase readies an engine that has phases for an epoch.
func phase(e Engine, epoch, steps int) error {
	if p, ok := e.(interface{ Phase(epoch, steps int) error }); ok {
		return p.Phase(epoch, steps)
	}
	return nil
}
