package main

import (
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/ir/irtest/longtest"
)

const torchRunSpec = `net pets
input image 3x16x16 range=-1..1
default conv pad=same act=relu bn=1e-3
c1: conv 3x3 8 -> maxpool 2x2/2 -> conv 3x3 16 -> gap -> fc 3 -> softmax
train { adam lr=0.02; run batch=8 epochs=2 seed=3 }
`

// writeColours writes a data set of noisy pictures with a colour for each class.
func writeColours(t *testing.T, dir string, classes []string) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	for part, n := range map[string]int{"train": 24, "test": 9} {
		for k, class := range classes {
			folder := filepath.Join(dir, part, class)
			if err := os.MkdirAll(folder, 0o777); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				img := image.NewNRGBA(image.Rect(0, 0, 20, 16))
				for p := range 20 * 16 {
					img.SetNRGBA(p%20, p/20, color.NRGBA{uint8(60*k + r.IntN(120)), uint8(r.IntN(255)), uint8(130 - 60*k + r.IntN(120)), 255})
				}
				f, err := os.Create(filepath.Join(folder, strconv.Itoa(i)+".png"))
				if err != nil {
					t.Fatal(err)
				}
				if err := png.Encode(f, img); err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// readObject reads a file of JSON.
func readObject(t *testing.T, path string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var x map[string]any
	if err := json.Unmarshal(b, &x); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return x
}

// TestTorchRun trains with the program of incc gen torch. The folder of the run is one of
// incc train: it says the same of the data, the classes and the spec as incc train does, and
// incc's commands take it. incc eval counts the same right answers as PyTorch.
func TestTorchRun(t *testing.T) {
	if !longtest.Enabled() {
		t.Skip("it starts PyTorch: INCC_LONG=1 runs this")
	}
	python := peers.TorchPython(peers.Torch)
	if _, err := os.Stat(python); err != nil {
		t.Skip(&peers.MissingError{What: "PyTorch " + peers.Torch, How: "go run ./backends/cpu/peers/install torch"})
	}
	dir := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	spec := at("pets.incc")
	if err := os.WriteFile(spec, []byte(torchRunSpec), 0o666); err != nil {
		t.Fatal(err)
	}
	writeColours(t, at("data"), []string{"dög", "$a cat's", "zebra"})
	inccRun(t, exitOK, "gen", "torch", spec, "-o", at("torch"), "--train")
	cmd := exec.Command(python, at("torch", "train.py"), at("data"), "--out", at("run"), "--workers=0", "--threads=1")
	text, err := cmd.CombinedOutput()
	if strings.Contains(string(text), "ModuleNotFoundError") {
		t.Skipf("a package of Python is missing: %s", text)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"66 training images, 6 for validation, 27 for the test", "epoch  1  loss ", " images/s  0:0", "epoch  2  loss ", "incc eval " + at("run")} {
		if !strings.Contains(string(text), want) {
			t.Errorf("train.py does not say %q:\n%s", want, text)
		}
	}

	inccRun(t, exitOK, "train", spec, "--data", at("data"), "--out", at("own"))
	sameRun(t, at("run"), at("own"))

	summary := readObject(t, at("run", "summary.json"))
	for _, split := range []string{"test", "val"} {
		out, _ := inccRun(t, exitOK, "eval", at("run"), "--split", split, "--json")
		var got struct {
			Accuracy float64 `json:"accuracy"`
			Balanced float64 `json:"balanced_accuracy"`
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		if want := summary[split+"_accuracy"]; want != got.Accuracy {
			t.Errorf("incc eval --split %s: %v, PyTorch %v", split, got.Accuracy, want)
		}
		if want, ok := summary[split+"_balanced_accuracy"].(float64); split == "test" && !(ok && math.Abs(want-got.Balanced) < 1e-12) {
			t.Errorf("incc eval --split %s: balanced accuracy %v, PyTorch %v", split, got.Balanced, want)
		}
	}
	out, _ := inccRun(t, exitOK, "predict", at("run"), at("data", "test", "zebra", "1.png"))
	if !strings.Contains(out, "$a cat's") || !strings.Contains(out, "dög") {
		t.Errorf("incc predict prints %s", out)
	}
	out, _ = inccRun(t, exitOK, "compare", at("run"), at("own"), "-o", at("curves"))
	if strings.Count(out, " %  ") < 6 {
		t.Errorf("incc compare prints %s", out)
	}
	inccRun(t, exitOK, "compile", at("run"), "-o", at("model.onnx"))
	inccRun(t, exitOK, "view", at("run"), "-o", at("page.html"))
	if err := os.WriteFile(at("go.mod"), []byte("module example.com/user\n\ngo 1.25.0\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	inccRun(t, exitOK, "gen", "go", at("run"), "-o", at("pets"))
	text, err = exec.Command(python, at("torch", "train.py"), at("data"), "--out", at("own")).CombinedOutput()
	if err == nil || !strings.Contains(string(text), "own holds a run of incc train, not of train.py") {
		t.Errorf("train.py in the folder of incc train: %v\n%s", err, text)
	}
	_, errs := inccRun(t, exitError, "train", "--resume", at("run"))
	if !strings.Contains(errs, "PyTorch trained the run in ") {
		t.Errorf("incc train --resume says %s", errs)
	}
	inccRun(t, exitOK, "train", filepath.Join(at("run"), runSpec), "--data", at("data"), "--init", at("run"), "--epochs", "1", "--out", at("more"))
}

// sameRun compares what the folders of two runs say of what was trained with what.
func sameRun(t *testing.T, got, want string) {
	t.Helper()
	a, b := readObject(t, filepath.Join(got, runStart)), readObject(t, filepath.Join(want, runStart))
	for _, key := range []string{"incc", "name", "data", "val", "classes"} {
		if !reflect.DeepEqual(a[key], b[key]) {
			t.Errorf("run.json: %s is %v, that of incc train %v", key, a[key], b[key])
		}
	}
	a, b = a["identity"].(map[string]any), b["identity"].(map[string]any)
	for _, key := range []string{"spec", "images", "validation", "batch", "epochs", "seed"} {
		if a[key] != b[key] || a[key] == "" {
			t.Errorf("run.json: the identity has %s %v, that of incc train %v", key, a[key], b[key])
		}
	}
	a, b = readObject(t, filepath.Join(got, runSummary)), readObject(t, filepath.Join(want, runSummary))
	for key, value := range b {
		if _, ok := a[key]; !ok {
			t.Errorf("summary.json has no %s", key)
		}
		switch key {
		case "name", "net", "spec_sha256", "incc", "batch", "seed", "params", "epochs", "train_images", "val_images", "test_images":
			if a[key] != value {
				t.Errorf("summary.json: %s is %v, that of incc train %v", key, a[key], value)
			}
		}
	}
	for _, name := range []string{runSpec} {
		x, err := os.ReadFile(filepath.Join(got, name))
		if err != nil {
			t.Fatal(err)
		}
		y, err := os.ReadFile(filepath.Join(want, name))
		if err != nil || string(x) != string(y) {
			t.Errorf("%s is\n%s\nthat of incc train\n%s", name, x, y)
		}
	}
}
