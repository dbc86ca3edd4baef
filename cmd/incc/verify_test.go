package main

import (
	"path/filepath"
	"strings"
	"testing"
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
