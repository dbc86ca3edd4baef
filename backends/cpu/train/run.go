package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
)

// Config is a run.
type Config struct {
	Dir    string // of checkpoints and weights
	FS     FS     // Disk by default
	Recipe recipe.Train
	Seed   int64
	Train  *data.Set
	Val    *data.Set // nil for none
	Input  data.Inputs
	// Identity tells runs apart: a checkpoint of another one is refused.
	Identity Identity
	// AcceptChanged goes on from a checkpoint whose identity differs.
	AcceptChanged bool
	// MayChange names what the identity of a checkpoint may have had in another form, and
	// that form, "" for any: a run is extended by "epochs", for example.
	MayChange map[string]string
	Epochs    float64       // a fraction ends within an epoch
	Limit     int           // steps of an epoch at most, 0 for all
	MaxTime   time.Duration // 0 for no bound; after it the run ends as after its last epoch
	Resume    bool          // from the last checkpoint, where there is one
	// KeepDiverging goes on where the loss rises and stays high.
	KeepDiverging bool
	// Start, if not nil, is called when the checkpoint is read, before the first
	// step: until then nothing is written into Dir. It gets the state of the checkpoint.
	Start func(*State) error
	// Every is how many steps pass between checkpoints within an epoch, 0 for
	// none: one is written at the end of every epoch anyway.
	Every    int
	Report   Reporter // nil for none
	Meta     map[string]string
	stopHere func(global int64) bool // tests interrupt with it
}

// Reporter receives the progress of a run.
type Reporter interface {
	// Begin is called once. finished says that no step is left to do.
	Begin(s *State, steps int, epochs float64, finished bool)
	Step(s *State, st Stats, images int)
	Epoch(r Row)
	Note(text string)
}

// ErrInterrupted is returned when the context ended the run. A checkpoint was written.
var ErrInterrupted = errors.New("interrupted")

// NonFiniteError ends a run whose loss or gradients are not finite. The weights are
// those of the step before.
type NonFiniteError struct {
	Step  int64
	Epoch int
	Stats Stats
}

func (e *NonFiniteError) Error() string {
	where := ""
	if e.Stats.Layer != "" {
		where = " (first seen in " + e.Stats.Layer + ")"
	}
	return fmt.Sprintf("loss %g, norm of the gradients %g at step %d of epoch %d%s: the weights are those of the step before; try a smaller learning rate, a warm-up or clip norm=",
		e.Stats.Loss, e.Stats.Norm, e.Step, e.Epoch+1, where)
}

// Run trains until all epochs are done, the time is over, or nothing improves any
// more (early_stop). It returns the last state. best.safetensors holds the best
// weights, last.safetensors the last ones.
func Run(ctx context.Context, e Engine, c Config) (*State, error) {
	if c.FS == nil {
		c.FS = Disk{}
	}
	if c.Report == nil {
		c.Report = silent{}
	}
	batch := e.Batch()
	steps := c.steps(batch)
	if steps == 0 {
		return nil, fmt.Errorf("%d training images do not fill a batch of %d: take a smaller batch", c.Train.Len(), batch)
	}
	if err := phase(e, 0, steps); err != nil {
		return nil, err
	}
	s, changed, err := c.begin(e, steps)
	if err != nil {
		return nil, err
	}
	if c.Start != nil {
		if err := c.Start(s); err != nil {
			return nil, err
		}
	}
	if changed {
		// From here on the new identity counts, even if no step follows.
		if err := WriteCheckpoint(c.FS, c.Dir, e, s); err != nil {
			return nil, err
		}
	}
	end := c.lastStep(steps)
	finished := c.Finished(batch, s)
	c.Report.Begin(s, steps, c.Epochs, finished)
	begin := time.Now()
	for !c.Finished(batch, s) {
		timeOver, err := epoch(ctx, e, &c, s, steps, end, begin)
		if err != nil {
			return s, err
		}
		if timeOver {
			c.Report.Note(fmt.Sprintf("the time of %v is over", c.MaxTime))
			break
		}
	}
	if stale(s, c.Recipe.EarlyStop) {
		c.Report.Note(fmt.Sprintf("no gain for %d epochs: stopped early", s.Stale))
	}
	if err := WriteWeights(c.FS, filepath.Join(c.Dir, "last.safetensors"), e, c.Meta); err != nil {
		return s, err
	}
	return s, nil
}

// steps is the number of steps of an epoch.
func (c *Config) steps(batch int) int {
	n := c.Train.Len() / batch
	if c.Limit > 0 {
		n = min(n, c.Limit)
	}
	return n
}

// Finished reports whether a run in this state has nothing left to train and to evaluate.
// A run can have been interrupted after the last step of an epoch, before the epoch was
// evaluated.
func (c *Config) Finished(batch int, s *State) bool {
	return s.Global >= c.lastStep(c.steps(batch)) && s.Step == 0 || stale(s, c.Recipe.EarlyStop)
}

// begin makes the folder and returns the state that the run goes on from; changed
// says that its checkpoint had another identity.
func (c *Config) begin(e Engine, steps int) (s *State, changed bool, err error) {
	if err := c.FS.MkdirAll(c.Dir); err != nil {
		return nil, false, err
	}
	fresh := &State{Run: c.Identity, Steps: steps, BestAt: -1}
	if !c.Resume {
		return fresh, false, nil
	}
	names, err := Checkpoints(c.FS, c.Dir)
	if err != nil {
		return nil, false, err
	}
	if len(names) == 0 {
		// The run may have been killed before it wrote one.
		c.Report.Note("there is no checkpoint yet: the run begins")
		return fresh, false, nil
	}
	want := c.Identity
	if c.AcceptChanged {
		want = nil
	}
	s, err = readCheckpoint(c.FS, c.Dir, want, steps, e, c.Report.Note)
	var other *ChangedError
	extended := errors.As(err, &other) && c.allows(other)
	if extended {
		s, err = readCheckpoint(c.FS, c.Dir, nil, steps, e, c.Report.Note)
	}
	if other != nil && err != nil { // the error is about what may not change
		other.Changes = slices.DeleteFunc(other.Changes, c.mayChange)
	}
	if err != nil {
		return nil, false, err
	}
	if s.Global > c.lastStep(steps) {
		return nil, false, &TrainedError{Epochs: float64(s.Global) / float64(steps), Wanted: c.Epochs}
	}
	changes := c.Identity.Changes(s.Run)
	for _, x := range changes {
		if _, ok := c.MayChange[x.Name]; !ok || c.MayChange[x.Name] == "" {
			c.Report.Note("going on with a change: " + x.String())
		}
	}
	if extended {
		c.extend(s, steps)
	}
	s.Run = c.Identity
	return s, len(changes) > 0, nil
}

// allows reports whether a checkpoint differs only in what MayChange names.
func (c *Config) allows(e *ChangedError) bool {
	return !e.Unknown && !slices.ContainsFunc(e.Changes, func(x Change) bool { return !c.mayChange(x) })
}

// mayChange reports whether MayChange names a change.
func (c *Config) mayChange(x Change) bool {
	was, ok := c.MayChange[x.Name]
	return ok && (was == "" || was == x.Was)
}

// lastStep returns the number of steps of the whole run.
func (c *Config) lastStep(steps int) int64 { return int64(math.Round(c.Epochs * float64(steps))) }

// TrainedError says that a run cannot go on to an end that it has passed already.
type TrainedError struct{ Epochs, Wanted float64 }

func (e *TrainedError) Error() string {
	unit, verb := "epochs", "are"
	if e.Epochs == 1 {
		unit, verb = "epoch", "is"
	}
	return fmt.Sprintf("%.4g %s %s trained already, so the run cannot end after %.4g", e.Epochs, unit, verb, e.Wanted)
}

// extend readies the state of a run for a number of epochs that it was not begun with.
// The learning rate goes on by the schedule for the new number of epochs.
func (c *Config) extend(s *State, steps int) {
	if n := len(s.Rows); n > 0 && s.Step == 0 {
		if was, is := s.Rows[n-1].Rate, c.rate(s, steps); math.Abs(is-was) > 0.01*was {
			c.Report.Note(fmt.Sprintf("the schedule is that of %g epochs now: the learning rate goes on at %.3g, the last epoch ended at %.3g", c.Epochs, is, was))
		}
	}
	if stale(s, c.Recipe.EarlyStop) {
		s.Stale = 0
		c.Report.Note(fmt.Sprintf("early_stop had ended the run: it has %d epochs again to gain", c.Recipe.EarlyStop.Patience))
	}
}

func stale(s *State, e recipe.EarlyStop) bool { return e.Patience > 0 && s.Stale >= e.Patience }

// epoch trains to the end of an epoch, or of the run, and evaluates.
func epoch(ctx context.Context, e Engine, c *Config, s *State, steps int, end int64, begin time.Time) (over bool, err error) {
	b := data.NewBatches(c.Input, c.Train, e.Batch(), c.Seed, s.Epoch, s.Step)
	defer b.Close()
	start := time.Now()
	first := s.Step
	for s.Step < steps && s.Global < end {
		waiting := time.Now()
		x, err := b.Next()
		waited := time.Since(waiting)
		if err != nil {
			return false, c.keep(e, s, err)
		}
		s.Waited += waited.Seconds()
		st, err := StepOn(e, x, float32(c.rate(s, steps)), s.Global)
		b.Done(x)
		if err != nil {
			return false, err
		}
		if !st.Finite() {
			return false, &NonFiniteError{Step: s.Global, Epoch: s.Epoch, Stats: st}
		}
		s.Step++
		s.Global++
		s.LossSum += st.Loss
		s.Correct += st.Correct
		c.Report.Step(s, st, e.Batch())
		window := min(steps, divergeWindow)
		if mean, diverged := s.Window.add(st.Loss, window, e.Classes()); diverged && !c.KeepDiverging {
			return false, &DivergedError{Step: s.Global - 1, Epoch: s.Epoch, Loss: mean, First: s.Window.First, Window: window}
		}
		stop := ctx.Err() != nil || (c.stopHere != nil && c.stopHere(s.Global))
		over = c.MaxTime > 0 && time.Since(begin) >= c.MaxTime
		if stop || (over && s.Step < steps) || (c.Every > 0 && s.Step%c.Every == 0 && s.Step < steps) {
			if err := WriteCheckpoint(c.FS, c.Dir, e, s); err != nil {
				return false, err
			}
		}
		if stop {
			return false, ErrInterrupted
		}
		if over && s.Step < steps {
			return true, nil
		}
	}
	row := Row{Epoch: s.Epoch + 1, Rate: c.rate(s, steps), TrainLoss: s.LossSum / float64(s.Step), TrainAcc: float64(s.Correct) / float64(s.Step*e.Batch()),
		ValLoss: math.NaN(), ValAcc: math.NaN(), Seconds: time.Since(start).Seconds(), Images: (s.Step - first) * e.Batch(), Waited: s.Waited}
	if c.Val != nil {
		v, err := Evaluate(e, c.Input, c.Val, nil)
		if err != nil {
			return false, c.keep(e, s, err)
		}
		row.ValLoss, row.ValAcc = v.Loss, v.Accuracy
	}
	c.gain(s, row)
	s.Rows = append(s.Rows, row)
	s.Epoch++
	s.Step, s.LossSum, s.Correct, s.Waited = 0, 0, 0, 0
	if s.BestAt == row.Epoch {
		if err := WriteWeights(c.FS, filepath.Join(c.Dir, "best.safetensors"), e, c.Meta); err != nil {
			return false, err
		}
	}
	if err := phase(e, s.Epoch, steps); err != nil {
		return false, err
	}
	if err := WriteCheckpoint(c.FS, c.Dir, e, s); err != nil {
		return false, err
	}
	c.Report.Epoch(row)
	if parts := c.Recipe.Unfrozen(s.Epoch); len(parts) > 0 && s.Global < end {
		c.Report.Note(fmt.Sprintf("from epoch %d on, %s trained too", s.Epoch+1, strings.Join(parts, ", ")+verb(len(parts))))
	}
	if ctx.Err() != nil {
		return false, ErrInterrupted
	}
	return c.MaxTime > 0 && time.Since(begin) >= c.MaxTime, nil
}

// keep writes a checkpoint where a picture ends the run. It returns the error of the
// picture, or another error as it is.
func (c *Config) keep(e Engine, s *State, err error) error {
	if p := (*data.PictureError)(nil); !errors.As(err, &p) {
		return err
	}
	if failed := WriteCheckpoint(c.FS, c.Dir, e, s); failed != nil {
		return errors.Join(err, failed)
	}
	return err
}

func verb(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}

// rate is the learning rate of the next step.
func (c *Config) rate(s *State, steps int) float64 {
	sched := ScheduleOf(&c.Recipe, c.Epochs)
	return sched.Rate(float64(s.Global)/float64(steps), s.Drops)
}

// gain updates the best epoch so far: by validation results if there are some, else
// by those of training. Of epochs with the same accuracy the one with the lower loss is
// the best: few images tell weights apart only coarsely. For early_stop and the plateau
// schedule that is no gain of the metric.
func (c *Config) gain(s *State, r Row) {
	acc, loss := r.ValAcc, r.ValLoss
	if c.Val == nil {
		acc, loss = r.TrainAcc, r.TrainLoss
	}
	m := acc
	if c.Recipe.EarlyStop.Metric == "loss" {
		m = -loss
	}
	if math.IsNaN(m) {
		m = math.Inf(-1) // any number is better
	}
	if s.BestAt < 0 || m > float64(s.Best) {
		s.Best, s.BestAt, s.Stale = jsonFloat(m), r.Epoch, 0
		return
	}
	if i := s.BestAt - 1; m == float64(s.Best) && i < len(s.Rows) {
		was := s.Rows[i].ValLoss
		if c.Val == nil {
			was = s.Rows[i].TrainLoss
		}
		if loss < was || math.IsNaN(was) && !math.IsNaN(loss) {
			s.BestAt = r.Epoch
		}
	}
	s.Stale++
	every := int(c.Recipe.Schedule.Every)
	if c.Recipe.Schedule.Kind == "plateau" && s.Stale%max(every, 1) == 0 {
		s.Drops++
	}
}

// Inferrer is the part of an Engine that evaluation needs.
type Inferrer interface {
	Batch() int
	Classes() int // the width of the logits
	Logits(dst, images []float32, n int) error
}

// Evaluate runs a set through the network with the weights as they are. each,
// if not nil, is called with every image's logits, which it must not keep, and its
// prediction.
func Evaluate(e Inferrer, t data.Inputs, s *data.Set, each func(i int, logits []float32, p Prediction)) (Score, error) {
	classes := e.Classes()
	if classes < s.Classes {
		return Score{}, fmt.Errorf("the data has %d classes, the network only %d", s.Classes, classes)
	}
	out := make([]float32, e.Batch()*classes)
	r := newScorer(classes)
	b := data.NewEvaluation(t, s, e.Batch())
	defer b.Close()
	for {
		x, err := b.Next()
		if x == nil || err != nil {
			return r.score(s.Classes), err
		}
		n := len(x.Labels)
		if err := e.Logits(out[:n*classes], x.Images, n); err != nil {
			return Score{}, err
		}
		for k, label := range x.Labels {
			z := out[k*classes : (k+1)*classes]
			if p := r.add(z, int(label)); each != nil {
				each(x.Step*e.Batch()+k, z, p)
			}
		}
		b.Done(x)
	}
}

// crossEntropy is the loss of one image, in float64. It uses functions that round
// the same way on every machine.
func crossEntropy(z []float32, label int) float64 {
	m := z[0]
	for _, v := range z {
		m = max(m, v)
	}
	s := 0.0
	for _, v := range z {
		s += exp(float64(v) - float64(m))
	}
	return ir.Log(s) + float64(m) - float64(z[label])
}

type silent struct{}

func (silent) Begin(*State, int, float64, bool) {}
func (silent) Step(*State, Stats, int)          {}
func (silent) Epoch(Row)                        {}
func (silent) Note(string)                      {}
