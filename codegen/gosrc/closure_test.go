package gosrc

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/sources"
	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// kernelNames are the types of package kernel that have the method Run.
func kernelNames(t *testing.T) (names []string) {
	t.Helper()
	src, err := flatten(sources.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	run := regexp.MustCompile(`(?m)^func \(\w+ \*?(\w+)\) Run\(\w+ \*Worker, `)
	for _, b := range src {
		for _, m := range run.FindAllSubmatch(b, -1) {
			names = append(names, string(m[1]))
		}
	}
	slices.Sort(names)
	if len(names) < 70 {
		t.Fatalf("only %d kernels found", len(names))
	}
	return names
}

// TestClosureOfEveryKernel checks the closure of a package that has one kernel only: on every
// target it has all that it names, and the functions of assembly are those that are declared.
func TestClosureOfEveryKernel(t *testing.T) {
	src, err := flatten(sources.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	r, err := readRuntime(src)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range kernelNames(t) {
		if !longtest.Enabled() && i%12 != 0 {
			continue
		}
		user := fmt.Sprintf("package p\n\nimport \"x/kernel\"\n\nvar steps = [...]kernel.Runner{kernel.%s{}}\n\nfunc f(t *kernel.Team) { t.Run(nil); x.Table(); x.Scratch(); x.Pack(); x.PackBias() }\n", k)
		c, err := r.closure("x/kernel", []File{{"p.go", []byte(user)}})
		if err != nil {
			t.Fatal(err)
		}
		var files []File
		for name, text := range src {
			b, err := c.file(name, text)
			if err != nil {
				t.Fatalf("%s: %v", k, err)
			}
			if b != nil {
				files = append(files, File{name, b})
			}
		}
		for _, target := range [][2]string{{"linux", "amd64"}, {"windows", "amd64"}, {"linux", "arm64"}, {"windows", "arm64"}, {"linux", "386"}} {
			checkTarget(t, k, files, target[0], target[1])
		}
		if strings.HasSuffix(k, "Pool") && slices.ContainsFunc(files, func(f File) bool { return strings.HasPrefix(f.Path, "optim") || strings.HasPrefix(f.Path, "dense") }) {
			t.Errorf("the closure of %s holds an optimizer or a dense layer", k)
		}
	}
}

// checkTarget type-checks the files that a target builds. What other packages declare is not
// known, so only errors about the names of this one count.
func checkTarget(t *testing.T, k string, files []File, goos, goarch string) {
	t.Helper()
	fset := token.NewFileSet()
	var trees []*ast.File
	text := map[string]bool{}
	for _, f := range files {
		base, _, _ := strings.Cut(f.Path, ".")
		if strings.HasSuffix(base, "_amd64") && goarch != "amd64" || strings.HasSuffix(base, "_arm64") && goarch != "arm64" || strings.HasSuffix(base, "_arm64") && goarch != "arm64" || strings.HasSuffix(base, "_linux") && goos != "linux" {
			continue
		}
		if strings.HasSuffix(f.Path, ".s") {
			for _, m := range regexp.MustCompile(`(?m)^TEXT ·(\w+)`).FindAllStringSubmatch(string(f.Data), -1) {
				text[m[1]] = true
			}
			continue
		}
		tree, err := parser.ParseFile(fset, f.Path, f.Data, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("%s: %v", k, err)
		}
		builds := true
		for _, g := range tree.Comments {
			for _, c := range g.List {
				if e, err := constraint.Parse(c.Text); err == nil {
					builds = e.Eval(func(tag string) bool { return tag == goos || tag == goarch })
				}
			}
		}
		if builds {
			trees = append(trees, tree)
		}
	}
	own := regexp.MustCompile(`^undefined: \w+$|has no field or method|declared and not used|imported and not used|redeclared|missing method`)
	foreign := regexp.MustCompile(`type invalid type|undefined: \w+\.`)
	conf := types.Config{Importer: nothing{}, Error: func(err error) {
		if s := err.(types.Error).Msg; own.MatchString(s) && !foreign.MatchString(s) {
			t.Errorf("the closure of %s for %s/%s: %v", k, goos, goarch, err)
		}
	}}
	conf.Check("kernel", fset, trees, nil)
	for _, tree := range trees {
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body == nil {
				if !text[f.Name.Name] {
					t.Errorf("the closure of %s for %s/%s has no assembly of %s", k, goos, goarch, f.Name.Name)
				}
				delete(text, f.Name.Name)
			}
		}
	}
	for name := range text {
		t.Errorf("the closure of %s for %s/%s has assembly of %s, which it does not declare", k, goos, goarch, name)
	}
}

// TestInferenceHoldsNoTraining: a package that has the kernels of an inference has none of
// a training, and few lines of Go.
func TestInferenceHoldsNoTraining(t *testing.T) {
	user := `package p

import "x/kernel"

var steps = [...]kernel.Runner{kernel.Conv{}, kernel.Winograd{}, kernel.MaxPool{}, kernel.AvgPool{}, kernel.MatVec{}, kernel.Dense{}, kernel.LRN{}, kernel.Softmax{}}

func load(file []byte) error {
	t, err := kernel.ParseTensors(file)
	_, err = kernel.TensorStream(t, "w")
	return kernel.PackAll(nil)
}

func run(t *kernel.Team) { t.Run(func(w *kernel.Worker) { w.Do(nil, nil) }) }
`
	files, err := Runtime("0.1.0", "x/kernel", []File{{"p.go", []byte(user)}}, sources.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	lines, training := 0, regexp.MustCompile(`^optim|^loss|_bwd|^files|^schedule|^batches|dropout`)
	for _, f := range files {
		if training.MatchString(f.Path) {
			t.Errorf("%s is part of an inference", f.Path)
		}
		if strings.HasSuffix(f.Path, ".go") {
			lines += strings.Count(string(f.Data), "\n")
		}
	}
	if lines > 7000 {
		t.Errorf("%d lines of Go", lines)
	}
	t.Logf("%d files, %d lines of Go", len(files), lines)
}
