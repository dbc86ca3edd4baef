package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRuntimeOfModule generates packages that import the run time from incc's module, for
// inference and for training. They build in a module that requires it, pass go vet, and compute
// the golden numbers.
func TestRuntimeOfModule(t *testing.T) {
	if *update {
		t.Skip("nothing to update")
	}
	exe, err := inccCommand()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	goLine := regexp.MustCompile(`(?m)^go .*$`).FindString(string(own))
	dir := newModule(t)
	mod := fmt.Sprintf("module example.com/user\n\n%s\n\nrequire github.com/incc-lang/incc v0.0.0\n\nreplace github.com/incc-lang/incc => %s\n", goLine, filepath.ToSlash(root))
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "vector.incc"), []byte("net vector\ninput x 40\nfc 3 act=tanh -> fc 3 -> softmax\ntrain {\n  sgd lr=0.1 momentum=0.9\n  run batch=4 epochs=2\n}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mnist/nin", "-o", "nin", "--test", "--main"}, {"vector.incc", "-o", "vector", "--train", "--test"}} {
		out := inModule(t, dir, nil, exe, append([]string{"gen", "go", "--runtime=module"}, args...)...)
		if strings.Contains(out, "does not require") {
			t.Errorf("incc says %s", out)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*", "internal", "*")); len(files) > 0 {
		t.Errorf("there is a copy of the run time: %v", files)
	}
	inModule(t, dir, nil, "go", "vet", "./...")
	inModule(t, dir, nil, "go", "test", "./...")
	if after, err := os.ReadFile(filepath.Join(dir, "go.mod")); err != nil || string(after) != mod {
		t.Errorf("go.mod has become\n%s (%v)", after, err)
	}
}

// TestSharedRuntime generates two packages that share a copy of the run time, one of which
// trains, and one without it. The copy is the union of what they need, whichever is generated
// first. (TestGeneratedPackages builds and runs packages that share a copy.)
func TestSharedRuntime(t *testing.T) {
	if *update {
		t.Skip("nothing to update")
	}
	exe, err := inccCommand()
	if err != nil {
		t.Fatal(err)
	}
	dir := newModule(t)
	// sources returns the files of a folder, by name.
	sources := func(dir string) map[string]string {
		m := map[string]string{}
		list, err := filepath.Glob(filepath.Join(dir, "*.[gs]*"))
		if err != nil || len(list) == 0 {
			t.Fatal(dir, err)
		}
		for _, p := range list {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			m[filepath.Base(p)] = string(b)
		}
		return m
	}
	functions := func(files map[string]string) map[string]bool {
		m := map[string]bool{}
		for name, text := range files {
			for _, f := range regexp.MustCompile(`(?m)^(?:func |TEXT )(?:\([^)]*\) )?\S+`).FindAllString(text, -1) {
				m[name+": "+f] = true
			}
		}
		return m
	}
	gen := func(spec, to string, more ...string) {
		inModule(t, dir, nil, exe, append([]string{"gen", "go", spec, "-o", to}, more...)...)
	}
	gen("mnist/nin", "a/nin", "--kernel", "a/internal/rt", "--test")
	gen("lenet5", "a/lenet5", "--kernel", "a/internal/rt", "--train")
	gen("lenet5", "b/lenet5", "--kernel", "b/internal/rt", "--train")
	gen("mnist/nin", "b/nin", "--kernel", "b/internal/rt", "--test")
	gen("mnist/nin", "alone/nin", "--test")
	gen("lenet5", "alone/lenet5", "--train")
	a, b := functions(sources(filepath.Join(dir, "a/internal/rt"))), functions(sources(filepath.Join(dir, "b/internal/rt")))
	union := map[string]bool{}
	for _, of := range []string{"nin", "lenet5"} {
		own := functions(sources(filepath.Join(dir, "alone", of, "internal/kernel")))
		if len(own) == len(a) {
			t.Errorf("%s alone needs all of the shared copy", of)
		}
		for f := range own {
			union[f] = true
			if !a[f] {
				t.Errorf("the shared copy lacks %s, which %s needs", f, of)
			}
		}
	}
	for f := range a {
		if !b[f] {
			t.Errorf("%s is only in the copy for which %s was generated first", f, "nin")
		}
	}
	if len(a) != len(b) {
		t.Errorf("the copies have %d and %d functions", len(a), len(b))
	}
	if extra := len(a) - len(union); extra > len(union)/20 {
		t.Errorf("the shared copy has %d functions, of which %d are in neither copy", len(a), extra)
	}
}
