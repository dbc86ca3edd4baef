package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/specs"
)

// largeMACs is from how many multiply-accumulates on section layers lists a convolution without
// groups.
const largeMACs = 20e6

// layers measures which part of the peak the large direct convolutions of three networks
// reach, by the least time of each.
func (r *report) layers() error {
	counts := r.counts()
	t := &table{head: []string{"network", "convolution", "on a map of", "kernel", "times", "million multiply-accumulates"}}
	for _, k := range counts {
		t.head = append(t.head, onThreads(k)+": µs", "of the peak")
	}
	var worst []string
	for _, name := range []string{"resnet50", "densenet121", "resnext50"} {
		r.row("layers", name, func() error {
			l, err := r.layersOf(name, counts)
			if err != nil {
				return err
			}
			least := map[bool]float64{}
			for _, x := range l {
				cells := []string{name, x.what, x.at, x.kernel, fmt.Sprint(x.times), fmt.Sprintf("%.0f", float64(x.macs)/1e6)}
				for i := range counts {
					cells = append(cells, fmt.Sprintf("%.0f", 1e6*x.least[i]), fmt.Sprintf("%.0f %%", 100*x.share[i]))
					if s, ok := least[x.grouped]; !ok || x.share[i] < s {
						least[x.grouped] = x.share[i]
					}
				}
				t.add(cells...)
			}
			for _, grouped := range []bool{false, true} {
				if s, ok := least[grouped]; ok {
					worst = append(worst, fmt.Sprintf("%s%s %.0f %%", name, map[bool]string{true: " in groups"}[grouped], 100*s))
				}
			}
			return nil
		})
	}
	return r.publish("layers", "Share of the peak, layer by layer", fmt.Sprintf("Batch 1. All convolutions of more than %.0f million multiply-accumulates, and all with groups, that the plan computes directly, by kernels Conv and Grouped; those that Winograd's algorithm computes are left out. "+
		"The time is the least of %d runs, in which steps are computed one after another; of equal layers it is that of the slowest. The peak is the largest that was measured before, between and after the runs. "+
		"Multiply-accumulates are those of the network, without channels that fill up a block. The smallest shares: %s.", largeMACs/1e6, layerRuns*r.pairs, strings.Join(worst, ", ")), t.String())
}

// layerRuns is how many runs of a network there are for each pair that is asked for.
const layerRuns = 6

// layerName says what convolutions have in common that are listed as one layer.
type layerName struct{ what, at, kernel string }

// layer is a convolution, or several of the same name.
type layer struct {
	layerName
	grouped      bool
	times        int
	macs         int64
	least, share []float64 // in seconds; by number of threads
}

// layersOf measures the large direct convolutions of a network on some numbers of threads.
func (r *report) layersOf(name string, counts []int) ([]*layer, error) {
	n, err := spec(name)
	if err != nil {
		return nil, err
	}
	var all []*layer
	index := map[layerName]*layer{}
	for i, threads := range counts {
		s, err := r.ours(n, "O2", cpu.Options{Threads: threads})
		if err != nil {
			return nil, err
		}
		times, peak, err := r.leastTimes(s, threads)
		if err != nil {
			return nil, err
		}
		for j, st := range s.prog.Plan().Steps {
			name, c := layerOf(st)
			if c == nil || c.Groups <= 1 && st.Cost.MACs <= largeMACs {
				continue
			}
			l := index[name]
			if l == nil {
				l = &layer{layerName: name, macs: st.Cost.MACs, grouped: c.Groups > 1, least: make([]float64, len(counts)), share: make([]float64, len(counts))}
				index[name] = l
				all = append(all, l)
			}
			if i == 0 {
				l.times++
			}
			if times[j] > l.least[i] {
				l.least[i], l.share[i] = times[j], share(st.Cost.MACs, times[j], peak)
			}
		}
	}
	return all, nil
}

// leastTimes returns the least time of each step, in seconds, and the peak, in GFLOP/s.
func (r *report) leastTimes(s *side, threads int) (least []float64, peak float64, err error) {
	meter := s.prog.PeakMeter(meterTime)
	for range r.pairs {
		times, err := s.sess.StepTimes(s.in, s.out, layerRuns)
		if err != nil {
			return nil, 0, err
		}
		for i, t := range times {
			if least == nil {
				least = times
			}
			least[i] = min(least[i], t)
		}
		peak = max(peak, meter())
	}
	return least, max(peak, kernel.Peak(isa(), threads, peakTime)), nil
}

// layerOf names the convolution of a step. c is nil if the step is none that is computed directly.
func layerOf(st plan.Step) (name layerName, c *kernel.Conv) {
	switch k := st.Do.(type) {
	case kernel.Conv:
		name.kernel, c = "Conv", &k
	case kernel.Grouped:
		name.kernel, c = "Grouped", &k.Conv
	default:
		return name, nil
	}
	name.what = fmt.Sprintf("%dx%d", c.KH, c.KW)
	if c.SH > 1 {
		name.what += fmt.Sprintf("/%d", c.SH)
	}
	name.what += fmt.Sprintf(", %d to %d", c.IC, c.OC())
	if c.Groups > 1 {
		name.what += fmt.Sprintf(" in %d groups", c.Groups)
	}
	name.at = fmt.Sprintf("%dx%d", c.H, c.W)
	return name, c
}

// onThreads is the head of the columns of a number of threads.
func onThreads(k int) string {
	if k == 1 {
		return "one thread"
	}
	return fmt.Sprintf("%d threads", k)
}

// inferenceSteps lists every step of a network's plan for one image with its least time. Like the
// steps of training, they are measured only if -only names them.
func (r *report) inferenceSteps() {
	for _, name := range specs.Names() {
		for _, threads := range r.counts() {
			r.row("steps", fmt.Sprintf("inference %s, threads %d", name, threads), func() error {
				n, err := spec(name)
				if err != nil {
					return err
				}
				s, err := r.ours(n, "O2", cpu.Options{Threads: threads})
				if err != nil {
					return err
				}
				whole, err := s.Run(layerRuns * r.pairs)
				if err != nil {
					return err
				}
				times, peak, err := r.leastTimes(s, threads)
				if err != nil {
					return err
				}
				fmt.Fprintf(r.out, "\n## The steps of %s, one image, threads %d\n\nThe least time of each step. A run takes %s ms at least. Peak %.0f GFLOP/s.\n\n%v",
					name, threads, millisOf(leastOf(whole)), peak, stepTable(s.prog.Plan().Steps, 1, times, s.macs, peak, threads))
				return nil
			})
		}
	}
}

func leastOf(l []time.Duration) time.Duration {
	least := l[0]
	for _, d := range l {
		least = min(least, d)
	}
	return least
}
