package main

import (
	"fmt"
	"strings"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs"
)

// stepBatches are the batches of networks whose step at 128 images needs too much memory: those
// of section training.
var stepBatches = map[string]int{"resnet50": 8, "mobilenet_v2": 16}

// steps lists every step of the plan of a training step with its least time. It helps to
// decide which kernel to write next, and is measured only if -only names it.
func (r *report) steps() error {
	if !strings.Contains(r.only.String(), "steps/") {
		return nil
	}
	r.inferenceSteps()
	for _, name := range specs.Names() {
		batch := 128
		if b := stepBatches[name]; b > 0 {
			batch = b
		}
		for _, threads := range r.counts() {
			r.row("steps", fmt.Sprintf("%s b%d, threads %d", name, batch, threads), func() error {
				return r.stepsOf(name, batch, threads)
			})
		}
	}
	return nil
}

func (r *report) stepsOf(name string, batch, threads int) error {
	n, err := spec(name)
	if err != nil {
		return err
	}
	s, e, images, labels, err := r.trainer(n, batch, threads, autodiff.KeepAll)
	if err != nil {
		return err
	}
	wholes, err := s.Run(4 * r.pairs)
	if err != nil {
		return err
	}
	peak := kernel.Peak(isa(), threads, peakTime)
	times, err := e.Trainer().StepTimes(images, labels, 4*r.pairs)
	if err != nil {
		return err
	}
	peak = max(peak, kernel.Peak(isa(), threads, peakTime))
	step, _ := e.Trainer().Programs()
	t := stepTable(step.Plan().Steps, batch, times, 3*s.macs, peak, threads)
	fmt.Fprintf(r.out, "\n## The steps of a training step: %s, batch %d, threads %d\n\n%s\n\n%v", name, batch, threads,
		fmt.Sprintf("The least time of each step, one after another. A whole step takes %.0f µs at least and %.0f in the median.", 1e6*peers.Quantile(wholes, 0).Seconds(), 1e6*peers.Quantile(wholes, 0.5).Seconds()), t)
	return nil
}

// stepTable lists steps with their times, in seconds, and what that is of a peak in GFLOP/s; the last
// row is their sum, of macs multiply-accumulates.
func stepTable(steps []plan.Step, batch int, times []float64, macs int64, peak float64, threads int) *table {
	t := &table{head: []string{"step", "kernel", "tasks", "output", "µs", "of the peak", "predicted, µs"}}
	sum, predicted := 0.0, 0.0
	for i, st := range steps {
		share := ""
		if st.Cost.MACs > 0 {
			share = percent(st.Cost.MACs, times[i], peak)
		}
		t.add(st.Name, kernelName(st.Do), fmt.Sprint(st.Do.Tasks(batch)), fmt.Sprint(st.Shape), fmt.Sprintf("%.0f", times[i]*1e6), share, fmt.Sprintf("%.0f", st.Cost.Seconds/float64(threads)*1e6))
		sum += times[i]
		predicted += st.Cost.Seconds / float64(threads)
	}
	t.add("sum", "", "", "", fmt.Sprintf("%.0f", sum*1e6), percent(macs, sum, peak), fmt.Sprintf("%.0f", predicted*1e6))
	return t
}

// kernelName names the kernel of a step.
func kernelName(k plan.Kernel) string {
	if l, ok := k.(kernel.N16); ok {
		return strings.TrimPrefix(fmt.Sprintf("%T in lanes", l.Do), "kernel.")
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", k), "kernel.")
}
