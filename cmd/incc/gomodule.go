package main

import (
	_ "embed"
	"errors"
	"fmt"
	goversion "go/version"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/codegen/gosrc"
	"github.com/incc-lang/incc/ir/diag"
)

// leastGo is the oldest version of Go that generated packages compile with: the server of
// --main uses http.CrossOriginProtection. The tests of package golden vet generated packages
// for this version.
const leastGo = "1.25"

// maxGoFile is the largest size, in bytes, of a go.mod or Go file that incc reads.
const maxGoFile = 64 << 20

// goModule is a Go module on the disk.
type goModule struct {
	root    string // folder of its go.mod
	path    string
	hasIncc bool // it is incc or requires it
}

// findModule finds the go.mod of a folder, in it or in the nearest parent that has one.
// The folder need not exist yet.
func findModule(dir string) (*goModule, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for at := abs; ; at = filepath.Dir(at) {
		file := filepath.Join(at, "go.mod")
		b, err := files.Read(file, maxGoFile)
		if err == nil {
			return readModule(file, b)
		}
		if !os.IsNotExist(err) {
			return nil, err
		}
		if filepath.Dir(at) == at {
			return nil, fmt.Errorf("%s is not inside a Go module; create one with go mod init NAME", diag.Printable(dir))
		}
	}
}

func readModule(file string, text []byte) (*goModule, error) {
	name := diag.Printable(file)
	f, err := modfile.ParseLax(name, text, nil)
	if err != nil {
		return nil, err
	}
	if f.Module == nil {
		return nil, fmt.Errorf("%s has no module line", name)
	}
	m := &goModule{root: filepath.Dir(file), path: f.Module.Mod.Path}
	m.hasIncc = m.path == inccModule || slices.ContainsFunc(f.Require, func(r *modfile.Require) bool { return r.Mod.Path == inccModule })
	if err := module.CheckImportPath(m.path); err != nil {
		return nil, fmt.Errorf("%s: Go refuses the module path %s: %w", name, diag.Quote(m.path), reason(err))
	}
	switch {
	case f.Go == nil:
		return nil, fmt.Errorf("%s has no go line, so Go takes the module for go 1.16; generated packages need go %s: run go mod edit -go=%s", name, leastGo, leastGo)
	case goversion.Compare("go"+f.Go.Version, "go"+leastGo) < 0:
		return nil, fmt.Errorf("%s says go %s; generated packages need go %s: run go mod edit -go=%s", name, diag.Printable(f.Go.Version), leastGo, leastGo)
	}
	return m, nil
}

// locate returns the absolute path of a folder of the module and its import path.
func (m *goModule) locate(dir string) (abs, importPath string, err error) {
	if abs, err = filepath.Abs(dir); err != nil {
		return "", "", err
	}
	shown := diag.Printable(dir)
	rel, err := filepath.Rel(m.root, abs)
	if err != nil || !filepath.IsLocal(rel) && rel != "." {
		return "", "", fmt.Errorf("%s is outside of the module %s", shown, m.path)
	}
	if strings.ContainsAny(abs, "\r\n") {
		return "", "", fmt.Errorf("%s: Go refuses folders with a line break in their path", diag.Quote(abs))
	}
	importPath = path.Join(m.path, filepath.ToSlash(rel))
	if rel != "." {
		for _, e := range strings.Split(filepath.ToSlash(rel), "/") {
			if e == "testdata" || e == "vendor" || e[0] == '_' || e[0] == '.' {
				return "", "", fmt.Errorf("%s: go build ./... skips what is in a folder called %s", shown, diag.Quote(e))
			}
		}
	}
	if err := checkImportPath(importPath); err != nil {
		return "", "", fmt.Errorf("%s: %w", shown, err)
	}
	return abs, importPath, nil
}

//go:embed gostd.txt
var goStd string

// checkImportPath returns an error for an import path that the go command refuses.
func checkImportPath(p string) error {
	err := module.CheckImportPath(p)
	base := path.Base(p)
	switch c := base[0]; {
	case err != nil:
		err = reason(err)
	case c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z'): // SafeArg of cmd/go
		err = fmt.Errorf("the name of a package's folder cannot begin with %q", c)
	case slices.Contains([]string{"all", "cmd", "main", "std", "tool", "work"}, p):
		err = fmt.Errorf("%q means something else to the go command", p)
	case slices.Contains(strings.Fields(goStd), p):
		err = fmt.Errorf("%q is a package of the standard library", p)
	}
	if err != nil {
		return fmt.Errorf("the go command refuses the import path %s: %w", diag.Quote(p), err)
	}
	return nil
}

// reason returns the part of an error of package module that follows the path.
func reason(err error) error {
	var e *module.InvalidPathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// packageNameOf returns the usual package name for an import path: digits for both
// example.com/digits/v2 and gopkg.in/digits.v2.
func packageNameOf(importPath string) string {
	if prefix, _, ok := module.SplitPathVersion(importPath); ok {
		importPath = prefix
	}
	return gosrc.PackageName(path.Base(importPath))
}
