package main

import (
	"fmt"
	"time"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
)

// share measures which part of the peak of each vector tier GoogLeNet reaches, with direct
// convolution and with Winograd: the whole network, its convolutions, and those on large
// maps.
func (r *report) share() error {
	t := &table{head: []string{"network", "tier", "convolution", "threads", "ms", "whole", "convolutions", "those on maps of 14 and more", "peak then", "at most"}}
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
	return r.publish("share", "Share of the peak", "Batch 1, all passes. The share is of the tier's own peak of fused multiply-adds on as many threads; multiply-accumulates are counted as direct convolution, so Winograd passes 100 %. "+
		"The peak is measured for half a millisecond before and after every run, and the run is compared with the larger of the two; the table has the medians over all turns. The peak is measured that close to the run because kernels lower the processor's clock, by up to an eighth here. "+
		"*whole*: the work of the network in the time of a run; *convolutions*: their work in the sum of their steps' times, with the channels of the network, and in brackets with channels filled up to 16, which is what the kernels compute. "+
		"*peak then*: the median of the peaks that runs are compared with; *at most*: the largest peak, from a longer look before the first run and after the last; both in GFLOP/s. (`go test ./backends/cpu/kernel -run xxx -bench 'Clock$' -benchtime 1x` shows the clock under kernels. The innermost loop by itself, with operands in the cache, reaches 94 to 99 %: `-bench 'Tile$'`.)", t.String())
}

// meterTime is how long the peak is measured before and after a run: so short that the
// clock stays as it is under the kernels.
const meterTime = 500 * time.Microsecond

func (r *report) shareRow(t *table, n net, label, how string, o cpu.Options, isa kernel.ISA) error {
	s, err := r.ours(n, "O2", o)
	if err != nil {
		return err
	}
	meter := s.prog.PeakMeter(meterTime)
	atMost := kernel.Peak(isa, o.Threads, peakTime)
	if _, err := s.Run(10); err != nil {
		return err
	}
	work := workOf(s)
	// One element for each turn.
	var peaks, ms, whole, wholePadded, all, allPadded, large, largePadded []float64
	peak := meter()
	// against is the larger of the peaks before and after.
	against := func() float64 {
		before := peak
		peak = meter()
		p := max(before, peak)
		peaks = append(peaks, p)
		return p
	}
	for range r.pairs {
		times, err := s.Run(1)
		if err != nil {
			return err
		}
		p, seconds := against(), times[0].Seconds()
		ms = append(ms, 1e3*seconds)
		whole = append(whole, share(s.macs, seconds, p))
		wholePadded = append(wholePadded, share(s.macs+work.all.padded-work.all.macs, seconds, p))

		steps, err := s.sess.StepTimes(s.in, s.out, 1)
		if err != nil {
			return err
		}
		p = against()
		seconds, largeSeconds := 0.0, 0.0
		for i, t := range steps {
			if work.steps[i] {
				seconds += t
			}
			if work.largeSteps[i] {
				largeSeconds += t
			}
		}
		all = append(all, share(work.all.macs, seconds, p))
		allPadded = append(allPadded, share(work.all.padded, seconds, p))
		large = append(large, share(work.large.macs, largeSeconds, p))
		largePadded = append(largePadded, share(work.large.padded, largeSeconds, p))
	}
	atMost = max(atMost, kernel.Peak(isa, o.Threads, peakTime))
	both := func(x, padded []float64) string {
		return fmt.Sprintf("%.0f %% (%.0f %%)", 100*peers.Quantile(x, 0.5), 100*peers.Quantile(padded, 0.5))
	}
	t.add(label, isa.String(), how, fmt.Sprint(o.Threads), fmt.Sprintf("%.2f", peers.Quantile(ms, 0.5)), both(whole, wholePadded), both(all, allPadded), both(large, largePadded),
		fmt.Sprintf("%.0f", peers.Quantile(peaks, 0.5)), fmt.Sprintf("%.0f", atMost))
	return nil
}

// convWork says which steps of a plan are convolutions, and how much they compute.
type convWork struct {
	steps, largeSteps []bool // large: on maps of 14 and more
	all, large        counted
}

func workOf(s *side) (w convWork) {
	for _, st := range s.prog.Plan().Steps {
		k, ok := st.Do.(interface{ PaddedMACs() int })
		conv := ok && st.Cost.MACs > 0 && len(st.Shape) == 4
		w.steps = append(w.steps, conv)
		w.largeSteps = append(w.largeSteps, conv && st.Shape[2] >= 14)
		if !conv {
			continue
		}
		n := counted{st.Cost.MACs, int64(k.PaddedMACs())}
		w.all.add(n)
		if st.Shape[2] >= 14 {
			w.large.add(n)
		}
	}
	return w
}

// counted is a number of multiply-accumulates: of the network, and of the kernels, which
// fill up channels.
type counted struct{ macs, padded int64 }

func (w *counted) add(v counted) { w.macs, w.padded = w.macs+v.macs, w.padded+v.padded }

// share returns the rate of macs multiply-accumulates in that time as a part of a peak in
// GFLOP/s.
func share(macs int64, seconds, peak float64) float64 { return 2e-9 * float64(macs) / seconds / peak }
