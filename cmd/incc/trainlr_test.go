package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Labels that have nothing to do with the images give no learning rate, but the curve.
func TestFindLRNoise(t *testing.T) {
	t.Chdir(t.TempDir())
	r := rand.New(rand.NewPCG(3, 4))
	if err := os.Mkdir("noise", 0o755); err != nil {
		t.Fatal(err)
	}
	for part, n := range map[string]int{"train": 1000, "t10k": 10} {
		pixels, labels := make([]byte, n*64), make([]byte, n)
		for i := range pixels {
			pixels[i] = byte(r.IntN(256))
		}
		for i := range labels {
			labels[i] = byte(r.IntN(10))
		}
		for name, b := range map[string][]byte{"-images-idx3-ubyte": idx(pixels, n, 8, 8), "-labels-idx1-ubyte": idx(labels, n)} {
			if err := os.WriteFile(filepath.Join("noise", part+name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	spec := "net n\ninput image 1x8x8\nconv 3x3 8 act=relu -> fc 10 -> softmax\ntrain { sgd lr=0.1; run batch=32 }\n"
	if err := os.WriteFile("n.incc", []byte(spec), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := capture(t, "train", "n.incc", "--data", "noise", "--find-lr")
	if code != exitNumerical || !strings.Contains(stderr, "no learning rate lowers the loss below 2.") || !strings.Contains(out, "wrote lr.png and lr.csv") {
		t.Errorf("exits with %d: %s%s", code, out, stderr)
	}
}
