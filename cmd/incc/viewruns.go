package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/incc-lang/incc/backends/files"
	readweights "github.com/incc-lang/incc/backends/weights"
	"github.com/incc-lang/incc/cmd/incc/view"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// runCache keeps the results of runs, which the page asks for several times a second.
type runCache struct {
	dirs []string
	mu   sync.Mutex
	rows map[string]cachedRows
}

// cachedRows are the rows of a results.csv with a size and a time of change.
type cachedRows struct {
	size int64
	time time.Time
	rows []map[string]view.Value
	best int
}

// read returns the results of a run, which are read again when their file has changed.
func (k *runCache) read(dir string) (cachedRows, error) {
	fi, err := os.Stat(filepath.Join(dir, runResults))
	if errors.Is(err, fs.ErrNotExist) {
		return cachedRows{rows: []map[string]view.Value{}}, nil
	}
	if err != nil {
		return cachedRows{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r, ok := k.rows[dir]; ok && r.size == fi.Size() && r.time.Equal(fi.ModTime()) {
		return r, nil
	}
	rows, err := readResults(dir)
	if err != nil {
		return cachedRows{}, err
	}
	r := cachedRows{size: fi.Size(), time: fi.ModTime(), rows: []map[string]view.Value{}}
	images := imagesOf(dir)
	for _, row := range rows {
		r.rows = append(r.rows, map[string]view.Value{
			"epoch": view.Value(row.Epoch), "rate": view.Value(row.Rate), "train_loss": view.Value(row.TrainLoss), "train_acc": view.Value(row.TrainAcc),
			"val_loss": view.Value(row.ValLoss), "val_acc": view.Value(row.ValAcc), "rate_images": view.Value(images / row.Seconds),
		})
		if row.ValAcc > 0 && (r.best == 0 || row.ValAcc > rows[r.best-1].ValAcc) {
			r.best = len(r.rows)
		}
	}
	k.rows[dir] = r
	return r, nil
}

// runs describes the runs as they are now.
func (k *runCache) runs() ([]view.Run, error) {
	var list []view.Run
	for _, dir := range k.dirs {
		rows, err := k.read(dir)
		if err != nil {
			return nil, err
		}
		r := view.Run{Name: filepath.Base(dir), Facts: [][2]string{}, Rows: rows.rows, Best: rows.best}
		if b, err := readBegin(dir); err == nil {
			r.Resumed = b.Resumed
		}
		info, err := readSummaryFile(dir)
		finished := err == nil
		r.State = stateOf(dir, finished)
		if finished {
			if info.BestEpoch >= 1 && info.BestEpoch <= len(r.Rows) {
				r.Best = info.BestEpoch
			}
			r.Facts = factsOf(info)
		}
		list = append(list, r)
	}
	return list, nil
}

// factsOf lists what a page shows of a finished run.
func factsOf(info runInfo) [][2]string {
	facts := [][2]string{{"parameters", diag.Thousands(info.Params)}, {"batch", fmt.Sprint(info.Batch)}, {"seed", fmt.Sprint(info.Seed)}}
	for _, f := range []struct {
		name  string
		value *float64
	}{{"validation", info.ValAcc}, {"test", info.TestAcc}} {
		if f.value != nil {
			facts = append(facts, [2]string{f.name, percent(*f.value)})
		}
	}
	return append(facts, [2]string{"seconds", fmt.Sprintf("%.0f", info.TrainSeconds)})
}

// stateOf says whether a run goes on, is finished, or has ended before. A process that is
// killed leaves its lock file.
func stateOf(dir string, finished bool) string {
	switch {
	case trainingIn(dir):
		return "running"
	case finished:
		return "finished"
	case exists(filepath.Join(dir, runLock)):
		return "killed"
	}
	return "stopped"
}

// imagesOf returns how many images a run trains on in an epoch, NaN where run.json does not
// say it. results.csv does not have that number.
func imagesOf(dir string) float64 {
	b, err := readBegin(dir)
	n := 0
	if err != nil || b.LimitBatches > 0 || b.Overfit > 0 {
		return math.NaN()
	}
	if _, err := fmt.Sscanf(b.Identity["images"], "%d for training", &n); err != nil {
		return math.NaN()
	}
	return float64(n)
}

// trainingIn reports whether a training goes on in the folder of a run: the process that its
// lock file names lives and holds the lock. After a restart of the machine, another process
// may have its number. The lock is tried only if there is such a process, so that a training
// that starts now finds it free.
func trainingIn(dir string) bool {
	path := filepath.Join(dir, runLock)
	b, err := files.Read(path, 64)
	if err != nil {
		return false
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil || !alive(pid) {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return true
	}
	defer f.Close() // releases the lock
	err = lockFile(f)
	return errors.Is(err, errLocked) || !hasLocks
}

// alive reports whether there is a process of a number.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	if runtime.GOOS == "windows" {
		return true
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

// addRuns adds runs to a page.
func addRuns(src *view.Source, dirs []string) {
	src.Runs = (&runCache{dirs: dirs, rows: map[string]cachedRows{}}).runs
	dirOf := func(i int) (string, error) {
		if i < 0 || i >= len(dirs) {
			return "", fmt.Errorf("there is no run %d", i)
		}
		return dirs[i], nil
	}
	src.Details = func(i int) (*view.Details, error) {
		dir, err := dirOf(i)
		if err != nil {
			return nil, err
		}
		return runDetails(dir)
	}
	e := &evaluator{}
	src.Mistakes = func(ctx context.Context, i int) (*view.Mistakes, error) {
		dir, err := dirOf(i)
		if err != nil {
			return nil, err
		}
		return e.mistakes(ctx, dir)
	}
}

// runDetails reads the confusion matrix and the filters of a run; those that it does not have
// yet are missing.
func runDetails(dir string) (*view.Details, error) {
	d := &view.Details{}
	var err error
	if d.Confusion, err = files.Read(filepath.Join(dir, "confusion.png"), maxRunFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	d.Filters, err = runFilters(dir)
	return d, err
}

// maxFilterWeights is the largest number of weights of a layer that a page shows as filters.
const maxFilterWeights = 1 << 20

// runFilters reads the weights of the first convolution of a run, nil if there are none.
func runFilters(dir string) (*view.Filters, error) {
	path := weightsOfRun(dir)
	if path == "" || !exists(filepath.Join(dir, runSpec)) {
		return nil, nil
	}
	s, err := readSpec(filepath.Join(dir, runSpec))
	if err != nil {
		return nil, err
	}
	g, problems := dsl.Load(s.file, s.text, dsl.Options{ReadFile: s.open, Hollow: true})
	if problems.HasErrors() {
		return nil, problems.Err()
	}
	i := slices.IndexFunc(g.Nodes, func(n *ir.Node) bool { return ir.Name(n.Op) == "conv" })
	if i < 0 {
		return nil, nil
	}
	w := g.Nodes[i].In[1]
	if w.Param == nil || len(w.Type.Shape) != 4 || w.Type.Shape.Size() > maxFilterWeights {
		return nil, nil
	}
	f, err := readweights.Open(path)
	if err != nil {
		return nil, withPath(path, err)
	}
	defer f.Close()
	t, err := f.Tensors()
	if err != nil {
		return nil, withPath(path, err)
	}
	x := make([]float32, w.Type.Shape.Size())
	if info, ok := t.Info(w.Name); !ok || !slices.Equal(info.Shape, w.Type.Shape) {
		return nil, fmt.Errorf("%s has no weights %s of shape %v", diag.Name(path), diag.Quote(w.Name), w.Type.Shape)
	}
	if err := t.ReadInto(x, w.Name); err != nil {
		return nil, withPath(path, err)
	}
	return view.NewFilters(w.Name, w.Type.Shape, x), nil
}

// evaluator evaluates runs, one at a time.
type evaluator struct{ mu sync.Mutex }

// errEvaluating says that another evaluation goes on.
var errEvaluating = errors.New("another run is being evaluated: try again when that is done")

// mistakes does for a run what incc eval does, and returns its results and its sheet of
// mistakes. An evaluation that takes longer than the context allows goes on unseen.
func (e *evaluator) mistakes(ctx context.Context, dir string) (*view.Mistakes, error) {
	if !e.mu.TryLock() {
		return nil, errEvaluating
	}
	type result struct {
		m   *view.Mistakes
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer e.mu.Unlock()
		m, err := evaluateRun(ctx, dir)
		done <- result{m, err}
	}()
	select {
	case r := <-done:
		return r.m, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the evaluation takes too long for a page: incc eval %s --sheet wrong.png does it", diag.Name(dir))
	}
}

// evaluateRun runs incc eval for a run.
func evaluateRun(ctx context.Context, dir string) (*view.Mistakes, error) {
	temp, err := os.MkdirTemp("", "incc-view")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	sheet := filepath.Join(temp, "wrong.png")
	whole, err := filepath.Abs(dir) // no flag begins with a slash
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := newApp(bytes.NewReader(nil), &out, io.Discard).RunContext(ctx, []string{"incc", "eval", "--json", "--sheet", sheet, whole}); err != nil {
		return nil, err
	}
	var report struct {
		Split    string  `json:"split"`
		Images   int     `json:"images"`
		Accuracy float64 `json:"accuracy"`
		Loss     float64 `json:"loss"`
		Balanced float64 `json:"balanced_accuracy"`
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		return nil, err
	}
	m := &view.Mistakes{Facts: [][2]string{{"part of the data", report.Split}, {"images", diag.Thousands(int64(report.Images))}, {"accuracy", percent(report.Accuracy)},
		{"balanced accuracy", percent(report.Balanced)}, {"loss", fmt.Sprintf("%.4f", report.Loss)}}}
	m.Sheet, err = files.Read(sheet, maxRunFile)
	return m, err
}
