package train

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
)

var testIdentity = Identity{"data": "bars", "engine": "ref"}

// testSteps is the number of steps of an epoch of testConfig.
const testSteps = 6

// testState is the state after some steps, fewer than an epoch has.
func testState(global int64) *State {
	return &State{Run: testIdentity, Step: int(global), Steps: testSteps, Global: global, LossSum: float64(global), BestAt: -1}
}

// tiny is a network of everything that a step depends on: convolution, batch
// norm (statistics), dropout (masks by step), dense.
func tiny(t testing.TB) *ir.Graph {
	t.Helper()
	b := ir.NewBuilder("tiny")
	w := func(name string, init ir.Init, kind ir.Kind, shape ...int) *ir.Value {
		return b.Param(name, shape, ir.Param{Kind: kind, Init: init, LR: 1, Decay: 1})
	}
	c := func(v float64) ir.Init { return ir.Init{Kind: ir.InitConstant, A: v} }
	x := b.Input("image", ir.Float(ir.Batch, 1, 6, 6))
	y := b.Do(ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, x, w("w", ir.Init{Kind: ir.InitHe}, ir.Weight, 4, 1, 3, 3))
	y = b.Do(ops.BatchNorm{Eps: 1e-3, Momentum: .9}, y, w("gamma", c(1), ir.Weight, 4), w("beta", c(0), ir.Weight, 4), w("mean", c(0), ir.State, 4), w("variance", c(1), ir.State, 4))
	y = b.Do(ops.Dropout{P: .2}, b.Do(ops.ReLU{}, y))
	y = b.Do(ops.Dense{}, b.Do(ops.Flatten{}, y), w("v", ir.Init{Kind: ir.InitGlorot}, ir.Weight, 3, 64), w("c", c(0), ir.Weight, 3))
	b.Graph().Outputs = []*ir.Value{b.Do(ops.Softmax{Axis: 1}, y)}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	return b.Graph()
}

// bars is a data set that can be learned: class k has a bright bar at row 2k.
func bars(n int) *data.Set {
	s := &data.Set{C: 1, H: 6, W: 6, Classes: 3}
	r := data.NewDraws(4, 0, 0)
	for i := range n {
		k := i % 3
		s.Labels = append(s.Labels, int32(k))
		for y := range 6 {
			for range 6 {
				v := 100 * r.Float()
				if y == 2*k {
					v += 100
				}
				s.Pixels = append(s.Pixels, uint8(v))
			}
		}
	}
	return s
}

var testRecipe = recipe.Train{
	Optimizer: recipe.Optimizer{Kind: "sgd", LR: .05, Momentum: .9, Decay: 1e-4},
	Schedule:  recipe.Schedule{Kind: "cosine"},
	Augment:   []recipe.Augment{{Pad: 1, Crop: 6, Flip: .5}},
	Run:       recipe.Run{Seed: 3},
}

func testConfig(t testing.TB, fs FS) Config {
	t.Helper()
	set, val := bars(48), bars(12)
	tr, err := data.NewTransform(set, &recipe.Input{Lo: 0, Hi: 1}, testRecipe.Augment, 1, 6, 6)
	if err != nil {
		t.Fatal(err)
	}
	return Config{Dir: "run", FS: fs, Recipe: testRecipe, Seed: 3, Train: set, Val: val, Input: tr, Identity: testIdentity, Epochs: 3, Every: 2}
}

func testEngine(t testing.TB) *Reference {
	t.Helper()
	o := autodiff.FromRecipe(&testRecipe)
	o.Seed = 3
	e, err := NewReference(tiny(t), o, 8, 3)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// fingerprint is the hash of all that an engine holds.
func fingerprint(t testing.TB, e Engine) string {
	t.Helper()
	values, err := readAll(e)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for i, p := range e.Params() {
		hashFloats(h, p.Name, values[i])
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestRunLearns(t *testing.T) {
	fs := newMemFS()
	e := testEngine(t)
	c := testConfig(t, fs)
	c.Epochs = 12
	s, err := Run(context.Background(), e, c)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Rows) != 12 || s.Global != 72 {
		t.Fatalf("%d epochs, %d steps", len(s.Rows), s.Global)
	}
	if first, last := s.Rows[0], s.Rows[11]; !(last.TrainLoss < first.TrainLoss) || last.ValAcc < .9 {
		t.Errorf("loss %g -> %g, validation accuracy %g", first.TrainLoss, last.TrainLoss, last.ValAcc)
	}
	names, _ := fs.List("run")
	if want := []string{"best.safetensors", "checkpoint-000000000070.safetensors", "checkpoint-000000000072.safetensors", "last.safetensors"}; !slices.Equal(names, want) {
		t.Errorf("the folder holds %v, want %v", names, want)
	}
}

// However often and wherever a run is interrupted, it ends with the same bits.
func TestResumeToTheSameBits(t *testing.T) {
	e := testEngine(t)
	whole, err := Run(context.Background(), e, testConfig(t, newMemFS()))
	if err != nil {
		t.Fatal(err)
	}
	want := fingerprint(t, e)
	for _, stops := range [][]int64{{1}, {6}, {7}, {17}, {3, 4, 5, 11, 12}} {
		fs := newMemFS()
		var e *Reference
		var s *State
		for i := 0; i <= len(stops); i++ {
			e = testEngine(t) // a new process knows nothing
			c := testConfig(t, fs)
			c.Resume = i > 0
			if i < len(stops) {
				c.stopHere = func(g int64) bool { return g == stops[i] }
			}
			if s, err = Run(context.Background(), e, c); i < len(stops) && !errors.Is(err, ErrInterrupted) || i == len(stops) && err != nil {
				t.Fatalf("stops %v, part %d: %v", stops, i, err)
			}
		}
		if got := fingerprint(t, e); got != want {
			t.Errorf("interrupted at %v the run ends with other weights", stops)
		}
		for i, r := range s.Rows {
			w := whole.Rows[i]
			if r.TrainLoss != w.TrainLoss || r.ValAcc != w.ValAcc || r.Rate != w.Rate {
				t.Errorf("interrupted at %v epoch %d is %+v, want %+v", stops, i+1, r, w)
			}
		}
	}
}

// Killed without a word at any moment: what is on the disk serves.
func TestKillAnywhere(t *testing.T) {
	e := testEngine(t)
	if _, err := Run(context.Background(), e, testConfig(t, newMemFS())); err != nil {
		t.Fatal(err)
	}
	want := fingerprint(t, e)
	ops := 0
	for n := 1; ; n += 5 {
		fs := newMemFS()
		fs.failAt, fs.kill = n, true
		e := testEngine(t)
		_, err := Run(context.Background(), e, testConfig(t, fs))
		if err == nil {
			ops = n
			break
		}
		fs = fs.afterCrash()
		e = testEngine(t)
		c := testConfig(t, fs)
		names, _ := Checkpoints(fs, "run")
		c.Resume = len(names) > 0
		if _, err := Run(context.Background(), e, c); err != nil {
			t.Fatalf("killed at operation %d: %v", n, err)
		}
		if got := fingerprint(t, e); got != want {
			t.Fatalf("killed at operation %d the run ends with other weights", n)
		}
	}
	if ops < 50 {
		t.Errorf("only %d operations", ops)
	}
}

// A file system that fails at any operation of a checkpoint: the old one or the
// new one loads.
func TestFailingFileSystem(t *testing.T) {
	e := testEngine(t)
	for _, kind := range []string{"error", "short", "kill"} {
		n := 1
		for ; ; n++ {
			fs := newMemFS()
			if err := fs.MkdirAll("run"); err != nil {
				t.Fatal(err)
			}
			for g := int64(1); g <= 2; g++ {
				if err := WriteCheckpoint(fs, "run", e, testState(g)); err != nil {
					t.Fatal(err)
				}
			}
			fs.ops, fs.failAt, fs.short, fs.kill = 0, n, kind == "short", kind == "kill"
			err := WriteCheckpoint(fs, "run", e, testState(3))
			failed := fs.ops >= n
			if fs.kill {
				fs = fs.afterCrash()
			}
			fs.failAt = 0
			s, rerr := ReadCheckpoint(fs, "run", testIdentity, testSteps, testEngine(t))
			if rerr != nil || s.Global < 2 || (err == nil && s.Global != 3) {
				t.Fatalf("%s at operation %d: writing %v, reading %+v, %v", kind, n, err, s, rerr)
			}
			if !failed {
				break
			}
			if err == nil && kind != "kill" && s.Global != 3 {
				t.Errorf("%s at operation %d was not told", kind, n)
			}
		}
		if n < 6 {
			t.Errorf("%s: only %d operations", kind, n)
		}
	}
}

func TestDamagedCheckpoint(t *testing.T) {
	fs := newMemFS()
	e := testEngine(t)
	if err := fs.MkdirAll("run"); err != nil {
		t.Fatal(err)
	}
	for g := int64(1); g <= 2; g++ {
		if err := WriteCheckpoint(fs, "run", e, testState(g)); err != nil {
			t.Fatal(err)
		}
	}
	newest := filepath.Join("run", checkpointName(2))
	b := fs.files[newest].data
	for _, at := range []int{0, 9, len(b) / 2, len(b) - 1} {
		b[at] ^= 1
		if s, err := ReadCheckpoint(fs, "run", testIdentity, testSteps, e); err != nil || s.Global != 1 {
			t.Errorf("byte %d changed: %+v, %v", at, s, err)
		}
		var notes []string
		if _, err := readCheckpoint(fs, "run", testIdentity, testSteps, e, func(n string) { notes = append(notes, n) }); err != nil ||
			len(notes) != 1 || !strings.HasPrefix(notes[0], checkpointName(2)+" cannot be used: ") || !strings.HasSuffix(notes[0], "; "+checkpointName(1)+" is used instead") {
			t.Errorf("byte %d changed: it says %q, %v", at, notes, err)
		}
		b[at] ^= 1
	}
	if s, err := ReadCheckpoint(fs, "run", testIdentity, testSteps, e); err != nil || s.Global != 2 {
		t.Errorf("whole again: %+v, %v", s, err)
	}
	if _, err := ReadCheckpoint(newMemFS(), "run", testIdentity, testSteps, e); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("no checkpoint: %v", err)
	}
}

// A loss that is no number stops the run before the weights change.
func TestNonFinite(t *testing.T) {
	e := testEngine(t)
	v := make([]float32, 3*64)
	if err := e.Get("v", v); err != nil {
		t.Fatal(err)
	}
	for i := range v {
		v[i] = 3e38
	}
	if err := e.Set("v", v); err != nil {
		t.Fatal(err)
	}
	// In float64 the logits are large but finite; an infinite weight makes them not.
	v[0] = float32(math.Inf(1))
	if err := e.Set("v", v); err != nil {
		t.Fatal(err)
	}
	before := fingerprint(t, e)
	_, err := Run(context.Background(), e, testConfig(t, newMemFS()))
	var nf *NonFiniteError
	if !errors.As(err, &nf) {
		t.Fatal(err)
	}
	if fingerprint(t, e) != before {
		t.Error("the weights changed")
	}
}

// TestSchedule: what a recipe says reaches the schedule, and the drops of plateaus
// come on top.
func TestSchedule(t *testing.T) {
	c := Config{Epochs: 10, Recipe: testRecipe}
	c.Recipe.Optimizer.LR = .1
	for _, x := range []struct {
		s     recipe.Schedule
		drops int
		want  float64
	}{
		{recipe.Schedule{}, 3, .1},
		{recipe.Schedule{Kind: "step", At: []float64{3, 4}, Factor: .5}, 0, .025},
		{recipe.Schedule{Kind: "poly", Power: 2}, 0, .025},
		{recipe.Schedule{Kind: "step", Every: 2, Floor: .02}, 0, .02},
		{recipe.Schedule{Kind: "constant", Warmup: 10}, 0, .1 * 5.001 / 10},
		{recipe.Schedule{Kind: "plateau"}, 2, .001},
		{recipe.Schedule{Kind: "plateau", Factor: .5, Floor: .04}, 2, .04},
	} {
		c.Recipe.Schedule = x.s
		if got := c.rate(&State{Global: 50, Drops: x.drops}, 10); math.Abs(got-x.want) > 1e-12 {
			t.Errorf("%+v after %d drops: %g, want %g", x.s, x.drops, got, x.want)
		}
	}
}

func TestExp(t *testing.T) {
	for x := -20.0; x < 20; x += .37 {
		if got, want := exp(x), math.Exp(x); math.Abs(got/want-1) > 1e-12 {
			t.Errorf("exp(%g) = %g, want %g", x, got, want)
		}
	}
}

// memFS is a file system that fails where it is told to, and forgets at a crash
// what was not synced.
type memFS struct {
	files  map[string]*memFile // as the process sees them
	disk   map[string]*memFile // names that are on the disk
	ops    int
	failAt int
	short  bool // writes are cut off instead of failing at once
	kill   bool // every operation after the failing one fails too
}

type memFile struct {
	fs     *memFS
	data   []byte
	synced []byte
}

var errDisk = errors.New("input/output error")

func newMemFS() *memFS { return &memFS{files: map[string]*memFile{}, disk: map[string]*memFile{}} }

func (m *memFS) fails() bool {
	m.ops++
	return m.failAt > 0 && (m.ops == m.failAt || m.kill && m.ops > m.failAt)
}

// afterCrash is what is found when the machine comes up again.
func (m *memFS) afterCrash() *memFS {
	n := newMemFS()
	for name, f := range m.disk {
		n.files[name] = &memFile{fs: n, data: bytes.Clone(f.synced), synced: bytes.Clone(f.synced)}
		n.disk[name] = n.files[name]
	}
	return n
}

func (m *memFS) MkdirAll(string) error {
	if m.fails() {
		return errDisk
	}
	return nil
}

func (m *memFS) Create(path string) (File, error) {
	if m.fails() {
		return nil, errDisk
	}
	f := &memFile{fs: m}
	m.files[path] = f
	return f, nil
}

func (m *memFS) Replaceable(string) error { return nil }

func (m *memFS) Open(path string) (ReadFile, int64, error) {
	if m.fails() {
		return nil, 0, errDisk
	}
	f := m.files[path]
	if f == nil {
		return nil, 0, fmt.Errorf("%s: no such file", path)
	}
	return memReader{bytes.NewReader(bytes.Clone(f.data))}, int64(len(f.data)), nil
}

type memReader struct{ *bytes.Reader }

func (memReader) Close() error { return nil }

func (m *memFS) Rename(from, to string) error {
	if m.fails() {
		return errDisk
	}
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *memFS) Remove(path string) error {
	if m.fails() {
		return errDisk
	}
	delete(m.files, path)
	return nil
}

func (m *memFS) SyncDir(string) error {
	if m.fails() {
		return errDisk
	}
	m.disk = map[string]*memFile{}
	for n, f := range m.files {
		m.disk[n] = f
	}
	return nil
}

func (m *memFS) List(dir string) ([]string, error) {
	var names []string
	for n := range m.files {
		if filepath.Dir(n) == dir {
			names = append(names, filepath.Base(n))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (f *memFile) Write(b []byte) (int, error) {
	if f.fs.fails() {
		if f.fs.short {
			f.data = append(f.data, b[:len(b)/2]...)
			return len(b) / 2, io.ErrShortWrite
		}
		return 0, errDisk
	}
	f.data = append(f.data, b...)
	return len(b), nil
}

func (f *memFile) Sync() error {
	if f.fs.fails() {
		return errDisk
	}
	f.synced = bytes.Clone(f.data)
	return nil
}

func (f *memFile) Close() error {
	if f.fs.fails() {
		return errDisk
	}
	return nil
}
