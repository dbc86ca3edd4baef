package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir/diag"
)

// progress shows the progress of a training: on a terminal as a bar, elsewhere as a
// line every ten seconds.
type progress struct {
	w        io.Writer
	bar      bool
	steps    int
	epochs   float64
	start    time.Time // when this process began to train the epoch
	seen     int       // number of images trained on since start
	last     time.Time // when something was last shown
	lossAvg  float64
	onEpoch  func(train.Row) error
	epochErr error
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, bar: ok && isTerminal(f)}
}

// Begin prints at which epoch and step the training continues, and the results of
// earlier epochs.
func (p *progress) Begin(s *train.State, steps int, epochs float64, finished bool) {
	p.steps, p.epochs, p.start = steps, epochs, time.Now()
	p.last = p.start
	switch {
	case finished:
		fmt.Fprintf(p.w, "the run is finished, after %s: no training is left to do\n", diag.Count(len(s.Rows), "epoch"))
	case s.Global > 0:
		fmt.Fprintf(p.w, "going on at epoch %d, step %d of %d\n", s.Epoch+1, s.Step, steps)
	}
	for _, r := range s.Rows {
		p.line(r)
	}
}

// Step updates the bar, at most ten times a second.
func (p *progress) Step(s *train.State, st train.Stats, images int) {
	p.seen += images
	if p.lossAvg == 0 {
		p.lossAvg = st.Loss
	}
	p.lossAvg += 0.05 * (st.Loss - p.lossAvg)
	now := time.Now()
	every := 10 * time.Second
	if p.bar {
		every = 100 * time.Millisecond
	}
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	rate := float64(p.seen) / now.Sub(p.start).Seconds()
	left := (p.epochs*float64(p.steps) - float64(s.Global)) * float64(images) / rate
	text := fmt.Sprintf("epoch %d/%s  step %d/%d  loss %.4f  %.0f images/s  %s left", s.Epoch+1, trimFloat(p.epochs), s.Step, p.steps, p.lossAvg, rate, shortTime(left))
	if !p.bar {
		fmt.Fprintln(p.w, text)
		return
	}
	const width = 24
	n := width * s.Step / max(1, p.steps)
	fmt.Fprintf(p.w, "\r\x1b[K[%s%s] %s", strings.Repeat("=", n), strings.Repeat(" ", width-n), text)
}

// Epoch prints the results of an epoch.
func (p *progress) Epoch(r train.Row) {
	if p.bar {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	p.line(r)
	if p.onEpoch != nil {
		if err := p.onEpoch(r); err != nil && p.epochErr == nil {
			p.epochErr = err
		}
	}
	p.start, p.seen, p.last = time.Now(), 0, time.Now()
}

func (p *progress) line(r train.Row) {
	val := ""
	if !math.IsNaN(r.ValAcc) {
		val = fmt.Sprintf("  validation %.4f, %.2f %%", r.ValLoss, 100*r.ValAcc)
	}
	speed := ""
	if r.Images > 0 && r.Seconds > 0 {
		speed = fmt.Sprintf("  %.1f s, %.0f images/s", r.Seconds, float64(r.Images)/r.Seconds)
	}
	fmt.Fprintf(p.w, "epoch %2d  loss %.4f, %.2f %%%s%s\n", r.Epoch, r.TrainLoss, 100*r.TrainAcc, val, speed)
}

// Note prints a message.
func (p *progress) Note(text string) {
	if p.bar {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	fmt.Fprintln(p.w, text)
}

func trimFloat(x float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0") }

func shortTime(seconds float64) string {
	if math.IsInf(seconds, 0) || math.IsNaN(seconds) {
		return "?"
	}
	d := time.Duration(seconds) * time.Second
	if d >= time.Hour {
		return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}
