package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/train"
)

var updateFigures = flag.Bool("update", false, "draw the figures of golden/experiments anew from their numbers")

// figures is the folder with the results of the experiments: for each of them the numbers,
// as incc experiment NAME --json prints them, and the figure.
const figures = "../../golden/experiments"

// storedOutcomes reads the numbers of an experiment, in the order of its variants.
func storedOutcomes(t *testing.T, e *experiment) []outcome {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(figures, e.name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var stored map[string]struct {
		Spec     string
		Summary  runInfo
		Epochs   []train.Row
		Original []originalRow
	}
	if err := json.Unmarshal(text, &stored); err != nil {
		t.Fatal(err)
	}
	var all []outcome
	for _, v := range e.variants {
		s, ok := stored[v.label]
		if !ok || s.Spec != v.spec || len(s.Epochs) != s.Summary.Epochs || len(s.Epochs) == 0 {
			t.Fatalf("%s.json has no whole run of %s: %+v", e.name, v.label, s)
		}
		e.limit = s.Summary.LimitBatches
		all = append(all, outcome{v, s.Epochs, s.Summary, s.Original})
	}
	if len(stored) != len(all) {
		t.Errorf("%s.json has %d runs, want %d", e.name, len(stored), len(all))
	}
	return all
}

// TestExperimentFigures draws the figures from the numbers beside them. With -update it writes
// the figures: go test ./cmd/incc -run TestExperimentFigures -update
func TestExperimentFigures(t *testing.T) {
	for _, e := range experiments {
		path := filepath.Join(t.TempDir(), "curves")
		if err := e.draw(path, storedOutcomes(t, &e)); err != nil {
			t.Fatal(err)
		}
		drawn, err := os.ReadFile(path + ".png")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(figures, e.name+".png")
		if *updateFigures {
			if err := os.WriteFile(file, drawn, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !samePixels(t, drawn, have) {
			t.Errorf("%s.png is not the figure of %s.json: run this test with -update", e.name, e.name)
		}
	}
}

// samePixels reports whether two PNG files have the same pixels, however they are compressed.
func samePixels(t *testing.T, a, b []byte) bool {
	t.Helper()
	var pictures [2]image.Image
	for i, file := range [][]byte{a, b} {
		img, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		pictures[i] = img
	}
	size := pictures[0].Bounds()
	if size != pictures[1].Bounds() {
		return false
	}
	for y := range size.Dy() {
		for x := range size.Dx() {
			if pictures[0].At(x, y) != pictures[1].At(x, y) {
				return false
			}
		}
	}
	return true
}

// TestExperimentTables compares the tables of golden/experiments/README.md with the stored
// numbers. Columns of seconds were measured apart.
func TestExperimentTables(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(figures, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| ") {
			rows[strings.TrimSpace(line)] = true
		}
	}
	// row fails the test if no row of a table begins with name and has the cells, in this order.
	row := func(name string, cells ...string) {
		for r := range rows {
			if !strings.HasPrefix(r, "| "+name+" |") {
				continue
			}
			rest, ok := r, true
			for _, c := range cells {
				var found bool
				_, rest, found = strings.Cut(rest, "| "+c)
				ok = ok && found
			}
			if ok {
				return
			}
		}
		t.Errorf("no row %s with the cells %q", name, cells)
	}
	loss := func(x float64) string { return strings.TrimPrefix(fmt.Sprintf("%.4f", x), "0") }
	begins := map[string]string{"from scratch": "random weights |", "from trained weights": "weights for Fashion-MNIST |",
		"from trained weights, c1 frozen": "weights for Fashion-MNIST | `c1`", "from trained weights, c1 and c2 frozen": "weights for Fashion-MNIST | `c1`, `c2`"}
	for _, e := range experiments {
		for _, o := range storedOutcomes(t, &e) {
			switch e.name {
			case "lenet-nin", "inception":
				last := o.rows[len(o.rows)-1]
				if o.label == "NIN" { // the article has figures of its eighth epoch
					last = o.rows[7]
				}
				row(o.label, loss(o.rows[0].TrainLoss), loss(o.rows[4].TrainLoss), loss(last.TrainLoss), percent(last.TrainAcc), percent(*o.info.TestAcc))
			case "transfer":
				var cells []string
				for _, epoch := range []int{1, 3, 5, 10, 20} {
					cells = append(cells, percent(o.rows[epoch-1].ValAcc))
				}
				row(begins[o.label], append(cells, percent(*o.info.TestAcc))...)
			}
		}
	}
	// Sentences about the other two experiments.
	plain := strings.Join(strings.Fields(string(text)), " ")
	for name, steps := range map[string]map[string][]int{"heads": {"with two heads": {6, 12}, "without heads": {6, 12}},
		"batchnorm": {"without, rate 0.01": {12}, "with, rate 0.01": {12}, "with, rate 0.1": {3, 12}}} {
		i := slices.IndexFunc(experiments, func(e experiment) bool { return e.name == name })
		for _, o := range storedOutcomes(t, &experiments[i]) {
			for _, n := range steps[o.label] {
				if want := fmt.Sprintf("%.1f %%", 100*o.rows[n-1].ValAcc); !strings.Contains(plain, want) {
					t.Errorf("%s: the README lacks %s, the accuracy of %s after %d epochs", name, want, o.label, n)
				}
			}
		}
	}
}
