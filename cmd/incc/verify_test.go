package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx"
)

// verify --run runs the same models as package onnxgo: with fixed shapes, operands of
// different ranks, and old opsets. The models in testdata/onnx come from the tests of ONNX
// and of other programs that read it.
func TestVerifyRun(t *testing.T) {
	dir := t.TempDir()
	fixed := filepath.Join(dir, "batch 2.onnx")
	if code, _, stderr := capture(t, "compile", "lenet5", "--batch", "2", "-o", fixed); code != 0 {
		t.Fatal(stderr)
	}
	newest := filepath.Join(dir, "newest.onnx")
	if code, _, stderr := capture(t, "compile", "lenet5", "--opset", "25", "-o", newest); code != 0 {
		t.Fatal(stderr)
	}
	models, err := filepath.Glob("testdata/onnx/*.onnx")
	if err != nil || len(models) == 0 {
		t.Fatal(models, err)
	}
	for _, path := range append(models, fixed, newest) {
		code, stdout, stderr := capture(t, "verify", path, "--run")
		if code != 0 || !strings.Contains(stdout, "sound") || !strings.Contains(stdout, "difference") {
			t.Errorf("%s exits with %d:\n%s%s", path, code, stdout, stderr)
		}
		if strings.Contains(path, "maxpool") != strings.Contains(stdout, "opset 11, checked in the form of opset 13") {
			t.Errorf("%s: %s", path, stdout)
		}
	}
}

// A defect that does not change the results is a note: an IR version older than the opset.
func TestVerifyMinor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.onnx")
	if code, _, stderr := capture(t, "compile", "lenet5", "-o", path); code != 0 {
		t.Fatal(stderr)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := onnx.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	p.IrVersion = 3
	if b, err = proto.Marshal(p); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := capture(t, "verify", path, "--run")
	if code != 0 || !strings.Contains(stdout, "sound") || !strings.Contains(stdout, "difference") || !strings.Contains(stderr, "note: ") || !strings.Contains(stderr, "needs IR version 8") {
		t.Errorf("exits with %d:\n%s%s", code, stdout, stderr)
	}
}
