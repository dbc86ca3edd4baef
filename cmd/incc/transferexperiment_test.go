package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/specs"
)

// classSet is a set of n images whose classes follow each other 0, 1, 1, 0, 1, 1 ...
func classSet(n int) *data.Set {
	s := &data.Set{C: 1, H: 2, W: 2, Classes: 2}
	for i := range n {
		s.Labels = append(s.Labels, int32(min(i%3, 1)))
		s.Pixels = append(s.Pixels, byte(i), byte(i>>8), 7, byte(i%3))
	}
	return s
}

// The experiment takes the same number of images of every class, and the files that it
// writes are read as these images.
func TestTransferImages(t *testing.T) {
	few, err := firstOfEach(classSet(300), 20)
	if err != nil || few.Len() != 40 || !slices.Equal(few.Counts(), []int{20, 20}) {
		t.Fatalf("%+v, %v", few, err)
	}
	dir := t.TempDir()
	for part, s := range map[string]*data.Set{"train": few, "t10k": classSet(9)} {
		if err := writeImages(dir, part, s); err != nil {
			t.Fatal(err)
		}
	}
	src, err := data.ReadMNIST(files.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range few.Labels {
		if src.Train.Labels[i] != l || !slices.Equal(pixelsOf(src.Train, i), pixelsOf(few, i)) {
			t.Fatalf("image %d is %v of class %d, want %v of %d", i, pixelsOf(src.Train, i), src.Train.Labels[i], pixelsOf(few, i), l)
		}
	}
	if src.Test.Len() != 9 {
		t.Errorf("%d test images", src.Test.Len())
	}
	if _, err := firstOfEach(classSet(30), 20); err == nil || !strings.Contains(err.Error(), "class 0 has 10 training images (want at least 20)") {
		t.Error(err)
	}
}

// The parts that variants freeze exist in their networks.
func TestTransferFreezes(t *testing.T) {
	for _, v := range transferExperiment.variants {
		text, file, _ := specs.Source(v.spec)
		g, l := dsl.Load(file, text, dsl.Options{})
		if l.HasErrors() {
			t.Fatal(l)
		}
		for _, p := range v.freeze {
			if !slices.Contains(g.PartPaths(), p) {
				t.Errorf("%s has no part %s", v.spec, p)
			}
		}
	}
}

func TestTransferExperiment(t *testing.T) {
	if !longtest.Enabled() {
		t.Skip("five trainings take their time: INCC_LONG=1 runs this")
	}
	dir := t.TempDir()
	for part, n := range map[string]int{"train": 2300, "t10k": 20} {
		s := &data.Set{C: 1, H: 28, W: 28, Classes: 10, Pixels: make([]byte, n*28*28)}
		for i := range n {
			s.Labels = append(s.Labels, int32(i%10))
			s.Pixels[i*28*28+i%10] = 255
		}
		if err := writeImages(dir, part, s); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"experiment", "transfer", "--data", dir, "--source", dir, "--out", filepath.Join(dir, "runs"), "--epochs", "1", "--limit-batches", "2"}
	code, first, stderr := capture(t, args...)
	if code != 0 {
		t.Fatal(stderr)
	}
	for _, want := range []string{"200 training images, 2000 for validation", "begins with", "frozen: c1, c2;", "from scratch", "wrote "} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is not in\n%s", want, first)
		}
	}
	for _, v := range transferExperiment.variants {
		if _, err := os.Stat(filepath.Join(dir, "runs", "transfer", v.dir(), bestWeights)); err != nil {
			t.Error(err)
		}
	}
	if code, second, stderr := capture(t, args...); code != 0 || strings.Contains(second, "epoch, seed") {
		t.Errorf("exits with %d and trains again: %s\n%s", code, stderr, second)
	}
	if code, _, stderr := capture(t, "experiment", "inception", "--source", dir); code == 0 || !strings.Contains(stderr, "--source works for the experiment transfer only") {
		t.Errorf("exits with %d: %s", code, stderr)
	}
}

// pixelsOf returns the pixels of an image of a set that is in memory.
func pixelsOf(s *data.Set, i int) []uint8 {
	n := s.C * s.H * s.W
	return s.Pixels[s.Place(i)*n : (s.Place(i)+1)*n]
}
