package onnxpb

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestGeneratedFileIsFresh(t *testing.T) {
	if _, err := exec.LookPath("protoc"); err != nil {
		t.Skip("protoc is not installed (apt-get install protobuf-compiler)")
	}
	out := filepath.Join(t.TempDir(), "onnx.pb.go")
	if msg, err := exec.Command("go", "run", "./internal/generate", "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("onnx.pb.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("onnx.pb.go is stale: run go generate in backends/onnx/onnxpb")
	}
}

// TestRegistryNames checks the names that the messages are registered under; see the package
// documentation.
func TestRegistryNames(t *testing.T) {
	d := (&ModelProto{}).ProtoReflect().Descriptor()
	if d.FullName() != "incc.onnx.ModelProto" || d.ParentFile().Path() != "incc/onnx.proto" {
		t.Errorf("registered as %s in %s", d.FullName(), d.ParentFile().Path())
	}
}
