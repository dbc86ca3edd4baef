package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir/tensor"
)

func TestNPYRoundTrip(t *testing.T) {
	for _, shape := range [][]int{{1}, {7}, {2, 3}, {1, 3, 5, 4}, {2, 1, 1, 1, 3}} {
		x := tensor.Make[float32](shape)
		for i := range x.Data {
			x.Data[i] = float32(i) - 2.5
		}
		var b bytes.Buffer
		if err := writeNPY(&b, x); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.npy")
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		y, err := readNPY(path)
		if err != nil {
			t.Fatal(err)
		}
		if d, _ := tensor.MaxDiff(y, tensor.Widen(x)); d != 0 || !slices.Equal(x.Shape, y.Shape) {
			t.Errorf("%v reads back as %v, difference %g", shape, y.Shape, d)
		}
	}
}
