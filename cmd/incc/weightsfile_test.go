package main

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/npy"
	"github.com/incc-lang/incc/backends/weights/names"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/specs/spectest"
)

// sequentialSpec is the network of backends/weights/testdata/tiny*, which make.py there made.
const sequentialSpec = `net tiny
input image 3x6x6
conv 3x3 4 pad=same act=relu bn=0.001 -> conv 3x3 6 pad=same act=relu -> gap -> fc 5 -> softmax
`

const weightsData = "../../backends/weights/testdata"

// inccRun runs a command line and returns what it printed. It fails the test if the exit code
// is not want.
func inccRun(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(append([]string{"incc"}, args...), strings.NewReader(""), &out, &errs); code != want {
		t.Fatalf("incc %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

func readArray(t *testing.T, path string) *tensor.Tensor {
	t.Helper()
	f, size, err := files.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err := npy.Open(f, size)
	if err != nil {
		t.Fatal(err)
	}
	x, err := a.Read()
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// closeTo fails the test if two arrays differ by more than 1e-4 of the largest element.
func closeTo(t *testing.T, what, got, want string) {
	t.Helper()
	a, b := readArray(t, got), readArray(t, want)
	if d, scale := tensor.MaxDiff(a, b.Reshape(a.Shape...)); !(d <= 1e-4*scale) || math.IsNaN(scale) {
		t.Errorf("%s: differs from PyTorch by %g of %g", what, d, scale)
	}
}

// TestForeignWeights: weights that PyTorch and NumPy wrote, with other names and other
// orders of axes, make the outputs that PyTorch computes.
func TestForeignWeights(t *testing.T) {
	dir := t.TempDir()
	spec, y := filepath.Join(dir, "tiny.incc"), filepath.Join(dir, "y.npy")
	if err := os.WriteFile(spec, []byte(sequentialSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	data := func(name string) string { return filepath.Join(weightsData, name) }
	for _, name := range []string{"tiny.pth", "tiny_legacy.pth", "tiny.npz", "tiny_keras.npz"} {
		_, errs := inccRun(t, exitOK, "run", spec, "--weights", data(name), "-i", data("tiny_x.npy"), "-o", y)
		closeTo(t, name, y, data("tiny_y.npy"))
		if want := "note: 9 weights of " + data(name) + " are matched by the order and the shapes of layers, which names do not confirm\n"; errs != want {
			t.Errorf("%s: %q, want %q", name, errs, want)
		}
	}

	// A draft of a map, and the same weights with it.
	draft := filepath.Join(dir, "map.txt")
	inccRun(t, exitOK, "weights", "map", spec, data("tiny.pth"), "-o", draft)
	text, err := os.ReadFile(draft)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\nconv_3x3/gamma = 1.weight\n") {
		t.Errorf("the draft of a map is %s", text)
	}
	_, errs := inccRun(t, exitOK, "run", spec, "--weights", data("tiny.pth"), "--map", draft, "-i", data("tiny_x.npy"), "-o", y)
	closeTo(t, "map", y, data("tiny_y.npy"))
	if !strings.Contains(errs, "are matched by the map\n") {
		t.Errorf("with --map: %q", errs)
	}

	// An ONNX model's own weights, a model as SPEC with weights by their names, and --init.
	model := filepath.Join(dir, "tiny.onnx")
	inccRun(t, exitOK, "compile", spec, "--weights", data("tiny.pth"), "-o", model)
	inccRun(t, exitOK, "run", spec, "--weights", model, "-i", data("tiny_x.npy"), "-o", y)
	closeTo(t, "ONNX", y, data("tiny_y.npy"))
	inccRun(t, exitOK, "compile", spec, "--seed", "5", "-o", model)
	own := filepath.Join(dir, "own.safetensors")
	inccRun(t, exitOK, "weights", model, "-o", own)
	inccRun(t, exitOK, "run", spec, "--weights", own, "-i", data("tiny_x.npy"), "-o", y)

	// Weights of another network.
	wide := filepath.Join(dir, "wide.incc")
	if err := os.WriteFile(wide, []byte(strings.Replace(sequentialSpec, "3x3 6", "3x3 7", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	_, errs = inccRun(t, exitError, "run", wide, "--weights", data("tiny.pth"), "-i", data("tiny_x.npy"))
	for _, want := range []string{`"0.weight" is not a weight of tiny`, "conv_3x3/weight is not in the file", "incc weights map SPEC FILE -o map.txt writes a draft"} {
		if !strings.Contains(errs, want) {
			t.Errorf("weights of another network: %q has not %q", errs, want)
		}
	}
	_, errs = inccRun(t, exitError, "run", spec, "--weights", data("bad_system.pth"), "-i", data("tiny_x.npy"))
	if !strings.Contains(errs, "bad_system.pth: the pickle uses posix.system, which could run any code") {
		t.Errorf("a pickle that runs code: %q", errs)
	}
}

// TestInputOfTables: the built-in specs prepare pictures as the pretrained weights want them,
// but for VGG-16, whose spec does as the paper, and for classes of Keras that are variants of
// the network, whose weights the specs refuse.
func TestInputOfTables(t *testing.T) {
	for _, table := range names.Tables() {
		g := spectest.Load(t, table.Spec)
		variant := table.Library == "keras" && slices.Contains([]string{"mobilenet_v2", "resnet50"}, table.Spec)
		if got, want := preparesAs(g, table.Input), table.Spec != "vgg16" && !variant; got != want || table.Input == "" {
			t.Errorf("%s: prepares pictures as the weights of %s want them: %v, want %v", table.Spec, table.Class, got, want)
		}
	}
}

// TestPretrained makes files of the names, shapes, types and containers of torchvision's
// pretrained GoogLeNet and Inception v3 with torch itself, and compares the answers of
// incc predict with torch's, preparation of the picture included. It gives the weights back
// to PyTorch.
func TestPretrained(t *testing.T) {
	if !longtest.Enabled() {
		t.Skip("importing PyTorch takes its time: INCC_LONG=1 runs this")
	}
	python := os.Getenv("INCC_TORCH_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import torchvision, safetensors").Run(); err != nil {
		t.Skipf("%s has no torchvision or no safetensors (%v); INCC_TORCH_PYTHON names another Python", python, err)
	}
	dir := t.TempDir()
	script, err := filepath.Abs("testdata/pretrained.py")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(python, script, "make", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, x := range []struct{ spec, class, file string }{
		{"googlenet_bn", "googlenet", "googlenet-1378be20.pth"},
		{"inception_v3", "inception_v3", "inception_v3_google-0cc3c7bd.pth"},
	} {
		in := func(name string) string { return filepath.Join(dir, name) }
		y := in(x.class + "_y.npy")
		inccRun(t, exitOK, "run", x.spec, "--weights", in(x.file), "-i", in(x.class+".png"), "-o", y)
		closeTo(t, x.file, y, in(x.class+"_want.npy"))
		want, err := os.ReadFile(in(x.class + "_top.txt"))
		if err != nil {
			t.Fatal(err)
		}
		out, errs := inccRun(t, exitOK, "predict", x.spec, "--weights", in(x.file), in(x.class+".png"), "--csv")
		if !strings.Contains(out, ",1,"+string(want)+",") {
			t.Errorf("%s: predict prints %s, torch's first class is %s", x.file, out, want)
		}
		if !strings.Contains(errs, "are matched by the names of torchvision's "+x.class) {
			t.Errorf("%s: %s", x.file, errs)
		}
		back := in(x.class + ".safetensors")
		inccRun(t, exitOK, "weights", "export", x.spec, "--weights", in(x.file), "--names", "torchvision", "-o", back)
		if out, err := exec.Command(python, script, "load", x.class, back, in(x.file)).CombinedOutput(); err != nil {
			t.Errorf("PyTorch and the exported weights: %v: %s", err, out)
		}
	}
}
