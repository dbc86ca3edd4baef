package main

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/specs"
)

// An experiment trains each network once and prints the published results beside its own.
func TestExperiment(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(5, 6))
	for part, n := range map[string]int{"train": 320, "t10k": 16} {
		pixels, labels := make([]byte, n*28*28), make([]byte, n)
		for i := range pixels {
			pixels[i] = byte(r.IntN(256))
		}
		for i := range labels {
			labels[i] = byte(i % 10)
		}
		for name, b := range map[string][]byte{part + "-images-idx3-ubyte": idx(pixels, n, 28, 28), part + "-labels-idx1-ubyte": idx(labels, n)} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	args := []string{"experiment", "lenet-nin", "--data", dir, "--out", filepath.Join(dir, "runs"), "--epochs", "1"}
	code, first, stderr := capture(t, args...)
	if code != 0 {
		t.Fatal(stderr)
	}
	for _, want := range []string{"LeNet", "NIN", "108,982", "0.4354", "0.6457", "wrote "} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is not in\n%s", want, first)
		}
	}
	for _, name := range []string{"curves.png", "curves.svg", "mnist_lenet/model.onnx", "mnist_nin/best.safetensors"} {
		if _, err := os.Stat(filepath.Join(dir, "runs", "lenet-nin", name)); err != nil {
			t.Error(err)
		}
	}
	code, second, _ := capture(t, args...)
	if code != 0 || strings.Contains(second, "epoch, seed") || !strings.Contains(first, "epoch, seed") {
		t.Errorf("exits with %d and trains again:\n%s", code, second)
	}
	code, _, stderr = capture(t, append(args[:len(args)-1:len(args)-1], "2")...)
	if code != exitError || !strings.Contains(stderr, "holds another run") {
		t.Errorf("other epochs: exits with %d: %s", code, stderr)
	}
	if code, _, stderr := capture(t, "experiment", "lenet-nim"); code != exitError || !strings.Contains(stderr, "did you mean lenet-nin?") {
		t.Errorf("exits with %d: %s", code, stderr)
	}
}

// Every variant has a spec and its own folder. Every published result belongs to a
// built-in network.
func TestExperimentsAreWhole(t *testing.T) {
	for _, e := range experiments {
		dirs := map[string]bool{}
		for _, v := range e.variants {
			if _, _, ok := specs.Source(v.spec); !ok || dirs[v.dir()] || v.label == "" {
				t.Errorf("%s: %+v in %s", e.name, v, v.dir())
			}
			dirs[v.dir()] = true
		}
	}
	total := 0
	for _, name := range specs.Names() {
		rows, err := originalsOf(name)
		if err != nil {
			t.Fatal(err)
		}
		total += len(rows)
	}
	text, err := specs.FS.ReadFile("mnist/original.csv")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n") - 1; total != lines {
		t.Errorf("%d of %d original figures are of a network", total, lines)
	}
}

// The errors of the fitted units are close to the least possible ones: not smaller, and
// not much larger.
func TestMaxoutFigure(t *testing.T) {
	dir := t.TempDir()
	code, out, stderr := capture(t, "experiment", "maxout", "--out", dir, "--json")
	if code != 0 {
		t.Fatal(stderr)
	}
	var all []struct {
		Function string
		Pieces   int
		Error    float64 `json:"largest_error"`
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) < 8 {
		t.Fatal(err, out)
	}
	for _, f := range all {
		least, slack := 0.0, 1e-3
		if f.Function == square.name {
			least = 1 / (2 * float64(f.Pieces*f.Pieces))
			slack = 0.4 * least
		}
		if f.Error < least*0.98 || f.Error > least+slack || math.IsNaN(f.Error) {
			t.Errorf("%s by %d pieces is off by %g, %g is possible", f.Function, f.Pieces, f.Error, least)
		}
	}
	for _, name := range []string{"curves.png", "curves.svg"} {
		if _, err := os.Stat(filepath.Join(dir, "maxout", name)); err != nil {
			t.Error(err)
		}
	}
}

// incc eval prepares the test images exactly as incc train did, with the same statistics of
// the training images, so it computes the same loss to the last digit.
func TestEvalSeesWhatTrainSaw(t *testing.T) {
	dir := killable(t)
	for name, augment := range map[string]string{"white": "gcn=on zca=on", "std": "mean_std=on", "mean": "mean_image=on"} {
		spec := filepath.Join(dir, name+".incc")
		if err := os.WriteFile(spec, []byte(strings.Replace(killedSpec, "pad=1 crop=8 flip=0.5", augment, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, name)
		if code, _, stderr := capture(t, "train", spec, "--data", dir, "--out", out, "--epochs", "1", "--val", "100"); code != 0 {
			t.Fatal(stderr)
		}
		info, err := readSummaryFile(out)
		if err != nil {
			t.Fatal(err)
		}
		code, text, stderr := capture(t, "eval", spec, "--weights", filepath.Join(out, "best.safetensors"), "--data", dir, "--json")
		var got struct{ Accuracy, Loss float64 }
		if err := json.Unmarshal([]byte(text), &got); code != 0 || err != nil {
			t.Fatal(err, stderr)
		}
		if got.Loss != *info.TestLoss || got.Accuracy != *info.TestAcc {
			t.Errorf("%s: eval says %+v, train said %g and %g", augment, got, *info.TestAcc, *info.TestLoss)
		}
	}
}
