package main

import (
	"math"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/ir"
)

// timer is a compiled graph with operands.
type timer struct {
	run  func() error
	runs int // in one measurement
}

// leastMeasured is the least time that one measurement takes: short, so that some are not disturbed
// by other programs.
const leastMeasured = time.Millisecond / 2

// least repeats measurements of some timers in turns, and returns the least time of each in
// milliseconds: at least seven measurements, for at least that long.
func least(long time.Duration, timers ...*timer) ([]float64, error) {
	best := slices.Repeat([]float64{math.Inf(1)}, len(timers))
	start := time.Now()
	for n := 0; n < 7 || time.Since(start) < long; n++ {
		for i, t := range timers {
			s, err := t.seconds()
			if err != nil {
				return nil, err
			}
			best[i] = min(best[i], 1e3*s)
		}
	}
	return best, nil
}

// newTimer compiles a graph for some images at once and runs it once.
func newTimer(c *cli.Context, g *ir.Graph, batch int) (*timer, error) {
	o, err := executorOptions(c)
	if err != nil {
		return nil, err
	}
	o.Batch = batch
	g = g.Clone()
	steady(g)
	ir.Materialize(g, o.Seed)
	prog, err := compileRoom(c, g, o)
	if err != nil {
		return nil, err
	}
	s := prog.NewSession()
	in, out := operands(g, o.Batch, o.Seed)
	t := &timer{run: func() error { return s.Run(in, out) }, runs: 1}
	if err := t.run(); err != nil {
		return nil, err
	}
	once, err := t.seconds()
	if err == nil && once > 0 {
		t.runs = min(1000, int(math.Ceil(leastMeasured.Seconds()/once)))
	}
	return t, err
}

// seconds is the time of one run, in one measurement.
func (t *timer) seconds() (float64, error) {
	start := time.Now()
	for range t.runs {
		if err := t.run(); err != nil {
			return 0, err
		}
	}
	return time.Since(start).Seconds() / float64(t.runs), nil
}
