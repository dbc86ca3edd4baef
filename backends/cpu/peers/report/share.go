package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
)

// share measures GoogLeNet on the vector tiers, directly and with Winograd, as a
// share of the tier's peak: the whole, its convolutions, and those on large maps.
func (r *report) share() error {
	t := &table{head: []string{"network", "tier", "convolution", "threads", "ms", "whole", "convolutions", "those on maps of 14 and more"}}
	for _, without := range []bool{true, false} {
		label, replace := "googlenet", []string(nil)
		if without {
			label, replace = "googlenet without LRN", []string{withoutLRN, ""}
		}
		for _, isa := range kernel.Available() {
			if isa == kernel.Portable {
				continue
			}
			for _, direct := range []bool{false, true} {
				how := "Winograd where it pays"
				if direct {
					how = "direct"
				}
				for _, threads := range r.counts() {
					r.row("share", fmt.Sprintf("%s %v %s, %d threads", label, isa, how, threads), func() error {
						n, err := spec("googlenet", replace...)
						if err != nil {
							return err
						}
						return r.shareRow(t, n, label, how, cpu.Options{ISA: isa.String(), Threads: threads, Direct: direct}, isa)
					})
				}
			}
		}
	}
	t.print(r.out, "Share of the peak", "Batch 1, all passes; multiply-accumulates counted as direct convolution, of the tier's own peak on as many threads. "+
		"*whole*: the spec's work in the median time; *convolutions*: the sum of the steps' least times, one step after another, channels as the network has them (not padded to 16).")
	return nil
}

func (r *report) shareRow(t *table, n net, label, how string, o cpu.Options, isa kernel.ISA) error {
	s, err := r.ours(n, "O2", o)
	if err != nil {
		return err
	}
	peak := kernel.Peak(isa, o.Threads, peakTime)
	times, err := r.race(r.pairs, s)
	if err != nil {
		return err
	}
	steps, err := s.sess.StepTimes(s.in, s.out, r.pairs)
	if err != nil {
		return err
	}
	peak = max(peak, kernel.Peak(isa, o.Threads, peakTime))
	var macs, largeMACs int64
	var seconds, largeSeconds float64
	for i, st := range s.prog.Plan().Steps {
		if st.Cost.MACs == 0 || len(st.Shape) != 4 {
			continue
		}
		macs += st.Cost.MACs
		seconds += steps[i]
		if st.Shape[2] >= 14 {
			largeMACs += st.Cost.MACs
			largeSeconds += steps[i]
		}
	}
	t.add(label, isa.String(), how, fmt.Sprint(o.Threads), millis(times[0]), percent(s.macs, median(times[0]), peak),
		percent(macs, seconds, peak), percent(largeMACs, largeSeconds, peak))
	return nil
}
