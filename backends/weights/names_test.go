package weights

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/weights/names"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/specs/spectest"
)

// TestTables compares every table with the spec and with the state_dict of the class:
// each weight of one is a weight of the other, of the same shape.
func TestTables(t *testing.T) {
	for _, table := range names.Tables() {
		shapes := stateDict(t, fmt.Sprintf("testdata/%s_%s.txt", table.Library, table.Spec))
		g := spectest.Load(t, table.Spec)
		for _, v := range g.Params {
			if v.Param.Kind == ir.Constant {
				continue
			}
			name := table.Tensor(v.Name)
			if name == "" || table.Param(name) != v.Name {
				t.Errorf("%s: the table has no tensor for %s", table.Spec, v.Name)
				continue
			}
			if want, got := shapes[name], strings.Trim(fmt.Sprint([]int(v.Type.Shape)), "[]"); want != got {
				t.Errorf("%s: %s is %s, %s is %s", table.Spec, v.Name, got, name, want)
			}
			delete(shapes, name)
		}
		for name := range shapes {
			if !strings.HasSuffix(name, "num_batches_tracked") {
				t.Errorf("%s: the table has no weight for %s", table.Spec, name)
			}
		}
	}
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

// TestNamesAreTorchvisions makes the lists of names again, where Python has torchvision.
func TestNamesAreTorchvisions(t *testing.T) {
	if !longtest.Enabled() {
		t.Skip("importing PyTorch takes its time: INCC_LONG=1 runs this")
	}
	python := torchPython(t)
	dir := t.TempDir()
	script, err := os.ReadFile("testdata/make.py")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "make.py"), script, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(python, filepath.Join(dir, "make.py"), "names").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, table := range names.Tables() {
		name := fmt.Sprintf("%s_%s.txt", table.Library, table.Spec)
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what make.py writes here", name)
		}
	}
}

// torchPython returns a Python that has torchvision: INCC_TORCH_PYTHON or python3.
func torchPython(t *testing.T) string {
	t.Helper()
	python := os.Getenv("INCC_TORCH_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import torchvision").Run(); err != nil {
		t.Skipf("%s has no torchvision (%v); INCC_TORCH_PYTHON names another Python", python, err)
	}
	return python
}
