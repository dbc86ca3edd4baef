package main

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/incc-lang/incc/ir"
)

// timingRuns is the number of runs of which the least time of each step counts.
const timingRuns = 7

// endsError is the most that the error of the outputs may grow, as a factor, by quantizing the first
// or the last layer, and endsTime the part of the time that must be left for it to be worth while.
const (
	endsError = 1.05
	endsTime  = 0.99
)

// measured are seconds for one image: in all, and of the steps that compute each layer.
type measured struct {
	all   float64
	layer map[string]float64
}

// time measures a graph on one image.
func (q *quantizer) time(g *ir.Graph) (measured, error) {
	t := measured{layer: map[string]float64{}}
	h := g.Clone()
	h.Outputs = []*ir.Value{h.Value(q.logits)}
	o, err := executorOptions(q.c)
	if err != nil {
		return t, err
	}
	o.Batch = 1
	p, err := compileRoom(q.c, h, o)
	if err != nil {
		return t, err
	}
	size := h.Inputs[0].Type.Shape.Size()
	out := make([]float32, h.Outputs[0].Type.Shape.Size())
	steps, err := p.NewSession().StepTimes([][]float32{q.checked.inputs[:size]}, [][]float32{out}, timingRuns)
	if err != nil {
		return t, err
	}
	for i, s := range p.Plan().Steps {
		t.all += steps[i]
		var layers []string
		for _, name := range s.From {
			if slices.Contains(q.layers, name) || slices.Contains(q.ends, name) {
				layers = append(layers, name)
			}
		}
		for _, name := range layers {
			t.layer[name] += steps[i] / float64(len(layers))
		}
	}
	return t, nil
}

// minSpeedup reads --min-speedup; 0 without one.
func minSpeedup(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x > 0) || x > 1000 {
		return 0, usagef("--min-speedup %s (want a factor on the speed of the float32 network, such as 1.5)", strconv.Quote(text))
	}
	return x, nil
}

// chooseEnds quantizes the first and the last layer too where that is faster and adds little to the
// error.
func (q *quantizer) chooseEnds() error {
	ends := q.ends
	for _, name := range ends {
		before, err := q.error(q.layers)
		if err != nil {
			return err
		}
		with := append(slices.Clone(q.layers), name)
		after, err := q.error(with)
		if err != nil {
			return err
		}
		if after > endsError*before {
			continue
		}
		faster, err := q.faster(with, q.layers)
		if err != nil {
			return err
		}
		if faster {
			q.layers = with
		}
	}
	return nil
}

// faster reports whether quantizing the layers of a takes less time than quantizing those of b.
func (q *quantizer) faster(a, b []string) (bool, error) {
	var all [2]float64
	for i, names := range [2][]string{a, b} {
		h, err := q.quantized(names)
		if err != nil {
			return false, err
		}
		t, err := q.time(h)
		if err != nil {
			return false, err
		}
		all[i] = t.all
	}
	return all[0] < endsTime*all[1], nil
}

// speedup checks --min-speedup: it puts layers back into float32 that take longer in integers, and
// returns an error if the network is not as many times as fast as in float32.
func (q *quantizer) speedup(least float64) error {
	float, err := q.time(q.g)
	if err != nil {
		return err
	}
	h, err := q.quantized(q.layers)
	if err != nil {
		return err
	}
	whole, err := q.time(h)
	if err != nil {
		return err
	}
	fast := slices.DeleteFunc(slices.Clone(q.layers), func(n string) bool { return whole.layer[n] > float.layer[n] })
	if len(fast) > 0 && len(fast) < len(q.layers) {
		if h, err = q.quantized(fast); err != nil {
			return err
		}
		t, err := q.time(h)
		if err != nil {
			return err
		}
		if t.all < whole.all {
			q.layers, whole = fast, t
		}
	}
	if x := float.all / whole.all; x < least {
		return fmt.Errorf("--min-speedup %g: the network takes %.3g ms in float32 and %.3g ms in 8-bit integers on this machine, %.2f times as fast; nothing was written. Ask for less, or leave the flag out", least, 1000*float.all, 1000*whole.all, x)
	}
	return nil
}
