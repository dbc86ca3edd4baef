package golden

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// typeCheck type-checks all packages of a module for another platform, which takes a
// fraction of the time of compiling the standard library for it.
func typeCheck(t *testing.T, dir, goos, goarch string) {
	t.Helper()
	cmd := moduleCommand(dir, []string{"GOOS=" + goos, "GOARCH=" + goarch, "CGO_ENABLED=0"}, "go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,ImportMap,Standard", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list for %s/%s: %v", goos, goarch, err)
	}
	known := imported{"unsafe": types.Unsafe}
	ours := 0
	// What a package imports comes before it.
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath, Dir string
			GoFiles         []string
			ImportMap       map[string]string
			Standard        bool
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath == "unsafe" {
			continue
		}
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		if !p.Standard {
			ours++
		}
		conf := types.Config{
			Importer:         mapped{known, p.ImportMap},
			Sizes:            types.SizesFor("gc", goarch),
			IgnoreFuncBodies: p.Standard,
		}
		pkg, err := conf.Check(p.ImportPath, fset, files, nil)
		if err != nil {
			t.Fatalf("%s for %s/%s: %v", p.ImportPath, goos, goarch, err)
		}
		known[p.ImportPath] = pkg
	}
	if ours < 3 {
		t.Errorf("only %d packages of the module were checked for %s/%s", ours, goos, goarch)
	}
}

// imported holds type-checked packages by import path.
type imported map[string]*types.Package

// mapped finds packages after the translation of import paths that go list gives for
// what the standard library vendors.
type mapped struct {
	imported
	paths map[string]string
}

func (m mapped) Import(path string) (*types.Package, error) {
	if p, ok := m.paths[path]; ok {
		path = p
	}
	if p := m.imported[path]; p != nil {
		return p, nil
	}
	return nil, errors.New("not listed: " + path)
}
