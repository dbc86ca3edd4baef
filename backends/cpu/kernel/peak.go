package kernel

import (
	"runtime"
	"sync"
	"time"

	"github.com/incc-lang/incc/backends/cpu/threads"
)

// Peak measures the rate of single-precision fused multiply-adds (Portable:
// multiplications and additions) of a tier on that many threads at once, in
// GFLOP/s over all threads: the roof that a kernel's rate is a share of. It
// takes about d and returns the best of several slices of it, since other work on
// the machine can only lower what it finds.
func Peak(isa ISA, threads int, d time.Duration) float64 {
	const slices = 8
	threads = max(threads, 1)
	per := d / slices
	best := 0.0
	for range slices {
		var wg sync.WaitGroup
		rates := make([]float64, threads)
		gate := make(chan struct{})
		for i := range threads {
			wg.Add(1)
			go func() {
				defer wg.Done()
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				<-gate
				rates[i] = peakSlice(isa, per)
			}()
		}
		close(gate)
		wg.Wait()
		sum := 0.0
		for _, r := range rates {
			sum += r
		}
		best = max(best, sum)
	}
	return best
}

// PeakMeter returns a function that measures the rate of fused multiply-adds on the
// pool's threads, in GFLOP/s over all of them, at once and in one slice of d: at the
// clock that they have at that moment. A processor lowers its clock while kernels draw
// more power than Peak's loop does, which has no loads, and raises it again within a
// millisecond of such a loop (BenchmarkClock); so a kernel's share of Peak depends on
// the host, and its share of what this function says right after it does not.
//
// The function says 0 if the pool is busy with another run.
func PeakMeter(p *threads.Pool, isa ISA, d time.Duration) func() float64 {
	t := NewTeam(p, isa, 0)
	rates := make([]float64, p.Threads())
	body := func(w *Worker) {
		w.Barrier()
		rates[w.ID] = peakSlice(isa, d)
		w.Barrier()
	}
	return func() float64 {
		clear(rates)
		t.Run(body)
		sum := 0.0
		for _, r := range rates {
			if r == 0 {
				return 0
			}
			sum += r
		}
		return sum
	}
}

func peakSlice(isa ISA, d time.Duration) float64 {
	const n = 20000 // iterations a call: some 100 microseconds
	flops := 0.0
	start := time.Now()
	for {
		t := &peakTiers[isa]
		t.loop(n)
		flops += float64(n * t.flops)
		if t := time.Since(start); t >= d {
			return flops / float64(t.Nanoseconds())
		}
	}
}

// peakTier is a loop that does as many operations an iteration.
type peakTier struct {
	loop  func(n int)
	flops int
}

// peakTiers are the tiers. Files of a processor set theirs.
var peakTiers = [isas]peakTier{Portable: {peakPortable, 16}}

// peakPortable is eight sums of products, in the form that the portable kernels
// have.
func peakPortable(n int) {
	var a, b, c, d, e, f, g, h float32
	u, v := float32(1), float32(0.5)
	for range n {
		a += float32(u * v)
		b += float32(u * u)
		c += float32(v * v)
		v++
		d += float32(u * v)
		e += float32(v * v)
		u++
		f += float32(u * v)
		g += float32(u * u)
		v--
		h += float32(u * v)
	}
	if a+b+c+d+e+f+g+h < 0 { // never; the sums have to be computed to know
		panic("a sum of squares is negative")
	}
}
