package golden

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/specs"
)

// pytorchMain is the program of a user who has a model of PyTorch as a Go package.
const pytorchMain = `package main

import (
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"log"
	"os"

	net "example.com/user/NET"
)

func main() {
	m, err := net.New()
	if err != nil {
		log.Fatal(err)
	}
	for i := range 100 {
		f, err := os.Open(fmt.Sprintf("%s/%d.png", os.Args[1], i))
		if err != nil {
			log.Fatal(err)
		}
		img, _, err := image.Decode(f)
		if err != nil {
			log.Fatal(err)
		}
		top, err := m.ClassifyImage(img, 5)
		if err != nil {
			log.Fatal(err)
		}
		json.NewEncoder(os.Stdout).Encode(top)
	}
}
`

// TestPyTorchToGo takes a network of torchvision to a Go program in two ways: by its ONNX model,
// and by the file of torch.save and the built-in spec. On 100 pictures both have the classes of
// PyTorch, and its scores. INCC_TORCH_PYTHON names a Python with torch, torchvision and onnx.
func TestPyTorchToGo(t *testing.T) {
	if !longtest.Enabled() {
		t.Skip("INCC_LONG=1 runs it")
	}
	python := os.Getenv("INCC_TORCH_PYTHON")
	if python == "" {
		python = "python3"
	}
	if exec.Command(python, "-c", "import torch, torchvision, onnx, onnxruntime, PIL").Run() != nil {
		t.Skipf("%s has no torch, torchvision, onnx, onnxruntime and PIL (INCC_TORCH_PYTHON names another one)", python)
	}
	incc, err := inccCommand()
	if err != nil {
		t.Fatal(err)
	}
	conformance, err := filepath.Abs("../backends/onnx/conformance")
	if err != nil {
		t.Fatal(err)
	}
	made := t.TempDir()
	if out, err := exec.Command(python, "testdata/pytorch/make.py", made, conformance).CombinedOutput(); err != nil {
		t.Fatalf("make.py: %v\n%s", err, out)
	}
	logits := readLogits(t, filepath.Join(made, "logits.f32"))
	dir := newModule(t)
	// The pictures have the size of the input: neither side scales them.
	spec, _, ok := specs.Source("mobilenet_v2")
	if !ok || !strings.Contains(string(spec), " resize=256 crop=center") {
		t.Fatal("the built-in mobilenet_v2 does not resize pictures to 256")
	}
	whole := filepath.Join(made, "whole.incc")
	if err := os.WriteFile(whole, []byte(strings.Replace(string(spec), " resize=256 crop=center", "", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, way := range []struct {
		name    string
		args    []string
		softmax bool
	}{
		{"bymodel", []string{filepath.Join(made, "mobilenet_v2.onnx"), "--image", "range=0..1 mean=0.485,0.456,0.406 std=0.229,0.224,0.225"}, false},
		{"byspec", []string{whole, "--weights", filepath.Join(made, "mobilenet_v2.pth")}, true},
	} {
		inModule(t, dir, nil, incc, append([]string{"gen", "go", "-o", "./" + way.name}, way.args...)...)
		main := filepath.Join(dir, "run"+way.name, "main.go")
		if err := os.MkdirAll(filepath.Dir(main), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(main, []byte(strings.ReplaceAll(pytorchMain, "NET", way.name)), 0o666); err != nil {
			t.Fatal(err)
		}
		out := inModule(t, dir, nil, "go", "run", "./run"+way.name, made)
		comparePredictions(t, way.name, out, logits, way.softmax)
	}
}

// readLogits reads the 1000 logits of each of 100 pictures.
func readLogits(t *testing.T, path string) [][]float64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([][]float64, 100)
	if len(b) != 4*1000*len(rows) {
		t.Fatalf("%s has %d bytes", path, len(b))
	}
	for i := range rows {
		for c := range 1000 {
			rows[i] = append(rows[i], float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*(1000*i+c):]))))
		}
	}
	return rows
}

// comparePredictions compares the lines that a program prints with PyTorch's logits, or with
// their softmax.
func comparePredictions(t *testing.T, name, out string, logits [][]float64, softmax bool) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(logits) {
		t.Fatalf("%s prints %d lines: %s", name, len(lines), out)
	}
	classes := map[int]bool{}
	worst := 0.0
	for i, line := range lines {
		var top []struct {
			Class int
			Score float64
		}
		if err := json.Unmarshal([]byte(line), &top); err != nil || len(top) != 5 {
			t.Fatalf("%s, picture %d: %v: %s", name, i, err, line)
		}
		want := slices.Clone(logits[i])
		best := slices.Index(want, slices.Max(want))
		if softmax {
			sum := 0.0
			for _, v := range logits[i] {
				sum += math.Exp(v - logits[i][best])
			}
			for c, v := range logits[i] {
				want[c] = math.Exp(v-logits[i][best]) / sum
			}
		}
		if top[0].Class != best {
			t.Errorf("%s, picture %d: class %d, want %d", name, i, top[0].Class, best)
		}
		classes[best] = true
		largest := max(slices.Max(want), -slices.Min(want))
		for _, p := range top {
			worst = max(worst, math.Abs(p.Score-want[p.Class])/largest)
		}
	}
	if !(worst <= 1e-4) {
		t.Errorf("%s: scores differ by %.2g of the largest", name, worst)
	}
	if len(classes) < 5 {
		t.Errorf("the pictures are of %d classes only: they show little", len(classes))
	}
	t.Logf("%s: %d classes, scores differ by at most %.2g of the largest", name, len(classes), worst)
}
