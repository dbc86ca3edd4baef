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
		"*whole*: the spec's work in the median time; *convolutions*: the sum of the steps' least times, one step after another, with channels as the network has them, and in brackets filled up to 16, which is what the kernels compute.")
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
	// As the network has them, and with channels filled up to blocks of 16, which is what is computed.
	whole := counted{s.macs, s.macs}
	var all, large counted
	var seconds, largeSeconds float64
	for i, st := range s.prog.Plan().Steps {
		k, ok := st.Do.(interface{ PaddedMACs() int })
		if !ok || st.Cost.MACs == 0 || len(st.Shape) != 4 {
			continue
		}
		w := counted{st.Cost.MACs, int64(k.PaddedMACs())}
		all.add(w)
		whole.padded += w.padded - w.macs
		seconds += steps[i]
		if st.Shape[2] >= 14 {
			large.add(w)
			largeSeconds += steps[i]
		}
	}
	t.add(label, isa.String(), how, fmt.Sprint(o.Threads), millis(times[0]), whole.share(median(times[0]), peak),
		all.share(seconds, peak), large.share(largeSeconds, peak))
	return nil
}

// counted is a number of multiply-accumulates, as the network has them and as they are computed.
type counted struct{ macs, padded int64 }

func (w *counted) add(v counted) { w.macs, w.padded = w.macs+v.macs, w.padded+v.padded }

// share prints what part of the peak the work is in so many seconds.
func (w counted) share(seconds, peak float64) string {
	return percent(w.macs, seconds, peak) + " (" + percent(w.padded, seconds, peak) + ")"
}
