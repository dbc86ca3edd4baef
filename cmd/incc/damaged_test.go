package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/safetensors"
)

// TestDamagedWeights: commands that read weights notice one flipped bit in a file that incc
// wrote.
func TestDamagedWeights(t *testing.T) {
	t.Chdir(t.TempDir())
	const spec = "net tiny\ninput image 1x4x4\nlayer: conv 3x3 2 -> gap -> fc 2 -> softmax\n"
	for name, text := range map[string]string{"tiny.incc": spec, "go.mod": "module example\n\ngo 1.26\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(".", "w.safetensors")
	infos := []safetensors.TensorInfo{{Name: "layer/conv_3x3/weight", Shape: []int{2, 1, 3, 3}}, {Name: "layer/conv_3x3/bias", Shape: []int{2}}, {Name: "layer/fc/weight", Shape: []int{2, 2}}, {Name: "layer/fc/bias", Shape: []int{2}}}
	if err := safetensors.SaveTensors(path, nil, infos, func(dst []float32, i int) error { dst[0] = 1; return nil }); err != nil {
		t.Fatal(err)
	}
	commands := [][]string{{"gen", "go", "tiny.incc", "--weights", path, "-o", "tiny"}, {"compile", "tiny.incc", "--weights", path, "-o", "tiny.onnx"}}
	for _, args := range commands {
		if code, _, stderr := capture(t, args...); code != 0 {
			t.Fatal(stderr)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-5] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range commands {
		if code, _, stderr := capture(t, args...); code == 0 || !strings.Contains(stderr, path+": safetensors: the checksum of the tensors is ") {
			t.Errorf("%v of a damaged file: %s", args, stderr)
		}
	}
	b = bytes.Replace(b, []byte(`"incc.crc32c"`), []byte(`"other.crc32"`), 1)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range commands {
		if code, _, stderr := capture(t, args...); code != 0 {
			t.Errorf("%v of a file of another program: %s", args, stderr)
		}
	}
}
