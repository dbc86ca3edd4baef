package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// manyClasses returns a setup that makes a folder with n classes of one picture each, and a
// network for them.
func manyClasses(n int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		var picture bytes.Buffer
		if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			class := filepath.Join(dir, "data", fmt.Sprintf("class%05d", i))
			if err := os.MkdirAll(class, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(class, "a.png"), picture.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write(map[string]string{"many.incc": fmt.Sprintf("net many\ninput image 1x8x8 range=0..1\nconv 3x3 4 pad=1 act=relu -> gap -> fc %d -> softmax\ntrain {\n  sgd lr=0.1\n  run batch=50 epochs=1\n}\n", n)})(t, dir)
	}
}

// TestHostileClasses: a run with thousands of classes writes its confusion matrix in little
// memory, because it keeps only the pairs that occurred. A full matrix, with its picture,
// took 370 MB for 2,000 classes and 9 GB for 10,000. INCC_LONG=1 tests 10,000 classes.
func TestHostileClasses(t *testing.T) {
	classes, most := 2000, 128
	if longtest.Enabled() {
		classes, most = 10000, 256
	}
	runHostile(t, []hostileCase{
		{name: "train", setup: manyClasses(classes), args: []string{"train", "many.incc", "--data", "data", "--out", "run", "--limit-batches", "2"},
			want: "run: weights, curves and model.onnx", maxMillis: 30000, maxMB: most},
	})
}

// interrupted trains into the folder "run", deletes its checkpoints and calls replace for
// the path of each.
func interrupted(t *testing.T, dir string, replace func(path string)) {
	t.Helper()
	write(map[string]string{"t.incc": "net t\ninput image 1x4x4 range=0..1\nfc 10 -> softmax\ntrain {\n  sgd lr=0.1\n  run batch=8 epochs=1\n}\n",
		"idx/train-images-idx3-ubyte": string(idx(make([]byte, 16*32), 32, 4, 4)), "idx/train-labels-idx1-ubyte": string(idx(make([]byte, 32), 32)),
		"idx/t10k-images-idx3-ubyte": string(idx(make([]byte, 16*8), 8, 4, 4)), "idx/t10k-labels-idx1-ubyte": string(idx(make([]byte, 8), 8))})(t, dir)
	if out, err := inccProcess(t, dir, "train", "t.incc", "--data", "idx", "--out", "run").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	names, err := filepath.Glob(filepath.Join(dir, "run", "checkpoint-*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no checkpoints: %v", err)
	}
	for _, path := range names {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		replace(path)
	}
}

// TestHostileCheckpoints: --resume gives an error for a file that is not a checkpoint.
func TestHostileCheckpoints(t *testing.T) {
	args := []string{"train", "--resume", "run"}
	resume := func(name, wantErr string, replace func(t *testing.T, path string)) hostileCase {
		return hostileCase{name: name, args: args, wantErr: wantErr, setup: func(t *testing.T, dir string) {
			interrupted(t, dir, func(path string) { replace(t, path) })
		}}
	}
	runHostile(t, []hostileCase{
		resume("a terabyte", `checkpoint-\d+.safetensors cannot be used: it has 1099511627776 bytes, a checkpoint of this run at most \d+`, func(t *testing.T, path string) { sparse(t, path, 1<<40) }),
		resume("zeros", "checkpoint-.*safetensors", func(t *testing.T, path string) { sparse(t, path, 1<<20) }),
		resume("a directory", "is a directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}),
		resume("weights", "it holds weights, but no state of a run", func(t *testing.T, path string) {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(path), lastWeights))
			if err == nil {
				err = os.WriteFile(path, b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}),
	})
}
