package onnx_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Load reads a model whose weights lie in another file, and says what is wrong with the
// places of both.
func TestLoadExternal(t *testing.T) {
	dir := t.TempDir()
	build := ir.NewBuilder("wide") // with enough weights for a file of their own
	x := build.Input("image", ir.Type{Shape: ir.Shape{ir.Batch, 3, 4, 4}})
	w := build.Param("weight", ir.Shape{64, 3, 3, 3}, ir.Param{Init: ir.Init{Kind: ir.InitUniform, A: 1}})
	g := build.Graph()
	g.Outputs = []*ir.Value{build.Do(ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, x, w)}
	if err := build.Err(); err != nil {
		t.Fatal(err)
	}
	b := onnx.Backend{Path: filepath.Join(dir, "hub", "a", "model.onnx"), External: true}
	if err := os.MkdirAll(filepath.Dir(b.Path), 0o777); err != nil {
		t.Fatal(err)
	}
	written, err := b.Emit(g)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range written {
		var out bytes.Buffer
		if _, err := f.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Path, out.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	h, err := onnx.Load(b.Path, onnx.LoadOptions{MaxExternal: 1 << 20})
	if err != nil || len(h.Params) != len(g.Params) {
		t.Fatalf("%v, %d params, want %d", err, len(h.Params), len(g.Params))
	}
	var size *onnx.SizeError
	if _, err := onnx.Load(b.Path, onnx.LoadOptions{MaxExternal: 9}); !errors.As(err, &size) || size.Limit != 9 || size.Bytes <= 9 {
		t.Errorf("with room for 9 bytes: %v", err)
	}
	var root *onnx.RootError
	if _, err := onnx.Load(b.Path, onnx.LoadOptions{Root: filepath.Join(dir, "hub", "b")}); !errors.As(err, &root) {
		t.Errorf("with a root beside the model: %v", err)
	}
	data := b.Path + ".data"
	if err := os.Rename(data, filepath.Join(dir, "hub", "blob")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("..", "blob"), data); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	var link *onnx.LinkError
	if _, err := onnx.Load(b.Path, onnx.LoadOptions{}); !errors.As(err, &link) || !strings.Contains(err.Error(), "LoadOptions.Root") {
		t.Errorf("with a link into another folder: %v", err)
	}
	if _, err := onnx.Load(b.Path, onnx.LoadOptions{Root: filepath.Join(dir, "hub")}); err != nil {
		t.Error(err)
	}
}

func TestLoadErrors(t *testing.T) {
	for want, o := range map[string]onnx.LoadOptions{
		"LoadOptions.Image has 2 sizes": {Image: []int{3, 6}},
		"the model has a fixed size":    {Image: []int{3, 7, 7}},
	} {
		if _, err := onnx.Load("testdata/classifier.onnx", o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
