package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/train"
)

// TestRunLock: while one training has locked a folder, another gives an error. A lock file
// that a killed process left does not matter. A training removes its lock file.
func TestRunLock(t *testing.T) {
	dir := killable(t)
	out := filepath.Join(dir, "run")
	if err := os.MkdirAll(out, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, runLock), []byte("123456789\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockRun(out)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"train", "killed.incc", "--data", ".", "--epochs", "1", "--out", "run"}
	text, err := inccProcess(t, dir, args...).CombinedOutput()
	if want := "run is in use by another training (process " + strconv.Itoa(os.Getpid()) + ")"; err == nil || !strings.Contains(string(text), want) {
		t.Errorf("error %v, want %s\n%s", err, want, text)
	}
	entries, err := os.ReadDir(out)
	if err != nil || len(entries) != 1 {
		t.Errorf("the refused training wrote files: %v, %v", entries, err)
	}
	unlock()
	if text, err := inccProcess(t, dir, args...).CombinedOutput(); err != nil {
		t.Errorf("after the lock: %v\n%s", err, text)
	}
	if exists(filepath.Join(out, runLock)) {
		t.Error("the lock file is left")
	}
	// A directory in place of the lock file.
	if err := os.Mkdir(filepath.Join(out, runLock), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := lockRun(out); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory as the lock: %v", err)
	}
}

func TestRunName(t *testing.T) {
	for file, want := range map[string]string{
		"imported/net.incc": "imported", "net.incc": "net", "/net.incc": "net",
		"specs/mnist/nin.incc": "mnist_nin", "a b.incc": "a_b", "x/..incc": "run", "a\nb\x1b.incc": "a_b_", "ü.incc": "ü", `c:\x.incc`: "c__x",
		strings.Repeat("é", 200) + ".incc": strings.Repeat("é", 100), ".incc": "run",
	} {
		got := runName(file)
		if got != want || !plainName(got) {
			t.Errorf("runName(%q) = %q, want %q", file, got, want)
		}
	}
}

// FuzzRunFiles: reading run.json, results.csv and summary.json never panics, and values from
// run.json are within the bounds of the flags.
func FuzzRunFiles(f *testing.F) {
	f.Add([]byte(`{"incc":"0.1.0","name":"lenet","data":"mnist","val":-1,"engine":"cpu","identity":{"data":"x"}}`))
	f.Add([]byte(`{"name":"../x","data":"/dev/zero","val":99999999999,"limit_batches":-1,"overfit":1e9,"init":"\u0000","engine":"gpu","identity":"0123"}`))
	f.Add([]byte("epoch,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n1,0.1,2.3,0.1,,,1.5\n2,0.1,NaN,+Inf,-0,1e-300,0.000\n"))
	f.Add([]byte("epoch,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n999999999999,,,,,,\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if b, err := parseBegin(text); err == nil {
			if !plainName(b.Name) || filepath.Base(b.Name) != b.Name || b.LimitBatches < 0 || b.Overfit < 0 {
				t.Fatalf("%+v", b)
			}
			for name, value := range b.flags() {
				if _, err := parseValidation(b.flags()["val"]); err != nil {
					t.Fatal(err)
				}
				if name == "limit-batches" || name == "overfit" {
					if n, err := strconv.Atoi(value); err != nil || n > math.MaxInt32 {
						t.Fatalf("%s=%s", name, value)
					}
				}
			}
			again, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := parseBegin(again); err != nil || !reflect.DeepEqual(c.flags(), b.flags()) {
				t.Fatalf("%+v becomes %+v, %v", b, c, err)
			}
		}
		var info runInfo
		_ = json.Unmarshal(text, &info)
		rows, err := parseResults(text)
		if err != nil {
			return
		}
		for i, r := range rows {
			if r.Epoch != i+1 {
				t.Fatalf("row %d: %+v", i, r)
			}
		}
		dir := t.TempDir()
		if err := writeResults(dir, rows); err != nil {
			t.Fatal(err)
		}
		again, err := readResults(dir)
		if err != nil || len(again) != len(rows) {
			t.Fatalf("%d rows become %d, %v", len(rows), len(again), err)
		}
	})
}

// Results with NaN and infinity are the same after writing and reading the file.
func TestResultsRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rows := []train.Row{{Epoch: 1, Rate: 0.5, TrainLoss: math.NaN(), TrainAcc: 1, ValLoss: math.Inf(1), ValAcc: 0.25, Seconds: 2}, {Epoch: 2, Rate: 1e-30}}
	if err := writeResults(dir, rows); err != nil {
		t.Fatal(err)
	}
	got, err := readResults(dir)
	if err != nil || len(got) != 2 || !math.IsNaN(got[0].TrainLoss) || !math.IsInf(got[0].ValLoss, 1) || got[1] != rows[1] {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "a,b\n", "epoch\n1\n", strings.Join(resultColumns, ",") + "\n2,,,,,,\n", strings.Join(resultColumns, ",") + "\n1,x,,,,,\n"} {
		if rows, err := parseResults([]byte(bad)); bad != "" && err == nil || len(rows) > 0 {
			t.Errorf("%q: %v, %v", bad, rows, err)
		}
	}
}
