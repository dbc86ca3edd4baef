package main

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestNodes runs small node tests of ONNX, whose expected outputs were computed by the Python
// package onnx, on the executor. testdata/nodes.zip was made by
//
//	python node_subset.py DIR/nodes results.json testdata/nodes.zip
//
// where DIR is the work folder of this command.
func TestNodes(t *testing.T) {
	z, err := zip.OpenReader("testdata/nodes.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	root := t.TempDir()
	var cases []string
	for _, f := range z.File {
		dir := filepath.Join(root, "nodes", filepath.Dir(f.Name))
		if _, err := os.Stat(dir); err != nil {
			cases = append(cases, dir)
		}
		if err := unpack(f, filepath.Join(dir, filepath.Base(f.Name))); err != nil {
			t.Fatal(err)
		}
	}
	if len(cases) < 200 {
		t.Errorf("only %d cases", len(cases))
	}
	for _, dir := range cases {
		r := compare(dir)
		if r.Status == refused && integers.MatchString(r.Reason) {
			continue // random integers of many bits
		}
		if r.Status != pass {
			t.Errorf("%s: %s, %s", filepath.Base(dir), r.Status, r.Reason)
		}
	}
}

var integers = regexp.MustCompile(`float32, in which (inputs|results) are given, does not hold it exactly`)

func unpack(f *zip.File, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o666)
}
