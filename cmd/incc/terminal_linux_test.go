package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir/diag"
)

// terminal is a pseudo-terminal: a program writes to the file, and a goroutine collects
// the text that a user would see.
type terminal struct {
	file  *os.File
	outer *os.File
	done  chan struct{}
	mu    sync.Mutex
	seen  bytes.Buffer
}

func newTerminal(t *testing.T, columns int) *terminal {
	t.Helper()
	outer, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals: %v", err)
	}
	fd := int(outer.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skipf("there are no pseudo-terminals: %v", err)
	}
	file, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals: %v", err)
	}
	tt := &terminal{file: file, outer: outer, done: make(chan struct{})}
	tt.resize(t, columns)
	go func() {
		defer close(tt.done)
		b := make([]byte, 4096)
		for {
			n, err := outer.Read(b)
			tt.mu.Lock()
			tt.seen.Write(b[:n])
			tt.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { file.Close(); outer.Close() })
	return tt
}

func (tt *terminal) resize(t *testing.T, columns int) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(tt.outer.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
}

// text closes the terminal and returns all text that was written to it.
func (tt *terminal) text() string {
	tt.file.Close()
	select {
	case <-tt.done:
	case <-time.After(10 * time.Second):
	}
	tt.mu.Lock()
	defer tt.mu.Unlock()
	return strings.ReplaceAll(tt.seen.String(), "\r\n", "\n")
}

var clearLine = regexp.MustCompile(`\r(\x1b\[K)?`)

// checkWidth fails the test if a line is wider than the terminal. Each state of the bar
// counts as a line, and must leave the last column free.
func checkWidth(t *testing.T, what, text string, columns int) {
	t.Helper()
	if strings.TrimSpace(text) == "" {
		t.Errorf("%s prints nothing", what)
	}
	for _, line := range strings.Split(text, "\n") {
		states := clearLine.Split(line, -1)
		for i, s := range states {
			limit := columns
			if i > 0 && i+1 < len(states) {
				limit--
			}
			if n := diag.Width(s); n > limit {
				t.Errorf("%s: %d characters on a terminal of %d: %q", what, n, columns, s)
			}
		}
	}
}

// TestTerminalWidth prints help texts and tables on terminals of three widths.
func TestTerminalWidth(t *testing.T) {
	lines := [][]string{{"-h"}, {"gen", "go", "-h"}, {"data", "inspect", "-h"},
		{"summary", "googlenet"}, {"summary", "mnist/inception_v1"}, {"diff", "mnist/inception_v1", "mnist/inception_v3"}, {"specs"}, {"passes"}, {"experiment"},
		{"passes", "mnist/inception_v1", "-O2"}, {"explain"}, {"explain", "conv"}, {"explain", "E0301"}, {"explain", "inception"}, {"explain", "data"}, {"explain", "googlenet"},
		{"summary", "googlenet", "--depth", "1"}, {"diff", "googlenet", "inception_v3"}, {"plan", "mnist/inception_v1", "--buffers"}, {"passes", "googlenet", "-O2"},
		{"data", "inspect", "idx"}, {"train", "small.incc", "--data", "idx", "--dry-run"}, {"compile", "small.incc", "-o", "small.onnx", "--verify", "--timing"},
		{"verify", "small.onnx"}, {"eval", "small.incc", "--weights", "small.safetensors", "--data", "idx"},
		{"train", "small.incc", "--data", "idx", "--find-lr", "--overfit", "8"}, {"run", "small.incc", "--input", "noise"},
		{"new", "mnist/inception_v1", "--force", "-o", "a-file-that-has-a-name-of-some-length.incc"},
		{"train", "small.incc", "--data", "idx", "--out", "a-folder-that-has-a-name-of-some-length", "--force", "--freeze", "a", "--init", "small.safetensors"},
		{"compare", "a-folder-that-has-a-name-of-some-length", "-o", "a-chart-that-has-a-name-of-some-length"},
		{"bench", "small.incc", "--time", "1ms"}, {"doctor"}, {"draw", "small.incc", "-o", "a-drawing-that-has-a-name-of-some-length.svg"},
		{"gen", "go", "small.incc", "--weights", "small.safetensors", "-o", "a-package-that-has-a-name-of-some-length"}}
	t.Chdir(t.TempDir())
	if err := writeIDX("idx", 4, 32, 8); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("small.incc", []byte("net small\ninput image 1x4x4\na: fc 10 -> relu\nb: fc 10 -> softmax\ntrain { sgd lr=0.1; run batch=8 epochs=1 }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("go.mod", []byte("module example\n\ngo 1.26\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := capture(t, "weights", "small.incc", "-o", "small.safetensors"); code != 0 {
		t.Fatal(stderr)
	}
	for _, c := range commands() {
		lines = append(lines, []string{c.Name, "-h"})
	}
	for _, columns := range []int{80, 60, 40} {
		for _, args := range lines {
			tt := newTerminal(t, columns)
			var errw bytes.Buffer
			if code := run(append([]string{"incc"}, args...), strings.NewReader(""), tt.file, &errw); code != 0 {
				t.Fatalf("incc %s exits with %d: %s", strings.Join(args, " "), code, errw.String())
			}
			checkWidth(t, "incc "+strings.Join(args, " "), tt.text(), columns)
		}
	}
}

// TestTerminalErrors prints errors of specs and of commands on narrow terminals.
func TestTerminalErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("bad.incc", []byte("net bad\ninput image 3x16x16\nconv 3x3 8 act=relu -> a_block_with_a_very_long_name_that_nobody_has 8 8 8 8 -> gap -> fc 3 -> softmax wrong=1 -> x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, columns := range []int{80, 60, 40} {
		tt := newTerminal(t, columns)
		if code := run([]string{"incc", "summary", "a-network-that-is-not-there-at-all"}, strings.NewReader(""), tt.file, tt.file); code == 0 {
			t.Error("the command works")
		}
		checkWidth(t, "an error", tt.text(), columns)
		tt = newTerminal(t, columns)
		run([]string{"incc", "summary", "bad.incc"}, strings.NewReader(""), tt.file, tt.file)
		checkWidth(t, "errors of a spec", colours.ReplaceAllString(tt.text(), ""), columns)
	}
}

var colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// TestTerminalBar draws the bar of a long run on a terminal that becomes narrower.
func TestTerminalBar(t *testing.T) {
	for _, columns := range []int{120, 80, 60, 40, 20} {
		tt := newTerminal(t, columns)
		p := newProgress(tt.file)
		p.Begin(&train.State{Global: 7}, 12345, 300, false)
		step := func(n int) {
			p.last = time.Time{}
			p.Step(&train.State{Epoch: 122, Step: n, Global: 1000000}, train.Stats{Loss: 12.3456789}, 128)
		}
		step(0)
		step(12345)
		p.Epoch(train.Row{Epoch: 123, TrainLoss: 12.3456789, TrainAcc: 1, ValLoss: 12.3456789, ValAcc: 1, Images: 1000000, Seconds: 12345})
		if p.drawn {
			t.Error("the bar is still there after the epoch")
		}
		p.Note("a sentence that is longer than the terminal is wide, and which must not be cut off")
		step(100)
		p.end()
		p.end()
		text := tt.text()
		checkWidth(t, "the bar", text, columns)
		if strings.Count(text, "\n") > 30 || !strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\n\n") {
			t.Errorf("%d columns: the bar does not end its line once: %q", columns, text)
		}
		if columns >= 80 && (!strings.Contains(text, "[====") || !strings.Contains(text, "loss 12.3457") || !strings.Contains(text, "left")) {
			t.Errorf("%d columns: the bar lacks something: %q", columns, text)
		}
	}
	tt := newTerminal(t, 100)
	p := newProgress(tt.file)
	p.Begin(&train.State{}, 100, 3, false)
	p.last = time.Time{}
	p.Step(&train.State{}, train.Stats{Loss: 1}, 128)
	tt.resize(t, 40)
	p.last = time.Time{}
	p.Step(&train.State{}, train.Stats{Loss: 1}, 128)
	states := clearLine.Split(tt.text(), -1)
	if last := states[len(states)-1]; len(last) > 39 || len(states[len(states)-2]) < 40 {
		t.Errorf("the bar does not follow the terminal: %q", states)
	}
}

// TestTerminalInterrupt interrupts a run on a terminal: the message is a line of its own.
func TestTerminalInterrupt(t *testing.T) {
	tt := newTerminal(t, 80)
	dir := killable(t)
	cmd := inccProcess(t, dir, "train", "killed.incc", "--data", ".", "--out", "run", "--epochs", "100000", "--engine", "ref") // slow, so that an epoch takes longer than the bar takes to appear
	cmd.Stdout, cmd.Stderr = tt.file, tt.file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 600 { // until the bar is shown
		tt.mu.Lock()
		ready := strings.Contains(tt.seen.String(), "\x1b[K[")
		tt.mu.Unlock()
		if ready {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	text := tt.text()
	if cmd.ProcessState.ExitCode() != exitInterrupted || !strings.Contains(text, "\ninterrupted; ") {
		t.Errorf("%v; the terminal shows %q", err, text)
	}
	for _, l := range strings.Split(text, "\n") {
		if strings.Contains(l, "\r") {
			checkWidth(t, "an interrupted run", l, 80)
		}
	}
}
