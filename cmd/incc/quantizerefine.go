package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes/quantize"
)

// Corrections of quantize, the values of --correct.
const (
	correctEqualize = "equalize"
	correctRound    = "round"
	correctBias     = "bias"
)

var corrections = []string{correctEqualize, correctRound, correctBias}

// momentPatches is the number of patches of a layer's input that its moments are of, about.
const momentPatches = 4096

// momentBytes is the memory for the moments that are collected at once.
const momentBytes = 512 << 20

// parseCorrections reads --correct: nil for best.
func parseCorrections(text string) ([]string, error) {
	switch text {
	case "best":
		return nil, nil
	case "none":
		return []string{}, nil
	}
	l := strings.Split(text, ",")
	for i, name := range l {
		if l[i] = strings.TrimSpace(name); !slices.Contains(corrections, l[i]) {
			return nil, usagef("unknown --correct %s (want best, none, or some of %s with commas between them)", diag.Quote(name), strings.Join(corrections, ", "))
		}
	}
	return l, nil
}

// attempt is a way to quantize, and what it costs.
type attempt struct {
	name     string
	error    float64
	accuracy float64
}

// try measures the network as it would be quantized now.
func (q *quantizer) try(name string) (attempt, error) {
	a := attempt{name: name}
	var err error
	if a.error, err = q.error(q.layers); err != nil {
		return a, err
	}
	if q.c.Bool("compare") {
		h, err := q.quantized(q.layers)
		if err != nil {
			return a, err
		}
		if a.accuracy, err = q.accuracy(h); err != nil {
			return a, err
		}
	}
	q.tried = append(q.tried, a)
	return a, nil
}

// correct applies the corrections: the named ones, or those with the least error if only is nil. It
// returns their names.
func (q *quantizer) correct(only []string, method string, plain attempt) ([]string, error) {
	var names []string
	if only == nil || slices.Contains(only, correctEqualize) {
		done, err := q.equalize(method, &plain, only != nil)
		if err != nil {
			return nil, err
		}
		if done {
			names = append(names, correctEqualize)
		}
	}
	round, bias := slices.Contains(only, correctRound), slices.Contains(only, correctBias)
	if only != nil && !round && !bias {
		return names, nil
	}
	var err error
	if q.options.Moments, err = q.moments(); err != nil {
		return nil, err
	}
	ways := [][2]bool{{round, bias}}
	if only == nil {
		ways = [][2]bool{{false, true}, {true, false}, {true, true}}
	}
	best, least := [2]bool{}, plain.error
	if only != nil {
		least = math.Inf(1)
	}
	for _, w := range ways {
		q.options.Round, q.options.Bias = w[0], w[1]
		a, err := q.try(strings.Join(append([]string{method}, withCorrections(names, w)...), ", "))
		if err != nil {
			return nil, err
		}
		if a.error < least {
			best, least = w, a.error
		}
	}
	q.options.Round, q.options.Bias = best[0], best[1]
	return withCorrections(names, best), nil
}

// withCorrections adds round and bias, if they are used, to names.
func withCorrections(names []string, w [2]bool) []string {
	names = slices.Clone(names)
	for i, name := range []string{correctRound, correctBias} {
		if w[i] {
			names = append(names, name)
		}
	}
	return names
}

// equalize balances the channels of activations, if that makes the error less, or in any case. plain
// becomes the result if it is kept.
func (q *quantizer) equalize(method string, plain *attempt, always bool) (bool, error) {
	most, err := q.channelMaxima()
	if err != nil {
		return false, err
	}
	before, ranges := q.g, q.ranges
	q.g = before.Clone()
	if quantize.Equalize(q.g, layersNamed(q.g, q.layers), func(v *ir.Value) []float32 { return most[v.Name] }) == 0 {
		q.g = before
		return false, nil
	}
	if _, err := q.calibrate([]string{method}); err != nil {
		return false, err
	}
	a, err := q.try(method + ", " + correctEqualize)
	if err != nil {
		return false, err
	}
	if !always && a.error >= plain.error {
		q.g, q.ranges = before, ranges
		return false, nil
	}
	*plain = a
	return true, nil
}

// channelMaxima returns the largest absolute value of each channel of what the layers compute.
func (q *quantizer) channelMaxima() (map[string][]float32, error) {
	h := q.g.Clone()
	h.Outputs = nil
	most := map[string][]float32{}
	for _, n := range layersNamed(h, q.layers) {
		h.Outputs = append(h.Outputs, n.Out[0])
		most[n.Out[0].Name] = make([]float32, n.Out[0].Type.Shape[1])
	}
	return most, q.each(h, q.calibration, func(outs [][]float32) {
		for i, v := range h.Outputs {
			m, plane := most[v.Name], v.Type.Shape.Size()/v.Type.Shape[1]
			for j, x := range outs[i] {
				c := j / plane % len(m)
				m[c] = max(m[c], x, -x)
			}
		}
	})
}

// moments collects the moments of what the layers of the quantized network read.
func (q *quantizer) moments() (map[string]*quantize.Moments, error) {
	h, err := q.quantized(q.layers)
	if err != nil {
		return nil, err
	}
	all := map[string]*quantize.Moments{}
	layers := layersNamed(q.g, slices.Concat(q.layers, q.ends))
	for len(layers) > 0 {
		n, bytes := 0, int64(0)
		for n < len(layers) && (n == 0 || bytes+quantize.Bytes(layers[n]) <= momentBytes) {
			bytes += quantize.Bytes(layers[n])
			n++
		}
		if err := q.momentsOf(h, layers[:n], all); err != nil {
			return nil, err
		}
		layers = layers[n:]
	}
	return all, nil
}

// momentsOf collects the moments of what some layers read in the quantized network h.
func (q *quantizer) momentsOf(h *ir.Graph, layers []*ir.Node, all map[string]*quantize.Moments) error {
	g := h.Clone()
	g.Outputs = nil
	at := map[*ir.Value]int{}
	var list []*quantize.Moments
	var draws []*rand.Rand
	var reads []int
	for i, n := range layers {
		m, err := quantize.NewMoments(n)
		if err != nil {
			return err
		}
		v := g.Value(n.Out[0].Name).Def.In[0]
		for v.Def != nil && ir.Name(v.Def.Op) == "flatten" { // the numbers of its input, in the same order
			v = v.Def.In[0]
		}
		if _, ok := at[v]; !ok {
			at[v] = len(g.Outputs)
			g.Outputs = append(g.Outputs, v)
		}
		list, reads = append(list, m), append(reads, at[v])
		draws = append(draws, rand.New(rand.NewPCG(uint64(q.c.Int64("seed")), uint64(i))))
		all[n.Out[0].Name] = m
	}
	patches := max(1, (momentPatches+q.calibration.images-1)/q.calibration.images)
	return q.each(g, q.calibration, func(outs [][]float32) {
		for i, m := range list {
			for x := outs[reads[i]]; len(x) > 0; x = x[m.Size():] {
				m.Add(x[:m.Size()], draws[i], patches)
			}
		}
	})
}

// decibels is the signal-to-noise ratio of outputs with a relative error.
func decibels(relative float64) string {
	if relative == 0 {
		return "exact"
	}
	return fmt.Sprintf("%.1f dB", -20*math.Log10(relative))
}

// writeAttempts prints the table of --compare. chosen is the name of the attempt that is used.
func (q *quantizer) writeAttempts(w io.Writer, float float64, chosen string) {
	t := newTable("method", ">error of the outputs", ">signal to noise", ">accuracy", ">change (points)", "")
	t.Add("float32", "", "", fmt.Sprintf("%.2f %%", 100*float), "", "")
	for _, a := range q.tried {
		mark := ""
		if a.name == chosen {
			mark = "<-"
		}
		t.Add(a.name, fmt.Sprintf("%.3f %%", 100*a.error), decibels(a.error), fmt.Sprintf("%.2f %%", 100*a.accuracy), fmt.Sprintf("%+.2f", 100*(a.accuracy-float)), mark)
	}
	t.write(w)
}
