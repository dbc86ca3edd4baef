package train

import (
	"fmt"

	"github.com/incc-lang/incc/passes/quantize"
)

// Quantized trains with layers whose weights are rounded to whole numbers of steps
// (quantize.Fake): each step computes with rounded weights, and changes those that are not
// rounded, and the steps (quantize.Weights.Step). The engine in it holds the rounded
// weights, and rounds activations itself.
type Quantized struct {
	Engine
	weights map[string]*quantizedWeight
}

// quantizedWeight is a weight that is trained.
type quantizedWeight struct {
	quantize.Weights
	exact, rounded, after, steps []float32
	stale                        bool // the engine does not have rounded as exact and steps give it
}

// NewQuantized returns an engine that rounds some weights of another one, which has the
// params of their steps.
func NewQuantized(e Engine, weights []quantize.Weights) (*Quantized, error) {
	q := &Quantized{Engine: e, weights: map[string]*quantizedWeight{}}
	sizes := map[string]int{}
	for _, p := range e.Params() {
		sizes[p.Name] = p.Shape.Size()
	}
	for _, w := range weights {
		n := sizes[w.Name]
		if n == 0 || sizes[w.Name+quantize.StepSuffix] != w.Rows {
			return nil, fmt.Errorf("weight %s, which is to be quantized, or its steps are no params of the network", w.Name)
		}
		m := &quantizedWeight{Weights: w, exact: make([]float32, n), rounded: make([]float32, n), after: make([]float32, n), steps: make([]float32, w.Rows), stale: true}
		if err := e.Get(w.Name, m.exact); err != nil {
			return nil, err
		}
		if err := e.Get(w.Name+quantize.StepSuffix, m.steps); err != nil {
			return nil, err
		}
		q.weights[w.Name] = m
	}
	return q, nil
}

// refresh gives the engine the rounded weights.
func (q *Quantized) refresh() error {
	for name, w := range q.weights {
		if !w.stale {
			continue
		}
		w.Round(w.rounded, w.exact, w.steps)
		if err := q.Engine.Set(name, w.rounded); err != nil {
			return err
		}
		if err := q.Engine.Set(name+quantize.StepSuffix, w.steps); err != nil {
			return err
		}
		w.stale = false
	}
	return nil
}

// Step computes a step with rounded weights.
func (q *Quantized) Step(images []float32, labels []int32, rate float32, step int64) (Stats, error) {
	return q.StepMixed(images, labels, labels, 1, rate, step)
}

// StepMixed is Step on pictures that are mixed.
func (q *Quantized) StepMixed(images []float32, labels, others []int32, share, rate float32, step int64) (Stats, error) {
	if err := q.refresh(); err != nil {
		return Stats{}, err
	}
	s, err := q.Engine.StepMixed(images, labels, others, share, rate, step)
	if err != nil || !s.Finite() {
		return s, err
	}
	for name, w := range q.weights {
		if err := q.Engine.Get(name, w.after); err != nil {
			return s, err
		}
		w.Step(w.exact, w.steps, w.rounded, w.after)
		w.stale = true
	}
	return s, nil
}

// Logits evaluates with rounded weights.
func (q *Quantized) Logits(dst, images []float32, n int) error {
	if err := q.refresh(); err != nil {
		return err
	}
	return q.Engine.Logits(dst, images, n)
}

// held returns the values that Quantized holds itself: weights before rounding, and steps.
func (q *Quantized) held(name string) (*quantizedWeight, []float32) {
	if w := q.weights[name]; w != nil {
		return w, w.exact
	}
	for _, w := range q.weights {
		if name == w.Name+quantize.StepSuffix {
			return w, w.steps
		}
	}
	return nil, nil
}

// Get copies a param's values; weights are those before rounding.
func (q *Quantized) Get(name string, dst []float32) error {
	w, x := q.held(name)
	if w == nil {
		return q.Engine.Get(name, dst)
	}
	if len(x) != len(dst) {
		return fmt.Errorf("param %s has %d values, not %d", name, len(x), len(dst))
	}
	copy(dst, x)
	return nil
}

// Set replaces a param's values.
func (q *Quantized) Set(name string, src []float32) error {
	w, x := q.held(name)
	if w == nil {
		return q.Engine.Set(name, src)
	}
	if len(x) != len(src) {
		return fmt.Errorf("param %s has %d values, not %d", name, len(x), len(src))
	}
	copy(x, src)
	w.stale = true
	return nil
}

// Phase readies an engine with phases for an epoch.
func (q *Quantized) Phase(epoch, steps int) error {
	if err := q.refresh(); err != nil {
		return err
	}
	return phase(q.Engine, epoch, steps)
}

// Memory is the bytes of a step, 0 if they are not known.
func (q *Quantized) Memory() int64 {
	if m, ok := q.Engine.(interface{ Memory() int64 }); ok {
		return m.Memory()
	}
	return 0
}
