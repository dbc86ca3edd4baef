package kernel

import (
	"runtime"
	"sync"
	"time"
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

func peakSlice(isa ISA, d time.Duration) float64 {
	const n = 20000 // iterations a call: some 100 microseconds
	flops := 0.0
	start := time.Now()
	for {
		flops += peakLoop(isa, n)
		if t := time.Since(start); t >= d {
			return flops / float64(t.Nanoseconds())
		}
	}
}

var peakSink float32

// peakPortable is eight independent chains of a multiplication and an addition, in
// the form that the portable kernels have.
func peakPortable(n int) float64 {
	var a, b, c, d, e, f, g, h float32
	x := float32(n)
	for range n {
		a += float32(a * x)
		b += float32(b * x)
		c += float32(c * x)
		d += float32(d * x)
		e += float32(e * x)
		f += float32(f * x)
		g += float32(g * x)
		h += float32(h * x)
	}
	if a+b+c+d+e+f+g+h != 0 {
		peakSink = a
	}
	return float64(n) * 16
}
