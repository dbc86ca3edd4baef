package train

import (
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

	"github.com/incc-lang/incc/backends/cpu/kernel"
)

// State is where a run stands, besides the weights. Everything that the steps
// to come depend on is in it.
type State struct {
	Run     string  `json:"run"`   // identity: spec, data, seed, version; another one's checkpoint is refused
	Epoch   int     `json:"epoch"` // complete ones
	Step    int     `json:"step"`  // complete steps of the epoch after them
	Global  int64   `json:"global"`
	LossSum float64 `json:"loss_sum"` // of the steps of the epoch in work
	Correct int     `json:"correct"`
	Drops   int     `json:"drops"` // of the rate on plateaus
	Stale   int     `json:"stale"` // epochs without gain
	Best    float64 `json:"best"`  // of the metric that is watched
	BestAt  int     `json:"best_at"`
	Rows    []Row   `json:"rows"`
}

// Row is the results of an epoch.
type Row struct {
	Epoch     int     `json:"epoch"`
	Rate      float64 `json:"rate"` // behind its last step
	TrainLoss float64 `json:"train_loss"`
	TrainAcc  float64 `json:"train_acc"`
	ValLoss   float64 `json:"val_loss"` // NaN without validation
	ValAcc    float64 `json:"val_acc"`
	Seconds   float64 `json:"seconds"` // of training, without evaluation
	Images    int     `json:"images"`
}

// jsonFloat keeps what JSON has no number for.
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
}

// MarshalJSON writes NaN as a string.
func (r Row) MarshalJSON() ([]byte, error) {
	return json.Marshal(rowJSON{r.Epoch, jsonFloat(r.Rate), jsonFloat(r.TrainLoss), jsonFloat(r.TrainAcc), jsonFloat(r.ValLoss), jsonFloat(r.ValAcc), jsonFloat(r.Seconds), r.Images})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Row) UnmarshalJSON(b []byte) error {
	var j rowJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*r = Row{j.Epoch, float64(j.Rate), float64(j.TrainLoss), float64(j.TrainAcc), float64(j.ValLoss), float64(j.ValAcc), float64(j.Seconds), j.Images}
	return nil
}

// ErrNoCheckpoint says that a folder has none.
var ErrNoCheckpoint = errors.New("there is no checkpoint")

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
	infos := make([]kernel.TensorInfo, 0, len(values))
	h := sha256.New()
	h.Write(state)
	for i, p := range e.Params() {
		infos = append(infos, kernel.TensorInfo{Name: p.Name, Shape: p.Shape})
		hashFloats(h, p.Name, values[i])
	}
	meta := map[string]string{"incc.state": string(state), "incc.sha256": hex.EncodeToString(h.Sum(nil))}
	path := filepath.Join(dir, checkpointName(s.Global))
	err = kernel.WriteTensors(fs, path, meta, infos, func(dst []float32, i int) error {
		copy(dst, values[i])
		return nil
	})
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	names, err := checkpoints(fs, dir)
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

// checkpoints lists those of a folder, the newest last.
func checkpoints(fs FS, dir string) ([]string, error) {
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

// ReadCheckpoint loads the newest checkpoint of a folder that is whole into the
// engine and returns the state. Where the newest is damaged the one before
// serves; run must be the identity that it was written under.
func ReadCheckpoint(fs FS, dir, run string, e Engine) (*State, error) {
	names, err := checkpoints(fs, dir)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, n := range slices.Backward(names) {
		s, err := loadCheckpoint(fs, filepath.Join(dir, n), run, e)
		if err == nil {
			return s, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", n, err))
	}
	return nil, errors.Join(append(errs, fmt.Errorf("%s: %w", dir, ErrNoCheckpoint))...)
}

func loadCheckpoint(fs FS, path, run string, e Engine) (*State, error) {
	f, size, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := kernel.OpenTensors(f, size)
	if err != nil {
		return nil, err
	}
	s := &State{}
	text := t.Metadata()["incc.state"]
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	h := sha256.New()
	_, _ = io.WriteString(h, text)
	params := e.Params()
	var values [][]float32
	for _, p := range params {
		info, ok := t.Info(p.Name)
		if !ok || !slices.Equal(info.Shape, p.Shape) {
			return nil, fmt.Errorf("it has no %s of %v", p.Name, p.Shape)
		}
		v, err := t.Float32s(p.Name)
		if err != nil {
			return nil, err
		}
		hashFloats(h, p.Name, v)
		values = append(values, v)
	}
	if len(t.All()) != len(params) {
		return nil, fmt.Errorf("it holds %d tensors, the run %d", len(t.All()), len(params))
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != t.Metadata()["incc.sha256"] {
		return nil, errors.New("its sum is wrong: it is damaged")
	}
	if s.Run != run {
		return nil, fmt.Errorf("it is of another run (%s, not %s): the spec, the data, the seed or the version differ", s.Run, run)
	}
	for i, p := range params {
		if err := e.Set(p.Name, values[i]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// WriteWeights writes the network's weights and statistics alone, for incc
// compile, predict and gen: their averages where the recipe keeps some.
func WriteWeights(fs FS, path string, e Engine, meta map[string]string) error {
	var infos []kernel.TensorInfo
	var source []string
	for _, p := range e.Params() {
		if p.Slot {
			continue
		}
		infos = append(infos, kernel.TensorInfo{Name: p.Name, Shape: p.Shape})
		if p.Average != "" {
			source = append(source, p.Average)
		} else {
			source = append(source, p.Name)
		}
	}
	return kernel.WriteTensors(fs, path, meta, infos, func(dst []float32, i int) error { return e.Get(source[i], dst) })
}
