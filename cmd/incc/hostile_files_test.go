package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const tinySpec = "net tiny\ninput image 1x8x8\nconv 3x3 4 pad=1 act=relu -> gap -> fc 3 -> softmax\n"

// sparse makes a file of n zero bytes that takes no space on the disk.
func sparse(t *testing.T, path string, n int64) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, n); err != nil {
		t.Skip("the file system has no sparse files: ", err)
	}
}

// TestHostileSizes: a file of a terabyte gives an error and is not read.
func TestHostileSizes(t *testing.T) {
	setup := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			write(map[string]string{"tiny.incc": tinySpec})(t, dir)
			sparse(t, filepath.Join(dir, name), 1<<40)
		}
	}
	data := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			write(map[string]string{"set/a/README": ""})(t, dir)
			sparse(t, filepath.Join(dir, "set", name), 1<<40)
		}
	}
	runHostile(t, []hostileCase{
		{name: "spec", setup: setup("x.incc"), args: []string{"vet", "x.incc"}, wantErr: "x.incc is not a text file"},
		{name: "weights", setup: setup("x.st"), args: []string{"compile", "tiny.incc", "--weights", "x.st", "-o", "x.onnx"}, wantErr: "header"},
		{name: "model", setup: setup("x.onnx"), args: []string{"verify", "x.onnx"}, wantErr: `x\.onnx holds 1099511627776 bytes; at most 2147483647 are read`},
		{name: "tensor", setup: setup("x.pb"), args: []string{"run", "tiny.incc", "--input", "x.pb"}, wantErr: "holds 1099511627776 bytes; at most"},
		{name: "numpy", setup: setup("x.npy"), args: []string{"run", "tiny.incc", "--input", "x.npy"}, wantErr: "not a NumPy file"},
		{name: "idx", setup: data("train-images-idx3-ubyte"), args: []string{"data", "inspect", "set"}, wantErr: "begins with 00 00 00 00"},
		{name: "cifar", setup: data("train.bin"), args: []string{"data", "inspect", "set"}, wantErr: "holds 1099511627776 bytes; at most"},
		{name: "picture of a folder", setup: data("a/x.png"), args: []string{"data", "inspect", "set"}, wantErr: "holds 1099511627776 bytes; at most"},
		{name: "tuning", setup: setup("x.json"), args: []string{"run", "tiny.incc", "--input", "noise", "--tuning", "x.json"}, wantErr: "holds 1099511627776 bytes; at most"},
	})
}

// npyFile makes a NumPy file of version 1.
func npyFile(header, data string) string {
	return "\x93NUMPY\x01\x00" + string([]byte{byte(len(header)), byte(len(header) >> 8)}) + header + data
}

// TestHostileArrays: NumPy files with wrong headers.
func TestHostileArrays(t *testing.T) {
	const (
		right = "{'descr': '|u1', 'fortran_order': False, 'shape': (8, 8)}"
		huge  = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 65536, 65536)}"
	)
	file := func(text string) func(*testing.T, string) {
		return write(map[string]string{"tiny.incc": tinySpec, "x.npy": text})
	}
	args := []string{"run", "tiny.incc", "--input", "x.npy"}
	runHostile(t, []hostileCase{
		{name: "no newline", setup: file(npyFile(strings.Replace(right, "(8, 8)", "(1, 8, 8)", 1), strings.Repeat("x", 64))), args: args, want: "class"},
		{name: "empty header", setup: file(npyFile("", "")), args: args, wantErr: `x\.npy: the header of the NumPy file does not begin with \{`},
		{name: "header of 4 GiB", setup: file("\x93NUMPY\x02\x00\xff\xff\xff\xff"), args: args, wantErr: "declares a header of 4294967295 bytes"},
		{name: "16 GiB", setup: file(npyFile(huge, "1234")), args: args, wantErr: "does not fit in a file of"},
		{name: "another shape", setup: file(npyFile(right, strings.Repeat("x", 64))), args: args, wantErr: `x\.npy holds an array of shape 8x8, but the network needs Nx1x8x8`},
		{name: "another shape of a gigabyte", args: args, wantErr: "the network needs", setup: func(t *testing.T, dir string) {
			head := npyFile("{'descr': '|u1', 'fortran_order': False, 'shape': (1024, 1048576)}", "")
			file(head)(t, dir)
			if err := os.Truncate(filepath.Join(dir, "x.npy"), int64(len(head))+1<<30); err != nil {
				t.Skip("the file system has no sparse files: ", err)
			}
		}},
	})
}
