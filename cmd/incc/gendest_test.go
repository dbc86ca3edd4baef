package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goCommand runs the go command in a folder, without access to the network.
func goCommand(dir string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// moduleAt makes a module with a package in folder, and a package user that imports it.
func moduleAt(t *testing.T, modLines, importPath, folder string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                          modLines,
		filepath.Join(folder, "p.go"):     "package p\n\nconst X = 1\n",
		filepath.Join("user", "other.go"): "package other\n\nimport p \"" + importPath + "\"\n\nconst X = p.X\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Skipf("this file system takes no folder %q: %v", folder, err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestImportPaths: gen go accepts a folder if and only if the go command can build a
// package in it and another package can import that.
func TestImportPaths(t *testing.T) {
	const plain = "module example.com/m\n\ngo 1.25\n"
	for _, c := range []struct{ mod, folder, path, want string }{ // want is part of the error
		{plain, "net", "example.com/m/net", ""},
		{plain, "a/b-c", "example.com/m/a/b-c", ""},
		{plain, "x~y", "example.com/m/x~y", ""},
		{plain, "c++", "example.com/m/c++", ""},
		{plain, "internal", "example.com/m/internal", ""},
		{plain, "internal/net", "example.com/m/internal/net", ""},
		{plain, "-x/y", "example.com/m/-x/y", ""},
		{plain, "v2", "example.com/m/v2", ""},
		{"module (\n\texample.com/m\n)\n\ngo 1.25\n", "net", "example.com/m/net", ""},
		{"module \"example.com/m\" // quoted\n\ngo 1.25\n", ".", "example.com/m", ""},
		{"module example.com/digits/v2\n\ngo 1.25\n", ".", "example.com/digits/v2", ""},
		{"module gopkg.in/x.v3\n\ngo 1.25\n", ".", "gopkg.in/x.v3", ""},
		{"module image\n\ngo 1.25\n", "cats", "image/cats", ""},
		{"module m\n\ngo 1.26.0\n", ".", "m", ""},

		{plain, "aux", "example.com/m/aux", `"aux" disallowed`},
		{plain, "a/CON/b", "example.com/m/a/CON/b", `"CON" disallowed`},
		{plain, "nul", "example.com/m/nul", `"nul" disallowed`},
		{plain, "COM1.x", "example.com/m/COM1.x", `"COM1" disallowed`},
		{plain, "foo~1", "example.com/m/foo~1", "trailing tilde and digits"},
		{plain, "x.", "example.com/m/x.", "trailing dot"},
		{plain, "a b", "example.com/m/a b", "invalid char ' '"},
		{plain, "a@b", "example.com/m/a@b", "invalid char '@'"},
		{plain, "zahlenüber", "example.com/m/zahlenüber", "invalid char 'ü'"},
		{plain, "\u7f51", "example.com/m/\u7f51", "invalid char '\u7f51'"},
		{plain, "a\tb", "example.com/m/a\tb", `invalid char '\t'`},
		{plain, "-x", "example.com/m/-x", "cannot begin with '-'"},
		{plain, "~x", "example.com/m/~x", "cannot begin with '~'"},
		{plain, "+x", "example.com/m/+x", "cannot begin with '+'"},
		{plain, "vendor/x", "example.com/m/vendor/x", `called "vendor"`},
		{"module image\n\ngo 1.25\n", "color", "image/color", "standard library"},
		{"module fmt\n\ngo 1.25\n", ".", "fmt", "standard library"},
		{"module main\n\ngo 1.25\n", ".", "main", "means something else"},
		{"module std\n\ngo 1.25\n", ".", "std", "means something else"},
		{"module aux/x\n\ngo 1.25\n", "net", "aux/x/net", "module path"},
		{"module \"my module\"\n\ngo 1.25\n", "net", "my module/net", "module path"},
		{"go 1.25\n", "net", "example.com/m/net", "no module line"},
		{"module example.com/m\nmodule example.com/n\n\ngo 1.25\n", "net", "example.com/m/net", "repeated module"},
		{"module example.com/m\n\ngo 1.25\nmodule (\n", "net", "example.com/m/net", "go.mod:5"},
	} {
		t.Run(strings.ReplaceAll(c.path, "/", "_"), func(t *testing.T) {
			dir := moduleAt(t, c.mod, c.path, c.folder)
			out, goErr := goCommand(dir, "build", "./user")
			d, err := findDestination(filepath.Join(dir, filepath.FromSlash(c.folder)), "", "")
			switch {
			case (goErr == nil) != (c.want == ""):
				t.Fatalf("the go command says %v: %s", goErr, out)
			case c.want == "" && (err != nil || d.importPath != c.path):
				t.Fatalf("want %s; got %+v, %v", c.path, d, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Fatalf("want an error with %s; got %v", c.want, err)
			}
		})
	}
}

// TestSkippedFolders: gen go does not accept folders that ./... does not include, because
// go vet ./... and go test ./... would not find the package. (The go command builds them
// only if they are named.)
func TestSkippedFolders(t *testing.T) {
	for _, folder := range []string{"testdata", "_x", ".x", "a/.b", "testdata/net"} {
		dir := moduleAt(t, "module example.com/m\n\ngo 1.25\n", "example.com/m/"+folder, folder)
		if out, err := goCommand(dir, "list", "./..."); err != nil || strings.Contains(out, folder) {
			t.Errorf("go list has %s: %v, %s", folder, err, out)
		}
		if _, err := findDestination(filepath.Join(dir, folder), "", ""); err == nil || !strings.Contains(err.Error(), "go build ./... skips") {
			t.Errorf("%s: %v", folder, err)
		}
	}
}

// TestLeastGo: it is an error if go.mod has a version of Go that is too old, or none, which
// means go 1.16.
func TestLeastGo(t *testing.T) {
	for mod, want := range map[string]string{
		"module example.com/m\n\ngo 1.24\n":     "says go 1.24",
		"module example.com/m\n\ngo 1.24.13\n":  "says go 1.24.13",
		"module example.com/m\n":                "no go line",
		"module example.com/m\n\ngo 1.25rc1\n":  "",
		"module example.com/m\n\ngo 1.25\n":     "",
		"module example.com/m\n\ngo 1.100.7\n":  "",
		"module example.com/m\n\ngo (\n1.25\n)": "go.mod",
	} {
		file := filepath.Join(t.TempDir(), "go.mod")
		if _, err := readModule(file, []byte(mod)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", mod, err, want)
		}
	}
}

// TestStandardPackages: every package in the list is in the standard library. A newer Go may
// have more packages.
func TestStandardPackages(t *testing.T) {
	out, err := goCommand(".", "list", "std")
	if err != nil {
		t.Fatal(err)
	}
	have := strings.Fields(out)
	l := strings.Fields(goStd)
	if len(l) < 150 || !slices.Contains(l, "net/http") {
		t.Errorf("the list has %d packages", len(l))
	}
	for _, p := range l {
		if !slices.Contains(have, p) {
			t.Errorf("%s is not in the standard library", p)
		}
	}
}

func TestPackageNameOf(t *testing.T) {
	for p, want := range map[string]string{
		"example.com/digits": "digits", "example.com/digits/v2": "digits", "example.com/digits/v22": "digits", "example.com/digits/v1": "v1",
		"gopkg.in/digits.v3": "digits", "example.com/m/x_windows": "xwindows", "m": "m", "example.com/m/main": "mainnet", "example.com/Digits": "digits",
	} {
		if got := packageNameOf(p); got != want {
			t.Errorf("%s is package %s, want %s", p, got, want)
		}
	}
}

// emptyPackages imports packages that declare nothing.
type emptyPackages struct{}

func (emptyPackages) Import(p string) (*types.Package, error) {
	x := types.NewPackage(p, path.Base(p))
	x.MarkComplete()
	return x, nil
}

// TestClash compares clash with the type checker of Go.
func TestClash(t *testing.T) {
	const generated = `package p

import "fmt"
import k "example.com/kernel"

const Len = 1
var labels [3]string
type Model struct { isa int }
type both[T any] struct{}
func New() *Model { return nil }
func (m *Model) Infer() {}
func init() {}
var _ = 1
`
	for _, c := range []struct {
		file, theirs string
		want         string // part of the error
	}{
		{"a.go", "package p\nfunc Other() {}\ntype Mine struct{ Infer int }\nfunc init() {}\nvar _ = 2", ""},
		{"a.go", "package p\nfunc (m *Model) More() {}\nfunc (m *Model) _() {}", ""},
		{"a.go", "package p\nimport \"fmt\"\nimport _ \"example.com/labels\"\nfunc f() { var New int; _ = New; fmt.Println() }", ""},
		{"a.go", "package p\ntype Model int", "declares Model"},
		{"a.go", "package p\nconst a, Len = 1, 2", "declares Len"},
		{"a.go", "package p\nvar New int", "declares New"},
		{"a.go", "package p\nfunc labels() {}", "declares labels"},
		{"a.go", "package p\nfunc (Model) Infer() {}", "declares Model.Infer"},
		{"a.go", "package p\nfunc (m *Model) isa() {}", "declares Model.isa"},
		{"a.go", "package p\nfunc (m *both[T]) f() {}", ""},
		{"a.go", "package p\ntype fmt int", "declares fmt"},
		{"a.go", "package p\nfunc k() {}", "declares k"},
		{"a.go", "package p\nimport \"example.com/labels\"", "imports a package as labels"},
		{"a.go", "package p\nimport \"example.com/labels/v2\"", "imports a package as labels"},
		{"a.go", "package p\nimport Model \"fmt\"", "imports a package as Model"},
		{"a_test.go", "package p\nfunc New() {}", "declares New"},
		{"a_test.go", "package p_test\nfunc New() {}", ""},
		{"a.go", "package q\n", "is of package q"},
		{"a.go", "package q_test\n", "is of package q_test"},
	} {
		gen := genFile{path: "x/model_incc.go", data: []byte(generated)}
		set := token.NewFileSet()
		a, err := parser.ParseFile(set, "gen.go", generated, 0)
		if err != nil {
			t.Fatal(err)
		}
		b, err := parser.ParseFile(set, c.file, c.theirs, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = clash("x", []genFile{gen}, []goSource{{c.file, b}})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.theirs, err, c.want)
		}
		if b.Name.Name != "p" {
			continue
		}
		clashes := false
		conf := types.Config{Importer: emptyPackages{}, Error: func(err error) {
			s := err.Error()
			clashes = clashes || strings.Contains(s, "redeclared") || strings.Contains(s, "already declared") || strings.Contains(s, "field and method")
		}}
		_, _ = conf.Check("p", set, []*ast.File{a, b}, nil)
		// clash guesses the package name for a path that ends in a version; the type
		// checker knows it.
		if clashes != (c.want != "") && !strings.Contains(c.theirs, "/v2") {
			t.Errorf("%s: the type checker finds a clash: %v", c.theirs, clashes)
		}
	}
}

func TestMayBuild(t *testing.T) {
	for src, want := range map[string]bool{
		"package p\n":                                     true,
		"//go:build ignore\n\npackage main\n":             false,
		"// doc\n\n//go:build ignore && linux\npackage p": false,
		"//go:build linux && !cgo\n\npackage p":           true,
		"//go:build !linux || ignore\n\npackage p":        true,
		"//go:build !ignore\n\npackage p":                 true,
		"//go:build !(ignore || linux)\n\npackage p":      true,
		"//go:build !(!ignore)\n\npackage p":              false,
		"package p\n//go:build ignore\n":                  true,
	} {
		if mayBuild([]byte(src)) != want {
			t.Errorf("%q: want %v", src, want)
		}
	}
}
