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
	"github.com/incc-lang/incc/ir/diag/fit"
)

// progress shows the progress of a training: on a terminal as a bar, elsewhere as a
// line every ten seconds.
type progress struct {
	w        io.Writer
	bar      bool
	drawn    bool // the bar is on the last line of the terminal
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

// Begin prints at which epoch and step the training continues, and a line about
// the earlier epochs.
func (p *progress) Begin(s *train.State, steps int, epochs float64, finished bool) {
	p.steps, p.epochs, p.start = steps, epochs, time.Now()
	p.last = p.start
	switch {
	case finished:
		p.print(fmt.Sprintf("the run is finished, after %s: no training is left to do", diag.Count(len(s.Rows), "epoch")))
	case s.Global > 0:
		p.print(fmt.Sprintf("continuing at epoch %d, step %d of %d", s.Epoch+1, s.Step, steps))
	}
	if text := soFar(s); text != "" {
		p.print(text)
	}
}

// soFar describes the epochs that a run has behind it, or returns "" if there are none.
func soFar(s *train.State) string {
	text := diag.Count(len(s.Rows), "epoch") + " so far"
	if len(s.Rows) == 0 {
		return ""
	}
	if i := s.BestAt - 1; i >= 0 && i < len(s.Rows) {
		kind, acc := "validation", s.Rows[i].ValAcc
		if math.IsNaN(acc) {
			kind, acc = "training", s.Rows[i].TrainAcc
		}
		text += fmt.Sprintf(", best %.2f %% (%s) at epoch %d", 100*acc, kind, s.BestAt)
	}
	return text
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
	wait := ""
	if share := s.Waited / now.Sub(p.start).Seconds(); share > noticedWait && s.Waited > noticedSeconds {
		wait = fmt.Sprintf("%.0f %% waiting for images", 100*share)
	}
	texts := barTexts{
		epoch: fmt.Sprintf("epoch %d/%s", s.Epoch+1, trimFloat(p.epochs)), step: fmt.Sprintf("step %d/%d", s.Step, p.steps),
		loss: fmt.Sprintf("loss %.4f", p.lossAvg), rate: fmt.Sprintf("%.0f images/s", rate), left: shortTime(left) + " left", wait: wait}
	if !p.bar {
		fmt.Fprintln(p.w, texts.join())
		return
	}
	// Some terminals start a new line after a character in the last column.
	fmt.Fprint(p.w, "\r\x1b[K"+texts.bar(float64(s.Step)/float64(max(1, p.steps)), columns(p.w)-1))
	p.drawn = true
}

// From this share of their time on, and this time, it is said that steps wait for images.
const (
	noticedWait    = 0.05
	noticedSeconds = 0.5
)

// barTexts are the texts after the bar.
type barTexts struct{ epoch, step, loss, rate, left, wait string }

func (t barTexts) join() string {
	var parts []string
	for _, s := range []string{t.epoch, t.step, t.loss, t.rate, t.left, t.wait} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, "  ")
}

// bar returns a line of at most width characters. It has as many of these parts as fit,
// in this order of importance: the epoch, the time that is left, the loss, a bar, the
// step, the speed, and how long steps wait.
func (t barTexts) bar(done float64, width int) string {
	const longest, shortest, frame = 24, 8, 3
	line := ""
	short := barTexts{epoch: strings.TrimPrefix(t.epoch, "epoch "), loss: t.loss, left: t.left}
	for _, s := range []barTexts{t, {t.epoch, t.step, t.loss, t.rate, t.left, ""}, {t.epoch, t.step, t.loss, "", t.left, ""}, {epoch: t.epoch, loss: t.loss, left: t.left}, short} {
		line = s.join()
		if room := min(longest, width-len(line)-frame); room >= shortest {
			n := min(room, int(float64(room)*done))
			return "[" + strings.Repeat("=", n) + strings.Repeat(" ", room-n) + "] " + line
		}
	}
	for _, s := range []string{barTexts{epoch: t.epoch, loss: t.loss, left: t.left}.join(), line, t.epoch + "  " + t.left, t.epoch} {
		if line = s; len(s) <= width {
			break
		}
	}
	return line[:max(0, min(len(line), width))]
}

// clear removes the bar, so that other text can be written in its line.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

// end ends the line of the bar without removing the bar, so that a message can follow.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprintln(p.w)
		p.drawn = false
	}
}

// Epoch prints the results of an epoch.
func (p *progress) Epoch(r train.Row) {
	p.line(r)
	if p.onEpoch != nil {
		if err := p.onEpoch(r); err != nil && p.epochErr == nil {
			p.epochErr = err
		}
	}
	p.start, p.seen, p.last = time.Now(), 0, time.Now()
}

func (p *progress) line(r train.Row) {
	p.clear()
	parts := []string{fmt.Sprintf("epoch %2d  loss %.4f, %.2f %%", r.Epoch, r.TrainLoss, 100*r.TrainAcc)}
	if !math.IsNaN(r.ValAcc) {
		parts = append(parts, fmt.Sprintf("validation %.4f, %.2f %%", r.ValLoss, 100*r.ValAcc))
	}
	if r.Images > 0 && r.Seconds > 0 {
		parts = append(parts, fmt.Sprintf("%.1f s, %.0f images/s", r.Seconds, float64(r.Images)/r.Seconds))
		if share := r.Waited / r.Seconds; share > noticedWait && r.Waited > noticedSeconds {
			parts = append(parts, fmt.Sprintf("%.0f %% waiting for images", 100*share))
		}
	}
	line, limit := parts[0], columns(p.w)
	for _, s := range parts[1:] {
		if next := line + "  " + s; limit == 0 || len(next) <= limit {
			line = next
			continue
		}
		p.print(line)
		line = "  " + s
	}
	p.print(line)
}

// Note prints a message.
func (p *progress) Note(text string) {
	p.clear()
	p.print(text)
}

// print prints a line. On a narrow terminal it breaks the line.
func (p *progress) print(text string) {
	if n := columns(p.w); n > 0 {
		text = strings.Join(fit.Hang(text, n), "\n")
	}
	fmt.Fprintln(p.w, text) // an error of the terminal does not end the run
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
