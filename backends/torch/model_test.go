package torch

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/specs"
	"github.com/incc-lang/incc/specs/spectest"
)

var update = flag.Bool("update", false, "write the expected files of testdata")

// golden compares a text with the file of testdata that has the expected one.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed: read the difference after go test ./backends/torch -update", path)
	}
}

func TestModelGolden(t *testing.T) {
	for _, name := range []string{"lenet5", "mnist/inception_v1", "googlenet"} {
		text, err := Model(spectest.Load(t, name), "incc gen torch "+name)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "model_"+strings.ReplaceAll(name, "/", "_")+".py", []byte(text))
	}
}

// TestModelIsTheSame: the text does not depend on the order of maps, and the graph does not
// change.
func TestModelIsTheSame(t *testing.T) {
	g := spectest.Load(t, "mnist/deep_heads")
	first, err := Model(g, "incc")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if again, err := Model(g, "incc"); err != nil || again != first {
			t.Fatal("another text", err)
		}
	}
}

func TestModelRefusesOpsOfTraining(t *testing.T) {
	b := ir.NewBuilder("net")
	x := b.Input("x", ir.Float(ir.Batch, 3))
	y := b.Do(ops.ReLUDx{}, x, x)
	y.Name = "y"
	g := b.Graph()
	g.Outputs = []*ir.Value{y}
	_, err := Model(g, "incc")
	if err == nil || !strings.Contains(err.Error(), "y: incc gen torch has no way to write the op \"relu_dx\", which only training needs") {
		t.Error(err)
	}
}

// hostile are names that try to leave a string, a comment or an identifier.
var hostile = []string{`a"b`, `"""`, `\`, "new\nline", "../../up", "self", "class", "__init__", "1", "part_1", "forward", "F", "ü{x}", "a.b.c", "state_dict", "x", "y", "images", "\u202e", "lambda: 0", ""}

// TestHostileNames: names cannot break the module, and the names of the state_dict are those
// of incc whatever they are.
func TestHostileNames(t *testing.T) {
	b := ir.NewBuilder(`net" """ \` + "\nraise SystemExit(3)")
	b.Graph().Doc = "# \"\"\"\n# raise SystemExit(3) \\\n"
	x := b.Input("images", ir.Float(ir.Batch, 2, 4, 4))
	v := x
	for i, name := range hostile {
		part := hostile[(i+7)%len(hostile)]
		prefix := fmt.Sprintf("%s/%s%d/", part, name, i)
		if i%3 == 0 {
			prefix = name + "/" + fmt.Sprint(i) + "/"
		}
		w := b.Param(prefix+name+"/weight", ir.Shape{2, 2, 1, 1}, ir.Param{LR: 1, Init: ir.Init{Kind: ir.InitUniform, A: 1}})
		v = b.Do(ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, v, w)
		v.Name = prefix + name
	}
	g := b.Graph()
	g.Outputs = []*ir.Value{v}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	oracle(t, []*oracleCase{{name: "'a\nraise SystemExit(3)'", g: g, batch: 2}})
}

// tool returns a program of the environment that has PyTorch, or of the path. It skips the
// test where there is none.
func tool(t *testing.T, name string) string {
	t.Helper()
	if p := filepath.Join(filepath.Dir(peers.TorchPython(peers.Torch)), name); exists(p) {
		return p
	}
	p, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: pip install %s", name, name)
	}
	return p
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// modelsOf writes the models of specs into folders.
func modelsOf(t *testing.T, names []string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		text, err := Model(spectest.Load(t, name), "incc gen torch "+name)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.Mkdir(to, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, "model.py"), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestRuff: the linter and the formatter find nothing in the models of all specs.
func TestRuff(t *testing.T) {
	ruff := tool(t, "ruff")
	dir := modelsOf(t, specs.Names())
	for _, args := range [][]string{{"check", "--no-cache", dir}, {"format", "--check", "--no-cache", dir}} {
		if out, err := exec.Command(ruff, args...).CombinedOutput(); err != nil {
			t.Errorf("ruff %s: %v\n%s", args[0], err, out)
		}
	}
}

// TestBreakLine: long lines are broken as the formatters do it, and a tuple of one element
// stays a tuple.
func TestBreakLine(t *testing.T) {
	long := strings.Repeat("a", 60)
	for _, c := range []struct{ text, want string }{
		{"x = f(1)", "x = f(1)\n"},
		{"x = f(" + long + ", 1234567890, 1234567890)", "x = f(\n    " + long + ", 1234567890, 1234567890\n)\n"},
		{"x = (f(" + long + ", y=" + long + "),)", "x = (\n    f(\n        " + long + ",\n        y=" + long + ",\n    ),\n)\n"},
		{`x = f("` + long + `,)", "` + long + `")`, "x = f(\n    \"" + long + ",)\",\n    \"" + long + "\",\n)\n"},
	} {
		if got := breakLine("", c.text, ""); got != c.want {
			t.Errorf("%s\n%s\nwant\n%s", c.text, got, c.want)
		}
	}
}
