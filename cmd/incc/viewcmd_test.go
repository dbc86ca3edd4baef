package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/incc-lang/incc/backends/cpu/train"
)

// TestRunsOfPage reads the runs that a page shows: their curves, the images a second, and
// whether they go on; again when their results have changed.
func TestRunsOfPage(t *testing.T) {
	if !hasLocks {
		t.Skip("this system has no locks")
	}
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(runStart, `{"incc":"0.1.0","name":"run","data":"/d","val":"","engine":"cpu","identity":{"images":"432 for training and 108 for validation"}}`)
	k := &runCache{dirs: []string{dir}, rows: map[string]cachedRows{}}
	one := func(rows int, state string) {
		t.Helper()
		list, err := k.runs()
		if err != nil || len(list) != 1 || len(list[0].Rows) != rows || list[0].State != state {
			t.Fatalf("%+v, %v; want %d rows, %s", list, err, rows, state)
		}
	}
	one(0, "stopped")
	rows := []train.Row{{Epoch: 1, Rate: 0.1, TrainLoss: 2, TrainAcc: 0.3, ValLoss: math.NaN(), ValAcc: 0.5, Seconds: 2}, {Epoch: 2, Rate: 0.1, TrainLoss: 1, TrainAcc: 0.6, ValLoss: 1, ValAcc: 0.4, Seconds: 4}}
	if err := writeResults(dir, rows[:1]); err != nil {
		t.Fatal(err)
	}
	one(1, "stopped")
	if err := writeResults(dir, rows); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(filepath.Join(dir, runResults), later, later); err != nil {
		t.Fatal(err)
	}
	one(2, "stopped")
	list, err := k.runs()
	if err != nil || list[0].Best != 1 || list[0].Rows[0]["rate_images"] != 216 || list[0].Rows[1]["rate_images"] != 108 {
		t.Errorf("%+v, %v", list, err)
	}
	unlock, err := lockRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	one(2, "running")
	unlock()
	// A killed process leaves its lock file. Later, another process may have its number, here
	// that of the test, which does not hold the lock.
	for _, pid := range []int{os.Getpid(), 1 << 30} {
		write(runLock, fmt.Sprintf("%d\n", pid))
		one(2, "killed")
	}
	unlock, err = lockRun(dir) // no look at it keeps a training out
	if err != nil {
		t.Fatal(err)
	}
	one(2, "running")
	unlock()
	if err := writeSummaryFile(dir, runInfo{BestEpoch: 99999, Params: 7}); err != nil {
		t.Fatal(err)
	}
	one(2, "finished")
	if list, err := k.runs(); err != nil || list[0].Best != 1 || len(list[0].Facts) == 0 {
		t.Errorf("a damaged summary: %+v, %v", list, err)
	}
}
