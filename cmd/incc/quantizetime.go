package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/incc-lang/incc/ir"
)

// timingRuns is the number of runs of which the least time of each step counts.
const timingRuns = 30

// endsError is the most that the error of the outputs may grow, as a factor, by quantizing the first
// or the last layer, and endsTime the part of the time that must be left for it to be worth while. A layer
// with endsBytes of all weights is worth its bytes: it may take a little more time, endsLonger as a factor.
const (
	endsError  = 1.05
	endsTime   = 0.99
	endsBytes  = 0.05
	endsLonger = 1.01
)

// endsLong and speedupLong are how long networks are measured in turns.
const (
	endsLong    = 100 * time.Millisecond
	speedupLong = 400 * time.Millisecond
)

// layerTimes measures the steps of a graph, each alone, on one image: the seconds of those that
// compute each layer. Their sum is more than the time of the network: each is waited for.
func (q *quantizer) layerTimes(g *ir.Graph) (map[string]float64, error) {
	t := map[string]float64{}
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
		var layers []string
		for _, name := range s.From {
			if slices.Contains(q.layers, name) || slices.Contains(q.ends, name) {
				layers = append(layers, name)
			}
		}
		for _, name := range layers {
			t[name] += steps[i] / float64(len(layers))
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

// chooseEnds quantizes the first and the last layer too where that is faster, or saves many bytes and is
// about as fast, and adds little to the error.
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
		times, err := q.timeRatio(with, q.layers)
		if err != nil {
			return err
		}
		if times < endsLimit(weightShare(q.g, name)) {
			q.layers = with
		}
	}
	return nil
}

// endsLimit is the part of the time that must be left for quantizing the first or the last layer, which has
// a share of the bytes of all weights.
func endsLimit(share float64) float64 {
	if share >= endsBytes {
		return endsLonger
	}
	return endsTime
}

// weightShare is the share of a layer in the elements of all weights.
func weightShare(g *ir.Graph, layer string) float64 {
	own, all := 0, 0
	for _, v := range g.Params {
		all += v.Type.Shape.Size()
	}
	for _, n := range layersNamed(g, []string{layer}) {
		own += n.In[1].Type.Shape.Size()
	}
	return float64(own) / float64(max(all, 1))
}

// inTurns returns the milliseconds that an image takes in each of some networks, in turns, after the
// passes that run, eval and bench apply.
func (q *quantizer) inTurns(long time.Duration, graphs ...*ir.Graph) ([]float64, error) {
	var timers []*timer
	for _, g := range graphs {
		h, _, err := optimized(g)
		if err != nil {
			return nil, err
		}
		t, err := newTimer(q.c, h, 1)
		if err != nil {
			return nil, err
		}
		timers = append(timers, t)
	}
	return least(long, timers...)
}

// timeRatio is the time of the network with the layers of a quantized, as a part of that with those of b.
func (q *quantizer) timeRatio(a, b []string) (float64, error) {
	var graphs [2]*ir.Graph
	for i, names := range [2][]string{a, b} {
		var err error
		if graphs[i], err = q.quantized(names); err != nil {
			return 0, err
		}
	}
	ms, err := q.inTurns(endsLong, graphs[:]...)
	if err != nil {
		return 0, err
	}
	return ms[0] / ms[1], nil
}

// speedup checks --min-speedup: it puts layers back into float32 that take longer in integers, and
// returns an error if the network is not as many times as fast as in float32. On success it returns
// a line about the times.
func (q *quantizer) speedup(wanted float64) (string, error) {
	float, err := q.layerTimes(q.g)
	if err != nil {
		return "", err
	}
	h, err := q.quantized(q.layers)
	if err != nil {
		return "", err
	}
	whole, err := q.layerTimes(h)
	if err != nil {
		return "", err
	}
	graphs := []*ir.Graph{q.g, h}
	fast := slices.DeleteFunc(slices.Clone(q.layers), func(n string) bool { return whole[n] > float[n] })
	if len(fast) > 0 && len(fast) < len(q.layers) {
		if h, err = q.quantized(fast); err != nil {
			return "", err
		}
		graphs = append(graphs, h)
	}
	ms, err := q.inTurns(speedupLong, graphs...)
	if err != nil {
		return "", err
	}
	best := ms[1]
	if len(ms) > 2 && ms[2] < best {
		q.layers, best = fast, ms[2]
	}
	x := ms[0] / best
	times := fmt.Sprintf("takes %.3g ms in float32 and %.3g ms in 8-bit integers on this machine, %.2f times as fast", ms[0], best, x)
	if x < wanted {
		return "", fmt.Errorf("--min-speedup %g: the network %s; nothing was written. Ask for less, or leave the flag out", wanted, times)
	}
	return "one image " + times, nil
}
