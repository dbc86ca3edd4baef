package peers

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Side is one side of a comparison: it runs n times and returns the time of each
// run.
type Side func(n int) ([]time.Duration, error)

// Timed makes a side of a function.
func Timed(f func() error) Side {
	return func(n int) ([]time.Duration, error) {
		r := make([]time.Duration, n)
		for i := range r {
			t := time.Now()
			if err := f(); err != nil {
				return nil, err
			}
			r[i] = time.Since(t)
		}
		return r, nil
	}
}

// Plan says how two sides take turns.
type Plan struct {
	Pairs  int           // pairs of turns; at least 30 for published results
	Runs   int           // timed runs in a turn
	Warm   int           // untimed runs before them, to warm up caches, threads and clocks
	Settle time.Duration // pause before each turn, in which waiting threads of the other side fall asleep
}

// Default is the plan of the published results.
var Default = Plan{Pairs: 30, Runs: 3, Warm: 1, Settle: 5 * time.Millisecond}

// Result holds the times of a comparison.
type Result struct {
	Ours, Theirs []time.Duration // every counted run
	Ratios       []float64       // theirs / ours, of the medians of a pair's two turns
}

// Runner is one of several sides that take turns.
type Runner struct {
	Run  Side
	Peer *Peer // the process that runs, nil for incc in this process
}

// Interleave runs incc and a peer in turns, never both at once. The two take turns in
// being first in a pair.
func Interleave(p Plan, ours Side, peer *Peer, theirs Side) (Result, error) {
	times, err := Rounds(p, Runner{Run: ours}, Runner{theirs, peer})
	if err != nil {
		return Result{}, err
	}
	return Versus(times[0], times[1]), nil
}

// Rounds runs several sides in turns, never two at once, for p.Pairs rounds. Each round
// begins with another side. The result has the times by side and round.
func Rounds(p Plan, sides ...Runner) ([][][]time.Duration, error) {
	for _, s := range sides {
		if s.Peer != nil {
			if err := s.Peer.Pause(); err != nil {
				return nil, err
			}
		}
	}
	times := make([][][]time.Duration, len(sides))
	for i := range p.Pairs {
		for j := range sides {
			k := (i + j) % len(sides)
			t, err := sides[k].turn(p)
			if err != nil {
				return nil, err
			}
			times[k] = append(times[k], t)
		}
	}
	for _, s := range sides {
		if s.Peer != nil {
			if err := s.Peer.Resume(); err != nil {
				return nil, err
			}
		}
	}
	return times, nil
}

func (s Runner) turn(p Plan) ([]time.Duration, error) {
	time.Sleep(p.Settle)
	if p.Warm > 0 {
		if _, err := s.Run(p.Warm); err != nil {
			return nil, err
		}
	}
	t, err := s.Run(p.Runs)
	if err == nil && s.Peer != nil {
		err = s.Peer.Pause()
	}
	return t, err
}

// Versus compares two sides of Rounds.
func Versus(ours, theirs [][]time.Duration) (r Result) {
	for i := range ours {
		r.Ours = append(r.Ours, ours[i]...)
		r.Theirs = append(r.Theirs, theirs[i]...)
		r.Ratios = append(r.Ratios, float64(Quantile(theirs[i], 0.5))/float64(Quantile(ours[i], 0.5)))
	}
	return r
}

// Quantile returns the q-quantile, interpolated between neighbours.
func Quantile[T time.Duration | float64](v []T, q float64) T {
	if len(v) == 0 {
		return 0
	}
	s := slices.Clone(v)
	slices.Sort(s)
	at := q * float64(len(s)-1)
	lo := int(math.Floor(at))
	hi := min(lo+1, len(s)-1)
	return T(float64(s[lo]) + (at-float64(lo))*(float64(s[hi])-float64(s[lo])))
}

// Ratio returns the median of the pairs' ratios: how many times faster incc is.
func (r Result) Ratio() float64 { return Quantile(r.Ratios, 0.5) }

// Interval returns a 95 % confidence interval of that median. It makes no
// assumption about the distribution: the ranks around the middle follow the
// binomial distribution of n coin flips.
func (r Result) Interval() (lo, hi float64) {
	n := len(r.Ratios)
	if n == 0 {
		return 0, 0
	}
	s := slices.Clone(r.Ratios)
	slices.Sort(s)
	// The largest k with P(fewer than k of n flips are heads) <= 2.5 %.
	p, sum, k := math.Pow(0.5, float64(n)), 0.0, 0
	for k < n/2 {
		if sum += p; sum > 0.025 {
			break
		}
		k++
		p *= float64(n-k+1) / float64(k)
	}
	return s[max(k-1, 0)], s[n-1-max(k-1, 0)]
}

func (r Result) String() string {
	lo, hi := r.Interval()
	return fmt.Sprintf("ours p50 %v p90 %v, theirs p50 %v p90 %v: %.2f x (95%% %.2f to %.2f, %d pairs)",
		round(Quantile(r.Ours, 0.5)), round(Quantile(r.Ours, 0.9)), round(Quantile(r.Theirs, 0.5)), round(Quantile(r.Theirs, 0.9)),
		r.Ratio(), lo, hi, len(r.Ratios))
}

func round(d time.Duration) time.Duration { return d.Round(time.Microsecond) }

// Cold is the cost of a process from its start to its first result.
type Cold struct {
	Time    time.Duration // until the outputs of the first run have arrived
	PeakRSS int64         // bytes at that time
	Outputs []Tensor
}

// ColdStartORT starts ONNX Runtime anew, loads a model and runs it once on
// inputs.
func ColdStartORT(version, model string, threads int, inputs ...Tensor) (c Cold, err error) {
	if _, err := ortServer(); err != nil { // building it is not part of the start
		return c, err
	}
	start := time.Now()
	p, err := StartORT(version)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.Threads(threads); err != nil {
		return c, err
	}
	if _, err := p.Load(model); err != nil {
		return c, err
	}
	for _, x := range inputs {
		if err := p.Input(x); err != nil {
			return c, err
		}
	}
	if _, err := p.Run(1); err != nil {
		return c, err
	}
	if c.Outputs, err = p.Outputs(); err != nil {
		return c, err
	}
	c.Time = time.Since(start)
	c.PeakRSS, err = p.PeakRSS()
	return c, err
}
