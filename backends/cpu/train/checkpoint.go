package train

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/incc-lang/incc/backends/safetensors"
)

// State is the progress of a run. With the params of the engine it is all that the
// next steps depend on.
type State struct {
	Run     Identity   `json:"run"`
	Epoch   int        `json:"epoch"`    // complete ones
	Step    int        `json:"step"`     // complete steps of the epoch after them: all of them where it is not evaluated yet
	Steps   int        `json:"steps"`    // of a whole epoch
	Global  int64      `json:"global"`   // complete steps of the run
	LossSum float64    `json:"loss_sum"` // over the steps of the epoch in work
	Correct int        `json:"correct"`  // images of the epoch in work
	Drops   int        `json:"drops"`    // of the learning rate on plateaus
	Stale   int        `json:"stale"`    // epochs since the watched metric last gained
	Best    jsonFloat  `json:"best"`     // value of the watched metric
	BestAt  int        `json:"best_at"`  // epoch of the best value, of several that with the lowest loss, counted from 1; -1 for none
	Window  LossWindow `json:"window"`   // tells whether the loss diverges
	Rows    []Row      `json:"rows"`

	// Waited is how many seconds the steps of the epoch in work have waited for their
	// images, in this process.
	Waited float64 `json:"-"`
}

// check reports numbers that no run can have written, whose epochs have that many
// steps of that many images.
func (s *State) check(steps, batch int) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("state: "+format, args...)
	}
	switch {
	case s.Steps != steps:
		return bad("an epoch had %d steps, now it has %d: only a new run can begin with these weights (--init)", s.Steps, steps)
	case s.Epoch < 0 || s.Epoch > math.MaxInt32:
		return bad("%d complete epochs", s.Epoch)
	case s.Step < 0 || s.Step > steps:
		return bad("step %d of an epoch of %d", s.Step, steps)
	case s.Global > math.MaxInt32:
		return bad("%d steps, more than %d", s.Global, math.MaxInt32)
	case !s.counts(int64(steps)):
		return bad("%d steps, but %d epochs of %d steps and %d more", s.Global, s.Epoch, steps, s.Step)
	case len(s.Rows) != s.Epoch:
		return bad("results of %d epochs, but %d are complete", len(s.Rows), s.Epoch)
	case s.Correct < 0 || s.Correct > s.Step*batch:
		return bad("%d correct images of %d", s.Correct, s.Step*batch)
	case !(math.Abs(s.LossSum) <= float64(s.Step)*math.MaxFloat32):
		return bad("the losses of %d steps add up to %g", s.Step, s.LossSum)
	case s.Drops < 0 || s.Drops > s.Epoch || s.Stale < 0 || s.Stale > s.Epoch:
		return bad("%d drops of the learning rate and %d epochs without gain in %d epochs", s.Drops, s.Stale, s.Epoch)
	case s.BestAt == -1 != (s.Epoch == 0) || s.BestAt < -1 || s.BestAt == 0 || s.BestAt > s.Epoch:
		return bad("epoch %d of %d is the best", s.BestAt, s.Epoch)
	case math.IsNaN(float64(s.Best)):
		return bad("the best value is not a number")
	}
	if err := s.Window.check(); err != nil {
		return bad("%v", err)
	}
	for i, r := range s.Rows {
		if r.Epoch != i+1 || r.Images < 0 || !(r.Seconds >= 0) || math.IsInf(r.Seconds, 0) || !(r.Waited >= 0) || math.IsInf(r.Waited, 0) {
			return bad("the results of epoch %d are those of epoch %d, with %d images in %g s", i+1, r.Epoch, r.Images, r.Seconds)
		}
	}
	return nil
}

// counts reports whether epochs and steps agree. The last epoch of a run may have
// fewer steps, as in 1.5 epochs.
func (s *State) counts(steps int64) bool {
	whole := int64(s.Epoch)*steps + int64(s.Step)
	if s.Epoch == 0 {
		return s.Global == whole
	}
	return s.Global <= whole && s.Global > whole-steps
}

// Row holds the results of an epoch.
type Row struct {
	Epoch     int     `json:"epoch"`
	Rate      float64 `json:"rate"` // learning rate after its last step
	TrainLoss float64 `json:"train_loss"`
	TrainAcc  float64 `json:"train_acc"`
	ValLoss   float64 `json:"val_loss"` // NaN without validation
	ValAcc    float64 `json:"val_acc"`
	Seconds   float64 `json:"seconds"` // of training, without evaluation
	Images    int     `json:"images"`
	Waited    float64 `json:"waited"` // of Seconds: for images that were not ready
}

// jsonFloat is a float64 that JSON can hold: NaN and infinities are strings.
type jsonFloat float64

func (f jsonFloat) MarshalJSON() ([]byte, error) {
	if v := float64(f); math.IsNaN(v) || math.IsInf(v, 0) {
		return json.Marshal(fmt.Sprint(v))
	}
	return json.Marshal(float64(f))
}

func (f *jsonFloat) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		switch s {
		case "NaN":
			*f = jsonFloat(math.NaN())
		case "+Inf":
			*f = jsonFloat(math.Inf(1))
		case "-Inf":
			*f = jsonFloat(math.Inf(-1))
		default:
			return fmt.Errorf("%q is no number", s)
		}
		return nil
	}
	return json.Unmarshal(b, (*float64)(f))
}

type rowJSON struct {
	Epoch     int       `json:"epoch"`
	Rate      jsonFloat `json:"rate"`
	TrainLoss jsonFloat `json:"train_loss"`
	TrainAcc  jsonFloat `json:"train_acc"`
	ValLoss   jsonFloat `json:"val_loss"`
	ValAcc    jsonFloat `json:"val_acc"`
	Seconds   jsonFloat `json:"seconds"`
	Images    int       `json:"images"`
	Waited    jsonFloat `json:"waited"`
}

// MarshalJSON writes NaN as a string.
func (r Row) MarshalJSON() ([]byte, error) {
	return json.Marshal(rowJSON{r.Epoch, jsonFloat(r.Rate), jsonFloat(r.TrainLoss), jsonFloat(r.TrainAcc), jsonFloat(r.ValLoss), jsonFloat(r.ValAcc), jsonFloat(r.Seconds), r.Images, jsonFloat(r.Waited)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Row) UnmarshalJSON(b []byte) error {
	var j rowJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*r = Row{j.Epoch, float64(j.Rate), float64(j.TrainLoss), float64(j.TrainAcc), float64(j.ValLoss), float64(j.ValAcc), float64(j.Seconds), j.Images, float64(j.Waited)}
	return nil
}

// ErrNoCheckpoint is returned for a folder without a usable checkpoint.
var ErrNoCheckpoint = errors.New("there is no checkpoint")

// Keys of a checkpoint's metadata: the state as JSON, and the SHA-256 of the state
// and all params.
const stateKey, sumKey = "incc.state", "incc.sha256"

const checkpointPrefix, checkpointSuffix = "checkpoint-", ".safetensors"

// checkpointName sorts by age.
func checkpointName(global int64) string {
	return fmt.Sprintf("%s%012d%s", checkpointPrefix, global, checkpointSuffix)
}

// WriteCheckpoint writes weights, slots and state as one safetensors file, whose
// metadata holds the state and the sum of everything, and removes all but the
// last two.
func WriteCheckpoint(fs FS, dir string, e Engine, s *State) error {
	values, err := readAll(e)
	if err != nil {
		return err
	}
	state, err := json.Marshal(s)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, checkpointName(s.Global))
	if err := fs.Replaceable(path); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	err = safetensors.WriteFile(fs, path, func(w io.Writer) error {
		buf := bufio.NewWriterSize(w, 1<<20)
		if err := encodeCheckpoint(buf, e.Params(), values, string(state)); err != nil {
			return err
		}
		return buf.Flush()
	})
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	names, err := Checkpoints(fs, dir)
	if err != nil {
		return err
	}
	for _, n := range names[:max(0, len(names)-2)] {
		if err := fs.Remove(filepath.Join(dir, n)); err != nil {
			return err
		}
	}
	return nil
}

// encodeCheckpoint writes the bytes of a checkpoint.
func encodeCheckpoint(w io.Writer, params []Param, values [][]float32, state string) error {
	infos := make([]safetensors.TensorInfo, 0, len(params))
	h := sha256.New()
	_, _ = io.WriteString(h, state)
	for i, p := range params {
		infos = append(infos, safetensors.TensorInfo{Name: p.Name, Shape: p.Shape})
		hashFloats(h, p.Name, values[i])
	}
	meta := map[string]string{stateKey: state, sumKey: hex.EncodeToString(h.Sum(nil))}
	return safetensors.EncodeTensors(w, meta, infos, func(dst []float32, i int) error {
		copy(dst, values[i])
		return nil
	})
}

func readAll(e Engine) ([][]float32, error) {
	var values [][]float32
	for _, p := range e.Params() {
		v := make([]float32, p.Shape.Size())
		if err := e.Get(p.Name, v); err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

func hashFloats(h hash.Hash, name string, v []float32) {
	// The hash never fails.
	_, _ = io.WriteString(h, name)
	var buf [4096]byte
	for len(v) > 0 {
		n := min(len(v), len(buf)/4)
		for i, x := range v[:n] {
			binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(x))
		}
		h.Write(buf[:4*n])
		v = v[n:]
	}
}

// Checkpoints lists the names of the checkpoints in a folder, the newest last.
func Checkpoints(fs FS, dir string) ([]string, error) {
	all, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range all {
		if strings.HasPrefix(n, checkpointPrefix) && strings.HasSuffix(n, checkpointSuffix) {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	return names, nil
}

// ReadCheckpoint loads the newest checkpoint of a folder into the engine and
// returns its state. Where the newest one is damaged the one before is used.
// steps is the number of steps of an epoch. A checkpoint of a run with another
// identity is refused with a [ChangedError], unless run is nil.
func ReadCheckpoint(fs FS, dir string, run Identity, steps int, e Engine) (*State, error) {
	return readCheckpoint(fs, dir, run, steps, e, func(string) {})
}

// readCheckpoint is ReadCheckpoint. note is told of each newer checkpoint that cannot
// be used.
func readCheckpoint(fs FS, dir string, run Identity, steps int, e Engine, note func(string)) (*State, error) {
	names, err := Checkpoints(fs, dir)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, n := range slices.Backward(names) {
		s, err := loadCheckpoint(fs, filepath.Join(dir, n), run, steps, e)
		var changed *ChangedError
		if err == nil || errors.As(err, &changed) {
			for _, skipped := range errs {
				note(fmt.Sprintf("%v; %s is used instead", skipped, n))
			}
			return s, err
		}
		errs = append(errs, fmt.Errorf("%s cannot be used: %w", n, err))
	}
	return nil, errors.Join(append(errs, fmt.Errorf("%s: %w", dir, ErrNoCheckpoint))...)
}

// maxState bounds the bytes of a checkpoint besides its numbers: the state, whose
// rows grow with the epochs.
const maxState = 64 << 20

// checkpointBytes bounds the size of the file that holds an engine's params.
func checkpointBytes(params []Param) int64 {
	n := int64(maxState)
	for _, p := range params {
		n += 4*int64(p.Shape.Size()) + int64(len(p.Name)) + 256
	}
	return n
}

// loadCheckpoint reads one file. The engine is changed only if all of it is right.
func loadCheckpoint(fs FS, path string, run Identity, steps int, e Engine) (*State, error) {
	params := e.Params()
	f, size, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	most := checkpointBytes(params)
	if _, ok := e.(*Phased); ok {
		most *= 4 // a phase may have two slots and an average for each weight
	}
	if size > most {
		return nil, fmt.Errorf("it has %d bytes, a checkpoint of this run at most %d", size, most)
	}
	s, t, err := parseCheckpoint(f, size)
	if err != nil {
		return nil, err
	}
	if changes := run.Changes(s.Run); run != nil && len(changes) > 0 {
		return nil, &ChangedError{Path: path, Changes: changes, Unknown: len(s.Run) == 0}
	}
	if len(s.Run) == 0 {
		s.Steps = steps // older ones did not say it
	}
	if err := s.check(steps, e.Batch()); err != nil {
		return nil, err
	}
	if err := phase(e, s.Epoch, steps); err != nil {
		return nil, err
	}
	params = e.Params()
	var want []safetensors.TensorInfo
	for _, p := range params {
		want = append(want, safetensors.TensorInfo{Name: p.Name, Shape: p.Shape})
	}
	if err := t.Match(want); err != nil {
		return nil, err
	}
	if have := t.All(); len(have) != len(params) {
		return nil, fmt.Errorf("it holds %d tensors, the run has %d", len(have), len(params))
	}
	var values [][]float32
	for _, p := range params {
		v, err := t.Float32s(p.Name)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	for i, p := range params {
		if err := e.Set(p.Name, values[i]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// parseCheckpoint reads the state of a checkpoint, opens its tensors, and compares
// both with the checksum.
func parseCheckpoint(file io.ReaderAt, size int64) (*State, *safetensors.Tensors, error) {
	t, err := safetensors.OpenTensors(file, size)
	if err != nil {
		return nil, nil, err
	}
	text, ok := t.Metadata()[stateKey]
	if !ok {
		return nil, nil, errors.New("it holds weights, but no state of a run: it is not a checkpoint")
	}
	h := sha256.New()
	_, _ = io.WriteString(h, text)
	for _, info := range t.All() {
		v, err := t.Float32s(info.Name)
		if err != nil {
			return nil, nil, err
		}
		hashFloats(h, info.Name, v)
	}
	if hex.EncodeToString(h.Sum(nil)) != t.Metadata()[sumKey] {
		return nil, nil, errors.New("its checksum is wrong: it is damaged")
	}
	s := &State{}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, nil, fmt.Errorf("state: %w", err)
	}
	return s, t, nil
}

// WriteWeights writes the weights and statistics of the network, or their averages
// where the recipe keeps some, without the optimizer's slots.
func WriteWeights(fs FS, path string, e Engine, meta map[string]string) error {
	if err := fs.Replaceable(path); err != nil {
		return err
	}
	var infos []safetensors.TensorInfo
	var source []string
	for _, p := range e.Params() {
		if p.Slot {
			continue
		}
		infos = append(infos, safetensors.TensorInfo{Name: p.Name, Shape: p.Shape})
		if p.Average != "" {
			source = append(source, p.Average)
		} else {
			source = append(source, p.Name)
		}
	}
	return safetensors.WriteTensors(fs, path, meta, infos, func(dst []float32, i int) error { return e.Get(source[i], dst) })
}
