package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// killedSpec has every kind of state that a run must not lose: statistics, momentum, dropout
// masks, augmentation, the average of the weights, the learning rate of a plateau schedule.
const killedSpec = `net killed
input image 1x8x8 range=0..1
conv 3x3 8 pad=1 act=relu bn=1e-3 -> maxpool 2x2/2 -> dropout 0.2 -> fc 10 -> softmax
train {
  sgd lr=0.05 momentum=0.9 decay=1e-4
  schedule plateau every=2 factor=0.5
  augment pad=1 crop=8 flip=0.5
  average ema decay=0.95
  run batch=8 epochs=6
}
`

// inccProcess returns a command that runs this test binary as incc; see TestMain.
func inccProcess(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &exec.Cmd{Path: exe, Args: append([]string{"incc"}, args...), Dir: dir}
}

// killable makes a folder with killedSpec and 640 training images.
func killable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	for part, n := range map[string]int{"train": 640, "t10k": 64} {
		var pixels, labels []byte
		for i := range n {
			labels = append(labels, byte(i%10))
			for p := range 64 {
				v := r.IntN(128)
				if p/6 == i%10 {
					v += 100
				}
				pixels = append(pixels, byte(v))
			}
		}
		for name, b := range map[string][]byte{part + "-images-idx3-ubyte": idx(pixels, n, 8, 8), part + "-labels-idx1-ubyte": idx(labels, n)} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "killed.incc"), []byte(killedSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// resultOf describes the folder of a run: checksums of its files and of its results without
// the times, and the names of all files.
func resultOf(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range []string{"last.safetensors", "best.safetensors", "model.onnx", "confusion.png", "confusion.csv"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%x %s\n", sha256.Sum256(text), name)
	}
	text, err := os.ReadFile(filepath.Join(dir, runResults))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 7 || !slices.Contains(rows[0], "seconds") {
		t.Fatalf("%v, %d rows of results: %s", err, len(rows), text)
	}
	h := sha256.New()
	head := slices.Clone(rows[0])
	for _, r := range rows {
		for i, name := range head {
			if !strings.HasSuffix(name, "seconds") {
				fmt.Fprintln(h, name, r[i])
			}
		}
	}
	fmt.Fprintf(&b, "%x results.csv without seconds\n", h.Sum(nil))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fmt.Fprintln(&b, e.Name())
	}
	return b.String()
}

// TestSIGKILL kills a training process at random times and resumes it, many times. In the
// end its files must have the same bits as those of a run that was never killed, and there
// must be no other files.
func TestSIGKILL(t *testing.T) {
	want, dir := "", killable(t)
	args := func(out string, more ...string) []string {
		return append([]string{"train", "killed.incc", "--data", ".", "--checkpoint-every", "9", "--out", out}, more...)
	}
	start := time.Now()
	if out, err := inccProcess(t, dir, args("whole")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(start)
	want = resultOf(t, filepath.Join(dir, "whole"))

	kills, during := longtest.Count(10, 50, 500), 0
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 3))
	for done, round := 0, 0; done < kills; round++ {
		out := fmt.Sprintf("run%d", round)
		var times []time.Duration
		for {
			c := inccProcess(t, dir, args(out, "--resume", "--threads", strconv.Itoa(1+done%3))...)
			var said bytes.Buffer
			c.Stdout, c.Stderr = &said, &said
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			// After the last kill the process runs to its end.
			after := time.Duration(r.Float64() * 1.3 * float64(whole))
			stop := func() bool { return true }
			if done < kills {
				stop = time.AfterFunc(after, func() { _ = c.Process.Kill() }).Stop
			}
			err := c.Wait()
			stop()
			if err == nil {
				break
			}
			var exit *exec.ExitError
			if runtime.GOOS != "windows" && (!errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL) {
				t.Fatalf("seed %d, kills after %v: %v\n%s", seed, times, err, &said)
			}
			times = append(times, after)
			done++
			if names, _ := filepath.Glob(filepath.Join(dir, out, "checkpoint-*.safetensors")); len(names) > 0 {
				during++
			}
		}
		if got := resultOf(t, filepath.Join(dir, out)); got != want {
			t.Fatalf("seed %d, kills after %v: the run ends with\n%s\nnot with\n%s", seed, times, got, want)
		}
	}
	t.Logf("%d kills, %d of them with a checkpoint on the disk; a whole run takes %v", kills, during, whole)
	if during < kills/4 {
		t.Errorf("only %d of %d kills struck behind the first checkpoint: the times are badly chosen", during, kills)
	}
}

// The first SIGINT or SIGTERM ends a run with a checkpoint and exit code 130. --resume
// continues it, and the result has the same bits.
func TestInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such signals")
	}
	dir := killable(t)
	args := func(out string, more ...string) []string {
		return append([]string{"train", "killed.incc", "--data", ".", "--out", out}, more...)
	}
	if out, err := inccProcess(t, dir, args("whole")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := resultOf(t, filepath.Join(dir, "whole"))
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		out := sig.String()
		c := inccProcess(t, dir, args(out)...)
		said := newWatched("into " + out)
		c.Stdout, c.Stderr = said, said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		said.wait(t)
		if err := c.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		err := c.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted || !strings.Contains(said.String(), "--resume continues") {
			t.Fatalf("%v: %v\n%s", sig, err, said)
		}
		if names, _ := filepath.Glob(filepath.Join(dir, out, "checkpoint-*.safetensors")); len(names) == 0 {
			t.Errorf("%v: no checkpoint", sig)
		}
		if text, err := inccProcess(t, dir, args(out, "--resume")...).CombinedOutput(); err != nil || !strings.Contains(string(text), "continuing at epoch") && !strings.Contains(string(text), "the run is finished") {
			t.Fatalf("%v\n%s", err, text)
		}
		if got := resultOf(t, filepath.Join(dir, out)); got != want {
			// Only the names of the last two checkpoints may differ.
			t.Errorf("%v: the run ends with\n%s\nnot with\n%s", sig, got, want)
		}
	}
}

// The second signal ends the process at once, in the middle of a step. The test uses the
// reference interpreter, whose steps take long enough to see that the first signal does not
// end the process.
func TestInterruptedTwice(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such signals")
	}
	dir := killable(t)
	slow := strings.Replace(killedSpec, "conv 3x3 8 ", "conv 3x3 96 pad=1 -> conv 7x7 384 pad=3 -> conv 3x3 8 ", 1)
	slow = strings.Replace(slow, "batch=8", "batch=256", 1)
	if err := os.WriteFile(filepath.Join(dir, "slow.incc"), []byte(slow), 0o644); err != nil {
		t.Fatal(err)
	}
	c := inccProcess(t, dir, "train", "slow.incc", "--data", ".", "--engine", "ref", "--out", "slow")
	said := newWatched("into slow")
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said.wait(t)
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		t.Fatalf("the first signal ends it within a step: %v\n%s", err, said)
	case <-time.After(time.Second):
	}
	start := time.Now()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := <-ended
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		t.Errorf("%v\n%s", err, said)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "slow", "checkpoint-*.safetensors")); len(names) > 0 {
		t.Errorf("it wrote %v all the same", names)
	}
}

// watched collects the output of a process, and closes seen when text has appeared in it.
// Only one goroutine calls Write, because Stdout and Stderr are the same writer. String must
// be called after the process has ended.
type watched struct {
	said bytes.Buffer
	text string
	once sync.Once
	seen chan struct{}
}

func newWatched(text string) *watched { return &watched{text: text, seen: make(chan struct{})} }

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.said.Write(b)
	if strings.Contains(w.said.String(), w.text) {
		w.once.Do(func() { close(w.seen) })
	}
	return n, err
}

func (w *watched) String() string { return w.said.String() }

func (w *watched) wait(t *testing.T) {
	t.Helper()
	select {
	case <-w.seen:
	case <-time.After(time.Minute):
		t.Fatalf("it has not said %q", w.text)
	}
}
