package weights

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/backends/weights/arrays"
	"github.com/incc-lang/incc/backends/weights/names"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/specs/spectest"
)

// TestTables compares every table with the spec and with the weights of the class: each
// weight of one is a weight of the other, of the same shape. Normalizations of a class may go
// without gamma.
func TestTables(t *testing.T) {
	for _, table := range names.Tables() {
		if table.Differs != "" {
			continue
		}
		what := table.Library + " " + table.Spec
		list := classArrays(t, table.Library, table.Spec)
		g := spectest.Load(t, table.Spec)
		if table.Library == "slim" { // whose first class is the background
			g = spectest.Load(t, table.Spec, "labels imagenet1k\n", "", "classes = 1000", "classes = 1001")
		}
		heads := HeadParams(g)
		fit := &Fitted{Names: map[string]string{}, fill: map[string]float32{}}
		params, free := map[string]*ir.Value{}, map[string]arrays.Array{}
		for _, v := range g.Params {
			if v.Param.Kind != ir.Constant && !(heads[v] && table.Tensor(v.Name) == "") {
				params[v.Name] = v
			}
		}
		for _, a := range list {
			if !table.Ignores(a.Name) {
				free[a.Name] = a
			}
		}
		canonical := names.Canonical(slices.Collect(maps.Keys(free)))
		fit.match(table, canonical, params, free)
		for name, v := range params {
			tensor, ok := fit.Names[name]
			if _, filled := fit.fill[name]; filled {
				continue
			}
			if !ok {
				t.Errorf("%s: the class has no tensor for %s", what, name)
				continue
			}
			a := shaped(free[tensor], v.Type.Shape, mapsBefore(g)[name])
			if !slices.Equal(a.Shape, v.Type.Shape) {
				t.Errorf("%s: %s is %v, %s is %v", what, name, v.Type.Shape, tensor, free[tensor].Shape)
			}
			delete(free, tensor)
		}
		for name := range free {
			t.Errorf("%s: the table has no weight for %s", what, name)
		}
	}
}

// TestTimmAndTorchvision: classes of timm that have the names of torchvision need no table of
// their own.
func TestTimmAndTorchvision(t *testing.T) {
	for _, spec := range []string{"resnet50", "resnext50", "densenet121", "inception_v3"} {
		list := classArrays(t, "timm", spec)
		fit, err := Fit(spectest.Load(t, spec), &File{Kind: "PyTorch", Arrays: list}, nil)
		if err != nil || len(fit.Names) != len(list) || fit.Table == nil || fit.Table.Library != "torchvision" {
			t.Errorf("%s: %d of %d weights are matched %s, %v", spec, len(fit.Names), len(list), fit.How, err)
		}
	}
}

// TestVariants: weights of a class that computes something else than the spec are refused,
// with the reason.
func TestVariants(t *testing.T) {
	for _, x := range []struct{ spec, kind, want string }{
		{"resnet50", "keras", "the stride is in the first 1x1"},
		{"mobilenet_v2", "keras", "an epsilon of 0.001, that of the spec 1e-05"},
		{"mobilenet_v2", "keras", "write pad=same"},
		{"inception_v3", "keras", "-D count_padding=0"},
		{"inception_v3", "slim", "-D count_padding=0"},
	} {
		_, err := Fit(spectest.Load(t, x.spec), &File{Kind: "Keras", Arrays: classArrays(t, x.kind, x.spec)}, nil)
		if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "model.save") != (x.kind == "keras") ||
			!strings.Contains(err.Error(), map[string]string{"keras": "weights of Keras' keras.applications.", "slim": "weights of TF-slim's "}[x.kind]) {
			t.Errorf("%s: %v, want %q", x.spec, err, x.want)
		}
	}
	own := spectest.Load(t, "mobilenet_v2", "bn=1e-5", "bn=1e-3", "pad=1", "pad=same")
	if _, err := Fit(own, &File{Kind: "Keras", Arrays: classArrays(t, "keras", "mobilenet_v2")}, nil); err != nil {
		t.Errorf("a copy of mobilenet_v2 with the epsilon and the padding of Keras: %v", err)
	}
}

// TestSlim: names of TF-slim are matched, heads for training that the spec lacks and the
// counter of steps are left out, and kernels are turned around.
func TestSlim(t *testing.T) {
	for _, spec := range []string{"inception_v4", "inception_resnet_v2"} {
		list := append(classArrays(t, "slim", spec), arrays.Array{Name: "global_step", DType: safetensors.I64})
		g := spectest.Load(t, spec, "labels imagenet1k\n", "", "classes = 1000", "classes = 1001")
		fit, err := Fit(g, &File{Kind: "NumPy", Arrays: list}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if fit.Table == nil || fit.Table.Library != "slim" || !strings.Contains(fit.How, "TF-slim's "+spec) {
			t.Fatalf("%s: matched %s", spec, fit.How)
		}
		for _, v := range g.Params {
			if v.Param.Kind == ir.Constant {
				continue
			}
			info, ok := fit.Tensors.Info(v.Name)
			if !ok || !slices.Equal(info.Shape, v.Type.Shape) {
				t.Errorf("%s: %s is %v, want %v", spec, v.Name, info.Shape, v.Type.Shape)
			}
		}
		for _, info := range fit.Tensors.All() {
			if strings.Contains(info.Name, "AuxLogits") || info.Name == "global_step" {
				t.Errorf("%s: %s was not left out", spec, info.Name)
			}
		}
	}
}

// TestNumbersOfLayers: Keras numbers layers on from those of earlier models.
func TestNumbersOfLayers(t *testing.T) {
	got := names.Canonical([]string{"conv2d_101/kernel", "conv2d_99/kernel", "batch_normalization/beta", "conv2d_99/bias", "predictions/kernel"})
	want := map[string]string{"conv2d_101/kernel": "conv2d#1/kernel", "conv2d_99/kernel": "conv2d#0/kernel", "conv2d_99/bias": "conv2d#0/bias",
		"batch_normalization/beta": "batch_normalization#0/beta", "predictions/kernel": "predictions/kernel"}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// classArrays returns the weights of a class, without elements.
func classArrays(t *testing.T, library, spec string) (list []arrays.Array) {
	t.Helper()
	for name, shape := range stateDict(t, fmt.Sprintf("testdata/%s_%s.txt", library, spec)) {
		if strings.HasSuffix(name, "num_batches_tracked") {
			continue
		}
		a := arrays.Array{Name: name, DType: safetensors.F32}
		for d := range strings.FieldsSeq(shape) {
			n, err := strconv.Atoi(d)
			if err != nil {
				t.Fatal(err)
			}
			a.Shape = append(a.Shape, n)
		}
		list = append(list, a)
	}
	return list
}

// stateDict reads a list of names and shapes that testdata/make.py wrote.
func stateDict(t *testing.T, path string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	shapes := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if name, shape, _ := strings.Cut(strings.TrimSpace(line), " "); name != "#" {
			shapes[name] = shape
		}
	}
	return shapes
}

// TestNamesAreTheirs makes the lists of names again, where Python has the libraries.
func TestNamesAreTheirs(t *testing.T) {
	if !longtest.Enabled() {
		t.Skip("importing PyTorch takes its time: INCC_LONG=1 runs this")
	}
	for library, x := range map[string]struct{ script, variable string }{
		"torchvision": {"make.py", "INCC_TORCH_PYTHON"}, "timm": {"names_timm.py", "INCC_TORCH_PYTHON"}, "keras": {"names_keras.py", "INCC_KERAS_PYTHON"},
	} {
		t.Run(library, func(t *testing.T) {
			python := pythonWith(t, library, x.variable)
			dir := t.TempDir()
			script, err := os.ReadFile(filepath.Join("testdata", x.script))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, x.script), script, 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(python, filepath.Join(dir, x.script), "names").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			lists, err := filepath.Glob(filepath.Join("testdata", library+"_*.txt"))
			if err != nil || len(lists) == 0 {
				t.Fatal(err)
			}
			for _, path := range lists {
				got, err := os.ReadFile(filepath.Join(dir, filepath.Base(path)))
				if err != nil {
					t.Fatal(err)
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s is not what %s writes here", path, x.script)
				}
			}
		})
	}
}

// pythonWith returns a Python that has a package: that of an environment variable, or python3.
func pythonWith(t *testing.T, library, variable string) string {
	t.Helper()
	python := os.Getenv(variable)
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import "+library).Run(); err != nil {
		t.Skipf("%s has no %s (%v); %s names another Python", python, library, err, variable)
	}
	return python
}

// TestKerasClass finds each class of Keras by its own tensors, and none by others.
func TestKerasClass(t *testing.T) {
	found := 0
	for _, table := range names.Tables() {
		if table.Library == "timm" {
			continue
		}
		var list []string
		for _, a := range classArrays(t, table.Library, table.Spec) {
			list = append(list, a.Name)
		}
		got := names.KerasClass(list)
		if table.Library == "keras" {
			found++
			if got != table {
				t.Errorf("%s is not found (another class is: %v)", table.Class, got != nil)
			}
		} else if got != nil {
			t.Errorf("%s of %s is taken for %s of Keras", table.Class, table.Library, got.Class)
		}
	}
	if found < 7 || names.KerasClass(nil) != nil || names.KerasClass([]string{"conv2d/kernel", "conv2d/bias"}) != nil {
		t.Errorf("%d classes of Keras were found", found)
	}
}

// TestWholeModel: weights of another network say what to do with their file, which may have the
// network.
func TestWholeModel(t *testing.T) {
	list := classArrays(t, "keras", "resnet50")
	for whole, want := range map[bool]string{true: "take the file in place of the spec", false: "save the whole model in Keras"} {
		_, err := Fit(spectest.Load(t, "resnet50"), &File{Kind: "Keras", Arrays: list, whole: whole}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("whole %v: got %v, want %q", whole, err, want)
		}
	}
}
