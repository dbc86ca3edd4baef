package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// TestWeightsAs: a package's file holds the weights of convolutions and dense layers in the type
// that was asked for, each row of int8 with its scale, and the other tensors as they are. The
// expected output of its test is that of the rounded weights: with them in a file of float32s, gen
// go writes the same.
func TestWeightsAs(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	const spec = "net small\ninput image 3x12x12\nconv 3x3 20 pad=same act=relu -> conv 3x3 17 pad=same act=relu -> bn -> gap -> fc 3 -> softmax\n"
	for name, text := range map[string]string{"go.mod": "module example.com/user\n\ngo 1.26\n", "small.incc": spec} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	generate := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if code := run(append([]string{"incc", "gen", "go", "small.incc", "--test"}, args...), strings.NewReader(""), &out, &out); code != exitOK {
			t.Fatalf("%q: %d, %s", args, code, out.String())
		}
		return out.String()
	}
	open := func(name string) (*safetensors.Tensors, int) {
		t.Helper()
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.ParseTensors(b)
		if err != nil {
			t.Fatal(err)
		}
		return f, len(b)
	}
	generate("-o", "fp32")
	exact, size := open("fp32/weights.safetensors")
	for as, dtype := range map[string]safetensors.DType{"fp16": safetensors.F16, "bf16": safetensors.BF16, "int8": safetensors.I8} {
		if out := generate("-o", as, "--weights-as", as); !strings.Contains(out, "weights as "+as) {
			t.Errorf("%s: %s", as, out)
		}
		f, n := open(as + "/weights.safetensors")
		if n >= size {
			t.Errorf("%s takes %d bytes, float32 %d", as, n, size)
		}
		var infos []safetensors.TensorInfo
		var data [][]float32
		for _, info := range exact.All() {
			want, err := exact.Float32s(info.Name)
			if err != nil {
				t.Fatal(err)
			}
			wantType := safetensors.F32
			if len(info.Shape) >= 2 {
				wantType = dtype
				w, err := safetensors.NarrowTo(dtype, want, info.Shape[0])
				if err != nil {
					t.Fatal(err)
				}
				want = w.Wide
			}
			got, err := f.Float32s(info.Name)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %s is not what rounding gives: %v", as, info.Name, err)
			}
			if x, _ := f.Info(info.Name); x.DType != wantType {
				t.Errorf("%s: %s is stored as %s", as, info.Name, x.DType)
			}
			infos, data = append(infos, safetensors.TensorInfo{Name: info.Name, Shape: info.Shape}), append(data, got)
		}
		rounded := weightsFile{infos: infos, data: data}
		b, err := rounded.bytes()
		if err == nil {
			err = os.WriteFile(as+".safetensors", b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		generate("-o", as+"rounded", "--weights", as+".safetensors")
		want, _ := open(as + "rounded/testdata/golden_incc.safetensors")
		got, _ := open(as + "/testdata/golden_incc.safetensors")
		x, _ := want.Float32s("output")
		if y, err := got.Float32s("output"); err != nil || !slices.Equal(x, y) {
			t.Errorf("%s: the test expects %v, the network with the rounded weights computes %v (%v)", as, y, x, err)
		}
	}
	if !longtest.Enabled() {
		return // building the packages takes seconds
	}
	cmd := exec.Command("go", "test", "./...")
	cmd.Dir = filepath.Clean(dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go test: %v\n%s", err, out)
	}
}
