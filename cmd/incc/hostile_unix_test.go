//go:build unix

package main

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestHostilePipes: a named pipe in place of a file gives an error, and incc does not wait
// for a writer.
func TestHostilePipes(t *testing.T) {
	setup := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			write(map[string]string{"tiny.incc": tinySpec, "labels.incc": tinySpec + "labels \"names\"\n", "run/spec.incc": tinySpec, "run/results.csv": "", "set/a/README": "", "idx/README": "", "cifar/README": ""})(t, dir)
			for _, name := range names {
				if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	const want = `is a named pipe \(want a regular file\)`
	runHostile(t, []hostileCase{
		{name: "spec", setup: setup("x.incc"), args: []string{"vet", "x.incc"}, wantErr: want},
		{name: "labels", setup: setup("names"), args: []string{"vet", "labels.incc"}, wantErr: want},
		{name: "weights", setup: setup("x.st"), args: []string{"compile", "tiny.incc", "--weights", "x.st", "-o", "x.onnx"}, wantErr: want},
		{name: "model", setup: setup("x.onnx"), args: []string{"verify", "x.onnx"}, wantErr: want},
		{name: "picture", setup: setup("x.png"), args: []string{"run", "tiny.incc", "--input", "x.png"}, wantErr: want},
		{name: "numpy", setup: setup("x.npy"), args: []string{"run", "tiny.incc", "--input", "x.npy"}, wantErr: want},
		{name: "tensor", setup: setup("x.pb"), args: []string{"run", "tiny.incc", "--input", "x.pb"}, wantErr: want},
		{name: "tuning", setup: setup("x.json"), args: []string{"run", "tiny.incc", "--input", "noise", "--tuning", "x.json"}, wantErr: want},
		{name: "run.json", setup: setup("run/run.json"), args: []string{"train", "--resume", "run"}, wantErr: want},
		{name: "summary.json", setup: setup("run/summary.json"), args: []string{"compare", "run"}, wantErr: want},
		{name: "Go file", setup: func(t *testing.T, dir string) {
			write(map[string]string{"tiny.incc": tinySpec, "go.mod": "module m\n\ngo 1.25\n", "p/README": ""})(t, dir)
			if err := syscall.Mkfifo(filepath.Join(dir, "p", "x.go"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, args: []string{"gen", "go", "tiny.incc", "-o", "p"}, wantErr: want},
		{name: "checkpoint", setup: func(t *testing.T, dir string) {
			interrupted(t, dir, func(path string) {
				if err := syscall.Mkfifo(path, 0o600); err != nil {
					t.Fatal(err)
				}
			})
		}, args: []string{"train", "--resume", "run"}, wantErr: want},
		{name: "picture of a folder", setup: setup("set/a/x.png"), args: []string{"data", "inspect", "set"}, wantErr: want},
		{name: "idx", setup: setup("idx/train-images-idx3-ubyte"), args: []string{"data", "inspect", "idx"}, wantErr: want},
		{name: "cifar", setup: setup("cifar/data_batch_1.bin"), args: []string{"data", "inspect", "cifar"}, wantErr: want},
	})
}
