package main

import (
	"os"
	"path/filepath"
	"testing"
)

const tinySpec = "net tiny\ninput image 1x8x8\nconv 3x3 4 pad=1 act=relu -> gap -> fc 3 -> softmax\n"

// sparse makes a file of n zero bytes that takes no room on the disk.
func sparse(t *testing.T, path string, n int64) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, n); err != nil {
		t.Skip("the file system has no sparse files: ", err)
	}
}

// TestHostileSizes: a file of a terabyte is refused by its size.
func TestHostileSizes(t *testing.T) {
	setup := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			write(map[string]string{"tiny.incc": tinySpec})(t, dir)
			sparse(t, filepath.Join(dir, name), 1<<40)
		}
	}
	runHostile(t, []hostileCase{
		{name: "spec", setup: setup("x.incc"), args: []string{"vet", "x.incc"}, wantErr: "at most 1048576 are read"},
		{name: "weights", setup: setup("x.st"), args: []string{"compile", "tiny.incc", "--weights", "x.st", "-o", "x.onnx"}, wantErr: "header"},
		{name: "model", setup: setup("x.onnx"), args: []string{"verify", "x.onnx"}, wantErr: `x\.onnx holds 1099511627776 bytes; at most 2147483647 are read`},
		{name: "tensor", setup: setup("x.pb"), args: []string{"run", "tiny.incc", "--input", "x.pb"}, wantErr: "holds 1099511627776 bytes; at most"},
		{name: "tuning", setup: setup("x.json"), args: []string{"run", "tiny.incc", "--input", "noise", "--tuning", "x.json"}, wantErr: "holds 1099511627776 bytes; at most"},
	})
}
